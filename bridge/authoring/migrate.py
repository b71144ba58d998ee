"""Brings files of an older version of the language to the one of today, a version at a time.

A step is a pure function on plain data: it gets a file's content and the dictionary's names, and gives back the content
of the next version. The same step works on what ruamel.yaml reads with its comments, so that those stay where they
stood.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from bridge.authoring.codenames import Names
from bridge.authoring.generated import write_whole
from bridge.authoring.migratezero import zero_to_one
from bridge.authoring.schema import KINDS
from bridge.errors import MappingError
from bridge.mapping.yamlfile import Document, Problems, check, load_yaml, parse_yaml

#: The version that this program reads.
LATEST: Final = 1
#: From the content of one version to that of the next; the content that is given stays as it is.
Step: TypeAlias = Callable[[Mapping[str, Any], Names], Mapping[str, Any]]
#: By the version that a step begins with.
STEPS: Final[Mapping[int, Step]] = {0: zero_to_one}
_VERSION: Final = "mapping"


@dataclass(frozen=True)
class Migration:
    """A file before and after. `steps`: the versions that it went through."""

    path: Path
    before: str
    after: str
    steps: tuple[int, ...]

    @property
    def diff(self) -> str:
        """What changes, as a unified diff; empty where the file is current."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True), self.after.splitlines(keepends=True), f"{self.path} (version "
            f"{self.steps[0] if self.steps else LATEST})", f"{self.path} (version {LATEST})",
        )  # fmt: skip
        return "".join(lines)


def version_of(document: Document, latest: int = LATEST) -> int:
    """The version that a file is written in.

    Raises:
        MappingError: it names none, or one that this program does not know.
    """
    data = document.data if isinstance(document.data, Mapping) else {}
    if _VERSION not in data:
        raise MappingError(str(document.problem((), "MISSING-KEY", f'the key "{_VERSION}" is missing: the version')))
    version = data[_VERSION]
    if not isinstance(version, int) or isinstance(version, bool):
        raise MappingError(str(document.problem((_VERSION,), "WRONG-TYPE", "a version is a whole number")))
    if version > latest:
        text = f"written for a newer version ({version}): this program knows {latest} - take a newer program"
        raise MappingError(str(document.problem((_VERSION,), "VERSION", text)))
    if version < latest and version not in STEPS:
        text = f"there is no way from version {version}: known are {', '.join(map(str, sorted(STEPS)))} and {latest}"
        raise MappingError(str(document.problem((_VERSION,), "VERSION", text)))
    return version


def migrated(
    data: Mapping[str, Any], names: Names, steps: Mapping[int, Step] = STEPS, latest: int = LATEST
) -> tuple[Mapping[str, Any], tuple[int, ...]]:
    """A file's content in the latest version, and the versions that were left behind."""
    passed: list[int] = []
    while (version := data[_VERSION]) != latest:
        data = steps[version](data, names)
        passed.append(version)
    return data, tuple(passed)


def migrate_file(path: Path, names: Names) -> Migration:
    """What a file becomes. Nothing is written.

    Raises:
        MappingError: the file cannot be read, or its version is not known.
    """
    document = load_yaml(path)  # refuses what is hostile before the round trip reads it
    version = version_of(document)
    if version == LATEST:
        return Migration(path, document.text, document.text, ())
    yaml = _round_trip()
    loaded: CommentedMap = yaml.load(document.text)
    content, steps = migrated(loaded, names)
    out = io.StringIO()
    yaml.dump(content, out)
    parse_yaml(out.getvalue(), str(path))
    return Migration(path, document.text, out.getvalue(), steps)


def mistakes_in(migration: Migration) -> list[str]:
    """What the models say against the new content, with its lines: mistakes that the old file had already."""
    document = parse_yaml(migration.after, f"{migration.path} (version {LATEST})")
    kind = document.data.get("kind")
    if kind not in KINDS:
        return [str(document.problem(("kind",), "KIND", f'"{kind}" is none of {", ".join(KINDS)}'))]
    problems = Problems()
    check(document, KINDS[kind][0], problems)
    return [str(problem) for problem in sorted(set(problems.found))]


def write_migration(migration: Migration) -> Path:
    """Put the new content in place, whole or not at all; the old one is kept beside it, under the name given back."""
    backup = _free_name(migration.path, migration.steps[0])
    write_whole(backup, migration.before)
    write_whole(migration.path, migration.after)
    return backup


def _free_name(path: Path, version: int) -> Path:
    """`0x027E.yaml.v0`, with a number where that is taken: no older copy is ever lost."""
    name = path.with_name(f"{path.name}.v{version}")
    number = 2
    while name.exists():
        name = path.with_name(f"{path.name}.v{version}.{number}")
        number += 1
    return name


def _round_trip() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 110
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
