"""Charging profiles of every wrong kind, at the wrong time, and far too many: the right answer, and the unit is safe.

A whole station with simulated units behind it: EVSE 1 a DC unit with a transaction that goes on, EVSE 2 an AC unit with
three phases, EVSE 3 one with a single phase.
"""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations, count, cycle, pairwise
from typing import Any

import pytest

from bridge.clock import Clock
from bridge.sim.control import WriteRecord
from bridge.sim.csms import ERROR, RESULT
from bridge.sim.unit import SimUnitConfig
from bridge.station.profiles import RULES
from tests.octt.harness import STATION, Octt, case
from tests.tools.memory import held

Profile = dict[str, Any]

BEGUN = "2026-01-05T00:00:00Z"
LATER = "2026-01-06T00:00:00Z"
#: PeriodsPerSchedule of the station here: with the usual one the schema is stricter than the station.
PERIODS = 8
#: What the unit is told (0xDA: operation mode; 0xEB: charging power), and the table's spacing of what raises (ms).
MODE, POWER = 0xDA, 0xEB
SPACING_MS = 5_000
#: How long (ms) a datagram, or what goes before it, may take.
ON_THE_WAY_MS = 50
#: Sent without waiting for answers, which 4.1.1 of Part 4 asks of a CSMS.
UNASKED = "which waits for none"


def periods(*told: tuple[int, float], **more: Any) -> list[dict[str, Any]]:
    return [{"startPeriod": start, "limit": limit, **more} for start, limit in told]


def schedule(*told: tuple[int, float], **more: Any) -> dict[str, Any]:
    made = {"id": 1, "chargingRateUnit": "W", "startSchedule": BEGUN, "chargingSchedulePeriod": periods(*told)}
    return made | more


def profile(purpose: str = "TxDefaultProfile", number: int = 1, *told: tuple[int, float], **more: Any) -> Profile:
    made = {
        "id": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule(*(told or ((0, 3000.0), (60, 2000.0))))],
    }
    return made | more


def relative(purpose: str = "TxDefaultProfile", **more: Any) -> Profile:
    made = profile(purpose, chargingProfileKind="Relative", **more)
    del made["chargingSchedule"][0]["startSchedule"]
    return made


# -- one rule broken, and two


@dataclass(slots=True)
class Given:
    """A SetChargingProfile: right, until it is edited."""

    evse: int
    profile: Profile

    @property
    def purpose(self) -> str:
        return str(self.profile["chargingProfilePurpose"])

    @property
    def schedule(self) -> dict[str, Any]:
        return self.profile["chargingSchedule"][0]  # type: ignore[no-any-return]

    @property
    def period(self) -> dict[str, Any]:
        return self.schedule["chargingSchedulePeriod"][0]  # type: ignore[no-any-return]


