"""A dry run for people: the profiles, then edge by edge what counts, why, and what is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from bridge.cli.layout import labelled

_LABEL: Final = 12
_EDGE: Final = 2


def profile_lines(judged: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Which profiles count, and why others do not."""
    yield "profiles"
    for each in judged:
        what = f"{each['purpose']} {each['profile']}, stack level {each['stack_level']}, EVSE {each['evse']}"
        if each["accepted"]:
            extra = [f"replaces {', '.join(map(str, each['replaces']))}"] if each["replaces"] else []
            extra += [each["info"]] if each["info"] else []
            extra += [f"assuming that {each['assumed']}"] if each["assumed"] else []
            yield from labelled("accepted", "; ".join((f"{what} ({each['place']})", *extra)), 2, _LABEL)
        else:
            why = f"{each['reason']}, {each['info']} ({', '.join(each['clauses'])})"
            yield from labelled("rejected", f"{what} ({each['place']}): {why}", 2, _LABEL)


def row_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Each edge in a block of its own."""
    day = ""
    for row in rows:
        if row["from"][:10] != day:
            day = row["from"][:10]
            yield ""
            yield f"{day} (UTC)"
        yield from _row(row)


def _row(row: Mapping[str, Any]) -> Iterator[str]:
    balances = row["lead"] is not None and row["lead"]["balances"]
    comes_to = " at most, as the load at the grid meter asks for" if balances else _comes_to(row)
    yield f"{_time(row['from'])}  {_limit(row['limit_w'])}{comes_to}"
    for number, why in enumerate(_reasons(row)):
        yield from labelled("" if number else "because", why, _EDGE, _LABEL)
    unit = row.get("unit")
    if unit is None:  # what flows then hangs on the load
        return
    for number, why in enumerate(unit["why"]):
        yield from labelled("" if number else "at the unit", why, _EDGE, _LABEL)
    written = [each["text"] for each in unit["writes"] if not each["stands"]]
    stands = [each["text"] for each in unit["writes"] if each["stands"]]
    yield from labelled("writes", ", then ".join(written) or "nothing", _EDGE, _LABEL)
    if stands:
        yield from labelled("stands", ", ".join(stands), _EDGE, _LABEL)
    yield from labelled("by", unit["rule"], _EDGE, _LABEL)


def _time(text: str) -> str:
    clock = text[11:].removesuffix("Z")
    return clock.removesuffix(".000")[:12]


def _limit(watts: float | None) -> str:
    return "no limit" if watts is None else f"{watts:g} W"


def _comes_to(row: Mapping[str, Any]) -> str:
    unit = row.get("unit")
    if unit is None:
        return ""
    granted = unit["granted_w"]
    figure = "" if granted is None or unit["mode"] not in ("charge", "discharge") else f" with {abs(granted):g} W"
    return f": {unit['mode']}{figure}"


def _reasons(row: Mapping[str, Any]) -> Iterator[str]:
    decided, lead = row["decided_by"], row["lead"]
    if decided is None and row["limit_w"] is None:
        yield "no profile says anything"
        return
    if decided is not None:
        yield f"{_said(decided)}{'' if _cut(decided, row) else ', which decides'}"
    for other in (lead, *row["bounds"]):
        if other is not None and other != decided:
            yield _said(other)
    if lead is not None and decided is not None and _cut(decided, row):
        yield "what it orders is cut by what else counts here"
    if row["efficient_w"]:
        yield f"below {row['efficient_w']:g} W charging is of little use (minChargingRate)"


def _cut(decided: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether the limit is another than its words are."""
    return bool(decided["alone_w"] != row["limit_w"] and not (decided["balances"] and row["limit_w"] is None))


def _said(said: Mapping[str, Any]) -> str:
    """In the profile's own words."""
    watts = f"{said['alone_w']:g} W"
    comes = "" if said["balances"] or said["words"] == watts else f", which is {watts}"
    return f"{said['purpose']} {said['profile']} (stack level {said['stack_level']}) says {said['words']}{comes}"
