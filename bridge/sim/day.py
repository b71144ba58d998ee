"""A day in a house: what it draws, when its car comes and goes, and what its CSMS plans and does. Without any gateway.

Times are of the house's own day (Japan, UTC+9), counted in ms from its midnight.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from bridge.clock import Clock
from bridge.sim.classes import CHARGER_DISCHARGER
from bridge.sim.control import SimUnit
from bridge.sim.csms import CALL, DemoCsms, Message
from bridge.sim.csms_parts import NotConnectedError, StationCallError, StationTimeoutError

HOUSE_TIME: Final = timezone(timedelta(hours=9), "JST")
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
#: Midnight at which the day begins; the virtual clock stands before it.
BEGINS: Final = datetime(2026, 1, 6, tzinfo=HOUSE_TIME)
#: A 60 A contract of 100 V.
CONTRACT_W: Final = 6_000
CAPACITY_WH: Final = 40_000
#: Percent: what the site leaves in the car.
FLOOR: Final = 52
_TOKEN: Final = {"idToken": "HOME-1", "type": "Central"}

#: What the house draws besides the car: from when (h), how much (W).
LOAD: Final[Sequence[tuple[float, int]]] = (
    (0.0, 400),
    (2.0, 2_900),  # the water heater
    (4.0, 400),
    (6.5, 1_500),
    (7.0, 2_400),
    (7.75, 1_600),
    (8.5, 500),
    (12.0, 700),
    (17.5, 1_200),
    (18.5, 4_600),  # cooking, heating, a bath
    (19.25, 5_600),
    (19.75, 1_800),
    (22.0, 900),
    (23.0, 400),
)
#: What the CSMS plans, day after day: from when (h), the limit (W).
PLAN: Final[Sequence[tuple[float, int]]] = (
    (0.0, 0),
    (1.0, 4_500),
    (5.0, 0),
    (7.0, -2_500),
    (9.0, 0),
    (18.0, 3_000),
    (20.0, 0),
)
_STARTS: Final = [round(hour * HOUR) for hour, _ in LOAD]


def load_w(at: int) -> int:
    """What the house draws besides the car."""
    return LOAD[max(bisect_right(_STARTS, at % DAY) - 1, 0)][1]


def plan(discharges: bool) -> dict[str, Any]:
    """The plan as a SetChargingProfile: a recurring TxDefaultProfile; who cannot discharge pauses instead."""
    periods = [
        {"startPeriod": round(hour * 3600), "limit": float(watts if discharges else max(watts, 0))}
        for hour, watts in PLAN
    ]
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Recurring",
        "recurrencyKind": "Daily",
        "chargingSchedule": [
            {
                "id": 1,
                "startSchedule": BEGINS.isoformat(),
                "chargingRateUnit": "W",
                "chargingSchedulePeriod": _merged(periods),
            }
        ],
    }
    return {"evseId": 1, "chargingProfile": profile}


def _merged(periods: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        period for number, period in enumerate(periods) if not number or period["limit"] != periods[number - 1]["limit"]
    ]


def discharges(unit_class: int) -> bool:
    """Whether units of a class can."""
    return unit_class == CHARGER_DISCHARGER.code


@dataclass(frozen=True, slots=True)
class Sample:
    """The house at an instant. Powers in W, plus is drawn or charged; None: nothing says anything.

    `schedule` is what the CSMS' profiles say, `limit` the lowest of all that counts, `granted` what the unit was set
    to, `measured` what it told last, `real` what flows. `soc` in percent, as it is in the car.
    """

    t: int
    schedule: float | None
    limit: float | None
    granted: float | None
    measured: float | None
    real: float
    load: float
    soc: float
    plugged: bool
    online: bool
    transaction: str | None

    @property
    def grid(self) -> float:
        """At the receiving point."""
        return self.load + self.real


@dataclass
class Day:
    """What a day was like. `marks`: what happened, for the reader of a picture."""

    unit_class: int
    contract_w: int = CONTRACT_W
    floor: int = FLOOR
    samples: list[Sample] = field(default_factory=list)
    marks: list[tuple[int, str]] = field(default_factory=list)

    def spans(self, of: Callable[[Sample], bool]) -> list[tuple[int, int]]:
        """When something was so: from, until."""
        found: list[tuple[int, int]] = []
        for sample in self.samples:
            if not of(sample):
                continue
            if found and sample.t - found[-1][1] <= 2 * MINUTE:
                found[-1] = (found[-1][0], sample.t)
            else:
                found.append((sample.t, sample.t))
        return found


class Household:
    """Lives the day: the car, the CSMS, and the CSMS' trouble."""

    def __init__(self, clock: Clock, unit: SimUnit, csms: DemoCsms, station: str, day: Day) -> None:
        self._clock, self._unit, self._csms, self._station, self._day = clock, unit, csms, station, day
        self._midnight = clock.monotonic() + int((BEGINS - clock.wall()) / timedelta(milliseconds=1))
        self._tasks: set[asyncio.Task[None]] = set()
        self._starts = 0
        csms.on_message.append(self._heard)

    @property
    def now(self) -> int:
        """Ms since the day's midnight."""
        return self._clock.monotonic() - self._midnight

    async def live(self) -> None:
        """The day, from its midnight to the next."""
        await self._csms.call(self._station, "SetChargingProfile", plan(discharges(self._day.unit_class)))
        for hour, text, act in _MOMENTS:
            await self._clock.sleep(max(round(hour * HOUR) - self.now, 0))
            self._day.marks.append((self.now, text))
            await act(self)
        await self._clock.sleep(max(DAY - self.now, 0))

    async def _arrive(self, soc: float) -> None:
        self._unit.plug(soc)

    async def _leave(self) -> None:
        self._unit.unplug()

    def _heard(self, message: Message) -> None:
        """A CSMS that starts whatever is plugged in."""
        if (message.direction, message.action, message.frame[0]) != ("in", "StatusNotification", CALL):
            return
        if message.payload["connectorStatus"] == "Occupied":
            task = asyncio.ensure_future(self._start())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start(self) -> None:
        self._starts += 1
        request = {"evseId": 1, "remoteStartId": self._starts, "idToken": _TOKEN}
        try:
            await self._csms.call(self._station, "RequestStartTransaction", request)
        except (NotConnectedError, StationCallError, StationTimeoutError) as error:
            self._csms.violations.append(f"RequestStartTransaction: {error}")

    async def _dark(self) -> None:
        await self._csms.go_dark()

    async def _light(self) -> None:
        self._csms.come_back()


_MOMENTS: Final[Sequence[tuple[float, str, Any]]] = (
    (5 / 60, "car comes", lambda house: house._arrive(22)),
    (2.5, "CSMS away", lambda house: house._dark()),
    (5.5, "CSMS back", lambda house: house._light()),
    (8 + 40 / 60, "car leaves", lambda house: house._leave()),
    (17 + 50 / 60, "car returns", lambda house: house._arrive(45)),
)
