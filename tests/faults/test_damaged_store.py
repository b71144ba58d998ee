"""A store whose file is broken: what is whole of it is saved, it is set aside, the gateway comes up and says so."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.errors import StoreError
from bridge.station.messages import SecurityEvent
from bridge.store.port import TransactionRow
from bridge.store.recovery import MOST_ASIDE, open_or_set_aside
from bridge.store.sqlite import open_store
from tests.tools.damaged import damage, pages_of
from tests.tools.fault_house import FaultHouse, fault_house
from tests.tools.fault_store import Faults, seeded
from tests.tools.house import STATION

SEED = 20_262
CS = "CS-1"


def _read(file: Path) -> bytes:
    return file.read_bytes()


def _payload(number: int) -> str:
    return json.dumps({"seqNo": 0, "filler": f"{number}" * 200})


async def _filled(file: Path) -> bytes:
    """A store with events in it; its file's contents."""
    store = await open_store(file, inline=True)
    for number in range(200):
        await store.record(CS, TransactionRow(f"t{number}", 1, 0, "{}"), _payload(number))
    await store.close()
    return _read(file)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _break(content: bytes, how: str) -> bytes:
    chance, broken = seeded(f"{SEED} {how}"), bytearray(content)
    if how == "overwritten pages":
        for page in range(3, len(broken) // 4096):
            broken[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    elif how == "noise":
        broken[:] = chance.randbytes(len(broken))
    elif how == "no header":
        broken[:100] = bytes(100)
    elif how == "cut off":
        del broken[len(broken) // 2 // 4096 * 4096 :]
    elif how == "text":
        broken[:] = b"this is no database\n" * 300
    return bytes(broken)


#: What can still be read after each.
HOWS = {"overwritten pages": 0, "noise": 0, "no header": 200, "cut off": 50, "text": 0}


@pytest.mark.parametrize("how", HOWS)
async def test_a_damaged_store_is_set_aside_as_it_is_and_what_is_whole_of_it_saved(tmp_path: Path, how: str) -> None:
    file = tmp_path / "gateway.sqlite3"
    broken = _break(await _filled(file), how)
    print(f"seed {SEED} {how}")
    file.write_bytes(broken)
    store, damaged = await open_or_set_aside(file, inline=True)
    try:
        assert damaged is not None
        assert damaged.aside == tmp_path / "gateway.sqlite3.damaged-1"
        assert damaged.aside.read_bytes() == broken
        saved = await store.pending(CS)
        assert len(saved) >= HOWS[how]
        assert str(damaged) == f"the store was damaged: {damaged.saved}; set aside as gateway.sqlite3.damaged-1"
        assert damaged.saved.startswith(f"saved from it: {len(saved)} ")
        assert [event.transaction_id for event in saved] == [f"t{number}" for number in range(len(saved))]
        assert [event.payload for event in saved] == [_payload(number) for number in range(len(saved))]
        await store.record(CS, TransactionRow("new", 1, 0, "{}"), "{}")
    finally:
        await store.close()
    store, damaged = await open_or_set_aside(file, inline=True)
    assert damaged is None
    assert [event.transaction_id for event in await store.pending(CS)][-1] == "new"
    await store.close()
    assert _names(tmp_path) == ["gateway.sqlite3", "gateway.sqlite3.damaged-1", "gateway.sqlite3.lock"]


class _Killed(BaseException):
    """Where the test kills."""


async def test_a_kill_anywhere_in_the_rescue_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = await _filled(tmp_path / "whole")
    broken = bytes(4096) + content[4096:]
    rename = Path.rename
    for at in range(9):
        file = tmp_path / f"{at}" / "gateway.sqlite3"
        file.parent.mkdir()
        file.write_bytes(broken)
        file.with_name(file.name + "-shm").write_bytes(b"left over")
        renames = 0

        def killing(self: Path, target: Path) -> Path:
            nonlocal renames
            renames += 1
            if renames == at // 2 + 1 and at % 2 == 0:  # noqa: B023 - used within this round
                raise _Killed
            done = rename(self, target)
            if renames == at // 2 + 1:  # noqa: B023 - used within this round
                raise _Killed
            return done

        monkeypatch.setattr(Path, "rename", killing)
        with pytest.raises(_Killed) if at < 8 else contextlib.nullcontext():
            store, _ = await open_or_set_aside(file, inline=True)
            await store.close()
        monkeypatch.setattr(Path, "rename", rename)
        store, damaged = await open_or_set_aside(file, inline=True)
        assert len(await store.pending(CS)) == 200, at
        assert (damaged is None) == (at >= 7)
        await store.close()
        names = [f"gateway.sqlite3{end}" for end in ("", ".damaged-1", ".damaged-1-shm", ".lock")]
        assert _names(file.parent) == names, at
        assert file.with_name(names[1]).read_bytes() == broken


async def test_where_nothing_can_be_saved_an_empty_store_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "gateway.sqlite3"
    file.write_bytes(bytes(4096) + (await _filled(file))[4096:])

    def failing(damaged: Path, into: Path) -> None:
        raise OSError("no room for another one")

    monkeypatch.setattr("bridge.store.salvage.salvage", failing)
    store, damaged = await open_or_set_aside(file, inline=True)
    assert damaged is not None
    assert damaged.saved == "nothing of it could be saved"
    assert await store.pending(CS) == []
    await store.close()


async def test_a_store_that_is_well_is_only_opened(tmp_path: Path) -> None:
    file = tmp_path / "gateway.sqlite3"
    await _filled(file)
    store, damaged = await open_or_set_aside(file, inline=True)
    assert damaged is None
    assert len(await store.pending(CS)) == 200
    with pytest.raises(StoreError, match="another gateway"):
        await open_or_set_aside(file, inline=True)
    await store.close()
    assert _names(tmp_path) == ["gateway.sqlite3", "gateway.sqlite3.lock"]


async def test_a_disk_that_damages_every_store_is_not_fed_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "gateway.sqlite3"
    for _ in range(MOST_ASIDE):
        file.write_bytes(b"no database " * 100)
        store, damaged = await open_or_set_aside(file, inline=True)
        assert damaged is not None
        await store.close()
    file.write_bytes(b"no database " * 100)
    with pytest.raises(StoreError, match="check the disk"):
        await open_or_set_aside(file, inline=True)


# -- through the whole gateway


class _Accident:
    """What happens to the store's file while the power is off: it is damaged, once."""

    def __init__(self, house: FaultHouse, seed: int) -> None:
        self.house, self._chance = house, seeded(f"{SEED} {seed}")
        self.before: dict[tuple[str, int], dict[str, Any]] = {}
        self.pages: list[int] = []

    def __call__(self) -> None:
        """Damage a page or two."""
        if self.pages:
            return
        file = self.house.folder / "state.db"
        with closing(sqlite3.connect(file)) as connection:
            rows = connection.execute("SELECT transaction_id, seq_no, payload FROM event WHERE transaction_id != ''")
            self.before = {(key, number): json.loads(payload) for key, number, payload in rows.fetchall()}
        content = file.read_bytes()
        self.pages = self._chance.sample(range(pages_of(content)), self._chance.choice((1, 2)))
        file.write_bytes(damage(content, self.pages, self._chance))


async def _play(folder: Path, seed: int) -> list[str]:
    """Events wait while the CSMS is away, the power goes, the disk damages the store; what was wrong afterwards."""
    faults = Faults()
    async with fault_house(folder, faults, variables={"SampledDataCtrlr.TxUpdatedInterval": 5}) as house:
        house.between = accident = _Accident(house, seed)
        await house.begin()
        await house.csms.go_dark()
        await house.clock.sleep(150_000)
        faults.cut_at = len(faults.writes)
        await house.until(lambda: house.lives == 2, "the power cut")
        waited = set(house.durable)
        house.csms.come_back()
        await house.until(lambda: waited <= house.delivered(), "what was saved")
        await house.clock.sleep(60_000)
        wrong = _judge(house, accident)
        house.unit.unplug()  # whatever went on, the station serves the next one
        await house.clock.sleep(60_000)
        known = set(house.csms.station(STATION).ledger.transactions)
        await house.begin(known)
        return [f"seed {SEED} {seed}, pages {accident.pages}: {fault}" for fault in wrong]


def _judge(house: FaultHouse, accident: _Accident) -> list[str]:
    csms = house.csms
    wrong = list(house.energy.wrong)
    told = [m for m in csms.received("SecurityEventNotification") if m["type"] == SecurityEvent.STORE_DAMAGED]
    damaged = len(list(house.folder.glob("state.db.damaged-1")))
    if len(told) != damaged:  # an unused page, or a part of one, may be overwritten without harm
        wrong.append(f"{damaged} damaged stores, and {told} was told")
    if any("state.db.damaged-1" not in message["techInfo"] for message in told):
        wrong.append(f"nobody knows from {told} where the rest is")
    lost = {number for number in accident.before if number not in house.durable}
    came = {(event["transactionInfo"]["transactionId"], event["seqNo"]): event for event in csms.events()}
    for number, event in accident.before.items():
        if number not in lost and number in came and _but_offline(came[number]) != _but_offline(event):
            wrong.append(f"{number} was {event} and came as {came[number]}")
    missing = {(key, number) for key, numbers in csms.gaps().items() for number in numbers}
    if not missing <= lost:
        wrong.append(f"{missing - lost} never came and was not lost")
    if lost and not damaged:
        wrong.append(f"{lost} is lost and nobody has seen a damage")
    allowed = [f"seqNo {number} was due" for _, number in lost]
    wrong += [fault for fault in csms.violations if not any(one in fault for one in allowed)]
    return wrong


def _but_offline(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "offline"}


def _folders(folder: Path, seeds: range) -> list[tuple[Path, int]]:
    places = [(folder / f"{seed}", seed) for seed in seeds]
    for place, _ in places:
        place.mkdir()
    return places


def test_the_station_comes_up_with_what_is_whole_and_the_csms_hears_of_it(tmp_path: Path) -> None:
    assert [fault for place, seed in _folders(tmp_path, range(3)) for fault in run_virtual(_play(place, seed))] == []


@pytest.mark.soak
def test_the_station_comes_up_after_many_damages(tmp_path: Path) -> None:
    assert [fault for place, seed in _folders(tmp_path, range(60)) for fault in run_virtual(_play(place, seed))] == []
