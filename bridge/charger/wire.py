"""What the charger needs of the way to its unit. `bridge.echonet.controller.Controller` provides it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bridge.echonet.session import Priority


class GetAnswer(Protocol):
    """What a Get brought: values, properties refused without data, and properties the answer did not mention."""

    @property
    def values(self) -> Mapping[int, bytes]:
        """EDT by EPC."""

    @property
    def refused(self) -> frozenset[int]:
        """Came back with PDC 0 (Get_SNA)."""

    @property
    def missing(self) -> frozenset[int]:
        """Were asked for and did not come back."""


class SetAnswer(Protocol):
    """What a SetC brought."""

    @property
    def accepted(self) -> frozenset[int]:
        """Taken by the unit, which says nothing about their effect (AIF 2.4.5)."""

    @property
    def refused(self) -> frozenset[int]:
        """Echoed by SetC_SNA."""


class Notification(Protocol):
    """An INF or INFC."""

    @property
    def address(self) -> str:
        """The node it came from."""

    @property
    def eoj(self) -> int:
        """The object that told."""

    @property
    def values(self) -> Mapping[int, bytes]:
        """EDT by EPC."""


class Wire(Protocol):
    """Requests to objects on nodes. Both requests raise `NoAnswerError` after the response timer (AIF 2.4.2).

    A request whose task is cancelled before it was sent must never be sent.
    """

    async def get(self, address: str, eoj: int, epcs: Sequence[int], priority: Priority) -> GetAnswer:
        """Read properties in one request."""

    async def set(self, address: str, eoj: int, writes: Sequence[tuple[int, bytes]], priority: Priority) -> SetAnswer:
        """Write properties in one request (SetC)."""

    def on_notification(self, callback: Callable[[Notification], None]) -> None:
        """Be called with every notification of every node."""
