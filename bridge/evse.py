"""The port between the two worlds: what is wanted of an EVSE, and what is observed of it.

Neither OCPP nor ECHONET stands here. Quantities are integers in mW, mA, mV, mWh and ms; plus means into the car.
The station says what it wants and is called back with what is observed; the charger brings the one to the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from typing import Protocol

from bridge.records import dataclass


class Mode(StrEnum):
    """What an EVSE is to do."""

    STOP = "stop"
    PAUSE = "pause"
    CHARGE = "charge"
    DISCHARGE = "discharge"
    AUTO = "auto"
    HANDS_OFF = "hands_off"


class Urgency(StrEnum):
    """How soon a wish goes out: a stop before limits before other commands."""

    SAFETY = "safety"
    NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class Amount:
    """How much a session may move before it is stopped (AIF 5.2): whichever comes first.

    `energy` (mWh) is counted in the direction of the wanted mode; `soc` (0.001 %) is reached from below when charging,
    from above when discharging. The count goes on, over restarts too, as long as `key` stays the same.
    """

    key: str
    energy: int | None = None
    soc: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A setpoint. `target` is signed (mW, plus into the car), None means as much as the unit may.

    The bounds (mW, not negative) cap each direction apart; a bound never becomes an order of the other direction.
    `authorized` and `in_transaction` are what the mapping tables may look at besides. `left_alone` goes with hands off:
    the unit is not even asked whether a vehicle is there. `occasion` is another number whenever somebody has said
    something that may start again what a person or the vehicle has ended: a start, a new profile, another target.
    """

    mode: Mode = Mode.STOP
    target: int | None = None
    charge_bound: int | None = None
    discharge_bound: int | None = None
    amount: Amount | None = None
    urgency: Urgency = Urgency.NORMAL
    authorized: bool = False
    in_transaction: bool = False
    left_alone: bool = False
    occasion: int = 0


class Connector(StrEnum):
    """What the tables decide about a connector. Reserved and Inoperative are laid over by the station."""

    AVAILABLE = "Available"
    OCCUPIED = "Occupied"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class ChargingState(StrEnum):
    """What the tables decide about the charging within a transaction."""

    IDLE = "Idle"
    EV_CONNECTED = "EVConnected"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"


class Trigger(StrEnum):
    """Why a transaction event is told, as far as a table can know it (OCPP TriggerReasonEnumType)."""

    CABLE_PLUGGED_IN = "CablePluggedIn"
    EV_DETECTED = "EVDetected"
    EV_COMMUNICATION_LOST = "EVCommunicationLost"
    EV_DEPARTED = "EVDeparted"
    CHARGING_STATE_CHANGED = "ChargingStateChanged"
    ABNORMAL_CONDITION = "AbnormalCondition"


class StopReason(StrEnum):
    """Why a transaction ends that ends with the energy, as far as a table can know it (OCPP ReasonEnumType)."""

    STOPPED_BY_EV = "StoppedByEV"
    LOCAL = "Local"
    EV_DISCONNECTED = "EVDisconnected"
    GROUND_FAULT = "GroundFault"
    POWER_QUALITY = "PowerQuality"
    OTHER = "Other"


class Plug(StrEnum):
    """What the unit says about a vehicle. BLIND: this type of unit cannot tell."""

    YES = "yes"
    NO = "no"
    BLIND = "blind"
    UNDETERMINED = "undetermined"


class Source(StrEnum):
    """Where a value comes from."""

    NOTIFIED = "notified"
    READ = "read"
    ASSUMED = "assumed"
    LAST_KNOWN = "last known"


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value; `at` is monotonic (ms), `origin` names what was measured (a property's short name)."""

    value: int
    at: int
    source: Source = Source.READ
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that the unit reports."""

    code: str
    description: str = ""


class HappeningKind(StrEnum):
    """What happened at the unit that is more than a value."""

    LOCAL_START = "local start"
    LOCAL_STOP = "local stop"
    FOREIGN_LIMIT = "foreign limit"
    FOREIGN_LIMIT_CLEARED = "foreign limit cleared"
    CONTESTED = "contested"
    CANNOT = "cannot"
    CONFIRMED = "confirmed"
    AMOUNT_REACHED = "amount reached"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that the station may have to tell the CSMS; `value` in mW where the kind has one."""

    kind: HappeningKind
    text: str = ""
    value: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """How far the wanted amount has come: `energy` (mWh) so far. Once `reached` nothing flows any more."""

    key: str
    energy: int = 0
    reached: bool = False


class ValueKind(StrEnum):
    """What a variable's text is."""

    TEXT = "text"
    FLAG = "flag"  # "true" or "false"


@dataclass(frozen=True, slots=True)
class Variable:
    """A value of the unit in the device model: `component` and `variable` are OCPP's names."""

    component: str
    variable: str
    value: str
    kind: ValueKind = ValueKind.TEXT


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of an EVSE now. None means unknown; nothing stale is shown as fresh."""

    reachable: bool = False
    connector: Connector | None = None
    charging_state: ChargingState | None = None
    plug: Plug = Plug.UNDETERMINED
    power: Reading | None = None  # mW, signed
    current: Reading | None = None  # mA, signed
    voltage: Reading | None = None  # mV
    energy_in: Reading | None = None  # mWh, into the car, only grows
    energy_out: Reading | None = None  # mWh, out of the car, only grows
    soc: Reading | None = None  # 0.001 %
    offered: Reading | None = None  # mW, signed: what the unit granted
    vehicle_id: str | None = None
    counted: Counted | None = None
    fault: Fault | None = None
    confirmed: bool = False  # the wanted setpoint has been reached and read back
    trouble: str | None = None  # why the wanted setpoint cannot be reached, for a person
    rules: tuple[str, ...] = ()  # which rows of which table decided, as file:line
    plug_trigger: Trigger | None = None  # how the table tells that `plug` is as it is; None: as usual
    state_trigger: Trigger | None = None  # ... that `charging_state` is
    stopped_reason: StopReason | None = None  # why a transaction has ended by that, if it ends with the energy
    variables: tuple[Variable, ...] = ()  # what the table shows in the device model


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an EVSE's unit can do (mW), as far as it has been read."""

    charge_max: int | None = None
    discharge_max: int | None = None
    charge_adjustable: bool = False
    discharge_adjustable: bool = False
    phases: int = 1
    direct_current: bool = True
    modes: frozenset[Mode] = field(default_factory=frozenset)


Listener = Callable[[Observed, tuple[Happening, ...]], None]


class Evse(Protocol):
    """What the station sees of one EVSE."""

    @property
    def observed(self) -> Observed:
        """What is known now."""

    @property
    def abilities(self) -> Abilities:
        """What the unit can do."""

    def want(self, wanted: Wanted) -> None:
        """Replace what is wanted. Returns at once; what comes of it is observed."""

    def refusal(self, mode: Mode) -> str | None:
        """Why a mode is known now to be impossible (for a person), or None if it may be tried."""

    def listen(self, listener: Listener) -> None:
        """Be called after every change of `observed`, with what happened."""
