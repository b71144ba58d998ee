"""The reconciler alone, driven by hand: whatever a unit does, nothing starts that was not verified."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.charger.actions import Action, Idle, Read, ReadBack, WaitUntil, Write
from bridge.charger.facts import Facts
from bridge.charger.reconcile import Reconciler
from bridge.echonet.session import Priority
from bridge.evse import HappeningKind, Mode, Wanted
from bridge.mapping.decision import Spacing, View
from tests.charger.fakes import (
    BOTH,
    CHARGE,
    LIMIT,
    METHOD,
    MODE,
    PLUG,
    POWER,
    STANDBY,
    STOPPED,
    FakeTable,
    limit,
)

#: What a unit may do with a request.
DEEDS = ("take", "take", "take", "ignore", "refuse", "silent", "meddle")


@dataclass
class Hand:
    """A unit and a reconciler without time of their own."""

    now: int = 1_000_000
    values: dict[int, bytes] = field(
        default_factory=lambda: {
            PLUG: BOTH,
            MODE: STANDBY,
            METHOD: b"\x01",
            LIMIT: limit(6_000_000),
            POWER: bytes(4),
        }
    )
    wanted: Wanted = field(default_factory=Wanted)
    wrote: dict[int, int] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    table: FakeTable = field(default_factory=FakeTable)

    def __post_init__(self) -> None:
        self.facts = Facts()
        self.loop = Reconciler(self.table, self.facts.looked_at)
        self.facts.answered(dict(self.values), (), self.now)

    def want(self, mode: Mode, **more: int) -> None:
        self.wanted = Wanted(mode, **more)
        self.loop.want(self.wanted, self.now)

    def view(self) -> View:
        return View(
            now=self.now,
            release="P",
            facts=self.facts.by_epc,
            gettable=frozenset(self.values),
            settable=frozenset({MODE, LIMIT, METHOD}),
            wanted=self.wanted,
            wrote=dict(self.wrote),
        )

    def next(self) -> Action:
        return self.loop.next(self.view())

    def take(self, epc: int, edt: bytes) -> None:
        self.values[epc] = edt
        if epc == MODE:
            self.values[POWER] = (3000 if edt == CHARGE else 0).to_bytes(4, "big")

    def step(self, deed: str = "take") -> Action:
        """Carry out one action, the unit doing a deed; waits are jumped over."""
        action = self.next()
        self.now += 50
        match action:
            case WaitUntil(at=at):
                self.now = max(self.now, at)
                self.facts.answered(dict(self.values), (), self.now)  # a poll came by
            case Write(step=step):
                self.write(step.epc, step.edt)
                if deed == "silent":
                    self.loop.unanswered(self.loop.goal, self.now)
                elif deed == "refuse":
                    self.loop.wrote(self.loop.goal, step, False, self.now)
                else:
                    if deed == "take":
                        self.take(step.epc, step.edt)
                    self.loop.wrote(self.loop.goal, step, True, self.now)
            case ReadBack(step=step):
                self.read((step.epc,), deed)
                told = None if deed in ("refuse", "silent") else self.values[step.epc]
                if deed != "silent":
                    self.loop.read_back(self.loop.goal, step, told, self.now)
            case Read(epcs=epcs):
                self.read(epcs, deed)
            case Idle():
                self.now += 10_000
                self.facts.answered(dict(self.values), (), self.now)
        return action

    def read(self, epcs: tuple[int, ...], deed: str) -> None:
        if deed == "silent":
            self.loop.unanswered(self.loop.goal, self.now)
        elif deed == "refuse":
            self.facts.answered({}, epcs, self.now)
        else:
            self.facts.answered({epc: self.values[epc] for epc in epcs if epc in self.values}, (), self.now)

    def write(self, epc: int, edt: bytes) -> None:
        self.wrote[epc] = self.now
        self.writes.append(f"{epc:02X}={edt.hex().upper()}")

    def settle(self) -> None:
        """Until there is nothing to do."""
        for _ in range(60):
            if isinstance(self.next(), Idle):
                return
            self.step()

    def run(self, steps: int = 40) -> None:
        for _ in range(steps):
            self.step()


@given(st.lists(st.sampled_from(DEEDS), max_size=60), st.integers(1, 6))
def test_energy_is_never_ordered_before_its_settings_stand_at_the_unit(deeds: list[str], kilowatts: int) -> None:
    hand = Hand()
    hand.want(Mode.CHARGE, charge_bound=kilowatts * 1_000_000)
    for deed in deeds:
        action = hand.next()
        if isinstance(action, Write) and action.step.edt == CHARGE:
            assert hand.facts.by_epc[METHOD].edt == b"\x03"
            assert hand.facts.by_epc[LIMIT].edt == limit(kilowatts * 1_000_000)
        hand.step(deed)


@given(st.lists(st.sampled_from(DEEDS), max_size=60))
def test_whatever_happened_before_a_stop_goes_out_first_and_is_reached(deeds: list[str]) -> None:
    hand = Hand()
    hand.want(Mode.CHARGE, charge_bound=3_000_000)
    for deed in deeds:
        hand.step(deed)
    hand.take(MODE, CHARGE)
    hand.facts.answered(dict(hand.values), (), hand.now)
    hand.want(Mode.STOP)
    first = hand.next()
    assert isinstance(first, Write)
    assert first.step.edt == STOPPED
    assert first.priority is Priority.STOP
    hand.run()
    assert hand.values[MODE] == STOPPED
    assert hand.loop.confirmed


@given(st.lists(st.sampled_from(DEEDS), max_size=80))
def test_stop_is_never_given_up(deeds: list[str]) -> None:
    hand = Hand()
    hand.take(MODE, CHARGE)
    hand.facts.answered(dict(hand.values), (), hand.now)
    hand.want(Mode.STOP)
    for deed in deeds:
        hand.step(deed)
    hand.run(60)
    assert hand.values[MODE] in (STOPPED, STANDBY)
    assert hand.loop.confirmed


@pytest.mark.covers("AIF-2.4.5-2")
def test_set_res_alone_is_not_done() -> None:
    hand = Hand()
    hand.want(Mode.CHARGE)
    assert isinstance(hand.step("ignore"), Write)
    assert isinstance(hand.next(), ReadBack)
    assert not hand.loop.confirmed


def test_unit_that_shows_a_value_late_is_looked_at_again_before_it_counts_as_failed() -> None:
    hand = Hand()
    hand.want(Mode.CHARGE)
    hand.step("ignore")
    hand.step()
    hand.take(MODE, CHARGE)
    hand.run(10)
    assert hand.writes == ["DA=42"]
    assert hand.loop.confirmed


def test_write_without_an_answer_is_read_before_it_is_repeated() -> None:
    hand = Hand()
    hand.want(Mode.CHARGE)
    action = hand.next()
    assert isinstance(action, Write)
    hand.write(MODE, CHARGE)
    hand.take(MODE, CHARGE)  # it did arrive; its answer did not
    hand.now += 20_000
    hand.loop.unanswered(hand.loop.goal, hand.now)
    assert isinstance(hand.step(), WaitUntil)
    hand.run(10)
    assert hand.writes == ["DA=42"]
    assert hand.loop.confirmed


def test_reports_for_an_earlier_wish_are_ignored() -> None:
    hand = Hand()
    hand.want(Mode.CHARGE)
    action = hand.next()
    assert isinstance(action, Write)
    old = hand.loop.goal
    hand.want(Mode.CHARGE, charge_bound=1_000_000)
    hand.loop.wrote(old, action.step, False, hand.now)
    hand.loop.unanswered(old, hand.now)
    following = hand.next()
    assert isinstance(following, Write)
    assert following.step.epc == METHOD


def test_reached_is_told_once_and_then_nothing_is_done() -> None:
    hand = Hand()
    hand.want(Mode.CHARGE)
    hand.run(20)
    assert [each.kind for each in hand.loop.happened()] == [HappeningKind.CONFIRMED]
    assert isinstance(hand.next(), Idle)
    assert not hand.loop.busy
    assert hand.loop.happened() == ()


# Spacing: contactors wear ----------------------------------------------------------------------------------------


def charging(**spacing: int) -> Hand:
    """A hand whose unit charges with 3 kW."""
    hand = Hand(table=FakeTable(spacing=Spacing(**spacing)))
    hand.want(Mode.CHARGE, charge_bound=3_000_000)
    hand.settle()
    assert hand.loop.confirmed
    hand.writes.clear()
    return hand


def test_a_start_waits_so_long_after_the_last_order_of_a_mode() -> None:
    hand = charging(mode=30_000)
    hand.want(Mode.STOP)
    hand.settle()
    stopped_at = hand.wrote[MODE]
    hand.want(Mode.CHARGE, charge_bound=3_000_000)
    hand.settle()
    assert hand.writes == ["DA=47", "DA=42"]
    assert hand.wrote[MODE] == stopped_at + 30_050  # each action takes 50 ms here


def test_a_stop_and_a_pause_never_wait() -> None:
    for mode, edt in ((Mode.STOP, STOPPED), (Mode.PAUSE, STANDBY)):
        hand = charging(mode=600_000, setting=600_000)
        hand.want(mode)
        first = hand.next()
        assert isinstance(first, Write)
        assert first.step.edt == edt


def test_a_setting_is_raised_only_after_a_while_and_lowered_at_once() -> None:
    hand = charging(setting=600_000)
    begun = hand.now
    hand.want(Mode.CHARGE, charge_bound=2_000_000)
    hand.settle()
    lowered_at = hand.wrote[LIMIT]
    assert lowered_at < begun + 1_000
    hand.want(Mode.CHARGE, charge_bound=4_000_000)
    hand.settle()
    assert hand.writes == ["EB=000007D0", "EB=00000FA0"]
    assert hand.wrote[LIMIT] >= lowered_at + 600_000


def test_what_somebody_has_raised_is_lowered_at_once() -> None:
    hand = charging(setting=600_000, mode=600_000)
    hand.take(LIMIT, limit(6_000_000))
    hand.facts.answered(dict(hand.values), (), hand.now)
    hand.settle()
    assert hand.writes == ["EB=00000BB8"]
