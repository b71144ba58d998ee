"""A store whose file is broken: it is set aside whole, the gateway comes up with an empty one, and says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.clock import run_virtual
from bridge.errors import StoreError
from bridge.sim.csms import DemoCsms
from bridge.station.messages import SecurityEvent
from bridge.store.port import TransactionRow
from bridge.store.recovery import MOST_ASIDE, open_or_set_aside
from bridge.store.sqlite import open_store
from tests.tools.fault_store import seeded
from tests.tools.house import house

SEED = 20_262
CS = "CS-1"


def _read(file: Path) -> bytes:
    return file.read_bytes()


async def _filled(file: Path) -> bytes:
    """A store with events in it; its file's contents."""
    store = await open_store(file, inline=True)
    for number in range(200):
        await store.record(CS, TransactionRow(f"t{number}", 1, 0, "{}"), "x" * 500)
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


@pytest.mark.parametrize("how", ["overwritten pages", "noise", "no header", "cut off", "text"])
async def test_a_damaged_store_is_set_aside_as_it_is_and_an_empty_one_begun(tmp_path: Path, how: str) -> None:
    file = tmp_path / "gateway.sqlite3"
    broken = _break(await _filled(file), how)
    print(f"seed {SEED} {how}")
    file.write_bytes(broken)
    store, aside = await open_or_set_aside(file, inline=True)
    try:
        assert aside == tmp_path / "gateway.sqlite3.damaged-1"
        assert aside.read_bytes() == broken
        assert await store.pending(CS) == []
        await store.record(CS, TransactionRow("new", 1, 0, "{}"), "{}")
    finally:
        await store.close()
    store, aside = await open_or_set_aside(file, inline=True)
    assert aside is None
    assert [event.transaction_id for event in await store.pending(CS)] == ["new"]
    await store.close()


async def test_a_store_that_is_well_is_only_opened(tmp_path: Path) -> None:
    file = tmp_path / "gateway.sqlite3"
    await _filled(file)
    store, aside = await open_or_set_aside(file, inline=True)
    assert aside is None
    assert len(await store.pending(CS)) == 200
    with pytest.raises(StoreError, match="another gateway"):
        await open_or_set_aside(file, inline=True)
    await store.close()
    assert _names(tmp_path) == ["gateway.sqlite3", "gateway.sqlite3.lock"]


async def test_a_disk_that_damages_every_store_is_not_fed_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "gateway.sqlite3"
    for _ in range(MOST_ASIDE):
        file.write_bytes(b"no database " * 100)
        store, aside = await open_or_set_aside(file, inline=True)
        assert aside is not None
        await store.close()
    file.write_bytes(b"no database " * 100)
    with pytest.raises(StoreError, match="check the disk"):
        await open_or_set_aside(file, inline=True)


def test_the_station_comes_up_and_the_csms_hears_of_it(tmp_path: Path) -> None:
    async def main() -> DemoCsms:
        file = tmp_path / "gateway.sqlite3"
        file.write_bytes(_break(await _filled(file), "noise"))
        store, aside = await open_or_set_aside(file, inline=True)
        assert aside is not None
        async with house(store=store) as here:
            here.gateway.store_was_damaged(aside.name)
            await here.start(3000)
            await here.settle(10)
            return here.csms

    csms = run_virtual(main())
    told = [m for m in csms.received("SecurityEventNotification") if m["type"] == SecurityEvent.STORE_DAMAGED]
    assert len(told) == 1
    assert "gateway.sqlite3.damaged-1" in told[0]["techInfo"]
    assert csms.violations == []
