"""Watches a controller for what the AIF forbids it, from the datagrams on a tap: AIF 2.4.1, 2.4.3, 2.4.4 and 2.4.5.

Stops that go out although an answer is outstanding are counted apart: the design sends them on purpose after 2 s.
Multicast requests ask no node in particular and are left out of the count of outstanding ones.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

from bridge.sim.codec import ANSWERS, REQUESTS, Esv, SimFrame, SimFrameError, decode
from bridge.sim.lan import Datagram
from bridge.sim.properties import CLASS_CODE, Epc, Mode, write_range

#: The least response timer of a controller (AIF 2.4.2), ms.
RESPONSE_TIMER_MS = 20_000

#: From here on an outstanding answer does not hold back a stop.
EARLY_STOP_MS = 2_000

#: How long a TID that was never answered must not come again (ms); far less than it takes to use up all of them.
_TID_MEMORY_MS = 600_000

#: AIF 2.4.4, by class.
_MAX_OPC = {CLASS_CODE: 8, 0x02A1: 4}

_STOPS = frozenset({Mode.STOP, Mode.STANDBY})


@dataclass(frozen=True, slots=True)
class Violation:
    """A clause that the controller broke: when (ms), toward which node, and how."""

    at: int
    clause: str
    address: str
    text: str


@dataclass(slots=True)
class _Asked:
    """A request on its way. `answered` is when its answer reached the controller."""

    at: int
    frame: SimFrame
    answered: int | None = None

    def open_at(self, now: int) -> bool:
        return (self.answered is None or self.answered > now) and now - self.at < RESPONSE_TIMER_MS


@dataclass(slots=True)
class _Peer:
    """What the checker remembers of a node."""

    asked: deque[_Asked] = field(default_factory=lambda: deque(maxlen=256))
    release: str | None = None


class AifChecker:
    """A tap that judges what one controller sends. `releases` may be given; else they are learnt from 0x82 answers."""

    def __init__(self, controller: str, releases: dict[str, str] | None = None) -> None:
        self.controller = controller
        self.violations: list[Violation] = []
        self.early_stops: list[Violation] = []
        self.requests = 0
        self._peers: dict[str, _Peer] = {}
        for address, release in (releases or {}).items():
            self._peer(address).release = release

    def __call__(self, datagram: Datagram) -> None:
        """Judge one datagram."""
        try:
            frame = decode(datagram.data)
        except SimFrameError as error:
            if datagram.source == self.controller:
                self._break(datagram, "frame", str(error))
            return
        if datagram.source == self.controller:
            self._sent(datagram, frame)
        else:
            self._answered(datagram, frame)

    def count(self) -> Counter[str]:
        """Violations by clause."""
        return Counter(violation.clause for violation in self.violations)

    def _peer(self, address: str) -> _Peer:
        return self._peers.setdefault(address, _Peer())

    def _break(self, datagram: Datagram, clause: str, text: str) -> None:
        self.violations.append(Violation(datagram.at, clause, datagram.destination or "all", text))

    # ---- what the controller sends ----------------------------------------------------------------------------

    def _sent(self, datagram: Datagram, frame: SimFrame) -> None:
        if frame.esv not in REQUESTS:
            return
        self._check_opc(datagram, frame)
        if frame.esv in (Esv.SETC, Esv.SETI, Esv.SETGET):
            self._check_range(datagram, frame)
        if datagram.destination is None:
            return
        self.requests += 1
        peer = self._peer(datagram.destination)
        self._check_tid(datagram, frame, peer)
        self._check_outstanding(datagram, frame, peer)
        if frame.esv != Esv.SETI:
            peer.asked.append(_Asked(datagram.at, frame))

    def _check_opc(self, datagram: Datagram, frame: SimFrame) -> None:
        most = _MAX_OPC.get(frame.deoj >> 8, 255)
        count = len(frame.props) + len(frame.second)
        if not 1 <= count <= most:
            self._break(datagram, "AIF-2.4.4-1", f"{count} properties, 1 to {most} are allowed: {frame.describe()}")

    def _check_range(self, datagram: Datagram, frame: SimFrame) -> None:
        if frame.deoj >> 8 != CLASS_CODE:
            return
        release = self._peer(datagram.destination).release if datagram.destination else None
        for prop in frame.props:
            limits = write_range(release or "R", prop.epc)
            if limits is None:
                text = f"{prop.epc:02X} cannot be written in Release {release or 'R'}"
            elif not limits.contains(prop.edt) and not (release is None and prop.epc == Epc.OPERATION_MODE):
                text = f"{prop.edt.hex().upper()} is out of the range of {prop.epc:02X}"
            else:
                continue
            self._break(datagram, "AIF-2.4.5-1", text)

    def _check_tid(self, datagram: Datagram, frame: SimFrame, peer: _Peer) -> None:
        """A TID that was not answered must not come again soon: that would be a retransmission."""
        for asked in reversed(peer.asked):
            recent = datagram.at - asked.at < _TID_MEMORY_MS
            if recent and asked.answered is None and asked.frame.tid == frame.tid:
                self._break(datagram, "AIF-2.4.3-1", f"TID {frame.tid:04X} again: {frame.describe()}")
                return

    def _check_outstanding(self, datagram: Datagram, frame: SimFrame, peer: _Peer) -> None:
        waiting = [asked for asked in peer.asked if asked.open_at(datagram.at)]
        if not waiting:
            return
        oldest = waiting[0]
        text = f"{frame.describe()} while {oldest.frame.describe()} is outstanding for {datagram.at - oldest.at} ms"
        if _is_stop(frame) and datagram.at - waiting[-1].at >= EARLY_STOP_MS:
            self.early_stops.append(Violation(datagram.at, "early stop", datagram.destination or "all", text))
        else:
            self._break(datagram, "AIF-2.4.1-1", text)

    # ---- what the nodes answer --------------------------------------------------------------------------------

    def _answered(self, datagram: Datagram, frame: SimFrame) -> None:
        peer = self._peer(datagram.source)
        self._learn_release(frame, peer)
        arrived = [at for address, at in datagram.arrivals if address == self.controller]
        if datagram.destination is None and frame.esv == Esv.INF:
            arrived = arrived or ([datagram.at] if datagram.arrivals else [])
        if not arrived:
            return
        for asked in peer.asked:
            if asked.answered is None and _answers(frame, asked.frame):
                asked.answered = min(arrived)
                return

    @staticmethod
    def _learn_release(frame: SimFrame, peer: _Peer) -> None:
        if frame.seoj >> 8 != CLASS_CODE or frame.esv not in (Esv.GET_RES, Esv.GET_SNA):
            return
        for prop in frame.props:
            if prop.epc == Epc.PROTOCOL and len(prop.edt) == 4:
                peer.release = chr(prop.edt[2])


def _is_stop(frame: SimFrame) -> bool:
    return frame.esv == Esv.SETC and any(
        prop.epc == Epc.OPERATION_MODE and len(prop.edt) == 1 and prop.edt[0] in _STOPS for prop in frame.props
    )


def _answers(answer: SimFrame, request: SimFrame) -> bool:
    same_object = answer.seoj == request.deoj or (request.deoj & 0xFF == 0 and answer.seoj >> 8 == request.deoj >> 8)
    return answer.tid == request.tid and same_object and answer.esv in ANSWERS[request.esv]
