"""How a unit is read: what is always refused rarely, what is too much in portions, and polls after commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from bridge.charger.polling import WATCHED, Pace, Plan
from bridge.charger.reader import LEARNT_FOR, RARELY, REFUSALS, Reader
from bridge.clock import run_virtual
from bridge.echonet.session import Priority
from bridge.evse import Mode
from bridge.mapping.decision import PollGroup
from tests.charger.fakes import BOTH, ENERGY, FREE, LIMIT, METHOD, MODE, PLUG, POWER, FakeTable, Got, bench


class Unit:
    """Answers by its fields, and writes down what was asked."""

    def __init__(self, max_opc: int = 8) -> None:
        self.now = 0
        self.sna: set[int] = set()
        self.at_most = 99
        self.asked: list[tuple[int, ...]] = []
        self.told: dict[int, bytes] = {}
        self.refused: set[int] = set()
        self.reader = Reader(self.ask, self.tell, lambda: self.now, max_opc)

    async def ask(self, epcs: Sequence[int], priority: Priority) -> Got:
        self.asked.append(tuple(epcs))
        answered = epcs[: self.at_most]
        values = {epc: b"\x01" for epc in answered if epc not in self.sna}
        return Got(values, frozenset(answered) - values.keys(), frozenset(epcs) - frozenset(answered))

    def tell(self, values: dict[int, bytes], refused: frozenset[int]) -> None:
        self.told.update(values)
        self.refused |= refused

    def poll(self, *epcs: int, priority: Priority = Priority.POLL) -> list[tuple[int, ...]]:
        """One poll; what was asked by it."""
        mark = len(self.asked)
        coroutine = self.reader.read(epcs, priority)
        with pytest.raises(StopIteration):
            coroutine.send(None)
        return self.asked[mark:]


def test_property_that_is_always_refused_is_asked_rarely() -> None:
    unit = Unit()
    unit.sna = {2}
    for _ in range(REFUSALS):
        assert unit.poll(1, 2, 3) == [(1, 2, 3)]
    assert unit.poll(1, 2, 3) == [(1, 3)]
    unit.now += RARELY - 1
    assert unit.poll(2) == []
    unit.now += 1
    assert unit.poll(1, 2, 3) == [(1, 2, 3)]
    assert unit.poll(1, 2, 3) == [(1, 3)]  # refused again: no three tries this time


def test_what_is_asked_on_purpose_is_asked_all_the_same() -> None:
    unit = Unit()
    unit.sna = {2}
    for _ in range(REFUSALS):
        unit.poll(1, 2)
    assert unit.poll(1, 2, priority=Priority.COMMAND) == [(1, 2)]
    assert unit.poll(2, priority=Priority.READBACK) == [(2,)]


def test_another_situation_and_a_word_of_the_unit_end_the_rarity() -> None:
    for end in ("forget", "works"):
        unit = Unit()
        unit.sna = {2}
        for _ in range(REFUSALS):
            unit.poll(1, 2)
        assert unit.poll(1, 2) == [(1,)]
        unit.reader.forget() if end == "forget" else unit.reader.works([2])
        assert unit.poll(1, 2) == [(1, 2)]


def test_one_answer_between_refusals_counts() -> None:
    unit = Unit()
    for _ in range(5):
        unit.sna = {2}
        for _ in range(REFUSALS - 1):
            unit.poll(1, 2)
        unit.sna = set()
        assert unit.poll(1, 2) == [(1, 2)]


@pytest.mark.covers("AIF-2.4.4-1")
def test_unit_that_answers_fewer_is_asked_for_so_many_from_then_on() -> None:
    unit = Unit()
    unit.at_most = 2
    assert unit.poll(1, 2, 3, 4, 5) == [(1, 2, 3, 4, 5), (3,), (4,), (5,)]
    assert unit.poll(1, 2, 3, 4, 5) == [(1, 2), (3, 4), (5,)]
    assert unit.told.keys() == {1, 2, 3, 4, 5}
    unit.now += LEARNT_FOR
    assert unit.poll(1, 2, 3)[0] == (1, 2, 3)
    unit.reader.renew()
    assert unit.poll(1, 2, 3)[0] == (1, 2, 3)


@pytest.mark.covers("AIF-2.4.4-1")
@pytest.mark.parametrize(("max_opc", "sizes"), [(8, [8, 3]), (4, [4, 4, 3])])
def test_no_request_asks_for_more_than_the_class_allows(max_opc: int, sizes: list[int]) -> None:
    unit = Unit(max_opc)
    assert [len(epcs) for epcs in unit.poll(*range(11))] == sizes


# The plan


GROUPS = (
    PollGroup("state", (1, 2), active=3_000, idle=30_000, announced=60_000),
    PollGroup("power", (3,), active=6_000, idle=60_000, announced=60_000),
    PollGroup("nothing", (), active=1, idle=1, announced=1),
)


@pytest.mark.parametrize(
    ("pace", "announced", "due"),
    [
        (Pace.IDLE, {1}, 30_000),
        (Pace.IDLE, {1, 2}, 60_000),  # rarely only if all of them are announced
        (Pace.ACTIVE, {1, 2}, 3_000),
        (Pace.FOLLOWING, {1, 2}, 3_000 // WATCHED),
    ],
)
def test_groups_are_due_by_what_goes_on(pace: Pace, announced: set[int], due: int) -> None:
    plan = Plan()
    assert plan.next(GROUPS, announced, pace, 0) == (GROUPS[0], 0)
    for group in GROUPS:
        plan.polled(group, 0)
    assert plan.next(GROUPS, announced, pace, 5) == (GROUPS[0], due)
    plan.again(GROUPS[1])
    assert plan.next(GROUPS, announced, pace, 5) == (GROUPS[1], 5)
    plan.polled(GROUPS[1], 5)
    plan.everything()
    assert plan.next(GROUPS, announced, pace, 6) == (GROUPS[0], 6)


def test_empty_plan_has_nothing_to_do() -> None:
    assert Plan().next((), (), Pace.IDLE, 7) == (None, 7)


def test_plans_of_many_units_do_not_beat_in_step_and_none_is_slower_than_it_should() -> None:
    group = PollGroup("state", (0xC7,), active=10_000, idle=10_000, announced=10_000)
    second, third = [], []
    for number in range(200):
        plan = Plan(f"unit-{number}")
        for dues in (second, third):
            plan.polled(group, 0)
            dues.append(plan.next((group,), (), Pace.ACTIVE, 1)[1])
    for late in range(0, 10_000, 1_000):  # the second round is spread over all of its time
        assert 5 <= sum(late <= due < late + 1_000 for due in second) <= 45
    assert all(8_800 <= due <= 10_000 for due in third)
    assert len(set(third)) > 50


# In the loop


def count(bench_: Any, what: str, mark: int = 0) -> int:
    return bench_.unit.since(mark).count(what)


@pytest.mark.covers("AIF-3.2.1-1")
def test_announced_properties_are_polled_rarely_and_still_polled() -> None:
    async def main() -> None:
        rates = {}
        for announces in (frozenset({PLUG, MODE, 0x88}), frozenset({PLUG})):
            async with bench(FakeTable(idle=20_000), unit={"announces": announces}) as b:
                await b.seconds(600)
                rates[announces] = count(b, "get C7 DA 88")
        announced, silent = rates.values()
        assert 9 <= announced <= 13
        assert 29 <= silent <= 36  # a plan may run a little faster, by its unit's name

    run_virtual(main())


def test_unconfirmed_write_is_watched_and_an_idle_unit_is_not() -> None:
    async def main() -> None:
        async with bench(FakeTable(active=6_000, idle=60_000), unit={"follows": False}) as b:
            b.want(Mode.CHARGE)
            mark = len(b.unit.log)
            await b.seconds(29)
            watched = count(b, "get D3 D8", mark)
            mark = len(b.unit.log)
            await b.seconds(120)
            waiting = count(b, "get D3 D8", mark)
            assert watched >= 13  # every 2 s
            assert 18 <= waiting <= 22  # every 6 s, as it has not followed yet
            b.want(Mode.STOP)
            await b.seconds(60)
            mark = len(b.unit.log)
            await b.seconds(600)
            assert 9 <= count(b, "get D3 D8", mark) <= 11

    run_virtual(main())


def test_poll_of_many_requests_lets_a_command_and_all_that_belongs_to_it_go_first() -> None:
    async def main() -> None:
        async with bench(FakeTable(max_opc=4), unit={"apart": True, "delay": 1_000}, settle=False) as b:
            await b.seconds(60)
            while b.unit.log[-1].priority is not Priority.POLL or len(b.unit.log[-1].epcs) > 1:
                await b.seconds(0.5)
            mark = len(b.unit.log)
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(8)
            kinds = b.unit.since(mark)
            last = kinds.index("get DA")
            polls = [sent for sent in b.unit.log[mark : mark + last] if sent.priority is Priority.POLL]
            assert "set DA=42" in kinds[:last]
            assert polls == []

    run_virtual(main())


@pytest.mark.covers("AIF-2.4.6-1")
def test_what_is_refused_without_a_vehicle_is_asked_again_when_one_comes() -> None:
    async def main() -> None:
        unit = {"sna": {POWER, ENERGY}, "values": {PLUG: FREE}}
        async with bench(FakeTable(idle=10_000), unit=unit) as b:
            await b.seconds(300)
            mark = len(b.unit.log)
            await b.seconds(120)
            assert count(b, "get D3 D8", mark) == 0
            b.unit.sna.clear()
            b.unit.change(PLUG, BOTH)
            await b.seconds(1)
            assert b.evse.observed.power is not None

    run_virtual(main())


def test_settings_are_read_in_portions_that_the_unit_can_answer() -> None:
    async def main() -> None:
        async with bench(unit={"at_most": 1}) as b:
            assert b.evse.observed.reachable
            assert {METHOD, LIMIT, POWER} <= b.evse.view().facts.keys()
            mark = len(b.unit.log)
            await b.seconds(200)
            assert all(len(sent.epcs) == 1 for sent in b.unit.log[mark:])

    run_virtual(main())
