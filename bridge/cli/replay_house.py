"""A whole gateway on the virtual clock between a unit that follows a course and a demo CSMS; all of it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bridge.authoring.course import Course, Moment
from bridge.cli.ocpp_words import call_of
from bridge.cli.replay_unit import ReplayUnit
from bridge.clock import Clock
from bridge.echonet.frame import Frame, FrameError, decode
from bridge.evse import Connector, Happening, Observed
from bridge.gateway.config import SiteConfig
from bridge.gateway.gateway import Gateway
from bridge.mapping.load import Mappings
from bridge.sim.csms import DemoCsms
from bridge.sim.csms_memory import acceptor
from bridge.sim.csms_parts import Message, StationCallError, StationTimeoutError
from bridge.sim.lan import Datagram, SimLan
from bridge.sim.node import SimNode
from bridge.station.link import LinkDown
from bridge.station.link_memory import MemoryDialer
from bridge.store.sqlite import open_store

STATION: Final = "SIMULATED"
UNIT: Final = "unit"
_GATEWAY_AT, _UNIT_AT = "192.0.2.1", "192.0.2.2"
_NODE: Final = b"replayed-unit"
_READY: Final = 120_000
_SECTIONS: Final = ("plug", "connector", "chargingState")
_KNOWN: Final = frozenset(Connector) - {Connector.UNAVAILABLE}  # unavailable is what it is until it has been read


@dataclass(frozen=True)
class Event:
    """One thing that happened, `t` ms after the course's beginning (before it: negative).

    `kind`: `frame`, `call`, `answer`, `decided`, `trouble` or `moment`. `source` and `target`: unit, gateway, CSMS.
    """

    t: int
    kind: str
    source: str = ""
    target: str = ""
    frame: Frame | None = None
    data: bytes = b""
    action: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)  # what was decided: section -> answer (row)
    text: str = ""


async def simulate(course: Course, mappings: Mappings, after: int) -> list[Event]:
    """Play a course, and `after` ms more; everything that happened, in its order."""
    clock = Clock(seed=1)
    lan, csms = SimLan(clock), DemoCsms(clock)
    store = await open_store(Path(":memory:"), inline=True)
    unit = ReplayUnit(clock, course)
    node = SimNode(clock, _NODE, [unit])
    teller = _Teller(clock, course)
    lan.tap(teller.datagram)
    csms.on_message.append(teller.message)
    node.attach(lan.join(_UNIT_AT))
    await node.start()
    dialer = MemoryDialer(acceptor(csms, STATION, LinkDown))
    gateway = await Gateway.build(
        _site(course),
        lans={"home": lan.join(_GATEWAY_AT)},
        dialer_of=lambda _: dialer,
        store=store,
        mappings=mappings,
        clock=clock,
    )
    gateway.units.runners[UNIT].unit.listen(teller.observed)
    running = asyncio.ensure_future(gateway.run())
    try:
        await _ready(gateway, csms)
        teller.begin()
        await _play(clock, course, unit, csms, teller)
        await clock.sleep(max(course.end - teller.now, 0) + after)
    finally:
        events = teller.relative()
        gateway.ended.set()
        await running
        await node.close()
    return events


async def _ready(gateway: Gateway, csms: DemoCsms) -> None:
    """Until the unit has been read and the CSMS knows its state, or for two minutes."""
    try:
        await csms.wait_message(
            "StatusNotification",
            lambda p: gateway.units.runners[UNIT].unit.started and p["connectorStatus"] in _KNOWN,
            timeout_ms=_READY,
        )
    except TimeoutError:
        pass  # a unit that never answers: the course is played all the same


async def _play(clock: Clock, course: Course, unit: ReplayUnit, csms: DemoCsms, teller: _Teller) -> None:
    """The moments of the course; calls go on while the next moments come."""
    calls = []
    for moment in course.moments:
        await clock.sleep(max(moment.t - teller.now, 0))
        if moment.note:
            teller.add(Event(clock.monotonic(), "moment", text=moment.note))
        unit.live(moment)
        if moment.call is not None:
            calls.append(asyncio.ensure_future(_call(csms, moment, teller)))
    await asyncio.gather(*calls)


async def _call(csms: DemoCsms, moment: Moment, teller: _Teller) -> None:
    assert moment.call is not None
    transaction = next((str(e["transactionInfo"]["transactionId"]) for e in reversed(csms.events())), "")
    action, payload = call_of(*moment.call, transaction)
    try:
        await csms.call(STATION, action, payload)
    except (ValueError, StationCallError, StationTimeoutError) as error:
        teller.add(Event(teller.clock.monotonic(), "trouble", text=f"{action}: {error}"))


class _Teller:
    """Collects what happens."""

    def __init__(self, clock: Clock, course: Course) -> None:
        self.clock = clock
        self._events: list[Event] = []
        self._begun: int | None = None
        self._words: dict[str, str] = {}
        self._trouble: str | None = None

    @property
    def now(self) -> int:
        """Ms since the course has begun."""
        return self.clock.monotonic() - (self._begun or 0)

    def begin(self) -> None:
        """The course begins now."""
        self._begun = self.clock.monotonic()

    def add(self, event: Event) -> None:
        """Something happened; its `t` is monotonic."""
        self._events.append(event)

    def relative(self) -> list[Event]:
        """Everything so far, counted from the course's beginning."""
        start = self._begun or 0
        return [Event(**{**vars(each), "t": each.t - start}) for each in self._events]

    def datagram(self, datagram: Datagram) -> None:
        """A tap of the network."""
        out = datagram.source == _GATEWAY_AT
        try:
            frame = decode(datagram.data)
        except FrameError:
            frame = None
        source, target = ("gateway", UNIT) if out else (UNIT, "gateway")
        target = target if datagram.destination is not None else "all"
        self.add(Event(datagram.at, "frame", source, target, frame=frame, data=datagram.data))

    def message(self, message: Message) -> None:
        """A message of the CSMS or to it."""
        source, target = ("gateway", "CSMS") if message.direction == "in" else ("CSMS", "gateway")
        kind = "call" if message.frame[0] == 2 else "answer"
        self.add(Event(message.t, kind, source, target, action=message.action, payload=message.payload))

    def observed(self, observed: Observed, _: tuple[Happening, ...]) -> None:
        """The unit's state as the tables decide it."""
        answers = (observed.plug, observed.connector, observed.charging_state)
        rules = observed.rules or ("", "", "")
        now = {
            name: f"{answer or 'keep'} ({rule})" for name, answer, rule in zip(_SECTIONS, answers, rules, strict=True)
        }
        changed = {name: words for name, words in now.items() if self._words.get(name) != words}
        if changed:
            self.add(Event(self.clock.monotonic(), "decided", words=changed))
        if observed.trouble != self._trouble and observed.trouble:
            self.add(Event(self.clock.monotonic(), "trouble", text=observed.trouble))
        self._words, self._trouble = now, observed.trouble


def _site(course: Course) -> SiteConfig:
    """One unit, one station; discharging is allowed, so that the tables alone decide."""
    return SiteConfig.model_validate(
        {
            "config": 1,
            "state_dir": ".",
            "networks": {"home": {"bind": _GATEWAY_AT}},
            "units": {UNIT: {"address": _UNIT_AT, "class": f"0x{course.class_code:04X}"}},
            "echonet": {"gap": 0},
            "stations": [
                {
                    "id": STATION,
                    "csms": {"url": "ws://in.memory/"},
                    "evses": [{"id": 1, "unit": UNIT, "discharge": ["negative-limit"]}],
                }
            ],
        }
    )


Show = Callable[[Event], None]
