"""`ocpp-echonet profile`: what charging profiles come to at a unit, told and drawn before anything is written."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.cli.way import EXIT_CODES, FAILED, OK, Way, add_options, note, perform
from bridge.errors import ConfigError
from bridge.policies import DischargeWay

if TYPE_CHECKING:
    from bridge.cli.profile_course import Course, Place
    from bridge.cli.profile_units import Subject
    from bridge.station.device_model import DeviceModel

_HOURS: Final = 24.0
_VERSIONS: Final = ("2.0.1", "2.1")
_WAYS: Final = tuple(way.value for way in DischargeWay)
_LONGEST: Final = 14 * 24
_NO_GATEWAY: Final = "start it first: ocpp-echonet run"
_EXPLAIN: Final = """\
Merges charging profiles as the station does (GetCompositeSchedule tells the same), and shows edge by edge: the limit,
which profile decides, what the unit's own bounds make of it, and the writes that would go out, by the row of the
mapping table that says so. Nothing is written.

With --profile the profiles come from a FILE: a SetChargingProfile payload, or a list of them, in JSON or YAML; each is
judged as a station would, and a rejected one is told with its reason. The unit is UNIT of the configuration (read
through its gateway, or over the network), or without one a usual unit of --table and --release.
With --station and --evse it is what a running gateway has installed now."""
_EXPLAINED: Final = f"""\
examples:
  ocpp-echonet profile explain --profile night.yaml --table 0x027E --release P --discharge
  ocpp-echonet profile explain --profile night.yaml --unit garage --config site.yaml --at 2026-01-15T22:00:00Z
  ocpp-echonet profile explain --station CS-1 --evse 1 --config site.yaml --hours 12

