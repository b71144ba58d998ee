"""Bytes of ECHONET Lite frames, written independently of `bridge.echonet`, so that each can be held against the other.

Only what a simulated node needs: frames with specified message format (EHD 0x1081), property maps, fixed integers.
An object is an integer of three bytes (class group, class, instance).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from bridge.errors import UnitError

_HEAD = struct.Struct(">HH3s3sB")
_EHD = 0x1081


class Esv(IntEnum):
    """Service codes."""

    SETI_SNA = 0x50
    SETC_SNA = 0x51
    GET_SNA = 0x52
    INF_SNA = 0x53
    SETGET_SNA = 0x5E
    SETI = 0x60
    SETC = 0x61
    GET = 0x62
    INF_REQ = 0x63
    SETGET = 0x6E
    SET_RES = 0x71
    GET_RES = 0x72
    INF = 0x73
    INFC = 0x74
    INFC_RES = 0x7A
    SETGET_RES = 0x7E


#: Services whose frames carry two lists of properties: what is set, then what is got.
TWO_LISTS = frozenset({Esv.SETGET, Esv.SETGET_RES, Esv.SETGET_SNA})

#: Services that ask for an answer (SetI only answers when it refuses).
REQUESTS = frozenset({Esv.SETI, Esv.SETC, Esv.GET, Esv.INF_REQ, Esv.SETGET, Esv.INFC})

#: What each request is answered with: when all went well, when not.
ANSWERS: dict[Esv, tuple[Esv | None, Esv | None]] = {
    Esv.SETI: (None, Esv.SETI_SNA),
    Esv.SETC: (Esv.SET_RES, Esv.SETC_SNA),
    Esv.GET: (Esv.GET_RES, Esv.GET_SNA),
    Esv.INF_REQ: (Esv.INF, Esv.INF_SNA),
    Esv.SETGET: (Esv.SETGET_RES, Esv.SETGET_SNA),
    Esv.INFC: (Esv.INFC_RES, None),
}


class SimFrameError(UnitError):
    """Bytes that are no frame, with the reason; or a frame that cannot be written as bytes."""


@dataclass(frozen=True, slots=True)
class Prop:
    """One property in a frame: its code and its data (empty = PDC 0)."""

    epc: int
    edt: bytes = b""


@dataclass(frozen=True, slots=True)
class SimFrame:
    """One message. `second` is the Get part of SetGet and its answers, empty in all others."""

    tid: int
    seoj: int
    deoj: int
    esv: Esv
    props: tuple[Prop, ...]
    second: tuple[Prop, ...] = field(default=())

    def describe(self) -> str:
        """A short text for logs: `SetC 05FF01>027E01 DA=42`."""
        props = " ".join(f"{p.epc:02X}={p.edt.hex().upper()}" if p.edt else f"{p.epc:02X}" for p in self.props)
        return f"{self.esv.name} {self.seoj:06X}>{self.deoj:06X} {props}"


def encode(frame: SimFrame) -> bytes:
    """The bytes of a frame. Raises `SimFrameError` for more than 255 properties or 255 bytes of data."""
    head = _HEAD.pack(_EHD, frame.tid, frame.seoj.to_bytes(3, "big"), frame.deoj.to_bytes(3, "big"), frame.esv)
    body = _encode_props(frame.props)
    if frame.esv in TWO_LISTS:
        body += _encode_props(frame.second)
    return head + body


def _encode_props(props: tuple[Prop, ...]) -> bytes:
    if len(props) > 255 or any(len(p.edt) > 255 for p in props):
        raise SimFrameError("a frame holds at most 255 properties of at most 255 bytes each")
    return bytes([len(props)]) + b"".join(bytes([p.epc, len(p.edt)]) + p.edt for p in props)


def decode(data: bytes) -> SimFrame:
    """Read a frame strictly: right header, known service, every length fits, nothing left over."""
    if len(data) < _HEAD.size + 1:
        raise SimFrameError(f"{len(data)} bytes are too few for a frame")
    ehd, tid, seoj, deoj, service = _HEAD.unpack_from(data)
    if ehd != _EHD:
        raise SimFrameError(f"header {ehd:04X} is not {_EHD:04X}")
    try:
        esv = Esv(service)
    except ValueError:
        raise SimFrameError(f"unknown service {service:02X}") from None
    props, end = _decode_props(data, _HEAD.size)
    second: tuple[Prop, ...] = ()
    if esv in TWO_LISTS:
        second, end = _decode_props(data, end)
    if end != len(data):
        raise SimFrameError(f"{len(data) - end} bytes after the last property")
    return SimFrame(tid, int.from_bytes(seoj, "big"), int.from_bytes(deoj, "big"), esv, props, second)


def decode_head(data: bytes) -> SimFrame | None:
    """A frame's head without its properties, for frames that end too soon; None if even that is none."""
    if len(data) < _HEAD.size:
        return None
    ehd, tid, seoj, deoj, service = _HEAD.unpack_from(data)
    if ehd != _EHD or service not in set(Esv):
        return None
    return SimFrame(tid, int.from_bytes(seoj, "big"), int.from_bytes(deoj, "big"), Esv(service), ())


def _decode_props(data: bytes, at: int) -> tuple[tuple[Prop, ...], int]:
    """The properties of one list that begins at its OPC byte, and where it ends."""
    if at >= len(data):
        raise SimFrameError("the frame ends before its number of properties")
    props: list[Prop] = []
    count, at = data[at], at + 1
    for number in range(1, count + 1):
        if at + 2 > len(data):
            raise SimFrameError(f"the frame ends within property {number} of {count}")
        epc, size = data[at], data[at + 1]
        at += 2
        if at + size > len(data):
            raise SimFrameError(f"property {epc:02X} says {size} bytes, {len(data) - at} are left")
        props.append(Prop(epc, data[at : at + size]))
        at += size
    return tuple(props), at


def property_map(epcs: Iterable[int]) -> bytes:
    """A property map's data: a list up to 15 codes, a bit field of 16 bytes from 16 codes on."""
    codes = sorted(set(epcs))
    if len(codes) < 16:
        return bytes([len(codes), *codes])
    rows = bytearray(16)
    for code in codes:
        rows[code & 0x0F] |= 1 << ((code >> 4) - 8)
    return bytes([len(codes)]) + bytes(rows)


def read_property_map(edt: bytes) -> frozenset[int]:
    """The codes in a property map. Raises `SimFrameError` if its size does not fit its count."""
    if not edt:
        raise SimFrameError("a property map has at least its count")
    if edt[0] < 16:
        codes = frozenset(edt[1:])
    else:
        codes = frozenset(
            0x80 + 0x10 * bit + row for row, bits in enumerate(edt[1:]) for bit in range(8) if bits >> bit & 1
        )
    if len(codes) != edt[0] or (edt[0] >= 16 and len(edt) != 17):
        raise SimFrameError(f"a property map of {edt[0]} has {len(codes)} codes")
    return codes


def eoj(class_code: int, instance: int) -> int:
    """An object from its class (two bytes) and instance."""
    return class_code << 8 | instance
