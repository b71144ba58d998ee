"""`probe`: every readable property of one object, what it means, and how long its answer took.

One property a request, so that each has its own time and none hides another's refusal. What the dictionary requires
and the unit does not offer is told as well, and what the table makes of it all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Final

from bridge.echonet.dictionary import Access, DeviceClass, Property, ReleaseView
from bridge.echonet.frame import FrameError, decode_property_map
from bridge.echonet.session import Priority
from bridge.echonet.values import Quantity, Special, State, Unknown, Value
from bridge.echonet.wellknown import (
    ANNOUNCED_MAP,
    GETTABLE_MAP,
    SETTABLE_MAP,
    STANDARD_VERSION,
    class_of,
)
from bridge.errors import NoAnswerError
from bridge.gateway.class_names import class_name
from bridge.gateway.inspect import Ground, InspectError, Target, Tell, find_target
from bridge.gateway.inspect_discover import table_name
from bridge.mapping.decision import Fact, View
from bridge.mapping.table import CompiledTable

_MAPS: Final = (ANNOUNCED_MAP, SETTABLE_MAP, GETTABLE_MAP)
#: So many properties in a row without an answer, and the unit counts as gone.
_SILENT: Final = 2


@dataclass(frozen=True, slots=True)
class Look:
    """What became of reading one property. `edt` None: refused (SNA), not mentioned, or not answered (`state`)."""

    epc: int
    state: str
    edt: bytes | None
    took: int
    at: int


async def probe(ground: Ground, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """`{"do": "probe", "unit": "car"}`: read what the object's Get map lists; each property is told as it comes."""
    target = await find_target(ground, request)
    await ground.start()
    tell({"event": "probing", "unit": target.name, "address": target.address, "object": f"{target.eoj:06X}"})
    prober = _Prober(ground, target)
    maps = await prober.maps()
    code = class_of(target.eoj)
    device = ground.mappings.classes.get(code) or ground.mappings.classes.get(0)
    release = _release(device, prober.looks)
    view = device.at(release) if device is not None else ReleaseView("", ())
    if view.release == "" and device is not None and device.parent is not None:
        view = device.parent.latest
    wanted = sorted(maps[GETTABLE_MAP] | prober.looks.keys())
    for number, epc in enumerate(wanted):
        look = prober.looks.get(epc) or await prober.look(epc)
        tell({"event": "property", "done": number + 1, "of": len(wanted), **_row(look, view, look.at)})
    now = ground.clock.monotonic()
    rows = [_row(look, view, now) for _, look in sorted(prober.looks.items())]
    return {
        "unit": target.name,
        "address": target.address,
        "object": f"{target.eoj:06X}",
        "class": f"0x{code:04X}",
        "class_name": class_name(ground.mappings, code),
        "class_name_ja": device.name_ja if device is not None and device.code == code else None,
        "release": release or None,
        "through_gateway": ground.of_gateway,
        "properties": rows + _announced_only(ground, target, maps, view, now),
        "absent": _absent(view, maps[GETTABLE_MAP]) if device is not None and device.code == code else [],
        "settable": _codes(maps[SETTABLE_MAP]),
        "announced": _codes(maps[ANNOUNCED_MAP]),
        "table": _table(ground, target, release, prober.looks, maps, now),
    }


class _Prober:
    """Reads one object property by property."""

    def __init__(self, ground: Ground, target: Target) -> None:
        self._ground = ground
        self._target = target
        self._silent = 0
        self.looks: dict[int, Look] = {}

    async def maps(self) -> dict[int, frozenset[int]]:
        """The property maps. `InspectError` where the object does not tell what can be read of it."""
        for epc in (STANDARD_VERSION, *_MAPS):
            await self.look(epc)
        return {epc: self._map(epc) for epc in _MAPS}

    def _map(self, epc: int) -> frozenset[int]:
        look = self.looks[epc]
        if look.edt is None and epc != GETTABLE_MAP:
            return frozenset()
        try:
            return decode_property_map(look.edt or b"")
        except FrameError as error:
            if epc != GETTABLE_MAP:
                return frozenset()
            told = look.state if look.edt is None else f"{look.edt.hex().upper()}: {error}"
            raise InspectError(
                f"{self._target.name}: object {self._target.eoj:06X} at {self._target.address} does not tell what can "
                f"be read of it (property map {epc:02X}: {told}); is this object there? `discover` lists them"
            ) from error

    async def look(self, epc: int) -> Look:
        """Read one property and remember it."""
        clock, target = self._ground.clock, self._target
        controller = self._ground.controllers[target.network]
        try:
            answer = await controller.get(target.address, target.eoj, (epc,), Priority.POLL)
        except NoAnswerError as error:
            self._silent += 1
            if self._silent >= _SILENT or not self.looks:
                raise InspectError(f"{error} `discover` shows which objects are there") from error
            look = Look(epc, "no answer", None, 0, clock.monotonic())
        else:
            self._silent = 0
            edt = answer.values.get(epc)
            state = "told" if edt is not None else "refused" if epc in answer.refused else "missing"
            look = Look(epc, state, edt, answer.received_at - answer.sent_at, answer.received_at)
        self.looks[epc] = look
        return look


def _release(device: DeviceClass | None, looks: Mapping[int, Look]) -> str:
    edt = looks[STANDARD_VERSION].edt
    value = device.latest.decode(STANDARD_VERSION, edt) if device is not None and edt is not None else None
    return value.name if isinstance(value, State) else ""


