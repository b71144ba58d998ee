"""Which network profile is dialled next (B10.FR.03 to B10.FR.10, with the errata of 2025-09). No I/O, no time.

A round gives every slot of NetworkConfigurationPriority exactly NetworkProfileConnectionAttempts attempts. After a
reboot it begins with the first slot of the list (B10.FR.04); after a lost connection, and when a whole round has
failed, with the one that was last connected (B10.FR.07), and then goes on through the others (B10.FR.08), for ever
(B10.FR.09).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


class Route:
    """The order of attempts. `priority` and `attempts` are asked whenever a round begins or a slot is left.

    `last_good` is the slot of the last connection that stood, over restarts.
    """

    def __init__(
        self, priority: Callable[[], Sequence[int]], attempts: Callable[[], int], last_good: int | None
    ) -> None:
        self._priority, self._attempts = priority, attempts
        self.last_good = last_good
        self.rebooted = True  # no connection has stood since the last (re)boot
        self._round: list[int] = []
        self._tries = 0

    def next(self) -> int:
        """The slot to dial now."""
        if not self._round:
            self._begin(first_of_list=self.rebooted)
        return self._round[0]

    def failed(self) -> None:
        """The dial has failed."""
        self._tries += 1
        if self._tries < max(self._attempts(), 1):
            return
        self._tries = 0
        self._round = self._round[1:]
        if not self._round:
            self._begin(first_of_list=False)

    def connected(self) -> bool:
        """The dial has made a connection; whether it goes to another slot than the one before (B10.FR.10)."""
        slot = self._round[0]
        switched = slot != self.last_good
        self.last_good = slot
        self.rebooted = False
        self._round, self._tries = [], 0
        return switched

    def restart(self) -> None:
        """The station reboots."""
        self.rebooted = True
        self._round, self._tries = [], 0

    @property
    def migrating(self) -> bool:
        """Whether the next dial goes elsewhere than the last connection that stood (M05.FR.14 against M05.FR.15)."""
        return self.last_good is not None and self.next() != self.last_good

    def _begin(self, *, first_of_list: bool) -> None:
        slots = list(self._priority())
        if not first_of_list and self.last_good in slots:
            slots.remove(self.last_good)
            slots.insert(0, self.last_good)
        self._round = slots
