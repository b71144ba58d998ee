"""What a unit has told, with its age and its source. Nothing here knows what a property means.

`Facts` takes answers, refusals and notifications, and remembers when the unit was last heard. Unknown stays unknown:
a property that the unit refuses (SNA) loses its value, because the old one would look live (CEL 3.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from bridge.mapping.decision import Fact

NEVER: Final = -(10**15)

#: So many requests in a row without an answer and the unit counts as lost.
MISSES_UNTIL_LOST: Final = 2


class Facts:
    """One unit's properties by EPC. Times are monotonic (ms) and are handed in.

    `by_epc` is replaced, never changed, so that views of different moments may share and compare it.
    """

    def __init__(self) -> None:
        self.by_epc: Mapping[int, Fact] = MappingProxyType({})
        self.refused: frozenset[int] = frozenset()
        self.last_heard = NEVER
        self.misses = 0
        self._answered_at: dict[int, int] = {}
        self._refused_at: dict[int, int] = {}
        self._events = 0  # counts what may overtake an answer: our writes, and what the unit tells by itself
        self._written: dict[int, int] = {}
        self._told: dict[int, int] = {}

    @property
    def mark(self) -> int:
        """Where we are now: taken when something is asked, and handed in with the answer."""
        return self._events

    def writing(self, epc: int) -> None:
        """A write of ours is on its way: an answer to an earlier question says nothing about what comes of it."""
        self._events += 1
        self._written[epc] = self._events
        self._answered_at.pop(epc, None)

    def answered(self, values: Mapping[int, bytes], refused: Iterable[int], now: int, asked: int | None = None) -> None:
        """A Get was answered: `values` are known, `refused` came back without data (AIF 2.4.6).

        What has been overtaken since it was `asked` (a `mark`) does not count: by a write of ours, which may have
        waited behind this very question, or by a notification that tells something else.
        """
        if asked is not None:
            values = {epc: edt for epc, edt in values.items() if not self._overtaken(epc, edt, asked)}
        self._keep(values, now, notified=False)
        gone = frozenset(refused) - values.keys()
        if not gone:
            return
        self._refused_at.update(dict.fromkeys(gone, now))
        self.refused |= gone
        if not gone.isdisjoint(self.by_epc):
            self.by_epc = MappingProxyType({epc: fact for epc, fact in self.by_epc.items() if epc not in gone})

    def notified(self, values: Mapping[int, bytes], now: int) -> None:
        """The unit told by itself (INF, INFC)."""
        self._events += 1
        self._told.update(dict.fromkeys(values, self._events))
        self._keep(values, now, notified=True)

    def heard(self, now: int) -> None:
        """Anything came from the unit."""
        self.last_heard = now
        self.misses = 0

    def silent(self) -> bool:
        """A request had no answer. Whether the unit counts as lost now."""
        self.misses += 1
        return self.misses >= MISSES_UNTIL_LOST

    def looked_at(self, epc: int) -> int:
        """When the unit last answered a question about a property, be it by a refusal; NEVER if it never did.

        A notification does not count, and what it changed has not been asked since: before energy flows the state is
        read (CEL-3.5, CEL-3.6).
        """
        return max(self._answered_at.get(epc, NEVER), self._refused_at.get(epc, NEVER))

    def refusals_are_old(self) -> None:
        """The vehicle has changed: what was refused without it is worth asking again."""
        self._refused_at.clear()

    def silence(self, now: int) -> int:
        """Milliseconds since anything was heard; 0 if nothing ever was."""
        return 0 if self.last_heard == NEVER else now - self.last_heard

    def _overtaken(self, epc: int, edt: bytes, asked: int) -> bool:
        if self._written.get(epc, 0) > asked:
            return True
        fact = self.by_epc.get(epc)
        return self._told.get(epc, 0) > asked and fact is not None and fact.edt != edt

    def _keep(self, values: Mapping[int, bytes], now: int, *, notified: bool) -> None:
        known = {epc: edt for epc, edt in values.items() if edt}
        self.heard(now)
        if not known:
            return
        fresh = {epc: Fact(edt, now, notified) for epc, edt in known.items()}
        for epc, edt in known.items():
            if not notified:
                self._answered_at[epc] = now
            elif epc not in self.by_epc or self.by_epc[epc].edt != edt:
                self._answered_at.pop(epc, None)
        self.by_epc = MappingProxyType({**self.by_epc, **fresh})
        if not self.refused.isdisjoint(known):
            self.refused -= known.keys()
