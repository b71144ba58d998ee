"""How much a CSMS of OCPP 2.1 lets a transaction have (E16, F07): energy, a state of charge, time; no cost.

Energy and charge become a target, which the charger counts (`targets`); what has moved before counts as well, as a
limit is one of the whole transaction. Time is that since its start (E16.FR.09), also for a gateway that has come back
and finds no CSMS to tell it. What the station can heed of a limit
is told once, as set; what it cannot is not (E16.FR.13). Whichever is reached first ends the energy; a higher limit,
set later, lets it flow again (E16.FR.14).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bridge.station.authorization_block import moved_energy
from bridge.station.composite import epoch_ms
from bridge.station.messages import (
    Reason,
    TransactionEventRequest,
    TransactionEventResponse,
    TransactionLimit,
    TriggerReason,
)
from bridge.station.targets import MOST_ENERGY, Target, set_target
from bridge.station.timer import Timer

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station


class TransactionLimits:
    """Those of one station's transactions."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._timers: dict[int, Timer] = {}

    async def answered(self, request: TransactionEventRequest, response: TransactionEventResponse) -> None:
        """E16.FR.02: a limit comes with the answer to an event."""
        limit = response.transaction_limit
        if limit is None:
            return
        wanted = request.transaction_info.transaction_id
        positions = self._station.positions.values()
        position = next((one for one in positions if one.session.transaction_id == wanted), None)
        heeded = TransactionLimit(max_energy=limit.max_energy, max_time=limit.max_time, max_soc=limit.max_soc)
        if position is None or not self._news(position, heeded):
            return
        self._set(position, heeded)
        told = position.session.periodic(TriggerReason.LIMIT_SET)  # E16.FR.03
        self._station.transactions.emit(position, [replace(each, limit=heeded) for each in told])
        await self._station.transactions.keep_state(position)
        self._station.wishes.reconsider()  # it may want energy again, for which no limit was computed meanwhile

    def look(self, position: Position) -> None:
        """Let time count: something has changed at an EVSE."""
        station, state = self._station, position.session.state
        utc = station.time.presumed()
        timer = self._timers.get(position.evse_id)
        if state.transaction_id is None or state.most_time is None or state.began is None or utc is None:
            if timer is not None:
                timer.cancel()
            return
        if timer is None:
            timer = self._timers[position.evse_id] = Timer(station.clock, lambda: self._due(position))
        left = state.began + state.most_time * 1000 - epoch_ms(utc)
        if left > 0:
            timer.set_at(station.clock.monotonic() + left)
        elif not state.time_over:
            self._due(position)

    def cancel(self) -> None:
        """Let no time count."""
        for timer in self._timers.values():
            timer.cancel()

    # -- inside

    @staticmethod
    def _news(position: Position, limit: TransactionLimit) -> bool:
        """Whether it says anything that does not hold already: a CSMS that repeats it in every answer, to the LimitSet
        too, is not told again."""
        state = position.session.state
        pairs = (
            (limit.max_time, state.most_time),
            (_milli(limit.max_energy), state.most_energy),
            (_milli(limit.max_soc), state.most_soc),
        )
        return any(said is not None and said != held for said, held in pairs)

    @staticmethod
    def _set(position: Position, limit: TransactionLimit) -> None:
        """What is not said stays as it was (E16.FR.17)."""
        state = position.session.state
        position.occasion += 1
        if limit.max_time is not None:
            state.most_time, state.time_over = limit.max_time, False
        if limit.max_energy is None and limit.max_soc is None:
            return
        if limit.max_energy is not None:
            state.most_energy = _milli(limit.max_energy)
        if limit.max_soc is not None:
            state.most_soc = _milli(limit.max_soc)
        energy = None if state.most_energy is None else max(0, state.most_energy - (moved_energy(position) or 0))
        set_target(state, Target(energy=energy, soc=state.most_soc))

    def _due(self, position: Position) -> None:
        """E16.FR.05, E16.FR.06: the time is over."""
        state = position.session.state
        state.time_over = True
        made = position.session.amount_reached(TriggerReason.TIME_LIMIT_REACHED, Reason.TIME_LIMIT_REACHED)
        self._station.sessions.changed(position, made)
        self._station.spawn(self._station.transactions.keep_state(position))


def _milli(value: float | None) -> int | None:
    """In thousandths; no number is too large for that."""
    return None if value is None else round(min(MOST_ENERGY, value) * 1000)
