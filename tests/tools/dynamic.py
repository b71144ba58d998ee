"""What tests of dynamic charging profiles (OCPP 2.1, K28) share."""

import asyncio
from datetime import UTC, datetime

from bridge.clock import Clock
from bridge.errors import StoreError
from bridge.sim.csms import DemoCsms
from tests.tools.station_house import profile, stage

BOTH = ("2.1", "2.0.1")
WAYS = ("ocpp2.1", "negative-limit")
PULL = "PullDynamicScheduleUpdate"
T0 = datetime(2026, 1, 5, tzinfo=UTC)


def house(version="2.1", respond=None, discharge=WAYS, csms=None, **more):
    csms = csms or DemoCsms(Clock(1), version=version, respond=respond)
    return stage(csms=csms, versions=BOTH, discharge=discharge, **more)


def dynamic(number=5, purpose="TxDefaultProfile", *, duration=None, unit="W", period=None, **more):
    """A dynamic profile of one period; 3 kW where nothing else is said."""
    said = profile(0, purpose, id=number, chargingProfileKind="Dynamic", **more)
    schedule = said["chargingSchedule"][0]
    schedule |= {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": 0, **(period or {"limit": 3000})}],
    }
    if duration is not None:
        schedule["duration"] = duration
    return said


async def put(scene, said, evse=1):
    answer = await scene.call("SetChargingProfile", evseId=evse, chargingProfile=said)
    assert answer["status"] == "Accepted", answer


async def update(scene, number=5, **values):
    return await scene.call("UpdateDynamicSchedule", chargingProfileId=number, scheduleUpdate=values)


async def reported(scene, number=5):
    """A profile as GetChargingProfiles tells it; None where there is none."""
    request = len(scene.csms.received("ReportChargingProfiles")) + 100
    asked = {"requestId": request, "chargingProfile": {"chargingProfileId": [number]}}
    if (await scene.call("GetChargingProfiles", **asked))["status"] == "NoProfiles":
        return None
    (told,) = (await scene.wait("ReportChargingProfiles", requestId=request))["chargingProfile"]
    return told


async def period(scene, number=5):
    told = await reported(scene, number)
    return told["chargingSchedule"][0]["chargingSchedulePeriod"][0]


def at(text):
    return datetime.fromisoformat(text)


async def updated_at(scene, number=5):
    return at((await reported(scene, number))["dynUpdateTime"])


def near(moment, other, seconds=1.0):
    return abs((moment - other).total_seconds()) <= seconds


async def charging(scene, **start):
    scene.evse.plug()
    assert (await scene.start(**start))["status"] == "Accepted"
    event = await scene.wait("TransactionEvent", eventType="Started")
    return event["transactionInfo"]["transactionId"]


class SlowStore:
    """A store whose profiles are durable when the test says so, or never."""

    def __init__(self, store):
        self._store, self.free, self.trouble = store, asyncio.Event(), False
        self.free.set()

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def put_profile(self, *arguments):
        await self.free.wait()
        if self.trouble:
            raise StoreError("the disk is full")
        await self._store.put_profile(*arguments)


def slowed(scene):
    """The scene's store, from now on slow."""
    store = scene.station.charging._store = SlowStore(scene.store)
    return store
