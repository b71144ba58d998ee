"""What the CSMS asks a station, and the answers.

The class is named as the action, the fields in snake_case; what a field means is told by OCPP 2.0.1 Part 2, section 1
(messages) under the same name.
"""

from bridge.station.messages.base import CustomData, Integer, Request, Response, message_type
from bridge.station.messages.datatypes import (
    ChargingProfile,
    ChargingProfileCriterion,
    ClearChargingProfile,
    ComponentVariable,
    CompositeSchedule,
    Evse,
    GetVariableData,
    GetVariableResult,
    IdToken,
    ScheduleUpdate,
    SetVariableData,
    SetVariableResult,
    StatusInfo,
)
from bridge.station.messages.enums import (
    ChangeAvailabilityStatus,
    ChargingProfileStatus,
    ChargingRateUnit,
    ClearCacheStatus,
    ClearChargingProfileStatus,
    ComponentCriterion,
    EnergyTransferMode,
    GenericDeviceModelStatus,
    GenericStatus,
    GetChargingProfileStatus,
    MessageTrigger,
    NotifyAllowedEnergyTransferStatus,
    OperationalStatus,
    ReportBase,
    RequestStartStopStatus,
    Reset,
    ResetStatus,
    TriggerMessageStatus,
    UnlockStatus,
)
from bridge.station.messages.security_types import (
    CertificateHashData,
    CertificateHashDataChain,
    DeleteCertificateStatus,
    GetCertificateIdUse,
    GetInstalledCertificateStatus,
    InstallCertificateStatus,
    InstallCertificateUse,
    NetworkConnectionProfile,
    SetNetworkProfileStatus,
)


@message_type
class ChangeAvailabilityResponse(Response):
    """Whether that is done."""

    status: ChangeAvailabilityStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class ChangeAvailabilityRequest(Request[ChangeAvailabilityResponse]):
    """Put the station, an EVSE or a connector in or out of service."""

    operational_status: OperationalStatus
    evse: Evse | None = None
    custom_data: CustomData | None = None


@message_type
class ClearCacheResponse(Response):
    """Whether that is done."""

    status: ClearCacheStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class ClearCacheRequest(Request[ClearCacheResponse]):
    """Forget all cached authorizations."""

    custom_data: CustomData | None = None


@message_type
class ClearChargingProfileResponse(Response):
    """Whether any profile matched."""

    status: ClearChargingProfileStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class ClearChargingProfileRequest(Request[ClearChargingProfileResponse]):
    """Remove the profiles that match."""

    charging_profile_id: Integer | None = None
    charging_profile_criteria: ClearChargingProfile | None = None
    custom_data: CustomData | None = None


@message_type
class DeleteCertificateResponse(Response):
    """Whether it is gone."""

    status: DeleteCertificateStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class DeleteCertificateRequest(Request[DeleteCertificateResponse]):
    """Forget an installed certificate."""

    certificate_hash_data: CertificateHashData
    custom_data: CustomData | None = None


@message_type
class GetBaseReportResponse(Response):
    """Whether reports will follow."""

    status: GenericDeviceModelStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class GetBaseReportRequest(Request[GetBaseReportResponse]):
    """Report an inventory of the device model."""

    request_id: Integer
    report_base: ReportBase
    custom_data: CustomData | None = None


@message_type
class GetChargingProfilesResponse(Response):
    """Whether reports will follow."""

    status: GetChargingProfileStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class GetChargingProfilesRequest(Request[GetChargingProfilesResponse]):
    """Report the profiles that match."""

    request_id: Integer
    charging_profile: ChargingProfileCriterion
    evse_id: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class GetCompositeScheduleResponse(Response):
    """The resulting limits."""

    status: GenericStatus
    status_info: StatusInfo | None = None
    schedule: CompositeSchedule | None = None
    custom_data: CustomData | None = None


@message_type
class GetCompositeScheduleRequest(Request[GetCompositeScheduleResponse]):
    """Tell what limits result from all profiles for the next `duration` s."""

    duration: Integer
    evse_id: Integer
    charging_rate_unit: ChargingRateUnit | None = None
    custom_data: CustomData | None = None


@message_type
class GetInstalledCertificateIdsResponse(Response):
    """What is installed."""

    status: GetInstalledCertificateStatus
    status_info: StatusInfo | None = None
    certificate_hash_data_chain: tuple[CertificateHashDataChain, ...] | None = None
    custom_data: CustomData | None = None


@message_type
class GetInstalledCertificateIdsRequest(Request[GetInstalledCertificateIdsResponse]):
    """Which certificates of these kinds (none: of any) are installed?"""

    certificate_type: tuple[GetCertificateIdUse, ...] | None = None
    custom_data: CustomData | None = None


@message_type
class GetReportResponse(Response):
    """Whether reports will follow."""

    status: GenericDeviceModelStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class GetReportRequest(Request[GetReportResponse]):
    """Report the components that meet any of the criteria, and of these the variables that are named."""

    request_id: Integer
    component_criteria: tuple[ComponentCriterion, ...] | None = None
    component_variable: tuple[ComponentVariable, ...] | None = None
    custom_data: CustomData | None = None


