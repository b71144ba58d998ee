"""What OCPP 2.1 wants of the profiles of running transactions: which operation mode counts, and which of them count no
longer without a CSMS (K01.FR.101 to K01.FR.103, K01.FR.110; Q11, Q12).

A CSMS of 2.0.1 has no words for modes; it is told none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.errors import StoreError
from bridge.station.composite import Composite, epoch_ms
from bridge.station.messages import ChargingSchedulePeriod, CompositeSchedule, OperationMode, TriggerReason
from bridge.station.timer import Timer
from bridge.station.v2x import WordsError, words_of

if TYPE_CHECKING:
    from bridge.station.limits import InstalledProfile, Terms
    from bridge.station.position import Position
    from bridge.station.station import Station

#: The version that knows neither operation modes nor dynamic profiles.
WITHOUT_MODES: Final = "ocpp2.0.1"
#: How often (ms) it is looked at most whether a CSMS is away for too long.
LOOKS: Final = 1_000


class OperationModes:
    """Tells the CSMS which mode each transaction is in (K01.FR.110)."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def look(self) -> None:
        """Something may have changed: profiles, the time, a transaction."""
        station = self._station
        utc = station.time.utc()
        if utc is None or station.link.subprotocol == WITHOUT_MODES:
            return
        for position in station.positions.values():
            state = position.session.state
            if state.transaction_id is None or position.session.ending is not None:
                continue
            mode = self.mode_of(position, epoch_ms(utc))
            if mode == (state.operation_mode or OperationMode.CHARGING_ONLY):
                continue
            state.operation_mode = mode
            told = position.session.periodic(TriggerReason.OPERATION_MODE_CHANGED)
            station.transactions.emit(position, [replace(each, operation_mode=mode) for each in told])

    def mode_of(self, position: Position, now: int) -> OperationMode:
        """The one that the profile which leads asks for; charging only where none asks for any."""
        return _mode(self._composite(position, now).explain_at(now).lead)

    def in_words(self, told: CompositeSchedule) -> CompositeSchedule:
        """An EVSE's composite schedule as a CSMS of 2.1 is told it: what is to flow is a setpoint there, not a limit
        (K08.FR.04, K08.FR.08)."""
        position = self._station.positions.get(told.evse_id)
        if position is None or self._station.link.subprotocol == WITHOUT_MODES:
            return told
        start = epoch_ms(told.schedule_start)
        composite = self._composite(position, start)
        leads = composite.leads(start, start + told.duration * 1000)

        def in_words(period: ChargingSchedulePeriod) -> ChargingSchedulePeriod:
            at = start + period.start_period * 1000
            mode = _mode(leads.values[bisect_right(leads.starts, at) - 1])
            if mode is not OperationMode.LOCAL_LOAD_BALANCING:
                return _in_mode(period, mode)
            most = 0 if not position.may_discharge else composite.most_discharge_at(at)
            limit = None if most is None else position.grid.limit(told.charging_rate_unit, most, period.number_phases)
            return replace(period, operation_mode=mode, discharge_limit=limit)  # what will flow nobody knows yet

        return replace(told, charging_schedule_period=tuple(map(in_words, told.charging_schedule_period)))

    def _composite(self, position: Position, now: int) -> Composite:
        courses = {position.evse_id: position.course}
        return self._station.charging.composite(position.evse_id, courses, now)


def _mode(lead: Terms | None) -> OperationMode:
    """The mode that the words which lead ask for."""
    try:
        words = None if lead is None else words_of(lead.period)
    except WordsError:  # it moves nothing
        return OperationMode.IDLE
    return OperationMode.CHARGING_ONLY if words is None else words.mode


def _in_mode(period: ChargingSchedulePeriod, mode: OperationMode) -> ChargingSchedulePeriod:
    if mode is OperationMode.CHARGING_ONLY:
        return period
    setpoint = None if mode is OperationMode.IDLE else period.limit
    return replace(period, operation_mode=mode, setpoint=setpoint, limit=None)


class OfflineProfiles:
    """Which profiles count no longer, as the CSMS has been away for too long (`maxOfflineDuration`)."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._timer = Timer(station.clock, lambda: station.wishes.reconsider())

    def look(self) -> None:
        """Let those count that may; look again when the next one may not.

        While there is a CSMS it is looked as often as if it had just gone, so that no absence is missed.
        """
        station = self._station
        since = station.provisioning.alone_since
        if since is None:
            self._come_back()
        away = 0 if since is None else station.clock.monotonic() - since
        over = {item.profile.id for item, most in self._bounded() if since is not None and away > most}
        station.charging.invalid = frozenset(over)
        left = [max(most - away + 1, LOOKS) for item, most in self._bounded() if item.profile.id not in over]
        self._timer.set_at(station.clock.monotonic() + min(left) if left else None)

    def cancel(self) -> None:
        """Look no longer by itself."""
        self._timer.cancel()

    def _bounded(self) -> Iterator[tuple[InstalledProfile, int]]:
        for item in self._station.charging.installed:
            most = item.profile.max_offline_duration
            if most is not None:
                yield item, max(most, 0) * 1000

    def _come_back(self) -> None:
        """K01.FR.102: they count again, but for those that were to count never again."""
        charging = self._station.charging
        over, charging.invalid = charging.invalid, frozenset()
        gone = [
            item.profile.id
            for item, _ in self._bounded()
            if item.profile.id in over and item.profile.invalid_after_offline_duration
        ]
        if gone:
            charging.installed = tuple(item for item in charging.installed if item.profile.id not in gone)
            self._station.spawn(self._delete(gone))

    async def _delete(self, gone: list[int]) -> None:
        try:
            await self._station.store.delete_profiles(self._station.id, gone)
        except StoreError as error:
            self._station.log.error("profiles that count no longer not deleted", profiles=gone, why=str(error))
