"""Decided values that must stay true for a while before they count, and rows that say "keep what was"."""

from __future__ import annotations

from typing import Generic, TypeVar

from bridge.mapping.decision import Answer

T = TypeVar("T")


class Held(Generic[T]):
    """One decided value. The first one counts at once: there is nothing better to show."""

    def __init__(self, value: T) -> None:
        self.value = value
        self._known = False
        self._next: T | None = None
        self._since = 0
        self._due: int | None = None

    @property
    def due(self) -> int | None:
        """When (ms) the value that is waiting will count, if nothing else is decided until then."""
        return self._due

    def decide(self, answer: Answer, value: T | None, now: int, *, patient: bool = False) -> bool:
        """Take a decided row; `value` is its value, None for keep. Whether the value has changed.

        `patient`: the first value has to hold as well."""
        if value is None or (self._known and value == self.value):
            self._due = self._next = None
            return False
        if (self._known or patient) and answer.hold > 0:
            if self._due is None or value != self._next:
                self._next, self._since = value, now
            self._due = self._since + answer.hold
            if now < self._due:
                return False
        self.value, self._known = value, True
        self._due = self._next = None
        return True
