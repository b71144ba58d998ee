"""What the store remembers of a unit."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.store.keeper import Keeper


class StoreMemory:
    """The memory of one unit (`bridge.charger.memory.Memory`), under its own key in the store."""

    def __init__(self, keeper: Keeper, owner: str, kept: Mapping[str, str]) -> None:
        self._keeper = keeper
        self._owner = owner
        self._values = dict(kept)

    def load(self) -> Mapping[str, str]:
        """What was kept, by the earlier life of the gateway or by this one."""
        return dict(self._values)

    def keep(self, values: Mapping[str, str]) -> None:
        """Take these over; durable within `KEEP_EVERY` ms."""
        self._values.update(values)
        self._keeper.put(self._owner, values, soon=False)
