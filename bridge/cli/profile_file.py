"""Charging profiles from a file: SetChargingProfile payloads in JSON or YAML, with every mistake at its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jsonschema_rs

from bridge.errors import ConfigError
from bridge.mapping.yamlfile import OF_A_SITE, Document, Path_, Problems, load_yaml, nearest
from bridge.station.messages import CallError, SetChargingProfileRequest, v21, v201
from bridge.station.messages.wire import VersionedAdapter

_ACTION: Final = "SetChargingProfile"
_PROFILE: Final = "chargingProfile"
_PURPOSE: Final = "chargingProfilePurpose"
_REF: Final = "$ref"
_LONGEST: Final = 300
_CALL: Final = 2  # MessageTypeId of a CALL
#: The versions in which a file may be written.
VERSIONS: Final[Mapping[str, type[VersionedAdapter]]] = {"2.0.1": v201.Adapter, "2.1": v21.Adapter}


@dataclass(frozen=True)
class FiledProfile:
    """One profile of a file: `place` is `file:line:column` of its payload."""

    place: str
    request: SetChargingProfileRequest


def read_profiles(path: Path, version: str = "2.0.1") -> tuple[FiledProfile, ...]:
    """A payload, a list of payloads, or whole CALLs `[2, "id", "SetChargingProfile", {...}]`; `version`: of OCPP.

    Raises:
        ConfigError: all mistakes, each as `file:line:column: CODE message`.
    """
    document = load_yaml(path, error=ConfigError, limits=OF_A_SITE)
    problems = Problems()
    reader = _Reader(document, problems, VERSIONS[version]())
    found = tuple(filed for place, payload in _payloads(document, problems) if (filed := reader.read(place, payload)))
    if not found and not problems.found:
        problems.add(document, (), "PROFILE-NONE", f"there is no profile: write a {_ACTION} payload, or a list of them")
    problems.raise_as(ConfigError)
    return found


def _payloads(document: Document, problems: Problems) -> Iterator[tuple[Path_, Any]]:
    """The payloads and where they stand."""
    data = document.data
    items: list[tuple[Path_, Any]]
    if isinstance(data, list) and not _is_call(data):
        items = [((number,), each) for number, each in enumerate(data)]
    else:
        items = [] if data is None else [((), data)]
    for place, each in items:
        if not _is_call(each):
            yield place, each
        elif each[2] != _ACTION:
            problems.add(document, (*place, 2), "PROFILE-MESSAGE", f"this is a {each[2]}; a {_ACTION} is wanted")
        else:
            yield (*place, 3), each[3]


def _is_call(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 4 and item[0] == _CALL and isinstance(item[2], str)


class _Reader:
    """Reads payloads of one document by one version's schema."""

    def __init__(self, document: Document, problems: Problems, adapter: VersionedAdapter) -> None:
        self._document, self._problems, self._adapter = document, problems, adapter
        self._schema = adapter.schema_of(_ACTION)
        self._validator = jsonschema_rs.Draft6Validator(self._schema, validate_formats=False)

    def read(self, place: Path_, payload: Any) -> FiledProfile | None:
        """One payload; None where anything is wrong with it, which is noted."""
        if not isinstance(payload, dict):
            self._add(place, "PROFILE-SHAPE", f"a {_ACTION} payload has evseId and {_PROFILE}; this is none")
            return None
        if _PURPOSE in payload and _PROFILE not in payload:
            text = f"this is a bare {_PROFILE}: put it under {_PROFILE}, beside the evseId that it is for"
            self._add(place, "PROFILE-SHAPE", text)
            return None
        errors = list(self._validator.iter_errors(payload))
        for error in errors:
            self._tell(place, error)
        if errors:
            return None
        try:
            request = self._adapter.decode_request(_ACTION, payload)
        except CallError as error:  # what schemas cannot say: a time that is none, say
            where, _, text = error.description.partition(": ")
            self._add((*place, *_steps(where)), "PROFILE-VALUE", text or error.description)
            return None
        assert isinstance(request, SetChargingProfileRequest)
        line, column = self._document.position(place)
        return FiledProfile(f"{self._document.file}:{line}:{column}", request)

    def _add(self, place: Path_, code: str, text: str) -> None:
        self._problems.add(self._document, place, code, text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…")

    def _tell(self, place: Path_, error: Any) -> None:
        """One mistake: at the key where it is too much, with the nearest word where one is misspelt."""
        path = (*place, *error.instance_path)
        extra, options = getattr(error.kind, "unexpected", None), getattr(error.kind, "options", None)
        if extra:
            known = self._fields(error.schema_path)
            for name in extra:
                text = f'"{name}" is no field here{nearest(name, known)}'
                self._problems.add(self._document, (*path, name), "PROFILE-FIELD", text, at_key=True)
        elif options and isinstance(error.instance, str):
            text = f'"{error.instance}" is none of {", ".join(options)}{nearest(error.instance, options)}'
            self._add(path, "PROFILE-SCHEMA", text)
        else:
            self._add(path, "PROFILE-SCHEMA", error.message)

    def _fields(self, schema_path: Iterable[str | int]) -> list[str]:
        """The names that stand in the schema beside its `additionalProperties`."""
        schema = self._resolved(self._schema)
        for step in list(schema_path)[:-1]:
            schema = self._resolved(schema.get(step, {}) if isinstance(schema, Mapping) else {})
        return list(schema.get("properties", ())) if isinstance(schema, Mapping) else []

    def _resolved(self, schema: Any) -> Any:
        while isinstance(schema, Mapping) and _REF in schema:
            schema = self._schema["definitions"][schema[_REF].rpartition("/")[2]]
        return schema


def _steps(where: str) -> Iterator[str | int]:
    for step in where.split("/"):
        yield int(step) if step.isdigit() else step
