"""Messages that the CSMS asks for (F06): what can be sent now is accepted, and is sent after the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.station.link import Answer
from bridge.station.messages import (
    MessageTrigger,
    Request,
    StatusInfo,
    TriggerMessageRequest,
    TriggerMessageResponse,
    TriggerMessageStatus,
)
from bridge.station.reason_codes import ReasonCode

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station

#: What is to be done after the answer, or why it cannot be done.
_Work = Callable[[], object] | StatusInfo


def answers(station: Station) -> dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]]:
    """The handler of one station."""
    return {TriggerMessageRequest: _Trigger(station).answer}


class _Trigger:
    """Judges a request, and prepares the message that it is for."""

    def __init__(self, station: Station) -> None:
        self._station = station

    async def answer(self, request: TriggerMessageRequest) -> Answer:
        """F06.FR.04, F06.FR.05, F06.FR.08."""
        prepare = _MESSAGES.get(request.requested_message)
        if prepare is None:
            return TriggerMessageResponse(TriggerMessageStatus.NOT_IMPLEMENTED)
        work = prepare(self, request)
        if isinstance(work, StatusInfo):
            return TriggerMessageResponse(TriggerMessageStatus.REJECTED, work)
        return TriggerMessageResponse(TriggerMessageStatus.ACCEPTED), work

    def boot(self, _: TriggerMessageRequest) -> _Work:
        """F06.FR.17: not once it has been accepted."""
        provisioning = self._station.provisioning
        if provisioning.accepted:
            return StatusInfo(ReasonCode.NOT_ENABLED, "the last BootNotification was accepted")
        return provisioning.boot_now

    def heartbeat(self, _: TriggerMessageRequest) -> _Work:
        """F06.FR.03: an EVSE means nothing here."""
        station = self._station
        return lambda: station.spawn(station.provisioning.heartbeat())

    def status(self, request: TriggerMessageRequest) -> _Work:
        """The connector's status; without an EVSE that of all (F06.FR.11)."""
        station, chosen = self._station, self._chosen(request)
        if isinstance(chosen, StatusInfo):
            return chosen
        if all(station.availability.status(position.evse_id) is None for position in chosen):
            return StatusInfo(ReasonCode.UNSPECIFIED, "no status is known yet")
        return lambda: station.spawn(station.statuses.tell_again(chosen))

    def transaction_event(self, request: TriggerMessageRequest) -> _Work:
        """F06.FR.07: of each open transaction."""
        station, chosen = self._station, self._chosen(request)
        if isinstance(chosen, StatusInfo):
            return chosen
        if not any(position.session.transaction_id for position in chosen):
            return StatusInfo(ReasonCode.TX_NOT_FOUND, "no transaction is going on")
        return lambda: station.sessions.trigger_events(chosen)

    def meter_values(self, request: TriggerMessageRequest) -> _Work:
        """F06.FR.06: what is known now; F06.FR.10: what is accepted is sent, so nothing is promised of nothing.

        EVSE 0 of a MeterValuesRequest is the main power meter, and this station has none: a meter of the house measures
        what else is in it, too. So J01.FR.14 finds no measurand supported there, and no MeterValues names EVSE 0.
        """
        if request.evse is not None and request.evse.id == 0:
            return StatusInfo(ReasonCode.UNKNOWN_EVSE, "EVSE 0 would be the main power meter, and there is none here")
        station, chosen = self._station, self._chosen(request)
        if isinstance(chosen, StatusInfo):
            return chosen
        requests = station.meter_values.current(chosen)
        if not requests:
            return StatusInfo(ReasonCode.UNSPECIFIED, "nothing is measured now, or AlignedDataCtrlr names no measurand")
        return lambda: station.spawn(station.meter_values.send(requests))

    def _chosen(self, request: TriggerMessageRequest) -> list[Position] | StatusInfo:
        """The EVSEs that are meant."""
        positions, evse = self._station.positions, request.evse
        if evse is None or evse.id == 0:
            return list(positions.values())
        if evse.id not in positions:
            return StatusInfo(ReasonCode.UNKNOWN_EVSE, f"there is no EVSE {evse.id}")
        if evse.connector_id not in (None, 1):
            return StatusInfo(ReasonCode.UNKNOWN_CONNECTOR_ID, f"EVSE {evse.id} has connector 1 only")
        return [positions[evse.id]]


#: What this station can be asked for; all else is not implemented (F06.FR.08).
_MESSAGES: Final[Mapping[MessageTrigger, Callable[[_Trigger, TriggerMessageRequest], _Work]]] = {
    MessageTrigger.BOOT_NOTIFICATION: _Trigger.boot,
    MessageTrigger.HEARTBEAT: _Trigger.heartbeat,
    MessageTrigger.METER_VALUES: _Trigger.meter_values,
    MessageTrigger.STATUS_NOTIFICATION: _Trigger.status,
    MessageTrigger.TRANSACTION_EVENT: _Trigger.transaction_event,
}