{EXIT_CODES}; 1 also where a profile of the file is rejected"""
_PLOT: Final = """\
Draws the schedule, the limit granted and the power measured, as SVG or PNG by the file's suffix (needs matplotlib: the
extra `plot`). --day plays a day in a house on the virtual clock: a whole gateway, a simulated unit and vehicle, a smart
meter and a CSMS. --station draws what a running gateway has before it, and what is measured now."""


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("profile", help="explain and draw what charging profiles come to, before it happens")
    doing = parser.add_subparsers(title="what to do", required=True, metavar="WHAT")
    _register_explain(doing)
    _register_plot(doing)


def _register_explain(doing: Any) -> None:
    parser = doing.add_parser(
        "explain",
        help="the composite schedule edge by edge, and what would be written to the unit",
        description=_EXPLAIN,
        epilog=_EXPLAINED,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--profile", type=Path, metavar="FILE", help="SetChargingProfile payloads, JSON or YAML")
    parser.add_argument("--ocpp", choices=_VERSIONS, default=_VERSIONS[0], help="the version that FILE is written in")
    parser.add_argument("--unit", metavar="UNIT", help="a unit of the configuration, ADDRESS or ADDRESS:OBJECT")
    _add_station(parser)
    parser.add_argument("--at", type=_moment, metavar="TIME", help="from when, 2026-01-15T22:00:00Z (default: now)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    usual = parser.add_argument_group("without a unit: a usual one")
    usual.add_argument("--table", default="0x027E", metavar="CLASS", help="its class (default 0x027E)")
    usual.add_argument("--release", metavar="LETTER", help="its Appendix release (default: the table's newest)")
    usual.add_argument("--given", metavar="WORDS", help='what it tells otherwise, "ratedChargeElectricPower=3kW C7=41"')
    usual.add_argument(
        "--discharge",
        nargs="?",
        action="append",
        const=_WAYS[0],
        default=[],
        choices=_WAYS,
        help=f"the site lets a discharge be ordered by these words (default {_WAYS[0]}); repeatable",
    )
    usual.add_argument("--voltage", type=int, default=200, metavar="V", help="of the grid, per phase (default 200)")
    usual.add_argument("--phases", type=int, choices=(1, 2, 3), default=1, help="of the EVSE (default 1)")
    parser.add_argument(
        "--tables",
        action="append",
        default=[],
        type=Path,
        metavar="PATH",
        help="mapping tables of your own; repeatable",
    )
    add_options(parser)
    parser.set_defaults(run=run)


def _register_plot(doing: Any) -> None:
    parser = doing.add_parser("plot", help="draw schedule, limit granted and power measured", description=_PLOT)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to: *.svg or *.png")
    parser.add_argument("--day", action="store_true", help="a day in a house, on the virtual clock")
    parser.add_argument("--table", default="0x027E", metavar="CLASS", help="with --day: the unit's class")
    _add_station(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="with --station: the gateway's site configuration")
    nothing = {"bind": None, "interface": None, "group": None, "mappings": None, "network": None}
    parser.set_defaults(run=run_plot, gateway_only=_NO_GATEWAY, **nothing)


def _add_station(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--station", metavar="ID", help="a station of the gateway that runs with --config")
    parser.add_argument("--evse", type=int, metavar="N", help="its EVSE (default 1)")
    parser.add_argument("--hours", type=_hours, default=_HOURS, metavar="H", help="how far to look (default 24)")


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and up to {_LONGEST}")
    return hours


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is no time like 2026-01-15T22:00:00Z') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# -- explain


def run(options: argparse.Namespace) -> int:
    """Explain; 1 where a profile is rejected."""
    if options.station is not None:
        return _live(options)
    if options.profile is None:
        raise ConfigError("profile explain: name a FILE with --profile, or a running station with --station and --evse")
    if options.evse is not None and options.config is not None:
        raise ConfigError("profile explain: the unit says which EVSE it is; leave --evse out")
    if options.unit is None:
        return _usual(options)
    return _with_unit(options)


def _usual(options: argparse.Namespace) -> int:
    import asyncio

    from bridge.cli.profile_course import Place
    from bridge.cli.profile_file import read_profiles
    from bridge.cli.profile_units import usual_unit
    from bridge.clock import Clock

    async def now() -> datetime:
        return Clock().wall()

    if options.config is not None:
        raise ConfigError("profile explain: --config needs a --unit of it, or a --station that runs")
    filed = read_profiles(options.profile, options.ocpp)
    named = sorted({each.request.evse_id for each in filed} - {0})
    evse = options.evse or (named[0] if len(named) == 1 else 1)
    subject = usual_unit(options.table, options.release, options.given, options.tables, bool(options.discharge))
    place = Place(
        evse_id=evse,
        evses=(evse,),
        voltage=options.voltage * 1000,
        phases=options.phases,
        discharge=_ways(options),
    )
    return _show(options, subject, place, _dry_run(options, filed, subject, place, asyncio.run(now())))


def _with_unit(options: argparse.Namespace) -> int:
    from bridge.cli.profile_file import read_profiles

    filed = read_profiles(options.profile, options.ocpp)

    async def main(way: Way) -> int:
        from bridge.cli.profile_units import live_unit
        from bridge.clock import Clock

        place, floor = _place(options)
        note(f"reading {options.unit} {way.described}")
        told = await way.ask({"do": "explain", "unit": options.unit, "network": options.network}, lambda event: None)
        by_gateway = bool(told["through_gateway"])
        own = (None, None) if by_gateway else (bool(place.discharge), floor)
        subject = live_unit(told, options.tables, *own)
        return _show(options, subject, place, _dry_run(options, filed, subject, place, Clock().wall()))

    return perform(options, main)


def _ways(options: argparse.Namespace) -> frozenset[DischargeWay]:
    return frozenset(DischargeWay(way) for way in options.discharge)


def _place(options: argparse.Namespace) -> tuple[Place, int | None]:
    """What the configuration says of the unit's EVSE, and the floor of its charge (%)."""
    from bridge.cli.profile_course import Place

    if options.config is None:
        own = {"voltage": options.voltage * 1000, "phases": options.phases, "discharge": _ways(options)}
        return Place(evse_id=options.evse or 1, evses=(options.evse or 1,), **own), None
    from bridge.gateway.config import load_config
    from bridge.gateway.stations import balances, device_model_for
    from bridge.station.device_model_table import Key
    from bridge.station.messages import ChargingRateUnit

    site = load_config(options.config)
    for station in site.stations:
        for evse in station.evses:
            if evse.unit != options.unit:
                continue
            model = device_model_for(station, {}, site.receiving_point)
            place = Place(
                evse_id=evse.id,
                evses=tuple(each.id for each in station.evses),
                voltage=evse.grid.voltage * 1000,
                phases=evse.grid.phases,
                discharge=frozenset(evse.discharge),
                rate_units=frozenset(ChargingRateUnit(unit) for unit in model.members(Key.SMART_RATE_UNIT)),
                max_stack_level=model.integer(Key.SMART_PROFILE_STACK_LEVEL),
                max_periods=model.integer(Key.SMART_PERIODS_PER_SCHEDULE),
                station=station.id,
                balancing=site.receiving_point is not None,
                no_thresholds=_no_thresholds(model, evse.id) if site.receiving_point and balances(station) else None,
            )
            return place, site.units[evse.unit].soc_floor
    own = {"voltage": options.voltage * 1000, "phases": options.phases, "discharge": _ways(options)}
    return Place(**own), None


def _no_thresholds(model: DeviceModel, evse_id: int) -> str | None:
    """Why load balancing would be refused by what the site says, which a CSMS may change."""
    from bridge.station.v2x_variables import band_of

    found = band_of(model, evse_id)
    return found if isinstance(found, str) else None


def _dry_run(options: argparse.Namespace, filed: Any, subject: Subject, place: Place, now: datetime) -> Course:
    from bridge.cli.profile_course import HOUR, dry_run
    from bridge.station.composite import epoch_ms

    start = epoch_ms(options.at or now) // 1000 * 1000
    return dry_run(filed, place, subject.unit, subject.abilities, start, start + int(options.hours * HOUR))


