"""Transactions (block E): from what a session says to a durable, numbered event on its way to the CSMS.

What an event says is fixed at once; it is handed to the store in the order in which it was made, and nothing that
follows from it is done before it is durable.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bridge.errors import StoreError
from bridge.station import metering
from bridge.station.compact import compact
from bridge.station.composite import epoch_ms
from bridge.station.device_model_table import Key
from bridge.station.messages import Evse as EvseId
from bridge.station.messages import ReadingContext, TransactionEvent, TransactionEventRequest, TriggerReason
from bridge.station.messages import Transaction as TransactionInfo
from bridge.station.messages.text import to_text
from bridge.station.session import Emission, SessionState
from bridge.store.port import QueuedEvent, TransactionRow

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station

#: What the meter values of an event are marked with, and which variable chooses them.
_CONTEXT = {
    TransactionEvent.STARTED: (ReadingContext.TRANSACTION_BEGIN, Key.SAMPLED_TX_STARTED_MEASURANDS),
    TransactionEvent.UPDATED: (ReadingContext.SAMPLE_PERIODIC, Key.SAMPLED_TX_UPDATED_MEASURANDS),
    TransactionEvent.ENDED: (ReadingContext.TRANSACTION_END, Key.SAMPLED_TX_ENDED_MEASURANDS),
}
#: The triggers on which an Updated event carries meter values.
_CARRIES_VALUES = {TriggerReason.METER_VALUE_PERIODIC, TriggerReason.TRIGGER, TriggerReason.CHARGING_STATE_CHANGED}
#: The first pause (ms) where the store cannot take an event; it doubles up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 500, 60_000
_A_DAY = 86_400


class Transactions:
    """Records the events of one station's sessions."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def emit(self, position: Position, made: Iterable[Emission]) -> list[asyncio.Task[None]]:
        """Record events in order. Each task ends when its event is durable; then it is on its way."""
        return [self._station.spawn(self._record(position, *self._fix(position, emission))) for emission in made]

    def resume(self, position: Position, row: TransactionRow) -> None:
        """An open transaction goes on where it stood; its vehicle may have left meanwhile."""
        position.session.resume(SessionState.from_json(json.loads(row.state)), self._station.clock.monotonic())
        position.seq_no = row.seq_no
        position.power_path_closed = position.session.state.power_path_closed
        self._station.log.info("transaction resumed", transaction=row.transaction_id, seq_no=row.seq_no)

    def arm(self, position: Position) -> None:
        """Sample meter values as long as a transaction goes on."""
        if position.session.transaction_id is not None:
            position.sampling.set_in(self._sample_interval())

    async def keep_state(self, position: Position) -> None:
        """Make durable what a session knows beside its events (that it was stopped, say)."""
        transaction_id = position.session.transaction_id
        if transaction_id is not None:
            row = TransactionRow(transaction_id, position.evse_id, position.seq_no, _state_text(position))
            await self._station.store.update_transaction(self._station.id, row)

    def sample(self, position: Position) -> None:
        """E02.FR.10: meter values at every interval."""
        if self._station.time.known:
            self.emit(position, position.session.periodic(TriggerReason.METER_VALUE_PERIODIC))
        position.sampling.set_in(self._sample_interval())

    def note_power_path(self, position: Position) -> None:
        """Relative schedules begin when power can flow (K01.FR.41)."""
        session = position.session
        utc = self._station.time.utc()
        if position.power_path_closed is None and session.wants_energy and session.state.connected and utc:
            position.power_path_closed = session.state.power_path_closed = epoch_ms(utc)

    # -- inside

    def _sample_interval(self) -> int:
        return (self._station.model.integer(Key.SAMPLED_TX_UPDATED_INTERVAL) or _A_DAY) * 1000

    def _fix(self, position: Position, emission: Emission) -> tuple[TransactionRow, TransactionEventRequest]:
        if emission.event is TransactionEvent.STARTED:
            position.seq_no = 0
            position.sampling.set_in(self._sample_interval())
        self.note_power_path(position)
        request = self._request(position, emission)
        row = TransactionRow(emission.transaction_id, position.evse_id, position.seq_no, _state_text(position))
        position.seq_no += 1
        if emission.event is TransactionEvent.ENDED:
            position.sampling.cancel()
            position.stopping = not position.seen.confirmed
            position.power_path_closed = position.limit = None
        return row, request

    async def _record(self, position: Position, row: TransactionRow, request: TransactionEventRequest) -> None:
        station = self._station
        ends = request.event_type is TransactionEvent.ENDED
        station.delivery.append(await self._kept(row, to_text(station.adapter, request), ends))
        if request.event_type is TransactionEvent.STARTED:
            await station.charging.begin(position.evse_id, row.transaction_id)
            station.reconsider()
        if ends:
            await station.charging.end(row.transaction_id)
            await station.transaction_ended(position)

    async def _kept(self, row: TransactionRow, text: str, ends: bool) -> QueuedEvent:
        """The event, durable. A full disk only delays it: the store refuses later events until this one is in."""
        station, pause = self._station, _FIRST_PAUSE
        while True:
            try:
                return await station.store.record(station.id, row, text, ends=ends)
            except StoreError as error:
                station.log.error("event not kept yet", seq_no=row.seq_no, why=str(error))
            await station.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _request(self, position: Position, emission: Emission) -> TransactionEventRequest:
        station = self._station
        stamp = station.time.utc()
        if stamp is None:
            raise AssertionError("no event is made before the CSMS has told the time")
        context, measurands = _CONTEXT[emission.event]
        with_values = emission.event is not TransactionEvent.UPDATED or emission.trigger in _CARRIES_VALUES
        wanted = metering.parse_measurands(station.model.text(measurands)) if with_values else ()
        return TransactionEventRequest(
            event_type=emission.event,
            timestamp=stamp,
            trigger_reason=emission.trigger,
            seq_no=position.seq_no,
            transaction_info=TransactionInfo(
                transaction_id=emission.transaction_id,
                charging_state=emission.charging_state,
                stopped_reason=emission.stopped_reason,
                remote_start_id=emission.remote_start_id,
            ),
            meter_value=metering.meter_value(position.seen, wanted, context, station.time),
            offline=None if station.online else True,
            evse=EvseId(position.evse_id, 1) if emission.with_evse else None,
            id_token=emission.id_token,
        )


def _state_text(position: Position) -> str:
    return compact(position.session.state.to_json())
