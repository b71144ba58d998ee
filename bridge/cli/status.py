"""`ocpp-echonet status`: how a running gateway's stations and units are, and what is wrong with them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any, Final

from bridge.cli.way import FAILED, OK, Way, only_through_gateway, perform

#: What stands before a line that somebody should do something about.
_WRONG: Final = "! "
_Lines = Iterator[tuple[bool, str]]  # whether something is wrong, and the line


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "status",
        help="how a running gateway's stations and units are",
        description=f"Asks the gateway that runs with this configuration. A line that begins with {_WRONG.strip()!r} "
        "tells of something that is wrong, and what mends it.",
        epilog="exit codes: 0 all is well, 1 something is wrong or no gateway runs, 2 wrong command line",
    )
    only_through_gateway(parser, run)


def run(options: argparse.Namespace) -> int:
    """Ask the gateway."""

    async def main(way: Way) -> int:
        status = await way.ask({"do": "status"}, lambda event: None)
        lines = [*_site(status)]
        if options.format == "json":
            print(json.dumps(status, ensure_ascii=False))
        else:
            for wrong, line in lines:
                print(f"{_WRONG if wrong else '  '}{line}")
        return FAILED if any(wrong for wrong, _ in lines) else OK

    return perform(options, main)


def _site(status: dict[str, Any]) -> _Lines:
    for name, station in status["stations"].items():
        yield from _station(name, station)
    for name, unit in status["units"].items():
        yield from _unit(name, unit)
    if status["store"]["trouble"]:
        yield True, f"store: {status['store']['trouble']}"
    if status["store"]["damaged"]:
        yield True, f"store: {status['store']['damaged']}"
    contract = status["contract"]
    if contract is not None:
        watts = "" if contract["charging_mw"] is None else f"{_watts(contract['charging_mw'])} are left for charging"
        yield bool(contract["trouble"]), f"grid connection: {contract['trouble'] or watts}"
    balancing = status.get("balancing")
    if balancing is not None and (balancing["setpoints_mw"] or balancing["trouble"]):
        shown = ", ".join(f"{name}: {_watts(power)}" for name, power in balancing["setpoints_mw"].items())
        yield bool(balancing["trouble"]), f"load balancing: {balancing['trouble'] or shown}"
    for conflict in status["conflicts"]:
        claims = ", ".join(str(place["address"]) for place in conflict["claimed_by"] if "address" in place)
        yield True, f"identity {conflict['identity']} is claimed more than once, and none is controlled: {claims}"


def _station(name: str, station: dict[str, Any]) -> _Lines:
    waiting = station["events_waiting"]
    kept = f", {waiting} messages wait for it" if waiting else ""
    if station["online"]:
        yield False, f"station {name}: online{kept}"
    else:
        yield True, f"station {name}: its CSMS is away: {station['trouble'] or 'it has not accepted the station'}{kept}"
    lost = station["events_given_up"]
    if lost["number"]:
        yield True, f"    {lost['number']} messages were refused for good, the last: {lost['why']}"
    for evse_id, evse in station["evses"].items():
        target = "" if evse["target_mw"] is None else f" {_watts(evse['target_mw'])}"
        going = f"transaction {evse['transaction']}, " if evse["transaction"] else ""
        wanted = "left alone" if evse["hands_off"] else f"wanted: {evse['wanted']}{target}"
        yield False, f"    EVSE {evse_id}: {evse['status'] or 'not known yet'}, {going}{wanted}"
    for limit in station["limits"]:
        where = f"EVSE {limit['evse']}" if limit["evse"] else "all EVSEs"
        yield False, f"    {where}: {limit['direction']} at most {limit['watts']:g} W (by {limit['by']})"


def _unit(name: str, unit: dict[str, Any]) -> _Lines:
    told = [unit["charging_state"] or unit["connector"] or "no state yet"]
    told += [_watts(unit["power"]["value"])] if unit["power"] else []
    told += [f"{unit['soc']['value'] / 1000:g} %"] if unit["soc"] else []
    address = f" at {unit['at']['address']}" if unit["at"] else ""
    yield not unit["reachable"], f"unit {name}{address}: {', '.join(told) if unit['reachable'] else 'does not answer'}"
    for trouble in (unit["not_served"], unit["trouble"], _fault(unit["fault"])):
        if trouble:
            yield True, f"    {trouble}"


def _fault(fault: dict[str, Any] | None) -> str | None:
    return None if fault is None else f"fault {fault['code']} {fault['description']}".strip()


def _watts(milliwatts: int) -> str:
    return f"{milliwatts / 1000:g} W"
