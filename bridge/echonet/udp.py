"""ECHONET Lite over UDP, IPv4 and IPv6: a `Lan` on real sockets.

Two sockets: one bound to our address, which sends and takes what is for us alone, and one bound to the group, which
takes what is for all. The destination port is always 3610 and the source port of others is ignored (many answer from
another one), so only our own address and port are recognised as ourselves when multicast loops back.

What lies in both sockets is handed on in the order in which it came: an answer that was sent before a notification must
not be taken for the newer word.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import struct
import sys
from collections import Counter, deque
from typing import Any, Final

import structlog

from bridge.echonet.lan import Lan, Receiver
from bridge.echonet.wellknown import GROUP_IPV4, GROUP_IPV6, PORT
from bridge.errors import ConfigError
from bridge.records import dataclass

_LARGEST: Final = 8192  # bytes taken of one datagram; frames of units have a few hundred at most
_BURST: Final = 8  # datagrams taken at a time, so that a flood does not starve the rest of the gateway
_BUFFER: Final = 1 << 20  # bytes that may wait in a socket; the system may allow less
_ADDRESSES: Final = 1024  # parsed addresses that are kept
_IP_MULTICAST_ALL: Final = 49  # Linux; Python has no name for it
_SO_TIMESTAMPNS: Final = 35  # Linux alike
_STAMP: Final = struct.Struct("@ll")  # seconds and nanoseconds
_STAMP_SPACE: Final = socket.CMSG_SPACE(_STAMP.size)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where we are: our address, the group, and the interface's index (0: let the system choose)."""

    own: IPAddress
    group: IPAddress
    index: int
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET if self.own.version == 4 else socket.AF_INET6

    def sockaddr(self, address: IPAddress) -> tuple[Any, ...]:
        """An address as the socket calls want it, with our port and, where its scope needs one, our interface."""
        if isinstance(address, ipaddress.IPv4Address):
            return (str(address), self.port)
        scoped = address.is_link_local or address.is_multicast
        index = _index(address.scope_id) if address.scope_id else self.index if scoped else 0
        return (str(address).partition("%")[0], self.port, 0, index)


class UdpLan(Lan):
    """The network as seen from one address. Made by `open_udp`.

    `dropped` counts datagrams that could not be sent, by the system's reason.
    """

    def __init__(self, place: _Place, unicast: socket.socket, group: socket.socket) -> None:
        self._place = place
        self._unicast = unicast
        self._inboxes = (_Inbox(unicast), _Inbox(group))
        self._group = place.sockaddr(place.group)
        self._self = (_source_address(place), place.port)
        self._parsed: dict[str, tuple[Any, ...] | None] = {}
        self._receiver: Receiver | None = None
        self._loop = asyncio.get_running_loop()
        self._open = True
        self.dropped: Counter[str] = Counter()
        for inbox in self._inboxes:
            self._loop.add_reader(inbox.sock, self._readable)

    @property
    def address(self) -> str:
        """Our own address."""
        return str(self._place.own)

    def send(self, data: bytes, address: str) -> None:
        """Send to a node. An address that is none, or of the other family, is counted as dropped."""
        target = self._target(address)
        if target is None:
            self._drop("not an address of this network", address)
        else:
            self._send(data, target)

    def multicast(self, data: bytes) -> None:
        """Send to the group."""
        self._send(data, self._group)

    def attach(self, receiver: Receiver) -> None:
        """Take what arrives. Replaces the earlier receiver."""
        self._receiver = receiver

    async def close(self) -> None:
        """Leave the group and close the sockets."""
        if not self._open:
            return
        self._open = False
        for inbox in self._inboxes:
            self._loop.remove_reader(inbox.sock)
            inbox.sock.close()

    def _send(self, data: bytes, target: tuple[Any, ...]) -> None:
        if not self._open:
            return
        try:
            self._unicast.sendto(data, target)
        except BlockingIOError:
            self._drop("send buffer full", str(target[0]))
        except OSError as error:
            self._drop(error.strerror or type(error).__name__, str(target[0]))

    def _drop(self, reason: str, address: str) -> None:
        self.dropped[reason] += 1
        if self.dropped[reason] == 1:
            _log.warning("datagram not sent", address=address, reason=reason)

    def _target(self, address: str) -> tuple[Any, ...] | None:
        """The parsed address; never a name, whose resolution would block."""
        if address not in self._parsed:
            if len(self._parsed) >= _ADDRESSES:
                self._parsed.clear()
            try:
                parsed = ipaddress.ip_address(address)
                self._parsed[address] = (
                    self._place.sockaddr(parsed) if parsed.version == self._place.own.version else None
                )
            except (ValueError, ConfigError):
                self._parsed[address] = None
        return self._parsed[address]

    def _readable(self) -> None:
        """Something has come to either socket: hand on what lies in both, by the time at which it came."""
        if not self._open:
            return
        for inbox in self._inboxes:
            inbox.fill()
        while self._open and not any(inbox.unsure for inbox in self._inboxes):
            first = min((inbox for inbox in self._inboxes if inbox.taken), key=_next, default=None)
            if first is None:
                return
            _, data, source = first.taken.popleft()
            if self._receiver is not None and source[:2] != self._self:
                self._receiver(data, _canonical(source))
        if any(inbox.taken for inbox in self._inboxes):
            self._loop.call_soon(self._readable)  # the others have their turn first


_Datagram = tuple[tuple[int, int], bytes, tuple[Any, ...]]  # when it came, what, and where from


