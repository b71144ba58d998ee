"""What charging profiles allow, found the slow way: every instant by itself, from the texts of block K alone.

Shares nothing with the product but the classes of OCPP's messages: fractions of a watt, `datetime` and the plainest
loops. `composite_cases.py` makes the cases, `composite_agreement.py` compares. A seeded long run:

    PYTHONPATH=. python tests/tools/composite_oracle.py --cases 100000 --seed 1
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cached_property
from math import trunc

from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedulePeriod,
    RecurrencyKind,
)

TX = ChargingProfilePurpose.TX_PROFILE
DEFAULT = ChargingProfilePurpose.TX_DEFAULT_PROFILE
MAX = ChargingProfilePurpose.CHARGING_STATION_MAX_PROFILE
EXTERNAL = ChargingProfilePurpose.CHARGING_STATION_EXTERNAL_CONSTRAINTS
STEP = {RecurrencyKind.DAILY: timedelta(days=1), RecurrencyKind.WEEKLY: timedelta(days=7)}


@dataclass(frozen=True)
class Wires:
    """The grid connection of an EVSE: V of a phase, how many phases, whether the vehicle gets DC."""

    volts: int = 200
    phases: int = 1
    direct: bool = True


@dataclass(frozen=True)
class Held:
    """An installed profile: where, and when it came (counts for a relative one from outside)."""

    evse: int
    profile: ChargingProfile
    came: datetime | None = None


@dataclass(frozen=True)
class Bay:
    """An EVSE: its wires, its transaction, since when energy can flow, what it takes at most (mW, 0: not known), and
    what load balancing would have flow (mW, minus out of the vehicle)."""

    wires: Wires = field(default_factory=Wires)
    transaction: str | None = None
    ready: datetime | None = None
    most: int = 0
    may_discharge: bool = True
    balance: int = 0


@dataclass(frozen=True)
class Words:
    """A period that runs, and the unit of its limit."""

    period: ChargingSchedulePeriod
    unit: ChargingRateUnit


@dataclass(frozen=True)
class House:
    """Everything that is known at `now`. Profiles of a start that has not become a transaction name none."""

    now: datetime
    held: tuple[Held, ...]
    bays: Mapping[int, Bay]
    _stacks: dict[tuple[int, ChargingProfilePurpose], list[Held]] = field(default_factory=dict, repr=False)
    _asked: dict[tuple[int, datetime], tuple[Fraction | None, int | None]] = field(default_factory=dict, repr=False)
    _known: dict[tuple[int | None, ...], tuple[Fraction | None, int | None]] = field(default_factory=dict, repr=False)

    @cached_property
    def trunk(self) -> Wires:
        """Where the EVSEs differ: what gives less power."""
        wires = [bay.wires for bay in self.bays.values()]
        return Wires(
            min(each.volts for each in wires), min(each.phases for each in wires), all(each.direct for each in wires)
        )

    def at(self, evse: int, moment: datetime) -> int | None:
        """The limit of an EVSE in mW (cut, not rounded), below zero to discharge; None: nobody says anything."""
        return _milliwatts(self._watts_and_phases(evse, moment)[0])

    def station_at(self, moment: datetime) -> int:
        """What the station is expected to take, in mW."""
        total = 0
        for evse, bay in self.bays.items():
            limit = self.at(evse, moment)
            total += bay.most if limit is None else min(limit, bay.most or limit)
        return min([total, *self._station_bounds(moment)])

    def shown_at(self, evse: int, moment: datetime, unit: ChargingRateUnit) -> tuple[float, int | None]:
        """What GetCompositeSchedule tells of an EVSE: the limit to a tenth, and the phases on AC."""
        bay = self.bays[evse]
        watts, phases = self._watts_and_phases(evse, moment)
        most = Fraction(bay.most, 1000)
        if watts is None:
            watts = most
        elif bay.most:
            watts = min(watts, most)
        used = phases or bay.wires.phases
        # On DC the phases of the profiles are of no account.
        amperes = watts / (bay.wires.volts * (bay.wires.phases if bay.wires.direct else used))
        told = amperes if unit is ChargingRateUnit.A else watts
        return trunc(told * 10) / 10, None if bay.wires.direct else used

    # -- the rules

    def _watts_and_phases(self, evse: int, moment: datetime) -> tuple[Fraction | None, int | None]:
        if (evse, moment) not in self._asked:
            self._asked[evse, moment] = self._looked_up(evse, moment)
        return self._asked[evse, moment]

    def _looked_up(self, evse: int, moment: datetime) -> tuple[Fraction | None, int | None]:
        lead = self._top(evse, TX, evse, moment) or self._top(evse, DEFAULT, evse, moment)
        bounds = (
            self._top(0, MAX, evse, moment),
            self._top(0, EXTERNAL, evse, moment),
            self._top(evse, EXTERNAL, evse, moment),
        )
        key = (evse, *(id(words.period) if words else None for words in (lead, *bounds)))
        if key not in self._known:  # only to spare the arithmetic
            self._known[key] = self._combined(evse, lead, bounds)
        return self._known[key]

    def _combined(
        self, evse: int, lead: Words | None, bounds: tuple[Words | None, ...]
    ) -> tuple[Fraction | None, int | None]:
        bay = self.bays[evse]
        said = [each for each in (lead, *bounds) if each]
        if not said:
            return None, None
        per_phase = [_per_phase(words, bay.wires) for words in said]
        phases = min(phases for _, phases in per_phase)
        told = lead.period.custom_data if lead else None
        if lead and told and told["operationMode"] != "ChargingOnly":
            # A setpoint, within its own limits and within all others that speak of its direction; idle is no power.
            watts = _of(told.get("setpoint", 0), lead, bay.wires)
            if told["operationMode"] == "LocalLoadBalancing":
                watts = Fraction(bay.balance, 1000) / phases
            if watts > 0:
                watts = max(Fraction(0), min([watts, *(each for each, _ in per_phase)]))
            elif "dischargeLimit" in told:
                watts = max(watts, _of(told["dischargeLimit"], lead, bay.wires))
            return (watts if bay.may_discharge else max(Fraction(0), watts)) * phases, phases
        if lead and per_phase[0][0] < 0:  # an order; no bound on charging touches it
            watts = per_phase[0][0] * phases
            return (watts if bay.may_discharge else Fraction(0)), phases
        return max(Fraction(0), min(watts for watts, _ in per_phase)) * phases, phases

    def _station_bounds(self, moment: datetime) -> Iterator[int]:
        for purpose in (MAX, EXTERNAL):
            words = self._top(0, purpose, None, moment)
            if words:
                watts, phases = _per_phase(words, self.trunk)
                yield max(0, trunc(watts * phases * 1000))

    def _top(self, owner: int, purpose: ChargingProfilePurpose, evse: int | None, moment: datetime) -> Words | None:
        """What the highest profile says that says anything."""
        for held in self._stack(owner, purpose):
            period = self._says(held, evse, moment)
            if period:
                return Words(period, held.profile.charging_schedule[0].charging_rate_unit)
        return None

    def _stack(self, owner: int, purpose: ChargingProfilePurpose) -> Sequence[Held]:
        """The profiles that count together, highest first."""
        if (owner, purpose) not in self._stacks:
            owners = (0, owner) if purpose is DEFAULT else (owner,)
            found = [
                held
                for held in self.held
                if held.profile.charging_profile_purpose is purpose and held.evse in owners
                if purpose is not TX or held.profile.transaction_id == self.bays[owner].transaction
            ]
            self._stacks[owner, purpose] = sorted(found, key=lambda held: -held.profile.stack_level)
        return self._stacks[owner, purpose]

    def _says(self, held: Held, evse: int | None, moment: datetime) -> ChargingSchedulePeriod | None:
        profile = held.profile
        if profile.valid_from and moment < profile.valid_from:
            return None
        if profile.valid_to and moment >= profile.valid_to:
            return None
        schedule = profile.charging_schedule[0]
        if profile.charging_profile_kind is ChargingProfileKind.DYNAMIC:
            return _still_fresh(profile, moment)
        elapsed = moment - self._begin(held, evse)
        if elapsed < timedelta(0):
            return None
        if profile.charging_profile_kind is ChargingProfileKind.RECURRING and profile.recurrency_kind:
            elapsed %= STEP[profile.recurrency_kind]
        if schedule.duration is not None and elapsed >= timedelta(seconds=schedule.duration):
            return None
        running = None
        for period in schedule.charging_schedule_period:
            if timedelta(seconds=period.start_period) <= elapsed:
                running = period
        return running

    def _begin(self, held: Held, evse: int | None) -> datetime:
        if held.profile.charging_profile_kind is not ChargingProfileKind.RELATIVE:
            start = held.profile.charging_schedule[0].start_schedule
            assert start is not None
            return start
        if held.profile.charging_profile_purpose is EXTERNAL and held.came:
            return held.came
        return (self.bays[evse].ready if evse else None) or self.now


def _still_fresh(profile: ChargingProfile, moment: datetime) -> ChargingSchedulePeriod | None:
    """What a dynamic profile says: its only period, unless its last update is too long ago (2.1 K28.FR.13)."""
    (schedule,) = profile.charging_schedule
    (period,) = schedule.charging_schedule_period
    assert profile.dyn_update_time is not None
    age = (moment - profile.dyn_update_time).total_seconds()
    return None if schedule.duration is not None and age >= schedule.duration else period


def _per_phase(words: Words, wires: Wires) -> tuple[Fraction, int]:
    """W per phase, and the phases that they flow on."""
    limits = [words.period.limit]
    if words.period.custom_data and "limit" in words.period.custom_data:
        limits.append(words.period.custom_data["limit"])
    presumed = wires.phases if wires.direct else (words.period.number_phases or 3)
    return min(_of(limit, words, wires) for limit in limits), min(presumed, wires.phases)


def _of(number: float, words: Words, wires: Wires) -> Fraction:
    """What a number in a period's unit is in W per phase."""
    presumed = wires.phases if wires.direct else (words.period.number_phases or 3)
    exact = Fraction(str(number))
    return exact * wires.volts if words.unit is ChargingRateUnit.A else exact / presumed


def _milliwatts(watts: Fraction | None) -> int | None:
    return None if watts is None else trunc(watts * 1000)


def main(arguments: Sequence[str]) -> int:
    """Compare the product with the oracle over many cases."""
    from tests.tools.composite_agreement import disagreements

    parser = argparse.ArgumentParser(description="Compare the composite schedule with a brute-force oracle.")
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case, to run a part")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    begun, used = time.perf_counter(), time.process_time()
    wrong = instants = 0
    for number, found, compared in disagreements(options.seed, options.cases, options.first):
        if number % 10_000 == 0 and number > options.first:
            print(f"{number}: {instants} instants, {wrong} disagree", flush=True)
        instants += compared
        if found:
            wrong += 1
            print(f"case {number} of seed {options.seed}: {found}")
    took, spent = time.perf_counter() - begun, time.process_time() - used
    what = f"{options.cases} cases of seed {options.seed} from {options.first} on, {instants} instants"
    print(f"{what}: {wrong} disagree ({took:.0f} s, {spent:.0f} s of CPU)")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
