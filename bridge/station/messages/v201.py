"""OCPP 2.0.1 on the wire: what it has no words for, of what our classes can say.

Our classes hold what 2.0.1 and 2.1 say. What 2.1 alone has is refused by 2.0.1's schemas when it comes in, and left out
or said in older words when it goes out (an event that was kept under 2.1, a profile that was set under it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from bridge.station.messages import datatypes as types
from bridge.station.messages import enums
from bridge.station.messages.csms_calls import TriggerMessageRequest
from bridge.station.messages.security_types import NetworkConnectionProfile
from bridge.station.messages.station_calls import AuthorizeResponse, TransactionEventRequest, TransactionEventResponse
from bridge.station.messages.wire import VersionedAdapter

#: The actions of ours that only 2.1 has.
LATER_ACTIONS: Final = frozenset({"NotifyAllowedEnergyTransfer", "PullDynamicScheduleUpdate", "UpdateDynamicSchedule"})

#: The fields that only 2.1 has; all are optional.
LATER_FIELDS: Final[Mapping[type, frozenset[str]]] = {
    AuthorizeResponse: frozenset({"allowed_energy_transfer", "tariff"}),
    NetworkConnectionProfile: frozenset({"identity", "basic_auth_password"}),
    TransactionEventRequest: frozenset({"evse_sleep", "preconditioning_status", "cost_details"}),
    TransactionEventResponse: frozenset({"transaction_limit", "updated_personal_message_extra"}),
    TriggerMessageRequest: frozenset({"custom_trigger"}),
    types.ChargingLimit: frozenset({"is_local_generation"}),
    types.ChargingProfile: frozenset(
        {
            *("max_offline_duration", "invalid_after_offline_duration"),
            *("dyn_update_interval", "dyn_update_time", "price_schedule_signature"),
        }
    ),
    types.ChargingSchedule: frozenset(
        {
            *("limit_at_soc", "use_local_time", "randomized_delay", "power_tolerance"),
            *("signature_id", "digest_value", "absolute_price_schedule", "price_level_schedule"),
        }
    ),
    types.ChargingSchedulePeriod: frozenset({"operation_mode", "setpoint", "discharge_limit", "others"}),
    types.EventData: frozenset({"severity"}),
    types.Transaction: frozenset({"operation_mode", "tariff_id", "transaction_limit"}),
    types.VariableCharacteristics: frozenset({"max_elements"}),
}

_Kind = enums.ChargingProfileKind
_Measurand = enums.Measurand
_Trigger = enums.TriggerReason

#: What a station says in 2.1's words alone, and what comes nearest to it in 2.0.1's.
OLDER_WORDS: Final[Mapping[type[StrEnum], Mapping[StrEnum, StrEnum]]] = {
    _Kind: {_Kind.DYNAMIC: _Kind.RELATIVE},
    enums.Location: {enums.Location.UPSTREAM: enums.Location.INLET},
    enums.Reason: {enums.Reason.REQ_ENERGY_TRANSFER_REJECTED: enums.Reason.OTHER},
    _Trigger: {
        _Trigger.COST_LIMIT_REACHED: _Trigger.CHARGING_STATE_CHANGED,
        _Trigger.LIMIT_SET: _Trigger.CHARGING_RATE_CHANGED,
        _Trigger.OPERATION_MODE_CHANGED: _Trigger.CHARGING_RATE_CHANGED,
        _Trigger.RUNNING_COST: _Trigger.METER_VALUE_PERIODIC,
        _Trigger.SOC_LIMIT_REACHED: _Trigger.CHARGING_STATE_CHANGED,
        _Trigger.TARIFF_CHANGED: _Trigger.CHARGING_RATE_CHANGED,
        _Trigger.TARIFF_NOT_ACCEPTED: _Trigger.DEAUTHORIZED,
        _Trigger.TX_RESUMED: _Trigger.CHARGING_STATE_CHANGED,
    },
}

#: What 2.0.1 cannot measure: such a value is left out.
LATER_MEASURANDS: Final = frozenset(
    {
        *(one for one in _Measurand if one.value.startswith(("Display.", "EnergyRequest."))),
        *(one for one in _Measurand if one.value.endswith((".Minimum", ".Maximum"))),
        _Measurand.CURRENT_EXPORT_OFFERED,
        _Measurand.CURRENT_IMPORT_OFFERED,
        _Measurand.ENERGY_ACTIVE_IMPORT_CABLE_LOSS,
        _Measurand.ENERGY_ACTIVE_IMPORT_LOCAL_GENERATION_REGISTER,
        _Measurand.ENERGY_ACTIVE_SETPOINT_INTERVAL,
        _Measurand.POWER_ACTIVE_RESIDUAL,
        _Measurand.POWER_ACTIVE_SETPOINT,
        _Measurand.POWER_EXPORT_OFFERED,
        _Measurand.POWER_IMPORT_OFFERED,
    }
)

_LONGEST_TOKEN: Final = 36
#: 2.0.1 cannot leave a limit out; no grid has this.
_NO_LIMIT: Final = 1_000_000.0


class Adapter(VersionedAdapter):
    """Translates between our messages and OCPP 2.0.1's payloads."""

    subprotocol = "ocpp2.0.1"
    schemas = "v201"
    without = LATER_ACTIONS

    def fitted(self, message: Any) -> Any:
        """Without what came with 2.1, or in older words."""
        return _older(message)


