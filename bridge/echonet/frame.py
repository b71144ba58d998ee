"""ECHONET Lite frames: bytes to `Frame` and back, strictly.

`decode` either gives a frame in which every byte is accounted for, or raises `FrameError` with the defect. It is on the
path of every datagram of the site, so properties are plain `(EPC, EDT)` tuples and lengths are checked only once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum, StrEnum
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from bridge.echonet.wellknown import FIRST_EPC, LAST_EPC
from bridge.errors import UnitError

#: One property in a frame: EPC and EDT. An empty EDT is PDC 0.
Property = tuple[int, bytes]


class Service(IntEnum):
    """ESV: what a frame asks, answers or tells."""

    SET_I_SNA = 0x50
    SET_C_SNA = 0x51
    GET_SNA = 0x52
    INF_SNA = 0x53
    SET_GET_SNA = 0x5E
    SET_I = 0x60
    SET_C = 0x61
    GET = 0x62
    INF_REQ = 0x63
    SET_GET = 0x6E
    SET_RES = 0x71
    GET_RES = 0x72
    INF = 0x73
    INFC = 0x74
    INFC_RES = 0x7A
    SET_GET_RES = 0x7E


#: Services that ask something of the node they are sent to.
REQUESTS: Final = frozenset({Service.SET_I, Service.SET_C, Service.GET, Service.INF_REQ, Service.SET_GET})
#: Services that tell without having been asked.
NOTIFICATIONS: Final = frozenset({Service.INF, Service.INFC})
#: Services that answer a request.
ANSWERS: Final = frozenset(Service) - REQUESTS - NOTIFICATIONS
#: Services whose frames carry a block of writes and a block of reads.
TWO_BLOCKS: Final = frozenset({Service.SET_GET, Service.SET_GET_RES, Service.SET_GET_SNA})
_WRITES: Final = frozenset({Service.SET_I, Service.SET_C, Service.SET_GET})


class Defect(StrEnum):
    """What is wrong with a datagram; counters are kept by it."""

    TOO_SHORT = "too short for a frame"
    NOT_ECHONET_LITE = "not ECHONET Lite"
    FREE_FORMAT = "free format"
    UNKNOWN_FORMAT = "unknown format"
    UNKNOWN_SERVICE = "unknown service"
    NO_PROPERTIES = "no properties"
    NO_PROPERTY_CODE = "not a property code"
    TRUNCATED = "truncated"
    TRAILING_BYTES = "bytes after the end"
    BAD_PROPERTY_MAP = "bad property map"
    BAD_INSTANCE_LIST = "bad instance list"


class FrameError(UnitError):
    """A datagram, or a list within one, that is not what the ECHONET Lite specification says it must be."""

    def __init__(self, defect: Defect, detail: str) -> None:
        super().__init__(f"{defect}: {detail}")
        self.defect = defect


class Frame(NamedTuple):
    """One frame of the specified format (EHD 1081). Objects are 24-bit integers, 0x027E01.

    `second` is the block of reads of SetGet and its answers, empty for every other service.
    """

    tid: int
    seoj: int
    deoj: int
    service: Service
    properties: tuple[Property, ...]
    second: tuple[Property, ...] = ()


_HEADER = Struct(">HHHBBHBB")  # EHD, TID, SEOJ as 2 + 1 bytes, DEOJ as 1 + 2, ESV, OPC
_HEADER_SIZE: Final = _HEADER.size
_EHD: Final = 0x1081
_EHD1, _EHD2_SPECIFIED, _EHD2_FREE = b"\x10", b"\x81", b"\x82"
_SERVICES: Final[dict[int, Service]] = {int(service): service for service in Service}
_FIRST_EPC: Final = FIRST_EPC  # of this module, for speed
_MOST: Final = 255  # properties in a block, bytes in an EDT
_unpack = _HEADER.unpack_from
_TWO_BLOCK_CODES: Final = frozenset(int(service) for service in TWO_BLOCKS)  # an enum member hashes its name: slow
_new = tuple.__new__
_service_of = _SERVICES.get


def decode(data: bytes) -> Frame:
    """Read one datagram. Raises `FrameError`, and nothing else, for whatever is not a whole frame."""
    size = len(data)
    if size < _HEADER_SIZE:
        raise _bad_header(data)
    ehd, tid, seoj, seoj_low, deoj_high, deoj, esv, count = _unpack(data)
    service = _service_of(esv)
    if ehd != _EHD or service is None or count == 0:
        raise _bad_header(data)
    properties: list[Property] = []
    add = properties.append
    at = _HEADER_SIZE
    try:
        # A slice past the end is short and harmless; the next index, or the comparison with `size`, tells.
        for _ in range(count):
            epc = data[at]
            if epc < _FIRST_EPC:
                raise _bad_code(epc, at)
            edt = at + 2
            at = edt + data[at + 1]
            add((epc, data[edt:at]))
    except IndexError:
        raise _truncated(size, len(properties), count) from None
    second: tuple[Property, ...] = ()
    if esv in _TWO_BLOCK_CODES:
        second, at = _second_block(data, at)
    if at != size:
        raise _wrong_end(size, at, count)
    return _new(Frame, (tid, seoj << 8 | seoj_low, deoj_high << 16 | deoj, service, tuple(properties), second))


def _second_block(data: bytes, at: int) -> tuple[tuple[Property, ...], int]:
    """The second block of a SetGet frame, and where it ends."""
    if at >= len(data):
        raise FrameError(Defect.TRUNCATED, f"{len(data)} bytes end before the second OPC")
    count = data[at]
    if count == 0:
        raise FrameError(Defect.NO_PROPERTIES, "the second OPC is 0")
    properties: list[Property] = []
    at += 1
    for _ in range(count):
        if at + 2 > len(data):
            raise _truncated(len(data), len(properties), count)
        epc, end = data[at], at + 2 + data[at + 1]
        if epc < _FIRST_EPC:
            raise _bad_code(epc, at)
        properties.append((epc, data[at + 2 : end]))
        at = end
    return tuple(properties), at


def _bad_header(data: bytes) -> FrameError:
    """Say what is wrong with the first 12 bytes, in their order."""
    if not data:
        return FrameError(Defect.TOO_SHORT, "empty datagram")
    if data[:1] != _EHD1:
        return FrameError(Defect.NOT_ECHONET_LITE, f"EHD1 is {data[0]:02X}, not 10")
    if data[1:2] == _EHD2_FREE:
        return FrameError(Defect.FREE_FORMAT, "EHD2 is 82, whose contents only their maker knows")
    if len(data) > 1 and data[1:2] != _EHD2_SPECIFIED:
        return FrameError(Defect.UNKNOWN_FORMAT, f"EHD2 is {data[1]:02X}, not 81")
    if len(data) < _HEADER_SIZE:
        return FrameError(Defect.TOO_SHORT, f"{len(data)} bytes, and the header alone has {_HEADER_SIZE}")
    if data[10] not in _SERVICES:
        return FrameError(Defect.UNKNOWN_SERVICE, f"ESV is {data[10]:02X}")
    return FrameError(Defect.NO_PROPERTIES, "OPC is 0")


def _bad_code(epc: int, at: int) -> FrameError:
    return FrameError(Defect.NO_PROPERTY_CODE, f"EPC {epc:02X} at byte {at}; codes begin at 80")


def _truncated(size: int, read: int, count: int) -> FrameError:
    return FrameError(Defect.TRUNCATED, f"{size} bytes end within property {read + 1} of {count}")


def _wrong_end(size: int, at: int, count: int) -> FrameError:
    if at > size:
        return FrameError(Defect.TRUNCATED, f"the last of {count} properties ends at byte {at}, the datagram at {size}")
    return FrameError(Defect.TRAILING_BYTES, f"{size - at} after the last of {count} properties")


def encode(frame: Frame) -> bytes:
    """Write a frame as a datagram. Raises `ValueError` for what cannot be one: that is our own mistake."""
    if bool(frame.second) != (frame.service in TWO_BLOCKS):
        raise ValueError(f"{frame.service.name} does not go with a second block of {len(frame.second)} properties")
    tid, seoj, deoj = frame.tid.to_bytes(2), frame.seoj.to_bytes(3), frame.deoj.to_bytes(3)
    head = b"".join((_EHD.to_bytes(2), tid, seoj, deoj, frame.service.to_bytes(1)))
    blocks = _encode_block(frame.properties)
    return head + blocks + (_encode_block(frame.second) if frame.second else b"")


def _encode_block(properties: Sequence[Property]) -> bytes:
    if not 0 < len(properties) <= _MOST:
        raise ValueError(f"a frame holds 1 to {_MOST} properties, not {len(properties)}")
    parts = [bytes((len(properties),))]
    for epc, edt in properties:
        if not _FIRST_EPC <= epc <= LAST_EPC or len(edt) > _MOST:
            raise ValueError(f"EPC {epc:02X} with {len(edt)} bytes does not fit into a frame")
        parts.append(bytes((epc, len(edt))))
        parts.append(edt)
    return b"".join(parts)


def salvage_refusal(data: bytes) -> Frame | None:
    """What can be read of a malformed SetC_SNA, or None.

    Units exist whose SetC_SNA announces four bytes and carries one. It is a refusal all the same, and waiting 20 s
    for a better one would be in vain. What its end cuts off is shortened; nothing else is guessed.
    """
    if len(data) < _HEADER_SIZE or data[10] != Service.SET_C_SNA:
        return None
    ehd, tid, seoj, seoj_low, deoj_high, deoj, _esv, count = _unpack(data)
    if ehd != _EHD:
        return None
    properties: list[Property] = []
    at = _HEADER_SIZE
    while len(properties) < count and at + 2 <= len(data):
        end = at + 2 + data[at + 1]
        if data[at] >= _FIRST_EPC:
            # A refusal whose echoed value was cut off entirely must not look like an acceptance (PDC 0).
            edt = data[at + 2 : end] or b"\x00" * (data[at + 1] > 0)
            properties.append((data[at], edt))
        at = end
    return Frame(tid, seoj << 8 | seoj_low, deoj_high << 16 | deoj, Service.SET_C_SNA, tuple(properties))


_LIST_MOST: Final = 15  # more properties than this make a property map a bitmap
_BITMAP_SIZE: Final = 16


@lru_cache(maxsize=512)  # the units of a maker share their maps, and so one set of each
def decode_property_map(edt: bytes) -> frozenset[int]:
    """The EPCs of a property map (0x9D, 0x9E, 0x9F). Raises `FrameError` where count and contents differ."""
    if not edt:
        raise FrameError(Defect.BAD_PROPERTY_MAP, "it is empty")
    count = edt[0]
    epcs = frozenset(edt[1:]) if count <= _LIST_MOST else _bitmap_epcs(edt)
    size = 1 + (count if count <= _LIST_MOST else _BITMAP_SIZE)
    if len(edt) != size:
        raise FrameError(Defect.BAD_PROPERTY_MAP, f"{len(edt)} bytes where a count of {count} makes it {size}")
    if len(epcs) != count:
        raise FrameError(Defect.BAD_PROPERTY_MAP, f"it counts {count} properties and names {len(epcs)}")
    if epcs and min(epcs) < _FIRST_EPC:
        raise FrameError(Defect.BAD_PROPERTY_MAP, f"{min(epcs):02X} is no property code")
    return epcs


def _bitmap_epcs(edt: bytes) -> frozenset[int]:
    """Bit b of byte i is EPC 0x80 + 0x10 * b + i."""
    return frozenset(
        _FIRST_EPC + 0x10 * bit + low
        for low, byte in enumerate(edt[1 : 1 + _BITMAP_SIZE])
        for bit in range(8)
        if byte >> bit & 1
    )


def encode_property_map(epcs: Iterable[int]) -> bytes:
    """A property map as EDT: a list up to 15 properties, a bitmap beyond."""
    ordered = sorted(set(epcs))
    if ordered and not _FIRST_EPC <= ordered[0] <= ordered[-1] <= LAST_EPC:
        raise ValueError(f"no property codes: {ordered}")
    if len(ordered) <= _LIST_MOST:
        return bytes((len(ordered), *ordered))
    bitmap = bytearray(_BITMAP_SIZE)
    for epc in ordered:
        bitmap[epc & 0x0F] |= 1 << ((epc - _FIRST_EPC) >> 4)
    return bytes((len(ordered), *bitmap))


def decode_instance_list(edt: bytes) -> tuple[int, ...]:
    """The objects of an instance list (0xD5, 0xD6), in its order. Raises `FrameError` if it is not whole."""
    if not edt or len(edt) != 1 + 3 * edt[0]:
        said = edt[0] if edt else "nothing"
        raise FrameError(Defect.BAD_INSTANCE_LIST, f"{len(edt)} bytes, and its count says {said}")
    return tuple(int.from_bytes(edt[at : at + 3]) for at in range(1, len(edt), 3))


def encode_instance_list(eojs: Sequence[int]) -> bytes:
    """An instance list as EDT."""
    return b"".join((bytes((len(eojs),)), *(eoj.to_bytes(3) for eoj in eojs)))


def hexed(data: bytes) -> str:
    """Bytes for people and logs, `1081000105FF01...`."""
    return data.hex().upper()


def describe_writes(frame: Frame) -> list[str]:
    """What a frame would write, as `["DA=42"]`; empty for a frame that writes nothing."""
    if frame.service not in _WRITES:
        return []
    return [f"{epc:02X}={hexed(edt)}" for epc, edt in frame.properties]
