"""Which values at the unit are our own writes, so that nobody else is held responsible for them."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.mapping.decision import Fact


class OwnWrites:
    """Our last write of each property. While it waits to be read back, whatever the property says counts as ours:
    the unit may clamp it, or still show the old value."""

    def __init__(self) -> None:
        self.at: dict[int, int] = {}
        self.last: int | None = None
        self._values: dict[int, bytes] = {}
        self._open: set[int] = set()

    def write(self, epc: int, edt: bytes, now: int) -> None:
        """A write goes out."""
        self.at = {**self.at, epc: now}
        self.last = now
        self._values[epc] = edt
        self._open.add(epc)

    def close(self, epc: int) -> None:
        """The write was read back, or nobody waits for that any more."""
        self._open.discard(epc)

    def ours(self, facts: Mapping[int, Fact]) -> frozenset[int]:
        """The properties whose present value comes from us. Once somebody changed one, it is ours no more."""
        mine = set(self._open)
        for epc, edt in list(self._values.items()):
            fact = facts.get(epc)
            if epc in mine or fact is None:
                continue
            if fact.edt == edt:
                mine.add(epc)
            elif fact.at >= self.at[epc]:
                del self._values[epc]
        return frozenset(mine)
