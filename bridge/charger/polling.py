"""When which group of the polling plan is due: fast while something changes, slow when nothing does, rarely what is
announced anyway."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import IntEnum
from typing import Final
from zlib import crc32

from bridge.mapping.decision import PollGroup

#: Just after a write the plan is this many times as fast, lest slow polls tell of a vehicle that does not take power.
WATCHED: Final = 5
#: "Just after": contactors, handshake and ramp take their time (ms).
FOLLOWS_WITHIN: Final = 30_000
#: The plans of many units that were found together must not beat in step, else news wait behind all their answers: by
#: its name, each begins its second round at a moment of its own, and runs up to so much (%) faster.
SPREAD: Final = 12


class Pace(IntEnum):
    """How much is going on at a unit."""

    IDLE = 0
    ACTIVE = 1
    FOLLOWING = 2  # it has just been ordered something


def pace(wrote: int | None, now: int, *, busy: bool) -> Pace:
    """The pace of a unit that was ordered something at `wrote` (ms) last, so that its power is about to change; `busy`:
    something is on its way, or energy flows."""
    if wrote is not None and now < wrote + FOLLOWS_WITHIN:
        return Pace.FOLLOWING
    return Pace.ACTIVE if busy else Pace.IDLE


class Plan:
    """Remembers when each group of a unit (`name`) was read last. Times are monotonic (ms)."""

    def __init__(self, name: str = "") -> None:
        self._polled: dict[str, int] = {}
        chance = crc32(name.encode())
        self._per_mille = 1000 - chance % (10 * SPREAD)
        self._early = (chance >> 12) % 1000  # of a round, in thousandths

    def polled(self, group: PollGroup, now: int) -> None:
        """A group is being read."""
        early = 0 if group.name in self._polled else group.active * self._early // 1000
        self._polled[group.name] = now - early

    def again(self, group: PollGroup) -> None:
        """It brought nothing: read it at once."""
        self._polled.pop(group.name, None)

    def everything(self) -> None:
        """Read all of it at once: what was read before belongs to another situation."""
        self._polled.clear()

    def next(
        self, groups: Iterable[PollGroup], announced: Collection[int], pace: Pace, now: int
    ) -> tuple[PollGroup | None, int]:
        """The group that is due first, and when."""
        plan = [(self._due(group, announced, pace, now), group) for group in groups if group.epcs]
        at, first = min(plan, key=lambda entry: entry[0], default=(now, None))
        return first, at

    def _due(self, group: PollGroup, announced: Collection[int], pace: Pace, now: int) -> int:
        polled = self._polled.get(group.name)
        if polled is None:
            return now
        return polled + _interval(group, announced, pace) * self._per_mille // 1000


def _interval(group: PollGroup, announced: Collection[int], pace: Pace) -> int:
    if pace is Pace.FOLLOWING:
        return group.active // WATCHED
    if pace is Pace.ACTIVE:
        return group.active
    if all(epc in announced for epc in group.epcs):
        return group.announced
    return group.idle
