"""The same full day before a CSMS of OCPP 2.1, from a configuration that offers both versions.

npm's ocpp-rpc holds each frame against the schemas of 2.1, both ways. What only 2.1 has is played beside the acts of
the day that 2.0.1 has too.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.peers.day import Day, run_day
from tests.peers.programs import Line
from tests.peers.test_day import ACTS, CARRIED_OUT, ONE, TOLD, TRIGGER_REASONS, TWO, site, start, stop

pytestmark = pytest.mark.peers


PULLED = {"status": "Accepted", "scheduleUpdate": {"limit": 2000}}


def site_of_both(folder: Path, port: int) -> Mapping[str, Any]:
    """The site of the day; its first station's discharger may be ordered in the words of 2.1."""
    config = dict(site(folder, port))
    for station in config["stations"]:
        station["csms"] = station["csms"] | {"versions": ["2.1", "2.0.1"]}
        station["evses"] = [
            evse | {"discharge": ["negative-limit", "ocpp2.1"]} if "discharge" in evse else evse
            for evse in station["evses"]
        ]
    return config


def said(number: int, transaction: str, **period: Any) -> dict[str, Any]:
    return {
        "id": number,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "transactionId": transaction,
        "chargingSchedule": [
            {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, **period}]}
        ],
    }


async def in_words_of_21(day: Day) -> None:
    """Setpoints both ways, idle, and what a unit without ISO 15118 cannot have."""
    day.units["barn"].plug(50)
    since = day.mark()
    transaction = await start(day, TWO, 1, 70)
    for period, power in (
        ({"operationMode": "CentralSetpoint", "setpoint": 2000}, 2000),
        ({"operationMode": "CentralSetpoint", "setpoint": -1500, "dischargeLimit": -3000, "limit": 3000}, -1500),
        ({"operationMode": "CentralFrequency", "setpoint": 1000}, 1000),
        ({"operationMode": "Idle"}, 0),
        ({"operationMode": "ChargingOnly", "limit": 2500}, 2500),
    ):
        profile = said(70, transaction, **period)
        answer = await day.call(TWO, "SetChargingProfile", evseId=1, chargingProfile=profile)
        assert answer["status"] == "Accepted", answer
        await day.minutes(5)
        assert day.units["barn"].power_w == pytest.approx(power, abs=100), period
    for period, reason in (
        ({"operationMode": "LocalLoadBalancing"}, "UnsupportedParam"),
        ({"operationMode": "Idle", "limit": 0}, "InvalidSchedule"),
    ):
        profile = said(71, transaction, **period)
        answer = await day.call(TWO, "SetChargingProfile", evseId=1, chargingProfile=profile)
        assert answer["statusInfo"]["reasonCode"] == reason
    transfer = await day.call(
        TWO, "NotifyAllowedEnergyTransfer", transactionId=transaction, allowedEnergyTransfer=["DC", "DC_BPT"]
    )
    assert transfer["status"] == "Rejected"
    update = await day.call(TWO, "UpdateDynamicSchedule", chargingProfileId=70, scheduleUpdate={"setpoint": 1})
    assert update["status"] == "Rejected"
    await a_dynamic_profile(day, transaction)
    await stop(day, TWO, transaction)
    day.units["barn"].unplug()
    await day.status(TWO, 1, "Available", since, within=600)


async def a_dynamic_profile(day: Day, transaction: str) -> None:
    """K28: updated by the CSMS, then asked for, where a first answer has no values."""
    day.habit("PullDynamicScheduleUpdate", None, {"with": PULLED})
    profile = said(70, transaction, limit=2500) | {"chargingProfileKind": "Dynamic", "dynUpdateInterval": 900}
    assert (await day.call(TWO, "SetChargingProfile", evseId=1, chargingProfile=profile))["status"] == "Accepted"
    update = await day.call(TWO, "UpdateDynamicSchedule", chargingProfileId=70, scheduleUpdate={"limit": 1500})
    assert update["status"] == "Accepted"
    for minutes, power in ((5, 1500), (15, 1500), (15, 2000)):
        await day.minutes(minutes)
        assert day.units["barn"].power_w == pytest.approx(power, abs=100), power


async def play(day: Day, verdict: Line) -> None:
    for hour, act in sorted([*ACTS, (16.0, in_words_of_21)], key=lambda timed: timed[0]):
        await day.until(hour)
        await act(day)
    verdict.update(await day.report())


def test_a_full_day_of_21_without_a_complaint(packages: None, tmp_path: Path) -> None:
    verdict: Line = {}
    with capture_logs() as logs:
        scene = functools.partial(play, verdict=verdict)
        run_day(tmp_path, functools.partial(site_of_both, tmp_path), scene, protocol="ocpp2.1")
    assert verdict["complaints"] == []
    counts = verdict["counts"]
    assert set(counts["told"]) >= TOLD | {"PullDynamicScheduleUpdate"}
    carried_out = {action for action in counts["got"] if " " not in action}
    assert carried_out == CARRIED_OUT | {"NotifyAllowedEnergyTransfer", "UpdateDynamicSchedule"}
    transactions = verdict["transactions"]
    assert {(one["identity"], one["evse"]) for one in transactions} == {(ONE, 1), (ONE, 2), (TWO, 1)}
    assert sum(one["offline"] for one in transactions) > 200
    assert {trigger for one in transactions for trigger in one["triggers"]} >= TRIGGER_REASONS
    assert [log for log in logs if log["log_level"] in ("error", "critical")] == []
