"""Random houses full of charging profiles, with their edges where it hurts: at midnight, on leap days, at the ends of
cycles and validities, all within a few minutes of now, so that an oracle can look at every second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
    RecurrencyKind,
)
from tests.tools.composite_oracle import DEFAULT, EXTERNAL, MAX, STEP, TX, Bay, Held, House, Wires

#: Around these something is special: leap days, the ends of years and of weeks, an ordinary minute.
_TURNS = tuple(
    datetime(*when, tzinfo=UTC)
    for when in (
        (2024, 2, 29),
        (2024, 3, 1),
        (2027, 3, 1),
        (2028, 2, 29),
        (2028, 3, 1),
        (2026, 1, 1),
        (2026, 11, 23),
        (2026, 3, 29, 1),
        (2026, 6, 17, 13, 37, 11),
    )
)
_DYNAMIC = ChargingProfileKind.DYNAMIC
_KINDS = (ChargingProfileKind.ABSOLUTE, ChargingProfileKind.RECURRING, ChargingProfileKind.RELATIVE, _DYNAMIC)
_MODES = ("ChargingOnly", "CentralSetpoint", "CentralSetpoint", "CentralFrequency", "LocalLoadBalancing", "Idle")
#: Those that know their time without a transaction.
_STATION_KINDS = tuple(kind for kind in _KINDS if kind is not ChargingProfileKind.RELATIVE)
_FAR = timedelta(days=400)


@dataclass(frozen=True)
class Case:
    """A house, and how closely it is looked at: from its `now` on, `steps` times `step`."""

    house: House
    step: timedelta
    steps: int


def case_of(seed: int, number: int) -> Case:
    """The same case for the same two numbers."""
    return make_case(Random(f"{seed}/{number}"))


def make_case(random: Random) -> Case:
    """A case; whatever `random` gives, the set of profiles is one that a station may hold."""
    fine = random.random() < 0.15
    step = timedelta(milliseconds=250) if fine else timedelta(seconds=1)
    steps = random.choice((random.randint(1, 40), random.randint(1, 200)))
    now = random.choice(_TURNS) + step * random.randint(-200, 20)
    bays = {evse: _bay(random, now, step) for evse in range(1, random.randint(2, 3))}
    made = _Making(random, now, step, steps, bays)
    return Case(House(now, made.profiles(), bays), step, steps)


def _bay(random: Random, now: datetime, step: timedelta) -> Bay:
    wires = Wires(random.choice((100, 200, 230)), random.choice((1, 1, 2, 3)), random.random() < 0.6)
    transaction = random.choice((None, "tx-1", "tx-1"))
    ready = now - step * random.randint(0, 300) if transaction and random.random() < 0.8 else None
    most = random.choice((0, 3_000_000, 6_000_000, 50_000_000))
    return Bay(wires, transaction, ready, most, random.random() < 0.9, random.randint(-9_000_000, 9_000_000))


class _Making:
    """The profiles of one house."""

    def __init__(self, random: Random, now: datetime, step: timedelta, steps: int, bays: dict[int, Bay]) -> None:
        self._random, self._now, self._step, self._steps, self._bays = random, now, step, steps, bays

    def profiles(self) -> tuple[Held, ...]:
        held: list[Held] = []
        for number in range(self._random.choice((0, 1, 2, 3, 4, 5, 6, 8, 12))):
            new = self._profile(number)
            if not any(_clash(new, other) for other in held):
                held.append(new)
        return tuple(held)

    def _near(self) -> datetime:
        """An instant about the time that is looked at."""
        return self._now + self._step * self._random.randint(-60, self._steps + 20)

    def _profile(self, number: int) -> Held:
        random = self._random
        purpose = random.choice((TX, TX, DEFAULT, DEFAULT, MAX, EXTERNAL))
        evse = self._owner(purpose)
        kind = random.choice(_STATION_KINDS if purpose is MAX else _KINDS)
        recurrency = random.choice(tuple(RecurrencyKind)) if kind is ChargingProfileKind.RECURRING else None
        profile = ChargingProfile(
            id=number,
            stack_level=random.randint(0, 4),
            charging_profile_purpose=purpose,
            charging_profile_kind=kind,
            charging_schedule=(self._schedule(purpose, kind, recurrency, evse),),
            recurrency_kind=recurrency,
            valid_from=random.choice((None, None, self._now - _FAR, self._near(), self._near())),
            valid_to=random.choice((None, None, self._now + _FAR, self._near(), self._near())),
            transaction_id=random.choice(("tx-1", "tx-1", None, "tx-old")) if purpose is TX else None,
            dyn_update_time=self._near() if kind is _DYNAMIC else None,
        )
        return Held(evse, profile, random.choice((None, self._near())) if purpose is EXTERNAL else None)

    def _owner(self, purpose: ChargingProfilePurpose) -> int:
        if purpose is MAX:
            return 0
        return self._random.choice((*self._bays, *(() if purpose is TX else (0, 0))))

    def _schedule(
        self,
        purpose: ChargingProfilePurpose,
        kind: ChargingProfileKind,
        recurrency: RecurrencyKind | None,
        evse: int,
    ) -> ChargingSchedule:
        random = self._random
        start = self._near() if kind in (ChargingProfileKind.ABSOLUTE, ChargingProfileKind.RECURRING) else None
        if start and recurrency:
            start -= STEP[recurrency] * random.choice((0, 1, 2, 366, 1461))
        return ChargingSchedule(
            id=1,
            charging_rate_unit=random.choice(tuple(ChargingRateUnit)),
            charging_schedule_period=self._periods(purpose, recurrency)[: 1 if kind is _DYNAMIC else None],
            start_schedule=start,
            duration=self._duration(recurrency),
        )

    def _duration(self, recurrency: RecurrencyKind | None) -> int | None:
        random = self._random
        near = random.randint(0, 250)
        cycle = int(STEP[recurrency].total_seconds()) if recurrency else 0
        return random.choice((None, near, near, max(0, cycle - near), cycle + near, near + 1))

    def _periods(
        self, purpose: ChargingProfilePurpose, recurrency: RecurrencyKind | None
    ) -> tuple[ChargingSchedulePeriod, ...]:
        random = self._random
        starts = {0, *(random.randint(1, 250) for _ in range(random.randint(0, 5)))}
        if recurrency:  # about the end of a cycle, and beyond
            cycle = int(STEP[recurrency].total_seconds())
            starts |= {cycle + random.randint(-150, 50) for _ in range(random.randint(0, 3))}
        below = -8000 if purpose is not MAX and random.random() < 0.3 else 0
        phases = random.choice((None, None, 1, 2, 3))
        steered = purpose in (TX, DEFAULT) and random.random() < 0.3
        return tuple(
            self._steered(start, random.choice((phases, None)))
            if steered and random.random() < 0.7
            else ChargingSchedulePeriod(start, self._limit(below), random.choice((phases, phases, None, 1)))
            for start in sorted(starts)
        )

    def _steered(self, start: int, phases: int | None) -> ChargingSchedulePeriod:
        """A period in OCPP 2.1's words."""
        random = self._random
        mode = random.choice(_MODES)
        words: dict[str, Any] = {"vendorId": "ocpp-echonet", "operationMode": mode}
        if mode == "Idle":
            return ChargingSchedulePeriod(start, 0.0, phases, custom_data=words)
        if mode in ("CentralSetpoint", "CentralFrequency"):
            words["setpoint"] = self._limit(random.choice((0, -8000, -8000)))
        if mode != "ChargingOnly" and random.random() < 0.5:
            words["dischargeLimit"] = -self._limit(0)
        if random.random() < 0.4:
            words["limit"] = self._limit(0)
        return ChargingSchedulePeriod(start, self._limit(0), phases, custom_data=words)

    def _limit(self, below: int) -> float:
        random = self._random
        low, high = random.choice(((below, 8000), (below // 200, 40), (0, 0), (5, 7)))
        return random.randint(low * 10, high * 10) / 10


def _clash(new: Held, other: Held) -> bool:
    """Whether no station holds both (K01.FR.06, FR.39, FR.52, FR.53)."""
    one, two = new.profile, other.profile
    if one.charging_profile_purpose is not two.charging_profile_purpose or one.stack_level != two.stack_level:
        return False
    if one.charging_profile_purpose is TX:
        return new.evse == other.evse and one.transaction_id == two.transaction_id
    if new.evse == other.evse:
        ends = one.valid_to and two.valid_from and one.valid_to <= two.valid_from
        begins = two.valid_to and one.valid_from and two.valid_to <= one.valid_from
        return not (ends or begins)
    return one.charging_profile_purpose is DEFAULT and 0 in (new.evse, other.evse)
