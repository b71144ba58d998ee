"""One unit as the bridge sees it: its facts, what the table makes of them, and what is wanted of it.

Event handlers only; `bridge.charger.runner` does the waiting and the network. The station sees it as an `Evse`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from bridge.charger.actions import IDLE, Action, Idle, WaitUntil
from bridge.charger.contest import Contest
from bridge.charger.course import growing
from bridge.charger.facts import Facts
from bridge.charger.holding import Held
from bridge.charger.ownwrites import OwnWrites
from bridge.charger.reconcile import Reconciler
from bridge.charger.refusals import Refusals
from bridge.charger.registers import Meter
from bridge.echonet.wellknown import IDENTIFICATION
from bridge.evse import (
    Abilities,
    ChargingState,
    Connector,
    Happening,
    HappeningKind,
    Listener,
    Mode,
    Observed,
    Plug,
    Reading,
    Source,
    Wanted,
)
from bridge.mapping.decision import (
    Answer,
    Ask,
    Decision,
    LocalChange,
    PollGroup,
    Step,
    Table,
    View,
)
from bridge.policies import Control

_log = structlog.get_logger(__name__)

#: While a unit is lost, how often (ms) the tables are asked anew: at first, and after `_LONG_LOST`.
_TICK = 1_000
_SLOW_TICK = 30_000
_LONG_LOST = 120_000

#: So long (ms) after a write the unit is watched closely: contactors, handshake and ramp take their time.
FOLLOWS_WITHIN = 30_000

#: Called with each write as it goes out, or (`dry`) as it would have.
WriteListener = Callable[[Step, bool], None]


@dataclass(frozen=True, slots=True)
class Maps:
    """What a unit says about itself at start (AIF 3.1.3)."""

    release: str = ""
    announced: frozenset[int] = frozenset()
    settable: frozenset[int] = frozenset()
    gettable: frozenset[int] = frozenset()


class ChargerUnit:
    """The Evse of one unit. `monotonic` gives ms; `driver` is called by `want` and has to call `refresh` soon.

    `discharge_allowed` and `soc_floor` (0.001 %) are the site's.
    """

    def __init__(
        self,
        table: Table,
        monotonic: Callable[[], int],
        *,
        name: str = "",
        control: Control = Control.ON,
        discharge_allowed: bool = False,
        soc_floor: int = 20_000,
    ) -> None:
        self.driver: Callable[[], None] | None = None
        self.control = control
        self.maps = Maps()
        self.facts = Facts()
        self.started = False  # everything has been read since the unit was found
        self.met = False  # ... at least once
        self._table = table
        self._monotonic = monotonic
        self._log = _log.bind(unit=name)
        self._discharge_allowed = discharge_allowed
        self._soc_floor = soc_floor
        self._born = monotonic()
        self._wanted: Wanted | None = None
        self._reconciler = Reconciler(table, self.facts.looked_at)
        self._own = OwnWrites()
        self._contest = Contest()
        self._foreign = False
        self._settlements = 0
        self._seen: frozenset[str] = frozenset()
        self._plug: Held[Plug] = Held(Plug.UNDETERMINED)
        self._connector: Held[Connector | None] = Held(None)
        self._charging_state: Held[ChargingState | None] = Held(None)
        self._meter = Meter()
        self._before: View | None = None
        self._flowing: bool | None = None
        self._ask: Ask | None = None
        self._refusals = Refusals(table)
        self._observed = Observed()
        self._abilities = table.abilities(self.view())
        self._refreshing = False
        self._listeners: list[Listener] = []
        self._write_listeners: list[WriteListener] = []

    # Evse

    @property
    def observed(self) -> Observed:
        """What is known now."""
        return self._observed

    @property
    def abilities(self) -> Abilities:
        """What the unit can do, as far as it has been read."""
        return self._abilities

    @property
    def wanted(self) -> Wanted:
        """What is wanted now; nothing (hands off) until the first wish."""
        return self._wanted or Wanted(mode=Mode.HANDS_OFF)

    def want(self, wanted: Wanted) -> None:
        """Replace what is wanted; the same again changes nothing. Until the first wish, and with hands off, nothing is
        ordered of the unit; it may be asked whether a vehicle is there."""
        if wanted == self._wanted:
            return
        self._wanted = wanted
        self._observed = replace(self._observed, confirmed=False, trouble=None)  # nobody may take it for the new wish's
        self._reconciler.want(wanted, self._monotonic())
        if self.driver is not None:
            self.driver()
        else:
            self.refresh()

    def refusal(self, mode: Mode) -> str | None:
        """Why a mode is known now to be impossible, or None if it may be tried."""
        if mode is Mode.HANDS_OFF:
            return None
        if self.control is Control.OBSERVE:
            return "this unit is only observed: its configuration says control: observe"
        if not self.started:
            return "the unit does not answer"
        return self._refusals.known(mode, self._monotonic())

    def listen(self, listener: Listener) -> None:
        """Be called after every change of `observed`, with what happened."""
        self._listeners.append(listener)

    def watch_writes(self, listener: WriteListener) -> None:
        """Be called with every write, also those that a dry run only announces."""
        self._write_listeners.append(listener)

    # For the runner

    @property
    def goal(self) -> int:
        """Counts the wishes; what was begun for an earlier one is void."""
        return self._reconciler.goal

    @property
    def active(self) -> bool:
        """Whether it pays to poll often: something is on its way, or energy flows."""
        return self._reconciler.busy or bool(self._flowing) or self.following

    @property
    def following(self) -> bool:
        """Whether the unit has just been ordered something, so that its power is about to change."""
        return self._own.last is not None and self._monotonic() < self._own.last + FOLLOWS_WITHIN

    @property
    def wants_stop(self) -> bool:
        """Whether a stop is wanted, which is tried even while the unit is silent."""
        return self._wanted is not None and self._wanted.mode is Mode.STOP

    @property
    def news(self) -> bool:
        """Whether the loop knows more than `observed` shows."""
        loop, shown = self._reconciler, self._observed
        moved = loop.settlements != self._settlements
        return moved or loop.news or loop.confirmed != shown.confirmed or loop.trouble != shown.trouble

    def next_action(self) -> Action:
        """What the loop does next; nothing where the unit is only observed."""
        if self.control is Control.OBSERVE:
            return IDLE
        view = self.view()
        action = self._reconciler.next(view)
        if self._ask is None or not self.started or not isinstance(action, (Idle, WaitUntil)):
            return action
        asking = self._reconciler.asker.next(self._ask, view.now)
        return _sooner(action, asking)

    def polls(self) -> tuple[PollGroup, ...]:
        """The table's polling plan."""
        return self._table.polls(self.view())

    def due(self) -> int | None:
        """When `refresh` has something to do, though nothing is heard."""
        now = self._monotonic()
        times = [held.due for held in (self._plug, self._connector, self._charging_state)]
        if self._contest.contested(now):
            times.append(self._contest.until)
        if not self.started:
            times.append(now + (_TICK if self._lost_for(now) < _LONG_LOST else _SLOW_TICK))
        return min((at for at in times if at is not None), default=None)

    def view(self) -> View:
        """Everything that a table may look at, as it is now."""
        now = self._monotonic()
        return View(
            now=now,
            release=self.maps.release,
            facts=self.facts.by_epc,
            refused=self.facts.refused,
            gettable=self.maps.gettable,
            settable=self.maps.settable,
            announced=self.maps.announced,
            reachable=self.started,
            lost_for=0 if self.started else self._lost_for(now),
            wanted=self.wanted,
            confirmed=self._reconciler.reached,  # ... once: a vehicle that ends afterwards is no failed start
            contested=self._contest.contested(now),
            foreign=self._foreign,
            discharge_allowed=self._discharge_allowed,
            soc_floor=self._soc_floor,
            wrote=self._own.at,
            seen=self._seen,
        )

    # What happens to the unit

    def introduced(self, maps: Maps) -> None:
        """The unit has told its release and its property maps."""
        self.maps = maps

    def returned(self) -> None:
        """Everything has been read anew: the unit is there, and what is wanted is compared with what is."""
        self.started = self.met = True
        self._before = None  # what changed while nobody could look is nobody's doing
        self._reconciler.rearm(self._monotonic())
        self.refresh()

    def answered(self, values: dict[int, bytes], refused: frozenset[int]) -> None:
        """A Get was answered."""
        self._watch_identity(values)
        self.facts.answered(values, refused, self._monotonic())
        self.refresh()

    def notified(self, values: dict[int, bytes]) -> None:
        """The unit told something by itself."""
        self._watch_identity(values)
        self.facts.notified(values, self._monotonic())
        self.refresh()

    def silent(self) -> bool:
        """A request had no answer. Whether the unit is lost by that."""
        lost = self.facts.silent() and self.started
        if lost:
            self.lost()
        return lost

    def lost(self) -> None:
        """Nothing more is known; what was known is the last known."""
        self.started = False
        self._log.warning("unit lost", silent_for_ms=self._lost_for(self._monotonic()))
        self.refresh()

    def writing(self, step: Step) -> None:
        """A write goes out now. It is logged when it is answered: until then every microsecond counts."""
        self._own.write(step.epc, step.edt, self._monotonic())
        self._tell_write(step, dry=False)

    def pretend(self, goal: int, step: Step) -> None:
        """A write would go out now, but this is a dry run."""
        self._reconciler.pretended(goal, step)
        self._log.info("would write", write=step.text)
        self._tell_write(step, dry=True)

    def wrote(self, goal: int, step: Step, accepted: bool) -> None:
        """A write was answered."""
        self.facts.heard(self._monotonic())
        self._log.info("written" if accepted else "write refused", write=step.text)
        self._reconciler.wrote(goal, step, accepted, self._monotonic())

    def read_back(self, goal: int, step: Step, edt: bytes | None) -> None:
        """What a write reads back as; None: refused."""
        self._reconciler.read_back(goal, step, edt, self._monotonic())
        if not self._reconciler.verifying(step.epc):
            self._own.close(step.epc)

    def unanswered(self, goal: int) -> None:
        """An action of the loop had no answer."""
        self._reconciler.unanswered(goal, self._monotonic())

    # What is made of it

    def refresh(self) -> None:
        """Decide anew and tell the listeners what has changed. A listener may want something else at once."""
        if self._refreshing:
            return
        self._refreshing = True
        try:
            happenings = self._look()
        finally:
            self._refreshing = False
        if happenings is not None:
            for listener in tuple(self._listeners):
                listener(self._observed, happenings)

    def _look(self) -> tuple[Happening, ...] | None:
        """Bring `observed` up to date; None if nothing has changed."""
        happenings = [*self._reconciler.happened()]
        if self._reconciler.settlements != self._settlements:
            self._settlements = self._reconciler.settlements
            self._foreign = False  # what is in force now is what we wanted
        view = self.view()
        happenings += self._changed_by_others(view)
        view = replace(view, foreign=self._foreign, contested=self._contest.contested(view.now))
        decision = self._table.decide(view)
        self._abilities = self._table.abilities(view)  # here, where nobody waits for it
        self._seen |= decision.seen
        self._flowing = decision.flowing if self.started else None
        self._ask = decision.ask
        if decision.ask is None and not self._reconciler.asking:
            self._reconciler.asker.answered()
        if self.started:
            self._refusals.watch(view)
        observed = self._observe(decision, view)
        if observed == self._observed and not happenings:
            return None
        self._observed = observed
        return tuple(happenings)

    def _observe(self, decision: Decision, view: View) -> Observed:
        self._hold(decision, view)
        measures = self._meter.show(decision.measures, reachable=self.started)
        return Observed(
            reachable=self.started,
            connector=self._connector.value,
            charging_state=self._charging_state.value,
            plug=self._plug.value,
            power=measures.power,
            current=measures.current,
            voltage=measures.voltage,
            energy_in=measures.energy_in,
            energy_out=measures.energy_out,
            soc=measures.soc,
            offered=measures.offered or self._offered(view.now),
            vehicle_id=measures.vehicle_id,
            fault=decision.fault,
            confirmed=self._reconciler.confirmed,
            trouble=self._reconciler.trouble,
            rules=(decision.plug.rule, decision.connector.rule, decision.charging_state.rule),
        )

    def _hold(self, decision: Decision, view: View) -> None:
        """Let the decided values count, each in its time. A new plug makes everything be looked at again (CEL 3.7)."""
        patient = not self.started
        before = self._plug.value
        plugged = self._plug.decide(decision.plug, _plug(decision.plug), view.now, patient=patient)
        if plugged and self._plug.value is Plug.YES and before is not Plug.YES and self._before is not None:
            self.facts.refusals_are_old()
            self._reconciler.rearm(view.now)
        told = _connector(decision.connector)
        if told is None and self.started and self._connector.value is None:
            told = decision.connector.at_boot
        self._connector.decide(decision.connector, told, view.now, patient=patient)
        self._charging_state.decide(
            decision.charging_state, _charging_state(decision.charging_state), view.now, patient=patient
        )
        self._before = view if self.started else None

    def _offered(self, now: int) -> Reading | None:
        """Where the unit does not tell what it grants: what it was set to, which is an assumption."""
        granted = self._reconciler.granted
        if granted is None or not self.started:
            return None
        shown = self._observed.offered
        if shown is not None and shown.value == granted and shown.source is Source.ASSUMED:
            return shown
        return Reading(granted, now, Source.ASSUMED, "setpoint")

    # Other hands

    def _changed_by_others(self, view: View) -> list[Happening]:
        """What somebody else has changed since the last look (AIF-1-2), and what follows from it for the loop."""
        before = self._before
        ours = self._own.ours(view.facts)
        if before is None or before.facts is view.facts or not self.started:
            return []
        happenings: list[Happening] = []
        for change in self._table.local_changes(before, view, ours):
            if change.kind is HappeningKind.LOCAL_STOP and self._reconciler.busy:
                continue  # falling back while it is being started is a start that fails, not a decision of anybody
            happenings.append(Happening(change.kind, change.text, change.value))
            happenings += self._respond(change, before, view, ours)
        return happenings

    def _respond(self, change: LocalChange, before: View, view: View, ours: frozenset[int]) -> list[Happening]:
        if change.kind is HappeningKind.FOREIGN_LIMIT:
            for epc, fact in view.facts.items():
                old = before.facts.get(epc)
                if epc not in ours and old is not None and old.edt != fact.edt:
                    self._reconciler.locally_set(epc, fact.edt)
            return []
        if change.kind not in (HappeningKind.LOCAL_START, HappeningKind.LOCAL_STOP):
            return []
        reversal = self._settlements > 0 and not self._foreign
        self._foreign = True
        if change.kind is HappeningKind.LOCAL_START:
            self._reconciler.locally_started()
        if not reversal:
            return []
        contested = self._contest.reversed(view.now)
        self._reconciler.hold_back(view.now + self._patience(view.now))
        return [Happening(HappeningKind.CONTESTED, "another controller keeps changing the mode")] if contested else []

    def _patience(self, now: int) -> int:
        """How long (ms) an answer to somebody else's write waits: not at all the first time, then longer and longer."""
        count = self._contest.recent(now)
        return growing(count) if count > 1 else 0

    def _watch_identity(self, values: dict[int, bytes]) -> None:
        """Another unit at the same place has registers of its own."""
        known, told = self.facts.by_epc.get(IDENTIFICATION), values.get(IDENTIFICATION)
        if known is not None and told and told != known.edt:
            self._log.warning("another unit answers at this place")
            self._meter.exchanged()

    def _lost_for(self, now: int) -> int:
        return max(1, self.facts.silence(now) or now - self._born)

    def _tell_write(self, step: Step, *, dry: bool) -> None:
        for listener in tuple(self._write_listeners):
            listener(step, dry)


def _plug(answer: Answer) -> Plug | None:
    return answer.value if isinstance(answer.value, Plug) else None


def _connector(answer: Answer) -> Connector | None:
    return answer.value if isinstance(answer.value, Connector) else None


def _charging_state(answer: Answer) -> ChargingState | None:
    return answer.value if isinstance(answer.value, ChargingState) else None


def _sooner(first: Action, second: Action) -> Action:
    """Of two that may both be waits, what comes first."""
    if isinstance(first, WaitUntil) and isinstance(second, WaitUntil):
        return WaitUntil(min(first.at, second.at))
    return first if isinstance(second, Idle) else second
