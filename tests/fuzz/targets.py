"""What is fuzzed: each decoder with what must hold for any bytes, by hypothesis in the suite and by atheris.

A target takes bytes and raises only if the product breaks a promise: an exception other than the codec's own, a frame
that is not what its bytes were, a value that means something else after a round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from bridge.echonet import wellknown as wk
from bridge.echonet.dictionary import RELEASES, DeviceClass, Property
from bridge.echonet.discovery import Discovery
from bridge.echonet.frame import (
    ANSWERS,
    TWO_BLOCKS,
    Frame,
    FrameError,
    Service,
    decode,
    decode_instance_list,
    decode_property_map,
    describe_writes,
    encode,
    encode_instance_list,
    encode_property_map,
    salvage_refusal,
)
from bridge.echonet.node import OwnNode
from bridge.echonet.session import Priority, Request, Session
from bridge.echonet.values import Special, Unknown, Value
from tests.tools.tables import shipped

Target = Callable[[bytes], None]

UNIT, ADDRESS = 0x027E01, "192.0.2.7"
_KNOWN = frozenset({0x027E, 0x02A1})


def frame(data: bytes) -> None:
    """A datagram: a frame in which every byte is accounted for, or `FrameError`; and what is made of the frame."""
    try:
        read = decode(data)
    except FrameError:
        refusal = salvage_refusal(data)
        if refusal is None:
            return
        assert refusal.service is Service.SET_C_SNA
        read = refusal
    else:
        assert encode(read) == data
        assert all(wk.FIRST_EPC <= epc <= wk.LAST_EPC for epc, _ in read.properties + read.second)
    describe_writes(read)
    _received(read)


def _received(read: Frame) -> None:
    """What the rooms behind the decoder make of a frame: they never raise, and what they send is a frame."""
    session = Session(first_tid=read.tid or 1)
    request = Request(ADDRESS, UNIT, Service.GET, ((0xDA, b""), (0xC7, b"")), Priority.COMMAND)
    session.submit(request, 0)
    session.receive(ADDRESS, read, 10)
    session.receive("192.0.2.8", read, 10)
    session.advance(session.next_deadline() or 10)
    Discovery(_KNOWN).take(ADDRESS, read)
    for reply in OwnNode(bytes(13)).take(read, lambda: 1):
        assert decode(encode(reply.frame)) == reply.frame


def answered(data: bytes) -> None:
    """The answer to a request that is open: sorted by what was asked, whatever is in it."""
    session = Session(first_tid=1)
    service = Service.SET_C if data[:1] == b"\x51" else Service.GET
    session.submit(Request(ADDRESS, UNIT, service, ((0xDA, b"B"), (0xC7, b"A"))), 0)
    answer = b"\x10\x81\x00\x01\x02\x7e\x01\x05\xff\x01" + data
    try:
        read = decode(answer)
    except FrameError:
        found = salvage_refusal(answer)
        if found is None:
            return
        read = found
    for done in session.receive(ADDRESS, read, 10):
        outcome = getattr(done, "outcome", None)
        if outcome is not None:
            told = [set(outcome.values), outcome.accepted, outcome.refused, outcome.missing]
            assert sorted(epc for part in told for epc in part) == [0xC7, 0xDA], told


def property_map(data: bytes) -> None:
    """A property map: properties, as many as it says, or `FrameError`."""
    try:
        epcs = decode_property_map(data)
    except FrameError:
        return
    assert len(epcs) == data[0]
    assert decode_property_map(encode_property_map(epcs)) == epcs


def instance_list(data: bytes) -> None:
    """An instance list: objects, as many as it says, or `FrameError`; and what discovery makes of it."""
    for epc in (wk.INSTANCE_LIST_NOTIFICATION, wk.INSTANCE_LIST):
        told = Frame(1, wk.NODE_PROFILE, wk.NODE_PROFILE, Service.INF, ((epc, data),))
        assert len(Discovery(_KNOWN).take(ADDRESS, told)) <= len(data) // 3
    try:
        eojs = decode_instance_list(data)
    except FrameError:
        return
    assert encode_instance_list(eojs) == data


def value(data: bytes) -> None:
    """A property's value: the first two bytes choose which definition of which class, the rest is the EDT."""
    definitions = all_definitions()
    if len(data) < 2:
        return
    definition, edt = definitions[int.from_bytes(data[:2]) % len(definitions)], data[2:]
    check_value(definition, edt)


def check_value(definition: Property, edt: bytes) -> None:
    """Decoding never raises; what is known encodes to the same meaning; what is not is kept as it came."""
    read = definition.codec.decode(edt)
    assert str(read) or read == b""
    if isinstance(read, Unknown):
        assert read.edt == edt
    elif not _holds(read, Special | Unknown):
        assert definition.codec.decode(definition.codec.encode(read)) == read, (definition.name, edt.hex(), read)


def _holds(read: Value, kinds: object) -> bool:
    """Whether a value, or a part of it, is of some kinds that cannot be written."""
    parts = list(read.values()) if isinstance(read, dict) else list(read) if isinstance(read, tuple) else []
    return isinstance(read, kinds) or any(_holds(part, kinds) for part in parts)  # type: ignore[arg-type]


def view(data: bytes) -> None:
    """A property by class, release and code, as a unit's answer is read; codes and releases that are none included."""
    if len(data) < 3:
        return
    device = all_classes()[data[0] % len(all_classes())]
    release = RELEASES[data[1] % len(RELEASES)] if data[1] < 0xF0 else "?"
    read = device.at(release).decode(data[2], data[3:])
    assert not isinstance(read, Unknown) or read.edt == data[3:]


@cache
def all_classes() -> tuple[DeviceClass, ...]:
    """Every class that has a dictionary."""
    classes = shipped().classes
    return tuple(classes[code] for code in sorted(classes))


@cache
def all_definitions() -> tuple[Property, ...]:
    """Every definition of every property of every class and release."""
    return tuple(definition for device in all_classes() for definition in device.all_properties)


TARGETS: tuple[Target, ...] = (frame, answered, property_map, instance_list, value, view)


def seeds() -> Iterator[tuple[Target, bytes]]:
    """Inputs to begin with: at least one that each target understands."""
    for service in Service:
        second = ((0xDA, b""),) if service in TWO_BLOCKS else ()
        whole = encode(Frame(1, UNIT, wk.CONTROLLER, service, ((0xDA, b"B"), (0xC7, b"")), second))
        yield frame, whole
        if service in ANSWERS:
            yield answered, whole[10:]
    announcement = ((wk.INSTANCE_LIST_NOTIFICATION, bytes.fromhex("02027E0102A101")),)
    yield frame, encode(Frame(0, wk.NODE_PROFILE, wk.NODE_PROFILE, Service.INF, announcement))
    yield frame, encode(Frame(9, wk.NODE_PROFILE, wk.CONTROLLER, Service.SET_C, ((0x81, b"\x08"),)))
    yield frame, bytes.fromhex("10810007027E0105FF0151 02DC00EB0403")
    yield answered, bytes.fromhex("51 02DA0442C70141")
    for count in (0, 3, 15, 16, 40, 128):
        yield property_map, encode_property_map(range(0x80, 0x80 + count))
    for count in (0, 1, 84):
        yield instance_list, encode_instance_list([UNIT + number for number in range(count)])
    for index in range(len(all_definitions())):
        for size in (1, 2, 4, 8):
            yield value, index.to_bytes(2) + bytes(size)
    for number, device in enumerate(all_classes()):
        for epc in device.latest.by_epc:
            yield view, bytes((number, len(RELEASES) - 1, epc)) + bytes(4)
