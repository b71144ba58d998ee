"""`ocpp-echonet probe`: everything that one object tells of itself."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bridge.cli.layout import WIDTH, cut, duration, labelled, table, width_of, wrap
from bridge.cli.way import EXIT_CODES, FAILED, OK, Way, add_options, note, perform

_WIDTHS: Final = (3, 41, 31, 8, 8)
_RIGHT: Final = (3, 4)
_STATES: Final = {
    "refused": "refused (SNA)",
    "missing": "not in the answer",
    "no answer": "no answer",
    "unknown": "not in the dictionary of this release",
    "undecodable": "no value that this release defines",
}


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "probe",
        help="show every property that a unit lets be read",
        description="Reads every property of an object, one by one, and shows code, short name, English and Japanese "
        "name, the bytes, the value, its age and how long its answer took; what was refused, left out or cannot be "
        "understood; and which table would serve it. Nothing is written.",
        epilog=EXIT_CODES,
    )
    add_unit(parser)
    parser.add_argument("--format", choices=("table", "json"), default="table", help="a table, or one JSON object")
    add_options(parser)
    parser.set_defaults(run=run)


def add_unit(parser: argparse.ArgumentParser) -> None:
    """The argument that names a unit."""
    parser.add_argument(
        "unit",
        metavar="UNIT",
        help="its name in the configuration, or ADDRESS, or ADDRESS:OBJECT (192.0.2.20:027E01, [fe80::1%%eth0]:027E01)",
    )


def run(options: argparse.Namespace) -> int:
    """Read and show."""

    async def main(way: Way) -> int:
        note(f"reading {options.unit} {way.described}")
        progress = Progress()
        request = {"do": "probe", "unit": options.unit, "network": options.network}
        try:
            result = await way.ask(request, progress)
        finally:
            progress.clear()
        lines = _as_json(result) if options.format == "json" else as_table(result)
        for line in lines:
            print(line)
        return OK if any(row["state"] == "told" for row in result["properties"]) else FAILED

    return perform(options, main)


class Progress:
    """How far a long reading is, on one line of the terminal; nothing where standard error is none."""

    def __init__(self) -> None:
        self._shown = 0

    def __call__(self, event: Mapping[str, Any]) -> None:
        """An operation said something."""
        if event["event"] == "property" and sys.stderr.isatty():
            text = cut(f"{event['done']} of {event['of']}: {event['epc']} {event['name'] or ''}", WIDTH - 1)
            self.clear()
            sys.stderr.write(text)
            sys.stderr.flush()
            self._shown = width_of(text)

    def clear(self) -> None:
        """Wipe the line."""
        if self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            sys.stderr.flush()
            self._shown = 0


def _as_json(result: Mapping[str, Any]) -> Iterator[str]:
    yield json.dumps(result, ensure_ascii=False, indent=2)


def as_table(result: Mapping[str, Any]) -> Iterator[str]:
    """For people: a headline, two lines a property, and what the table makes of it."""
    japanese = f" ({result['class_name_ja']})" if result["class_name_ja"] else ""
    name = "" if result["unit"].startswith(result["address"]) else f"{result['unit']}: "
    yield f"{name}{result['address']} object {result['object']}, {result['class_name']}{japanese}"
    yield f"Release {result['release'] or 'not known'} of the Appendix"
    yield ""
    yield from table([("EPC", "NAME", "VALUE", "TOOK", "AGE")], _WIDTHS, right=_RIGHT)
    for row in result["properties"]:
        yield from _property(row)
    yield ""
    yield from _summary(result)
    yield from _served(result["table"])


def _property(row: Mapping[str, Any]) -> Iterator[str]:
    value, rest = _value(row)
    took = "" if row["took_ms"] is None else duration(row["took_ms"])
    age = duration(row["age_ms"])
    yield from table([(row["epc"], row["name"] or "", value, took, age)], _WIDTHS, right=_RIGHT)
    names = " · ".join(name for name in (row["en"], row["ja"]) if name)
    raw = row["raw"] or ""
    if raw and raw != value:
        names = f"{names}  [{raw}]" if names else f"[{raw}]"
    for line in [*rest, *wrap(names, WIDTH - 5)]:
        if line:
            yield f"     {line}"


def _value(row: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The value's first line, and the rest of it."""
    text = row["text"] or row["raw"] or ""
    if row["state"] in _STATES:
        text = f"{row['raw']} ({_STATES[row['state']]})" if row["raw"] else _STATES[row["state"]]
    if row["source"] == "notified":
        text += " (announced; cannot be read)"
    first, *rest = wrap(text, _WIDTHS[2])
    return first, wrap(" ".join(rest), WIDTH - 5) if rest else []


def _summary(result: Mapping[str, Any]) -> Iterator[str]:
    rows = result["properties"]
    by_state = {state: [row["epc"] for row in rows if row["state"] == state] for state in ("told", *_STATES)}
    slow = max((row for row in rows if row["took_ms"] is not None), key=lambda row: row["took_ms"], default=None)
    yield from labelled("told", f"{len(by_state['told'])} of {len(rows)} properties", 0, 15)
    for state, words in _STATES.items():
        if by_state[state]:
            yield from labelled(state, f"{' '.join(by_state[state])} - {words}", 0, 15)
    if result["absent"]:
        absent = ", ".join(f"{row['epc']} {row['name']}" for row in result["absent"])
        yield from labelled("not offered", f"{absent} - required by its release, and not in its Get map", 0, 15)
    yield from labelled("can be set", " ".join(result["settable"]) or "nothing", 0, 15)
    yield from labelled("announces", " ".join(result["announced"]) or "nothing", 0, 15)
    if slow is not None:
        yield from labelled("slowest answer", f"{duration(slow['took_ms'])} ({slow['epc']})", 0, 15)


def _served(served: Mapping[str, Any]) -> Iterator[str]:
    """Which table, and what it says."""
    if served.get("file") is None:
        yield from labelled("served by", f"nothing: {served['why']}" if not served["hash"] else served["why"], 0, 15)
        return
    yield from labelled("served by", f"{served['file']} ({served['hash']})", 0, 15)
    if served["why"]:
        yield from labelled("", f"but {served['why']}", 0, 15)
    yield from labelled("vehicle", _decided(served["vehicle"]), 0, 15)
    yield from labelled("connector", _decided(served["connector"]), 0, 15)
    if served["fault"]:
        yield from labelled("fault", served["fault"], 0, 15)
    yield from labelled("charge", _range(served, "charge"), 0, 15)
    yield from labelled("discharge", _range(served, "discharge"), 0, 15)


def _decided(answer: Mapping[str, Any]) -> str:
    return f"{answer['value'] or 'as before'} (by {answer['rule']})"


def _range(served: Mapping[str, Any], way: str) -> str:
    if way not in served["modes"]:
        return "not with this unit"
    most = served[f"{way}_max_mw"]
    how = "power can be set" if served[f"{way}_adjustable"] else "on or off only"
    return f"{'the unit does not tell its range' if most is None else f'up to {most // 1000} W'}, {how}"
