"""Which vehicle is there: what the unit reads (0xE6, CEL 4.2, 4.3), else what was told from outside (CEL 4.4, 4.5)."""

from __future__ import annotations

from collections.abc import Callable

from bridge.evse import Plug


class Vehicle:
    """The vehicle at one unit. A binding from outside lasts until the vehicle is unplugged; on a unit that cannot tell
    whether one is there, until the transaction ends. `on_unbound` are called then."""

    def __init__(self) -> None:
        self.on_unbound: list[Callable[[], None]] = []
        self.plugged_at = 0
        self._bound: str | None = None
        self._sure = True
        self._plug = Plug.UNDETERMINED
        self._in_transaction = False

    @property
    def unsure(self) -> bool:
        """Whether what the unit tells may still be the last vehicle's."""
        return not self._sure

    @property
    def bound(self) -> str | None:
        """What was told from outside."""
        return self._bound

    def bind(self, vehicle_id: str | None) -> None:
        """It is told from outside which vehicle is there, or will be; None takes that back."""
        self._bound = vehicle_id

    def plug(self, plug: Plug, now: int, *, in_transaction: bool) -> None:
        """Take what is known of the plug."""
        left = plug is Plug.NO and self._plug is not Plug.NO
        if plug is Plug.YES and self._plug is not Plug.YES:
            self.plugged_at, self._sure = now, False
        left = left or (plug is Plug.BLIND and self._in_transaction and not in_transaction)
        self._plug, self._in_transaction = plug, in_transaction
        if left and self._bound is not None:
            self._bound = None
            for listener in tuple(self.on_unbound):
                listener()

    def read(self) -> None:
        """Everything has been read since it was plugged in."""
        self._sure = True

    def id(self, told: str | None) -> str | None:
        """Who is there; nobody while nothing is plugged in (AIF 2.3)."""
        if self._plug is Plug.NO:
            return None
        return (told if self._sure else None) or self._bound
