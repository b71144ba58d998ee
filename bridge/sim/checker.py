"""Watches a controller for what the AIF forbids it, from the datagrams on a tap: AIF 2.4.1, 2.4.3, 2.4.4 and 2.4.5.

It holds for both classes of chargers, and for writes to meters. Stops that go out although an answer is outstanding are
counted apart: the design sends them on purpose after 2 s. Multicast requests ask no node in particular and are left out
of the count of outstanding ones. An answer whose properties cannot be read is still an answer.

A node is what the simulation knows as one, by whatever addresses and on whatever networks it is reached.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bridge.sim.classes import CLASSES
from bridge.sim.codec import ANSWERS, REQUESTS, Esv, SimFrame, SimFrameError, decode, decode_head
from bridge.sim.lan import Datagram, Tap
from bridge.sim.properties import Epc, Mode, Range

#: The least response timer of a controller (AIF 2.4.2), ms.
RESPONSE_TIMER_MS = 20_000

#: From here on an outstanding answer does not hold back a stop.
EARLY_STOP_MS = 2_000

#: How long a TID that was never answered must not come again (ms); far less than it takes to use up all of them.
_TID_MEMORY_MS = 600_000

#: The release by which a unit is judged while its own is not known, or is none of its class.
_LATEST = "R"

_DAY = Range(1, values=frozenset({*range(100), 0xFF}))
_PLACE = Range(1, 0, 255, also=17)

#: What may be written to meters: days, and ranges of channels (start 1 to 252, count 1 to 60 or 30, FD = undefined).
_METERS: dict[int, dict[int, Range]] = {
    0x0288: {0x81: _PLACE, 0xE5: _DAY},
    0x0287: {0x81: _PLACE, 0xC5: _DAY}
    | {
        epc: Range(2, values=frozenset(a << 8 | b for a in (*range(1, 253), 0xFD) for b in (*range(1, most + 1), 0xFD)))
        for epc, most in ((0xB2, 60), (0xB4, 60), (0xB6, 60), (0xB9, 30), (0xBB, 60), (0xBD, 60))
    },
}

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
    """A request on its way. `answered` is when its answer reached the controller.

    A stop that went out `ahead` of an answer is nobody's turn: it was repeated when the turn came, and the unit may
    ignore it, so nothing waits for its answer.
    """

    at: int
    frame: SimFrame
    answered: int | None = None
    ahead: bool = False

    def open_at(self, now: int) -> bool:
        return not self.ahead and (self.answered is None or self.answered > now) and now - self.at < RESPONSE_TIMER_MS


@dataclass(slots=True)
class _Peer:
    """What the checker remembers of a node at one address."""

    asked: deque[_Asked] = field(default_factory=lambda: deque(maxlen=256))
    release: str | None = None
    releases: dict[int, str] = field(default_factory=dict)

    def release_of(self, own: int) -> str | None:
        """Of an object; what was said of the whole node otherwise."""
        return self.releases.get(own, self.release)


#: Tells which node lives at an address; None if that is not known, and the address is a node of its own.
NodeAt = Callable[[str], object | None]


@dataclass(slots=True)
class _Network:
    """One network that is watched: the controller's address in it, and what is at the other addresses."""

    controller: str
    node_at: NodeAt
    peers: dict[str, _Peer] = field(default_factory=dict)

    def peer(self, address: str) -> _Peer:
        return self.peers.setdefault(address, _Peer())


def _strangers(_: str) -> None:
    """Each address is a node of its own."""


