"""Meter values of one station (block J): which values go with which event, at the clock's instants, and when asked for.

During a transaction clock-aligned values go with a TransactionEvent (J01.FR.22), else with MeterValues (J01.FR.14).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Final

from bridge.records import dataclass
from bridge.station import metering
from bridge.station.aligned import AlignedTimer, zone_of
from bridge.station.device_model_table import Key
from bridge.station.ended_values import EndedValues
from bridge.station.messages import (
    MeterValue,
    MeterValuesRequest,
    ReadingContext,
    TransactionEvent,
    TriggerReason,
)
from bridge.station.reason_codes import ReasonCode
from bridge.station.session import Emission
from bridge.station.timer import Timer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.station.position import Position
    from bridge.station.station import Station


@dataclass(frozen=True, slots=True)
class Plan:
    """Which measurands are told, with which context, and which variable switches all of that kind on."""

    context: ReadingContext
    measurands: Key
    enabled: Key = Key.SAMPLED_ENABLED


#: With the first event that names the EVSE (E02.FR.09, E03.FR.11).
_BEGIN: Final = Plan(ReadingContext.TRANSACTION_BEGIN, Key.SAMPLED_TX_STARTED_MEASURANDS)
#: With an Ended event (E06.FR.11).
_END: Final = Plan(ReadingContext.TRANSACTION_END, Key.SAMPLED_TX_ENDED_MEASURANDS)
#: Kept for the Ended event: from the start, every TxEndedInterval of both kinds.
_KEPT_BEGIN: Final = Plan(ReadingContext.TRANSACTION_BEGIN, Key.SAMPLED_TX_ENDED_MEASURANDS)
_KEPT_SAMPLE: Final = Plan(ReadingContext.SAMPLE_PERIODIC, Key.SAMPLED_TX_ENDED_MEASURANDS)
_KEPT_CLOCK: Final = Plan(ReadingContext.SAMPLE_CLOCK, Key.ALIGNED_TX_ENDED_MEASURANDS, Key.ALIGNED_ENABLED)
#: Clock-aligned values outside of transactions, and those that the CSMS asks for (F06.FR.06).
_CLOCK: Final = Plan(ReadingContext.SAMPLE_CLOCK, Key.ALIGNED_MEASURANDS, Key.ALIGNED_ENABLED)
_ASKED: Final = Plan(ReadingContext.TRIGGER, Key.ALIGNED_MEASURANDS, Key.ALIGNED_ENABLED)
#: With an Updated event, by why it is sent; others carry none.
_UPDATED: Final[Mapping[TriggerReason, Plan]] = {
    TriggerReason.METER_VALUE_PERIODIC: Plan(ReadingContext.SAMPLE_PERIODIC, Key.SAMPLED_TX_UPDATED_MEASURANDS),
    TriggerReason.METER_VALUE_CLOCK: _CLOCK,
    TriggerReason.TRIGGER: Plan(ReadingContext.TRIGGER, Key.SAMPLED_TX_UPDATED_MEASURANDS),
    TriggerReason.CHARGING_STATE_CHANGED: Plan(ReadingContext.OTHER, Key.SAMPLED_TX_UPDATED_MEASURANDS),
    TriggerReason.CHARGING_RATE_CHANGED: Plan(ReadingContext.OTHER, Key.SAMPLED_TX_UPDATED_MEASURANDS),
}
#: A change of these counts at once.
_TIMED: Final = (
    Key.ALIGNED_INTERVAL,
    Key.ALIGNED_TX_ENDED_INTERVAL,
    Key.SAMPLED_TX_ENDED_INTERVAL,
    Key.TIME_ZONE,
)


def plan_of(emission: Emission) -> Plan | None:
    """Which values go with an event, beside those kept for its end."""
    if emission.event is TransactionEvent.ENDED:
        return _END
    if emission.with_evse:
        return _BEGIN
    return _UPDATED.get(emission.trigger) if emission.event is TransactionEvent.UPDATED else None


class MeterValues:
    """Takes values when they are due and hands them out with events."""

    def __init__(self, station: Station) -> None:
        self._station = station
        clock, time = station.clock, station.time
        self._clocked = AlignedTimer(
            clock, time, lambda: station.model.integer(Key.ALIGNED_INTERVAL), self._zone, self._at_instant
        )
        self._for_ended = AlignedTimer(
            clock, time, lambda: station.model.integer(Key.ALIGNED_TX_ENDED_INTERVAL), self._zone, self._keep_at_instant
        )
        self._kept: dict[int, EndedValues] = {}
        self._sampling: dict[int, Timer] = {}

    # -- life

    def restore(self, settings: Mapping[str, str]) -> None:
        """Take up what was kept of open transactions, before anything else happens."""
        station = self._station
        useless: dict[str, str | None] = {}
        for evse_id, position in station.positions.items():
            kept = EndedValues(evse_id, station.adapter, station.notes.write)
            self._kept[evse_id] = kept
            self._sampling[evse_id] = Timer(station.clock, lambda p=position: self._sample_for_ended(p))  # type: ignore[misc]
            useless |= dict.fromkeys(kept.restore(settings, position.session.transaction_id))
        if useless:
            station.notes.put(useless)
        for key in _TIMED:
            station.model.on_change(lambda _: self.arm(), key)
        station.model.guard(Key.TIME_ZONE, _zone_complaint)
        station.model.on_change(lambda _: self._resample(), Key.SAMPLED_TX_UPDATED_INTERVAL)
        station.time.on_jump(lambda _: self.arm())

    def arm(self) -> None:
        """Wait for what is due next: after the CSMS has told the time, and when a setting has changed."""
        self._clocked.arm()
        self._for_ended.arm()
        for position in self._station.positions.values():
            if position.session.transaction_id is not None:
                self._arm_ended(position)

    def cancel(self) -> None:
        """Take no more values."""
        self._clocked.cancel()
        self._for_ended.cancel()
        for timer in self._sampling.values():
            timer.cancel()

    # -- events

    def of_event(
        self, position: Position, emission: Emission, slot: datetime | None = None
    ) -> tuple[MeterValue, ...] | None:
        """What an event carries; `slot` is the aligned instant that it is for. Called once for each event."""
        now = self._station.time.utc()
        plan = plan_of(emission)
        value = self._value(position, plan, slot or now) if plan else None
        values = () if value is None else (value,)
        if emission.event is TransactionEvent.ENDED:
            values = (*self._kept[position.evse_id].finish(), *values)
            self._sampling[position.evse_id].cancel()
        elif emission.event is TransactionEvent.STARTED:
            self._kept[position.evse_id].begin(emission.transaction_id)
        if plan is _BEGIN:
            self._begin(position, now)
        return values or None

    async def ended(self, position: Position, transaction_id: str) -> None:
        """Its Ended event is durable: what was kept for it may go."""
        await self._kept[position.evse_id].forget(transaction_id)

    @property
    def periodic(self) -> bool:
        """Whether there is anything to tell at TxUpdatedInterval."""
        interval = self._station.model.integer(Key.SAMPLED_TX_UPDATED_INTERVAL)
        return interval > 0 and self._wanted(_UPDATED[TriggerReason.METER_VALUE_PERIODIC])

    # -- when asked for

    def current(self, chosen: Iterable[Position]) -> list[MeterValuesRequest]:
        """F06.FR.06: what is known now of these EVSEs; those of which nothing is known are left out."""
        return list(self._requests(chosen, _ASKED, self._station.time.utc()))

    async def send(self, requests: Iterable[MeterValuesRequest]) -> None:
        """Send them; what the CSMS cannot take now is lost, as it belongs to no transaction, or waits as
        QueueAllMessages has it."""
        for request in requests:
            await self._station.outbox.tell(request)

    # -- at the clock's instants

    def _at_instant(self, slot: datetime) -> None:
        station = self._station
        busy = [p for p in station.positions.values() if p.session.transaction_id is not None]
        idle = [p for p in station.positions.values() if p.session.transaction_id is None]
        if busy and station.model.boolean(Key.ALIGNED_SEND_DURING_IDLE):  # J01.FR.20: of the whole station
            return
        if not self._wanted(_CLOCK):
            return
        for position in busy:
            made = position.session.periodic(TriggerReason.METER_VALUE_CLOCK)
            station.transactions.emit(position, made, slot)
        station.spawn(self.send(list(self._requests(idle, _CLOCK, slot))))

    def _keep_at_instant(self, slot: datetime) -> None:
        for position in self._station.positions.values():
            if position.session.transaction_id is not None:
                self._keep(position, _KEPT_CLOCK, slot)

    # -- for the Ended event

    def _begin(self, position: Position, now: datetime | None) -> None:
        """The EVSE is known. With an interval the first value counts as one of its samples (TC_J_10_CS)."""
        plan = _KEPT_SAMPLE if self._ended_interval() else _KEPT_BEGIN
        self._keep(position, plan, now)
        if self._ended_interval():
            self._sampling[position.evse_id].set_in(self._ended_interval())

    def _sample_for_ended(self, position: Position) -> None:
        if position.session.transaction_id is not None and self._ended_interval():
            self._keep(position, _KEPT_SAMPLE, self._station.time.utc())
            self._arm_ended(position)

    def _arm_ended(self, position: Position) -> None:
        """The next multiple of TxEndedInterval since the transaction's first value."""
        timer, interval, now = self._sampling[position.evse_id], self._ended_interval(), self._station.time.utc()
        first = self._kept[position.evse_id].first
        if not interval or first is None or now is None:
            timer.cancel()
            return
        passed = round((now - first.timestamp).total_seconds() * 1000)
        timer.set_in(interval - passed % interval)

    def _keep(self, position: Position, plan: Plan, stamp: datetime | None) -> None:
        value = self._value(position, plan, stamp)
        if value is not None:
            self._station.spawn(self._add(position, value))

    async def _add(self, position: Position, value: MeterValue) -> None:
        await self._station.clock.sleep(0)  # the event that it came with is stored first: energy may wait for that one
        await self._kept[position.evse_id].add(value)

    # -- inside

    def _resample(self) -> None:
        for position in self._station.positions.values():
            self._station.transactions.arm(position)

    def _requests(self, chosen: Iterable[Position], plan: Plan, stamp: datetime | None) -> Iterable[MeterValuesRequest]:
        for position in chosen:
            value = self._value(position, plan, stamp)
            if value is not None:
                yield MeterValuesRequest(position.evse_id, (value,))

    def _value(self, position: Position, plan: Plan, stamp: datetime | None) -> MeterValue | None:
        if not self._wanted(plan):
            return None
        measurands = metering.parse_measurands(self._station.model.text(plan.measurands))
        return metering.meter_value(position.seen, measurands, plan.context, stamp)

    def _wanted(self, plan: Plan) -> bool:
        model = self._station.model
        return model.boolean(plan.enabled) and bool(model.text(plan.measurands))

    def _ended_interval(self) -> int:
        """In ms."""
        return self._station.model.integer(Key.SAMPLED_TX_ENDED_INTERVAL) * 1000

    def _zone(self) -> tzinfo:
        return zone_of(self._station.model.text(Key.TIME_ZONE))


def _zone_complaint(value: str) -> tuple[ReasonCode, str] | None:
    try:
        zone_of(value)
    except ValueError as error:
        return ReasonCode.INVALID_VALUE, str(error)
    return None
