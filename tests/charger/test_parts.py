"""The small parts: facts, holding, registers, contests, own writes, splitting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.charger.contest import CONTESTED_FOR, Contest
from bridge.charger.course import LONGEST_PAUSE, growing, priority_of
from bridge.charger.facts import NEVER, Facts
from bridge.charger.holding import Held
from bridge.charger.ownwrites import OwnWrites
from bridge.charger.registers import GrowingRegister
from bridge.echonet.session import Priority
from bridge.evse import Connector, Mode, Reading, Urgency, Wanted
from bridge.mapping.decision import Answer, Fact

# Facts


@pytest.mark.covers("AIF-2.4.6-1")
def test_refused_property_loses_its_value_and_gets_it_back_with_the_next_answer() -> None:
    facts = Facts()
    facts.answered({0xE4: b"\x32", 0xDA: b"\x44"}, (), 10)
    facts.answered({0xDA: b"\x44"}, {0xE4}, 20)
    assert 0xE4 not in facts.by_epc
    assert facts.refused == {0xE4}
    assert facts.looked_at(0xE4) == 20
    facts.answered({0xE4: b"\x33"}, (), 30)
    assert facts.refused == frozenset()
    assert facts.by_epc[0xE4] == Fact(b"\x33", 30)


def test_facts_of_an_earlier_moment_stay_as_they_were() -> None:
    facts = Facts()
    facts.answered({0xDA: b"\x44"}, (), 10)
    before = facts.by_epc
    facts.notified({0xDA: b"\x42"}, 20)
    assert before[0xDA] == Fact(b"\x44", 10)
    assert facts.by_epc[0xDA] == Fact(b"\x42", 20, notified=True)


def test_two_silences_in_a_row_mean_lost_and_an_answer_between_them_does_not() -> None:
    facts = Facts()
    assert facts.looked_at(0xDA) == NEVER
    assert not facts.silent()
    facts.heard(5)
    assert not facts.silent()
    assert facts.silent()
    assert facts.silence(65) == 60


def test_empty_data_is_no_value() -> None:
    facts = Facts()
    facts.notified({0xDA: b""}, 1)
    assert not facts.by_epc


def test_an_answer_to_an_earlier_question_says_nothing_about_a_write_that_overtook_it() -> None:
    facts = Facts()
    facts.answered({0xDA: b"\x47", 0xC7: b"\x43"}, (), 10)
    asked = facts.mark
    facts.writing(0xDA)
    assert facts.looked_at(0xDA) == NEVER
    facts.answered({0xDA: b"\x47", 0xC7: b"\x41"}, (), 20, asked)
    assert facts.looked_at(0xDA) == NEVER
    assert facts.by_epc[0xC7] == Fact(b"\x41", 20, False)
    facts.answered({0xDA: b"\x42"}, (), 30, facts.mark)
    assert (facts.by_epc[0xDA].edt, facts.looked_at(0xDA)) == (b"\x42", 30)


def test_a_notification_that_comes_between_question_and_answer_is_the_newer_word() -> None:
    facts = Facts()
    facts.answered({0xC7: b"\x43", 0xDA: b"\x47"}, (), 10)
    asked = facts.mark
    facts.notified({0xC7: b"\x30", 0xDA: b"\x47"}, 15)
    facts.answered({0xC7: b"\x43", 0xDA: b"\x47"}, (), 20, asked)
    assert facts.by_epc[0xC7] == Fact(b"\x30", 15, True)
    assert facts.looked_at(0xC7) == NEVER  # so it is asked again before anything depends on it
    assert facts.looked_at(0xDA) == 20  # which says the same


# Holding


def decide(
    held: Held[Connector | None], value: Connector | None, now: int, hold: int = 0, patient: bool = False
) -> bool:
    return held.decide(Answer(value, "x", hold), value, now, patient=patient)


def test_value_counts_after_it_has_held_and_not_if_it_flickers() -> None:
    held: Held[Connector | None] = Held(None)
    assert decide(held, Connector.AVAILABLE, 0, hold=1000)  # the first counts at once
    assert not decide(held, Connector.OCCUPIED, 100, hold=1000)
    assert held.due == 1100
    assert not decide(held, Connector.AVAILABLE, 600)
    assert not decide(held, Connector.OCCUPIED, 700, hold=1000)
    assert held.due == 1700
    assert decide(held, Connector.OCCUPIED, 1700, hold=1000)
    assert held.due is None


def test_keep_keeps_and_a_patient_first_value_has_to_hold() -> None:
    held: Held[Connector | None] = Held(None)
    assert not decide(held, Connector.UNAVAILABLE, 0, hold=60_000, patient=True)
    assert not decide(held, None, 10)
    assert held.value is None
    assert decide(held, Connector.OCCUPIED, 20)
    assert not decide(held, None, 30)
    assert held.value is Connector.OCCUPIED


# Registers


@given(st.lists(st.tuples(st.integers(0, 10**12), st.sampled_from("ab"), st.booleans())))
def test_register_never_goes_back(raws: list[tuple[int, str, bool]]) -> None:
    register = GrowingRegister()
    values = []
    for at, (raw, origin, exchanged) in enumerate(raws):
        if exchanged:
            register.exchanged()
        grown = register.read(Reading(raw, at, origin=origin))
        assert grown is not None
        values.append(grown.value)
    assert values == sorted(values)


def test_register_goes_on_after_a_reset_an_exchange_and_a_change_of_source() -> None:
    register = GrowingRegister()

    def read(value: int, origin: str = "D8") -> int:
        grown = register.read(Reading(value, 0, origin=origin))
        assert grown is not None
        return grown.value

    assert [read(1000), read(1500), read(20), read(30)] == [1000, 1500, 1520, 1530]
    assert [read(7, "integral"), read(17, "integral")] == [1530, 1540]
    register.exchanged()
    assert [read(900_000, "integral"), read(900_001, "integral")] == [1540, 1541]
    assert register.read(None) is None


# Contests and own writes


def test_three_reversals_in_ten_minutes_make_a_contest_of_thirty() -> None:
    contest = Contest()
    assert not contest.reversed(0)
    assert not contest.reversed(300_000)
    assert not contest.reversed(601_000)  # the first is too long ago
    assert contest.reversed(602_000)
    assert contest.contested(602_000 + CONTESTED_FOR - 1)
    assert not contest.contested(602_000 + CONTESTED_FOR)


def test_value_is_ours_while_it_waits_and_as_long_as_nobody_changes_it() -> None:
    own = OwnWrites()
    own.write(0xDA, b"\x42", 10)
    assert own.ours({0xDA: Fact(b"\x44", 5)}) == {0xDA}  # not read back yet
    own.close(0xDA)
    assert own.ours({0xDA: Fact(b"\x42", 11)}) == {0xDA}
    assert own.ours({0xDA: Fact(b"\x44", 12)}) == frozenset()
    assert own.ours({0xDA: Fact(b"\x42", 13)}) == frozenset()  # somebody else's by now


# Order and pauses


def test_pauses_grow_and_end() -> None:
    assert [growing(count) for count in (1, 2, 3)] == [2_000, 4_000, 8_000]
    assert growing(1000) == LONGEST_PAUSE


@pytest.mark.parametrize(
    ("mode", "urgency", "last", "priority"),
    [
        (Mode.STOP, Urgency.NORMAL, True, Priority.STOP),
        (Mode.PAUSE, Urgency.SAFETY, True, Priority.STOP),
        (Mode.PAUSE, Urgency.NORMAL, True, Priority.LIMIT),
        (Mode.CHARGE, Urgency.NORMAL, False, Priority.LIMIT),
        (Mode.CHARGE, Urgency.NORMAL, True, Priority.COMMAND),
    ],
)
def test_stop_before_limits_before_other_commands(mode: Mode, urgency: Urgency, last: bool, priority: Priority) -> None:
    assert priority_of(Wanted(mode, urgency=urgency), mode, last=last) is priority
