"""The dry run of charging profiles: judged as a station would, merged, and carried out on an imagined unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.authoring.profile_writes import Carried, ImaginedUnit
from bridge.cli.profile_file import FiledProfile
from bridge.evse import Abilities, Mode
from bridge.gateway.foreseeing import Foreseen, foresee
from bridge.policies import DischargeWay
from bridge.station.composite import Composite, Grid
from bridge.station.limits import InstalledProfile
from bridge.station.messages import ChargingProfile, ChargingProfilePurpose, ChargingRateUnit
from bridge.station.profile_store import install
from bridge.station.profiles import EvseRules, ProfileRules, Verdict, check_profile, check_start_profile
from bridge.station.v2x_variables import WITH_MODES

HOUR: Final = 3_600_000
DEFAULT_STACK: Final = 99
DEFAULT_PERIODS: Final = 1024


@dataclass(frozen=True)
class Place:
    """What the site says of the EVSE: its number, those of its station, its grid connection, and its station's rules.

    `discharge`: by which words of OCPP it may be ordered. `balancing`: whether the site has a meter for that, and
    `no_thresholds` why it cannot follow it as things are. `station` is named where there is one.
    """

    evse_id: int = 1
    evses: tuple[int, ...] = (1,)
    voltage: int = 200_000
    phases: int = 1
    discharge: frozenset[DischargeWay] = frozenset()
    rate_units: frozenset[ChargingRateUnit] = frozenset(ChargingRateUnit)
    max_stack_level: int = DEFAULT_STACK
    max_periods: int = DEFAULT_PERIODS
    station: str | None = None
    balancing: bool = True
    no_thresholds: str | None = None

    def grid(self, abilities: Abilities) -> Grid:
        """What amperes mean here."""
        return Grid(self.voltage, self.phases, abilities.direct_current)


@dataclass(frozen=True)
class Judged:
    """A profile of the file and the answer that it would get; `assumed`: what had to be assumed for that."""

    filed: FiledProfile
    verdict: Verdict
    assumed: str = ""

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        profile, verdict = self.filed.request.charging_profile, self.verdict
        return {
            "place": self.filed.place,
            "profile": profile.id,
            "evse": self.filed.request.evse_id,
            "purpose": profile.charging_profile_purpose.value,
            "stack_level": profile.stack_level,
            "accepted": verdict.accepted,
            "reason": None if verdict.reason is None else verdict.reason.value,
            "info": verdict.info,
            "clauses": list(verdict.clauses),
            "replaces": list(verdict.replaces),
            "assumed": self.assumed,
        }


@dataclass(frozen=True)
class Row:
    """One edge: what counts from there on, and what becomes of it at the unit."""

    piece: Foreseen
    carried: Carried

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return with_unit(self.piece.as_json(), self.carried)


def with_unit(piece: dict[str, Any], carried: Carried) -> dict[str, Any]:
    """A piece with what is written at the unit. Where it is left to load balancing, that hangs on the load: null."""
    balances = piece["lead"] is not None and piece["lead"]["balances"]
    return {**piece, "unit": None if balances else carried.as_json()}


@dataclass(frozen=True)
class Course:
    """A whole dry run."""

    judged: tuple[Judged, ...]
    rows: tuple[Row, ...]
    transaction: str | None = None
    installed: tuple[InstalledProfile, ...] = field(default=())


def judge(filed: Iterable[FiledProfile], place: Place, abilities: Abilities) -> tuple[list[Judged], str | None]:
    """What a station would answer to each, one after the other; and the transaction that TxProfiles presume to run."""
    filed = tuple(filed)
    transaction = next((each for item in filed if (each := _presumed(item.request.charging_profile))), None)
    rules = _rules(place, abilities, transaction)
    installed: tuple[InstalledProfile, ...] = ()
    judged: list[Judged] = []
    for item in filed:
        evse_id, profile = item.request.evse_id, item.request.charging_profile
        starts = _is_tx(profile) and profile.transaction_id is None and transaction is None
        check = check_start_profile if starts else check_profile
        verdict = check(evse_id, profile, installed, rules)
        if verdict.accepted:
            installed = install(installed, InstalledProfile(evse_id, profile))
        judged.append(Judged(item, verdict, _assumption(profile, starts, transaction)))
    return judged, transaction


def _assumption(profile: ChargingProfile, starts: bool, transaction: str | None) -> str:
    if starts:
        return "it comes with RequestStartTransaction, as it names no transaction"
    if _is_tx(profile) and transaction is not None and profile.transaction_id == transaction:
        return f"transaction {transaction} runs"
    return ""


def _is_tx(profile: ChargingProfile) -> bool:
    return profile.charging_profile_purpose is ChargingProfilePurpose.TX_PROFILE


def _presumed(profile: ChargingProfile) -> str | None:
    return profile.transaction_id if _is_tx(profile) else None


def can_discharge(abilities: Abilities) -> bool:
    """Whether the unit can, as far as it tells."""
    return not abilities.modes or Mode.DISCHARGE in abilities.modes


def _rules(place: Place, abilities: Abilities, transaction: str | None) -> ProfileRules:
    evses = {
        evse_id: EvseRules(
            direct_current=abilities.direct_current,
            phases=place.phases,
            negative_limit=DischargeWay.NEGATIVE_LIMIT in place.discharge,
            custom_data=DischargeWay.CUSTOM_DATA in place.discharge,
            ocpp_21=DischargeWay.OCPP_2_1 in place.discharge,
            can_discharge=can_discharge(abilities),
            transaction_id=transaction if evse_id == place.evse_id else None,
            balancing=place.balancing and bool(place.discharge & WITH_MODES) and can_discharge(abilities),
            no_thresholds=place.no_thresholds,
        )
        for evse_id in {*place.evses, place.evse_id}
    }
    return ProfileRules(evses, place.rate_units, max_stack_level=place.max_stack_level, max_periods=place.max_periods)


def dry_run(
    filed: Iterable[FiledProfile], place: Place, unit: ImaginedUnit, abilities: Abilities, start: int, end: int
) -> Course:
    """From `start` until before `end` (ms since 1970); energy may flow all that time, and began to at `start`."""
    judged, transaction = judge(filed, place, abilities)
    installed: tuple[InstalledProfile, ...] = ()
    for each in judged:
        if each.verdict.accepted:
            request = each.filed.request
            installed = install(installed, InstalledProfile(request.evse_id, request.charging_profile))
    composite = Composite(
        installed,
        place.evse_id,
        place.grid(abilities),
        now=start,
        transaction_id=transaction,
        pending_start=transaction is None,
        may_discharge=bool(place.discharge) and can_discharge(abilities),
        balance=None,
    )
    rows = carried_out(foresee(composite, installed, start, end), unit)
    return Course(tuple(judged), tuple(rows), transaction, installed)


def carried_out(pieces: Sequence[Foreseen], unit: ImaginedUnit) -> list[Row]:
    """Each piece with what would be written at its beginning."""
    return [Row(piece, unit.carry_out(piece.limit)) for piece in pieces]
