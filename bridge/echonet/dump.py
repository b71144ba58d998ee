"""A dump of a unit: JSON Lines that can be read by people, kept as a test's fixture, and replayed.

The first line tells what the unit is:
`{"dump": 1, "class": "0x027E", "object": "027E01", "release": "P", "maps": {"get": [...], ...}, "redacted": true}`.
Every other line is one moment, `t` ms after the first: a frame as it passed (`"frame": "1081..."`, `"from": "unit"` or
`"controller"`), or what was known without a frame (`"values": {"C7": "43"}`, `"refused": [...]`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bridge.echonet.frame import Frame, FrameError, Service, decode
from bridge.echonet.wellknown import FIRST_EPC, LAST_EPC
from bridge.errors import BridgeError

VERSION: Final = 1
UNIT, CONTROLLER = "unit", "controller"
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_TELLS: Final = frozenset({Service.GET_RES, Service.GET_SNA, Service.INF, Service.INFC})
_MAPS: Final = ("get", "set", "inf")


class DumpError(BridgeError):
    """A dump that cannot be read: `file:line: what is wrong - the mend`."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a dump says of its unit. `maps` by `get`, `set`, `inf`."""

    class_code: int
    eoj: int
    release: str
    maps: Mapping[str, frozenset[int]]
    redacted: bool
    made_by: str = ""
    note: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The first line."""
        return {
            "dump": VERSION,
            "class": f"0x{self.class_code:04X}",
            "object": f"{self.eoj:06X}",
            "release": self.release,
            "maps": {name: [f"{epc:02X}" for epc in sorted(self.maps.get(name, ()))] for name in _MAPS},
            "redacted": self.redacted,
            "made_by": self.made_by,
            **self.note,
        }


@dataclass(frozen=True, slots=True)
class Record:
    """One moment: `t` in ms. Values and refusals of the unit's own object, and the frame that told them if one did."""

    t: int
    values: Mapping[int, bytes]
    refused: frozenset[int] = frozenset()
    frame: Frame | None = None
    sender: str = UNIT
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Dump:
    """A whole dump."""

    header: Header
    records: tuple[Record, ...]

    def values_at(self, t: int | None = None) -> dict[int, bytes]:
        """What the unit had told by a time (ms), by default at the end; what it refused since is absent."""
        known: dict[int, bytes] = {}
        for record in self.records:
            if t is not None and record.t > t:
                break
            known.update(record.values)
            for epc in record.refused:
                known.pop(epc, None)
        return known

    @property
    def frames(self) -> Iterator[tuple[int, str, Frame]]:
        """When, by whom and what, in the order in which they passed."""
        return ((record.t, record.sender, record.frame) for record in self.records if record.frame is not None)

    @property
    def refused(self) -> frozenset[int]:
        """What the unit never told but refused."""
        told = {epc for record in self.records for epc in record.values}
        return frozenset(epc for record in self.records for epc in record.refused) - told


def frame_line(t: int, sender: str, data: bytes, text: str = "") -> dict[str, Any]:
    """A frame as a line; `text` is for people, the reader does not look at it."""
    return {"t": t, "from": sender, "frame": data.hex().upper(), **({"text": text} if text else {})}


def values_line(t: int, values: Mapping[int, bytes], refused: Iterable[int] = ()) -> dict[str, Any]:
    """What is known without a frame as a line."""
    line: dict[str, Any] = {"t": t, "values": {f"{epc:02X}": edt.hex().upper() for epc, edt in sorted(values.items())}}
    if gone := [f"{epc:02X}" for epc in sorted(refused)]:
        line["refused"] = gone
    return line


# -- reading


