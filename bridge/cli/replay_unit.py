"""A unit that does what a course says: a device for a simulated node, told by a dump or a script."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from bridge.authoring.course import Course, Moment, Tell
from bridge.clock import Clock
from bridge.echonet.wellknown import (
    ANNOUNCED_MAP,
    GETTABLE_MAP,
    IDENTIFICATION,
    SETTABLE_MAP,
    instance_of,
)
from bridge.sim.codec import Prop, property_map
from bridge.sim.device import Announce


class ReplayUnit:
    """Answers with the values that its course has come to.

    What is written to it stays until the course tells another value of the same property; the course is of another
    session, in which another controller wrote other things.
    """

    def __init__(self, clock: Clock, course: Course) -> None:
        self._clock = clock
        self._course = course
        self._values = dict(course.values)
        self._ident = b""
        self._announce: Announce = lambda props: None
        self.silent = False

    @property
    def class_code(self) -> int:
        """Class group and class."""
        return self._course.class_code

    @property
    def wanted_instance(self) -> int | None:
        """As in the course."""
        return instance_of(self._course.eoj)

    @property
    def quirks(self) -> Mapping[str, object]:
        """None but those that the course shows."""
        return {}

    def bind(self, own_eoj: int, ident: bytes, announce: Announce) -> None:
        """See `SimDevice`."""
        self._ident, self._announce = ident, announce

    def read(self, epc: int) -> bytes | None:
        """See `SimDevice`."""
        maps = {
            GETTABLE_MAP: self._course.gettable,
            SETTABLE_MAP: self._course.settable,
            ANNOUNCED_MAP: self._course.announced,
        }
        if epc in maps:
            return property_map(maps[epc])
        if epc not in self._course.gettable:
            return None
        return self._values.get(epc) or (self._ident if epc == IDENTIFICATION else None)

    def write(self, epc: int, edt: bytes, source: str) -> bool:
        """See `SimDevice`."""
        if epc not in self._course.settable:
            return False
        if self._values.get(epc) != edt:
            self._tell({epc: edt}, Tell.MAPPED)
        for reaction in self._course.reactions:
            if (reaction.epc, reaction.edt) == (epc, edt):
                at = self._clock.monotonic() + reaction.after
                self._clock.call_at(at, partial(self._tell, reaction.values, Tell.MAPPED))
        return True

    def close(self) -> None:
        """See `SimDevice`."""
        self.silent = True

    def live(self, moment: Moment) -> None:
        """A moment of the course has come."""
        if moment.silent is not None:
            self.silent = moment.silent
        if moment.values:
            self._tell(moment.values, moment.tell)

    def _tell(self, values: Mapping[int, bytes], tell: Tell) -> None:
        """Have these values from now on, and announce what is to be announced of them."""
        changed = {epc: edt for epc, edt in values.items() if self._values.get(epc, b"") != edt}
        self._values |= values
        if tell is Tell.NONE or self.silent:
            return
        mapped = {epc: edt for epc, edt in changed.items() if epc in self._course.announced}
        props = tuple(Prop(epc, edt) for epc, edt in (values if tell is Tell.ALL else mapped).items() if edt)
        if props:
            self._announce(props)
