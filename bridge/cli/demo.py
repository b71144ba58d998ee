"""`ocpp-echonet demo`: a unit, the gateway and a CSMS on this machine, and everything that passes between them."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.sim.timeline import Row

_WIDTHS = (44, 50)


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("demo", help="show a whole charging session on this machine, without any hardware")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="three columns, or JSON Lines")
    parser.add_argument("--verbose", action="store_true", help="show the gateway's log too")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Play the scenario; 0 only if every expected step was seen on the wire."""
    from bridge.gateway.config import LogConfig
    from bridge.gateway.logs import set_up_logs

    set_up_logs(LogConfig(format="console", level="info" if options.verbose else "error"))
    show = _Columns() if options.format == "text" else _show_json
    faults = asyncio.run(_play(show))
    for fault in faults:
        print(f"not as expected: {fault}", file=sys.stderr)
    if options.format == "text":
        print("\nEvery expected step was seen on the wire." if not faults else "\nThe demo failed.")
    return 1 if faults else 0


async def _play(show: Any) -> list[str]:
    from bridge.cli.demo_house import over_sockets
    from bridge.sim.scenario import play

    with tempfile.TemporaryDirectory(prefix="ocpp-echonet-demo-") as folder:
        async with over_sockets(Path(folder), show) as scene:
            return await play(scene)


def _show_json(row: Row) -> None:
    print(json.dumps(row.as_json(), ensure_ascii=False), flush=True)


class _Columns:
    """Frame, meaning, OCPP message; a headline for each step, a mark at what was expected."""

    def __init__(self) -> None:
        self._step = ""

    def __call__(self, row: Row) -> None:
        if row.step != self._step:
            self._step = row.step
            print(f"\n== {row.step}")
        frame, meaning = _cut(row.data.hex().upper(), _WIDTHS[0]), _cut(self._meaning(row), _WIDTHS[1])
        print(f"{row.t / 1000:7.2f}  {frame:<{_WIDTHS[0]}}  {meaning:<{_WIDTHS[1]}}  {self._ocpp(row)}", flush=True)

    def _meaning(self, row: Row) -> str:
        mark = "" if row.expected is None else ("✓ " if row.seen else "✗ ") + row.expected + ": "
        service = f"{row.frame.esv.name} " if row.frame else ""
        return mark + (service + row.meaning if row.ocpp is None else "")

    def _ocpp(self, row: Row) -> str:
        if row.ocpp is None:
            return ""
        arrow = "→" if row.source == "gateway" else "←"
        return f"{arrow} {row.action} {_cut(json.dumps(row.payload, ensure_ascii=False), 110)}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
