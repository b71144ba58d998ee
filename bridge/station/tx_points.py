"""The points at which a transaction starts and stops, and the words in which that is told, as tables (E01, E06).

A point is a condition that holds or not (`HOLDS`). Without a parking bay detector and without a meter that signs there
are four. What has been lost (`Loss`) ends a transaction where one of the stop points hangs on it (`HANGS_ON`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from bridge.evse import ChargingState as SeenState
from bridge.evse import Observed
from bridge.records import dataclass
from bridge.station.messages import ChargingState, Reason, TriggerReason, TxPoint


@dataclass(frozen=True, slots=True)
class Facts:
    """What the points look at: a vehicle is there, somebody has the right to energy, energy flows."""

    connected: bool
    authorized: bool
    energy: bool


#: When a point holds (E01.FR.02, E01.FR.03, E01.FR.05, E01.FR.06). Energy that flows for nobody is no session of ours:
#: what a person starts at the unit is authorized first, or left alone, as the site says.
HOLDS: Final[Mapping[TxPoint, Callable[[Facts], bool]]] = MappingProxyType(
    {
        TxPoint.EV_CONNECTED: lambda facts: facts.connected,
        TxPoint.AUTHORIZED: lambda facts: facts.authorized,
        TxPoint.POWER_PATH_CLOSED: lambda facts: facts.authorized and facts.connected,
        TxPoint.ENERGY_TRANSFER: lambda facts: facts.authorized and facts.energy,
    }
)


def starts(points: Iterable[TxPoint], facts: Facts) -> bool:
    """Whether one of the start points holds. Asked only where something has just begun, not of what has lasted."""
    return any(HOLDS[point](facts) for point in points)


class Loss(StrEnum):
    """What a transaction may hang on, and has lost."""

    AUTHORIZATION = "authorization"
    VEHICLE = "vehicle"
    ENERGY = "energy"


#: Which losses end a transaction by which stop point. Without authorization energy stops as well, so that
#: EnergyTransfer hangs on it too (E05.FR.10).
HANGS_ON: Final[Mapping[TxPoint, frozenset[Loss]]] = MappingProxyType(
    {
        TxPoint.EV_CONNECTED: frozenset({Loss.VEHICLE}),  # E06.FR.02
        TxPoint.AUTHORIZED: frozenset({Loss.AUTHORIZATION}),  # E06.FR.03, E06.FR.04
        TxPoint.POWER_PATH_CLOSED: frozenset({Loss.VEHICLE, Loss.AUTHORIZATION}),  # E06.FR.06
        TxPoint.ENERGY_TRANSFER: frozenset({Loss.ENERGY, Loss.AUTHORIZATION}),  # E06.FR.07
    }
)


def ends(points: Iterable[TxPoint], losses: Iterable[Loss]) -> bool:
    """Whether one of the stop points hangs on what has been lost."""
    lost = frozenset(losses)
    return any(HANGS_ON[point] & lost for point in points)


#: Every pair in which an Ended can say what has triggered it and why the transaction has stopped. Reasons that need
#: what a home unit has not (a credit, a local time limit) do not occur. LocalOutOfCredit, Overcurrent: never known.
_BY_UNIT = frozenset(
    {Reason.STOPPED_BY_EV, Reason.LOCAL, Reason.EV_DISCONNECTED, Reason.GROUND_FAULT, Reason.POWER_QUALITY}
)
_BY_SOMEBODY = frozenset({Reason.REMOTE, Reason.LOCAL, Reason.DE_AUTHORIZED, Reason.MASTER_PASS})
ENDED_AS: Final[Mapping[TriggerReason, frozenset[Reason]]] = MappingProxyType(
    {
        TriggerReason.REMOTE_STOP: frozenset({Reason.REMOTE}),  # F03.FR.03
        TriggerReason.STOP_AUTHORIZED: frozenset({Reason.LOCAL, Reason.MASTER_PASS}),  # E07.FR.05, C16
        TriggerReason.DEAUTHORIZED: frozenset({Reason.DE_AUTHORIZED}),  # E05.FR.10
        TriggerReason.EV_CONNECT_TIMEOUT: frozenset({Reason.TIMEOUT}),  # E03.FR.05, F02.FR.07, E10.FR.02
        # A vehicle that leaves after somebody has stopped: who that was counts for more (F04.FR.03, TC_E_14).
        TriggerReason.EV_COMMUNICATION_LOST: _BY_SOMEBODY | {Reason.EV_DISCONNECTED},
        TriggerReason.EV_DEPARTED: _BY_SOMEBODY | {Reason.EV_DISCONNECTED},
        TriggerReason.CHARGING_STATE_CHANGED: _BY_UNIT | {Reason.OTHER},
        TriggerReason.ABNORMAL_CONDITION: _BY_UNIT | {Reason.OTHER, Reason.POWER_LOSS},  # E06.FR.16
        TriggerReason.RESET_COMMAND: frozenset({Reason.IMMEDIATE_RESET}),  # B12.FR.04
    }
)

#: Why a transaction ends that ends with the energy, where the unit's table says nothing else (TC_E_22).
_ENERGY_ENDED: Final[Mapping[SeenState, Reason]] = MappingProxyType({SeenState.SUSPENDED_EV: Reason.STOPPED_BY_EV})


def state_trigger(seen: Observed) -> TriggerReason:
    """How a change of the charging state is told: as the unit's table has it, else as usual."""
    return TriggerReason(seen.state_trigger.value) if seen.state_trigger else TriggerReason.CHARGING_STATE_CHANGED


def plug_trigger(seen: Observed) -> TriggerReason | None:
    """How the table tells that the vehicle has come or gone; None: as usual."""
    return TriggerReason(seen.plug_trigger.value) if seen.plug_trigger else None


def energy_reason(seen: Observed) -> Reason:
    """Why a transaction ends that ends with the energy (E06.FR.07, E06.FR.08)."""
    if seen.stopped_reason:
        return Reason(seen.stopped_reason.value)
    return _ENERGY_ENDED.get(seen.charging_state or SeenState.IDLE, Reason.OTHER)


def resting_state(connected: bool) -> ChargingState:
    """The charging state of a transaction in which nothing may flow: at its start, at its end, without a right."""
    return ChargingState.EV_CONNECTED if connected else ChargingState.IDLE
