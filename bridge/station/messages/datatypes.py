"""Every OCPP data type of the messages in use: the name without "Type", the fields in snake_case.

What a field means is told by OCPP 2.0.1 Part 2, section 2 (data types) under the same name. Fields of 2.1 alone are
optional here, and `v201` knows them.
"""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, WrapSerializer

from bridge.station.messages.base import CustomData, DateTime, Integer, Opaque, message_type
from bridge.station.messages.enums import (
    Attribute,
    AuthorizationStatus,
    ChargingLimitSource,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingState,
    CostKind,
    Data,
    EventNotification,
    EventTrigger,
    GetVariableStatus,
    HashAlgorithm,
    IdTokenKind,
    Location,
    Measurand,
    MessageFormat,
    Mutability,
    OperationMode,
    Phase,
    ReadingContext,
    Reason,
    RecurrencyKind,
    SetVariableStatus,
)

#: From 2.1 on these are words of an open list: one that we do not know stays as it is.
_LimitSource = Annotated[ChargingLimitSource | str, Field(union_mode="left_to_right")]
_TokenKind = Annotated[IdTokenKind | str, Field(union_mode="left_to_right")]


@message_type
class AdditionalInfo:
    """A further identifier that comes with an id token."""

    additional_id_token: str
    type: str
    custom_data: CustomData | None = None


@message_type
class ChargingLimit:
    """Where a limit comes from, and whether the grid depends on it."""

    charging_limit_source: ChargingLimitSource
    is_grid_critical: bool | None = None
    is_local_generation: bool | None = None
    custom_data: CustomData | None = None


@message_type
class ChargingProfileCriterion:
    """Which profiles are to be reported."""

    charging_profile_purpose: ChargingProfilePurpose | None = None
    stack_level: Integer | None = None
    charging_profile_id: tuple[Integer, ...] | None = None
    charging_limit_source: tuple[_LimitSource, ...] | None = None
    custom_data: CustomData | None = None


@message_type
class ChargingSchedulePeriod:
    """A limit from `start_period` on (s from the schedule's start), in the schedule's unit.

    2.1 may leave the limit out, and has an operation mode, a bound on discharging (zero or below) and a setpoint; in
    `others` is what else it has (of single phases, reactive power, curves), by its name on the wire.
    """

    start_period: Integer
    limit: float | None = None
    number_phases: Integer | None = None
    phase_to_use: Integer | None = None
    custom_data: CustomData | None = None
    operation_mode: OperationMode | None = None
    setpoint: float | None = None
    discharge_limit: float | None = None
    others: Opaque | None = None


_OF_A_PERIOD: Final = frozenset(
    {
        *("startPeriod", "limit", "numberPhases", "phaseToUse", "customData"),
        *("operationMode", "setpoint", "dischargeLimit"),
    }
)


def _gathered(period: Any) -> Any:
    """With all that has no field of its own under `others`."""
    if not isinstance(period, dict) or period.keys() <= _OF_A_PERIOD:
        return period
    own = {name: value for name, value in period.items() if name in _OF_A_PERIOD}
    return {**own, "others": {name: value for name, value in period.items() if name not in _OF_A_PERIOD}}


def _spread(period: Any, write: SerializerFunctionWrapHandler) -> Any:
    written = write(period)
    written.update(written.pop("others", None) or {})
    return written


def _all_gathered(periods: Any) -> Any:
    if not isinstance(periods, list) or all(isinstance(p, dict) and p.keys() <= _OF_A_PERIOD for p in periods):
        return periods
    return [_gathered(period) for period in periods]


def _all_spread(periods: Any, write: SerializerFunctionWrapHandler) -> Any:
    written = write(periods)
    for one in written:
        if "others" in one:
            one.update(one.pop("others") or {})
    return written


#: As they stand in a message. One look at all of them: to have each looked at takes as long as all the rest.
_Periods = Annotated[tuple[ChargingSchedulePeriod, ...], BeforeValidator(_all_gathered), WrapSerializer(_all_spread)]


@message_type
class LimitAtSoc:
    """A limit that counts from a state of charge on (%)."""

    soc: Integer
    limit: float
    custom_data: CustomData | None = None


@message_type
class RelativeTimeInterval:
    """A stretch of time from `start` on (s from now), `duration` s long."""

    start: Integer
    duration: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class Cost:
    """One cost: `amount` times ten to the `amount_multiplier`."""

    cost_kind: CostKind
    amount: Integer
    amount_multiplier: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class ConsumptionCost:
    """What consumption from `start_value` on costs."""

    start_value: float
    cost: tuple[Cost, ...]
    custom_data: CustomData | None = None


