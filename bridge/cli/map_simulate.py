"""`ocpp-echonet map simulate`: a dump or a script in, the timeline of frames, decisions and OCPP messages out."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.cli.layout import wrap
from bridge.errors import MappingError

if TYPE_CHECKING:
    from bridge.authoring.course import Course
    from bridge.cli.replay_house import Event
    from bridge.mapping.table import CompiledTable

_TEXT: Final = 86
#: Messages that say nothing about the unit.
_SILENT: Final = frozenset({"Heartbeat", "BootNotification", "NotifyReport", "GetVariables", "SetVariables"})
_DESCRIPTION: Final = """\
Plays a unit on the virtual clock before a whole gateway and a CSMS, and shows what passes: what the unit announces,
what its answers change, what is written to it, which row of the tables decides, and the OCPP messages that come of it.
The same input gives the same output, always.

A FILE is a dump (*.jsonl, of `ocpp-echonet dump`), or a script in YAML:
  script: 1
  class: "0x027E"
  release: P
  values: {chargeDischargeStatus: notConnected, operationMode: standby, ...}
  steps:
    - {at: 5s, values: {chargeDischargeStatus: chargeable}}
    - {at: 10s, csms: {RequestStartTransaction: {}}}
    - {at: 60s, csms: {SetChargingProfile: {limit: 2000, unit: W}}}
  reactions:
    - {written: {operationMode: charge}, after: 3s, values: {instantaneousElectricPower: 3000 W}}
What a script does not list can be read if it has a value; `settable` and `announced` name properties."""


def register(tools: Any) -> None:
    """Add the tool to the parser."""
    parser = tools.add_parser(
        "simulate",
        help="play a dump or a script, and show the OCPP messages that come of it",
        description=_DESCRIPTION,
        epilog="exit codes: 0 done, 1 the file or the tables are wrong, 2 wrong command line",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a dump or a script")
    parser.add_argument("--table", action="append", default=[], type=Path, metavar="PATH", help="tables; repeatable")
    parser.add_argument(
        "--after", type=float, default=10, metavar="S", help="go on S seconds after the end (default 10)"
    )
    parser.add_argument("--all", action="store_true", help="show every frame and message, polls and the start too")
    parser.add_argument("--speed", type=float, metavar="N", help="print N times as fast as it went, not at once")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text, or one JSON object a line")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Play and print."""
    from bridge.authoring.course import read_course
    from bridge.authoring.tables import source_for, with_table
    from bridge.cli.replay_house import simulate
    from bridge.clock import run_virtual
    from bridge.gateway.config import LogConfig
    from bridge.gateway.logs import set_up_logs
    from bridge.mapping.load import load_paths

    if options.speed is not None and options.speed <= 0:
        raise MappingError("--speed is a number above zero")
    set_up_logs(LogConfig(format="console", level="error"))
    mappings = load_paths(options.table)
    if not options.file.exists():
        raise MappingError(f"{options.file}: no such file")
    course = read_course(options.file, mappings)
    table = source_for(mappings, course.class_code, course.release, course.values).table
    chosen = with_table(mappings, table)
    events = run_virtual(simulate(course, chosen, int(options.after * 1000)))
    shown = list(events if options.all else worth_showing(events))
    lines = as_json(shown, table, course) if options.format == "json" else as_text(shown, table, course)
    if options.speed is None:
        for _, line in lines:
            print(line)
    else:
        asyncio.run(_paced(list(lines), options.speed))
    return 0


async def _paced(lines: Sequence[tuple[int, str]], speed: float) -> None:
    from bridge.clock import Clock

    clock, before = Clock(), lines[0][0] if lines else 0
    for t, line in lines:
        await clock.sleep(int(max(t - before, 0) / speed))
        print(line, flush=True)
        before = t


