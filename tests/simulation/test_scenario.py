"""The demo's whole evening on the virtual clock, and what the wire must have shown of it."""

from __future__ import annotations

import gc
import time

import pytest

from bridge.cli.demo_house import GATEWAY_ADDRESS, in_memory
from bridge.clock import run_virtual
from bridge.sim.codec import Esv
from bridge.sim.scenario import STEPS, play
from bridge.sim.timeline import Row

#: Seconds of real time, as far as they are ours: nothing waits here, and what neighbours take does not count.
BUDGET = 2.0


def _run() -> tuple[list[Row], list[str]]:
    async def main() -> tuple[list[Row], list[str]]:
        async with in_memory(lambda row: None) as scene:
            return scene.timeline.rows, await play(scene)

    return run_virtual(main())


@pytest.fixture(scope="module")
def evening() -> list[Row]:
    gc.collect()
    gc.freeze()  # what other tests have left in this process is not this one's work
    began = time.process_time()
    rows, faults = _run()
    assert faults == []
    assert time.process_time() - began < BUDGET
    return rows


def test_every_step_saw_what_it_expects(evening: list[Row]) -> None:
    labels = [(row.step, row.expected) for row in evening if row.expected]
    expected = [(step.name, e.label) for step in STEPS for group in step.groups for e in group]
    assert sorted(labels) == sorted(expected)  # within a group the order is free
    assert all(row.seen for row in evening)


def test_a_run_repeats_to_the_byte() -> None:
    assert [row.as_json() for row in _run()[0]] == [row.as_json() for row in _run()[0]]


@pytest.mark.covers("CEL-3.5", "AIF-3.2-2")
def test_charge_is_written_after_the_state_was_read_and_is_read_back(evening: list[Row]) -> None:
    start = [row for row in evening if row.step.startswith("remote start") and row.frame]
    state = next(
        i for i, row in enumerate(start) if row.frame and row.frame.esv is Esv.GET_RES and "C7=43" in row.writes
    )
    charge = next(i for i, row in enumerate(start) if row.frame and row.frame.esv is Esv.SETC and "DA=42" in row.writes)
    back = next(
        i
        for i, row in enumerate(start)
        if i > charge and row.frame and row.frame.esv is Esv.GET_RES and "DA=42" in row.writes
    )
    assert state < charge < back


@pytest.mark.covers("CEL-3.6")
def test_discharge_is_written_only_when_the_unit_stands_still(evening: list[Row]) -> None:
    step = [row for row in evening if row.step.startswith("discharge") and row.frame]
    order = [w for row in step if row.frame and row.frame.esv is Esv.SETC for w in row.writes]
    assert order == ["DA=44", "DD=03", "EC=000007D0", "DA=43"]


def test_stop_is_the_first_thing_written(evening: list[Row]) -> None:
    step = [row for row in evening if row.step == "remote stop" and row.source == GATEWAY_ADDRESS]
    assert step[0].writes == ["DA=47"]


def test_every_event_is_answered_and_none_is_missing(evening: list[Row]) -> None:
    calls = [r.ocpp for r in evening if r.ocpp and r.ocpp[0] == 2 and r.action == "TransactionEvent"]
    answers = {r.ocpp[1] for r in evening if r.ocpp and r.ocpp[0] == 3}
    assert [call[3]["seqNo"] for call in calls] == list(range(len(calls)))
    assert all(call[1] in answers for call in calls)
