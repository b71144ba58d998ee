"""`dump`: everything that a unit tells, and what passes between it and its controller for a while, as JSON Lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge import __version__
from bridge.echonet.controller import Traffic
from bridge.echonet.dictionary import DeviceClass
from bridge.echonet.dump import CONTROLLER, UNIT, Header, frame_line, values_line
from bridge.echonet.frame import Frame, FrameError, decode, decode_property_map, encode, hexed
from bridge.echonet.session import Priority
from bridge.echonet.values import State, Unknown
from bridge.echonet.wellknown import (
    ANNOUNCED_MAP,
    GETTABLE_MAP,
    NODE_PROFILE,
    SETTABLE_MAP,
    STANDARD_VERSION,
    class_of,
)
from bridge.errors import NoAnswerError
from bridge.gateway.inspect import Ground, InspectError, Target, Tell, find_target
from bridge.gateway.inspect_discover import seconds_of
from bridge.gateway.inspect_probe import value_text
from bridge.gateway.redact import Redactor

#: How long (s) is listened after everything has been read.
SECONDS: Final = 10
_MAPS: Final = {"get": GETTABLE_MAP, "set": SETTABLE_MAP, "inf": ANNOUNCED_MAP}


async def dump(ground: Ground, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """`{"do": "dump", "unit": "car", "seconds": 10, "raw": false}`: each line of the dump is an event `line`."""
    seconds = seconds_of(request, SECONDS)
    raw = request.get("raw", False)
    if not isinstance(raw, bool):
        raise InspectError('"raw" is true or false')
    target = await find_target(ground, request)
    await ground.start()
    device = ground.mappings.classes.get(class_of(target.eoj)) or ground.mappings.classes.get(0)
    redactor = None if raw else Redactor(ground.clock.random.randbytes(32), device)
    recording = _Recording(ground, target, device, redactor, tell)
    with ground.hear(target.network, recording.take):
        release = await recording.begin()
        await recording.everything()
        tell({"event": "listening", "seconds": seconds})
        await ground.clock.sleep(int(seconds * 1000))
    return {
        "unit": target.name,
        "object": f"{target.eoj:06X}",
        "release": release,
        "redacted": not raw,
        "lines": recording.lines,
        "left_out": recording.left_out,
    }


class _Recording:
    """What is written of one unit. `left_out` counts datagrams that are no frames: they cannot be redacted."""

    def __init__(
        self, ground: Ground, target: Target, device: DeviceClass | None, redactor: Redactor | None, tell: Tell
    ) -> None:
        self._ground, self._target, self._device = ground, target, device
        self._redactor = redactor
        self._tell = tell
        self._begun: int | None = None
        self._early: list[Traffic] = []
        self._release = ""
        self._gettable: frozenset[int] = frozenset()
        self.lines = 0
        self.left_out = 0

    async def begin(self) -> str:
        """The release and the maps, then the first line, then what has passed meanwhile."""
        try:
            told = await self._ground.read(self._target, (STANDARD_VERSION, *_MAPS.values()))
        except NoAnswerError as error:
            raise InspectError(str(error)) from error
        maps = {name: _map(told.get(epc)) for name, epc in _MAPS.items()}
        if not maps["get"]:
            raise InspectError(
                f"{self._target.name}: object {self._target.eoj:06X} at {self._target.address} does not tell what can "
                "be read of it; is this object there? `discover` lists them"
            )
        self._gettable = maps["get"]
        value = self._device.latest.decode(STANDARD_VERSION, told.get(STANDARD_VERSION, b"")) if self._device else None
        self._release = value.name if isinstance(value, State) else ""
        early, self._early = self._early, []
        self._begun = early[0].at if early else self._ground.clock.monotonic()
        self._line(self._header(maps).as_json())
        self._known()
        for traffic in early:
            self.take(traffic)
        return self._release

    def _header(self, maps: Mapping[str, frozenset[int]]) -> Header:
        address = self._target.address if self._redactor is None else self._redactor.address(self._target.address)
        note = {"address": address, "began": self._ground.clock.wall().isoformat(timespec="seconds")}
        return Header(
            class_code=class_of(self._target.eoj),
            eoj=self._target.eoj,
            release=self._release,
            maps=maps,
            redacted=self._redactor is not None,
            made_by=f"ocpp-echonet {__version__}",
            note=note,
        )

    def _known(self) -> None:
        """What a gateway knew before, of what cannot be read: it was announced once."""
        runner = self._ground.runner_of(self._target)
        facts = runner.unit.facts.by_epc if runner is not None else {}
        known = {epc: fact.edt for epc, fact in facts.items() if epc not in self._gettable}
        if known:
            self._line(values_line(0, known if self._redactor is None else self._redactor.values(known)))

    async def everything(self) -> None:
        """Read all that can be read; its frames are recorded as they pass."""
        reader = self._ground.reader(self._target, lambda values, refused: None)
        try:
            await reader.read(sorted(self._gettable), Priority.POLL)
        except NoAnswerError as error:
            self._tell({"event": "trouble", "text": str(error)})

    def take(self, traffic: Traffic) -> None:
        """A datagram passed."""
        if traffic.address != self._target.address:
            return
        if self._begun is None:
            self._early.append(traffic)
            return
        try:
            frame = decode(traffic.data)
        except FrameError:
            self._broken(traffic)
            return
        other = frame.deoj if traffic.outgoing else frame.seoj
        if other not in (self._target.eoj, NODE_PROFILE):
            return  # another object behind the same address is nobody's business here
        if self._redactor is not None:
            frame = self._redactor.frame(frame)
        sender = CONTROLLER if traffic.outgoing else UNIT
        text = self._text(frame, other)
        self._line(frame_line(traffic.at - self._begun, sender, encode(frame), text))

    def _broken(self, traffic: Traffic) -> None:
        self.left_out += 1
        if self._redactor is None:
            self._tell({"event": "trouble", "text": f"no frame, left out: {hexed(traffic.data[:64])} ({traffic.note})"})

    def _text(self, frame: Frame, other: int) -> str:
        """The frame for people."""
        code = class_of(other)
        device = self._ground.mappings.classes.get(code) if code != class_of(self._target.eoj) else self._device
        view = device.at(self._release) if device is not None else None
        parts = []
        for epc, edt in (*frame.properties, *frame.second):
            prop = view.by_epc.get(epc) if view is not None else None
            name = prop.name if prop is not None else f"{epc:02X}"
            value = prop.codec.decode(edt) if prop is not None else Unknown(edt)
            shown = value_text(epc, edt, value) or hexed(edt)
            parts.append(f"{name}={shown}" if edt else name)
        return f"{frame.service.name} {', '.join(parts)}"

    def _line(self, line: dict[str, Any]) -> None:
        self.lines += 1
        self._tell({"event": "line", "line": line})


def _map(edt: bytes | None) -> frozenset[int]:
    try:
        return decode_property_map(edt or b"")
    except FrameError:
        return frozenset()
