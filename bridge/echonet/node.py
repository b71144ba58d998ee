"""We are a node too: the node profile 0x0EF001 and one controller 0x05FF01, which others may read. No I/O.

All mandatory properties and maps of the super class, the profile super class and the node profile are here (AIF 2-1,
2.3). What may be written, 0x81, is taken over; everything else is refused as the specification asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Final

from bridge.echonet import wellknown as wk
from bridge.echonet.frame import Frame, Property, Service, encode_instance_list, encode_property_map
from bridge.records import dataclass

#: ECHONET Lite 1.14, specified message format.
_NODE_VERSION: Final = bytes((1, 14, 1, 0))
#: Appendix Release R, revision 0.
_CONTROLLER_VERSION: Final = b"\x00\x00R\x00"
_UNIQUE_SIZE: Final = 13
_MAKER_SIZE: Final = 3
_POSITION: Final = (0x01, 17)  # 0x81 as position information: first byte and size


@dataclass(frozen=True, slots=True)
class Reply:
    """To do: send a frame back to the node that asked, or to all."""

    frame: Frame
    multicast: bool = False


@dataclass(slots=True)
class _Object:
    """One of our objects: its values and what may be done with them."""

    eoj: int
    values: dict[int, bytes]
    gettable: frozenset[int]
    settable: frozenset[int] = frozenset()
    announced: frozenset[int] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        self.gettable |= {wk.ANNOUNCED_MAP, wk.SETTABLE_MAP, wk.GETTABLE_MAP}
        maps = ((wk.ANNOUNCED_MAP, self.announced), (wk.SETTABLE_MAP, self.settable), (wk.GETTABLE_MAP, self.gettable))
        self.values |= {epc: encode_property_map(epcs) for epc, epcs in maps}

    def read(self, asked: Iterable[Property], allowed: frozenset[int]) -> tuple[Property, ...]:
        """The asked properties with their values; PDC 0 where there is none."""
        return tuple((epc, self.values[epc] if epc in allowed else b"") for epc, _ in asked)

    def write(self, wanted: Iterable[Property]) -> tuple[tuple[Property, ...], bool]:
        """Take over what may be written: the properties to answer, and whether nothing was refused.

        In the answer what was taken has PDC 0, what was refused its value.
        """
        result: list[Property] = []
        taken = 0
        for epc, edt in wanted:
            if epc in self.settable and _is_location(edt):
                self.values[epc] = edt
                result.append((epc, b""))
                taken += 1
            else:
                result.append((epc, edt))
        return tuple(result), taken == len(result)


def _is_location(edt: bytes) -> bool:
    """0x81 is one byte, or 17 with position information."""
    return len(edt) == 1 or (len(edt) == _POSITION[1] and edt[0] == _POSITION[0])


class OwnNode:
    """Our node's objects and their answers.

    `unique_id` are 13 bytes that stay the same for this installation (0x83); `maker` is the consortium's maker code, 3
    bytes; `location` is the value of 0x81 to begin with. `ValueError` for other sizes.
    """

    def __init__(
        self, unique_id: bytes, *, maker: bytes = wk.EXPERIMENTAL_MAKER, location: bytes = wk.LOCATION_NOT_SET
    ) -> None:
        if len(unique_id) != _UNIQUE_SIZE or len(maker) != _MAKER_SIZE:
            raise ValueError(f"0x83 wants {_UNIQUE_SIZE} unique bytes and {_MAKER_SIZE} of the maker")
        shared = {wk.OPERATION_STATUS: wk.ON, wk.IDENTIFICATION: b"\xfe" + maker + unique_id, wk.MANUFACTURER: maker}
        self._controller = _controller(shared, location)
        profile = _node_profile(shared, (self._controller.eoj,))
        self._objects: Mapping[int, _Object] = {each.eoj: each for each in (profile, self._controller)}

    @property
    def location(self) -> bytes:
        """0x81 as it is now, to be kept by whoever wants it to outlive a restart."""
        return self._controller.values[wk.INSTALLATION_LOCATION]

    def announcement(self, tid: int) -> Frame:
        """The instance list notification that goes to all at start (AIF 3.1.1)."""
        return self._inform(tid, wk.NODE_PROFILE, wk.INSTANCE_LIST_NOTIFICATION)

    def take(self, frame: Frame, fresh_tid: Callable[[], int]) -> list[Reply]:
        """What to answer to a request or an INFC; nothing for frames that are not for our objects.

        `fresh_tid` is asked for each notification that a write brings about.
        """
        handler = _HANDLERS.get(frame.service)
        if handler is None:
            return []
        replies: list[Reply] = []
        for target in self._targets(frame.deoj):
            before = self.location
            replies += handler(target, frame)
            if self.location != before:
                replies.append(Reply(self._inform(fresh_tid(), target.eoj, wk.INSTALLATION_LOCATION), multicast=True))
        return replies

    def _targets(self, deoj: int) -> list[_Object]:
        """The objects that are addressed; instance 0 is all of a class."""
        if wk.instance_of(deoj) == 0:
            return [each for each in self._objects.values() if wk.class_of(each.eoj) == wk.class_of(deoj)]
        return [self._objects[deoj]] if deoj in self._objects else []

    def _inform(self, tid: int, eoj: int, epc: int) -> Frame:
        return Frame(tid, eoj, wk.NODE_PROFILE, Service.INF, ((epc, self._objects[eoj].values[epc]),))


def _controller(shared: Mapping[int, bytes], location: bytes) -> _Object:
    values = {
        **shared,
        wk.INSTALLATION_LOCATION: location,
        wk.STANDARD_VERSION: _CONTROLLER_VERSION,
        wk.FAULT_STATUS: wk.NO_FAULT,
    }
    announced = frozenset({wk.OPERATION_STATUS, wk.INSTALLATION_LOCATION, wk.FAULT_STATUS})
    return _Object(wk.CONTROLLER, values, frozenset(values), frozenset({wk.INSTALLATION_LOCATION}), announced)


def _node_profile(shared: Mapping[int, bytes], eojs: tuple[int, ...]) -> _Object:
    """The node profile; its counts of classes include the profile itself, its lists and its instances do not."""
    classes = sorted({wk.class_of(eoj) for eoj in eojs})
    readable = {
        **shared,
        wk.STANDARD_VERSION: _NODE_VERSION,
        wk.SELF_NODE_INSTANCES: len(eojs).to_bytes(3),
        wk.SELF_NODE_CLASSES: (len(classes) + 1).to_bytes(2),
        wk.INSTANCE_LIST: encode_instance_list(eojs),
        wk.CLASS_LIST: bytes((len(classes),)) + b"".join(code.to_bytes(2) for code in classes),
    }
    values = {**readable, wk.INSTANCE_LIST_NOTIFICATION: encode_instance_list(eojs)}
    announced = frozenset({wk.OPERATION_STATUS, wk.INSTANCE_LIST_NOTIFICATION})
    return _Object(wk.NODE_PROFILE, values, frozenset(readable), announced=announced)


# One handler per service that wants something of us.


def _back(target: _Object, frame: Frame, service: Service, properties: tuple[Property, ...]) -> Frame:
    return Frame(frame.tid, target.eoj, frame.seoj, service, properties)


def _complete(properties: Iterable[Property]) -> bool:
    """Whether a read gave something for every property."""
    return all(edt for _, edt in properties)


def _on_get(target: _Object, frame: Frame) -> list[Reply]:
    values = target.read(frame.properties, target.gettable)
    return [Reply(_back(target, frame, Service.GET_RES if _complete(values) else Service.GET_SNA, values))]


def _on_set_c(target: _Object, frame: Frame) -> list[Reply]:
    result, accepted = target.write(frame.properties)
    return [Reply(_back(target, frame, Service.SET_RES if accepted else Service.SET_C_SNA, result))]


def _on_set_i(target: _Object, frame: Frame) -> list[Reply]:
    """A write that wants an answer only if it is refused."""
    result, accepted = target.write(frame.properties)
    return [] if accepted else [Reply(_back(target, frame, Service.SET_I_SNA, result))]


def _on_inf_req(target: _Object, frame: Frame) -> list[Reply]:
    """Announced to all if everything can be, else refused to the one who asked."""
    values = target.read(frame.properties, target.gettable | target.announced)
    if _complete(values):
        return [Reply(_back(target, frame, Service.INF, values), multicast=True)]
    return [Reply(_back(target, frame, Service.INF_SNA, values))]


def _on_set_get(target: _Object, frame: Frame) -> list[Reply]:
    result, accepted = target.write(frame.properties)
    values = target.read(frame.second, target.gettable)
    service = Service.SET_GET_RES if accepted and _complete(values) else Service.SET_GET_SNA
    return [Reply(_back(target, frame, service, result)._replace(second=values))]


def _on_infc(target: _Object, frame: Frame) -> list[Reply]:
    return [Reply(_back(target, frame, Service.INFC_RES, tuple((epc, b"") for epc, _ in frame.properties)))]


_HANDLERS: Final = {
    Service.GET: _on_get,
    Service.SET_C: _on_set_c,
    Service.SET_I: _on_set_i,
    Service.INF_REQ: _on_inf_req,
    Service.SET_GET: _on_set_get,
    Service.INFC: _on_infc,
}