def right(transaction: str) -> dict[str, Given]:
    """One of each kind; none of them collides with what is installed (stack level 5, profile 50)."""
    recurring = {"chargingProfileKind": "Recurring", "recurrencyKind": "Daily"}
    return {
        "default": Given(1, profile()),
        "relative default": Given(1, relative()),
        "daily default": Given(0, profile(**recurring)),
        "default, AC": Given(2, profile()),
        "default, one phase": Given(3, profile()),
        "of a transaction": Given(1, profile("TxProfile", transactionId=transaction)),
        "of a transaction, relative": Given(1, relative("TxProfile", transactionId=transaction)),
        "of the station": Given(0, profile("ChargingStationMaxProfile")),
        "weekly, of the station": Given(0, profile("ChargingStationMaxProfile", **recurring | {
            "recurrencyKind": "Weekly"})),
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Break:
    """One way to make a right profile wrong, for those that `applies` chooses."""

    clause: str
    reason: str
    edit: Callable[[Given], None]
    applies: Callable[[Given], bool] = lambda _: True


def _put(**fields: Any) -> Callable[[Given], None]:
    return lambda given: given.profile.update(deepcopy(fields))


def _schedule(**fields: Any) -> Callable[[Given], None]:
    return lambda given: given.schedule.update(deepcopy(fields))


def _period(**fields: Any) -> Callable[[Given], None]:
    return lambda given: given.period.update(fields)


def _at(evse: int) -> Callable[[Given], None]:
    def edit(given: Given) -> None:
        given.evse = evse

    return edit


def _without(name: str) -> Callable[[Given], None]:
    return lambda given: given.profile.pop(name, None)


def _of(*purposes: str) -> Callable[[Given], bool]:
    return lambda given: given.purpose in purposes


def _kind(*kinds: str) -> Callable[[Given], bool]:
    return lambda given: given.profile["chargingProfileKind"] in kinds


def _is_at(*evses: int) -> Callable[[Given], bool]:
    return lambda given: given.evse in evses


_TX, _DEFAULT, _MAX = "TxProfile", "TxDefaultProfile", "ChargingStationMaxProfile"

BREAKS = (
    Break("K01.FR.28", "UnknownEvse", _at(9)),
    Break("K01.FR.28", "UnknownEvse", _at(2**31 - 1)),
    Break("K01.FR.22", "InvalidProfile", _put(chargingProfilePurpose="ChargingStationExternalConstraints")),
    Break("K01.FR.16", "InvalidProfile", _at(0), _of(_TX)),
    Break("K04.FR.03", "InvalidProfile", _at(1), _of(_MAX)),
    Break("ProfileStackLevel", "InvalidStackLevel", _put(stackLevel=100)),
    Break("ProfileStackLevel", "InvalidStackLevel", _put(stackLevel=2**31 - 1)),
    Break("ChargingProfileType.transactionId", "InvalidProfile", _put(transactionId="x"), _of(_DEFAULT, _MAX)),
    Break("K01.FR.09", "TxNotFound", _at(2), _of(_TX)),
    Break("K01.FR.03", "MissingParam", _without("transactionId"), _of(_TX)),
    Break("K01.FR.33", "TxNotFound", _put(transactionId="nobody's"), _of(_TX)),
    Break("K01.FR.34", "InvalidProfile", lambda g: g.profile["chargingSchedule"].append(deepcopy(g.schedule))),
    Break("K 3.3", "InvalidProfile", _without("recurrencyKind"), _kind("Recurring")),
    Break("K01.FR.38", "InvalidProfile", _put(chargingProfileKind="Relative"), _of(_MAX)),
    Break("K01.FR.40", "InvalidSchedule", lambda g: g.schedule.pop("startSchedule", None),
          _kind("Absolute", "Recurring")),
    Break("K01.FR.41", "InvalidSchedule", _schedule(startSchedule=BEGUN), _kind("Relative")),
    Break("K01.FR.37", "InvalidProfile", _put(validFrom=LATER, validTo=BEGUN)),
    Break("K01.FR.37", "InvalidProfile", _put(validFrom=LATER, validTo=LATER)),
    Break("ChargingScheduleType.duration", "InvalidSchedule", _schedule(duration=-1)),
    Break("ChargingScheduleType.duration", "InvalidSchedule", _schedule(duration=-(2**31))),
    Break("PeriodsPerSchedule", "TooManyElements",
          _schedule(chargingSchedulePeriod=periods(*((n, 1000.0) for n in range(PERIODS + 1))))),
    Break("K01.FR.31", "InvalidSchedule", _period(startPeriod=1)),
    Break("K01.FR.31", "InvalidSchedule", _period(startPeriod=-1)),
    Break("K01.FR.35", "InvalidSchedule", _schedule(chargingSchedulePeriod=periods((0, 1.0), (9, 1.0), (7, 1.0)))),
    Break("K01.FR.35", "InvalidSchedule", _schedule(chargingSchedulePeriod=periods((0, 1.0), (0, 2.0)))),
    Break("K01.FR.26", "UnsupportedRateUnit", _schedule(chargingRateUnit="A")),
    Break("ChargingScheduleType.minChargingRate", "InvalidSchedule", _schedule(minChargingRate=-0.1)),
    Break("K 3.2", "InvalidSchedule", _period(limit=-1e9), _of(_MAX)),
    Break("translation.md, Discharge", "InvalidSchedule", _period(limit=-0.1), _of(_TX, _DEFAULT)),
    Break("translation.md, Discharge", "InvalidSchedule", _period(limit=-1e308), _of(_TX, _DEFAULT)),
    Break("ChargingSchedulePeriodType.numberPhases", "InvalidSchedule", _period(numberPhases=4), _is_at(0, 2, 3)),
    Break("ChargingSchedulePeriodType.numberPhases", "InvalidSchedule", _period(numberPhases=0), _is_at(0, 2, 3)),
    Break("K01.FR.19", "InvalidSchedule", _period(numberPhases=3, phaseToUse=1), _is_at(2, 3)),
    Break("K01.FR.19", "InvalidSchedule", _period(numberPhases=1, phaseToUse=4), _is_at(3)),
    Break("K01.FR.43", "UnsupportedParam", _period(numberPhases=1), _is_at(2)),
    Break("K01.FR.20", "UnsupportedParam", _period(numberPhases=1, phaseToUse=2), _is_at(3)),
    Break("K01.FR.06", "DuplicateProfile", _put(stackLevel=5)),
)  # fmt: skip
#: Rules that no profile here can break, and why.
ELSEWHERE = {
    "F01.FR.09": "of starts: test_start_profiles_are_judged_as_others",
    "F01.FR.26": "of starts whose profile has the id of another: tests/station",
    "ChargingSchedulePeriodType.limit": "JSON has no such number: test_numbers_that_are_none",
    "K 3.7 (errata 2025-09, 2.36)": "no unit changes its phases",
    "K01.FR.05": "ids of constraints from outside are below zero: tests/station",
    "ChargingProfileEntries": "test_so_many_and_no_more",
}
#: What OCPP 2.1 alone has is tests/station's subject.
OF_21 = "2.1 "
BROKEN = {one.clause for one in BREAKS}


def test_every_rule_is_broken_here_or_elsewhere() -> None:
    for rule in (one for one in RULES if not one.clauses[0].startswith(OF_21)):
        assert (BROKEN | set(ELSEWHERE)) & set(rule.clauses), rule.clauses
    assert len(BREAKS) >= 30


def _site(site: Any, _: Any) -> None:
    evses = site["stations"][0]["evses"]
    evses[1]["grid"] = {"voltage": 200, "phases": 3}


AC = SimUnitConfig(unit_class=0x02A1, equipment_type=0x12)
the_site = case(
    units=[SimUnitConfig(), AC, AC],
    site=_site,
    variables={"SmartChargingCtrlr.RateUnit": "W", "SmartChargingCtrlr.PeriodsPerSchedule": PERIODS},
)


def station_of(octt: Octt) -> Any:
    assert octt.bench.gateway is not None
    return octt.bench.gateway.stations[STATION]


async def set_profile(octt: Octt, given: Given) -> dict[str, Any]:
    return await octt.call("SetChargingProfile", evseId=given.evse, chargingProfile=given.profile)


async def with_one_of_each(octt: Octt) -> tuple[Any, ...]:
    """A transaction goes on, and at stack level 5 there is one of each purpose; what is installed then."""
    await octt.energy_transfer_started(1)
    there = [
        Given(1, profile("TxProfile", 50, stackLevel=5, transactionId=octt.transaction())),
        *(Given(evse, profile(number=50 + evse, stackLevel=5)) for evse in (1, 2, 3)),
        Given(0, profile(_MAX, 60, stackLevel=5)),
    ]
    for given in there:
        assert (await set_profile(octt, given))["status"] == "Accepted"
    await octt.wait(30)
    return tuple(station_of(octt).charging.installed)


def wrong(transaction: str, most: int) -> Iterator[tuple[str, Given, tuple[Break, ...]]]:
    """Each right profile with one break that applies, and with up to `most` of them at once."""
    for name, given in right(transaction).items():
        fitting = [one for one in BREAKS if one.applies(given)]
        for broken in (some for number in range(1, most + 1) for some in combinations(fitting, number)):
            edited = deepcopy(given)
            for one in broken:
                one.edit(edited)
            yield f"{name}: {' and '.join(one.clause for one in broken)}", edited, broken


@the_site
async def test_what_is_right_is_accepted(octt: Octt) -> None:
    """So that what is wrong with the others is the one thing that was done to them."""
    await with_one_of_each(octt)
    for name, given in right(octt.transaction()).items():
        answer = await set_profile(octt, given)
        assert answer["status"] == "Accepted", (name, answer)
        await octt.call("ClearChargingProfile", chargingProfileId=1)


@the_site
async def test_a_profile_with_one_rule_broken_is_rejected_for_it(octt: Octt) -> None:
    """With the reason, and nothing changes: not what is installed, nor what the unit was told."""
    installed = await with_one_of_each(octt)
    told = len(octt.unit().log)
    counted: Counter[str] = Counter()
    for name, given, (broken,) in wrong(octt.transaction(), 1):
        answer = await set_profile(octt, given)
        assert answer["status"] == "Rejected", (name, answer)
        assert answer["statusInfo"]["reasonCode"] == broken.reason, (name, answer)
        assert answer["statusInfo"]["additionalInfo"]
        counted[broken.clause] += 1
    assert set(counted) == BROKEN
    assert station_of(octt).charging.installed == installed
    assert len(octt.unit().log) == told


@the_site
async def test_a_profile_with_two_rules_broken_is_rejected_for_one_of_them(octt: Octt) -> None:
    """Whichever is looked at first. (Where one edit does away with the other, the profile is broken in a third way.)"""
    installed = await with_one_of_each(octt)
    number = 0
    reasons = {one.reason for one in BREAKS}
    for name, given, broken in wrong(octt.transaction(), 2):
        answer = await set_profile(octt, given)
        assert answer["status"] == "Rejected", (name, answer)
        assert answer["statusInfo"]["reasonCode"] in reasons, (name, answer)
        number += len(broken) == 2
    assert number > 2_000
    assert station_of(octt).charging.installed == installed


@the_site
async def test_start_profiles_are_judged_as_others(octt: Octt) -> None:
    """F01.FR.26: with one rule broken the start is rejected, and no transaction begins."""
    await octt.ev_connected_pre_session(1)
    good = Given(1, relative("TxProfile"))
    numbers = count(1)
    of_calls = {"K01.FR.06", "K01.FR.09", "K01.FR.03", "K01.FR.16", "K01.FR.28", "K01.FR.33"}
    fitting = [one for one in BREAKS if one.applies(good) and one.clause not in of_calls]
    assert len(fitting) > 15
    for one in fitting:
        given = deepcopy(good)
        one.edit(given)
        start = {"idToken": octt.token, "evseId": 1, "remoteStartId": next(numbers), "chargingProfile": given.profile}
        answer = await octt.call("RequestStartTransaction", start)
        assert answer["status"] == "Rejected", (one.clause, answer)
        assert answer["statusInfo"]["reasonCode"] == one.reason, (one.clause, answer)
    await octt.never("TransactionEvent", 30, idToken__idToken=octt.token["idToken"])
    assert station_of(octt).charging.installed == ()


# -- what is against the schema, and numbers that are none


async def raw(octt: Octt, text: str) -> list[Any]:
    """Send a SetChargingProfile as text; the answer's frame."""
    before = len(octt.frames)
    await octt.send_raw(f'[2,"raw-{before}","SetChargingProfile",{text}]')
    return await octt.until(  # type: ignore[no-any-return]
        lambda: next((m.frame for m in octt.frames[before:] if m.frame[:2] in (
            [RESULT, f"raw-{before}"], [ERROR, f"raw-{before}"])), None)
    )  # fmt: skip


@case()
async def test_more_than_the_schema_allows_is_a_call_error(octt: Octt) -> None:
    """1024 periods and 3 schedules are the most that a profile has; and at least one of each."""
    many = profile("TxDefaultProfile", 1, *((n, float(n)) for n in range(1024)))
    assert (await set_profile(octt, Given(1, many)))["status"] == "Accepted"
    installed = station_of(octt).charging.installed
    for schedules, code in [
        ([schedule(*((n, float(n)) for n in range(1025)))], "OccurrenceConstraintViolation"),
        ([schedule((0, 1.0))] * 4, "OccurrenceConstraintViolation"),
        ([], "OccurrenceConstraintViolation"),
        ([schedule()], "OccurrenceConstraintViolation"),
    ]:
        given = {"evseId": 1, "chargingProfile": profile(chargingSchedule=schedules)}
        assert await octt.call_error("SetChargingProfile", given, check=False) == code
    assert station_of(octt).charging.installed == installed


#: JSON has no NaN and no infinity; what stands for one is no JSON, or no number that the schema takes.
NUMBERS = {"NaN": "RpcFrameworkError", "Infinity": "RpcFrameworkError", "-Infinity": "RpcFrameworkError",
           "1e999": "TypeConstraintViolation", "-1e999": "TypeConstraintViolation",
           "1" + "0" * 400: "PropertyConstraintViolation"}  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:9])