def _older(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_older(part) for part in value if not _unsayable(part)) or None
    if isinstance(value, StrEnum):
        return OLDER_WORDS.get(type(value), {}).get(value, value)
    names = getattr(type(value), "__dataclass_fields__", None)
    if names is None:
        return value
    gone = LATER_FIELDS.get(type(value), frozenset())
    rewrite = _REWRITES.get(type(value))
    parts = {name: None if name in gone else _older(getattr(value, name)) for name in names}
    return replace(value, **parts | (rewrite(value) if rewrite else {}))


def _unsayable(part: Any) -> bool:
    """What cannot be said in a list, and is not missed there."""
    match part:
        case types.SampledValue(measurand=measurand):
            return measurand in LATER_MEASURANDS
        case types.MeterValue(sampled_value=values):
            return all(_unsayable(value) for value in values)
        case types.AdditionalInfo(additional_id_token=token):
            return len(token) > _LONGEST_TOKEN
    return False


def _token(value: types.IdToken) -> dict[str, Any]:
    """A kind that came later is a MAC address where it is a vehicle's own, else something of the CSMS's."""
    if isinstance(value.type, enums.IdTokenKind):
        return {}
    return {"type": enums.IdTokenKind.MAC_ADDRESS if value.type == "EVCCID" else enums.IdTokenKind.CENTRAL}


def _event(value: TransactionEventRequest) -> dict[str, Any]:
    """A token that is too long cannot be told; that the transaction goes on can."""
    token = value.id_token
    return {"id_token": None} if token is not None and len(token.id_token) > _LONGEST_TOKEN else {}


def _period(value: types.ChargingSchedulePeriod) -> dict[str, Any]:
    """2.0.1 knows limits only: what is to flow is one, below zero a discharge."""
    if value.setpoint is not None:
        return {"limit": value.setpoint}
    if value.operation_mode is enums.OperationMode.IDLE:
        return {"limit": 0.0}
    return {} if value.limit is not None else {"limit": _NO_LIMIT}


def _signed(value: types.SignedMeterValue) -> dict[str, Any]:
    return {"signing_method": value.signing_method or "", "public_key": value.public_key or ""}


_REWRITES: Final[Mapping[type, Callable[[Any], dict[str, Any]]]] = {
    TransactionEventRequest: _event,
    types.ChargingSchedulePeriod: _period,
    types.IdToken: _token,
    types.SignedMeterValue: _signed,
}
