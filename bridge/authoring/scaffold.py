"""An overlay to begin with, written from a dump: what the unit is, what was found, and tests that pass at once."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from bridge.authoring.findings import Finding, look
from bridge.authoring.replay import Playback
from bridge.authoring.words import changed_view, outcome_of_view
from bridge.echonet.dump import Dump
from bridge.echonet.wellknown import MANUFACTURER, PRODUCT_CODE
from bridge.errors import MappingError
from bridge.evse import Mode
from bridge.mapping.decision import Ask, Recipe
from bridge.mapping.table import TableSource

_WIDTH: Final = 112
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
#: A product code that an overlay can ask for.
_CODE: Final = re.compile(r"[!-)+-~]([ -)+-~]{0,10}[!-)+-~])?")
#: What a dump does not tell: as a site would have it that allows everything.
_GIVEN: Final = "{authorized: true, inTransaction: true, dischargeAllowed: true, socFloor: 20 %}"
_GIVEN_WORDS: Final[Mapping[str, Any]] = {
    "authorized": True,
    "inTransaction": True,
    "dischargeAllowed": True,
    "socFloor": "20 %",
}
_WISHES: Final = (Mode.CHARGE, Mode.DISCHARGE, Mode.PAUSE, Mode.STOP)


def default_id(dump: Dump) -> str:
    """A name after maker and product code."""
    values = dump.values_at()
    maker = values.get(MANUFACTURER, b"").hex() or "unknown"
    code = re.sub(r"[^a-z0-9]+", "-", product_code(values).lower()).strip("-")
    return "-".join(part for part in (f"maker-{maker}", code) if part)


def checked_id(name: str) -> str:
    """An overlay's id as it may be.

    Raises:
        MappingError: it is none.
    """
    if not _ID.fullmatch(name):
        raise MappingError(f'--id: "{name}" is no id: small letters, digits and dashes, like maker-0000ff-model-1')
    return name


def product_code(values: Mapping[int, bytes]) -> str:
    """The product code as text, '' where there is none that could be asked for."""
    text = values.get(PRODUCT_CODE, b"").rstrip(b"\x00 ")
    told = text.decode("ascii", "replace")
    return told if _CODE.fullmatch(told) else ""


def overlay_text(source: TableSource, dump: Dump, name: str, dump_name: str) -> str:
    """The overlay file. `dump_name`: the file of the dump, beside it."""
    found = look(source, dump)
    known = source.table.device.releases
    return "\n".join([*_head(dump, name, found, known), *_changes(found), *_replays(source, dump, dump_name)]) + "\n"


def _head(dump: Dump, name: str, found: Sequence[Finding], known: Collection[str]) -> Iterator[str]:
    header, values = dump.header, dump.values_at()
    code = product_code(values)
    what = f"class 0x{header.class_code:04X}, Release {header.release}"
    yield f"# Begun by `ocpp-echonet map scaffold` from a unit of {what}."
    yield "# Look at each finding, then delete it or make a change of it; every change says why."
    yield "#"
    if not found:
        yield "# Nothing unusual was found: the table of its class may serve it as it is."
    for number, finding in enumerate(found, 1):
        yield from _comment(f"{number}. {finding.text}{_done(finding)}")
        for line in finding.todo:
            yield f"#      {line}"
    yield ""
    yield "mapping: 1"
    yield "kind: overlay"
    yield f"id: {name}"
    yield f'class: "0x{header.class_code:04X}"'
    if not values.get(MANUFACTURER):
        yield "# The unit does not tell its maker: this overlay is for every unit of the release."
    yield "match:"
    if values.get(MANUFACTURER):
        yield f'  manufacturer: "0x{values[MANUFACTURER].hex().upper()}"'
    if code:
        yield f"  productCode: {json.dumps(code)}"
    if header.release in known:
        yield f"  release: {header.release}"


def _done(finding: Finding) -> str:
    return " -> see changes below" if finding.changes else " -> see properties below" if finding.properties else ""


def _comment(text: str) -> Iterator[str]:
    line = "#"
    for word in text.split():
        if len(line) + len(word) >= _WIDTH:
            yield line
            line = "#   "
        line += f" {word}"
    yield line


def _changes(found: Sequence[Finding]) -> Iterator[str]:
    for key in ("changes", "properties"):
        made = [change for finding in found for change in getattr(finding, key)]
        if not made:
            continue
        yield ""
        yield f"{key}:"
        for change in made:
            for number, (name, value) in enumerate(change.items()):
                yield f"  {'- ' if not number else '  '}{name}: {_flow(value)}"


def _flow(value: Any) -> str:
    """A value as YAML on one line. JSON is YAML, and quotes what has to be."""
    return (
        value
        if isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w.-]*", value)
        else json.dumps(value, ensure_ascii=False)
    )


def _replays(source: TableSource, dump: Dump, dump_name: str) -> Iterator[str]:
    end = max((record.t for record in dump.records), default=0)
    view = Playback(source.table, dump).at(end)
    decision = source.table.decide(view)
    yield ""
    yield "# What the tables say of the dump now. Correct what is wrong; `map test` then fails until a change mends it."
    yield "replays:"
    yield f"  - dump: {dump_name}"
    yield "    expect:"
    yield "      - {" + ", ".join(_said(decision)) + "}"
    yield f"  - dump: {dump_name}"
    yield "    name: what would become of each wish"
    yield f"    given: {_GIVEN}"
    yield "    expect:"
    for mode in _WISHES:
        if mode not in source.model.setpoints:
            continue
        outcome = outcome_of_view(source, changed_view(source, view, [_GIVEN_WORDS, {"wanted": mode.value}]))
        if isinstance(outcome.answer, Recipe):
            writes = json.dumps(outcome.writes)
            yield f"      - {{given: {{wanted: {mode}}}, mode: {outcome.answer.mode}, writes: {writes}}}"
        elif isinstance(outcome.answer, Ask):
            step = outcome.answer.step
            yield f'      - {{given: {{wanted: {mode}}}, ask: "{step.epc:02X}={step.edt.hex().upper()}"}}'
        else:
            yield f"      - {{given: {{wanted: {mode}}}, refused: {outcome.answer.rule.rpartition(' ')[2]}}}"


def _said(decision: Any) -> Iterator[str]:
    yield f'plug: "{decision.plug.value or "keep"}"'
    yield f"connector: {decision.connector.value or 'keep'}"
    yield f"chargingState: {decision.charging_state.value or 'keep'}"
    if decision.fault is not None:
        yield f"fault: {json.dumps(decision.fault.code)}"
