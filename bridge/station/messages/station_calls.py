"""What a station asks the CSMS, and the answers.

The class is named as the action, the fields in snake_case; what a field means is told by OCPP 2.0.1 Part 2, section 1
(messages) under the same name.
"""

from typing import Any

from bridge.station.messages.base import CustomData, DateTime, Integer, Opaque, Request, Response, message_type
from bridge.station.messages.datatypes import (
    ChargingLimit,
    ChargingProfile,
    ChargingSchedule,
    ChargingStation,
    EventData,
    Evse,
    IdToken,
    IdTokenInfo,
    MessageContent,
    MeterValue,
    OcspRequestData,
    ReportData,
    ScheduleUpdate,
    StatusInfo,
    Transaction,
    TransactionLimit,
)
from bridge.station.messages.enums import (
    AuthorizeCertificateStatus,
    BootReason,
    ChargingLimitSource,
    ChargingProfileStatus,
    ConnectorStatus,
    DataTransferStatus,
    EnergyTransferMode,
    PreconditioningStatus,
    RegistrationStatus,
    TransactionEvent,
    TriggerReason,
)


@message_type
class AuthorizeResponse(Response):
    """What the CSMS says of the id token."""

    id_token_info: IdTokenInfo
    certificate_status: AuthorizeCertificateStatus | None = None
    custom_data: CustomData | None = None
    allowed_energy_transfer: tuple[EnergyTransferMode, ...] | None = None
    tariff: Opaque | None = None


@message_type
class AuthorizeRequest(Request[AuthorizeResponse]):
    """May this id token charge?"""

    id_token: IdToken
    certificate: str | None = None
    iso15118_certificate_hash_data: tuple[OcspRequestData, ...] | None = None
    custom_data: CustomData | None = None


@message_type
class BootNotificationResponse(Response):
    """Whether the station is taken in, the CSMS's time, and the interval (s) of heartbeats or of the next attempt."""

    current_time: DateTime
    interval: Integer
    status: RegistrationStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class BootNotificationRequest(Request[BootNotificationResponse]):
    """The station has booted and asks to be taken in."""

    charging_station: ChargingStation
    reason: BootReason
    custom_data: CustomData | None = None


@message_type
class ClearedChargingLimitResponse(Response):
    """The CSMS knows that it is gone."""

    custom_data: CustomData | None = None


@message_type
class ClearedChargingLimitRequest(Request[ClearedChargingLimitResponse]):
    """A limit from someone other than the CSMS is gone."""

    charging_limit_source: ChargingLimitSource
    evse_id: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class DataTransferResponse(Response):
    """What became of it; `data` is passed on untouched."""

    status: DataTransferStatus
    status_info: StatusInfo | None = None
    data: Any = None
    custom_data: CustomData | None = None


@message_type
class DataTransferRequest(Request[DataTransferResponse]):
    """A vendor's own message; `data` is passed on untouched."""

    vendor_id: str
    message_id: str | None = None
    data: Any = None
    custom_data: CustomData | None = None


@message_type
class HeartbeatResponse(Response):
    """The CSMS's time."""

    current_time: DateTime
    custom_data: CustomData | None = None


@message_type
class HeartbeatRequest(Request[HeartbeatResponse]):
    """The station is alive and asks for the time."""

    custom_data: CustomData | None = None


@message_type
class MeterValuesResponse(Response):
    """The CSMS has the values."""

    custom_data: CustomData | None = None


@message_type
class MeterValuesRequest(Request[MeterValuesResponse]):
    """Values measured outside of transactions."""

    evse_id: Integer
    meter_value: tuple[MeterValue, ...]
    custom_data: CustomData | None = None


@message_type
class NotifyChargingLimitResponse(Response):
    """The CSMS knows of the limit."""

    custom_data: CustomData | None = None