def read_dump(path: Path) -> Dump:
    """Read a dump.

    Raises:
        DumpError: the file is none, or is broken; with the line and the mend.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DumpError(f"{path}: cannot be read: {reason} - give the file that `ocpp-echonet dump` wrote") from error
    return parse_dump(text.splitlines(), str(path))


def parse_dump(lines: Iterable[str], name: str = "dump") -> Dump:
    """The same from lines; `name` is what messages call them."""
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        raise DumpError(f'{name}: is empty - a dump begins with a line that says {{"dump": {VERSION}, ...}}')
    (number, first), *rest = numbered
    header = _header(_Line(name, number, first))
    records = [_record(_Line(name, number, line), header.eoj) for number, line in rest]
    for (number, _), before, after in zip(rest[1:], records, records[1:], strict=False):
        if after.t < before.t:
            raise DumpError(f"{name}:{number}: t = {after.t} is before the line above it ({before.t}) - sort by t")
    return Dump(header, tuple(records))


class _Line:
    """One line, and how its mistakes are told."""

    def __init__(self, name: str, number: int, text: str) -> None:
        self._place = f"{name}:{number}"
        try:
            told = json.loads(text)
        except (ValueError, RecursionError) as error:
            cut = "" if text.rstrip().endswith("}") else "; the line looks cut off"
            raise self.wrong(f"is no JSON ({error}){cut}", "dump the unit again, or delete the line") from error
        if not isinstance(told, dict):
            raise self.wrong("is no JSON object", "every line of a dump is one: {...}")
        self.told: dict[str, Any] = told

    def wrong(self, what: str, mend: str) -> DumpError:
        """The error, with its place."""
        return DumpError(f"{self._place}: {what} - {mend}")

    def text(self, name: str) -> str:
        """A string that must be there."""
        value = self.told.get(name)
        if not isinstance(value, str):
            raise self.wrong(f'"{name}" is missing or no string', f'write "{name}": "..."')
        return value

    def code(self, text: Any, digits: int) -> int:
        """A hexadecimal code of so many digits."""
        if not isinstance(text, str) or not re.fullmatch(rf"(?:0x)?[0-9A-Fa-f]{{{digits}}}", text):
            raise self.wrong(f"{text!r} is no code of {digits} hexadecimal digits", f'write it as "{"0" * digits}"')
        return int(text, 16)

    def epc(self, text: Any) -> int:
        """A property code."""
        epc = self.code(text, 2)
        if not FIRST_EPC <= epc <= LAST_EPC:
            raise self.wrong(f"{text!r} is no property code", f"they go from {FIRST_EPC:02X} to {LAST_EPC:02X}")
        return epc

    def epcs(self, value: Any, name: str) -> frozenset[int]:
        """A list of property codes."""
        if not isinstance(value, list):
            raise self.wrong(f'"{name}" is no list', f'write "{name}": ["80", ...]')
        return frozenset(self.epc(each) for each in value)

    def data(self, text: Any, name: str) -> bytes:
        """Bytes in hexadecimal."""
        if not isinstance(text, str) or not _HEX.fullmatch(text):
            raise self.wrong(f'"{name}": {text!r} is not hexadecimal', "two digits a byte, without spaces")
        return bytes.fromhex(text)


def _header(line: _Line) -> Header:
    version = line.told.get("dump")
    if version is None:
        raise line.wrong(
            'has no "dump"', f'the first line of a dump says {{"dump": {VERSION}, ...}}; is this another file?'
        )
    if version != VERSION or isinstance(version, bool):
        raise line.wrong(
            f"is dump version {version!r}", f"this program reads version {VERSION}; use the one that wrote it"
        )
    maps = line.told.get("maps")
    if not isinstance(maps, dict):
        raise line.wrong('"maps" is missing', 'write "maps": {"get": [...], "set": [...], "inf": [...]}')
    eoj, code = line.code(line.told.get("object"), 6), line.code(line.told.get("class"), 4)
    if eoj >> 8 != code:
        raise line.wrong(f"object {eoj:06X} is not of class 0x{code:04X}", "make them agree")
    known = {"dump", "class", "object", "release", "maps", "redacted", "made_by"}
    return Header(
        class_code=code,
        eoj=eoj,
        release=line.text("release"),
        maps={name: line.epcs(maps.get(name, []), name) for name in _MAPS},
        redacted=line.told.get("redacted") is True,
        made_by=str(line.told.get("made_by", "")),
        note={name: value for name, value in line.told.items() if name not in known},
    )


def _record(line: _Line, eoj: int) -> Record:
    t = line.told.get("t")
    if type(t) is not int:
        raise line.wrong('"t" is missing or no whole number', 'write the milliseconds since the start: "t": 0')
    if "frame" in line.told:
        return _frame_record(line, t, eoj)
    if "values" not in line.told and "refused" not in line.told:
        raise line.wrong('has neither "frame" nor "values"', "delete the line")
    values = line.told.get("values", {})
    if not isinstance(values, dict):
        raise line.wrong('"values" is no object', 'write "values": {"80": "30"}')
    told = {line.epc(epc): line.data(edt, "values") for epc, edt in values.items()}
    return Record(t, told, line.epcs(line.told.get("refused", []), "refused"))


def _frame_record(line: _Line, t: int, eoj: int) -> Record:
    data, sender = line.data(line.told["frame"], "frame"), line.told.get("from")
    if sender not in (UNIT, CONTROLLER):
        raise line.wrong(f'"from" is {sender!r}', f'write "{UNIT}" or "{CONTROLLER}"')
    try:
        frame = decode(data)
    except FrameError as error:
        raise line.wrong(f"its frame cannot be read ({error})", "delete the line, or dump the unit again") from error
    if sender != UNIT or frame.seoj != eoj or frame.service not in _TELLS:
        return Record(t, {}, frozenset(), frame, str(sender), data)
    values = {epc: edt for epc, edt in frame.properties if edt}
    return Record(t, values, frozenset(epc for epc, edt in frame.properties if not edt), frame, UNIT, data)
