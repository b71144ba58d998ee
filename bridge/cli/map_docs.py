"""`ocpp-echonet map docs`: a page per table for people, as Markdown or HTML."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

_FORMATS = {"md": ("md",), "html": ("html",), "both": ("md", "html")}


def register(tools: Any) -> None:
    """Add the tool to the parser."""
    parser = tools.add_parser(
        "docs",
        help="write a page per table that a person can read",
        description="Writes a page for each table, meter and dictionary: what units it is for, its states, each "
        "message with what is on the wire, local changes, measures, polling, properties in English and Japanese, and "
        "its examples as worked cases. HTML pages need nothing else and no script.",
        epilog="Exit codes: 0 well, 1 the mappings are wrong or a page is not current, 2 the command line.",
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files, or a folder like mappings/")
    parser.add_argument("--out", type=Path, default=Path("docs/mapping"), metavar="DIR",
                        help="the folder (default: docs/mapping)")  # fmt: skip
    parser.add_argument("--format", choices=sorted(_FORMATS), default="md", help="md (default), html, or both")
    parser.add_argument("--codes", action="store_true", help="only the page of the codes of errors")
    parser.add_argument("--check", action="store_true", help="write nothing; compare with the pages that are there")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the pages, then write or compare them."""
    from bridge.authoring.generated import outdated, write_all

    texts = _texts(options)
    if options.check:
        wrong = outdated(options.out, texts, "") if options.paths or options.codes else _all_outdated(options, texts)
        for line in wrong:
            print(line, file=sys.stderr)
        if wrong:
            print("run `ocpp-echonet map docs`", file=sys.stderr)
            return 1
        print(f"{len(texts)} pages in {options.out} are current")
        return 0
    for path in write_all(options.out, texts):
        print(f"wrote {path}")
    print(f"{len(texts)} pages in {options.out}")
    return 0


def _all_outdated(options: argparse.Namespace, texts: dict[str, str]) -> list[str]:
    from bridge.authoring.generated import outdated

    found = [outdated(options.out, texts, f"*.{ending}") for ending in _FORMATS[options.format]]
    return sorted({line for lines in found for line in lines})


def _texts(options: argparse.Namespace) -> dict[str, str]:
    from bridge.authoring.codepage import codes_page
    from bridge.authoring.docs import everything, pages, texts
    from bridge.mapping.load import load_paths

    formats = _FORMATS[options.format]
    if options.codes:
        return texts([codes_page()], formats)
    mappings = load_paths(options.paths)
    if any(path.is_file() for path in options.paths):
        return texts(pages(mappings, mappings.asked), formats)
    return everything(mappings, formats)