@case(allow=(UNASKED,))
async def test_numbers_that_are_none(octt: Octt, number: str) -> None:
    """As a limit or a rate they are refused; in customData, which means nothing here, what is no JSON is refused."""
    text = json.dumps({"evseId": 1, "chargingProfile": profile("TxDefaultProfile", 1, (0, 3000.0))})
    frame = await raw(octt, text.replace("3000.0", number))
    assert (frame[0], frame[2]) == (ERROR, NUMBERS[number])
    frame = await raw(octt, text.replace('"id": 1, "chargingRateUnit"', f'"minChargingRate": {number}, '
                                         '"id": 1, "chargingRateUnit"'))  # fmt: skip
    assert (frame[0], frame[2]) == (ERROR, NUMBERS[number])
    assert station_of(octt).charging.installed == ()
    frame = await raw(octt, text.replace('"stackLevel"', f'"customData": {{"vendorId": "v", "n": [{number}]}}, '
                                         '"stackLevel"'))  # fmt: skip
    if NUMBERS[number] == "RpcFrameworkError":
        assert (frame[0], frame[2]) == (ERROR, "RpcFrameworkError")
        assert station_of(octt).charging.installed == ()
    else:  # it can be told and kept like any other
        assert frame[2]["status"] == "Accepted"
        await octt.call("GetChargingProfiles", requestId=1, chargingProfile={})
        await octt.expect("ReportChargingProfiles")
        await octt.reboot()
        await octt.ready()
        assert len(station_of(octt).charging.installed) == 1


