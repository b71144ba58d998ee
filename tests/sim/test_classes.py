"""The simulation's tables of both classes, held against the dictionaries of `mappings/devices`: two transcriptions."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bridge.sim.battery import VehicleConfig
from bridge.sim.classes import CLASSES, RELEASES, ClassFacts
from bridge.sim.properties import Epc, Range
from bridge.sim.readings import READINGS, read
from bridge.sim.unit import SimUnitConfig, UnitCore

_DEVICES = Path(__file__).parents[2] / "mappings" / "devices"
EVERY = [(code, release) for code, facts in CLASSES.items() for release in facts.releases]


@cache
def _dictionary(class_name: str) -> Any:
    return YAML(typ="safe").load(_DEVICES / f"{class_name}.yaml")["properties"]


def _defined(class_name: str, release: str) -> dict[int, dict[str, Any]]:
    """The definitions of a dictionary that hold in a release: `G-I`, `J-`, `N`."""
    found = {}
    for prop in _dictionary(class_name):
        for definition in prop["definitions"]:
            first, to, last = definition["release"].partition("-")
            if first <= release <= (last or ("Z" if to else first)):
                found[int(prop["epc"], 16)] = definition
    return found


def _values(definition: dict[str, Any]) -> set[int]:
    return {int(value, 16) for value in definition["encoding"]["values"]}


@pytest.fixture(params=EVERY, ids=lambda param: f"{param[0]:04X}-{param[1]}")
def of_release(request: pytest.FixtureRequest) -> tuple[ClassFacts, str, dict[int, dict[str, Any]]]:
    code, release = request.param
    return CLASSES[code], release, _defined(f"0x{code:04X}", release)


def test_the_properties_and_their_access_are_the_dictionarys(of_release: Any) -> None:
    facts, release, own = of_release
    defined = _defined("0x0000", release) | own
    assert set(own) <= facts.known(release)
    for epc in facts.known(release):
        access = defined[epc]["access"]
        row = facts.row(release, epc)
        assert row is not None
        assert row.access == f"{access['get'].replace('R*', 'r')}{access['set']}{access['inf']}", f"{epc:02X}"


def test_the_value_codes_are_the_dictionarys(of_release: Any) -> None:
    facts, release, own = of_release
    assert facts.modes(release) == _values(own[0xDA])
    assert {state for state, since in facts.states.items() if since <= release} == _values(own[0xC7])
    if release >= "G":
        assert {code for code, traits in facts.types.items() if traits.since <= release} == _values(own[0xCC])


def test_the_ranges_are_the_dictionarys(of_release: Any) -> None:
    facts, release, own = of_release
    for epc, definition in own.items():
        limits, encoding = facts.write_range(release, epc), definition["encoding"]
        assert (limits is None) == (definition["access"]["set"] == "-"), f"{epc:02X}"
        if limits is None:
            continue
        if encoding["type"] == "state":
            assert limits.values == _values(definition), f"{epc:02X}"
        else:
            low, high = encoding["range"]
            bits = int("".join(letter for letter in encoding["type"] if letter.isdigit()))
            assert (limits.size * 8, limits.low, limits.high) == (bits, low, high), f"{epc:02X}"
            assert limits.signed == encoding["type"].startswith("int")


def test_everything_that_may_be_got_can_be_read(of_release: Any) -> None:
    facts, release, _ = of_release
    core = UnitCore(SimUnitConfig(release=release, unit_class=facts.code, plugged=True, quirks={"everything": True}), 0)
    gettable = {epc for epc in facts.known(release) if facts.row(release, epc).access[0] != "-"}
    assert core.get_map == gettable
    assert {epc for epc in gettable - {Epc.ID} if read(core, epc) is None} == set()


def test_a_unit_with_the_least_has_what_is_required(of_release: Any) -> None:
    facts, release, _ = of_release
    config = SimUnitConfig(release=release, unit_class=facts.code, quirks={"mandatory-only": True})
    assert UnitCore(config, 0).get_map == facts.required(release)


def test_no_reading_is_without_a_property() -> None:
    known = frozenset[int]().union(*(facts.known(release) for facts in CLASSES.values() for release in facts.releases))
    assert set(READINGS) <= known


@pytest.mark.parametrize(("code", "release"), EVERY)
def test_every_type_of_every_release_is_a_unit_that_answers_its_map(code: int, release: str) -> None:
    for equipment_type, traits in CLASSES[code].types.items():
        if traits.since > release:
            continue
        config = SimUnitConfig(
            unit_class=code,
            release=release,
            equipment_type=equipment_type,
            plugged=True,
            vehicle=VehicleConfig(speaks_hlc=True),
        )
        core = UnitCore(config, 0)
        silent = {epc for epc in core.get_map - {Epc.ID} if read(core, epc) is None}
        assert silent <= (set() if core.battery_known else CLASSES[code].battery), f"{equipment_type:02X}"
        assert core.connection in CLASSES[code].states
        assert CLASSES[code].states[core.connection] <= release


# ---- what is no unit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"unit_class": 0x027D}, "no charger"),
        ({"release": "O"}, "release 'O'"),
        ({"release": "F", "unit_class": 0x02A1}, "release 'F'"),
        ({"release": "PQ"}, "release 'PQ'"),
        ({"equipment_type": 0x32, "unit_class": 0x02A1}, "equipment type 0x32"),
        ({"equipment_type": 0x13, "unit_class": 0x02A1}, "equipment type 0x13"),
        ({"equipment_type": 0x10, "unit_class": 0x02A1, "release": "Q"}, "from Release R on"),
        ({"equipment_type": 0x10}, "equipment type 0x10"),
        ({"sees_plug": True, "unit_class": 0x02A1}, "sees_plug"),
    ],
)
def test_what_the_appendix_does_not_know_is_refused(config: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SimUnitConfig(**config)


def test_there_is_no_release_o() -> None:
    assert "O" not in RELEASES
    assert CLASSES[0x02A1].releases == RELEASES[RELEASES.index("G") :]


def test_a_range_may_have_another_size() -> None:
    place = Range(1, 0, 255, also=17)
    assert place.contains(b"\x01")
    assert place.contains(bytes(17))
    assert not place.contains(bytes(2))


def test_a_unit_of_each_class_says_so() -> None:
    assert SimUnitConfig(unit_class=0x02A1).equipment_type == 0x31
    assert SimUnitConfig().equipment_type == 0x32