@message_type
class SalesTariffEntry:
    """What applies during one interval of a sales tariff."""

    relative_time_interval: RelativeTimeInterval
    e_price_level: Integer | None = None
    consumption_cost: tuple[ConsumptionCost, ...] | None = None
    custom_data: CustomData | None = None


@message_type
class SalesTariff:
    """A tariff that a vehicle may plan with (ISO 15118)."""

    id: Integer
    sales_tariff_entry: tuple[SalesTariffEntry, ...]
    sales_tariff_description: str | None = None
    num_e_price_levels: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class ChargingSchedule:
    """Limits over time; `duration` in s, limits in `charging_rate_unit`."""

    id: Integer
    charging_rate_unit: ChargingRateUnit
    charging_schedule_period: _Periods
    start_schedule: DateTime | None = None
    duration: Integer | None = None
    min_charging_rate: float | None = None
    sales_tariff: SalesTariff | None = None
    custom_data: CustomData | None = None
    limit_at_soc: Annotated[LimitAtSoc | None, Field(alias="limitAtSoC")] = None
    use_local_time: bool | None = None
    randomized_delay: Integer | None = None
    power_tolerance: float | None = None
    signature_id: Integer | None = None
    digest_value: str | None = None
    absolute_price_schedule: Opaque | None = None
    price_level_schedule: Opaque | None = None


@message_type
class ChargingProfile:
    """A schedule with its purpose, its place in the stack and when it holds."""

    id: Integer
    stack_level: Integer
    charging_profile_purpose: ChargingProfilePurpose
    charging_profile_kind: ChargingProfileKind
    charging_schedule: tuple[ChargingSchedule, ...]
    recurrency_kind: RecurrencyKind | None = None
    valid_from: DateTime | None = None
    valid_to: DateTime | None = None
    transaction_id: str | None = None
    custom_data: CustomData | None = None
    max_offline_duration: Integer | None = None
    invalid_after_offline_duration: bool | None = None
    dyn_update_interval: Integer | None = None
    dyn_update_time: DateTime | None = None
    price_schedule_signature: str | None = None


@message_type
class ChargingScheduleUpdate:
    """What a dynamic profile says from now on; in `others` what else there is, as in a period."""

    limit: float | None = None
    discharge_limit: float | None = None
    setpoint: float | None = None
    others: Opaque | None = None
    custom_data: CustomData | None = None


#: As it stands in a message.
ScheduleUpdate = Annotated[ChargingScheduleUpdate, BeforeValidator(_gathered), WrapSerializer(_spread)]


@message_type
class Modem:
    """The identity of a station's modem and SIM card."""

    iccid: str | None = None
    imsi: str | None = None
    custom_data: CustomData | None = None


@message_type
class ChargingStation:
    """What a station says of itself when it boots."""

    model: str
    vendor_name: str
    serial_number: str | None = None
    modem: Modem | None = None
    firmware_version: str | None = None
    custom_data: CustomData | None = None


@message_type
class ClearChargingProfile:
    """Which profiles are to be cleared."""

    evse_id: Integer | None = None
    charging_profile_purpose: ChargingProfilePurpose | None = None
    stack_level: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class Evse:
    """An EVSE, or one connector of it."""

    id: Integer
    connector_id: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class Component:
    """A component of the device model."""

    name: str
    evse: Evse | None = None
    instance: str | None = None
    custom_data: CustomData | None = None


@message_type
class CompositeSchedule:
    """The limits that result from all profiles, from `schedule_start` on."""

    charging_schedule_period: _Periods
    evse_id: Integer
    duration: Integer
    schedule_start: DateTime
    charging_rate_unit: ChargingRateUnit
    custom_data: CustomData | None = None


@message_type
class Variable:
    """A variable of a component."""

    name: str
    instance: str | None = None
    custom_data: CustomData | None = None


@message_type
class ComponentVariable:
    """A component, or one variable of it."""

    component: Component
    variable: Variable | None = None
    custom_data: CustomData | None = None


@message_type
class EventData:
    """One event: which variable, which value, since when."""

    event_id: Integer
    timestamp: DateTime
    trigger: EventTrigger
    actual_value: str
    component: Component
    event_notification_type: EventNotification
    variable: Variable
    cause: Integer | None = None
    tech_code: str | None = None
    tech_info: str | None = None
    cleared: bool | None = None
    transaction_id: str | None = None
    variable_monitoring_id: Integer | None = None
    custom_data: CustomData | None = None
    severity: Integer | None = None


