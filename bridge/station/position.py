"""One EVSE as the station holds it: its port, its session, its site settings, and what is wanted of it."""

from __future__ import annotations

from typing import Final

from bridge.evse import Evse, Mode, Observed, Wanted
from bridge.policies import AfterDischarge, DischargeWay, LocalPolicy, PlugSource
from bridge.records import dataclass
from bridge.station.composite import Grid
from bridge.station.load_balancing import Balancing
from bridge.station.messages import IdToken
from bridge.station.profiles import EvseRules
from bridge.station.session import Session
from bridge.station.smart_charging import Course
from bridge.station.targets import amount_of
from bridge.station.timer import Timer


@dataclass(frozen=True, slots=True)
class EvseSettings:
    """What the site says of one EVSE. `voltage` in mV, per phase. `plug_token` stands in for a reader."""

    evse_id: int
    local: LocalPolicy = LocalPolicy.REPORT
    discharge: frozenset[DischargeWay] = frozenset()
    voltage: int = 200_000
    phases: int = 1
    plug_token: IdToken | PlugSource | None = None
    hems: bool = False  # another controller at the unit is the home's energy management
    foreign_limit_lasts: int | None = None  # ms, what somebody else sets at the unit counts so long at most
    max_offline_discharge: int | None = 900_000  # ms, without a CSMS for so long nothing is discharged
    after_discharge: AfterDischarge = AfterDischarge.FALLBACK


#: What no wish is equal to, so that the first one is told, whatever it is.
_NEVER_TOLD: Final = Wanted(mode=Mode.HANDS_OFF, occasion=-1)


@dataclass(slots=True)
class Position:
    """Everything the station keeps about one EVSE."""

    settings: EvseSettings
    evse: Evse
    session: Session
    sampling: Timer
    deadline: Timer
    seq_no: int = 0
    limit: int | None = None  # mW, of the composite schedule, while a transaction goes on
    discharge_bound: int | None = None  # mW, what somebody else lowered at the unit; no profile has words for it
    power_path_closed: int | None = None  # ms since 1970
    hands_off: bool = False
    v2x_enabled: bool = True  # the CSMS's own switch (V2XChargingCtrlr.Enabled)
    balancing: Balancing | None = None  # where the site has a grid meter (Q09)
    held: str | None = None  # why what the profiles say is not followed now
    authorized: bool = False  # when it was looked at last
    stopping: bool = False  # energy that nobody has a right to is being stopped
    inoperative: bool = False
    met: bool = False  # the unit has been seen since the start
    occasion: int = 0  # counts what may start again what a person or the vehicle has ended (decision table B, row 10)
    considered: Course | None = None  # what its limit was computed from
    wanted: Wanted = _NEVER_TOLD

    def restart(self) -> None:
        """The station or this EVSE was reset: a start that waits is forgotten, and the unit is told anew what to do."""
        self.session.forget()
        self.met = False
        self.wanted = _NEVER_TOLD

    @property
    def evse_id(self) -> int:
        """The EVSE's number in the station, from 1."""
        return self.settings.evse_id

    @property
    def seen(self) -> Observed:
        """What is observed now."""
        return self.evse.observed

    @property
    def grid(self) -> Grid:
        """What amperes mean here."""
        abilities = self.evse.abilities
        return Grid(self.settings.voltage, self.settings.phases, abilities.direct_current)

    @property
    def course(self) -> Course:
        """For the composite schedule."""
        most = self.evse.abilities.charge_max or 0
        return Course(
            self.session.transaction_id,
            self.power_path_closed,
            self.grid,
            most,
            may_discharge=self.may_discharge,
            balance=0 if self.balancing is None else self.balancing.setpoint,
        )

    @property
    def rules(self) -> EvseRules:
        """For the judgement of profiles."""
        return EvseRules(
            direct_current=self.evse.abilities.direct_current,
            phases=self.settings.phases,
            negative_limit=DischargeWay.NEGATIVE_LIMIT in self.ways,
            custom_data=DischargeWay.CUSTOM_DATA in self.ways,
            ocpp_21=DischargeWay.OCPP_2_1 in self.ways,
            can_discharge=self.can_discharge,
            transaction_id=self.session.transaction_id,
            balancing=self.balances,
            no_thresholds=None if self.balancing is None else self.balancing.trouble,
        )

    @property
    def balances(self) -> bool:
        """Whether it may be asked to balance the load of the site (Q09.FR.01)."""
        return self.balancing is not None and self.can_discharge

    @property
    def ways(self) -> frozenset[DischargeWay]:
        """By which words a discharge may be ordered now."""
        return self.settings.discharge if self.v2x_enabled else frozenset()

    @property
    def can_discharge(self) -> bool:
        """Whether the unit can, as far as it has told."""
        modes = self.evse.abilities.modes
        return not modes or Mode.DISCHARGE in modes

    @property
    def may_discharge(self) -> bool:
        """Whether what orders a discharge is carried out."""
        return bool(self.ways) and self.can_discharge

    def wish(self) -> Wanted:
        """What is wanted now: by the session whether energy may flow, by the schedule how much and whither."""
        mode, target = self._mode_and_target()
        return Wanted(
            mode=mode,
            target=target,
            discharge_bound=self.discharge_bound,
            amount=amount_of(self.session.state, mode),
            authorized=self.session.entitled,
            in_transaction=self.session.transaction_id is not None,
            left_alone=self.hands_off,
            occasion=self.occasion,
        )

    def apply(self) -> bool:
        """Hand the wish to the charger where it has changed; whether it has."""
        wish = self.wish()
        if wish == self.wanted:
            return False
        self.wanted = wish
        self.evse.want(wish)
        return True

    def _mode_and_target(self) -> tuple[Mode, int | None]:
        session = self.session
        if self.hands_off:
            return Mode.HANDS_OFF, None
        if session.wants_energy:
            return self._left_to_him() or ((Mode.PAUSE, None) if self.held else _energy(self.limit))
        if session.transaction_id is not None:
            return (Mode.STOP if session.ending and session.ending.ends else Mode.PAUSE), None
        if self.stopping or self.inoperative or self.settings.local is LocalPolicy.ENFORCE:
            return Mode.STOP, None
        return Mode.HANDS_OFF, None

    def _left_to_him(self) -> tuple[Mode, int | None] | None:
        """What a person started at the unit stays as he chose, never above a limit in force (the resident wins)."""
        if not self.session.state.local or (self.limit is not None and self.limit <= 0):
            return None
        discharges = self.seen.power is not None and self.seen.power.value < 0
        return (Mode.HANDS_OFF, None) if self.limit is None or discharges else None


def _energy(limit: int | None) -> tuple[Mode, int | None]:
    """The sign of the composite limit chooses the direction (SetChargingProfile in the tables)."""
    if limit is None:
        return Mode.CHARGE, None
    if limit == 0:
        return Mode.PAUSE, None
    return (Mode.CHARGE if limit > 0 else Mode.DISCHARGE), limit
