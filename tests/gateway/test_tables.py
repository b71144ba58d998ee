"""Overlays in a running gateway: chosen by what a unit tells, exchanged without costing a transaction, and a broken one
costs its own units only."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.mapping.load import Mappings, default_folder, load_mappings
from bridge.sim.unit import SimUnitConfig
from tests.tools.house import UNITS, House, run, site
from tests.tools.tables import parsed

OVERLAY = """\
mapping: 1
kind: overlay
id: test-power
class: "0x027E"
title: A unit that is paused by 0x47 only
match: {productCode: "SIM-*"}
changes:
  - override: setpoints.pause.ways
    with: [{id: mode, ensure: [{operationMode: idle}]}]
    why: its 0x44 opens no contactor
examples:
  - {given: {operationMode: charge, wanted: pause}, expect: {writes: ["DA=47"]}}
"""


class Folder:
    """A folder of mappings that a test changes while the gateway runs."""

    def __init__(self, path: Path) -> None:
        self.path = path / "m"
        shutil.copytree(default_folder(), self.path, ignore=shutil.ignore_patterns("vendors", "schema", "dumps"))
        (self.path / "vendors").mkdir()

    def load(self) -> Mappings:
        return load_mappings(self.path, cache=parsed(), lenient=True).without_sources()

    def overlay(self, text: str | None) -> None:
        file = self.path / "vendors" / "test.yaml"
        file.write_text(text) if text is not None else file.unlink()

    def table(self, old: str, new: str) -> None:
        file = self.path / "tables" / "0x027E.yaml"
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def runner(here: House) -> object:
    return next(iter(here.gateway.units.runners.values()))


def served(here: House) -> tuple[tuple[str, ...], str | None]:
    now = next(iter(here.gateway.units.runners.values())).served
    return now.overlays, now.quarantine


async def pause(here: House, transaction: str) -> list[str]:
    """Limit the transaction to nothing; the writes that this needs."""
    before = len(here.writes())
    assert (await here.limit(0, transaction))["status"] == "Accepted"
    await here.settle(60_000)
    return here.writes()[before:]


def test_the_overlay_that_is_for_a_unit_serves_it(folder: Folder) -> None:
    folder.overlay(OVERLAY)

    async def play(here: House) -> None:
        assert served(here) == (("test-power",), None)
        assert 'product code SIM-027E: the overlay "test-power" is for it' in runner(here).served.why  # type: ignore[attr-defined]
        assert await pause(here, await here.start()) == ["DA=47"]

    run(play, tables=folder.load)


def test_tables_are_exchanged_while_a_transaction_runs(folder: Folder) -> None:
    async def play(here: House) -> None:
        assert served(here) == ((), None)
        transaction = await here.start()
        await here.unit.until(lambda unit: unit.power_w > 0)
        events, writes = len(here.csms.events()), len(here.writes())
        folder.overlay(OVERLAY)
        reloaded = await here.gateway.units.reload()
        assert (reloaded.error, reloaded.broken) == (None, {})
        await here.settle(5_000)
        assert served(here) == (("test-power",), None)
        assert here.writes()[writes:] == []  # nothing that flows is touched
        told = [call["triggerReason"] for call in here.csms.events()[events:]]
        assert set(told) <= {"MeterValuePeriodic"}
        assert await pause(here, transaction) == ["DA=47"]
        folder.overlay(None)
        await here.gateway.units.reload()
        await here.settle(5_000)
        assert served(here) == ((), None)

    run(play, tables=folder.load)


def test_a_broken_overlay_leaves_the_last_good_table_in_use(folder: Folder) -> None:
    folder.overlay(OVERLAY)

    async def play(here: House) -> None:
        transaction = await here.start()
        folder.overlay(OVERLAY.replace("operationMode: idle}", "operationMode: idel}"))
        reloaded = await here.gateway.units.reload()
        assert reloaded.error is None
        assert "UNKNOWN-VALUE" in reloaded.broken["test-power"][0] if reloaded.broken else True
        await here.settle(5_000)
        assert served(here) == (("test-power",), None)
        assert await pause(here, transaction) == ["DA=47"]

    run(play, tables=folder.load)


def test_with_a_broken_table_nothing_is_exchanged(folder: Folder) -> None:
    async def play(here: House) -> None:
        before = here.gateway.units.tables.mappings.content_hash
        folder.overlay(OVERLAY)
        folder.table("connector: Faulted}", "connector: Fautled}")
        reloaded = await here.gateway.units.reload()
        assert reloaded.error is not None
        assert "0x027E.yaml" in reloaded.error
        assert "WRONG-VALUE" in reloaded.error
        assert reloaded.content_hash == before
        await here.settle(5_000)
        assert served(here) == ((), None)
        await here.start()

    run(play, tables=folder.load)


def test_a_unit_whose_overlay_is_broken_is_unavailable_and_nothing_is_started_on_it(folder: Folder) -> None:
    folder.overlay(OVERLAY.replace("operationMode: idle}", "operationMode: idel}"))

    async def play(here: House) -> None:
        await here.told("StatusNotification", connectorStatus="Unavailable")
        overlays, quarantine = served(here)
        assert overlays == ("test-power",)
        assert 'the overlay "test-power" is for it and is broken' in str(quarantine)
        assert "UNKNOWN-VALUE" in str(quarantine)
        [name] = here.gateway.units.runners
        assert "no mapping table is right for it" in str(here.gateway.units.trouble(name))
        here.unit.plug()
        await here.settle(30_000)
        token = {"idToken": "T-1", "type": "Central"}
        answer = await here.call("RequestStartTransaction", evseId=1, remoteStartId=1, idToken=token)
        assert answer["status"] == "Rejected"
        assert "no mapping table is right for it" in answer["statusInfo"]["additionalInfo"]
        assert here.writes() == []
        folder.overlay(OVERLAY)  # mended
        await here.gateway.units.reload()
        await here.told("StatusNotification", connectorStatus="Occupied")
        await here.start()

    run(play, tables=folder.load, wait=False)


def test_energy_that_runs_on_a_quarantined_unit_can_be_stopped(folder: Folder) -> None:
    async def play(here: House) -> None:
        transaction = await here.start()
        await here.unit.until(lambda unit: unit.power_w > 0)
        one = next(iter(here.gateway.units.runners.values()))
        one._serving._right = False  # as after a restart of the gateway: no table was right yet
        folder.overlay(OVERLAY.replace("operationMode: idle}", "operationMode: idel}"))
        await here.gateway.units.reload()
        await here.settle(5_000)
        assert served(here)[1] is not None
        assert (await here.call("RequestStopTransaction", transactionId=transaction))["status"] == "Accepted"
        await here.unit.until(lambda unit: unit.power_w == 0)

    run(play, tables=folder.load, strict=False)


def test_one_units_overlay_costs_the_other_unit_nothing(folder: Folder) -> None:
    folder.overlay(OVERLAY.replace('"SIM-*"', '"BAD-1"').replace("operationMode: idle}", "operationMode: idel}"))
    units = {UNITS[0]: SimUnitConfig(), UNITS[1]: SimUnitConfig(product=b"BAD-1")}
    evses = [{"id": 1, "unit": "a"}, {"id": 2, "unit": "b"}]
    config = site(
        units={"a": {"address": UNITS[0]}, "b": {"address": UNITS[1]}},
        stations=[{"id": "CS-1", "csms": {"url": "ws://in.memory/"}, "evses": evses}],
    )

    async def play(here: House) -> None:
        await here.told("StatusNotification", evseId=2, connectorStatus="Unavailable")
        await here.start(evse=1)
        runners = here.gateway.units.runners
        assert runners["a"].served.quarantine is None
        assert runners["b"].served.quarantine is not None

    run(play, config=config, units=units, tables=folder.load, wait=False)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (1, 2))])
def test_reloading_again_and_again_costs_no_transaction(folder: Folder, seed: int) -> None:
    texts: list[str | None] = [OVERLAY, OVERLAY.replace("idle}", "idel}", 1), None, OVERLAY.replace("SIM-*", "OTHER")]

    async def play(here: House) -> None:
        transaction = await here.start(3000)
        await here.unit.until(lambda unit: unit.power_w > 0)
        present: Callable[[], bool] = (folder.path / "vendors" / "test.yaml").exists
        for round_ in range(8):
            text = texts[(seed + round_ * (seed + 1)) % len(texts)]
            if text is not None or present():
                folder.overlay(text)
            await here.gateway.units.reload()
            await here.settle(3_000)
            assert here.unit.power_w > 0
        assert (await here.call("RequestStopTransaction", transactionId=transaction))["status"] == "Accepted"
        await here.told("TransactionEvent", eventType="Ended")

    run(play, tables=folder.load)
