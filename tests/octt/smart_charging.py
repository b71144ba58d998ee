"""What the cases of block K share: profiles as a laboratory configures them, what is reported, and schedules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from bridge.sim.csms_ledger import parse_time
from tests.octt.harness import DEVIATION, Octt

DEFAULT: Final = "TxDefaultProfile"
OF_TRANSACTION: Final = "TxProfile"
OF_STATION: Final = "ChargingStationMaxProfile"
#: The laboratory's stack level, and an id of each kind.
STACK_LEVEL: Final = 0
FIRST_ID, SECOND_ID, THIRD_ID = 11, 12, 13


@dataclass(frozen=True, slots=True)
class Rate:
    """The laboratory's chargingRateUnit, and the multiplier that belongs to it (errata 6.2.69)."""

    unit: str
    multiplier: float

    def times(self, number: float) -> float:
        """A limit of the cases in this unit."""
        return number * self.multiplier


AMPERES, WATTS = Rate("A", 1), Rate("W", 230)
#: For a case that holds in both units.
in_both_units = pytest.mark.parametrize("rate", [AMPERES, WATTS], ids=["A", "W"])


def stamp(moment: datetime) -> str:
    """A time as a laboratory's CSMS writes it."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def schedule(rate: Rate, *periods: tuple[int, float], **more: Any) -> dict[str, Any]:
    """A schedule of (startPeriod, limit x multiplier), with the laboratory's numberPhases."""
    told = [{"startPeriod": start, "limit": rate.times(limit), "numberPhases": 3} for start, limit in periods]
    return {"id": 1, "chargingRateUnit": rate.unit, "chargingSchedulePeriod": told, **more}


def profile(octt: Octt, rate: Rate, purpose: str = DEFAULT, limit: float = 6, **more: Any) -> dict[str, Any]:
    """An absolute profile of one period that counts for the next five minutes and more, since the deviation ago."""
    begins = octt.now() - timedelta(seconds=DEVIATION)
    return {
        "id": FIRST_ID,
        "stackLevel": STACK_LEVEL,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "validFrom": stamp(begins),
        "validTo": stamp(begins + timedelta(seconds=401 + 2 * DEVIATION)),
        "chargingSchedule": [schedule(rate, (0, limit), duration=400 + DEVIATION, startSchedule=stamp(begins))],
        **more,
    }


def relative(octt: Octt, rate: Rate, purpose: str = OF_TRANSACTION, **more: Any) -> dict[str, Any]:
    """The same, relative."""
    made = profile(octt, rate, purpose, chargingProfileKind="Relative", chargingSchedule=[schedule(rate, (0, 6))])
    del made["validFrom"], made["validTo"]
    return made | more


async def install(octt: Octt, evse: int, wanted: dict[str, Any]) -> dict[str, Any]:
    """Set a profile, which must be accepted."""
    answer = await octt.call("SetChargingProfile", evseId=evse, chargingProfile=wanted)
    assert answer["status"] == "Accepted", answer
    return wanted


async def refused(octt: Octt, evse: int, wanted: dict[str, Any]) -> str:
    """Set a profile, which must be rejected; the reason."""
    answer = await octt.call("SetChargingProfile", evseId=evse, chargingProfile=wanted)
    assert answer["status"] == "Rejected", answer
    return str(answer["statusInfo"]["reasonCode"])