@message_type
class GetVariableData:
    """Which attribute of which variable to read."""

    component: Component
    variable: Variable
    attribute_type: Attribute | None = None
    custom_data: CustomData | None = None


@message_type
class StatusInfo:
    """Why a status is what it is: a code, and a text for a person."""

    reason_code: str
    additional_info: str | None = None
    custom_data: CustomData | None = None


@message_type
class GetVariableResult:
    """What reading one variable gave."""

    attribute_status: GetVariableStatus
    component: Component
    variable: Variable
    attribute_status_info: StatusInfo | None = None
    attribute_type: Attribute | None = None
    attribute_value: str | None = None
    custom_data: CustomData | None = None


@message_type
class IdToken:
    """Who, or what, wants to charge."""

    id_token: str
    type: _TokenKind
    additional_info: tuple[AdditionalInfo, ...] | None = None
    custom_data: CustomData | None = None


@message_type
class MessageContent:
    """A text for a person."""

    format: MessageFormat
    content: str
    language: str | None = None
    custom_data: CustomData | None = None


@message_type
class IdTokenInfo:
    """What the CSMS says of an id token."""

    status: AuthorizationStatus
    cache_expiry_date_time: DateTime | None = None
    charging_priority: Integer | None = None
    language1: str | None = None
    evse_id: tuple[Integer, ...] | None = None
    group_id_token: IdToken | None = None
    language2: str | None = None
    personal_message: MessageContent | None = None
    custom_data: CustomData | None = None


@message_type
class SignedMeterValue:
    """A measured value signed by the meter."""

    signed_meter_data: str
    encoding_method: str
    signing_method: str | None = None
    public_key: str | None = None
    custom_data: CustomData | None = None


@message_type
class UnitOfMeasure:
    """The unit of a measured value, times ten to the `multiplier`."""

    unit: str | None = None
    multiplier: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class SampledValue:
    """One measured value and what it is."""

    value: float
    context: ReadingContext | None = None
    measurand: Measurand | None = None
    phase: Phase | None = None
    location: Location | None = None
    signed_meter_value: SignedMeterValue | None = None
    unit_of_measure: UnitOfMeasure | None = None
    custom_data: CustomData | None = None


@message_type
class MeterValue:
    """Values measured at one instant."""

    sampled_value: tuple[SampledValue, ...]
    timestamp: DateTime
    custom_data: CustomData | None = None


@message_type
class OcspRequestData:
    """What is needed to ask whether one certificate is still good."""

    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str
    responder_url: Annotated[str, Field(alias="responderURL")]
    custom_data: CustomData | None = None


@message_type
class VariableAttribute:
    """One attribute of a variable: its value, and what may be done with it."""

    type: Attribute | None = None
    value: str | None = None
    mutability: Mutability | None = None
    persistent: bool | None = None
    constant: bool | None = None
    custom_data: CustomData | None = None


@message_type
class VariableCharacteristics:
    """What values a variable may have."""

    data_type: Data
    supports_monitoring: bool
    unit: str | None = None
    min_limit: float | None = None
    max_limit: float | None = None
    values_list: str | None = None
    max_elements: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class ReportData:
    """One variable in a report."""

    component: Component
    variable: Variable
    variable_attribute: tuple[VariableAttribute, ...]
    variable_characteristics: VariableCharacteristics | None = None
    custom_data: CustomData | None = None


@message_type
class SetVariableData:
    """Which attribute of which variable to write."""

    attribute_value: str
    component: Component
    variable: Variable
    attribute_type: Attribute | None = None
    custom_data: CustomData | None = None


@message_type
class SetVariableResult:
    """What writing one variable gave."""

    attribute_status: SetVariableStatus
    component: Component
    variable: Variable
    attribute_type: Attribute | None = None
    attribute_status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class TransactionLimit:
    """How much a transaction may have: Wh, s, the currency's units, the state of charge in %."""

    max_cost: float | None = None
    max_energy: float | None = None
    max_time: Integer | None = None
    max_soc: Annotated[Integer | None, Field(alias="maxSoC")] = None
    custom_data: CustomData | None = None


@message_type
class Transaction:
    """A transaction as its events tell it."""

    transaction_id: str
    charging_state: ChargingState | None = None
    time_spent_charging: Integer | None = None
    stopped_reason: Reason | None = None
    remote_start_id: Integer | None = None
    custom_data: CustomData | None = None
    operation_mode: OperationMode | None = None
    tariff_id: str | None = None
    transaction_limit: TransactionLimit | None = None
