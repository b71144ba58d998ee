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
        self._verified: dict[int, bytes] = {}

    def write(self, epc: int, edt: bytes, now: int) -> None:
        """A write goes out."""
        self.at = {**self.at, epc: now}
        self.last = now
        self._values[epc] = edt
        self._open.add(epc)
        if self._verified.get(epc, edt) != edt:
            del self._verified[epc]

    def verified(self, values: Mapping[int, bytes]) -> None:
        """Properties have been read as we want them: from now on they are ours, whoever wrote them first."""
        self._verified.update(values)

    def lowers(self, epc: int, edt: bytes) -> bool:
        """Whether a value is below our own one that had been verified: what the unit clamps was never ours."""
        own = self._verified.get(epc)
        return own is not None and int.from_bytes(edt, "big") < int.from_bytes(own, "big")

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
                if fact.at >= self.at[epc]:
                    self._verified[epc] = edt
            elif fact.at >= self.at[epc]:
                del self._values[epc]
        return frozenset(mine)
