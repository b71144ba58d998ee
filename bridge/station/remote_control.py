"""Remote control (block F): what may be started and stopped, judged before anything is done.

The answers are made from what is known now; they never wait for the unit (translation.md, "Start" and "Stop").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bridge.evse import Mode
from bridge.station.messages import (
    ConnectorStatus,
    RequestStartStopStatus,
    RequestStartTransactionRequest,
    RequestStartTransactionResponse,
    RequestStopTransactionRequest,
    RequestStopTransactionResponse,
    StatusInfo,
)
from bridge.station.position import Position
from bridge.station.reason_codes import ReasonCode

_UNUSABLE = {ConnectorStatus.UNAVAILABLE, ConnectorStatus.FAULTED}


def choose_evse(request: RequestStartTransactionRequest, positions: Mapping[int, Position]) -> Position | StatusInfo:
    """The EVSE that is meant: the one named, else the first that has no authorized transaction (F01.FR.20)."""
    if request.evse_id is not None:
        found = positions.get(request.evse_id)
        return found or StatusInfo(ReasonCode.UNKNOWN_EVSE, f"there is no EVSE {request.evse_id}")
    free = [position for position in positions.values() if not position.session.state.authorized]
    plugged = [position for position in free if position.session.state.connected]
    chosen = next(iter([*plugged, *free]), None)
    return chosen or StatusInfo(ReasonCode.TX_IN_PROGRESS, "every EVSE has an authorized transaction")


def start_refusal(position: Position, status: ConnectorStatus | None, *, direction: Mode) -> StatusInfo | None:
    """Why a start cannot work, as far as that is known now (F01.FR.23, F01.FR.24), or None."""
    session = position.session
    if session.state.authorized or session.ending:
        return StatusInfo(ReasonCode.TX_IN_PROGRESS, "this EVSE has an authorized transaction")
    if position.hands_off:
        return StatusInfo(ReasonCode.NOT_ENABLED, "this EVSE is set to hands off")
    if not position.seen.reachable:
        return StatusInfo(ReasonCode.UNSPECIFIED, "the unit behind this EVSE does not answer")
    if status is None or status in _UNUSABLE:
        because = f": {position.seen.trouble}" if position.seen.trouble else ""
        return StatusInfo(ReasonCode.UNSPECIFIED, f"the EVSE is {status or 'not known yet'}{because}"[:512])
    why = position.evse.refusal(direction)
    return StatusInfo(ReasonCode.UNSUPPORTED_REQUEST, why[:512]) if why else None


def rejected(info: StatusInfo) -> RequestStartTransactionResponse:
    """A start that is refused, and why."""
    return RequestStartTransactionResponse(RequestStartStopStatus.REJECTED, info)


def accepted(transaction_id: str | None) -> RequestStartTransactionResponse:
    """A start that will be tried; with the transaction's id where one was there already (F01.FR.13)."""
    return RequestStartTransactionResponse(RequestStartStopStatus.ACCEPTED, transaction_id=transaction_id)


def find_transaction(request: RequestStopTransactionRequest, positions: Iterable[Position]) -> Position | None:
    """The EVSE with that transaction (F03.FR.07, F03.FR.08)."""
    return next((p for p in positions if p.session.transaction_id == request.transaction_id), None)


def stop_answer(found: Position | None) -> RequestStopTransactionResponse:
    """Accepted if the transaction is there, whatever state it is in."""
    if found:
        return RequestStopTransactionResponse(RequestStartStopStatus.ACCEPTED)
    info = StatusInfo(ReasonCode.TX_NOT_FOUND, "no transaction with this id is going on")
    return RequestStopTransactionResponse(RequestStartStopStatus.REJECTED, info)