LONG, DEEP = "x" * 300_000, json.loads("[" * 300 + "]" * 300)


@pytest.mark.parametrize("data", [{"n": LONG}, {"n": DEEP}], ids=["long", "deep"])
@case()
async def test_custom_data_that_cannot_be_kept(octt: Octt, data: dict[str, Any]) -> None:
    """Rejected, not an error of ours; the next profile is taken."""
    answer = await set_profile(octt, Given(1, profile(customData={"vendorId": "v", **data})))
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "OutOfStorage")
    assert station_of(octt).charging.installed == ()
    assert (await set_profile(octt, Given(1, profile())))["status"] == "Accepted"


@pytest.mark.parametrize("limit", [1e9, 1e308, 2.0**1023, 5e-324, 0.1, -0.0, 0.0])
@case()
async def test_limits_beyond_all_sense_are_bounded_by_the_unit(octt: Octt, limit: float) -> None:
    """They are taken as they are; the unit is never told more than it can, and the schedule says what that is."""
    await octt.energy_transfer_started()
    await octt.wait(30)
    given = Given(1, profile("TxProfile", 1, (0, limit), transactionId=octt.transaction()))
    assert (await set_profile(octt, given))["status"] == "Accepted"
    await octt.wait(60)
    unit = octt.unit()
    assert unit.power_w == (0 if limit < 1 else 6_000)
    assert all(int.from_bytes(data) <= 6_000 for _, data in unit.writes(POWER))
    for rate, most in (("W", 6_000), ("A", 30)):
        answer = await octt.call("GetCompositeSchedule", evseId=1, duration=60, chargingRateUnit=rate)
        [told] = answer["schedule"]["chargingSchedulePeriod"]
        assert told["limit"] <= most + limit if limit < 1 else told["limit"] == most, answer