@message_type
class GetTransactionStatusResponse(Response):
    """Whether messages wait, and whether the transaction goes on."""

    messages_in_queue: bool
    ongoing_indicator: bool | None = None
    custom_data: CustomData | None = None


@message_type
class GetTransactionStatusRequest(Request[GetTransactionStatusResponse]):
    """Are there messages still to be sent (of this transaction)?"""

    transaction_id: str | None = None
    custom_data: CustomData | None = None


@message_type
class GetVariablesResponse(Response):
    """What reading each variable gave."""

    get_variable_result: tuple[GetVariableResult, ...]
    custom_data: CustomData | None = None


@message_type
class GetVariablesRequest(Request[GetVariablesResponse]):
    """Read variables of the device model."""

    get_variable_data: tuple[GetVariableData, ...]
    custom_data: CustomData | None = None


@message_type
class InstallCertificateResponse(Response):
    """Whether it is trusted now."""

    status: InstallCertificateStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class InstallCertificateRequest(Request[InstallCertificateResponse]):
    """Trust a root certificate (PEM)."""

    certificate_type: InstallCertificateUse
    certificate: str
    custom_data: CustomData | None = None


@message_type
class NotifyAllowedEnergyTransferResponse(Response):
    """Whether that is heeded."""

    status: NotifyAllowedEnergyTransferStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class NotifyAllowedEnergyTransferRequest(Request[NotifyAllowedEnergyTransferResponse]):
    """How energy may be transferred in this transaction from now on (2.1)."""

    transaction_id: str
    allowed_energy_transfer: tuple[EnergyTransferMode, ...]
    custom_data: CustomData | None = None


@message_type
class RequestStartTransactionResponse(Response):
    """Whether a start will be tried."""

    status: RequestStartStopStatus
    status_info: StatusInfo | None = None
    transaction_id: str | None = None
    custom_data: CustomData | None = None


@message_type
class RequestStartTransactionRequest(Request[RequestStartTransactionResponse]):
    """Start a transaction for this id token."""

    id_token: IdToken
    remote_start_id: Integer
    evse_id: Integer | None = None
    group_id_token: IdToken | None = None
    charging_profile: ChargingProfile | None = None
    custom_data: CustomData | None = None


@message_type
class RequestStopTransactionResponse(Response):
    """Whether a stop will be tried."""

    status: RequestStartStopStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class RequestStopTransactionRequest(Request[RequestStopTransactionResponse]):
    """Stop this transaction."""

    transaction_id: str
    custom_data: CustomData | None = None


@message_type
class ResetResponse(Response):
    """Whether that will be done."""

    status: ResetStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class ResetRequest(Request[ResetResponse]):
    """Restart the station or an EVSE."""

    type: Reset
    evse_id: Integer | None = None
    custom_data: CustomData | None = None


@message_type
class SetChargingProfileResponse(Response):
    """Whether the profile is installed."""

    status: ChargingProfileStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class SetChargingProfileRequest(Request[SetChargingProfileResponse]):
    """Install a charging profile on an EVSE (0: on the station)."""

    evse_id: Integer
    charging_profile: ChargingProfile
    custom_data: CustomData | None = None


@message_type
class SetNetworkProfileResponse(Response):
    """Whether the profile is kept."""

    status: SetNetworkProfileStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class SetNetworkProfileRequest(Request[SetNetworkProfileResponse]):
    """Keep a way to a CSMS in a slot."""

    configuration_slot: Integer
    connection_data: NetworkConnectionProfile
    custom_data: CustomData | None = None


@message_type
class SetVariablesResponse(Response):
    """What writing each variable gave."""

    set_variable_result: tuple[SetVariableResult, ...]
    custom_data: CustomData | None = None


@message_type
class SetVariablesRequest(Request[SetVariablesResponse]):
    """Write variables of the device model."""

    set_variable_data: tuple[SetVariableData, ...]
    custom_data: CustomData | None = None


@message_type
class TriggerMessageResponse(Response):
    """Whether the message will be sent."""

    status: TriggerMessageStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class TriggerMessageRequest(Request[TriggerMessageResponse]):
    """Send a message now."""

    requested_message: MessageTrigger
    evse: Evse | None = None
    custom_trigger: str | None = None
    custom_data: CustomData | None = None


@message_type
class UpdateDynamicScheduleResponse(Response):
    """Whether the profile says that now."""

    status: ChargingProfileStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class UpdateDynamicScheduleRequest(Request[UpdateDynamicScheduleResponse]):
    """Let a dynamic profile say this from now on (2.1)."""

    charging_profile_id: Integer
    schedule_update: ScheduleUpdate
    custom_data: CustomData | None = None


@message_type
class UnlockConnectorResponse(Response):
    """What became of it."""

    status: UnlockStatus
    status_info: StatusInfo | None = None
    custom_data: CustomData | None = None


@message_type
class UnlockConnectorRequest(Request[UnlockConnectorResponse]):
    """Release the cable at a connector."""

    evse_id: Integer
    connector_id: Integer
    custom_data: CustomData | None = None