class AifChecker:
    """A tap that judges what one controller sends. `releases` may be given; else they are learnt from 0x82 answers.

    `node_at` (`SimLan.node_at`) tells which addresses are one node. `also_on` gives the tap of a further network.
    """

    def __init__(self, controller: str, releases: dict[str, str] | None = None, node_at: NodeAt = _strangers) -> None:
        self.controller = controller
        self._networks = [_Network(controller, node_at)]
        self.violations: list[Violation] = []
        self.early_stops: list[Violation] = []
        self.requests = 0
        for address, release in (releases or {}).items():
            self._networks[0].peer(address).release = release

    def __call__(self, datagram: Datagram) -> None:
        """Judge one datagram."""
        self._judge(self._networks[0], datagram)

    def also_on(self, controller: str, node_at: NodeAt = _strangers) -> Tap:
        """The tap of another network, on which the same controller has this address."""
        network = _Network(controller, node_at)
        self._networks.append(network)
        return lambda datagram: self._judge(network, datagram)

    def _judge(self, network: _Network, datagram: Datagram) -> None:
        try:
            frame = decode(datagram.data)
        except SimFrameError as error:
            head = decode_head(datagram.data)
            if datagram.source == network.controller:
                self._break(datagram, "frame", str(error))
            elif head is not None:
                self._answered(network, datagram, head)
            return
        if datagram.source == network.controller:
            self._sent(network, datagram, frame)
        else:
            self._answered(network, datagram, frame)

    def broken(self, but: Callable[[Violation], bool] = lambda _: False) -> list[str]:
        """Each violation in words, less those that `but` lets pass: to be compared with an empty list."""
        return [f"{v.at} ms {v.clause} {v.address}: {v.text}" for v in self.violations if not but(v)]

    def assert_clean(self, but: Callable[[Violation], bool] = lambda _: False) -> None:
        """Raises AssertionError that names each violation."""
        broken = self.broken(but)
        assert not broken, f"{len(broken)} violations of the AIF:\n" + "\n".join(broken[:20])

    def count(self) -> Counter[str]:
        """Violations by clause."""
        return Counter(violation.clause for violation in self.violations)

    def _same_node(self, network: _Network, address: str) -> Iterator[_Peer]:
        """All addresses at which the node lives that lives there."""
        node = network.node_at(address)
        if node is None:
            yield network.peer(address)
            return
        for one in self._networks:
            for at, peer in one.peers.items():
                if one.node_at(at) is node:
                    yield peer

    def _break(self, datagram: Datagram, clause: str, text: str) -> None:
        self.violations.append(Violation(datagram.at, clause, datagram.destination or "all", text))

    # ---- what the controller sends ----------------------------------------------------------------------------

    def _sent(self, network: _Network, datagram: Datagram, frame: SimFrame) -> None:
        if frame.esv not in REQUESTS:
            return
        self._check_opc(datagram, frame)
        if frame.esv in (Esv.SETC, Esv.SETI, Esv.SETGET):
            self._check_range(network, datagram, frame)
        if datagram.destination is None:
            return
        self.requests += 1
        peer = network.peer(datagram.destination)
        self._check_tid(datagram, frame, peer)
        ahead = self._check_outstanding(datagram, frame, self._same_node(network, datagram.destination))
        if frame.esv != Esv.SETI:
            peer.asked.append(_Asked(datagram.at, frame, ahead=ahead))

    def _check_opc(self, datagram: Datagram, frame: SimFrame) -> None:
        facts = CLASSES.get(frame.deoj >> 8)
        most = facts.max_opc if facts else 255
        count = len(frame.props) + len(frame.second)
        if not 1 <= count <= most:
            self._break(datagram, "AIF-2.4.4-1", f"{count} properties, 1 to {most} are allowed: {frame.describe()}")

    def _check_range(self, network: _Network, datagram: Datagram, frame: SimFrame) -> None:
        peer = network.peer(datagram.destination) if datagram.destination else _Peer()
        for prop in frame.props:
            wrong = _out_of_range(frame.deoj, peer.release_of(frame.deoj), prop.epc, prop.edt)
            if wrong:
                self._break(datagram, "AIF-2.4.5-1", f"{wrong}: {frame.describe()}")

    def _check_tid(self, datagram: Datagram, frame: SimFrame, peer: _Peer) -> None:
        """A TID that was not answered must not come again soon: that would be a retransmission."""
        for asked in reversed(peer.asked):
            recent = datagram.at - asked.at < _TID_MEMORY_MS
            if recent and asked.answered is None and asked.frame.tid == frame.tid:
                self._break(datagram, "AIF-2.4.3-1", f"TID {frame.tid:04X} again: {frame.describe()}")
                return

    def _check_outstanding(self, datagram: Datagram, frame: SimFrame, peers: Iterator[_Peer]) -> bool:
        """Whether it is a stop that goes ahead of an answer."""
        asked_of_node = (asked for peer in peers for asked in peer.asked)
        waiting = sorted((asked for asked in asked_of_node if asked.open_at(datagram.at)), key=lambda asked: asked.at)
        if not waiting:
            return False
        oldest = waiting[0]
        text = f"{frame.describe()} while {oldest.frame.describe()} is outstanding for {datagram.at - oldest.at} ms"
        if _is_stop(frame) and datagram.at - waiting[-1].at >= EARLY_STOP_MS:
            self.early_stops.append(Violation(datagram.at, "early stop", datagram.destination or "all", text))
            return True
        self._break(datagram, "AIF-2.4.1-1", text)
        return False

    # ---- what the nodes answer --------------------------------------------------------------------------------

    def _answered(self, network: _Network, datagram: Datagram, frame: SimFrame) -> None:
        peer = network.peer(datagram.source)
        self._learn_release(frame, peer)
        arrived = [at for address, at in datagram.arrivals if address == network.controller]
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
        if frame.seoj >> 8 not in CLASSES or frame.esv not in (Esv.GET_RES, Esv.GET_SNA):
            return
        for prop in frame.props:
            if prop.epc == Epc.PROTOCOL and len(prop.edt) == 4:
                peer.releases[frame.seoj] = chr(prop.edt[2])


def _out_of_range(own: int, release: str | None, epc: int, edt: bytes) -> str | None:
    """What is wrong with a write by the Appendix; None if nothing, or if the class is none that is judged."""
    class_code = own >> 8
    facts = CLASSES.get(class_code)
    if facts is None:
        ranges = _METERS.get(class_code)
        limits = [ranges.get(epc)] if ranges is not None else []
        name = f"class {class_code:04X}"
    else:
        known = release in facts.releases if release else False
        judged = [release] if known and release else list(facts.releases) if release is None else [_LATEST]
        limits = [facts.write_range(letter, epc) for letter in judged]
        name = f"Release {judged[0] if len(judged) == 1 else 'any'} of {class_code:04X}"
    if any(limit is not None and limit.contains(edt) for limit in limits) or not limits:
        return None
    if not any(limits):
        return f"{epc:02X} cannot be written in {name}"
    return f"{edt.hex().upper()} is out of the range of {epc:02X} in {name}"


def _is_stop(frame: SimFrame) -> bool:
    return frame.esv == Esv.SETC and any(
        prop.epc == Epc.OPERATION_MODE and len(prop.edt) == 1 and prop.edt[0] in _STOPS for prop in frame.props
    )


def _answers(answer: SimFrame, request: SimFrame) -> bool:
    same_object = answer.seoj == request.deoj or (request.deoj & 0xFF == 0 and answer.seoj >> 8 == request.deoj >> 8)
    return answer.tid == request.tid and same_object and answer.esv in ANSWERS[request.esv]
