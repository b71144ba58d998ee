"""Decided values that must stay true for a while before they count, and rows that say "keep what was"."""

from __future__ import annotations

from typing import Generic, TypeVar

from bridge.evse import ChargingState, Connector, Plug, Trigger
from bridge.mapping.decision import Answer, Decision

T = TypeVar("T")


class Held(Generic[T]):
    """One decided value. The first one counts at once: there is nothing better to show."""

    def __init__(self, value: T) -> None:
        self.value = value
        self.answer: Answer | None = None  # the row by which it has become so
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
        self.value, self.answer, self._known = value, answer, True
        self._due = self._next = None
        return True


class Status:
    """The three decided values of one unit."""

    def __init__(self) -> None:
        self._plug: Held[Plug] = Held(Plug.UNDETERMINED)
        self._connector: Held[Connector | None] = Held(None)
        self._charging_state: Held[ChargingState | None] = Held(None)

    @property
    def plug(self) -> Plug:
        """What is known of a vehicle."""
        return self._plug.value

    @property
    def connector(self) -> Connector | None:
        """The connector's status, as far as the tables decide it."""
        return self._connector.value

    @property
    def charging_state(self) -> ChargingState | None:
        """The charging within a transaction."""
        return self._charging_state.value

    @property
    def plug_trigger(self) -> Trigger | None:
        """How a change to the plug that is in force is told."""
        return self._plug.answer.trigger if self._plug.answer else None

    @property
    def state_answer(self) -> Answer | None:
        """The row by which the charging state has become what it is."""
        return self._charging_state.answer

    @property
    def due(self) -> tuple[int, ...]:
        """When (ms) values that are waiting will count."""
        held = (self._plug.due, self._connector.due, self._charging_state.due)
        return tuple(at for at in held if at is not None)

    def decide(self, decision: Decision, now: int, *, started: bool) -> bool:
        """Let the decided values count, each in its time. Whether a vehicle is there now that was not before."""
        patient = not started
        before = self.plug
        plug = decision.plug.value if isinstance(decision.plug.value, Plug) else None
        plugged = self._plug.decide(decision.plug, plug, now, patient=patient)
        told = decision.connector.value if isinstance(decision.connector.value, Connector) else None
        if told is None and started and self.connector is None:
            told = decision.connector.at_boot
        self._connector.decide(decision.connector, told, now, patient=patient)
        state = decision.charging_state.value if isinstance(decision.charging_state.value, ChargingState) else None
        self._charging_state.decide(decision.charging_state, state, now, patient=patient)
        return plugged and self.plug is Plug.YES and before is not Plug.YES
