"""What is wanted of every unit: the wishes of one station's EVSEs, computed anew whenever something has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bridge.station.block_q import OfflineProfiles, OperationModes
from bridge.station.charging_rates import ChargingRates
from bridge.station.device_model_index import Place
from bridge.station.device_model_table import Key
from bridge.station.dynamic_updates import DynamicUpdates
from bridge.station.external_limits import ExternalLimits
from bridge.station.messages import ChargingProfilePurpose, ChargingRateUnit
from bridge.station.profiles import ProfileRules
from bridge.station.targets import Targets
from bridge.station.timer import Timer
from bridge.station.transaction_limits import TransactionLimits
from bridge.station.v2x_holds import DischargeHolds

if TYPE_CHECKING:
    from bridge.station.station import Station


class Wishes:
    """The limits in force, and who is left alone."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._told = ProfileRules({})  # what the device model says of any profile
        self._edge = Timer(station.clock, self.reconsider)
        self.balance: Callable[[], None] | None = None  # brings setpoints of load balancing up to date (Q09)
        self.external = ExternalLimits(station)
        self.rates = ChargingRates(station)
        self.discharges = DischargeHolds(station)
        self.targets = Targets(station)
        self.transaction_limits = TransactionLimits(station)
        self.operation_modes = OperationModes(station)
        self.offline_profiles = OfflineProfiles(station)
        self.dynamic = DynamicUpdates(station)

    def reconsider(self) -> None:
        """Compute what is wanted of every EVSE anew, and again at the schedule's next edge (within 1 s of it)."""
        station = self._station
        self.external.look()
        self.offline_profiles.look()
        if self.balance is not None:
            self.balance()
        active = {evse_id: p.course for evse_id, p in station.positions.items() if p.session.wants_energy}
        limits, holds = station.charging.limits(active)
        for evse_id, position in station.positions.items():
            if evse_id in active and position.considered is None:
                position.occasion += 1  # energy is wanted where it was not
            position.considered = active.get(evse_id)
            if evse_id in limits:
                position.limit = limits[evse_id]
        self.discharges.look(active)
        for position in station.positions.values():
            position.apply()
            self.transaction_limits.look(position)
        self.operation_modes.look()
        self.dynamic.look()
        self._edge.set_at(None if holds is None else station.clock.monotonic() + holds)
        self.external.considered()

    def told(self, evse_id: int, purpose: ChargingProfilePurpose, *, anew: bool) -> None:
        """The CSMS has set a profile of an EVSE (0: of all), or updated it: what it says is followed again. `anew`: it
        is another profile, and not the same again or a bit of it. A bound is no word on what is to be charged."""
        if purpose is ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE:
            return
        for position in self._station.positions.values():
            if evse_id in (0, position.evse_id):
                position.occasion += anew
                self.discharges.told(position)

    def cancel(self) -> None:
        """Follow the schedule no longer."""
        self._edge.cancel()
        self.external.cancel()
        self.discharges.cancel()
        self.transaction_limits.cancel()
        self.offline_profiles.cancel()
        self.dynamic.cancel()
        self.rates.cancel()

    def apply_model(self) -> None:
        """Let the device model's values count."""
        model = self._station.model
        self._told = ProfileRules(
            {},
            frozenset(ChargingRateUnit(unit) for unit in model.members(Key.SMART_RATE_UNIT)),
            max_stack_level=model.integer(Key.SMART_PROFILE_STACK_LEVEL),
            max_periods=model.integer(Key.SMART_PERIODS_PER_SCHEDULE),
        )

    def profile_rules(self) -> ProfileRules:
        """What counts when a profile is judged."""
        evses = {evse_id: position.rules for evse_id, position in self._station.positions.items()}
        told = self._told
        return ProfileRules(evses, told.rate_units, told.max_stack_level, told.max_periods)

    def set_hands_off(self, evse_id: int, on: bool) -> None:
        """Leave a unit alone until that is lifted, by whoever; kept over a restart."""
        station = self._station
        station.positions[evse_id].hands_off = on
        if station.model.boolean(Key.EVSE_HANDS_OFF, evse_id) is not on:  # the CSMS's own change is kept already
            value = str(on).lower()
            station.model.publish(Key.EVSE_HANDS_OFF, value, evse_id)
            station.notes.put({str(Place(Key.EVSE_HANDS_OFF, evse_id)): value})
        self.reconsider()