# -- recurrences


@case()
async def test_recurrences_that_overlap(octt: Octt) -> None:
    """A daily schedule of 30 h begins anew each day; two of one level are not both taken unless they are apart."""
    daily = {"chargingProfileKind": "Recurring", "recurrencyKind": "Daily"}
    long = profile(number=1, chargingSchedule=[schedule((0, 2000.0), (3_600, 1000.0), duration=30 * 3_600)], **daily)
    assert (await set_profile(octt, Given(1, long)))["status"] == "Accepted"
    answer = await octt.call("GetCompositeSchedule", evseId=1, duration=3 * 86_400, chargingRateUnit="W")
    told = answer["schedule"]["chargingSchedulePeriod"]
    assert Counter(period["limit"] for period in told) == {1000.0: 4, 2000.0: 3}
    for same in (
        profile(number=2, **daily),
        profile(number=2, **daily | {"recurrencyKind": "Weekly"}),
        profile(number=2, validFrom=LATER),
        profile(number=2, validTo=LATER),
        relative(id=2),
    ):
        answer = await set_profile(octt, Given(1, same))
        assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "DuplicateProfile")
    # The same level in turn: the first ends when the second begins.
    for number, validity in ((1, {"validTo": LATER}), (2, {"validFrom": LATER})):
        given = Given(1, profile("TxDefaultProfile", number, (0, number * 500.0), **daily, **validity))
        assert (await set_profile(octt, given))["status"] == "Accepted"
    weekly = Given(1, profile("TxDefaultProfile", 3, (0, 700.0), stackLevel=1, **daily | {"recurrencyKind": "Weekly"}))
    weekly.schedule["duration"] = 2 * 86_400
    assert (await set_profile(octt, weekly))["status"] == "Accepted"
    answer = await octt.call("GetCompositeSchedule", evseId=1, duration=14 * 86_400, chargingRateUnit="W")
    limits = [period["limit"] for period in answer["schedule"]["chargingSchedulePeriod"]]
    assert limits == [700.0, 1000.0, 700.0, 1000.0, 700.0]


