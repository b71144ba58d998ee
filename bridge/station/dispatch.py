"""The CSMS's calls, one short method each, found by the request's class.

A method gives back the response, or the response and what is to be done right after it has been sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from bridge.errors import StoreError
from bridge.evse import Mode
from bridge.station import (
    availability,
    block_q_calls,
    data_transfer,
    device_model_calls,
    network,
    remote_control,
    reset,
    smart_charging_calls,
    trigger,
)
from bridge.station.device_model_table import Key
from bridge.station.link import Answer
from bridge.station.messages import (
    ClearCacheRequest,
    GetTransactionStatusRequest,
    GetTransactionStatusResponse,
    Reason,
    RegistrationStatus,
    Request,
    RequestStartStopStatus,
    RequestStartTransactionRequest,
    RequestStopTransactionRequest,
    RequestStopTransactionResponse,
    StatusInfo,
    TriggerReason,
    UnlockConnectorRequest,
    UnlockConnectorResponse,
    UnlockStatus,
)
from bridge.station.messages.call_error import CallError, ErrorCode
from bridge.station.position import Position
from bridge.station.reason_codes import ReasonCode
from bridge.station.targets import Target, target_of_start
from bridge.station.v2x import first_power

if TYPE_CHECKING:
    from bridge.station.station import Station


#: Lets the profile of a start go that came to nothing.
_Drop: TypeAlias = Callable[[], Awaitable[None]]


class Dispatch:
    """Answers what a CSMS asks of one station. Never waits for a unit."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._answers: dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]] = {
            RequestStartTransactionRequest: self._start,
            RequestStopTransactionRequest: self._stop,
            **smart_charging_calls.answers(station),
            **block_q_calls.answers(station),
            **device_model_calls.answers(station),
            **network.answers(station, station.network),
            **reset.answers(station),
            ClearCacheRequest: self._clear_cache,
            GetTransactionStatusRequest: self._transaction_status,
            **trigger.answers(station),
            **data_transfer.answers(),
            **availability.answers(station),
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
        if station.transactions.stuck:
            info = StatusInfo(ReasonCode.OUT_OF_STORAGE, "earlier transaction events cannot be kept")
            return remote_control.rejected(info)
        position = remote_control.choose_evse(request, station.positions)
        if isinstance(position, StatusInfo):
            return remote_control.rejected(position)
        if station.resets.blocks(position.evse_id):
            return remote_control.rejected(StatusInfo(ReasonCode.NOT_ENABLED, "a reset waits for its turn"))
        profile = request.charging_profile
        if profile:
            verdict = station.charging.judge_start(position.evse_id, profile, station.wishes.profile_rules())
            if not verdict.accepted:
                return remote_control.rejected(verdict.status_info or StatusInfo(ReasonCode.INVALID_PROFILE))
        target = target_of_start(request.custom_data)
        if isinstance(target, StatusInfo):
            return remote_control.rejected(target)
        status = station.availability.status(position.evse_id)
        refusal = remote_control.start_refusal(position, status, direction=_direction(request))
        if refusal:
            return remote_control.rejected(refusal)
        existing = position.session.transaction_id
        drop: _Drop | None = None
        if profile:
            try:
                drop = await station.charging.bind_start(position.evse_id, profile, existing)
            except StoreError as error:  # without its bound the energy must not flow
                return remote_control.rejected(StatusInfo(ReasonCode.OUT_OF_STORAGE, str(error)[:512]))
        if station.model.boolean(Key.AUTHORIZE_REMOTE_START):
            then = self._authorized_start
            return remote_control.accepted(existing), lambda: station.spawn(then(position, request, target, drop))
        await station.sessions.authorize(position, request.id_token, request.remote_start_id, target=target)
        return remote_control.accepted(existing)

    async def _authorized_start(
        self, position: Position, request: RequestStartTransactionRequest, target: Target | None, drop: _Drop | None
    ) -> None:
        """F01.FR.01: energy only after the CSMS has accepted the token."""
        station = self._station
        outcome = await station.authorization.authorize(request.id_token, remote=True)
        allowed = outcome.accepted and station.authorization.start_refusal(outcome, position.evse_id) is None
        if allowed and not position.session.state.authorized:
            start, group = request.remote_start_id, outcome.group
            await station.sessions.authorize(position, request.id_token, start, group=group, target=target)
        elif drop is not None:
            await drop()

    async def _clear_cache(self, _: ClearCacheRequest) -> Answer:
        return await self._station.authorization.clear_cache()

    async def _stop(self, request: RequestStopTransactionRequest) -> Answer:
        station = self._station
        if not station.provisioning.accepted:  # B02.FR.05
            info = StatusInfo(ReasonCode.CS_NOT_ACCEPTED, "the station is not accepted yet")
            return RequestStopTransactionResponse(RequestStartStopStatus.REJECTED, info)
        found = remote_control.find_transaction(request, station.positions.values())
        if found:
            tasks = station.sessions.deauthorize(found, TriggerReason.REMOTE_STOP, Reason.REMOTE)
            await station.transactions.keep_state(found)
            await station.transactions.durable(tasks)
        return remote_control.stop_answer(found)

    async def _unlock(self, request: UnlockConnectorRequest) -> Answer:
        """F05: a home unit's cable is its own; only a transaction is looked at (F05.FR.02)."""
        position = self._station.positions.get(request.evse_id)
        if position is None or request.connector_id != 1:
            return UnlockConnectorResponse(UnlockStatus.UNKNOWN_CONNECTOR)
        if position.session.state.authorized:
            return UnlockConnectorResponse(UnlockStatus.ONGOING_AUTHORIZED_TRANSACTION)
        info = StatusInfo(ReasonCode.FIXED_CABLE, "the unit has no lock that can be opened from here")
        return UnlockConnectorResponse(UnlockStatus.UNLOCK_FAILED, info)

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


def _direction(request: RequestStartTransactionRequest) -> Mode:
    """Which way energy is to flow first, by the profile's first period."""
    profile = request.charging_profile
    if profile and first_power(profile.charging_schedule[0].charging_schedule_period[0]) < 0:
        return Mode.DISCHARGE
    return Mode.CHARGE
