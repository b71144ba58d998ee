"""`discover`: everything on the networks, what it is, who it is, and whether the gateway can serve it and why.

Whatever says anything while we listen is a node. Each is asked for its instance list, and each of its objects for
release, maker, product and identity; what does not answer is shown as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.echonet.controller import Traffic
from bridge.echonet.frame import ANSWERS, NOTIFICATIONS, FrameError, decode, decode_instance_list
from bridge.echonet.wellknown import (
    IDENTIFICATION,
    INSTANCE_LIST,
    INSTANCE_LIST_NOTIFICATION,
    MANUFACTURER,
    NODE_PROFILE,
    PRODUCT_CODE,
    STANDARD_VERSION,
    class_of,
    instance_of,
)
from bridge.errors import NoAnswerError
from bridge.evse import Mode
from bridge.gateway.class_names import class_name
from bridge.gateway.config import UnitConfig
from bridge.gateway.identity import Identity, Place
from bridge.gateway.inspect import Ground, InspectError, Target, Tell, configured_name
from bridge.mapping.decision import Fact, View

#: How long (s) answers to a search are waited for.
LISTENING: Final = 4
#: So many nodes are asked at the same time; on each of them one request after the other (AIF 2.4.1).
_ABREAST: Final = 20
#: So many addresses are remembered while listening: forged ones must not grow the process.
_MOST: Final = 1024
_PROFILE_CLASS: Final = class_of(NODE_PROFILE)
_LISTS: Final = frozenset({INSTANCE_LIST, INSTANCE_LIST_NOTIFICATION})
_ABOUT_NODE: Final = (INSTANCE_LIST, IDENTIFICATION, MANUFACTURER)
_ABOUT_DEVICE: Final = (STANDARD_VERSION, IDENTIFICATION, MANUFACTURER, PRODUCT_CODE)
#: The short name of the property that tells a unit's type, in the dictionaries that have one.
_TYPE: Final = "equipmentType"
_NOWHERE: Final = Place("", "", 0)
_ENERGY: Final = (Mode.CHARGE, Mode.DISCHARGE, Mode.AUTO)


@dataclass
class _Heard:
    """What was heard on one network: objects by address."""

    objects: dict[str, dict[int, None]] = field(default_factory=dict)

    def take(self, traffic: Traffic) -> None:
        """Look at one datagram that came in; requests of others tell as well who is there."""
        if traffic.outgoing or (traffic.address not in self.objects and len(self.objects) >= _MOST):
            return
        try:
            frame = decode(traffic.data)
        except FrameError:
            return
        found = self.objects.setdefault(traffic.address, {})
        if class_of(frame.seoj) != _PROFILE_CLASS:
            if instance_of(frame.seoj):
                found[frame.seoj] = None
        elif frame.service in ANSWERS or frame.service in NOTIFICATIONS:
            for epc, edt in frame.properties:
                if epc in _LISTS:
                    found.update(dict.fromkeys(_listed(edt)))


def _listed(edt: bytes) -> tuple[int, ...]:
    try:
        return decode_instance_list(edt)
    except FrameError:
        return ()


async def discover(ground: Ground, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """`{"do": "discover", "seconds": 4}`: search, listen, then ask everything that was heard who it is."""
    seconds = seconds_of(request, LISTENING)
    heard = await _listen(ground, seconds, tell)
    places = [(network, address) for network, one in heard.items() for address in one.objects]
    tell({"event": "heard", "nodes": len(places)})
    abreast = asyncio.Semaphore(_ABREAST)

    async def ask(network: str, address: str) -> list[dict[str, Any]]:
        async with abreast:
            return await _node(ground, network, address, tuple(heard[network].objects[address]), tell)

    rows = [row for rows in await asyncio.gather(*(ask(*place) for place in places)) for row in rows]
    _warn_of_twins(rows)
    rows.sort(key=lambda row: (not row["supported"], row["network"], _order(row["address"]), row["object"]))
    return {
        "seconds": seconds,
        "networks": {name: {"bind": ground.bound.get(name)} for name in ground.controllers},
        "through_gateway": ground.of_gateway,
        "nodes": len(places),
        "found": rows,
    }


def seconds_of(request: Mapping[str, Any], default: float) -> float:
    """`"seconds"` of a request, within reason."""
    seconds = request.get("seconds", default)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0.5 <= seconds <= 3600:
        raise InspectError('"seconds" is a number from 0.5 to 3600')
    return float(seconds)


async def _listen(ground: Ground, seconds: float, tell: Tell) -> dict[str, _Heard]:
    """Search in both ways of AIF 3.1.2, half of the time each, and note who says anything."""
    heard = {network: _Heard() for network in ground.controllers}
    with ExitStack() as stack:
        for network, one in heard.items():
            stack.enter_context(ground.hear(network, one.take))
        tell({"event": "searching", "networks": {name: ground.bound.get(name) for name in heard}, "seconds": seconds})
        begun = await ground.start()  # the controllers' start is a search
        for half in range(2):
            if half or not begun:
                for controller in ground.controllers.values():
                    controller.search()
            await ground.clock.sleep(int(seconds * 500))
    for name in ground.runners or {}:
        place = ground.place_of(name)  # a unit that is busy with the gateway's poll may have missed the search
        if place is not None:
            heard[place.network].objects.setdefault(place.address, {})[place.eoj] = None
    return heard


async def locate(ground: Ground, networks: Sequence[str], name: str, unit: UnitConfig) -> Place:
    """Where a configured unit is that has no address in the configuration: by identity, or the first of its class."""
    found = (await discover(ground, {}, lambda _: None))["found"]
    fitting = [row for row in found if row["network"] in networks and int(row["class"], 16) == unit.class_code]
    fitting = [row for row in fitting if unit.instance in (None, instance_of(int(row["object"], 16)))]
    if unit.identity is not None:
        fitting = [row for row in fitting if row["identity"] == unit.identity.lower()]
    if not fitting:
        wanted = f"identity {unit.identity}" if unit.identity else f"class 0x{unit.class_code:04X}"
        raise InspectError(f"unit {name!r}: nothing with {wanted} was found; `discover` shows what is there")
    first = fitting[0]
    return Place(first["network"], first["address"], int(first["object"], 16))


# -- one node


async def _node(ground: Ground, network: str, address: str, heard: tuple[int, ...], tell: Tell) -> list[dict[str, Any]]:
    """A row for each object of a node; one without objects where it has none."""
    silent = None
    try:
        about = await ground.read(Target(address, network, address, NODE_PROFILE), _ABOUT_NODE)
    except NoAnswerError as error:
        about, silent = {}, str(error)
    objects = tuple(dict.fromkeys((*_listed(about.get(INSTANCE_LIST, b"")), *heard)))
    rows = []
    for eoj in objects or (NODE_PROFILE,):
        rows.append(await _object(ground, Target(address, network, address, eoj), about, silent))
        tell({"event": "found", **rows[-1]})
    return rows


async def _object(ground: Ground, target: Target, node: Mapping[int, bytes], silent: str | None) -> dict[str, Any]:
    values: dict[int, bytes] = {}
    if silent is None and target.eoj != NODE_PROFILE:
        try:
            values = await ground.read(target, _asked(ground, target.eoj))
        except NoAnswerError as error:
            silent = str(error)
    code = class_of(target.eoj)
    device = ground.mappings.classes.get(code)
    release = _release(ground, code, values)
    kind = device.epc_of(_TYPE) if device is not None else None
    shown = device.at(release).decode(kind, values[kind]) if device and kind in values and kind is not None else None
    identity, strength = identity_of(values, node)
    place = Place(target.network, target.address, target.eoj)
    supported, why = _judge(ground, target.eoj, release, values, silent)
    return {
        "network": target.network,
        "address": target.address,
        "object": f"{target.eoj:06X}",
        "class": f"0x{code:04X}",
        "class_name": class_name(ground.mappings, code),
        "class_name_ja": device.name_ja if device is not None else None,
        "release": release or None,
        "type": None if shown is None else str(shown),
        "maker": values.get(MANUFACTURER, node.get(MANUFACTURER, b"")).hex() or None,
        "product": _text(values.get(PRODUCT_CODE, b"")),
        "identity": identity,
        "identity_from": strength,
        "weak": identity is None,
        "answers": silent is None,
        "meter": code in ground.mappings.meters,
        "configured_as": configured_name(ground, place, identity),
        "supported": supported,
        "why": why,
    }


def _warn_of_twins(rows: Sequence[dict[str, Any]]) -> None:
    """Objects that claim one identity at different addresses: a gateway would control none of them."""
    for row in rows:
        same = [
            one
            for one in rows
            if one["identity"] and (one["identity"], one["class"]) == (row["identity"], row["class"])
        ]
        others = [
            one["address"] for one in same if (one["network"], one["address"]) != (row["network"], row["address"])
        ]
        elsewhere = [one for one in same if one["network"] == row["network"] and one["address"] != row["address"]]
        row["twins"] = others if elsewhere else []


def _asked(ground: Ground, eoj: int) -> tuple[int, ...]:
    device = ground.mappings.classes.get(class_of(eoj))
    kind = device.epc_of(_TYPE) if device is not None else None
    return _ABOUT_DEVICE if kind is None else (*_ABOUT_DEVICE, kind)


def _release(ground: Ground, code: int, values: Mapping[int, bytes]) -> str:
    """The letter of 0x82, by the class' own dictionary or by what all devices have."""
    told = values.get(STANDARD_VERSION)
    device = ground.mappings.classes.get(code) or ground.mappings.classes.get(0)
    if told is None or device is None:
        return ""
    value = device.latest.decode(STANDARD_VERSION, told)
    return getattr(value, "name", "")


