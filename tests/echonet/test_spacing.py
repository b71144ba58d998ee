"""The spacing of one node's requests, trouble by trouble."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from bridge.echonet.spacing import GOOD_RUN, LONGEST_RUN, SLOW, SLOWEST, Spacing, Trouble


def good_until_back(spacing: Spacing) -> int:
    """How many good answers it takes until the configured gap is back."""
    for count in range(20 * LONGEST_RUN):
        if spacing.gap == spacing.least:
            return count
        spacing.good()
    raise AssertionError(f"it never comes back: {spacing.gap}")


def test_without_trouble_the_gap_is_the_configured_one():
    spacing = Spacing(100)
    for _ in range(100):
        spacing.good()
    assert spacing.gap == 100


def test_each_silence_after_an_answer_doubles_it_up_to_a_bound():
    spacing, gaps = Spacing(100), []
    for _ in range(5):
        spacing.trouble(Trouble.SILENCE)
        gaps.append(spacing.gap)
        spacing.good()
    assert gaps == [500, 1000, 2000, 2000, 2000]
    assert SLOWEST == 2000


def test_a_node_that_is_switched_off_is_not_slower_for_it():
    spacing = Spacing(100)
    for _ in range(500):
        spacing.trouble(Trouble.SILENCE)
    assert spacing.gap == SLOW
    assert good_until_back(spacing) == 2 * GOOD_RUN  # 500, 250, 100


def test_good_answers_bring_it_back_later_after_each_silence():
    spacing, runs = Spacing(0), []
    for _ in range(10):
        spacing.trouble(Trouble.SILENCE)
        runs.append(good_until_back(spacing))
    assert runs[:3] == [2 * GOOD_RUN, 4 * GOOD_RUN, 8 * GOOD_RUN]
    assert runs[-1] == runs[-2] == 2 * LONGEST_RUN


def test_half_answers_and_refusals_have_bounds_of_their_own():
    half, refusal, at_once = Spacing(100), Spacing(100), Spacing(0)
    for _ in range(9):
        half.trouble(Trouble.HALF)
        refusal.trouble(Trouble.REFUSAL)
        at_once.trouble(Trouble.REFUSAL)
    assert (half.gap, refusal.gap, at_once.gap) == (SLOW, 200, 0)


def test_a_refusal_does_not_undo_what_silence_has_taught():
    spacing = Spacing(100)
    for _ in range(3):
        spacing.good()
        spacing.trouble(Trouble.SILENCE)
    spacing.trouble(Trouble.REFUSAL)
    assert spacing.gap == SLOWEST


def test_a_new_configuration_keeps_what_was_learnt():
    calm, troubled = Spacing(100), Spacing(100)
    troubled.trouble(Trouble.SILENCE)
    for spacing in (calm, troubled):
        spacing.configure(50)
    assert (calm.gap, troubled.gap) == (50, SLOW)
    troubled.configure(3_000)
    assert troubled.gap == 3_000


@given(st.integers(0, 10_000), st.lists(st.sampled_from([*Trouble, None]), max_size=200))
@example(0, [Trouble.SILENCE, Trouble.HALF] * 10)  # the longest way back that there is
def test_it_stays_within_its_bounds_whatever_happens(least, events):
    spacing = Spacing(least)
    for event in events:
        if event is None:
            spacing.good()
        else:
            spacing.trouble(event)
        assert least <= spacing.gap <= max(2 * least, SLOWEST)
    assert good_until_back(spacing) <= 4 * LONGEST_RUN  # 2000, 1000, 500, 250, and then what is configured
