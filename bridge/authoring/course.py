"""What a simulated unit does and when: read from a dump of a real one, or from a script that a person wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from bridge.authoring.tables import source_of
from bridge.authoring.words import ExampleError, encoded
from bridge.echonet.dump import CONTROLLER, Dump, read_dump
from bridge.echonet.frame import NOTIFICATIONS
from bridge.echonet.wellknown import (
    ANNOUNCED_MAP,
    GETTABLE_MAP,
    SETTABLE_MAP,
    STANDARD_VERSION,
)
from bridge.errors import MappingError
from bridge.mapping.load import Mappings
from bridge.mapping.model import ClassCode, Duration, Releases, Strict
from bridge.mapping.table import CompiledTable
from bridge.mapping.yamlfile import Document, Path_, Problems, load_yaml, nearest, validate

_FIRST: Final = 1  # the instance of a script's unit
_MAPS: Final = (ANNOUNCED_MAP, SETTABLE_MAP, GETTABLE_MAP)


class Tell(Enum):
    """What a unit announces of values that it has from now on."""

    ALL = "all of them"
    MAPPED = "what has changed and stands in its map of announcements"
    NONE = "nothing"


@dataclass(frozen=True)
class Moment:
    """Something that happens `t` ms after the course has begun.

    `values`: what the unit tells from then on; no bytes: it refuses. `silent`: whether it stops (or begins again) to
    answer. `call`: what the CSMS sends then.
    """

    t: int
    values: Mapping[int, bytes]
    tell: Tell = Tell.MAPPED
    silent: bool | None = None
    call: tuple[str, Mapping[str, Any]] | None = None
    note: str = ""


@dataclass(frozen=True)
class Reaction:
    """What a unit does when it is written to: `after` ms it tells other values."""

    epc: int
    edt: bytes
    after: int
    values: Mapping[int, bytes]


@dataclass(frozen=True)
class Course:
    """All of it. `values` are those of the beginning. `end`: ms after the beginning at which it is over."""

    name: str
    class_code: int
    eoj: int
    release: str
    values: Mapping[int, bytes]
    gettable: frozenset[int]
    settable: frozenset[int]
    announced: frozenset[int]
    moments: tuple[Moment, ...]
    reactions: tuple[Reaction, ...]
    end: int


def read_course(path: Path, mappings: Mappings) -> Course:
    """A course from a dump (`*.jsonl`) or a script (YAML).

    Raises:
        BridgeError: the file is neither, or has mistakes; with their places.
    """
    if path.suffix == ".jsonl":
        return course_of_dump(read_dump(path), path.name)
    document = load_yaml(path)
    return _Script(document, validate(document, ScriptModel), mappings).course()


def course_of_dump(dump: Dump, name: str) -> Course:
    """A dump as it went. Until it first tells a property, that has the value which it tells then."""
    header = dump.header
    values: dict[int, bytes] = {}
    for record in dump.records:
        for epc, edt in record.values.items():
            values.setdefault(epc, edt)
    known = dict(values)
    moments = []
    for record in dump.records:
        changed = {epc: edt for epc, edt in record.values.items() if known.get(epc) != edt}
        gone = {epc: b"" for epc in record.refused if known.get(epc)}
        known |= changed | gone
        frame = record.frame
        told = frame is not None and record.sender != CONTROLLER and frame.service in NOTIFICATIONS
        if told or changed or gone:
            now = dict(record.values) if told else {**changed, **gone}
            moments.append(Moment(record.t, now, Tell.ALL if told else Tell.NONE))
    return Course(
        name=name,
        class_code=header.class_code,
        eoj=header.eoj,
        release=header.release,
        values=values,
        gettable=header.maps.get("get", frozenset()),
        settable=header.maps.get("set", frozenset()),
        announced=header.maps.get("inf", frozenset()),
        moments=tuple(moments),
        reactions=(),
        end=max((record.t for record in dump.records), default=0),
    )


# -- scripts


class StepModel(Strict):
    """One step of a script: what the unit tells, whether it is silent, or what the CSMS sends."""

    at: Duration
    values: dict[str, Any] | list[Any] = Field(default_factory=list)
    silent: bool | None = None
    csms: dict[str, dict[str, Any]] = Field(default_factory=dict, max_length=1)
    note: str = ""


class ReactionModel(Strict):
    """When this is written, the unit tells those values a while later."""

    written: dict[str, Any] | Annotated[str, Field(pattern=r"^[0-9A-F]{2}=([0-9A-F]{2})+$")]
    after: Duration = 0
    values: dict[str, Any] | list[Any]


class ScriptModel(Strict):
    """A script file (`script: 1`)."""

    script: Literal[1]
    class_code: ClassCode = Field(alias="class")
    title: str = ""
    release: Releases
    values: dict[str, Any] | list[Any]
    settable: list[str] | None = None
    announced: list[str] | None = None
    steps: list[StepModel] = Field(default_factory=list)
    reactions: list[ReactionModel] = Field(default_factory=list)
    until: Duration | None = None


class _Script:
    """A script on its way to a course; all its mistakes at once."""

    def __init__(self, document: Document, model: ScriptModel, mappings: Mappings) -> None:
        self._document = document
        self._model = model
        self._problems = Problems()
        self._table: CompiledTable = source_of(mappings, int(model.class_code, 16)).table

    def course(self) -> Course:
        """Raises `MappingError`."""
        model = self._model
        if len(model.release) != 1:
            self._wrong(("release",), "RELEASE", f'"{model.release}" is a range; a unit has one release')
        values = self._values(model.values, ("values",))
        moments = [self._moment(step, ("steps", index)) for index, step in enumerate(model.steps)]
        reactions = [self._reaction(each, ("reactions", index)) for index, each in enumerate(model.reactions)]
        for index, (before, after) in enumerate(pairwise(moments), 1):
            if after.t < before.t:
                self._wrong(("steps", index, "at"), "SCRIPT-ORDER", "is before the step above it - sort by time")
        for name, each in (("settable", model.settable), ("announced", model.announced)):
            for index, prop in enumerate(each or ()):
                self._epc(prop, (name, index))
        self._problems.raise_as(MappingError)
        told = {*values, *(epc for moment in moments for epc in moment.values)}
        told |= {epc for reaction in reactions for epc in reaction.values}
        return Course(
            name=model.title or self._document.file,
            class_code=self._table.class_code,
            eoj=self._table.class_code << 8 | _FIRST,
            release=model.release,
            values=values | self._version(),
            gettable=frozenset({*told, STANDARD_VERSION, *_MAPS}),
            settable=self._offered(model.settable, told, "set"),
            announced=self._offered(model.announced, told, "inf"),
            moments=tuple(moments),
            reactions=tuple(reactions),
            end=max([model.until or 0, *(moment.t for moment in moments)]),
        )

    def _version(self) -> dict[int, bytes]:
        prop = self._table.device.at(self._model.release).by_epc[STANDARD_VERSION]
        return {STANDARD_VERSION: prop.codec.encode(self._model.release)}

    def _offered(self, names: Sequence[str] | None, told: set[int], access: str) -> frozenset[int]:
        """The properties named; where none are, those told that the release lets be."""
        if names is not None:
            return frozenset(epc for name in names if (epc := self._table.device.epc_of(name)) is not None)
        known = self._table.device.at(self._model.release).by_epc
        return frozenset(epc for epc in told if epc in known and getattr(known[epc], access).possible)

    def _moment(self, step: StepModel, path: Path_) -> Moment:
        call = next(iter(step.csms.items()), None)
        return Moment(step.at, self._values(step.values, (*path, "values")), Tell.MAPPED, step.silent, call, step.note)

    def _reaction(self, model: ReactionModel, path: Path_) -> Reaction:
        written = self._values(model.written, (*path, "written"))
        if len(written) != 1:
            self._wrong((*path, "written"), "SCRIPT", "one written property, like {operationMode: charge}")
        epc, edt = next(iter(written.items()), (0, b""))
        return Reaction(epc, edt, model.after, self._values(model.values, (*path, "values")))

    def _values(self, given: Any, path: Path_) -> dict[int, bytes]:
        try:
            return encoded(self._table, self._model.release, given if isinstance(given, list) else [given])
        except ExampleError as error:
            self._wrong(path, "SCRIPT", str(error))
            return {}

    def _epc(self, name: str, path: Path_) -> None:
        if self._table.device.epc_of(name) is None:
            names = {prop.name for prop in self._table.device.all_properties}
            self._wrong(path, "UNKNOWN-PROPERTY", f'there is no "{name}"{nearest(name, names)}')

    def _wrong(self, path: Path_, code: str, message: str) -> None:
        self._problems.add(self._document, path, code, message)