class _Inbox:
    """A socket, and what has been taken from it and not yet been handed on."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.taken: deque[_Datagram] = deque()
        self._more = False  # there may be more in the socket than was taken

    @property
    def unsure(self) -> bool:
        """Whether it is not known when its next datagram came."""
        return self._more and not self.taken

    def fill(self) -> None:
        """Take what lies in the socket, a burst at most."""
        self._more = True
        for _ in range(_BURST - len(self.taken)):
            try:
                data, ancillary, _flags, source = self.sock.recvmsg(_LARGEST, _STAMP_SPACE)
            except (BlockingIOError, InterruptedError):
                self._more = False
                return
            except OSError:
                continue  # a port that nobody listens on answers by ICMP; it is not our socket's end
            self.taken.append((_stamp(ancillary), data, source))


def _next(inbox: _Inbox) -> tuple[int, int]:
    """When the next datagram of an inbox came."""
    return inbox.taken[0][0]


def _stamp(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int]:
    """When the system took a datagram; the same for all where it does not tell."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) == _STAMP.size:
            return _STAMP.unpack(data)
    return (0, 0)


async def open_udp(
    bind: str,
    *,
    interface: str | None = None,
    group: str | None = None,
    port: int = PORT,
    reuse: bool = True,
) -> UdpLan:
    """Join the network at our address `bind` (IPv4 or IPv6, `fe80::1%eth0` too; `0.0.0.0` or `::` for any).

    `interface` names the network card for multicast; IPv4 finds it by the address, IPv6 needs it unless the address has
    a scope. `reuse` lets other ECHONET Lite programs of this machine have port 3610 as well, at other addresses.
    Raises `ConfigError` when the address cannot be had.
    """
    place = _place(bind, interface, group, port)
    opened: list[socket.socket] = []
    try:
        opened.append(_unicast_socket(place, reuse))
        opened.append(_group_socket(place))
        return UdpLan(place, *opened)
    except OSError as error:
        for sock in opened:
            sock.close()
        raise ConfigError(_cannot(place, error)) from error


def _place(bind: str, interface: str | None, group: str | None, port: int) -> _Place:
    try:
        own = ipaddress.ip_address(bind)
        wanted = ipaddress.ip_address(group or (GROUP_IPV4 if own.version == 4 else GROUP_IPV6))
    except ValueError as error:
        raise ConfigError(f"{error}: write the address of one of this machine's network cards") from error
    if not wanted.is_multicast or wanted.version != own.version:
        raise ConfigError(f"{wanted} is not an IPv{own.version} multicast group: leave it out for ECHONET Lite's own")
    scope = own.scope_id if isinstance(own, ipaddress.IPv6Address) else None
    name = interface or scope
    index = _index(name) if name else 0
    if own.version == 6 and not index:
        raise ConfigError(f"the IPv6 address {own} needs the name of its network card: add the interface")
    return _Place(own, wanted, index, port)


def _index(name: str) -> int:
    """The index of a network card by its name or number."""
    if name.isdigit():
        return int(name)
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        known = ", ".join(each for _, each in socket.if_nameindex())
        raise ConfigError(f"there is no network card {name!r} on this machine; it has {known}") from error


def _socket(place: _Place) -> socket.socket:
    sock = socket.socket(place.family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    if sys.platform == "linux":
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    if place.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


def _unicast_socket(place: _Place, reuse: bool) -> socket.socket:
    """The socket at our address, from which everything is sent."""
    sock = _socket(place)
    try:
        if reuse:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(place.sockaddr(place.own))
        _multicast_out(sock, place)
    except OSError:
        sock.close()
        raise
    return sock


def _multicast_out(sock: socket.socket, place: _Place) -> None:
    """Let what the socket sends to the group go out of our interface, and back to this machine's other nodes."""
    if place.family == socket.AF_INET:
        own = struct.pack("=4s4si", bytes(4), place.own.packed, place.index)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, place.index)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)


def _group_socket(place: _Place) -> socket.socket:
    """The socket bound to the group, which any number of programs of this machine share."""
    sock = _socket(place)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(place.sockaddr(place.group))
        if place.family == socket.AF_INET:
            member = struct.pack("=4s4si", place.group.packed, place.own.packed, place.index)
            if sys.platform == "linux":
                # Without this, what others of this machine joined on other cards would come here too.
                sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        else:
            member = place.group.packed + struct.pack("=I", place.index)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
    except OSError:
        sock.close()
        raise
    return sock


def _source_address(place: _Place) -> str:
    """The address that our multicast comes from: our own, or what the system chooses for it."""
    if not place.own.is_unspecified:
        return str(place.own).partition("%")[0]
    with _socket(place) as probe:
        try:
            _multicast_out(probe, place)
            probe.connect(place.sockaddr(place.group))
            return str(probe.getsockname()[0])
        except OSError:
            return str(place.own)  # no network yet: then nothing loops back either


def _canonical(source: tuple[Any, ...]) -> str:
    """The address of a sender as everybody writes it; the scope belongs to it where it is link-local."""
    host = str(source[0])
    if len(source) == 4 and source[3] and "%" not in host:
        try:
            return f"{host}%{socket.if_indextoname(source[3])}"
        except OSError:
            return f"{host}%{source[3]}"
    return host


def _cannot(place: _Place, error: OSError) -> str:
    """What a refused socket means, and the mend."""
    where = f"{place.own} port {place.port}"
    mends = {
        "EADDRINUSE": "another program has it; end that program or give this one an address of its own",
        "EADDRNOTAVAIL": "this machine has no such address; write one of its network card's",
        "ENODEV": "no network card has this address; name the interface",
        "EACCES": "this user may not; choose a port above 1023 or allow it",
    }
    mend = mends.get(_errno_name(error), "check the address and the interface")
    return f"cannot listen at {where}: {error.strerror}: {mend}"


def _errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "")
