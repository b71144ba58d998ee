"""`ocpp-echonet discover`: what is on the network, and whether the gateway can serve it."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bridge.cli.layout import labelled, table
from bridge.cli.way import EXIT_CODES, FAILED, OK, Way, add_options, note, perform

_WIDTHS: Final = (2, 22, 6, 34, 3, 24)
_STRENGTH: Final = {
    "device": "the device's own (strong)",
    "node": "its node's, with its object code (strong)",
    "address": "none but its address (weak): give it a fixed one",
}


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "discover",
        help="show everything on the network, and what the gateway can serve",
        description="Searches the network for ECHONET Lite nodes and asks each who it is. Shows every object, "
        "supported or not, and why. Nothing is written to any of them.",
        epilog=f"{EXIT_CODES}. Exit code 1 also if nothing at all was found.",
    )
    parser.add_argument("--seconds", type=float, default=4, metavar="N", help="how long to listen (default 4)")
    parser.add_argument(
        "--format",
        choices=("table", "json", "config"),
        default="table",
        help="a table, one JSON object, or lines to paste into site.yaml (default table)",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Search and show."""

    async def main(way: Way) -> int:
        note(f"searching {options.seconds:g} s {way.described}")
        result = await way.ask({"do": "discover", "seconds": options.seconds}, lambda _: None)
        show = {"table": as_table, "json": _as_json, "config": as_config}[options.format]
        for line in show(result):
            print(line)
        return OK if result["found"] else FAILED

    return perform(options, main)


def _as_json(result: Mapping[str, Any]) -> Iterator[str]:
    yield json.dumps(result, ensure_ascii=False, indent=2)


def as_table(result: Mapping[str, Any]) -> Iterator[str]:
    """For people: three lines an object, the supported ones first."""
    found = result["found"]
    if not found:
        where = ", ".join(network["bind"] or name for name, network in result["networks"].items())
        yield f"Nothing answered from {where}."
        yield "Is the unit switched on, on the same LAN (multicast does not cross routers), ECHONET Lite enabled in it?"
        yield "On a machine with several network cards, say which with --bind or --interface."
        return
    several = len(result["networks"]) > 1
    yield from table([("", "ADDRESS", "OBJECT", "CLASS", "REL", "TYPE")], _WIDTHS)
    for row in found:
        mark = "ok" if row["supported"] else "--"
        cells = (mark, row["address"], row["object"], row["class_name"], row["release"] or "?", row["type"] or "")
        yield from table([cells], _WIDTHS)
        yield from labelled("what", _about(row, several))
        yield from labelled("identity", _identity(row))
        if row["twins"]:
            yield from labelled("CONFLICT", f"{', '.join(row['twins'])} claims it too: none of them is controlled")
        yield from labelled("supported" if row["supported"] else "not served", row["why"])
    good = sum(row["supported"] for row in found)
    yield ""
    yield f"{_count(len(found), 'object')} at {_count(result['nodes'], 'address', 'es')}, {good} supported."
    if good:
        yield "Next: `discover --format config` prints lines for site.yaml, `probe ADDRESS:OBJECT` shows one."


def _about(row: Mapping[str, Any], several: bool) -> str:
    parts = [f"maker {row['maker'] or 'not told'}", f"product {row['product'] or 'not told'}", f"class {row['class']}"]
    if several:
        parts.append(f"network {row['network']}")
    if row["configured_as"]:
        parts.append(f"configured as {row['configured_as']}")
    return ", ".join(parts)


def _identity(row: Mapping[str, Any]) -> str:
    told = f"{row['identity']}, " if row["identity"] else ""
    return told + _STRENGTH[row["identity_from"]]


def _count(number: int, word: str, plural: str = "s") -> str:
    return f"{number} {word}{'' if number == 1 else plural}"


# -- a snippet for site.yaml


def as_config(result: Mapping[str, Any]) -> Iterator[str]:
    """What was found as parts of a site configuration: networks, units and meters; the rest in comments."""
    units = [row for row in result["found"] if row["supported"] and not row["meter"]]
    meters = [row for row in result["found"] if row["supported"] and row["meter"]]
    new = [row for row in units if not row["configured_as"]]
    yield "# Found by `ocpp-echonet discover`. Paste it into site.yaml, give the units names of your own, and add each"
    yield "# to an EVSE of a station. `control: observe` never writes; see config/site.yaml for all that can be said."
    if not result["through_gateway"]:
        yield "networks:"
        for name, network in result["networks"].items():
            yield f"  {_key(name)}:"
            yield f"    bind: {_text(network['bind'])} # this machine's own address there"
    several = len(result["networks"]) > 1
    if new:
        yield "units:"
        for number, row in enumerate(new, 1):
            yield from _thing(f"unit{number}", row, several)
            yield "    control: observe # on: steer it; dry-run: log what would be written"
    if meters:
        yield "meters:"
        for number, row in enumerate(meters, 1):
            yield from _thing(f"meter{number}", row, several)
    for row in units:
        if row["configured_as"]:
            yield f"# {_place(row)} is configured already, as {row['configured_as']}"
    for row in result["found"]:
        if not row["supported"]:
            yield f"# {_place(row)} is not served: {row['why']}"


def _thing(name: str, row: Mapping[str, Any], several: bool) -> Iterator[str]:
    yield f"  {name}: # {_place(row)}, maker {row['maker'] or 'not told'}, product {row['product'] or 'not told'}"
    if several:
        yield f"    network: {_key(row['network'])}"
    if row["identity"]:
        yield f'    identity: "{row["identity"]}" # found again at any address'
    else:
        yield f"    address: {_text(row['address'])} # it has no identity: give it this address for good"
    yield f'    class: "{row["class"]}" # {row["class_name"]}'
    yield f"    instance: {int(row['object'][4:], 16)}"


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['address']}:{row['object']} {row['class_name']}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) else json.dumps(name)


def _text(text: str) -> str:
    return json.dumps(text) if ":" in text or "%" in text else text
