"""A simulated ECHONET Lite node: its node profile and one or more device objects behind one address.

It takes datagrams and sends the answers after its answer delay. By default it serves one request at a time and ignores
what arrives meanwhile, as AIF 2.4.1 allows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial

from bridge.clock import Clock
from bridge.sim.answers import Adapter, shaped
from bridge.sim.bystanders import StrangeObject, neighbours
from bridge.sim.codec import ANSWERS, REQUESTS, Esv, Prop, SimFrame, SimFrameError, decode, encode, eoj, property_map
from bridge.sim.device import Movable, Port, SimDevice
from bridge.sim.node_config import NodeConfig as NodeConfig  # where users look for it
from bridge.sim.quirks import with_node_quirks

NODE_CLASS = 0x0EF0
NODE_PROFILE = 0x0EF001


class SimNode:
    """The node profile 0x0EF001 and the devices of one address. `unique`: up to 13 bytes, identifies it in 0x83."""

    def __init__(
        self, clock: Clock, unique: bytes, units: Sequence[SimDevice], config: NodeConfig | None = None
    ) -> None:
        self._clock = clock
        self.config = with_node_quirks(config or NodeConfig(), [unit.quirks for unit in units])
        self.adapter = Adapter(clock, self.config)
        self.ident = b"\xfe" + self.config.maker + unique[:13].rjust(13, b"\x00")
        self._devices = self._number([*units, *self._bystanders()])
        self._port: Port | None = None
        self._tid = 0
        self._pending = 0
        self._muted = False
        self._life = 0
        self.ignored = 0
        for own_eoj, device in self._devices.items():
            device.bind(own_eoj, self._device_ident(own_eoj), partial(self._announce, own_eoj))

    @property
    def eojs(self) -> tuple[int, ...]:
        """The device objects of this node."""
        return tuple(self._devices)

    @property
    def port(self) -> Port | None:
        """Where it lives now."""
        return self._port

    def attach(self, port: Port) -> None:
        """Live at a port from now on (a new one is a new address, as after a power cut)."""
        self._port = port
        port.attach(self._receive)

    async def start(self) -> None:
        """Say who is here: INF of 0xD5 (AIF 3.1.1). After a power cut perhaps at another address."""
        if self._muted and self.config.moves and isinstance(self._port, Movable):
            self.attach(await self._port.moved(self.config.moves_to))
        self._muted = False
        self._inf(NODE_PROFILE, (Prop(0xD5, self._instance_list()),))

    def mute(self) -> None:
        """Power is off: hears and says nothing until `start`."""
        self._muted = True
        self._pending = 0
        self._life += 1  # what was not answered yet never will be

    async def close(self) -> None:
        """Leave the network and stop the devices."""
        self._muted = True
        for device in self._devices.values():
            device.close()
        if self._port is not None:
            await self._port.close()

    # ---- what arrives -----------------------------------------------------------------------------------------

    def _receive(self, data: bytes, source: str) -> None:
        try:
            frame = decode(data)
        except SimFrameError:
            return
        self.adapter.carry(partial(self._hear, frame, source))

    def _hear(self, frame: SimFrame, source: str) -> None:
        targets = [] if self._muted or frame.esv not in REQUESTS else self._targets(frame.deoj)
        if not targets or not self.adapter.hears():
            return
        if self._pending and self.config.one_at_a_time:
            self.ignored += 1
            return
        at = self._clock.monotonic()
        for target in targets:
            at += self.config.answer_delay_ms
            self._pending += 1
            self._clock.call_at(at, partial(self._answer, self._life, frame, source, target))

    def _targets(self, deoj: int) -> list[int]:
        """The objects a request is for; instance 0 means all of the class (AIF 2.1)."""
        here = [own for own, device in self._devices.items() if not device.silent]
        if here or not self._devices:
            here.append(NODE_PROFILE)
        return [own for own in here if deoj == own or (deoj & 0xFF == 0 and deoj >> 8 == own >> 8)]

    # ---- answers ----------------------------------------------------------------------------------------------

    def _answer(self, life: int, request: SimFrame, source: str, target: int) -> None:
        if self._muted or life != self._life:
            return
        self._pending -= 1
        done, refused = ANSWERS[request.esv]
        props, second, good = self._carry_out(request, source, target)
        esv = done if good else refused
        if esv is None or self._port is None:
            return
        answer = SimFrame(request.tid, target, request.seoj, esv, props, second)
        if esv == Esv.INF:
            self._port.multicast(encode(answer))
        elif not self.config.answers_never:
            for data in shaped(self.config, answer):
                self.adapter.answer(data, partial(self._send, source))

    def _send(self, address: str, data: bytes) -> None:
        if self._port is not None and not self._muted:
            self._port.send(data, address)

    def _carry_out(
        self, request: SimFrame, source: str, target: int
    ) -> tuple[tuple[Prop, ...], tuple[Prop, ...], bool]:
        """The properties of the answer (and the second list of SetGet), and whether nothing was refused."""
        if self.config.max_opc is not None and len(request.props) > self.config.max_opc:
            empty = request.props if request.esv in (Esv.SETC, Esv.SETI) else tuple(Prop(p.epc) for p in request.props)
            return empty, (), False
        if request.esv in (Esv.GET, Esv.INF_REQ):
            props, good = self._read_all(request, target, request.props)
            return props, (), good
        if request.esv == Esv.INFC:
            return tuple(Prop(p.epc) for p in request.props), (), True
        props, good = self._write_all(request.props, source, target)
        if request.esv != Esv.SETGET:
            return props, (), good
        second, good_second = self._read_all(request, target, request.second)
        return props, second, good and good_second

    def _write_all(self, props: tuple[Prop, ...], source: str, target: int) -> tuple[tuple[Prop, ...], bool]:
        """PDC 0 for what was accepted, the data echoed for what was refused."""
        device = self._devices.get(target)
        refused = [device is None or not device.write(p.epc, p.edt, source) for p in props]
        answer = tuple(p if no else Prop(p.epc) for p, no in zip(props, refused, strict=True))
        return answer, not any(refused)

    def _read_all(self, request: SimFrame, target: int, props: tuple[Prop, ...]) -> tuple[tuple[Prop, ...], bool]:
        """The data, in the order asked; PDC 0 for what was refused."""
        found = [self._read(target, p.epc, request.esv == Esv.INF_REQ) for p in props]
        answer = tuple(Prop(p.epc, edt or b"") for p, edt in zip(props, found, strict=True))
        return answer, all(found)

    def _read(self, target: int, epc: int, to_announce: bool) -> bytes | None:
        if target != NODE_PROFILE:
            return self._devices[target].read(epc)
        if epc == 0xD5 and not to_announce:
            return None
        return self._profile().get(epc)

    # ---- the node profile -------------------------------------------------------------------------------------

    def _profile(self) -> dict[int, bytes]:
        """The mandatory properties of 0x0EF001; 0xD5 is only announced."""
        classes = sorted({own >> 8 for own in self._devices})
        gets = (0x80, 0x82, 0x83, 0x8A, 0x9D, 0x9E, 0x9F, 0xD3, 0xD4, 0xD6, 0xD7)
        return {
            0x80: b"\x30",
            0x82: b"\x01\x0d\x01\x00",
            0x83: self.ident,
            0x8A: self.config.maker,
            0x9D: property_map((0x80, 0xD5)),
            0x9E: property_map(()),
            0x9F: property_map(gets),
            0xD3: len(self._devices).to_bytes(3, "big"),
            0xD4: (len(classes) + 1).to_bytes(2, "big"),
            0xD5: self._instance_list(),
            0xD6: self._instance_list(),
            0xD7: bytes([len(classes)]) + b"".join(code.to_bytes(2, "big") for code in classes),
        }

    def _instance_list(self) -> bytes:
        return bytes([len(self._devices)]) + b"".join(own.to_bytes(3, "big") for own in self._devices)

    def _device_ident(self, own_eoj: int) -> bytes:
        """A device's 0x83: the maker's code and 13 bytes that differ from each other device's."""
        digest = hashlib.sha256(self.ident + own_eoj.to_bytes(3, "big")).digest()
        return b"\xfe" + self.config.maker + digest[:13]

    # ---- announcements ----------------------------------------------------------------------------------------

    def _announce(self, own_eoj: int, props: tuple[Prop, ...]) -> None:
        if not self._devices[own_eoj].silent:
            self._inf(own_eoj, props)

    def _inf(self, own_eoj: int, props: tuple[Prop, ...]) -> None:
        if self._port is None or self._muted:
            return
        self._tid = (self._tid + 1) & 0xFFFF
        data = encode(SimFrame(self._tid, own_eoj, NODE_PROFILE, Esv.INF, props))
        self.adapter.carry(partial(self._port.multicast, data))

    def _bystanders(self) -> list[SimDevice]:
        strange: list[SimDevice] = [StrangeObject()] if self.config.strange else []
        return [*neighbours(), *strange] if self.config.neighbours else strange

    @staticmethod
    def _number(units: Sequence[SimDevice]) -> dict[int, SimDevice]:
        numbered: dict[int, SimDevice] = {}
        for unit in units:
            taken = {own & 0xFF for own in numbered if own >> 8 == unit.class_code}
            instance = unit.wanted_instance or next(i for i in range(1, 0x80) if i not in taken)
            if instance in taken:
                raise ValueError(f"two devices of class {unit.class_code:04X} want instance {instance}")
            numbered[eoj(unit.class_code, instance)] = unit
        return numbered
