"""Broken dictionaries and tables: each mistake is told with file, line, column, code and the nearest name."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import MappingError
from bridge.mapping.examples import run_examples
from bridge.mapping.load import default_folder, load_mappings
from tests.tools.tables import parsed

Change = tuple[str, str]
TABLE = "tables/0x027E.yaml"
DEVICES = "devices/0x027E.yaml"


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., list[str]]:
    """Change files of a copy of the mappings, and take what is said; places are relative to the folder."""

    def run(*changes: tuple[str, str, str]) -> list[str]:
        others = shutil.ignore_patterns("0x02A1.yaml", "0x0287.yaml", "0x0288.yaml")
        shutil.copytree(default_folder(), tmp_path / "m", dirs_exist_ok=True, ignore=others)
        for file, old, new in changes:
            text = (tmp_path / "m" / file).read_text()
            assert old in text, old
            (tmp_path / "m" / file).write_text(text.replace(old, new, 1))
        with pytest.raises(MappingError) as raised:
            load_mappings(tmp_path / "m", cache=parsed())
        return [line.removeprefix(f"{tmp_path / 'm'}/") for line in str(raised.value).splitlines()]

    return run


def place_of(file: str, text: str, part: str) -> str:
    """`file:line:col` of `part` within the first line of the shipped file that contains `text`."""
    for number, line in enumerate((default_folder() / file).read_text().splitlines(), 1):
        if text in line:
            return f"{file}:{number}:{line.index(text) + text.index(part) + 1}"
    raise AssertionError(text)


TABLE_MISTAKES = [
    (
        'plug: "yes"},                            connector',
        'plug: "maybe"},  connector',
        '"maybe"',
        "UNKNOWN-VALUE",
        "unknown value",
    ),
    (
        "when: {faultStatus: fault},                     connector",
        "when: {faultStatsu: fault}, connector",
        "faultStatsu",
        "UNKNOWN-NAME",
        'did you mean "faultStatus"?',
    ),
    ("when: {mode: test}", "when: {mode: tset}", "tset", "UNKNOWN-VALUE", 'did you mean "test"?'),
    ("lostFor: {min: 60s}", "lostFor: {min: 60 W}", "60 W", "QUANTITY", "is not in s"),
    ("lostFor: {min: 60s}", "lostFor: {least: 60s}", "least", "UNKNOWN-KEY", "unknown bound"),
    ("when: {authorized: true, plug", "when: {authorized: maybe, plug", "maybe", "WRONG-TYPE", "true or false"),
    ("{id: release, when: {release: G-}", "{id: release, when: {release: O-}", "O-}", "RELEASE", "no release"),
    ("seen: plugKnown, charge", "seen: plugknown, charge", "plugknown", "UNKNOWN-VALUE", 'did you mean "plugKnown"?'),
]


@pytest.mark.parametrize(("old", "new", "at", "code", "message"), TABLE_MISTAKES)
def test_mistakes_in_conditions(
    broken: Callable[..., list[str]], old: str, new: str, at: str, code: str, message: str
) -> None:
    said = broken((TABLE, old, new))
    assert len(said) == 1, said
    place, word, text = said[0].split(" ", 2)
    line = int(place_of(TABLE, old, old[:3]).split(":")[1])
    assert place.split(":")[:2] == [TABLE, str(line)]
    assert word == code
    assert message in text


def test_columns_are_exact(broken: Callable[..., list[str]]) -> None:
    line = place_of(TABLE, "{id: fault,         when: {faultStatus: fault}", "faultStatus")
    said = broken(
        (TABLE, "when: {faultStatus: fault},                     connector", "when: {faultStatsu: fault}, connector")
    )
    assert said == [f'{line}: UNKNOWN-NAME "faultStatsu" is no property, term or signal - did you mean "faultStatus"?']


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        (
            "{operationMode: charge}\n      - id: current",
            "{operationMode: chagre}\n      - id: current",
            "UNKNOWN-VALUE",
            '"charge"',
        ),
        (
            "- {chargingElectricPower: limit}",
            "- {chargingElectricPwer: limit}",
            "UNKNOWN-PROPERTY",
            '"chargingElectricPower"',
        ),
        ("- {chargingElectricPower: limit}", "- {chargingElectricPower: 1000000000}", "UNKNOWN-VALUE", "outside"),
        ("- {chargingElectricPower: limit}", "- {instantaneousElectricPower: limit}", "NOT-SETTABLE", "cannot be set"),
        (
            "- {chargingElectricPower: limit}",
            "- {targetChargingElectricEnergy1: limit}",
            "WRONG-VALUE",
            'none of the units of "limit": W, A',
        ),
        (
            "- {targetDischargingElectricEnergy: amount, ",
            "- {dischargingElectricPower: amount, ",
            "WRONG-VALUE",
            'none of the units of "amount": Wh',
        ),
        ("{meter: power, within: 180s}", "{meter: power, property: ratedVoltage}", "SOURCE", '"integral"'),
        ("{property: instantaneousVoltage}, {meter: voltage}", "{meter: current}", "UNIT", "not in V"),
        ("{property: instantaneousVoltage}, {meter: voltage}", "{integral: power}", "UNIT", "only energies"),
        ("{meter: energyIn}", "{meter: energyin}", "WRONG-VALUE", 'did you mean "energyIn"?'),
        (
            "- {chargingElectricPower: limit}",
            "- {chargingElectricPower: limit, if: setable}",
            "WRONG-VALUE",
            '"settable"',
        ),
        ("- {chargingElectricPower: limit}", "- {if: settable}", "STEP", "not 0"),
        ("tolerate: 0.5 A", "tolerate: 0.5 W", "QUANTITY", "is not in A"),
        ("onOff: true, ensure: [{operationMode: charge}]", "ensure: [{operationMode: charge}]", "NO-LIMIT", "onOff"),
        ("- {assume: 450 V}", "- {assume: 0 V}", "VOLTS", "above zero"),
        ("- {assume: 450 V}", "- {assume: 450}", "QUANTITY", "no quantity like 100 V"),
        ("maxProperties: 8", "maxProperties: 7", "TOO-MANY", "more than a request may hold (7)"),
        ("{id: test,          when: {mode: test},  ", "{id: test,  ", "DEAD-ROW", '"test" always holds and hides'),
        ("{id: blind, when", "{id: vehicle, when", "DUPLICATE-ID", '"vehicle"'),
        ("connector: Faulted}", "connector: Fauled}", "WRONG-VALUE", 'did you mean "Faulted"?'),
        ("StatusNotification:  ", "StatusNotifications:  ", "UNKNOWN-KEY", 'did you mean "StatusNotification"?'),
        (
            "  power:                                  # charging",
            "  reachable:  # charging",
            "DUPLICATE-NAME",
            '"reachable"',
        ),
        ("threshold: 100 W", "threshold: 0 W", "QUANTITY", "above zero"),
        ('class: "0x027E"', 'class: "0x027F"', "UNKNOWN-CLASS", 'did you mean "0x027E"?'),
        ('class: "0x027E"', "class: 0x027E", "WRONG-TYPE", 'quote it: "0x027E"'),
        (
            "    rapidCharge: start_transaction",
            "    rapidCharg: start_transaction",
            "UNKNOWN-VALUE",
            'did you mean "rapidCharge"?',
        ),
        ("  chargingElectricPower: Notify", "  purchasingElectricPower: Notify", "UNKNOWN-PROPERTY", "no setpoint"),
        (
            "voltage: {first: [{property: instantaneousVoltage}, ",
            "voltage: {first: [{property: instantaneousCurrent}, ",
            "UNIT",
            "not in V",
        ),
        ("minus: socFloor", "minus: socfloor", "WRONG-VALUE", '"socFloor"'),
        ("hold: 10s", "hold: 10", "WRONG-TYPE", "needs a unit"),
        ("when: {comesTo: pause}, ", "when: {comesTo: paus}, ", "UNKNOWN-VALUE", '"pause"'),
        ("connector: keep, atBoot: Available}", "connector: keep, atBoot: available}", "WRONG-VALUE", '"Available"'),
    ],
)
def test_mistakes_in_tables(broken: Callable[..., list[str]], old: str, new: str, code: str, message: str) -> None:
    said = broken((TABLE, old, new))
    assert any(line.split(" ")[1] == code and message in line for line in said), said
    assert all(line.startswith(f"{TABLE}:") for line in said)


def test_sections_cannot_look_at_what_depends_on_them(broken: Callable[..., list[str]]) -> None:
    said = broken(
        (
            TABLE,
            "{id: no-vehicle, when: {chargeDischargeStatus",
            '{id: no-vehicle, when: {plug: "no", chargeDischargeStatus',
        ),
        (TABLE, "{id: answers, when: {reachable: true}", "{id: answers, when: {comesTo: charge, reachable: true}"),
    )
    assert [line.split(" ")[1] for line in said] == ["CIRCULAR", "CIRCULAR"]


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ('epc: "0xC0"', "epc: 0xC0", "WRONG-TYPE", 'quote it: "0xC0"'),
        ('epc: "0xC0"', 'epc: "0xc0"', "WRONG-VALUE", "is no code of a property"),
        ("release: D-F", "release: F-D", "RELEASE", "ends before it begins"),
        ("release: D-F", "release: D-O", "RELEASE", "there is no O"),
        ("release: D-F", "release: D-G", "OVERLAP", "in Release G is defined in line"),
        (
            "type: uint32, range: [0, 999999999]",
            "type: uint32, range: [0, 4294967296]",
            "OUT-OF-RANGE",
            "no range within uint32",
        ),
        ("type: uint32, range", "type: uint31, range", "WRONG-VALUE", "uint32"),
        ('"0x42": charge, ', '"0x42-0x43": charge, ', "OUT-OF-RANGE", "overlaps"),
        ("get: R,", "get: X,", "WRONG-VALUE", "none of R, R*, O, -"),
        ('parent: "0x0000"', 'parent: "0x0001"', "UNKNOWN-CLASS", 'did you mean "0x0000"?'),
    ],
)
def test_mistakes_in_dictionaries(
    broken: Callable[..., list[str]], old: str, new: str, code: str, message: str
) -> None:
    said = broken((DEVICES, old, new))
    assert any(line.startswith(f"{DEVICES}:") and f" {code} " in line and message in line for line in said), said


def test_mistakes_of_several_files_come_at_once(broken: Callable[..., list[str]]) -> None:
    said = broken(
        (DEVICES, "release: D-F", "release: F-D"),
        (TABLE, "hold: 10s", "hold: 10"),
        ("devices/0x0000.yaml", "mapping: 1", "mapping: &x 1"),
    )
    assert {line.split(":")[0] for line in said} >= {DEVICES, TABLE, "devices/0x0000.yaml"}


def test_the_hash_changes_with_the_content_and_not_with_the_place(tmp_path: Path) -> None:
    shutil.copytree(default_folder(), tmp_path / "m")
    shipped = load_mappings(cache=parsed())
    same = load_mappings(tmp_path / "m", cache=parsed())
    assert same.content_hash == shipped.content_hash
    assert same.table(0x027E).content_hash == shipped.table(0x027E).content_hash
    text = (tmp_path / "m" / TABLE).read_text()
    (tmp_path / "m" / TABLE).write_text(text.replace("hold: 10s", "hold: 11s"))
    other = load_mappings(tmp_path / "m", cache=parsed())
    assert other.content_hash != shipped.content_hash
    assert other.table(0x027E).content_hash != shipped.table(0x027E).content_hash


def test_missing_folders_and_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="no such folder"):
        load_mappings(tmp_path / "none", cache=parsed())
    with pytest.raises(MappingError, match="no table for class 0x0279"):
        load_mappings(cache=parsed()).table(0x0279)
    assert load_mappings(tmp_path, cache=parsed()).tables == {}


def test_examples_that_fail_are_told_with_their_place(tmp_path: Path) -> None:
    shutil.copytree(default_folder(), tmp_path / "m")
    path = tmp_path / "m" / TABLE
    text = path.read_text()
    old = "  - {given: {equipmentType: ac_cplt, chargeDischargeStatus: chargeable}, expect"
    assert old in text
    text = text.replace(old, "  - {given: {equipmentType: ac_cplt, chargeDischargeStatus: chargable}, expect", 1)
    text = text.replace('expect: {plug: "no", connector: Available}', 'expect: {plug: "no", conector: Available}', 1)
    path.write_text(
        text.replace("expect: {connector: Faulted, fault: 003C}", "expect: {connector: Faulted, fault: 003D}")
    )
    mappings = load_mappings(tmp_path / "m", cache=parsed())
    source = next(source for source in mappings.sources if source.document.file.endswith(TABLE))
    said = [str(problem).removeprefix(f"{tmp_path / 'm'}/") for problem in run_examples(source)]
    assert any("is none of" in line and " EXAMPLE " in line for line in said)
    assert any('UNKNOWN-KEY unknown expectation "conector" - did you mean "connector"?' in line for line in said)
    assert any("fault is 003C, not 003D" in line for line in said)
    assert all(line.startswith(f"{TABLE}:") for line in said)
