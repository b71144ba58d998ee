"""What passed on the sockets, in the order in which it passed, held against what a scenario expects.

A row is a datagram on the LAN or a message on the WebSocket. The expectations of a step come in groups: a group must
be seen before the next begins, within a group the order is free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.clock import Clock
from bridge.sim.codec import Esv, SimFrame, SimFrameError, decode


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that passed. `t` in ms from the start; either `data` (a datagram) or `ocpp` (a message array)."""

    t: int
    step: str
    source: str
    destination: str
    data: bytes = b""
    frame: SimFrame | None = None
    action: str = ""
    ocpp: list[Any] | None = None
    expected: str | None = None
    seen: bool = True
    meaning: str = ""

    @property
    def payload(self) -> dict[str, Any]:
        """The payload of the OCPP message."""
        return self.ocpp[-1] if self.ocpp and isinstance(self.ocpp[-1], dict) else {}

    @property
    def writes(self) -> list[str]:
        """`DA=42` for each property that carries a value."""
        return [f"{p.epc:02X}={p.edt.hex().upper()}" for p in self.frame.props if p.edt] if self.frame else []

    def as_json(self) -> dict[str, Any]:
        """For machines: one object a line."""
        return {
            "t": self.t,
            "step": self.step,
            "from": self.source,
            "to": self.destination,
            "frame": self.data.hex().upper() or None,
            "service": Esv(self.frame.esv).name if self.frame else None,
            "writes": self.writes,
            "meaning": self.meaning,
            "ocpp": self.ocpp,
            "expected": self.expected,
            "seen": self.seen,
        }


@dataclass(frozen=True, slots=True)
class Expectation:
    """Something that must pass, in words and as a test."""

    label: str
    matches: Callable[[Row], bool]


def datagram(label: str, esv: Esv, *contents: str) -> Expectation:
    """A datagram of a service that carries all of `contents`: `DA=42`, or `C7` for a property by itself."""

    def matches(row: Row) -> bool:
        if row.frame is None or row.frame.esv != esv:
            return False
        codes = {f"{p.epc:02X}" for p in row.frame.props}
        return all(content in row.writes if "=" in content else content in codes for content in contents)

    return Expectation(label, matches)


def message(label: str, action: str, **fields: Any) -> Expectation:
    """A CALL of an action whose payload has these fields; `a__b` looks into a nested object."""

    def matches(row: Row) -> bool:
        if row.ocpp is None or row.ocpp[0] != 2 or row.action != action:
            return False
        return all(_dig(row.payload, name.split("__")) == value for name, value in fields.items())

    return Expectation(label, matches)


def _dig(payload: Any, path: Sequence[str]) -> Any:
    for name in path:
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload


@dataclass(slots=True)
class Timeline:
    """Collects rows, tells them to `show` as they pass, and knows what is still expected."""

    clock: Clock
    show: Callable[[Row], None] = lambda row: None
    meaning: Callable[[SimFrame], str] = lambda frame: ""
    rows: list[Row] = field(default_factory=list)
    step: str = ""
    missing: list[str] = field(default_factory=list)
    _start: int | None = None
    _groups: list[list[Expectation]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, step: str, groups: Sequence[Sequence[Expectation]]) -> None:
        """A step begins, with what is expected of it."""
        self.step = step
        self._groups = [list(group) for group in groups]

    async def settle(self, timeout_ms: int) -> bool:
        """Wait until all that the step expects has passed; what has not by then is put down as missing."""
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                while self._groups:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            for expectation in (e for group in self._groups for e in group):
                self._miss(expectation.label)
            self._groups = []
            return False
        return True

    def datagram(self, source: str, destination: str, data: bytes) -> None:
        """A datagram has passed."""
        try:
            frame = decode(data)
        except SimFrameError:
            frame = None
        meaning = self.meaning(frame) if frame else "not a frame"
        self._add(Row(self._now(), self.step, source, destination, data, frame, meaning=meaning))

    def message(self, source: str, destination: str, frame: list[Any], action: str) -> None:
        """An OCPP message has passed."""
        self._add(Row(self._now(), self.step, source, destination, action=action, ocpp=frame, meaning=action))

    def _add(self, row: Row) -> None:
        label = self._match(row)
        if label:
            row = _with_label(row, label)
        self.rows.append(row)
        self.show(row)
        self._changed.set()

    def _match(self, row: Row) -> str | None:
        if not self._groups:
            return None
        group = self._groups[0]
        for expectation in group:
            if expectation.matches(row):
                group.remove(expectation)
                if not group:
                    self._groups.pop(0)
                return expectation.label
        return None

    def _miss(self, label: str) -> None:
        self.missing.append(f"{self.step}: {label}")
        row = Row(self._now(), self.step, "", "", expected=label, seen=False, meaning="never seen")
        self.rows.append(row)
        self.show(row)

    def _now(self) -> int:
        now = self.clock.monotonic()
        if self._start is None:
            self._start = now
        return now - self._start


def _with_label(row: Row, label: str) -> Row:
    return replace(row, expected=label)
