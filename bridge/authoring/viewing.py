"""A unit's view as the gateway's `explain` operation tells it, made a `View` again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from bridge.evse import Amount, Mode, Reading, Source, Urgency, Wanted
from bridge.mapping.decision import Fact, Measures, View

#: Ages count back from here: any time would do.
_NOW: Final = 1_000_000_000
_CODES: Final = ("refused", "gettable", "settable", "announced")
_AGED: Final = ("facts", "wrote", "meter", "from_power", "from_soc")
_MADE: Final = frozenset({"now", "wanted", "seen", *_CODES, *_AGED})


def view_of(told: Mapping[str, Any]) -> View:
    """The view that `bridge.gateway.inspect_view.view_json` has told."""
    plain = {each.name: told[each.name] for each in fields(View) if each.name in told and each.name not in _MADE}
    return View(
        now=_NOW,
        facts={
            int(code, 16): Fact(bytes.fromhex(fact["edt"]), _NOW - fact["age"], fact["notified"])
            for code, fact in told["facts"].items()
        },
        wrote={int(code, 16): _NOW - age for code, age in told["wrote"].items()},
        seen=frozenset(told["seen"]),
        wanted=_wanted(told["wanted"]),
        meter=_measures(told.get("meter")),
        from_power=_measures(told.get("from_power")),
        from_soc=_measures(told.get("from_soc")),
        refused=_codes(told["refused"]),
        gettable=_codes(told["gettable"]),
        settable=_codes(told["settable"]),
        announced=_codes(told["announced"]),
        **plain,
    )


def _codes(told: list[str]) -> frozenset[int]:
    return frozenset(int(code, 16) for code in told)


def _wanted(told: Mapping[str, Any]) -> Wanted:
    amount = told.get("amount")
    values: dict[str, Any] = {**told, "mode": Mode(told["mode"]), "urgency": Urgency(told["urgency"])}
    return Wanted(**{**values, "amount": Amount(**amount) if amount else None})


def _measures(told: Mapping[str, Any] | None) -> Measures | None:
    if told is None:
        return None
    readings: dict[str, Any] = {}
    for name, value in told.items():
        if not isinstance(value, Mapping):
            readings[name] = value
            continue
        reading = dict(value)
        at = _NOW - reading.pop("age")
        readings[name] = Reading(reading["value"], at, Source(reading["source"]), reading["origin"])
    return Measures(**readings)
