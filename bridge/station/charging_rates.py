"""TransactionEvents of ChargingRateChanged: somebody else than the CSMS changes how fast a transaction charges.

What an EVSE offers is compared with what the CSMS's own profiles allow. While it offers less, because of an external
limit (K11.FR.04, K13.FR.03) or because the vehicle or the unit can do no more (CEL 3.7), that is the reduced rate. The
CSMS is told when a rate becomes reduced, changes by more than LimitChangeSignificance, or is reduced no more; its own
profiles it knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.evse import ChargingState, Mode
from bridge.records import dataclass
from bridge.station.device_model_table import Key
from bridge.station.external_notices import changed_much
from bridge.station.messages import TriggerReason
from bridge.station.timer import Timer

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station

#: A rate has to be another for so long (ms) before it is told: a unit shows what it grants a poll after the rest.
SETTLES: Final = 10_000
#: It is told at most once in so many ms: near the end of charging a vehicle asks for less with every second.
EVERY: Final = 60_000


@dataclass(slots=True)
class _Rate:
    """Of one EVSE: the reduced rate (mW; None: not reduced) that the CSMS knows, and of which transaction."""

    timer: Timer
    transaction_id: str | None = None
    told: int | None = None
    told_at: int | None = None
    waits: bool = False


class ChargingRates:
    """Those of one station."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._rates: dict[int, _Rate] = {}

    def look(self, position: Position) -> None:
        """Something has changed at an EVSE."""
        rate = self._rates.get(position.evse_id)
        if rate is None:
            timer = Timer(self._station.clock, lambda: self._due(position))
            rate = self._rates[position.evse_id] = _Rate(timer)
        if rate.transaction_id != position.session.transaction_id:
            rate.transaction_id = position.session.transaction_id
            rate.told = rate.told_at = None
            self._wait(rate, None)
        news = self._differs(rate, position)
        if not news:
            self._wait(rate, None)
        elif not rate.waits:
            now = self._station.clock.monotonic()
            self._wait(rate, max(now + SETTLES, 0 if rate.told_at is None else rate.told_at + EVERY))

    def cancel(self) -> None:
        """Wait for nothing more."""
        for rate in self._rates.values():
            self._wait(rate, None)

    # -- inside

    @staticmethod
    def _wait(rate: _Rate, until: int | None) -> None:
        rate.timer.set_at(until)
        rate.waits = until is not None

    def _due(self, position: Position) -> None:
        rate = self._rates[position.evse_id]
        rate.waits = False
        if not self._differs(rate, position):
            return
        rate.told, rate.told_at = self._reduced(position), self._station.clock.monotonic()
        event = position.session.periodic(TriggerReason.CHARGING_RATE_CHANGED)
        self._station.transactions.emit(position, event)

    def _differs(self, rate: _Rate, position: Position) -> bool:
        """Whether the CSMS knows something else. What is not settled at the unit says nothing."""
        session = position.session
        if session.transaction_id is None or not session.wants_energy or not self._station.time.known:
            return False
        if not position.seen.reachable or not position.seen.confirmed:
            return False
        reduced = self._reduced(position)
        if rate.told is None or reduced is None:
            return rate.told is not reduced
        return changed_much(rate.told, reduced, self._significance())

    def _reduced(self, position: Position) -> int | None:
        """What is offered (mW) where that is less than what the CSMS allows; None where it is not, or not known."""
        own = self._station.wishes.external.own_limit(position)
        allowed = abs(own) if own is not None else position.course.most
        offered = self._offered(position)
        if offered is None or offered >= allowed:
            return None
        return offered if changed_much(allowed, offered, self._significance()) else None

    @staticmethod
    def _offered(position: Position) -> int | None:
        if position.wanted.mode is Mode.PAUSE:
            return 0
        seen = position.seen
        if seen.offered is None or seen.charging_state is not ChargingState.CHARGING:
            return None
        return abs(seen.offered.value)

    def _significance(self) -> float:
        return self._station.model.decimal(Key.SMART_LIMIT_CHANGE_SIGNIFICANCE)
