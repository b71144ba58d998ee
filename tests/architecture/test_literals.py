"""No property code and no OCPP enumeration value stands bare in the product."""

from pathlib import Path

import pytest

from tests.architecture.literals import enumeration_values, ocpp_values, property_codes

BRIDGE = Path(__file__).parents[2] / "bridge"
#: The super class' and the node profile's constants.
CODES_MAY_STAND_IN = {"echonet/wellknown.py"}
#: What has a property code's shape and is something else: (module, literal) and what it is.
NO_CODES = {
    ("echonet/frame.py", r'b"\x81"'): "the second byte of a frame's header, EHD2",
    ("echonet/frame.py", r'b"\x82"'): "the same of the free format",
    ("echonet/node.py", r'b"\xfe"'): "the first byte of an identification number's value",
}
MODULES = {
    path.relative_to(BRIDGE).as_posix(): path
    for path in sorted(BRIDGE.rglob("*.py"))
    if path.relative_to(BRIDGE).parts[0] != "sim"  # simulations have a codec of their own
}


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 20
    assert len(enumeration_values()) > 280


def test_the_exceptions_are_still_needed() -> None:
    for module in CODES_MAY_STAND_IN:
        assert property_codes(MODULES[module].read_text()), f"{module} needs no exception any more"
    for module, literal in NO_CODES:
        assert any(found.endswith(f": {literal}") for found in property_codes(MODULES[module].read_text()))


@pytest.mark.parametrize("module", MODULES)
def test_no_property_code_stands_bare(module: str) -> None:
    if module in CODES_MAY_STAND_IN:
        return
    found = [literal.partition(": ") for literal in property_codes(MODULES[module].read_text())]
    assert [(line, literal) for line, _, literal in found if (module, literal) not in NO_CODES] == []


@pytest.mark.parametrize("module", MODULES)
def test_no_ocpp_value_stands_bare(module: str) -> None:
    assert ocpp_values(MODULES[module].read_text()) == []


@pytest.mark.parametrize(
    "code",
    [
        "x = 0xDA",
        "f(0x80)",
        "d[0xfe]",
        "x = {0xDA: 1}",
        "x = b'\\xda'",
        "x = '0xDA'",
        "x = 'C7'",
        "x = '9D'",
        "epc == 218",
        "218 in frame.epcs",
        "read(epc=218)",
        "EPCS = (199, 218)",
        "by_epc[218]",
        "epc: int = 218",
        "class A:\n  MODE = 0xDA",
        "class A(Base):\n  MODE = 0xDA",
    ],
)
def test_finds_a_property_code(code: str) -> None:
    assert len(property_codes(code)) >= 1


@pytest.mark.parametrize(
    "code",
    [
        "x & 0xFF",
        "x = y >> 8 & 0xFF",
        "x |= 0x80",
        "x = 0x027E01",
        "x = 0x62",
        "x = 200",
        "x = 'AC'",
        "x = b'\\x41'",
        "x = b'\\xda\\x42'",
        '"""Writes 0xDA."""',
        "class A(IntEnum):\n  MODE = 0xDA",
        "class A(enum.StrEnum):\n  MODE = 'C7'",
    ],
)
def test_lets_pass_what_is_no_property_code(code: str) -> None:
    assert property_codes(code) == []


@pytest.mark.parametrize(
    "code",
    [
        "x == 'Accepted'",
        "x = {'Charging': 1}",
        "x = ('SuspendedEV',)",
        "x: Literal['Energy.Active.Import.Register']",
        "match x:\n  case 'TxProfile': pass",
        "x = f'{y}' + 'Occupied'",
        "class A:\n  X = 'Accepted'",
        "class A(StrEnum):\n  def f(self): return 'Accepted'",
    ],
)
def test_finds_an_ocpp_value(code: str) -> None:
    assert len(ocpp_values(code)) == 1


@pytest.mark.parametrize(
    "code",
    [
        "x = 'W'",
        "x = 'string'",
        "x = 'the state is Charging'",
        '"""Accepted"""',
        "def f():\n  'Accepted'",
        "class A(StrEnum):\n  X = 'Accepted'\n  Y = 'Charging', 1",
        "x = 'OCPPCommCtrlr'",
        "x = 'StatusNotification'",
    ],
)
def test_lets_pass_what_is_no_ocpp_value(code: str) -> None:
    assert ocpp_values(code) == []