def _row(look: Look, view: ReleaseView, now: int) -> dict[str, Any]:
    prop = view.by_epc.get(look.epc)
    value = None if look.edt is None else view.decode(look.epc, look.edt)
    state = look.state
    if look.edt is not None:
        state = "unknown" if prop is None else "undecodable" if isinstance(value, Unknown) else "told"
    return {
        "epc": f"{look.epc:02X}",
        **_names(prop),
        "state": state,
        "raw": None if look.edt is None else look.edt.hex().upper(),
        "value": None if look.edt is None or state != "told" else _plain(look.epc, look.edt, value),
        "text": None if look.edt is None else value_text(look.epc, look.edt, value),
        "age_ms": now - look.at,
        "took_ms": None if state == "no answer" else look.took,
        "source": "read",
    }


def _names(prop: Property | None) -> dict[str, Any]:
    if prop is None:
        return {"name": None, "en": None, "ja": None}
    return {"name": prop.name, "en": prop.name_en, "ja": prop.name_ja}


def value_text(epc: int, edt: bytes, value: Value | None) -> str:
    """A value for people; the codes of a property map, text where the bytes are some."""
    if epc in _MAPS:
        try:
            return " ".join(_codes(decode_property_map(edt)))
        except FrameError as error:
            return f"undecodable: {error}"
    if isinstance(value, bytes):
        stripped = value.rstrip(b"\x00 ")
        printable = stripped.isascii() and stripped.decode("ascii").isprintable()
        return ("none" if not value else "") or (f'"{stripped.decode("ascii")}"' if stripped and printable else "")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {part.hex() if isinstance(part, bytes) else part}" for name, part in value.items())
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    if isinstance(value, Special):
        return f"({value.value})"
    return "" if isinstance(value, Unknown) or value is None else str(value)


def _plain(epc: int, edt: bytes, value: Value | None) -> Any:
    """A value as JSON."""
    if epc in _MAPS:
        return value_text(epc, edt, value).split()
    match value:
        case Quantity():
            number = value.raw * value.numerator
            exact = number if value.denominator == 1 else number / value.denominator
            return {"number": exact, "unit": value.unit}
        case State():
            return value.name
        case Special():
            return {"special": value.value}
        case bytes():
            return value.hex().upper()
        case date() | time():
            return value.isoformat()
        case Mapping():
            return {name: _plain(epc, edt, part) for name, part in value.items()}
        case tuple():
            return [_plain(epc, edt, part) for part in value]
    return None


def _codes(epcs: frozenset[int]) -> list[str]:
    return [f"{epc:02X}" for epc in sorted(epcs)]


def _absent(view: ReleaseView, gettable: frozenset[int]) -> list[dict[str, Any]]:
    """What this release requires to be readable and the Get map does not list."""
    return [
        {"epc": f"{epc:02X}", **_names(prop)}
        for epc, prop in sorted(view.by_epc.items())
        if prop.get is Access.REQUIRED and epc not in gettable
    ]


def _announced_only(
    ground: Ground, target: Target, maps: Mapping[int, frozenset[int]], view: ReleaseView, now: int
) -> list[dict[str, Any]]:
    """What a gateway has heard of the object that cannot be read."""
    runner = ground.runner_of(target)
    facts = runner.unit.facts.by_epc if runner is not None else {}
    return [
        {**_row(Look(epc, "told", fact.edt, 0, fact.at), view, now), "took_ms": None, "source": "notified"}
        for epc, fact in sorted(facts.items())
        if epc not in maps[GETTABLE_MAP] and epc not in (STANDARD_VERSION, *_MAPS)
    ]


# -- what the table makes of it


def _table(
    ground: Ground,
    target: Target,
    release: str,
    looks: Mapping[int, Look],
    maps: Mapping[int, frozenset[int]],
    now: int,
) -> dict[str, Any]:
    """Which table would serve the object, and what it would say about it now."""
    code = class_of(target.eoj)
    meter = ground.mappings.meters.get(code)
    if meter is not None:
        return {
            "file": None,
            "hash": meter.content_hash,
            "why": "a meter's table: it measures, nothing is ordered of it",
        }
    runner = ground.runner_of(target)
    table = ground.mappings.tables.get(code)
    if table is None:
        known = ", ".join(f"0x{each:04X}" for each in sorted(ground.mappings.tables))
        return {"file": None, "hash": None, "why": f"no table is for class 0x{code:04X} (only for {known})"}
    if runner is not None and isinstance(runner.table, CompiledTable):
        table = runner.table
    facts = {epc: Fact(look.edt, look.at) for epc, look in looks.items() if look.edt is not None}
    refused = frozenset(epc for epc, look in looks.items() if look.edt is None)
    view = View(
        now=now,
        release=table.release(looks[STANDARD_VERSION].edt or b""),
        facts=facts,
        refused=refused,
        gettable=maps[GETTABLE_MAP],
        settable=maps[SETTABLE_MAP],
        announced=maps[ANNOUNCED_MAP],
    )
    decision, abilities = table.decide(view), table.abilities(view)
    power, soc = decision.measures.power, decision.measures.soc
    return {
        "file": table_name(table),
        "hash": table.content_hash[:12],
        "why": None if view.release else f"release {release or 'unknown'} is not one that the table knows",
        "vehicle": {"value": decision.plug.value, "rule": decision.plug.rule},
        "connector": {"value": decision.connector.value, "rule": decision.connector.rule},
        "power_mw": None if power is None else power.value,
        "soc_milli": None if soc is None else soc.value,
        "fault": None if decision.fault is None else decision.fault.description or decision.fault.code,
        "charge_max_mw": abilities.charge_max,
        "discharge_max_mw": abilities.discharge_max,
        "charge_adjustable": abilities.charge_adjustable,
        "discharge_adjustable": abilities.discharge_adjustable,
        "modes": sorted(str(mode) for mode in abilities.modes),
    }
