"""One unit as the bridge sees it: its facts, what the table makes of them, and what is wanted of it.

Event handlers only; `bridge.charger.runner` does the waiting and the network. The station sees it as an `Evse`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import structlog

from bridge.charger.actions import IDLE, Action, Idle, WaitUntil, sooner
from bridge.charger.amounts import AmountCounter
from bridge.charger.ceiling import Ceiling
from bridge.charger.course import priority_of
from bridge.charger.facts import Facts
from bridge.charger.gridguard import GridGuard, GridRules
from bridge.charger.holding import Status
from bridge.charger.introduction import Maps
from bridge.charger.left import Left
from bridge.charger.measuring import Measuring, MeterPort, assumed_offer
from bridge.charger.memory import InMemory, Memory
from bridge.charger.orders import DISCHARGES, FaultLatch, Hindrances, Order, is_anew, order
from bridge.charger.otherhands import OtherHands
from bridge.charger.polling import Pace, pace
from bridge.charger.reconcile import Reconciler
from bridge.charger.refusals import Refusals
from bridge.charger.showing import shown
from bridge.charger.silence import Silence
from bridge.charger.vehicle import Vehicle
from bridge.echonet.session import Priority
from bridge.echonet.wellknown import IDENTIFICATION
from bridge.evse import (
    Abilities,
    Happening,
    HappeningKind,
    Listener,
    Mode,
    Observed,
    Plug,
    Wanted,
)
from bridge.mapping.decision import Ask, Decision, Measures, PollGroup, Step, Table, View
from bridge.policies import Control

_log = structlog.get_logger(__name__)

_NO_WISH = Wanted(mode=Mode.HANDS_OFF)

#: Called with each write as it goes out, or (`dry`) as it would have.
WriteListener = Callable[[Step, bool], None]


class ChargerUnit:
    """The Evse of one unit. `monotonic` gives ms; `driver` is called when something else is to be done at once, and
    has to call `refresh` soon.

    `discharge_allowed`, `soc_floor` and `soc_ceiling` (0.001 %) are the site's. `memory` takes counters over restarts.
    `meter` is one that measures this EVSE alone; `grid` one at the receiving point, into which nothing may flow back
    unless `reverse_flow_allowed`. `restart_after_fault`: ms after a fault has gone; None: nothing restarts by itself.
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
        soc_ceiling: int = 100_000,
        memory: Memory | None = None,
        meter: MeterPort | None = None,
        grid: MeterPort | None = None,
        reverse_flow_allowed: bool = False,
        grid_rules: GridRules | None = None,
        restart_after_fault: int | None = None,
    ) -> None:
        memory = memory or InMemory()
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
        self._ceiling = Ceiling(soc_ceiling, memory)
        self._wish: Wanted | None = None  # as the station has it
        self._wanted: Wanted | None = None  # ... and what that means on this class
        self._order = Order(Wanted(mode=Mode.HANDS_OFF))
        self._reconciler = Reconciler(table, self.facts.looked_at, Left(memory))
        self._others = OtherHands(table, self._reconciler)
        self._amounts = AmountCounter(memory)
        self._latch = FaultLatch(restart_after_fault, memory)
        self._silence = Silence(table, self.facts, monotonic())
        self._grid = grid
        self._guard = GridGuard(grid_rules or GridRules()) if grid is not None and not reverse_flow_allowed else None
        self._measuring = Measuring(memory, meter)
        self._vehicle = Vehicle()
        self._status = Status()
        self._seen: frozenset[str] = frozenset()
        self._faulty = False
        self._flowing: bool | None = None
        self._ask: Ask | None = None
        self._unserved: str | None = None  # why no table is right for the unit
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
        return self._wanted or _NO_WISH

    def want(self, wanted: Wanted) -> None:
        """Replace what is wanted; the same again changes nothing. Until the first wish, and with hands off, nothing is
        ordered of the unit; unless it is to be left alone it may be asked whether a vehicle is there."""
        self._wish, mode = wanted, self._table.wants(wanted)
        if mode is not wanted.mode:
            wanted = replace(wanted, mode=mode)
        if wanted == self._wanted:
            return
        before, self._wanted = self._wanted, wanted
        ended = self._reconciler.ended or self._latch.trouble is not None
        if before is not None and wanted == replace(before, occasion=wanted.occasion) and not ended:
            return  # there is nothing that could be started again
        now, anew = self._monotonic(), is_anew(wanted, before)
        if anew:
            self._latch.release()
        self._latch.look(wanted, fault=self._faulty, now=now)
        self._order = order(wanted, self._hindrances(now))
        self._reconciler.want(self._order.wanted, now, anew=anew)
        # nobody may take what was reached for the new wish's
        self._observed = replace(
            self._observed, confirmed=False, trouble=self._trouble, counted=self._amounts.counted(wanted)
        )
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

    # For the gateway

    def watch_writes(self, listener: WriteListener) -> None:
        """Be called with every write, also those that a dry run only announces."""
        self._write_listeners.append(listener)

    def bind_vehicle(self, vehicle_id: str | None) -> None:
        """It is told from outside which vehicle is here or will be (CEL 4.4, 4.5). What the unit reads itself counts
        for more; unplugging ends it. None takes it back."""
        self._vehicle.bind(vehicle_id)
        self.refresh()

    def on_unbound(self, listener: Callable[[], None]) -> None:
        """Be called when a binding has ended because the vehicle has left."""
        self._vehicle.on_unbound.append(listener)

    # For the runner

    @property
    def goal(self) -> int:
        """Counts the wishes; what was begun for an earlier one is void."""
        return self._reconciler.goal

    @property
    def pace(self) -> Pace:
        """How often it pays to poll."""
        return pace(self._others.own.last, self._monotonic(), busy=self._reconciler.busy or self.flowing)

    @property
    def flowing(self) -> bool:
        """Whether energy is known to flow."""
        return bool(self._flowing)

    @property
    def urgent(self) -> bool:
        """Whether a stop is wanted, or a pause for safety: no reading is waited for."""
        wanted = self._order.wanted
        return priority_of(wanted, wanted.mode, last=True) is Priority.STOP

    @property
    def ready(self) -> bool:
        """Whether the unit may be ordered something: if it is silent, to stop as soon as its release is known, which
        names the mode (0x47 or 0x44), and less than before if it has been met."""
        return self.started or ((self.met or self.urgent) and bool(self.maps.release))

    @property
    def news(self) -> bool:
        """Whether the loop knows more than `observed` shows."""
        shown = self._observed
        told = self._confirmed == shown.confirmed and self._trouble == shown.trouble
        return not told or self._others.settled or self._reconciler.news

    def next_action(self) -> Action:
        """What the loop does next; nothing where the unit is only observed."""
        if self.control is Control.OBSERVE:
            return IDLE
        view = self.view()
        action = self._reconciler.next(view)
        if self._ask is None or not self.started or not isinstance(action, (Idle, WaitUntil)):
            return action
        if self.wanted.left_alone:
            return action
        asking = self._reconciler.asker.next(self._ask, view.now)
        return sooner(action, asking)

    def polls(self) -> tuple[PollGroup, ...]:
        """The table's polling plan."""
        return self._table.polls(self.view())

    def due(self) -> int | None:
        """When `refresh` has something to do, though nothing is heard."""
        now, contest = self._monotonic(), self._others.contest
        times = (
            *self._status.due,
            contest.until if contest.contested(now) else None,
            self._silence.due(now, started=self.started),
            self._latch.due if self.started else None,
            self._guard.due(now) if self._guard is not None and self.wanted.mode in DISCHARGES else None,
        )
        return min((time for time in times if time is not None), default=None)

    def view(self) -> View:
        """Everything that a table may look at, as it is now."""
        now = self._monotonic()
        counted = self._amounts.counted(self.wanted)
        return View(
            now=now,
            release=self.maps.release,
            facts=self.facts.by_epc,
            refused=self.facts.refused,
            gettable=self.maps.gettable,
            settable=self.maps.settable,
            announced=self.maps.announced,
            reachable=self.started,
            lost_for=0 if self.started else self._silence.lasts(now),
            wanted=self._order.wanted,
            confirmed=self._reconciler.reached,  # ... once: a vehicle that ends afterwards is no failed start
            contested=self._others.contest.contested(now),
            foreign=self._others.foreign,
            discharge_allowed=self._discharge_allowed,
            soc_floor=self._soc_floor,
            wrote=self._others.own.at,
            seen=self._seen,
            meter=self._measuring.meter(now),
            from_power=self._measuring.from_power,
            from_soc=self._measuring.from_soc,
            counted=counted.energy if counted is not None else 0,
        )

    # What happens to the unit

    def introduced(self, maps: Maps) -> None:
        """The unit has told its release and its property maps."""
        self.maps = maps

    def returned(self) -> None:
        """Everything has been read anew: the unit is there, and what is wanted is compared with what is."""
        self.started = self.met = True
        self._others.before = None  # what changed while nobody could look is nobody's doing
        self._reconciler.rearm(self._monotonic())
        self.refresh()

    def retabled(self) -> None:
        """Another table says what everything means. What was wanted still is, and a transaction goes on."""
        self._others.before = None  # what looks different now has not been changed by anybody
        if self._wish is not None:
            self.want(self._wish)
        self.refresh()

    def answered(self, values: dict[int, bytes], refused: frozenset[int], asked: int | None = None) -> None:
        """A Get was answered that was `asked` at that mark of the facts."""
        self._watch_identity(values)
        self.facts.answered(values, refused, self._monotonic(), asked)
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
        self._log.warning("unit lost", silent_for_ms=self._silence.lasts(self._monotonic()))
        self.refresh()

    def writing(self, step: Step) -> None:
        """A write goes out now. It is logged when it is answered: until then every microsecond counts."""
        self.facts.writing(step.epc)
        self._others.own.write(step.epc, step.edt, self._monotonic())
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
            self._others.own.close(step.epc)

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
        view = self.view()
        changes = self._others.look(view, started=self.started)
        happenings += changes
        if any(change.kind is HappeningKind.LOCAL_START for change in changes) and not self._faulty:
            self._latch.release()  # nothing restarts by itself, but a person may do it
        contested = self._others.contest.contested(view.now)
        view = replace(view, foreign=self._others.foreign, contested=contested)
        decision = self._table.decide(view)
        self._abilities = self._table.abilities(view)  # here, where nobody waits for it
        self._seen |= decision.seen
        self._flowing = decision.flowing if self.started else None
        self._reconciler.flows = self.flowing
        self._ask, self._unserved = decision.ask, decision.trouble
        if decision.ask is None and not self._reconciler.asking:
            self._reconciler.asker.answered()
        if self.started:
            self._refusals.watch(view)
        measures = self._measuring.show(decision.measures, reachable=self.started)
        self._follow_plug(decision, view)
        happenings += self._judge(decision, measures, view)
        if not self._order.fulfils(self.wanted):  # a pause that was not wished for is nobody's success
            happenings = [each for each in happenings if each.kind is not HappeningKind.CONFIRMED]
        observed = self._observe(decision, measures, view)
        if observed == self._observed and not happenings:
            return None
        self._observed = observed
        return tuple(happenings)

    def _judge(self, decision: Decision, measures: Measures, view: View) -> list[Happening]:
        """Whether what is wanted may still be ordered as it is; what happened by that."""
        self._silence.look(self.wanted, view, started=self.started, met=self.met)
        reached = self._judge_told(decision, measures, view.now) if self.started else None
        self._reorder(view.now)
        return [reached] if reached is not None else []

    def _judge_told(self, decision: Decision, measures: Measures, now: int) -> Happening | None:
        """What the unit and the meters tell; a wanted amount may be reached by it."""
        wish = self.wanted
        self._faulty = decision.fault is not None
        if self._wanted is not None:  # before the first wish nobody has given anything up
            self._latch.look(wish, fault=self._faulty, now=now)
        reached = self._amounts.look(wish, measures, now)
        self._ceiling.look(measures.soc, now)
        if self._measuring.registers.keep(now):
            self._amounts.keep()
        if self._guard is not None and self._grid is not None:
            told = self._grid.measures
            self._guard.look(
                told.power if told else None, measures.power, now, discharging=self._order.wanted.mode in DISCHARGES
            )
        return reached

    def _reorder(self, now: int) -> None:
        """Pursue what is left of the wish. Only another mode is another goal; a bound is followed on the way."""
        if self._wanted is None:
            return
        before, self._order = self._order, order(self._wanted, self._hindrances(now))
        if self._order.wanted == before.wanted:
            return
        if self._order.wanted.mode is before.wanted.mode:
            self._reconciler.adjust(self._order.wanted)
            return
        self._log.info("ordered otherwise", mode=self._order.wanted.mode.value, reason=self._order.trouble)
        self._reconciler.want(self._order.wanted, now, anew=False)
        if self.driver is not None:
            self.driver()

    def _hindrances(self, now: int) -> Hindrances:
        return Hindrances(
            latched=self._latch.trouble,
            amount_reached=self._amounts.reached(self.wanted),
            contested=self._others.contest.contested(now),
            grid=self._guard.trouble(now) if self._guard is not None else None,
            grid_bound=self._guard.bound if self._guard is not None else None,
            ceiling=self._ceiling.trouble,
            silence=self._silence.trouble,
        )

    def _observe(self, decision: Decision, measures: Measures, view: View) -> Observed:
        variables = self._table.variables(view)
        granted = self._reconciler.granted if self.started else None
        return replace(
            shown(decision, self._status, measures, variables, reachable=self.started),
            offered=measures.offered or assumed_offer(granted, self._observed.offered, view.now),
            vehicle_id=self._vehicle.id(measures.vehicle_id),
            counted=self._amounts.counted(self.wanted),
            confirmed=self._confirmed,
            trouble=self._trouble,
        )

    @property
    def _confirmed(self) -> bool:
        return self._reconciler.confirmed and self._order.fulfils(self.wanted)

    @property
    def _trouble(self) -> str | None:
        if trouble := self._unserved or self._order.trouble or self._reconciler.trouble:
            return trouble
        if self.started and self._amounts.uncountable(self.wanted):
            return "nothing counts the energy, so that it cannot be stopped at the amount that is wanted"
        return None

    def _follow_plug(self, decision: Decision, view: View) -> None:
        """Take what is decided of plug and status. A new plug makes everything be looked at again (CEL 3.7)."""
        before = self._status.plug
        plugged = self._status.decide(decision, view.now, started=self.started)
        if self._status.plug is not before:
            self._measuring.another_vehicle()
        if self._status.plug is Plug.NO:
            self._ceiling.vehicle_left()
        if plugged and self._others.before is not None:
            self.facts.refusals_are_old()
            self._reconciler.rearm(view.now, plugged=True)
        self._others.before = view if self.started else None
        self._vehicle.plug(self._status.plug, view.now, in_transaction=self.wanted.in_transaction)
        if self._vehicle.unsure and self._read_since(self._vehicle.plugged_at):
            self._vehicle.read()

    def _read_since(self, at: int) -> bool:
        """Whether everything has been asked since then."""
        return all(self.facts.looked_at(epc) >= at for group in self.polls() for epc in group.epcs)

    def _watch_identity(self, values: dict[int, bytes]) -> None:
        """Another unit at the same place has registers of its own."""
        told = values.get(IDENTIFICATION)
        if told and self._measuring.registers.identified(told):
            self._log.warning("another unit answers at this place")

    def _tell_write(self, step: Step, *, dry: bool) -> None:
        for listener in tuple(self._write_listeners):
            listener(step, dry)
