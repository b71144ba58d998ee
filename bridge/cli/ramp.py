"""`ocpp-echonet ramp`: a unit taken through several settings, with what each of them really did."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bridge.cli.layout import labelled, table, wrap
from bridge.cli.probe import add_unit
from bridge.cli.way import EXIT_CODES, FAILED, OK, Way, WayError, add_options, note, perform

_WIDTHS: Final = (5, 9, 9, 19, 7, 9, 9)
_HEAD: Final = ("STEP", "ORDERED", "MEASURED", "LOWEST..HIGHEST", "SOC", "CONFIRMED", "REACHED")
_RIGHT: Final = (1, 2, 3, 4, 5, 6)


def register(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "ramp",
        help="step through charge and discharge settings and measure the effect",
        description="Orders one setting after the other by the gateway's own loop, never beyond the unit's range, "
        "waits until the unit follows, holds each for a while, and shows what was read back and measured. Asks before "
        "it moves power. However it ends - done, failed, Ctrl-C - the unit is stopped.",
        epilog=f"For example: ramp 192.0.2.20 --steps 1500,3000 --hold 60. {EXIT_CODES}. Exit code 1 also if you did "
        "not agree, a step failed, or the stop was not confirmed.",
    )
    add_unit(parser)
    parser.add_argument(
        "--steps",
        type=_steps,
        metavar="W,W,...",
        help="settings in W; minus discharges, 0 pauses; --steps=-1000,1500 (default: 25, 50, 75, 100 %% of its range)",
    )
    parser.add_argument("--hold", type=float, default=20, metavar="S", help="seconds that each is held (default 20)")
    parser.add_argument(
        "--discharge", action="store_true", help="discharge steps too; with a configuration its EVSE has to allow it"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="a table, or JSON Lines")
    add_options(parser)
    parser.set_defaults(run=run)


def _steps(text: str) -> list[int]:
    try:
        return [int(step) for step in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers of W, such as 1500,3000") from None


def run(options: argparse.Namespace) -> int:
    """Plan, ask, go."""

    async def main(way: Way) -> int:
        note(f"{options.unit} {way.described}")
        request = {
            "do": "ramp",
            "unit": options.unit,
            "network": options.network,
            "hold": options.hold,
            "discharge": options.discharge,
        }
        if options.steps is not None:
            request["steps"] = options.steps
        show = _Json() if options.format == "json" else _Table()
        if not options.yes and not await _planned(way, request):
            note("nothing was moved")
            return FAILED
        result = await way.ask({**request, "yes": True}, show)
        show.end(result)
        return OK if result["ended"] == "done" and result["stopped"] else FAILED

    return perform(options, main)


async def _planned(way: Way, request: Mapping[str, Any]) -> bool:
    """Show what would be done; whether the person agrees."""
    try:
        planned = await way.ask(request, _reading)
        for line in plan_lines(planned["plan"]):
            note(line)
        return await _agreed()
    except asyncio.CancelledError:
        note("\nnothing was moved")
        raise


def _reading(event: Mapping[str, Any]) -> None:
    """Reading a slow unit takes a while: say so."""
    if event["event"] == "reading":
        note(f"reading the unit at {event['address']}")


async def _agreed() -> bool:
    """Ask the person. Without one, --yes has to say it."""
    if not sys.stdin.isatty():
        raise WayError("ramp moves power and there is nobody to ask: add --yes if that is meant")
    sys.stderr.write("Move power now? [y/N] ")
    sys.stderr.flush()
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def typed() -> None:
        if not answer.done():
            answer.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin, typed)
    try:
        return (await answer).strip().lower() in ("y", "yes")
    finally:
        loop.remove_reader(sys.stdin)


def plan_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """What would be done, for a person to agree to."""
    steps = plan["steps_w"]
    yield f"{plan['unit']} at {plan['address']}, object {plan['object']}"
    yield from labelled("steps", ", ".join(f"{step} W" for step in steps), 2)
    seconds = len(steps) * plan["hold_s"]
    yield from labelled(
        "each held", f"{plan['hold_s']:g} s, all in all {_duration(seconds)} and what the unit needs to follow", 2
    )
    yield from labelled("range", f"charge {_w(plan['charge_max_w'])}, discharge {_w(plan['discharge_max_w'])}", 2)
    soc = "not told" if plan["soc_percent"] is None else f"{plan['soc_percent']:g} %"
    yield from labelled("vehicle", f"plugged in: {plan['vehicle']}, state of charge {soc}", 2)


class _Table:
    """Steps as they come, then how it ended."""

    def __init__(self) -> None:
        self._headed = False

    def __call__(self, event: Mapping[str, Any]) -> None:
        """The ramp said something."""
        match event["event"]:
            case "reading":
                _reading(event)
            case "step":
                if not self._headed:
                    self._headed = True
                    _print(*table([_HEAD], _WIDTHS, right=_RIGHT))
                _print(*step_lines(event))
            case "ordered":
                note(f"step {event['step']} of {event['of']}: {event['ordered_w']} W ordered")
            case "stopping":
                note("stopping the unit")

    def end(self, result: Mapping[str, Any]) -> None:
        """The last lines."""
        _print("", *end_lines(result))


class _Json:
    """Every event as a line, and the result as the last."""

    def __call__(self, event: Mapping[str, Any]) -> None:
        """The ramp said something."""
        _print(json.dumps(event, ensure_ascii=False))

    def end(self, result: Mapping[str, Any]) -> None:
        """The result."""
        _print(json.dumps({"event": "result", **result}, ensure_ascii=False))


def step_lines(step: Mapping[str, Any]) -> Iterator[str]:
    """One step's row, what was read back under it, and what went wrong."""
    between = "" if step["lowest_w"] is None else f"{step['lowest_w']}..{step['highest_w']} W"
    soc = "" if step["soc_percent"] is None else f"{step['soc_percent']:g} %"
    cells = (
        f"{step['step']}/{step['of']}",
        _w(step["ordered_w"]),
        _w(step["power_w"]),
        between,
        soc,
        _s(step["confirmed_after_s"]),
        _s(step["reached_after_s"]),
    )
    yield from table([cells], _WIDTHS, right=_RIGHT)
    if step["read_back"]:
        yield from (f"       {line}" for line in wrap("read back " + ", ".join(step["read_back"]), 90))
    if step["trouble"]:
        yield from (f"       {line}" for line in wrap(f"failed: {step['trouble']}", 90))


def end_lines(result: Mapping[str, Any]) -> Iterator[str]:
    """How it ended, and whether the unit is stopped: the most important line."""
    went = {"done": "All steps done.", "interrupted": "Interrupted.", "failed": f"Failed: {result['why']}."}
    yield went.get(result["ended"], f"Ended early: {result['why']}.")
    if result["stopped"]:
        yield "The unit is stopped."
    elif result["ended"] == "taken over":
        yield f"The unit was not stopped by this command: {result['stop_trouble']}."
    else:
        yield f"THE STOP IS NOT CONFIRMED: {result['stop_trouble']}. Look at the unit, and stop it at its own panel."


def _duration(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def _w(watts: int | None) -> str:
    return "not told" if watts is None else f"{watts} W"


def _s(seconds: float | None) -> str:
    return "no" if seconds is None else f"{seconds:.1f} s"


def _print(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)
