"""`ocpp-echonet map migrate`: files of an older version of the language."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def register(tools: Any) -> None:
    """Add the tool to the parser."""
    parser = tools.add_parser(
        "migrate",
        help="bring files of an older version of the language to this one",
        description="Shows what changes, as a diff. Nothing is written without --write; what was there before is then "
        "kept beside it (0x027E.yaml.v0). Comments stay as far as they can.",
        epilog="Exit codes: 0 well, 1 a file cannot be migrated (with --check: is not current), 2 the command line.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, or a folder like mappings/")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="write what is shown")
    how.add_argument("--check", action="store_true", help="only tell whether files are current")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show, write or check."""
    from bridge.authoring.codenames import names_of
    from bridge.authoring.migrate import LATEST, Migration, migrate_file, mistakes_in, write_migration
    from bridge.errors import MappingError
    from bridge.mapping.load import load_mappings

    names = names_of(load_mappings().classes)
    old: list[Migration] = []
    wrong: list[str] = []
    files = _files(options.paths)
    for path in files:
        try:
            found = migrate_file(path, names)
        except MappingError as error:
            wrong.append(str(error))
            continue
        if found.steps:
            old.append(found)
            wrong += mistakes_in(found)
    for line in wrong:
        print(line, file=sys.stderr)
    if options.check:
        for each in old:
            print(f"{each.path}: version {each.steps[0]}, not {LATEST}: run `ocpp-echonet map migrate --write`")
        print(f"{len(files)} files, {len(old)} of them older than version {LATEST}")
        return 1 if old or wrong else 0
    for each in old:
        sys.stdout.write(each.diff)
    if wrong and options.write:
        print("nothing is written", file=sys.stderr)
    elif options.write:
        for each in old:
            print(f"wrote {each.path}; what it was is in {write_migration(each)}")
    print(f"{len(files)} files, {len(old)} of them older than version {LATEST}", file=sys.stderr)
    return 1 if wrong else 0


def _files(paths: list[Path]) -> list[Path]:
    """The files that are named, and the YAML files of folders."""
    from bridge.errors import MappingError

    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise MappingError(f"{path}: no such file or folder")
        found += sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    return found
