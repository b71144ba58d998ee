"""What others send without being asked: how much of it is let in, and how often it is spoken of.

An answer to an open request costs nothing here and is always let in. Everything else takes from a measure that fills
with time: each node that we ask things of has its own, all strangers share one. So a storm costs little, whatever
addresses it gives itself, and what a known unit tells still comes through.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final

from bridge.records import dataclass

#: What one known node may send unasked: so many at once, and so many a second.
OWN_BURST: Final = 200
OWN_RATE: Final = 100
#: The same for all strangers together. After a power cut all nodes of a large site announce themselves at once.
STRANGERS_BURST: Final = 2_000
STRANGERS_RATE: Final = 200
#: The same oddity is spoken of again after so many ms, with the number of those in between.
SAY_AGAIN: Final = 60_000
#: So many measures, and so many oddities, are kept apart.
_KEPT: Final = 1024

_STRANGERS: Final = ""


@dataclass(slots=True)
class _Measure:
    """Thousandths of datagrams that may still come, and when that was last reckoned (ms)."""

    left: int
    at: int


class Sluice:
    """Lets in what may come in. `knows` tells a node that we ask things of from a stranger."""

    def __init__(self, knows: Callable[[str], bool]) -> None:
        self._knows = knows
        self._measures: dict[str, _Measure] = {}

    def admits(self, address: str, now: int) -> bool:
        """Whether one more datagram of a sender is taken."""
        known = self._knows(address)
        key, burst, rate = (address, OWN_BURST, OWN_RATE) if known else (_STRANGERS, STRANGERS_BURST, STRANGERS_RATE)
        measure = self._measures.get(key)
        if measure is None:
            if len(self._measures) >= _KEPT:
                self._measures.clear()
            measure = self._measures[key] = _Measure(burst * 1000, now)
        left = min(measure.left + (now - measure.at) * rate, burst * 1000)
        measure.at = now
        measure.left = left - 1000 if left >= 1000 else left
        return left >= 1000


@dataclass(slots=True)
class _Said:
    """When an oddity was last spoken of (ms), and how often it has been seen since."""

    at: int
    since: int = 0


class Oddities:
    """Speaks of each oddity once, and again only after a while."""

    def __init__(self, say: Callable[..., Any]) -> None:
        self._say = say
        self._said: dict[Hashable, _Said] = {}

    def seen(self, key: Hashable, now: int, text: str, **details: Any) -> None:
        """An oddity of this kind was seen. `key` must come from a small set: never from what a stranger writes."""
        said = self._said.get(key)
        if said is not None and now - said.at < SAY_AGAIN:
            said.since += 1
            return
        if len(self._said) >= _KEPT:
            self._said.clear()
        self._said[key] = _Said(now)
        self._say(text, **details, **({"unsaid": said.since} if said is not None and said.since else {}))
