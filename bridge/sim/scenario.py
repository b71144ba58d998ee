"""The demo's script: a whole evening of a V2H unit, from the CSMS's side and the resident's.

It knows the unit, the CSMS and the timeline, and nothing of what stands between them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.clock import Clock
from bridge.sim.codec import Esv
from bridge.sim.control import SimUnit
from bridge.sim.csms import DemoCsms
from bridge.sim.timeline import Expectation, Timeline, datagram, message

#: How long a step may take before what is missing counts as missing (ms).
STEP_TIMEOUT = 15_000
TOKEN = {"idToken": "DEMO-0001", "type": "Central"}
_PROFILE_ID = 1


@dataclass(slots=True)
class Scene:
    """Who plays."""

    clock: Clock
    unit: SimUnit
    csms: DemoCsms
    station_id: str
    timeline: Timeline
    transaction_id: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done, and what must be seen of it."""

    name: str
    act: Callable[[Scene], Awaitable[None]]
    groups: Sequence[Sequence[Expectation]] = field(default=())


def _event(label: str, kind: str, **fields: Any) -> Expectation:
    return message(label, "TransactionEvent", eventType=kind, **fields)


def _state(state: str) -> dict[str, Any]:
    return {"transactionInfo__chargingState": state}


async def _wait(scene: Scene) -> None:
    """Nothing is done; the gateway finds the unit and its CSMS by itself."""


async def _plug(scene: Scene) -> None:
    scene.unit.plug()


async def _start(scene: Scene) -> None:
    await _call(
        scene, "RequestStartTransaction", evseId=1, remoteStartId=1, idToken=TOKEN, chargingProfile=_profile(3000)
    )


async def _discharge(scene: Scene) -> None:
    await _limit(scene, -2000)


async def _pause(scene: Scene) -> None:
    await _limit(scene, 0)


async def _resume(scene: Scene) -> None:
    await _limit(scene, 3000)


async def _panel_stop(scene: Scene) -> None:
    scene.unit.panel("stop")


async def _go_dark(scene: Scene) -> None:
    await scene.csms.go_dark()
    scene.unit.panel("charge")
    await scene.unit.until(lambda unit: unit.power_w > 1000, 20_000)
    await scene.clock.sleep(2_000)


async def _come_back(scene: Scene) -> None:
    scene.csms.come_back()


async def _stop(scene: Scene) -> None:
    await _call(scene, "RequestStopTransaction", transactionId=_transaction(scene))


async def _unplug(scene: Scene) -> None:
    scene.unit.unplug()


STEPS: tuple[Step, ...] = (
    Step(
        "find the unit and the CSMS",
        _wait,
        (
            [datagram("the maps are read", Esv.GET, "82", "9D", "9E", "9F")],
            [message("free", "StatusNotification", connectorStatus="Available")],
        ),
    ),
    Step(
        "plug in",
        _plug,
        (
            [
                message("plugged", "StatusNotification", connectorStatus="Occupied"),
                datagram("the state is read", Esv.GET, "C7"),  # anew, with everything else: CEL 3.5
            ],
            [datagram("the state", Esv.GET_RES, "C7=43")],
        ),
    ),
    Step(
        "remote start, at most 3 kW",
        _start,
        (
            [datagram("by designated power", Esv.SETC, "DC=03")],
            [datagram("3 kW", Esv.SETC, "EB=00000BB8")],
            [datagram("3 kW read back", Esv.GET_RES, "EB=00000BB8")],
            [datagram("charge", Esv.SETC, "DA=42")],
            [datagram("charge read back", Esv.GET_RES, "DA=42")],
            [datagram("the unit announces it", Esv.INF, "DA=42")],
            [_event("charging", "Updated", **_state("Charging"))],
        ),
    ),
    Step(
        "discharge at 2 kW",
        _discharge,
        (
            [datagram("by designated power", Esv.SETC, "DD=03")],
            [datagram("2 kW", Esv.SETC, "EC=000007D0")],
            [datagram("2 kW read back", Esv.GET_RES, "EC=000007D0")],
            [datagram("discharge", Esv.SETC, "DA=43")],
            [datagram("discharge read back", Esv.GET_RES, "DA=43")],
            [_event("energy flows out of the car", "Updated", **_state("Charging"))],
        ),
    ),
    Step(
        "pause",
        _pause,
        (
            [datagram("standby", Esv.SETC, "DA=44")],
            [_event("suspended by the station", "Updated", **_state("SuspendedEVSE"))],
        ),
    ),
    Step(
        "charge again",
        _resume,
        ([datagram("charge", Esv.SETC, "DA=42")], [_event("charging", "Updated", **_state("Charging"))]),
    ),
    Step(
        "somebody stops it at the wall panel",
        _panel_stop,
        (
            [  # a poll may be quicker than the unit's announcement (CEL-3.8)
                datagram("the unit announces it", Esv.INF, "DA=47"),
                _event("told, and respected", "Updated", **_state("SuspendedEVSE")),
            ],
        ),
    ),
    Step(
        "the CSMS is gone; somebody starts it at the panel",
        _go_dark,
        ([datagram("the unit announces it", Esv.INF, "DA=42")],),
    ),
    Step(
        "the CSMS is back",
        _come_back,
        ([_event("what happened meanwhile", "Updated", offline=True, **_state("Charging"))],),
    ),
    Step(
        "remote stop",
        _stop,
        (
            [datagram("stop", Esv.SETC, "DA=47")],
            [datagram("stop read back", Esv.GET_RES, "DA=47")],
            [_event("ended", "Ended", triggerReason="RemoteStop", transactionInfo__stoppedReason="Remote")],
        ),
    ),
    Step("unplug", _unplug, ([message("free", "StatusNotification", connectorStatus="Available")],)),
)


async def play(scene: Scene) -> list[str]:
    """Play all steps. Gives back what was missing or wrong; nothing, if all went well."""
    for step in STEPS:
        scene.timeline.begin(step.name, step.groups)
        await step.act(scene)
        if not await scene.timeline.settle(STEP_TIMEOUT):
            break
    faults = list(scene.timeline.missing)
    if not faults:
        await scene.csms.wait_for(lambda: _all_answered(scene), STEP_TIMEOUT)
    faults += [f"{transaction}: seqNo {gaps} missing" for transaction, gaps in scene.csms.gaps().items() if gaps]
    return faults + scene.csms.violations


def _all_answered(scene: Scene) -> bool:
    events = scene.csms.events(scene.station_id)
    return bool(events) and events[-1]["eventType"] == "Ended"


def _transaction(scene: Scene) -> str:
    return str(scene.csms.events(scene.station_id)[-1]["transactionInfo"]["transactionId"])


async def _limit(scene: Scene, watts: int) -> None:
    profile = _profile(watts) | {"transactionId": _transaction(scene)}
    await _call(scene, "SetChargingProfile", evseId=1, chargingProfile=profile)


async def _call(scene: Scene, action: str, **payload: Any) -> None:
    answer = await scene.csms.call(scene.station_id, action, payload)
    if answer.get("status") != "Accepted":
        scene.timeline.missing.append(f"{action} was answered {answer}")


def _profile(watts: int) -> dict[str, Any]:
    return {
        "id": _PROFILE_ID,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [
            {
                "id": 1,
                "chargingRateUnit": "W",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": watts}],
            }
        ],
    }
