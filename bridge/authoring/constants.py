"""What a table says without looking at the situation: polling, measurands, times, its dictionary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.mapping.table import TableSource
from bridge.mapping.yamlfile import Path_

#: What is said, and where it stands.
Constants = Mapping[str, tuple[str, Path_]]


def constants_of(source: TableSource) -> Constants:
    """All of it, by a name for each."""
    return {name: (text, path) for name, text, path in _all(source)}


def _all(source: TableSource) -> Iterator[tuple[str, str, Path_]]:
    model = source.model
    yield "maxProperties", str(model.max_properties), ("maxProperties",)
    yield "release", model.release, ("release",)
    yield "identity", _shown(model.identity.model_dump(exclude_none=True)), ("identity",)
    yield "attributes", "; ".join("+".join(names) for names in model.attributes), ("attributes",)
    yield "polling", "; ".join(sorted(_polls(source))), ("polling",)
    yield "phases", str(model.abilities.phases), ("abilities", "phases")
    yield "RequestStartTransaction", model.start.wants, ("RequestStartTransaction",)
    yield "RequestStopTransaction", model.stop.wants, ("RequestStopTransaction",)
    for row in model.profile:
        yield f"SetChargingProfile {row.limit}", row.wants, ("SetChargingProfile",)
    fault = model.notify_event.fault
    yield "fault code", " else ".join(fault.code), ("NotifyEvent", "fault", "code")
    yield "fault description", " else ".join(fault.description), ("NotifyEvent", "fault", "description")
    for place, variable in enumerate(model.variables):
        yield f"variable {variable.component}.{variable.variable}", variable.property, ("variables", place)
    yield from _terms(source)
    yield from _measurands(source)
    yield from _setpoints(source)
    yield from _dictionary(source)


def _polls(source: TableSource) -> Iterator[str]:
    for group in source.model.polling.values():
        times = (
            f"active {group.active / 1000:g} s, idle {group.idle / 1000:g} s, announced {group.announced / 1000:g} s"
        )
        yield f"{'+'.join(group.read)}: {times}"


def _terms(source: TableSource) -> Iterator[tuple[str, str, Path_]]:
    """What terms measure; their conditions are compared where they are used."""
    for name, term in source.model.terms.items():
        if term.threshold is not None or term.measure is not None:
            yield f"term {name}", _shown(term.model_dump(exclude_none=True, exclude_defaults=True)), ("terms", name)


def _measurands(source: TableSource) -> Iterator[tuple[str, str, Path_]]:
    values = source.model.meter_values
    for name, info in type(values).model_fields.items():
        model = getattr(values, name)
        if model is not None and model.measurand is not None:
            alias = info.alias or name
            yield f"measurand of {alias}", _shown(model.measurand), ("MeterValues", alias, "measurand")


def _setpoints(source: TableSource) -> Iterator[tuple[str, str, Path_]]:
    for mode, model in source.model.setpoints.items():
        path: Path_ = ("setpoints", mode.value)
        confirm = f"within {model.confirm.within / 1000:g} s, attempts {model.confirm.attempts or 'for ever'}"
        yield f"{mode} confirm", confirm, (*path, "confirm")
        yield f"{mode} fresh", f"{'+'.join(model.fresh) or 'nothing'} within {model.fresh_for / 1000:g} s", path
        if model.limit is not None:
            yield f"{mode} limit", _shown(model.limit.model_dump(exclude_none=True)), (*path, "limit")


def _dictionary(source: TableSource) -> Iterator[tuple[str, str, Path_]]:
    by_code: dict[int, list[str]] = {}
    for prop in source.table.device.all_properties:
        access = f"get {prop.get.value}, set {prop.set.value}, inf {prop.inf.value}"
        by_code.setdefault(prop.epc, []).append(f"{prop.name} {prop.first}-{prop.last}: {access}, {prop.codec!r}")
    for epc, definitions in by_code.items():
        yield f"property {epc:02X}", "; ".join(definitions), ("properties",)


def _shown(value: Any) -> str:
    """A value of a model on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_shown, value)) + "]"
    return str(value)
