"""Which modes may be written in which state (AIF 3.2.1 to 3.2.4, 4.2.2), for every release, type and answer of 0xC7.

The oracle below knows only codes and the two documents; the tables are asked through their protocol.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bridge.evse import Mode, Wanted
from bridge.mapping.decision import Ask, Fact, Recipe, Refusal, View
from tests.tools.tables import shipped

MAPPINGS = shipped()
NOW = 10_000_000
EVERYTHING = frozenset(range(0x80, 0x100))

RELEASES = {0x027E: "DEFGHIJKLMNPQR", 0x02A1: "GHIJKLMNPQR"}
AC_CPLT, AC_HLC, AC_SILENT = {0x11}, {0x12, 0x13}, {0x10}
DC_AA = {0x21, 0x22, 0x23}
CHARGE_ONLY, DISCHARGE_ONLY = {0x12, 0x21, 0x31, 0x41, 0x51}, {0x23, 0x33, 0x43, 0x53}
TYPES: dict[int, tuple[int | None, ...]] = {
    0x027E: (0x11, *sorted(CHARGE_ONLY), *sorted(DISCHARGE_ONLY), 0x13, 0x22, 0x32, 0x42, 0x52, 0x99, None),
    0x02A1: (0x10, 0x11, 0x12, 0x21, 0x31, 0x41, 0x51, 0x99, None),
}
STATES = (0x30, 0x40, 0x41, 0x42, 0x43, 0x44, 0xFF, 0x77, None)
CHARGE, DISCHARGE, STANDBY, BOTH, IDLE, AUTOMATIC = 0x42, 0x43, 0x44, 0x46, 0x47, 0x49


@dataclass(frozen=True)
class Situation:
    code: int
    release: str
    type: int | None
    state: int | None

    @property
    def told(self) -> int | None:
        """What 0xC7 tells in this class and release; None where it tells nothing (AIF 2.3, Appendix)."""
        known = {0x30, 0x40, 0x41} | ({0x42, 0x43} if self.code == 0x027E else set())
        if self.release >= "J":
            known |= {0x44}
        return self.state if self.state in known else None

    @property
    def kind(self) -> int | None:
        """0xCC came with Release G; 0x10 is one of a charger from R."""
        if self.release < "G" or self.type == 0x99 or (self.type == 0x10 and self.release < "R"):
            return None
        return self.type

    @property
    def may_charge(self) -> bool:
        """AIF 3.2.2, 3.2.4, 4.2.2."""
        if self.kind in AC_CPLT | AC_SILENT or (self.kind in AC_HLC and self.told in (0x30, None)):
            return True
        return self.told in (0x41, 0x43, 0x44)

    @property
    def may_discharge(self) -> bool:
        """AIF 3.2.3, 3.2.4; 44 says nothing about what is possible."""
        return self.told in (0x42, 0x43)

    @property
    def modes(self) -> set[int]:
        """The codes of 0xDA that may be set in this release."""
        if self.code == 0x02A1:
            return {CHARGE, STANDBY, IDLE}
        found = {CHARGE, DISCHARGE, STANDBY}
        found |= {IDLE} if self.release >= "G" else set()
        found |= {BOTH} if self.release >= "N" else set()
        return found | ({AUTOMATIC} if self.release >= "P" else set())

    def view(self, mode: Mode, **facts: str) -> View:
        known = {0x88: b"\x42", 0xC5: bytes(4), 0xE4: b"\x50", 0xC6: bytes(4)}
        known |= {0xC5: (6000).to_bytes(4, "big"), 0xC6: (6000).to_bytes(4, "big")}
        known |= {0xC7: bytes((self.state,))} if self.state is not None else {}
        known |= {0xCC: bytes((self.type,))} if self.type is not None else {}
        known |= {int(epc, 16): bytes.fromhex(edt) for epc, edt in facts.items()}
        return View(
            NOW,
            self.release,
            {epc: Fact(edt, NOW) for epc, edt in known.items()},
            gettable=EVERYTHING,
            settable=EVERYTHING,
            wanted=Wanted(mode, None, authorized=True, in_transaction=True),
            discharge_allowed=True,
            soc_floor=20_000,
        )

    def answer(self, mode: Mode) -> Recipe | Ask | Refusal:
        return MAPPINGS.table(self.code).recipe(self.view(mode))

    def writes(self, mode: Mode) -> set[int]:
        """The modes that would be written to 0xDA, at once or otherwise."""
        answer = self.answer(mode)
        if not isinstance(answer, Recipe):
            return set()
        return {step.edt[0] for step in (*answer.steps, *answer.otherwise) if step.epc == 0xDA}


def situations(code: int) -> Iterator[Situation]:
    for release, kind, state in itertools.product(RELEASES[code], TYPES[code], STATES):
        yield Situation(code, release, kind, state)


BOTH_CLASSES = pytest.mark.parametrize("code", [0x027E, 0x02A1], ids=hex)


@pytest.mark.covers("AIF-3.2.1-2", "AIF-3.2.2-1", "AIF-3.2.4-1")
@BOTH_CLASSES
def test_charge_is_written_only_where_the_vehicle_or_the_type_allows_it(code: int) -> None:
    written = 0
    for unit in situations(code):
        writes = unit.writes(Mode.CHARGE)
        assert writes <= {CHARGE}, unit
        assert not writes or (unit.may_charge and unit.kind not in DISCHARGE_ONLY), unit
        written += bool(writes)
    assert written > 100


@pytest.mark.covers("AIF-3.2.1-2", "AIF-3.2.2-1", "AIF-3.2.4-1")
@BOTH_CLASSES
def test_charge_is_written_wherever_the_vehicle_can_be_charged(code: int) -> None:
    for unit in situations(code):
        blind = unit.kind in AC_CPLT | AC_HLC | AC_SILENT and unit.told in (0x30, None)
        if (unit.told in (0x41, 0x43, 0x44) or blind) and unit.kind not in DISCHARGE_ONLY:
            assert unit.writes(Mode.CHARGE) == {CHARGE}, unit


@pytest.mark.covers("AIF-3.2.3-1", "AIF-3.2.4-1")
def test_discharge_is_written_only_where_the_vehicle_and_the_type_allow_it() -> None:
    for unit in situations(0x027E):
        able = unit.release >= "G" and unit.kind is not None and unit.kind not in CHARGE_ONLY | AC_CPLT
        expected = {DISCHARGE} if able and unit.may_discharge else set()
        assert unit.writes(Mode.DISCHARGE) == expected, unit


@pytest.mark.covers("AIF-3.2.2-1", "AIF-3.2.3-1", "AIF-3.2.4-1")
def test_the_automatic_mode_is_written_only_with_a_vehicle_and_from_release_n() -> None:
    for unit in situations(0x027E):
        writes = unit.writes(Mode.AUTO)
        assert writes <= unit.modes & {BOTH, AUTOMATIC}, unit
        both_ways = unit.kind in {0x13, 0x22, 0x32, 0x42, 0x52}
        assert bool(writes) is (unit.release >= "N" and both_ways and unit.told in (0x41, 0x42, 0x43)), unit


@pytest.mark.covers("AIF-4.2-1")
@pytest.mark.parametrize("mode", [Mode.DISCHARGE, Mode.AUTO])
def test_a_charger_takes_no_other_mode(mode: Mode) -> None:
    for unit in situations(0x02A1):
        assert isinstance(unit.answer(mode), Refusal)
        assert MAPPINGS.table(0x02A1).refusal(unit.view(mode), mode) is not None


@pytest.mark.covers("AIF-2.4.5-1", "AIF-4.2-1")
@BOTH_CLASSES
@pytest.mark.parametrize("mode", [Mode.PAUSE, Mode.STOP])
def test_pause_and_stop_are_reachable_from_every_state(code: int, mode: Mode) -> None:
    for unit in situations(code):
        writes = unit.writes(mode)
        assert writes, unit
        assert writes <= unit.modes & {STANDBY, IDLE}, unit


@pytest.mark.covers("AIF-2.3-5", "AIF-3.2.1-3")
@BOTH_CLASSES
def test_only_chademo_units_that_do_not_tell_are_asked_first(code: int) -> None:
    asked = 0
    for unit in situations(code):
        answer = unit.answer(Mode.CHARGE)
        expected = unit.kind in DC_AA - DISCHARGE_ONLY and unit.told is None
        assert isinstance(answer, Ask) is expected, unit
        if isinstance(answer, Ask):
            assert (answer.step.epc, answer.step.edt, answer.then) == (0xCD, b"\x10", (0xC7,))
            asked += 1
    assert asked


@pytest.mark.covers("AIF-2.3-6")
@BOTH_CLASSES
def test_a_vehicle_s_id_is_told_only_while_it_is_connected(code: int) -> None:
    for unit in situations(code):
        if unit.release < "J":
            continue
        measures = MAPPINGS.table(code).decide(unit.view(Mode.STOP, E6="03414243")).measures
        assert measures.vehicle_id == ("ABC" if unit.told in (0x40, 0x41, 0x42, 0x43, 0x44) else None), unit
        none = MAPPINGS.table(code).decide(unit.view(Mode.STOP, E6="00")).measures
        assert none.vehicle_id is None


def test_prepare_is_never_written() -> None:
    for unit in situations(0x027E):
        for mode in Mode:
            assert 0x48 not in unit.writes(mode)


def test_nothing_is_written_but_modes_methods_limits_and_the_bound_of_a_discharge() -> None:
    """0xE0, 0xE7 and 0xE9 are set by overlays only; counters are never reset, and nothing else is touched."""
    written = {
        code: {step.epc for setpoint in table.setpoints.values() for way in setpoint.ways for step in way.steps}
        for code, table in MAPPINGS.tables.items()
    }
    assert written == {
        0x027E: {0xDA, 0xDC, 0xDD, 0xEA, 0xEB, 0xEC, 0xED, 0xEE},
        0x02A1: {0xDA, 0xEB, 0xED},
    }


@pytest.mark.covers("AIF-3.1.4-1")
@pytest.mark.parametrize(
    ("code", "expected"),
    [(0x027E, {0x83, 0xC5, 0xC6, 0xC8, 0xC9, 0xCA, 0xCB, 0xCC}), (0x02A1, {0x83, 0xC5, 0xCC})],
    ids=["0x27e", "0x2a1"],
)
def test_the_first_attributes_are_those_of_the_specification(code: int, expected: set[int]) -> None:
    assert set(MAPPINGS.table(code).attributes[0]) == expected


@pytest.mark.covers("AIF-2.4.6-2")
@BOTH_CLASSES
def test_type_and_mode_are_always_read(code: int) -> None:
    table = MAPPINGS.table(code)
    assert {0xCC, 0xDA} <= {epc for request in table.attributes for epc in request}
    polled = {epc for group in table.polls(View(NOW, "R", gettable=EVERYTHING)) for epc in group.epcs}
    assert {0xC7, 0xDA, 0x88} <= polled
