"""How long a composite schedule of 24 h takes, at 10 to 1,000 profiles of 96 periods, and how that grows.

Two sets: `stacked`, as a CSMS might leave them (all purposes and kinds, most of them hidden below others), and `seen`,
where every period of every profile is seen, so that the answer grows with the profiles too. Profiles are compiled when
they are installed; that is measured apart.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from bridge.station.composite import Composite, Grid, epoch_ms
from bridge.station.limits import InstalledProfile
from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    RecurrencyKind,
)

COUNTS = (10, 50, 200, 1000)
PERIODS = 96
DAY = 86_400
#: The whole answer, however long.
ANY = 10**9
_START = datetime(2026, 3, 2, 17, 23, tzinfo=UTC)
_GRID = Grid(200_000, 3, False)
_PURPOSES = tuple(ChargingProfilePurpose)
_KINDS = tuple(ChargingProfileKind)


def stacked(count: int) -> list[InstalledProfile]:
    """Quarters of an hour in every purpose and kind, on stack levels of their own; half of them last a while only."""
    random = Random(count)
    made = []
    for number in range(count):
        purpose = _PURPOSES[number % 4]
        of_bound = purpose is ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE
        kind = _KINDS[number % 3]
        kind = ChargingProfileKind.ABSOLUTE if of_bound and kind is ChargingProfileKind.RELATIVE else kind
        quarters = [(900 * period, random.randint(0, 11_000)) for period in range(PERIODS)]
        start = _START - timedelta(seconds=random.randint(0, 7 * DAY))
        duration = random.choice((None, random.randint(600, 20_000)))
        made.append(_profile(number, purpose, kind, start, duration, quarters))
    return made


def seen(count: int) -> list[InstalledProfile]:
    """The day cut among the profiles, and each one's part cut into its periods."""
    part = DAY // count
    made = []
    for number in range(count):
        start = _START + timedelta(seconds=part * number)
        periods = [(period * part // PERIODS, 3000 + (number + period) % 977) for period in range(PERIODS)]
        periods = list({second: (second, limit) for second, limit in periods}.values())
        purpose = ChargingProfilePurpose.TX_DEFAULT_PROFILE
        made.append(_profile(number, purpose, ChargingProfileKind.ABSOLUTE, start, part, periods))
    return made


def _profile(
    number: int,
    purpose: ChargingProfilePurpose,
    kind: ChargingProfileKind,
    start: datetime,
    duration: int | None,
    periods: Sequence[tuple[int, float]],
) -> InstalledProfile:
    own = purpose is ChargingProfilePurpose.TX_PROFILE
    station = purpose is ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE
    schedule = ChargingSchedule(
        id=1,
        charging_rate_unit=ChargingRateUnit.W,
        charging_schedule_period=tuple(ChargingSchedulePeriod(second, limit) for second, limit in periods),
        start_schedule=None if kind is ChargingProfileKind.RELATIVE else start,
        duration=duration,
    )
    profile = ChargingProfile(
        id=number,
        stack_level=number,
        charging_profile_purpose=purpose,
        charging_profile_kind=kind,
        charging_schedule=(schedule,),
        recurrency_kind=RecurrencyKind.DAILY if kind is ChargingProfileKind.RECURRING else None,
        transaction_id="tx" if own else None,
    )
    return InstalledProfile(0 if station else 1, profile)


def measure(rounds: int = 15) -> dict[str, Any]:
    """Median ms of wall clock and of CPU, the number of pieces, and the growth between the counts."""
    gc.collect()
    gc.freeze()  # as the gateway does when it is up: a test run's own objects are not to be looked through
    figures: dict[str, Any] = {}
    for name, make in (("stacked", stacked), ("seen", seen)):
        figures[name] = {count: _measured(make(count), rounds) for count in COUNTS}
        figures[f"{name}-growth"] = growth({count: figures[name][count]["cpu_ms"] for count in COUNTS})
    return figures


def _measured(installed: list[InstalledProfile], rounds: int) -> dict[str, float]:
    now = epoch_ms(_START)
    compiling = _once(lambda: [item.plan(_GRID) for item in installed])

    def whole() -> int:
        composite = Composite(installed, 1, _GRID, now=now, transaction_id="tx", power_path_closed=now - 600_000)
        return len(composite.pieces(now, now + DAY * 1000, ANY))

    pieces = whole()
    times = [_once(whole) for _ in range(rounds)]
    return {
        "wall_ms": statistics.median(wall for wall, _ in times),
        "cpu_ms": statistics.median(cpu for _, cpu in times),
        "compile_ms": compiling[1],
        "pieces": pieces,
    }


def _once(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def growth(times: dict[int, float]) -> dict[str, float]:
    """The exponent of the time in n, fitted over all counts; and that of n log n over the same counts."""
    return {
        "exponent": _slope([(math.log(n), math.log(ms)) for n, ms in times.items()]),
        "n_log_n": _slope([(math.log(n), math.log(n * math.log(n))) for n in times]),
    }


def _slope(points: Sequence[tuple[float, float]]) -> float:
    x, y = statistics.fmean(point[0] for point in points), statistics.fmean(point[1] for point in points)
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


if __name__ == "__main__":
    for name, figure in measure().items():
        print(name, figure)
