"""The property dictionary by release, from the files that are shipped."""

import pytest

from bridge.echonet.dictionary import RELEASES, Access, DeviceClass, releases_between
from bridge.echonet.values import Quantity, State, Unknown
from tests.tools.tables import shipped

UNIT = shipped().classes[0x027E]


def test_there_is_no_release_o() -> None:
    assert "O" not in RELEASES
    assert releases_between("M", "P") == "MNP"
    assert UNIT.latest.release == "R"


@pytest.mark.covers("AIF-1.2-1")
@pytest.mark.parametrize(
    ("releases", "codes"),
    [
        ("DEF", {0x41, 0x42, 0x43, 0x44, 0x45, 0x40}),
        ("GHIJKLM", {0x42, 0x43, 0x44, 0x47, 0x40}),
        ("N", {0x42, 0x43, 0x44, 0x46, 0x47, 0x40}),
        ("PQR", {0x42, 0x43, 0x44, 0x46, 0x47, 0x48, 0x49, 0x40}),
    ],
)
def test_the_mode_has_four_definitions(releases: str, codes: set[int]) -> None:
    for letter in releases:
        codec = UNIT.at(letter).by_name["operationMode"].codec
        assert {code for code in range(256) if isinstance(codec.decode(bytes((code,))), State)} == codes


@pytest.mark.parametrize(("release", "known"), [("F", False), ("G", False), ("I", False), ("J", True), ("R", True)])
def test_vehicle_unknown_came_with_release_j(release: str, known: bool) -> None:
    value = UNIT.at(release).decode(0xC7, b"\x44")
    assert value == (State("unknown", 0x44) if known else Unknown(b"\x44"))


def test_a_class_inherits_from_the_super_class_and_may_override_it() -> None:
    assert UNIT.at("P").by_epc[0x88].name == "faultStatus"
    assert UNIT.at("Q").by_epc[0x89].get is Access.OPTIONAL
    assert UNIT.at("R").by_epc[0x89].get is Access.REQUIRED
    assert UNIT.epc_of("operationMode") == 0xDA
    assert UNIT.epc_of("operationmode") is None


def test_of_an_unknown_release_only_the_super_class_is_understood() -> None:
    view = UNIT.at("S")
    assert view.release == ""
    assert 0xDA not in view.by_epc
    assert view.decode(0x88, b"\x41") == State("fault", 0x41)
    assert view.decode(0xDA, b"\x42") == Unknown(b"\x42")


def test_power_is_signed_and_old_amounts_of_two_bytes_stay_raw() -> None:
    assert UNIT.latest.decode(0xD3, bytes.fromhex("FFFFF830")) == Quantity(-2000, "W")
    assert UNIT.latest.decode(0xEA, b"\x00\x10") == Unknown(b"\x00\x10")


@pytest.mark.parametrize("code", [0x0000, 0x0EF0, 0x027E, 0x02A1])
def test_every_release_of_every_property_is_reached(code: int) -> None:
    device: DeviceClass = shipped().classes[code]
    for prop in device.properties:
        for letter in prop.releases:
            assert device.at(letter).by_epc[prop.epc] is prop
            assert device.at(letter).by_name[prop.name].epc == prop.epc