def _show(options: argparse.Namespace, subject: Subject, place: Place, course: Course) -> int:
    rejected = any(not each.verdict.accepted for each in course.judged)
    judged = [each.as_json() for each in course.judged]
    rows = [each.as_json() for each in course.rows]
    where = f"EVSE {place.evse_id}" + (f" of {place.station}" if place.station else "")
    if options.json:
        head = {"unit": subject.title, "evse": place.evse_id, "station": place.station, "assumed": subject.assumed}
        print(json.dumps({**head, "transaction": course.transaction, "profiles": judged, "pieces": rows}, indent=2))
        return FAILED if rejected else OK
    from bridge.cli.layout import labelled
    from bridge.cli.profile_text import profile_lines, row_lines

    print(f"{subject.title}, {where}")
    for line in labelled("assumed", ", ".join(subject.assumed), 0, 9) if subject.assumed else ():
        print(line)
    for line in (*profile_lines(judged), *row_lines(rows)):
        print(line)
    return FAILED if rejected else OK


# -- of a running station


def _live(options: argparse.Namespace) -> int:
    if options.profile is not None:
        raise ConfigError("profile explain: either the FILE of --profile, or what --station has installed")
    if options.config is None:
        raise ConfigError("profile explain: --station is one of the gateway that runs with --config; name that")
    if options.at is not None:
        raise ConfigError("profile explain: a running station is told from now on; leave --at out")
    options.gateway_only = _NO_GATEWAY

    async def main(way: Way) -> int:
        told = await ask_schedule(way, options)
        rows = await _carried(way, told, options)
        if options.json:
            print(json.dumps({**told, "pieces": rows}, indent=2))
            return OK
        from bridge.cli.profile_text import row_lines

        for line in (*_head(told), *row_lines(rows)):
            print(line)
        return OK

    return perform(options, main)


async def ask_schedule(way: Way, options: argparse.Namespace) -> dict[str, Any]:
    """What a running station has before it."""
    request = {"do": "schedule", "station": options.station, "evse": options.evse or 1, "hours": options.hours}
    return await way.ask(request, lambda event: None)


async def _carried(way: Way, told: dict[str, Any], options: argparse.Namespace) -> list[dict[str, Any]]:
    """The pieces with what would be written, by the unit as it is now."""
    from bridge.cli.profile_course import with_unit
    from bridge.cli.profile_units import live_unit

    seen = await way.ask({"do": "explain", "unit": told["unit"]}, lambda event: None)
    subject = live_unit(seen, options.tables, None, None)
    rows = []
    for piece in told["pieces"]:
        limit = piece["limit_w"]
        carried = subject.unit.carry_out(None if limit is None else round(limit * 1000))
        rows.append(with_unit(piece, carried))
    return rows


def _head(told: dict[str, Any]) -> list[str]:
    running = f"transaction {told['transaction']}" if told["transaction"] else "no transaction"
    now = [f"{name} {told[key]:g} W" for name, key in _NOW.items() if told[key] is not None]
    lines = [
        f"EVSE {told['evse']} of {told['station']}, unit {told['unit']}: {running}, {told['profiles']} profiles",
        ", ".join(("now", *now)) if now else "now nothing is granted",
    ]
    if not told["wants_energy"]:
        lines.append("no energy is wanted now: what follows is what would count if it were")
    if told["hands_off"]:
        lines.append("the unit is left alone (hands off): nothing is written until that is lifted")
    if told["held"]:
        lines.append(f"the profiles are not followed now: {told['held']}")
    if told["trouble"]:
        lines.append(f"trouble: {told['trouble']}")
    return lines


_NOW: Final = {"limit": "limit_in_force_w", "offered": "offered_w", "measured": "measured_w"}


# -- plot


def run_plot(options: argparse.Namespace) -> int:
    """Draw."""
    from bridge.cli.profile_plot import check_drawing

    check_drawing(options.out)
    if options.day == (options.station is not None):
        raise ConfigError("profile plot: either --day, or --station of a gateway that runs with --config")
    if options.day:
        return _plot_day(options)
    if options.config is None:
        raise ConfigError("profile plot: --station is one of the gateway that runs with --config; name that")

    async def main(way: Way) -> int:
        from bridge.cli.profile_plot import draw_schedule

        draw_schedule(await ask_schedule(way, options), options.out)
        print(options.out)
        return OK

    return perform(options, main)


def _plot_day(options: argparse.Namespace) -> int:
    from bridge.cli.profile_day import play_day
    from bridge.cli.profile_plot import draw_day
    from bridge.clock import run_virtual
    from bridge.gateway.config import LogConfig
    from bridge.gateway.logs import set_up_logs

    set_up_logs(LogConfig(format="console", level="error"))
    try:
        code = int(options.table, 16)
    except ValueError:
        raise ConfigError(f'--table: "{options.table}" is no class like 0x027E') from None
    day = run_virtual(play_day(code))
    draw_day(day, options.out)
    print(options.out)
    return OK
