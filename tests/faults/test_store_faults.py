"""The power, or the store, fails at any write of a session: no event is lost, none is out of order or told twice as
two, and no energy is invented.

A session of charging, an outage of the CSMS, discharging and stopping is played by a whole gateway on virtual time
(`tests/tools/fault_house.py`). Which writes it does is found out by playing it once without a fault; a number of a
write is then as good as a seed. The boundaries of Started and Ended, and a seeded sample of the others, with plain
`pytest`; all of all writes with `--soak`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.clock import run_virtual
from tests.tools.fault_house import FaultHouse, fault_house
from tests.tools.fault_store import TROUBLES, Faults, seeded

SEED = 20_261
#: How long (ms) a store stays in trouble.
TROUBLE = 40_000


def play(folder: Path, faults: Faults, *, trouble: int = 0, seed: int = 1) -> FaultHouse:
    """One session; whatever is wrong afterwards stands in `wrong`."""

    async def main() -> FaultHouse:
        async with fault_house(folder, faults, seed=seed) as house:
            if trouble:
                house.for_a_while(trouble)
            try:
                await house.session()
            except AssertionError as error:
                house.wrong.append(f"stuck while {error}")
            house.wrong = house.judge()
            return house

    return run_virtual(main())


@pytest.fixture(scope="module")
def writes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All writes of the session without a fault, by their numbers."""
    faults = Faults()
    house = play(tmp_path_factory.mktemp("whole"), faults)
    assert house.wrong == []
    assert house.lives == 1
    return faults.writes


def _events(writes: list[str]) -> list[int]:
    return [number for number, label in enumerate(writes) if label.startswith("record")]


def _cut_everywhere(folder: Path, writes: list[str], numbers: list[int]) -> list[str]:
    """What was wrong after a power cut before and after each of these writes."""
    found = []
    for number in numbers:
        for after in (False, True):
            faults = Faults(cut_at=number, after=after)
            house = play(_place(folder, f"{number}-{after}"), faults)
            where = f"write {number} ({writes[number]}), {'after' if after else 'before'}"
            found += [f"{where}: {fault}" for fault in house.wrong]
            if faults.writes[number] != writes[number]:
                found.append(f"{where}: it was {faults.writes[number]} this time")
    return found


def _place(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir()
    return place


def test_the_session_writes_all_kinds_of_events(writes: list[str]) -> None:
    kinds = {writes[number].split()[1] for number in _events(writes)}
    assert kinds == {"Started", "Updated", "Ended"}
    assert len(_events(writes)) > 10


def test_a_power_cut_at_events_and_some_other_writes_loses_nothing(tmp_path: Path, writes: list[str]) -> None:
    events = _events(writes)
    others = sorted(set(range(len(writes))) - set(events))
    chance = seeded(SEED)
    chosen = sorted([events[0], *chance.sample(events[1:-1], 3), events[-1], *chance.sample(others, 2)])
    print(f"seed {SEED}: writes {chosen}")
    assert _cut_everywhere(tmp_path, writes, chosen) == []


@pytest.mark.soak
def test_a_power_cut_at_every_write_loses_nothing(tmp_path: Path, writes: list[str]) -> None:
    assert _cut_everywhere(tmp_path, writes, list(range(len(writes)))) == []


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_store_in_trouble_for_a_while_loses_nothing(tmp_path: Path, writes: list[str], trouble: str) -> None:
    events = _events(writes)
    chosen = [events[0], seeded(f"{SEED} {trouble}").choice(events[1:-1]), events[-1]]
    print(f"seed {SEED} {trouble}: writes {chosen}")
    found = []
    for number in chosen:
        faults = Faults(fail_from=number, trouble=TROUBLES[trouble])
        house = play(_place(tmp_path, str(number)), faults, trouble=TROUBLE)
        assert faults.failed
        found += [f"write {number} ({writes[number]}): {fault}" for fault in house.wrong]
        if house.lives > 1 and number > events[0]:
            found.append(f"write {number} ({writes[number]}): the gateway has given up")
    assert found == []


@pytest.mark.soak
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_store_in_trouble_from_any_write_on_loses_nothing(tmp_path: Path, writes: list[str], trouble: str) -> None:
    found = []
    for number in range(len(writes)):
        house = play(
            _place(tmp_path, str(number)), Faults(fail_from=number, trouble=TROUBLES[trouble]), trouble=TROUBLE
        )
        found += [f"write {number} ({writes[number]}): {fault}" for fault in house.wrong]
    assert found == []
