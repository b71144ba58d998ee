"""What is ordered of a unit: what the station wants, less what safety and amounts leave of it. Pure.

A fault, an amount that has moved, another controller's contest and a grid meter that does not tell each make energy
that is wanted come to less; none of them ever makes it more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bridge.charger.course import ENERGY
from bridge.charger.memory import LATCH, InMemory, Memory, pack, recall
from bridge.evse import Mode, Urgency, Wanted
from bridge.records import dataclass

#: Modes in which power may flow out of the vehicle.
DISCHARGES: Final = frozenset({Mode.DISCHARGE, Mode.AUTO})

#: What is wanted after these is another session's, and no matter of how the last one has ended.
GIVEN_UP: Final = frozenset({Mode.STOP, Mode.HANDS_OFF})


@dataclass(frozen=True, slots=True)
class Hindrances:
    """What stands against a wish. `silence` is why a discharge ends unheard, `grid` why nothing may flow back,
    `grid_bound` how much may be discharged (mW), `ceiling` why nothing more is charged."""

    latched: str | None = None
    amount_reached: bool = False
    contested: bool = False
    grid: str | None = None
    grid_bound: int | None = None
    ceiling: str | None = None
    silence: str | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What the loop pursues. `trouble` says for a person why it is less than what is wanted."""

    wanted: Wanted
    trouble: str | None = None

    def fulfils(self, wish: Wanted) -> bool:
        """Whether what is reached by it may be called what was wished."""
        return self.trouble is None or self.wanted.mode is wish.mode


def order(wish: Wanted, against: Hindrances) -> Order:
    """The first hindrance decides."""
    if wish.mode not in ENERGY:
        return Order(wish)
    if against.latched is not None:
        return Order(_pause(wish), against.latched)
    if against.amount_reached:
        return Order(replace(wish, mode=Mode.STOP, target=None))
    if wish.mode is not Mode.DISCHARGE and against.ceiling is not None:
        return Order(_pause(wish), against.ceiling)
    if wish.mode not in DISCHARGES:
        return Order(wish)
    if against.silence is not None:
        return Order(replace(_pause(wish), urgency=Urgency.SAFETY), against.silence)
    if against.contested:
        return Order(_pause(wish), "another controller contests the unit: no discharge meanwhile")
    if against.grid is not None:
        return Order(_pause(wish), against.grid)
    if against.grid_bound is None:
        return Order(wish)
    bound = against.grid_bound if wish.discharge_bound is None else min(wish.discharge_bound, against.grid_bound)
    return Order(replace(wish, discharge_bound=bound))


def is_anew(wish: Wanted, before: Wanted | None) -> bool:
    """Whether a wish may start again what a person, the vehicle or a fault has ended. The first one after a restart may
    not, within a transaction."""
    if wish.mode in GIVEN_UP:
        return True
    return not wish.in_transaction if before is None else wish.occasion != before.occasion


def _pause(wish: Wanted) -> Wanted:
    return replace(wish, mode=Mode.PAUSE, target=None)


class FaultLatch:
    """After a fault nothing restarts by itself, by no edge of a schedule either: energy waits until it is wanted anew,
    or, where the site says so, for `restart_after` ms after the fault has gone; over a restart too."""

    def __init__(self, restart_after: int | None = None, memory: Memory | None = None) -> None:
        self._restart_after = restart_after
        self._memory = memory or InMemory()
        self._latched = recall(self._memory, LATCH).get("latched") is True
        self._gone_at: int | None = None

    def look(self, wish: Wanted, *, fault: bool, now: int) -> None:
        """Take what is wanted and whether the unit reports a fault now."""
        if wish.mode in GIVEN_UP:
            self.release()
        elif fault:
            self._latch(True)
        elif self._latched and self._gone_at is None:
            self._gone_at = now
        due = self.due
        if due is not None and now >= due:
            self.release()

    def release(self) -> None:
        """What is wanted from now on is a new start."""
        self._latch(False)

    def _latch(self, latched: bool) -> None:
        if latched is not self._latched:
            self._memory.keep({LATCH: pack({"latched": latched})})
        self._latched, self._gone_at = latched, None

    @property
    def trouble(self) -> str | None:
        """Why nothing may flow, or None."""
        if not self._latched:
            return None
        if self._gone_at is None:
            return "the unit reports a fault: paused until it has gone and energy is wanted anew"
        return "the unit had a fault: it is not started again by itself"

    @property
    def due(self) -> int | None:
        """When (ms) the latch lets go by itself."""
        if self._gone_at is None or self._restart_after is None:
            return None
        return self._gone_at + self._restart_after
