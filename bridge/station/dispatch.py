"""The CSMS's calls, one short method each, found by the request's class.

A method gives back the response, or the response and what is to be done right after it has been sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from bridge.errors import CsmsError
from bridge.evse import Mode
from bridge.station import remote_control
from bridge.station.device_model_table import Key
from bridge.station.link import Answer
from bridge.station.messages import (
    ChangeAvailabilityRequest,
    ChangeAvailabilityResponse,
    ChangeAvailabilityStatus,
    ClearChargingProfileRequest,
    GenericDeviceModelStatus,
    GetBaseReportRequest,
    GetBaseReportResponse,
    GetCompositeScheduleRequest,
    GetTransactionStatusRequest,
    GetTransactionStatusResponse,
    GetVariablesRequest,
    GetVariablesResponse,
    MessageTrigger,
    OperationalStatus,
    Reason,
    RegistrationStatus,
    ReportBase,
    Request,
    RequestStartTransactionRequest,
    RequestStopTransactionRequest,
    SetChargingProfileRequest,
    SetVariablesRequest,
    SetVariablesResponse,
    StatusInfo,
    TriggerMessageRequest,
    TriggerMessageResponse,
    TriggerMessageStatus,
    TriggerReason,
    UnlockConnectorRequest,
    UnlockConnectorResponse,
    UnlockStatus,
)
from bridge.station.messages.call_error import CallError, ErrorCode
from bridge.station.position import Position
from bridge.station.reason_codes import ReasonCode

if TYPE_CHECKING:
    from bridge.station.station import Station


class Dispatch:
    """Answers what a CSMS asks of one station. Never waits for a unit."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._answers: dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]] = {
            RequestStartTransactionRequest: self._start,
            RequestStopTransactionRequest: self._stop,
            SetChargingProfileRequest: self._set_profile,
            ClearChargingProfileRequest: self._clear_profile,
            GetCompositeScheduleRequest: self._composite,
            GetVariablesRequest: self._get_variables,
            SetVariablesRequest: self._set_variables,
            GetBaseReportRequest: self._base_report,
            GetTransactionStatusRequest: self._transaction_status,
            TriggerMessageRequest: self._trigger,
            ChangeAvailabilityRequest: self._change_availability,
            UnlockConnectorRequest: self._unlock,
        }

    async def answer(self, request: Request[Any]) -> Answer:
        """The answer to any CALL; before the CSMS has accepted the station it may not ask (B03.FR.08)."""
        if self._station.provisioning.status in (None, RegistrationStatus.REJECTED):
            raise CallError(ErrorCode.SECURITY_ERROR, "the station has not been accepted by this CSMS")
        found = self._answers.get(type(request))
        if found is None:
            raise CallError(ErrorCode.NOT_SUPPORTED, f"{type(request).__name__} is not supported by this station")
        return await found(request)

    # -- F: remote control

    async def _start(self, request: RequestStartTransactionRequest) -> Answer:
        station = self._station
        if not station.provisioning.accepted:  # B02.FR.05
            info = StatusInfo(ReasonCode.CS_NOT_ACCEPTED, "the station is not accepted yet")
            return remote_control.rejected(info)
        position = remote_control.choose_evse(request, station.positions)
        if isinstance(position, StatusInfo):
            return remote_control.rejected(position)
        profile = request.charging_profile
        verdict = station.charging.judge_start(position.evse_id, profile, station.profile_rules()) if profile else None
        if verdict and not verdict.accepted:
            return remote_control.rejected(verdict.status_info or StatusInfo(ReasonCode.INVALID_PROFILE))
        status = station.availability.status(position.evse_id)
        refusal = remote_control.start_refusal(position, status, direction=_direction(request))
        if refusal:
            return remote_control.rejected(refusal)
        existing = position.session.transaction_id
        if profile:
            await station.charging.bind_start(position.evse_id, profile, existing)
        if station.model.boolean(Key.AUTHORIZE_REMOTE_START):
            return remote_control.accepted(existing), lambda: _spawn(station, self._authorized_start(position, request))
        await station.authorize(position, request.id_token, request.remote_start_id)
        return remote_control.accepted(existing)

    async def _authorized_start(self, position: Position, request: RequestStartTransactionRequest) -> None:
        """F01.FR.01: energy only after the CSMS has accepted the token."""
        station = self._station
        if await station.ask_authorization(request.id_token) and not position.session.state.authorized:
            await station.authorize(position, request.id_token, request.remote_start_id)
        elif request.charging_profile:
            await station.charging.drop_start(request.charging_profile.id)

    async def _stop(self, request: RequestStopTransactionRequest) -> Answer:
        station = self._station
        found = remote_control.find_transaction(request, station.positions.values())
        if found:
            tasks = station.deauthorize(found, TriggerReason.REMOTE_STOP, Reason.REMOTE)
            await station.transactions.keep_state(found)
            if tasks:
                await asyncio.gather(*tasks)
        return remote_control.stop_answer(found)

    async def _trigger(self, request: TriggerMessageRequest) -> Answer:
        """F06: what was asked for is sent after the answer."""
        work = self._triggered(request)
        if isinstance(work, TriggerMessageStatus):
            return TriggerMessageResponse(work)
        return TriggerMessageResponse(TriggerMessageStatus.ACCEPTED), work

    def _triggered(self, request: TriggerMessageRequest) -> Callable[[], None] | TriggerMessageStatus:
        station = self._station
        chosen = [p for p in station.positions.values() if request.evse is None or p.evse_id == request.evse.id]
        match request.requested_message:
            case MessageTrigger.BOOT_NOTIFICATION:
                if station.provisioning.accepted:  # F06.FR.17
                    return TriggerMessageStatus.REJECTED
                return station.provisioning.boot_now
            case MessageTrigger.HEARTBEAT:
                return lambda: _spawn(station, station.provisioning.heartbeat())
            case MessageTrigger.STATUS_NOTIFICATION if chosen:
                return lambda: _spawn(station, station.tell_status_again(chosen))
            case MessageTrigger.TRANSACTION_EVENT if any(p.session.transaction_id for p in chosen):
                return lambda: station.trigger_events(chosen)
            case MessageTrigger.STATUS_NOTIFICATION | MessageTrigger.TRANSACTION_EVENT:
                return TriggerMessageStatus.REJECTED
        return TriggerMessageStatus.NOT_IMPLEMENTED

    async def _unlock(self, request: UnlockConnectorRequest) -> Answer:
        """F05: a home unit's cable is its own; only a transaction is looked at (F05.FR.02)."""
        position = self._station.positions.get(request.evse_id)
        if position is None or request.connector_id != 1:
            return UnlockConnectorResponse(UnlockStatus.UNKNOWN_CONNECTOR)
        if position.session.state.authorized:
            return UnlockConnectorResponse(UnlockStatus.ONGOING_AUTHORIZED_TRANSACTION)
        info = StatusInfo(ReasonCode.FIXED_CABLE, "the unit has no lock that can be opened from here")
        return UnlockConnectorResponse(UnlockStatus.UNLOCK_FAILED, info)

    # -- K: smart charging

    async def _set_profile(self, request: SetChargingProfileRequest) -> Answer:
        station = self._station
        response = await station.charging.set_profile(request, station.profile_rules())
        station.reconsider()
        return response

    async def _clear_profile(self, request: ClearChargingProfileRequest) -> Answer:
        response = await self._station.charging.clear(request)
        self._station.reconsider()
        return response

    async def _composite(self, request: GetCompositeScheduleRequest) -> Answer:
        station = self._station
        courses = {evse_id: position.course for evse_id, position in station.positions.items()}
        return station.charging.composite_schedule(request, courses, station.profile_rules())

    # -- B: the device model

    async def _get_variables(self, request: GetVariablesRequest) -> Answer:
        return GetVariablesResponse(self._station.model.get(request.get_variable_data))

    async def _set_variables(self, request: SetVariablesRequest) -> Answer:
        outcome = self._station.model.set(request.set_variable_data)
        await self._station.change_settings(outcome.settings, outcome.changes)
        return SetVariablesResponse(outcome.results)

    async def _base_report(self, request: GetBaseReportRequest) -> Answer:
        station = self._station
        now = station.time.utc()
        if request.report_base is ReportBase.SUMMARY_INVENTORY:  # B07.FR.02
            return GetBaseReportResponse(GenericDeviceModelStatus.NOT_SUPPORTED)
        if now is None:
            return GetBaseReportResponse(GenericDeviceModelStatus.REJECTED)
        messages = station.model.report_messages(request.request_id, request.report_base, now)

        async def send() -> None:
            try:
                for message in messages:
                    await station.link.call(message)
            except CsmsError as error:
                station.log.warning("report not delivered", request=request.request_id, why=str(error))

        return GetBaseReportResponse(GenericDeviceModelStatus.ACCEPTED), lambda: _spawn(station, send())

    # -- E, G

    async def _transaction_status(self, request: GetTransactionStatusRequest) -> Answer:
        """E14."""
        station = self._station
        wanted = request.transaction_id
        waits = station.delivery.pending(wanted)
        if wanted is None:
            return GetTransactionStatusResponse(waits)
        ongoing = any(p.session.transaction_id == wanted for p in station.positions.values())
        return GetTransactionStatusResponse(waits, ongoing)

    async def _change_availability(self, request: ChangeAvailabilityRequest) -> Answer:
        """G03, G04: at once where no transaction goes on, else scheduled for its end."""
        station = self._station
        chosen = [p for p in station.positions.values() if request.evse is None or p.evse_id == request.evse.id]
        if not chosen:
            info = StatusInfo(ReasonCode.UNKNOWN_EVSE)
            return ChangeAvailabilityResponse(ChangeAvailabilityStatus.REJECTED, info)
        operative = request.operational_status is OperationalStatus.OPERATIVE
        scheduled = await station.set_operative(chosen, operative)
        status = ChangeAvailabilityStatus.SCHEDULED if scheduled else ChangeAvailabilityStatus.ACCEPTED
        return ChangeAvailabilityResponse(status), lambda: _spawn(station, station.tell_statuses())


def _direction(request: RequestStartTransactionRequest) -> Mode:
    """Which way energy is to flow first, by the profile's first period."""
    profile = request.charging_profile
    if profile and profile.charging_schedule[0].charging_schedule_period[0].limit < 0:
        return Mode.DISCHARGE
    return Mode.CHARGE


def _spawn(station: Station, work: Any) -> None:
    station.spawn(work)
