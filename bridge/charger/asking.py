"""Making a unit look again whether a vehicle is there (0xCD of CEL 3.2), with growing pauses."""

from __future__ import annotations

from bridge.charger.actions import IDLE, Action, Read, WaitUntil, Write
from bridge.charger.course import growing
from bridge.echonet.session import Priority
from bridge.mapping.decision import Ask, Step


class Asker:
    """One unit's question. It is a write that nothing can be read back of, so that its answer is another property."""

    def __init__(self) -> None:
        self._count = 0
        self._not_before = 0
        self._asked: Step | None = None
        self._then: tuple[int, ...] = ()
        self._pretended = False

    def next(self, ask: Ask, now: int) -> Action:
        """Write the question, then read the answer, then wait; in a dry run it is only announced once."""
        if self._then:
            then, self._then = self._then, ()
            return Read(then)
        if self._pretended:
            return IDLE
        if now < self._not_before:
            return WaitUntil(self._not_before)
        self._count += 1
        self._not_before = now + growing(self._count, ask.pause)
        self._asked, self._then = ask.step, ask.then
        return Write(ask.step, Priority.COMMAND)

    def asked(self, step: Step) -> bool:
        """Whether a write was the question."""
        return step == self._asked

    def pretended(self, step: Step) -> None:
        """The question was only announced."""
        if self.asked(step):
            self._pretended, self._then = True, ()

    def answered(self) -> None:
        """The unit tells: the next question begins with short pauses again."""
        self._count = self._not_before = 0
        self._asked, self._then, self._pretended = None, (), False