def identity_of(device: Mapping[int, bytes], node: Mapping[int, bytes]) -> tuple[str | None, str]:
    """The identity of an object and where it is from: its own 0x83, else its node's; else only its address."""
    for values, origin in ((device, "device"), (node, "node")):
        told = Identity.of(_NOWHERE, (values.get(IDENTIFICATION, b""),)).told
        if told:
            return told, origin
    return None, "address"


def _judge(ground: Ground, eoj: int, release: str, values: Mapping[int, bytes], silent: str | None) -> tuple[bool, str]:
    """Whether the gateway can serve an object, and why."""
    code, mappings = class_of(eoj), ground.mappings
    if eoj == NODE_PROFILE:
        return False, silent or "a node without device objects"
    if silent is not None:
        return False, silent
    if code in mappings.meters:
        return True, "measures: can be the energy source of an EVSE"
    table = mappings.tables.get(code)
    if table is None:
        return False, _no_table(ground, code)
    if STANDARD_VERSION not in values:
        return False, "it does not tell its release (82), without which no property can be understood"
    if not table.release(values[STANDARD_VERSION]):
        told = values[STANDARD_VERSION].hex().upper()
        letters = "".join(sorted(table.device.releases))
        return False, f"its release (82 = {told}) is none that the dictionary knows for this class: {letters}"
    facts = {epc: Fact(edt, 0) for epc, edt in values.items()}
    able = table.abilities(View(now=0, release=release, facts=facts)).modes
    if modes := [str(mode) for mode in _ENERGY if mode in able]:
        return True, f"can {', '.join(modes)}; served by {table_name(table)}"
    return False, f"{table_name(table)} has no way to move energy with this release and type"


def _no_table(ground: Ground, code: int) -> str:
    known = ", ".join(f"0x{each:04X}" for each in sorted(ground.mappings.tables))
    dictionary = "there is a dictionary but no table" if code in ground.mappings.classes else "there is no table"
    return f"{dictionary} for class 0x{code:04X}; the gateway serves {known}"


def table_name(table: Any) -> str:
    """The file of a table, as its rules name it."""
    rule: str = table.decide(View(now=0)).plug.rule
    return rule.split(":", 1)[0]


def _text(edt: bytes) -> str | None:
    """ASCII with padding, as 0x8C is; hex where it is something else."""
    stripped = edt.rstrip(b"\x00 ")
    if not stripped:
        return None
    return stripped.decode("ascii") if stripped.isascii() and stripped.decode("ascii").isprintable() else edt.hex()


def _order(address: str) -> tuple[int, ...]:
    """Addresses in the order of their numbers."""
    return tuple(int(part) for part in address.split(".")) if address.replace(".", "").isdigit() else (256,)
