"""Transactions (block E): from what a session says to a durable, numbered event on its way to the CSMS.

What an event says is fixed at once; it is handed to the store in the order in which it was made, and nothing that
follows from it is done before it is durable.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from bridge.errors import StoreError
from bridge.station.compact import compact
from bridge.station.composite import epoch_ms
from bridge.station.device_model_table import Key
from bridge.station.messages import Evse as EvseId
from bridge.station.messages import Reason, TransactionEvent, TransactionEventRequest, TriggerReason
from bridge.station.messages import Transaction as TransactionInfo
from bridge.station.messages.text import to_text
from bridge.station.session import Emission, SessionState
from bridge.store.port import QueuedEvent, TransactionRow

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station

#: The first pause (ms) where the store cannot take an event; it doubles up to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = 500, 60_000
#: So long (ms) an answer waits for the store.
_PATIENCE = 5_000
_A_DAY = 86_400
_MILLISECOND = timedelta(milliseconds=1)


class Transactions:
    """Records the events of one station's sessions."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._orphans: list[TransactionRow] = []
        self._trouble = asyncio.Lock()  # who waits for a store that takes nothing, in their order

    @property
    def stuck(self) -> bool:
        """Whether events wait for a store that does not take them. Nothing new is begun then."""
        return self._trouble.locked()

    def emit(
        self, position: Position, made: Iterable[Emission], slot: datetime | None = None
    ) -> list[asyncio.Task[None]]:
        """Record events in order. Each task ends when its event is durable; then it is on its way.

        `slot` is the aligned instant that their meter values are of.
        """
        return [self._station.spawn(self._record(position, *self._fix(position, each, slot))) for each in made]

    @staticmethod
    async def durable(tasks: Iterable[asyncio.Task[None]]) -> None:
        """Wait until what `emit` has begun is durable; not for a store that is in trouble, as the CSMS waits."""
        if waiting := set(tasks):
            await asyncio.wait(waiting, timeout=_PATIENCE / 1000)

    def resume(self, position: Position, row: TransactionRow) -> None:
        """An open transaction goes on where it stood; its vehicle may have left meanwhile."""
        position.session.resume(SessionState.from_json(json.loads(row.state)), self._station.clock.monotonic())
        position.seq_no = row.seq_no
        position.power_path_closed = position.session.state.power_path_closed
        self._station.log.info("transaction resumed", transaction=row.transaction_id, seq_no=row.seq_no)

    def orphaned(self, row: TransactionRow) -> None:
        """An open transaction of an EVSE that the site has not any more: it ends as soon as there is a time."""
        self._station.log.error("open transaction of an EVSE that is gone", transaction=row.transaction_id)
        self._orphans.append(row)

    def end_orphans(self) -> None:
        """Tell the CSMS that they are over (E06.FR.16); nobody can measure them any more."""
        orphans, self._orphans = self._orphans, []
        for row in orphans:
            self._station.spawn(self._end_orphan(row))

    def arm(self, position: Position) -> None:
        """Sample meter values as long as a transaction goes on."""
        if position.session.transaction_id is not None:
            position.sampling.set_in(self._sample_interval())

    async def keep_state(self, position: Position) -> None:
        """Make durable what a session knows beside its events (that it was stopped, say).

        What is done about it does not wait for a store that takes nothing now: it is told again beside.
        """
        transaction_id = position.session.transaction_id
        if transaction_id is not None and not await self._state_kept(position, transaction_id):
            self._station.spawn(self._keep_state_later(position, transaction_id))

    def sample(self, position: Position) -> None:
        """E02.FR.10: meter values at every interval."""
        interval, due = self._sample_interval(), position.sampling.at
        if self._station.time.known and self._station.meter_values.periodic:
            self.emit(position, position.session.periodic(TriggerReason.METER_VALUE_PERIODIC))
        late = 0 if due is None else (self._station.clock.monotonic() - due) % interval
        position.sampling.set_in(interval - late)

    def note_power_path(self, position: Position) -> None:
        """Relative schedules begin when power can flow (K01.FR.41)."""
        session = position.session
        utc = self._station.time.utc()
        if session.transaction_id is None and not session.wants_energy:
            position.power_path_closed = session.state.power_path_closed = None
        elif position.power_path_closed is None and session.wants_energy and session.state.connected and utc:
            position.power_path_closed = session.state.power_path_closed = epoch_ms(utc)

    def shift_power_path(self, position: Position, by: timedelta) -> None:
        """The CSMS's clock has jumped: the instant is the same, and has another name now (K01.FR.41)."""
        state, closed = position.session.state, position.power_path_closed
        if state.began is not None:
            state.began += by // _MILLISECOND
        if closed is not None:
            position.power_path_closed = position.session.state.power_path_closed = closed + by // _MILLISECOND

    # -- inside

    def _sample_interval(self) -> int:
        return (self._station.model.integer(Key.SAMPLED_TX_UPDATED_INTERVAL) or _A_DAY) * 1000

    def _fix(
        self, position: Position, emission: Emission, slot: datetime | None
    ) -> tuple[TransactionRow, TransactionEventRequest]:
        if emission.event is TransactionEvent.STARTED:
            position.seq_no = 0
            register = position.seen.energy_in
            position.session.state.energy_before = None if register is None else register.value
            utc = self._station.time.utc()
            position.session.state.began = None if utc is None else epoch_ms(utc)
            position.sampling.set_in(self._sample_interval())
        self.note_power_path(position)
        request = self._request(position, emission, slot)
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
            station.wishes.reconsider()
        if ends:
            await station.meter_values.ended(position, row.transaction_id)
            await station.charging.end(row.transaction_id)
            await station.statuses.transaction_ended(position)

    async def _keep_state_later(self, position: Position, transaction_id: str) -> None:
        async with self._trouble:  # events that were made earlier bring their own, older state
            for pause in _pauses():
                if await self._state_kept(position, transaction_id):
                    return
                await self._station.clock.sleep(pause)

    async def _state_kept(self, position: Position, transaction_id: str) -> bool:
        """Whether the store has it, or it is over."""
        if position.session.transaction_id != transaction_id:  # its end would be undone
            return True
        row = TransactionRow(transaction_id, position.evse_id, position.seq_no, _state_text(position))
        try:
            await self._station.store.update_transaction(self._station.id, row)
        except StoreError as error:
            self._station.log.error("state not kept yet", transaction=transaction_id, why=str(error))
            return False
        return True

    async def _end_orphan(self, row: TransactionRow) -> None:
        station = self._station
        stamp = station.time.utc()
        if stamp is None:
            raise AssertionError("no event is made before the CSMS has told the time")
        request = TransactionEventRequest(
            event_type=TransactionEvent.ENDED,
            timestamp=stamp,
            trigger_reason=TriggerReason.ABNORMAL_CONDITION,
            seq_no=row.seq_no,
            transaction_info=TransactionInfo(row.transaction_id, stopped_reason=Reason.OTHER),
        )
        station.delivery.append(await self._kept(row, to_text(station.adapter, request), True))
        await station.charging.end(row.transaction_id)

    async def _kept(self, row: TransactionRow, text: str, ends: bool) -> QueuedEvent:
        """The event, durable. A full disk only delays it: the store refuses later events until this one is in."""
        kept = await self._kept_now(row, text, ends)
        if kept is None:
            async with self._trouble:
                pauses = _pauses()
                while (kept := await self._kept_now(row, text, ends)) is None:
                    await self._station.clock.sleep(next(pauses))
        return kept

    async def _kept_now(self, row: TransactionRow, text: str, ends: bool) -> QueuedEvent | None:
        try:
            return await self._station.store.record(self._station.id, row, text, ends=ends)
        except StoreError as error:
            self._station.log.error("event not kept yet", seq_no=row.seq_no, why=str(error))
            return None

    def _request(self, position: Position, emission: Emission, slot: datetime | None) -> TransactionEventRequest:
        station = self._station
        stamp = station.time.utc()
        if stamp is None:
            raise AssertionError("no event is made before the CSMS has told the time")
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
                operation_mode=emission.operation_mode,
                transaction_limit=emission.limit,
            ),
            meter_value=station.meter_values.of_event(position, emission, slot),
            offline=None if station.online else True,
            evse=EvseId(position.evse_id, 1) if emission.with_evse else None,
            id_token=emission.id_token,
        )


def _pauses() -> Iterator[int]:
    """How long (ms) to leave a store in peace, time after time."""
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, _LONGEST_PAUSE)


def _state_text(position: Position) -> str:
    return compact(position.session.state.to_json())
