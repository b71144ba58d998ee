"""`explain`: everything that the tables look at of one unit, as plain data; what it comes to is worked out by who asks.

Through a gateway it is the view that its unit has now. Without one everything readable is read, and what only a gateway
knows (what is wanted, what it has written, what was once seen) is as if nothing had ever been asked of the unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from bridge.echonet.frame import FrameError, decode_property_map
from bridge.echonet.session import Priority
from bridge.echonet.wellknown import ANNOUNCED_MAP, GETTABLE_MAP, SETTABLE_MAP, STANDARD_VERSION, class_of
from bridge.errors import NoAnswerError
from bridge.gateway.inspect import Ground, InspectError, Target, Tell, find_target
from bridge.mapping.decision import Fact, View

_MAPS: Final = {"gettable": GETTABLE_MAP, "settable": SETTABLE_MAP, "announced": ANNOUNCED_MAP}
_EPCS: Final = ("refused", "gettable", "settable", "announced")
_PLAIN: Final = (
    "release",
    "reachable",
    "lost_for",
    "confirmed",
    "contested",
    "foreign",
    "discharge_allowed",
    "soc_floor",
    "counted",
)


async def explain(ground: Ground, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """`{"do": "explain", "unit": "car"}`: the unit's view, and the folder of the tables that are in use here."""
    target = await find_target(ground, request)
    await ground.start()
    runner = ground.runner_of(target)
    if runner is not None:
        view, table_hash = runner.unit.view(), runner.table.content_hash
    else:
        tell({"event": "reading", "unit": target.name})
        view = await _read(ground, target)
        table_hash = ground.mappings.table(class_of(target.eoj)).content_hash
    return {
        "unit": target.name,
        "address": target.address,
        "object": f"{target.eoj:06X}",
        "class": f"0x{class_of(target.eoj):04X}",
        "through_gateway": ground.of_gateway,
        "mappings": str(ground.mappings.folder),
        "hash": table_hash,
        "view": view_json(view),
    }


def view_json(view: View) -> dict[str, Any]:
    """A view as plain data; times become ages (ms), so that it can be looked at on another machine."""
    return {
        **{name: getattr(view, name) for name in _PLAIN},
        **{name: [f"{epc:02X}" for epc in sorted(getattr(view, name))] for name in _EPCS},
        "facts": {
            f"{epc:02X}": {"edt": fact.edt.hex().upper(), "age": view.now - fact.at, "notified": fact.notified}
            for epc, fact in sorted(view.facts.items())
        },
        "wrote": {f"{epc:02X}": view.now - at for epc, at in sorted(view.wrote.items())},
        "seen": sorted(view.seen),
        "wanted": asdict(view.wanted),
        **{name: _measures(view, name) for name in ("meter", "from_power", "from_soc")},
    }


def _measures(view: View, name: str) -> dict[str, Any] | None:
    measures = getattr(view, name)
    if measures is None:
        return None
    told = {key: value for key, value in asdict(measures).items() if value is not None}
    return {
        key: {**value, "age": view.now - value.pop("at")} if isinstance(value, dict) else value
        for key, value in told.items()
    }


async def _read(ground: Ground, target: Target) -> View:
    """A view of what a unit tells when it is asked for everything."""
    table = ground.mappings.table(class_of(target.eoj))
    facts: dict[int, Fact] = {}
    refused: set[int] = set()

    def take(values: dict[int, bytes], gone: frozenset[int]) -> None:
        facts.update({epc: Fact(edt, ground.clock.monotonic()) for epc, edt in values.items()})
        refused.update(gone)

    reader = ground.reader(target, take)
    try:
        await reader.read((STANDARD_VERSION, *_MAPS.values()), Priority.POLL)
        maps = {name: _map(facts.get(epc)) for name, epc in _MAPS.items()}
        if not maps["gettable"]:
            raise InspectError(
                f"{target.name}: object {target.eoj:06X} at {target.address} does not tell what can be read of it; "
                "is this object there? `discover` lists them"
            )
        rest = maps["gettable"] - {STANDARD_VERSION, *_MAPS.values()}
        await reader.read(sorted(rest), Priority.POLL)
    except NoAnswerError as error:
        raise InspectError(f"{error} `discover` shows which objects are there") from error
    version = facts.get(STANDARD_VERSION)
    return View(
        now=ground.clock.monotonic(),
        release=table.release(version.edt) if version is not None else "",
        facts=facts,
        refused=frozenset(refused),
        gettable=maps["gettable"],
        settable=maps["settable"],
        announced=maps["announced"],
    )


def _map(fact: Fact | None) -> frozenset[int]:
    try:
        return decode_property_map(fact.edt) if fact is not None else frozenset()
    except FrameError:
        return frozenset()
