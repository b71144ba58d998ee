"""Reports under way: a CSMS that asks on and answers none of them fills no memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.station.station import Station


class UnderWay:
    """Those of one kind of request, `most` at a time."""

    def __init__(self, station: Station, most: int) -> None:
        self._station, self._most = station, most
        self._count = 0

    @property
    def refusal(self) -> str | None:
        """Why no other may begin now."""
        return f"{self._count} reports are under way" if self._count >= self._most else None

    def begin(self, send: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        """Count one; what is returned sends it aside, once the answer is out."""
        self._count += 1
        return lambda: self._station.spawn(send()).add_done_callback(self._ended)

    def _ended(self, _: object) -> None:
        self._count -= 1
