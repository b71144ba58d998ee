"""What only a CSMS of OCPP 2.1 asks of bidirectional transactions (block Q).

A unit here has no ISO 15118, so there is no service that could be negotiated anew with the vehicle: which way energy
may go is the site's word and the profiles'. Nothing is pretended; each is answered with the reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from bridge.station.link import Answer
from bridge.station.messages import (
    NotifyAllowedEnergyTransferRequest,
    NotifyAllowedEnergyTransferResponse,
    NotifyAllowedEnergyTransferStatus,
    Request,
    StatusInfo,
)
from bridge.station.reason_codes import ReasonCode

if TYPE_CHECKING:
    from bridge.station.station import Station


def answers(station: Station) -> dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]]:
    """The handlers of one station."""
    calls = _BlockQCalls(station)
    return {NotifyAllowedEnergyTransferRequest: calls.allowed_transfer}


class _BlockQCalls:
    def __init__(self, station: Station) -> None:
        self._station = station

    async def allowed_transfer(self, request: NotifyAllowedEnergyTransferRequest) -> Answer:
        """Q02.FR.06 asks for a renegotiation, and there is none."""
        rejected = NotifyAllowedEnergyTransferStatus.REJECTED
        positions = self._station.positions.values()
        if all(position.session.transaction_id != request.transaction_id for position in positions):
            return NotifyAllowedEnergyTransferResponse(
                rejected, StatusInfo(ReasonCode.TX_NOT_FOUND, "there is no such transaction")
            )
        info = StatusInfo(ReasonCode.UNSUPPORTED_REQUEST, "without ISO 15118 no energy transfer can be renegotiated")
        return NotifyAllowedEnergyTransferResponse(rejected, info)