def worth_showing(events: Iterable[Event]) -> Iterator[Event]:
    """What says something new: no polls that are answered as before, nothing of the start but its outcome."""
    known: dict[int, bytes] = {}
    outcome: dict[str, str] = {}
    begun = False  # what the unit is taken for at the beginning stands together
    for event in events:
        if event.t < 0 or (not begun and event.kind == "decided"):
            outcome |= event.words
            known |= _told(event)
            continue
        if not begun:
            begun = True
            yield _start(outcome)
        if event.kind == "frame":
            news = {epc: edt for epc, edt in _told(event).items() if known.get(epc) != edt}
            known |= news
            if not _is_poll(event) or news:
                yield event
        elif event.kind == "answer":
            if event.target == "CSMS":
                yield event
        elif event.action not in _SILENT:
            yield event


def _start(outcome: dict[str, str]) -> Event:
    from bridge.cli.replay_house import Event

    return Event(0, "decided", words=outcome)


def _told(event: Event) -> dict[int, bytes]:
    """What a frame of the unit tells."""
    if event.frame is None or event.source == "gateway":
        return {}
    return {epc: edt for epc, edt in event.frame.properties if edt}


def _is_poll(event: Event) -> bool:
    from bridge.echonet.frame import Service

    polls = (Service.GET, Service.GET_RES, Service.GET_SNA)
    return event.frame is not None and event.frame.service in polls


# -- showing it


def as_text(events: Iterable[Event], table: CompiledTable, course: Course) -> Iterator[tuple[int, str]]:
    """Lines for people, each with its time (ms)."""
    yield 0, f"{course.name}: class 0x{course.class_code:04X}, Release {course.release}, tables {table.content_hash}"
    for event in events:
        for who, text in _words(event, table, course):
            first, *rest = wrap(text, _TEXT)
            yield event.t, f"{event.t / 1000:9.3f}  {who:<6}  {first}"
            for line in rest:
                yield event.t, f"{'':9}  {'':6}    {line}"


_WHO: Final = {"decided": "table", "trouble": "!", "moment": "--"}


def _words(event: Event, table: CompiledTable, course: Course) -> Iterator[tuple[str, str]]:
    from bridge.cli.ocpp_words import summary

    if event.kind == "frame":
        yield "LAN <-" if event.source == "unit" else "LAN ->", _frame(event, table, course)
    elif event.kind in ("call", "answer"):
        answered = "answer to " if event.kind == "answer" else ""
        arrow = "OCPP->" if event.source == "gateway" else "OCPP<-"
        yield arrow, f"{answered}{event.action} {summary(event.action, event.payload)}".rstrip()
    elif event.kind == "decided":
        for name, words in event.words.items():
            yield _WHO["decided"], f"{name}: {words}"
    else:
        yield _WHO[event.kind], event.text


def _frame(event: Event, table: CompiledTable, course: Course) -> str:
    """A frame in the words of the dictionary."""
    from bridge.echonet.wellknown import class_of

    if event.frame is None:
        return f"no frame: {event.data.hex().upper()}"
    frame = event.frame
    if course.class_code not in (class_of(frame.seoj), class_of(frame.deoj)):
        about = " ".join(f"{epc:02X}" for epc, _ in frame.properties)
        return f"{frame.service.name} about the node: {about}"
    parts = []
    for epc, edt in frame.properties:
        code = f"{epc:02X}" + (f"={edt.hex().upper()}" if edt else "")
        parts.append(f"{table.describe(epc, edt, course.release)} ({code})")
    return f"{frame.service.name} {', '.join(parts)}"


def as_json(events: Iterable[Event], table: CompiledTable, course: Course) -> Iterator[tuple[int, str]]:
    """One object a line, each with its time (ms)."""
    head = {"course": course.name, "class": f"0x{course.class_code:04X}", "release": course.release}
    yield 0, json.dumps({**head, "tables": table.content_hash}, ensure_ascii=False)
    for event in events:
        line: dict[str, Any] = {"t": event.t, "kind": event.kind}
        if event.source:
            line |= {"from": event.source, "to": event.target}
        if event.kind == "frame":
            line |= {"frame": event.data.hex().upper(), "text": _frame(event, table, course)}
        elif event.action:
            line |= {"action": event.action, "payload": dict(event.payload)}
        if event.words:
            line["decided"] = dict(event.words)
        if event.text:
            line["text"] = event.text
        yield event.t, json.dumps(line, ensure_ascii=False)