async def station_and_evse(
    octt: Octt, rate: Rate, *, station_level: int = STACK_LEVEL, evse_level: int = STACK_LEVEL
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The memory state of the cases that ask for profiles: one of the station, and a default at EVSE 1."""
    of_station = await install(octt, 0, profile(octt, rate, OF_STATION, limit=10, stackLevel=station_level))
    of_evse = await install(octt, 1, profile(octt, rate, id=SECOND_ID, stackLevel=evse_level))
    return of_station, of_evse


@dataclass(slots=True)
class Reported:
    """All that one GetChargingProfiles has brought: the profiles of each EVSE, and the messages."""

    by_evse: dict[int, list[dict[str, Any]]]
    messages: list[dict[str, Any]]

    def shows(self, *wanted: tuple[int, dict[str, Any]]) -> None:
        """These and no others, each as it was set."""
        told = {(evse, one["id"]): _timed(one) for evse, all_ in self.by_evse.items() for one in all_}
        assert told == {(evse, one["id"]): _timed(one) for evse, one in wanted}
        assert sum(map(len, self.by_evse.values())) == len(wanted), "one is told twice"


async def reported(octt: Octt, evse: int | None = None, **criteria: Any) -> Reported:
    """Ask for profiles, which must be there; the messages come after the answer, the last one says that it is."""
    where = {} if evse is None else {"evseId": evse}
    number = len(octt.frames)
    answer = await octt.call("GetChargingProfiles", requestId=number, chargingProfile=criteria, **where)
    assert answer["status"] == "Accepted", answer
    found = Reported({}, [])
    more = True
    while more:
        message = await octt.expect("ReportChargingProfiles", requestId=number, chargingLimitSource="CSO")
        found.messages.append(message)
        found.by_evse.setdefault(message["evseId"], []).extend(message["chargingProfile"])
        more = message.get("tbc", False)
    asked = next(at for at, one in enumerate(octt.frames[number:]) if one.action == "GetChargingProfiles" and
                 one.frame[0] == 3)  # fmt: skip
    assert "ReportChargingProfiles" not in {one.action for one in octt.frames[number : number + asked]}
    await octt.never("ReportChargingProfiles", 5)
    return found


async def none_reported(octt: Octt, evse: int | None = None, **criteria: Any) -> None:
    """Ask for profiles that are not there."""
    where = {} if evse is None else {"evseId": evse}
    answer = await octt.call("GetChargingProfiles", requestId=1, chargingProfile=criteria, **where)
    assert answer["status"] == "NoProfiles", answer
    await octt.never("ReportChargingProfiles", 5)


async def composite(octt: Octt, rate: Rate, evse: int, duration: int) -> dict[str, Any]:
    """Ask for a schedule, which must come with everything that was asked for; it begins now (errata 6.2.71)."""
    answer = await octt.call("GetCompositeSchedule", evseId=evse, duration=duration, chargingRateUnit=rate.unit)
    assert answer["status"] == "Accepted", answer
    told: dict[str, Any] = answer["schedule"]
    assert (told["evseId"], told["duration"], told["chargingRateUnit"]) == (evse, duration, rate.unit)
    assert octt.near()(told["scheduleStart"])
    assert told["chargingSchedulePeriod"][0]["startPeriod"] == 0
    return told


def agrees(told: dict[str, Any], rate: Rate, since: datetime, *wanted: tuple[float, float | None]) -> None:
    """The schedule has these periods alone: (seconds since then, limit x multiplier; None: the station's own)."""
    begins = parse_time(told["scheduleStart"])
    periods: Sequence[dict[str, Any]] = told["chargingSchedulePeriod"]
    assert len(periods) == len(wanted), told
    for number, (period, (at, limit)) in enumerate(zip(periods, wanted, strict=True)):
        starts = (since + timedelta(seconds=at) - begins).total_seconds() if number else 0
        assert abs(period["startPeriod"] - starts) <= 1, (period, starts)
        if limit is None:
            assert abs(period["limit"] - rate.times(6)) > 0.1, period
        else:
            assert abs(period["limit"] - rate.times(limit)) <= 0.1, (period, rate.times(limit))


def _timed(told: Any) -> Any:
    """The same with its times read: they may be written in several ways."""
    if isinstance(told, dict):
        read = {"validFrom", "validTo", "startSchedule"}
        return {key: parse_time(part) if key in read else _timed(part) for key, part in told.items()}
    return [_timed(part) for part in told] if isinstance(told, list) else told