@message_type
class NotifyChargingLimitRequest(Request[NotifyChargingLimitResponse]):
    """Someone other than the CSMS limits the charging."""

    charging_limit: ChargingLimit
    charging_schedule: tuple[ChargingSchedule, ...] | None = None
    evse_id: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class NotifyEventResponse(Response):
    """The CSMS has the events."""

    custom_data: CustomData | None = None


@message_type
class NotifyEventRequest(Request[NotifyEventResponse]):
    """Something happened to variables of the device model."""

    generated_at: DateTime
    seq_no: Integer
    event_data: tuple[EventData, ...]
    tbc: bool | None = None
    custom_data: CustomData | None = None


@message_type
class NotifyReportResponse(Response):
    """The CSMS has the part."""

    custom_data: CustomData | None = None


@message_type
class NotifyReportRequest(Request[NotifyReportResponse]):
    """One part of a report that was asked for."""

    request_id: Integer
    generated_at: DateTime
    seq_no: Integer
    report_data: tuple[ReportData, ...] | None = None
    tbc: bool | None = None
    custom_data: CustomData | None = None


@message_type
class PullDynamicScheduleUpdateResponse(Response):
    """What the profile says from now on."""

    status: ChargingProfileStatus
    schedule_update: ScheduleUpdate | None = None
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class PullDynamicScheduleUpdateRequest(Request[PullDynamicScheduleUpdateResponse]):
    """What does this dynamic profile say now?"""

    charging_profile_id: Integer
    custom_data: CustomData | None = None


@message_type
class ReportChargingProfilesResponse(Response):
    """The CSMS has the part."""

    custom_data: CustomData | None = None


@message_type
class ReportChargingProfilesRequest(Request[ReportChargingProfilesResponse]):
    """One part of the profiles that were asked for."""

    request_id: Integer
    charging_limit_source: ChargingLimitSource
    charging_profile: tuple[ChargingProfile, ...]
    evse_id: Integer
    tbc: bool | None = None
    custom_data: CustomData | None = None


@message_type
class SecurityEventNotificationResponse(Response):
    """The CSMS knows it."""

    custom_data: CustomData | None = None


@message_type
class SecurityEventNotificationRequest(Request[SecurityEventNotificationResponse]):
    """Something has happened that concerns security."""

    type: str
    timestamp: DateTime
    tech_info: str | None = None
    custom_data: CustomData | None = None


@message_type
class StatusNotificationResponse(Response):
    """The CSMS knows the state."""

    custom_data: CustomData | None = None


@message_type
class StatusNotificationRequest(Request[StatusNotificationResponse]):
    """The state of a connector has changed."""

    timestamp: DateTime
    connector_status: ConnectorStatus
    evse_id: Integer
    connector_id: Integer
    custom_data: CustomData | None = None


@message_type
class TransactionEventResponse(Response):
    """What the CSMS adds: cost, priority, and news of the id token."""

    total_cost: float | None = None
    charging_priority: Integer | None = None
    id_token_info: IdTokenInfo | None = None
    updated_personal_message: MessageContent | None = None
    custom_data: CustomData | None = None
    transaction_limit: TransactionLimit | None = None
    updated_personal_message_extra: tuple[MessageContent, ...] | None = None


@message_type
class TransactionEventRequest(Request[TransactionEventResponse]):
    """A transaction has started, gone on or ended."""

    event_type: TransactionEvent
    timestamp: DateTime
    trigger_reason: TriggerReason
    seq_no: Integer
    transaction_info: Transaction
    meter_value: tuple[MeterValue, ...] | None = None
    offline: bool | None = None
    number_of_phases_used: Integer | None = None
    cable_max_current: Integer | None = None
    reservation_id: Integer | None = None
    evse: Evse | None = None
    id_token: IdToken | None = None
    custom_data: CustomData | None = None
    evse_sleep: bool | None = None
    preconditioning_status: PreconditioningStatus | None = None
    cost_details: Opaque | None = None
