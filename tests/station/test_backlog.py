"""The columns of what waits, beside a list of tuples that says the same."""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass

import pytest

from bridge.clock import Clock
from bridge.station.backlog import TEXTS, Backlog
from bridge.station.delivery import MOST_WAITING
from bridge.station.shedding import Worth, to_shed
from bridge.store.port import QueuedEvent

#: Seven days at 60 s, and the clock-aligned values of every 15 minutes besides.
A_WEEK = 7 * 24 * 60 + 7 * 24 * 4


def queued(key: int, transaction_id: str = "t", attempts: int = 0) -> QueuedEvent:
    return QueuedEvent(key, transaction_id, key * 2, f"text {key}", attempts)


def week() -> Backlog:
    backlog = Backlog()
    for key in range(A_WEEK):
        backlog.append(queued(key), Worth.VALUES if key else Worth.ESSENTIAL)
    return backlog


@dataclass
class Plain:
    """The same as a list."""

    rows: list[tuple[QueuedEvent, Worth]]

    def agrees(self, backlog: Backlog) -> bool:
        assert len(backlog) == len(self.rows)
        assert bool(backlog) == bool(self.rows)
        assert backlog.last_key == (self.rows[-1][0].key if self.rows else -1)
        assert backlog.marks() == [(event.seq_no, worth) for event, worth in self.rows]
        for name in ("a", "b", "c", "", "never"):
            assert backlog.has(name) == any(event.transaction_id == name for event, _ in self.rows if name)
        assert backlog.has(None) == any(event.transaction_id for event, _ in self.rows)
        if self.rows:
            event, first = self.rows[0][0], backlog.first
            assert (first.key, first.transaction_id, first.seq_no) == (event.key, event.transaction_id, event.seq_no)
            assert first.tries == event.attempts
            assert first.text in (None, event.payload)
            assert backlog.first is first
        return True


@pytest.mark.parametrize("seed", range(20))
def test_it_does_what_a_list_does(seed: int) -> None:
    chance = Clock(seed).random
    backlog, plain = Backlog(), Plain([])
    for key in range(2_000):
        what = chance.random()
        if what < 0.55 + 0.1 * (seed % 2):
            event = queued(key, chance.choice(["a", "b", "c", ""]), chance.choice([0, 0, 3]))
            worth = chance.choice(list(Worth))
            backlog.append(event, worth)
            plain.rows.append((event, worth))
        elif plain.rows and what < 0.99:
            backlog.remove_first()
            plain.rows.pop(0)
        elif plain.rows:
            places = chance.sample(range(len(plain.rows)), chance.randint(0, len(plain.rows)))
            assert backlog.thin_out(places) == [plain.rows[place][0].key for place in sorted(places)]
            plain.rows = [row for place, row in enumerate(plain.rows) if place not in set(places)]
        if not key % 50:
            assert plain.agrees(backlog)
    while plain.rows:
        assert plain.agrees(backlog) if len(plain.rows) % 20 == 0 else True
        backlog.remove_first()
        plain.rows.pop(0)
    assert plain.agrees(backlog)


def test_tries_of_the_first_stay_while_others_are_thinned_out() -> None:
    backlog = week()
    backlog.first.tries = 2
    backlog.thin_out([1, 3])
    assert backlog.first.tries == 2


def test_only_the_first_texts_are_kept() -> None:
    backlog = week()
    texts = []
    while backlog:
        texts.append(backlog.first.text)
        backlog.remove_first()
    assert texts == [f"text {key}" for key in range(TEXTS)] + [None] * (A_WEEK - TEXTS)


def test_a_week_is_kept_whole_and_takes_little() -> None:
    """Nothing of seven days at 60 s is given up (E04.FR.07), and it is not the memory that pays for it."""
    backlog = week()
    assert to_shed(backlog.marks(), MOST_WAITING) == []
    gc.collect()
    held = sum(sys.getsizeof(part) for part in vars(backlog).values())
    assert held < 250_000
    backlog.thin_out(range(1, A_WEEK))
    assert sum(sys.getsizeof(part) for part in vars(backlog).values()) < 10_000


def test_what_has_gone_is_not_held_for_ever() -> None:
    backlog = Backlog()
    for key in range(100_000):
        backlog.append(queued(key), Worth.VALUES)
        if key > 5:
            backlog.remove_first()
    assert sum(sys.getsizeof(part) for part in vars(backlog).values()) < 30_000
