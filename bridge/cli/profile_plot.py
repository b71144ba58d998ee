"""Pictures of schedules and days, by matplotlib, which only this module imports (the extra `plot`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import ConfigError

if TYPE_CHECKING:
    from bridge.sim.day import Day, Sample

_SUFFIXES: Final = (".svg", ".png")
_MODULE: Final = "matplotlib"
_HOUR: Final = 3_600_000
_BLUE, _ORANGE, _GREY, _RED, _GREEN = "#1f5fa8", "#e08a1e", "#8a8a8a", "#b3261e", "#2e7d4f"
_AWAY, _DARK = "#ececec", "#dfe9f5"
_STYLE: Final[Mapping[str, Any]] = {
    "svg.fonttype": "none",  # text stays text: smaller, and it can be searched
    "svg.hashsalt": "ocpp-echonet",  # the same day makes the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def check_drawing(out: Path) -> None:
    """Before anything is worked out: whether it can be drawn, and kept.

    Raises:
        ConfigError: the suffix is none that is drawn, the folder is not there, or matplotlib is not.
    """
    if out.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{out}: a picture is drawn as *{' or *'.join(_SUFFIXES)}")
    if not out.parent.is_dir():
        raise ConfigError(f"{out}: there is no folder {out.parent}")
    if find_spec(_MODULE) is None:
        raise ConfigError("drawing needs matplotlib: pip install 'ocpp-echonet[plot]'")


def _pyplot() -> Any:
    """Drawing to files, without any screen."""
    import_module(_MODULE).use("Agg")
    return import_module(f"{_MODULE}.pyplot")


def draw_day(day: Day, out: Path) -> None:
    """Power, house and charge of a day, one above the other."""
    pyplot = _pyplot()
    with pyplot.rc_context(dict(_STYLE)):
        figure, (power, house, charge) = pyplot.subplots(
            3, 1, sharex=True, figsize=(9.6, 7.2), height_ratios=(3.2, 2.2, 1.3), layout="constrained"
        )
        figure.suptitle(f"A day in a house, class 0x{day.unit_class:04X} (UTC+9, simulated)", fontsize=11)
        for axes in (power, house, charge):
            _shade(axes, day)
        _power(power, day)
        _house(house, day)
        _charge(charge, day)
        _marks(power, day)
        charge.set_xlim(0, 24)
        charge.set_xticks(range(0, 25, 2), [f"{hour:02d}:00" for hour in range(0, 25, 2)])
        _save(figure, out)
        pyplot.close(figure)


def _power(axes: Any, day: Day) -> None:
    _step(axes, day, lambda s: s.schedule, color=_GREY, linestyle="--", linewidth=1.4, label="schedule of the CSMS")
    hours, watts = _points(day, lambda s: s.measured or 0)
    axes.fill_between(hours, watts, step="post", color=_ORANGE, alpha=0.45, linewidth=0, label="power measured")
    _step(axes, day, _granted, color=_BLUE, linewidth=1.4, label="limit granted")
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_ylabel("at the car, kW\n(below 0: discharge)")
    axes.legend(loc="lower right", ncols=3)
    axes.margins(y=0.16)


def _granted(sample: Sample) -> float | None:
    """What the unit was set to; nothing while it pauses, and no line while no energy is wanted."""
    return None if sample.limit is None else sample.granted or 0


def _house(axes: Any, day: Day) -> None:
    hours, load = _points(day, lambda s: s.load)
    axes.fill_between(hours, load, step="post", color=_GREY, alpha=0.3, linewidth=0, label="the house besides the car")
    _step(axes, day, lambda s: s.grid, color=_GREEN, linewidth=1.2, label="drawn from the grid")
    axes.axhline(
        day.contract_w / 1000, color=_RED, linestyle="--", linewidth=1, label=f"contract, {day.contract_w // 100} A"
    )
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_ylabel("grid, kW")
    axes.legend(loc="upper center", ncols=3)
    axes.set_ylim(top=day.contract_w / 1000 * 1.5)


def _charge(axes: Any, day: Day) -> None:
    _step(axes, day, lambda s: s.soc if s.plugged else None, scale=1, color=_BLUE, linewidth=1.4)
    axes.axhline(day.floor, color=_RED, linestyle="--", linewidth=1, label=f"floor of discharge, {day.floor} %")
    axes.set_ylabel("charge, %")
    axes.set_ylim(0, 100)
    axes.legend(loc="upper right")


def _shade(axes: Any, day: Day) -> None:
    for begin, end in day.spans(lambda s: not s.plugged):
        axes.axvspan(begin / _HOUR, end / _HOUR, color=_AWAY, linewidth=0, zorder=0)
    for begin, end in day.spans(lambda s: not s.online):
        axes.axvspan(begin / _HOUR, end / _HOUR, color=_DARK, linewidth=0, zorder=0)


def _marks(axes: Any, day: Day) -> None:
    for at, text in day.marks:
        where = {"xy": (at / _HOUR, 1), "xycoords": ("data", "axes fraction")}
        axes.annotate(text, **where, xytext=(2, 2), textcoords="offset points", fontsize=8, rotation=0, color="#444444")
        axes.axvline(at / _HOUR, color="#bbbbbb", linewidth=0.8, linestyle=":")


def _step(axes: Any, day: Day, of: Callable[[Sample], float | None], *, scale: float = 1000, **look: Any) -> None:
    hours, values = _points(day, of, scale)
    axes.step(hours, values, where="post", **look)


def _points(day: Day, of: Callable[[Sample], float | None], scale: float = 1000) -> tuple[list[float], list[float]]:
    """Hours and values; of a stretch that stays the same only its ends."""
    nothing = float("nan")
    told = [(sample.t / _HOUR, of(sample)) for sample in day.samples]
    kept = [
        (hour, value)
        for number, (hour, value) in enumerate(told)
        if number in (0, len(told) - 1) or value != told[number - 1][1] or value != told[number + 1][1]
    ]
    return [hour for hour, _ in kept], [nothing if value is None else value / scale for _, value in kept]


# -- what a running station has before it


def draw_schedule(told: Mapping[str, Any], out: Path) -> None:
    """The limits that a gateway has told (`schedule` of its local API), and what is granted and measured now."""
    pyplot = _pyplot()
    with pyplot.rc_context(dict(_STYLE)):
        figure, axes = pyplot.subplots(figsize=(9.6, 3.6), layout="constrained")
        axes.set_title(f"EVSE {told['evse']} of {told['station']}, from {told['now']}", fontsize=10)
        times, limits = _limits(told["pieces"])
        axes.step(times, limits, where="post", color=_BLUE, linewidth=1.4, label="limit, all profiles together")
        _leads(axes, told["pieces"])
        now = datetime.fromisoformat(told["now"])
        for key, color, label in (("offered_w", _BLUE, "granted now"), ("measured_w", _ORANGE, "measured now")):
            if told[key] is not None:
                axes.plot([now], [told[key] / 1000], "o", color=color, label=label)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set_ylabel("kW (below 0: discharge)")
        axes.legend(loc="best")
        figure.autofmt_xdate()
        _save(figure, out)
        pyplot.close(figure)


def _limits(pieces: Sequence[Mapping[str, Any]]) -> tuple[list[datetime], list[float]]:
    times = [datetime.fromisoformat(piece["from"]) for piece in pieces]
    limits = [_kilowatts(piece["limit_w"]) for piece in pieces]
    return [*times, datetime.fromisoformat(pieces[-1]["until"])], [*limits, limits[-1]]


def _leads(axes: Any, pieces: Sequence[Mapping[str, Any]]) -> None:
    """What the profile that leads says by itself, where bounds make less of it."""
    said = [None if piece["lead"] is None else piece["lead"]["alone_w"] for piece in pieces]
    times, _ = _limits(pieces)
    values = [_kilowatts(each) for each in said]
    style = {"color": _GREY, "linestyle": "--", "linewidth": 1.2, "zorder": 1}
    axes.step(times, [*values, values[-1]], where="post", label="schedule of the CSMS", **style)


def _kilowatts(watts: float | None) -> float:
    return float("nan") if watts is None else watts / 1000


def _save(figure: Any, out: Path) -> None:
    """Without a date, so that the same picture is the same file."""
    metadata = {"Date": None} if out.suffix.lower() == _SUFFIXES[0] else None
    try:
        figure.savefig(out, dpi=120, metadata=metadata)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}") from None
