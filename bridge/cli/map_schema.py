"""`ocpp-echonet map schema`: JSON Schemas of the files of mappings, for completion in editors."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def register(tools: Any) -> None:
    """Add the tool to the parser."""
    parser = tools.add_parser(
        "schema",
        help="write JSON Schemas for editors",
        description="Makes the JSON Schemas (draft 2020-12) of dictionaries, tables and meters from the models of the "
        "language, and for each class that has a table one that knows its properties and their values. Without "
        "--write or --check it only lists them.",
        epilog="An editor with a YAML language server completes from them where a file begins with a line like "
        "`# yaml-language-server: $schema=../schema/table-0x027E.json`. Exit codes: 0 well, 1 a schema is not current.",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="write them")
    how.add_argument("--check", action="store_true", help="compare them with the files that are there")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder (default: schema/ of the shipped mappings)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make, write or compare."""
    from bridge.authoring.generated import outdated, write_all
    from bridge.authoring.schemafiles import schema_texts
    from bridge.mapping.load import default_folder, load_mappings

    folder = options.out if options.out is not None else default_folder() / "schema"
    texts = schema_texts(load_mappings())
    if options.check:
        wrong = outdated(folder, texts, "*.json")
        for line in wrong:
            print(line, file=sys.stderr)
        if wrong:
            print("run `ocpp-echonet map schema --write`", file=sys.stderr)
            return 1
        print(f"{len(texts)} schemas in {folder} are current")
    elif options.write:
        written = write_all(folder, texts)
        for path in written:
            print(f"wrote {path}")
        print(f"{len(texts)} schemas in {folder}, {len(written)} of them new or changed")
    else:
        for name, text in texts.items():
            print(f"{name:<22} {len(text):>7} characters")
    return 0