# -- too many


@case(evses=2)
async def test_so_many_and_no_more(octt: Octt) -> None:
    """The maximum of SmartChargingCtrlr.Entries is what can be installed; each of them is reported, and kept."""
    most = int(await _most_entries(octt))
    for number in range(most + 20):
        given = Given(1 + number % 2, profile(number=number + 1, stackLevel=number // 2 % 100))
        answer = await set_profile(octt, given)
        if number < most:
            assert answer["status"] == "Accepted", (number, answer)
        else:
            reason = answer["statusInfo"]["reasonCode"]
            assert (answer["status"], reason in ("OutOfStorage", "DuplicateProfile")) == ("Rejected", True), answer
    fresh = Given(0, profile(_MAX, 9_999))
    answer = await set_profile(octt, fresh)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "OutOfStorage")
    assert await octt.get_variable("SmartChargingCtrlr.Entries[ChargingProfiles]") == str(most)
    await octt.call("GetChargingProfiles", requestId=1, chargingProfile={})
    reported: list[int] = []
    more = True
    while more:
        page = await octt.expect("ReportChargingProfiles")
        reported += [one["id"] for one in page["chargingProfile"]]
        more = page["tbc"]
    assert sorted(reported) == list(range(1, most + 1))
    assert (await set_profile(octt, Given(1, profile(number=1))))["status"] == "Accepted"  # it replaces
    await octt.reboot()
    await octt.ready()
    assert len(station_of(octt).charging.installed) == most


async def _most_entries(octt: Octt) -> str:
    await octt.call("GetBaseReport", requestId=1, reportBase="FullInventory")
    found = ""
    more = True
    while more:
        page = await octt.expect("NotifyReport")
        more = bool(page.get("tbc"))
        for row in page["reportData"]:
            if (row["component"]["name"], row["variable"]["name"]) == ("SmartChargingCtrlr", "Entries"):
                found = str(int(float(row["variableCharacteristics"]["maxLimit"])))
    return found


@case(evses=2, allow=(UNASKED,))
async def test_what_comes_before_the_last_one_is_durable(octt: Octt) -> None:
    """A CSMS that does not wait for answers: each profile is judged as if those before it were kept already."""
    store = station_of(octt).charging._store
    keep = store.put_profile

    async def slowly(*row: Any) -> None:
        await octt.clock.sleep(50)
        await keep(*row)

    store.put_profile = slowly
    before = len(octt.frames)
    for number in range(1, 21):
        given = Given(1, profile(number=number, stackLevel=number // 2))
        text = json.dumps({"evseId": given.evse, "chargingProfile": given.profile})
        await octt.send_raw(f'[2,"n-{number}","SetChargingProfile",{text}]')
    await octt.wait(5)
    told = {m.frame[1]: m.payload["status"] for m in octt.frames[before:] if m.frame[0] == RESULT and
            str(m.frame[1]).startswith("n-")}  # fmt: skip
    wanted = {f"n-{n}": "Accepted" if n == 1 or n % 2 == 0 else "Rejected" for n in range(1, 21)}
    assert told == wanted
    installed = station_of(octt).charging.installed
    assert sorted(item.profile.id for item in installed) == [1, *range(2, 21, 2)]
    assert [int(row.profile_id) for row in await station_of(octt).charging._store.profiles(STATION)] == [
        item.profile.id for item in installed
    ]


# -- while the unit is away


@pytest.mark.parametrize("limit", [1_500.0, 0.0])
@case(but=lambda one: one.clause == "AIF-2.4.1-1")  # whom it had asked the dead one knew
async def test_a_profile_that_comes_while_the_unit_is_away(octt: Octt, limit: float) -> None:
    """It is taken and kept; the unit keeps to it as soon as it is back, although the station has been off meanwhile."""
    await octt.energy_transfer_started()
    await octt.wait(30)
    unit = octt.unit()
    unit.silence()
    await octt.wait(120)
    assert unit.power_w == 6_000  # nobody can tell it
    given = Given(1, profile("TxProfile", 1, (0, limit), transactionId=octt.transaction()))
    assert (await set_profile(octt, given))["status"] == "Accepted"
    await octt.wait(120)
    await octt.reboot()
    await octt.wait(60)
    since = octt.clock.monotonic()
    unit.silence(False)
    await unit.until(lambda there: there.power_w <= limit, 120_000)
    told = [(w.epc, int.from_bytes(w.edt)) for w in unit.log if w.at >= since and w.epc == POWER]
    assert all(power <= max(limit, 500) for _, power in told), told


# -- a flood


def _chaos() -> Iterator[Given]:
    """Profiles without end: of ever new ids and of old ones, of both purposes, short and long, up and down."""
    chance = Clock(seed=6).random
    for number in count(1):
        purpose = chance.choice((_DEFAULT, _DEFAULT, _MAX))
        limit = chance.choice((1_000.0, 2_000.0, 3_000.0, 4_000.0, 5_000.0, 1e9))
        told = [(n * 60, limit) for n in range(chance.choice((1, 10, 96)))]
        more = {"stackLevel": chance.randrange(120), "customData": {"vendorId": "v", "n": "x" * 200}}
        which = chance.choice((number, number % 7 + 1))
        yield Given(0 if purpose == _MAX else 1, profile(purpose, which, *told, **more))


def _one_after_the_other(*limits: int) -> Iterator[Given]:
    """One profile, which each replaces."""
    for limit in cycle(limits):
        yield Given(1, profile(_DEFAULT, 1, (0, float(limit))))


#: What a CSMS in disorder may send, a hundred times a second.
FLOODS: dict[str, Callable[[], Iterator[Given]]] = {
    "chaos": _chaos,
    "see-saw": lambda: _one_after_the_other(2_000, 4_000),
    "falling": lambda: _one_after_the_other(*range(5_500, 1_000, -10)),
    "steps": lambda: _one_after_the_other(3_000, 2_990, 2_980, 5_000, 1_000),
}


@pytest.mark.parametrize(
    "kind", ["chaos", "falling", *(pytest.param(kind, marks=pytest.mark.soak) for kind in ("see-saw", "steps"))]
)
@case(allow=(UNASKED,))
async def test_a_flood_of_profiles(octt: Octt, kind: str) -> None:
    """A hundred a second for a minute: each is answered, and what is kept is bounded. The unit follows: it is told to
    take more at most once in 5 s, as its table has it, and never stands above what was allowed within the last second
    and a half. A stop in the middle of it goes out with the next request to the node."""
    await octt.energy_transfer_started()
    await octt.wait(30)
    unit, station = octt.unit(), station_of(octt)
    begun, before, stopped = octt.clock.monotonic(), len(octt.frames), 0
    allowed: deque[float] = deque([6_000.0], maxlen=150)
    tasks: list[int] = []
    flood = FLOODS[kind]()
    for sent in range(1, 6_001):
        given = next(flood)
        text = json.dumps({"evseId": given.evse, "chargingProfile": given.profile})
        await octt.send_raw(f'[2,"f-{sent}","SetChargingProfile",{text}]')
        await octt.clock.sleep(10)
        limit = station.positions[1].limit
        allowed.append(6_000.0 if limit is None else limit / 1_000)
        assert stopped or unit.setting(POWER) <= max(allowed), (sent, unit.setting(POWER))
        if sent == 3_500:
            stopped = await _stop(octt)
        if sent % 100 == 0:
            tasks.append(len(asyncio.all_tasks()))
            assert len(station.charging.installed) <= 200
    await octt.wait(10)
    answered = [m for m in octt.frames[before:] if str(m.frame[1]).startswith("f-") and m.direction == "in"]
    assert sorted(int(m.frame[1][2:]) for m in answered) == list(range(1, 6_001))
    statuses = Counter(m.payload["status"] for m in answered if m.frame[0] == RESULT)
    assert statuses.total() == 6_000
    if kind == "chaos":
        assert min(statuses["Accepted"], statuses["Rejected"]) > 200
    else:
        assert statuses == {"Accepted": 6_000}
    assert max(tasks) - min(tasks) < 70  # as many CALLs of a CSMS may be open at most (and it is told so)
    told = [write for write in unit.log if write.epc == POWER and begun <= write.at < stopped]
    assert len(told) > (0 if kind == "chaos" else 3), "the unit must follow"  # chaos soon comes to the lowest limit
    assert _raised_too_soon(told) == []
    assert unit.power_w == 0


async def _stop(octt: Octt) -> int:
    """Stop the transaction; when (ms) it was asked for. The unit is told within the answer time of one request."""
    asked, unit = octt.clock.monotonic(), octt.unit()
    answer = await octt.call("RequestStopTransaction", transactionId=octt.transaction())
    assert answer["status"] == "Accepted"
    await unit.until(lambda there: any(w.epc == MODE and w.at >= asked for w in there.log), 2_000)
    first = next(w for w in unit.log if w.epc == MODE and w.at >= asked)
    assert first.at - asked <= 100
    assert sum(1 for w in unit.log if asked <= w.at < first.at) <= 1  # what was on its way already
    await unit.until(lambda there: there.power_w == 0, 10_000)
    return asked


def _raised_too_soon(told: Sequence[WriteRecord]) -> list[str]:
    """Writes that raised the power less than the spacing after the write before (but for its time on the way)."""
    found = []
    for earlier, later in pairwise(told):
        before, after = int.from_bytes(earlier.edt), int.from_bytes(later.edt)
        if after > before and later.at - earlier.at < SPACING_MS - ON_THE_WAY_MS:
            found.append(f"{later.at}: {before} to {after} W, {later.at - earlier.at} ms after the last write")
    return found


MANY = 20


@case(evses=2)
async def test_what_is_kept_of_long_profiles_is_bounded(octt: Octt) -> None:
    """The longest profiles that are taken: what the station holds of them does not grow when they are replaced."""
    long = [(n * 60, 1_000.0 + n) for n in range(1_024)]
    tracemalloc.start()
    try:
        kept = []
        for life in range(3):
            for number in range(MANY):
                given = Given(1 + number % 2, profile(_DEFAULT, number + 1, *long, stackLevel=number // 2))
                given.profile["customData"] = {"vendorId": "v", "n": f"{life}" * 1_000}
                assert (await set_profile(octt, given))["status"] == "Accepted"
            octt.frames.clear()
            kept.append(held("*/bridge/station/*"))
    finally:
        tracemalloc.stop()
    assert len(station_of(octt).charging.installed) == MANY
    assert max(kept) < 60_000_000 * MANY / 200
    assert kept[2] < kept[0] * 1.1
