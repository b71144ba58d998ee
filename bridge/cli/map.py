"""`ocpp-echonet map`: the tools of those who write mapping tables, each in a module of its own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

#: In the order in which the help names them; each is `bridge.cli.map_<name>` with a `register`.
TOOLS: Final = (
    "check",
    "test",
    "explain",
    "coverage",
    "diff",
    "simulate",
    "docs",
    "scaffold",
    "schema",
    "migrate",
)


def register(commands: Any, asked: Sequence[str] = ()) -> None:
    """Add the command to the parser; of the tools only the one that is asked for is imported."""
    parser = commands.add_parser(
        "map",
        help="prove, test, explain and document mapping tables",
        description="Tools for mapping tables. PATHs are files, or a folder laid out like mappings/ (then complete in "
        "itself); without one it is the shipped tables.",
    )
    tools = parser.add_subparsers(title="tools", required=True, metavar="TOOL")
    built = [name for name in TOOLS if find_spec(f"bridge.cli.map_{name}")]
    for name in asked[:1] if asked and asked[0] in built else built:
        import_module(f"bridge.cli.map_{name}").register(tools)
