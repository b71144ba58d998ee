"""Wanted against observed: what to read or write next so that a unit comes to what is wanted of it.

No I/O and no clock: `next` looks at a view and says one action, the runner does it and reports with `wrote`,
`read_back` or `unanswered`. Only differences are written, in the order of the table's recipe, and a write counts only
when a Get has read it back, because a unit answers Set_Res whatever the value (AIF 2.4.5, 3.2). A lost datagram, a
unit that rebooted and a write that somebody else overrode are one case: what is observed differs from what is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from bridge.charger.actions import IDLE, Action, Idle, Read, ReadBack, WaitUntil, Write
from bridge.charger.asking import Asker
from bridge.charger.course import ENERGY, QUIET, Course, Settled, Verification, priority_of
from bridge.charger.facts import NEVER
from bridge.charger.judging import TRUSTED_FOR, Judge
from bridge.charger.left import Left
from bridge.charger.lowering import lowest_settings
from bridge.echonet.session import Priority
from bridge.evse import Happening, HappeningKind, Mode, Wanted
from bridge.mapping.decision import Ask, Decision, Recipe, Refusal, Step, Table, View

#: A fact has to be older (ms) than this before a refusal that was read for once is read for again.
REFUSED_FOR: Final = 45_000
#: When a written value is looked at (ms after the look before): units may take a moment to show it.
LOOKS: Final = (0, 1_000, 2_000)
#: If power outlasts a verified stop or pause so long (ms), the other of its two modes is tried.
QUIET_WITHIN: Final = 30_000
#: A stop or pause that has failed so often is told, and tried on.
ALARM_AFTER: Final = 3


class Reconciler:
    """The loop of one unit. `looked_at` says when the unit last told or refused a property (`Facts.looked_at`).

    `goal` counts the wishes: what is reported for an earlier one is ignored.
    """

    def __init__(self, table: Table, looked_at: Callable[[int], int], left: Left | None = None) -> None:
        self.goal = 0
        self.trouble: str | None = None
        self.settlements = 0  # how often something wanted was reached
        self.asker = Asker()
        self.asking = False  # the table's last answer was a question
        self.flows = False  # energy is known to flow
        self._table = table
        self._judge = Judge(looked_at)
        self._wanted: Wanted | None = None
        self._main = Course()
        self._fallback = Course()  # the pause, while what is wanted is impossible
        self._falling_back = False
        self._left = left or Left()
        self._must_pause: str | None = None
        self._acting = self._main
        self._pretended: set[Step] = set()
        self._refused_by: set[str] = set()
        self._granted: tuple[Mode, int | None] = (Mode.STOP, 0)  # what was reached last
        self.stood: Mapping[int, bytes] = {}  # ... and the properties as they were then
        self._happenings: list[Happening] = []

    # What is known of the loop

    @property
    def confirmed(self) -> bool:
        """What is wanted has been reached and read back."""
        return self._main.settled is not None and not self._falling_back

    @property
    def reached(self) -> bool:
        """What is wanted was reached at least once, whatever has happened since."""
        return self._main.reached

    @property
    def ended(self) -> bool:
        """A person or the vehicle has ended a mode of energy; that stands until it is wanted anew."""
        return self._left.mode is not None

    @property
    def granted(self) -> int | None:
        """The target (mW, signed) that was reached and stands, if there is one."""
        return self._main.settled.target if self.confirmed and self._main.settled is not None else None

    @property
    def news(self) -> bool:
        """Whether there is something to be told."""
        return bool(self._happenings)

    @property
    def busy(self) -> bool:
        """Something is on its way, so that it pays to look at the unit often."""
        if self._wanted is None or self._wanted.mode is Mode.HANDS_OFF:
            return False
        course = self._fallback if self._falling_back else self._main
        return course.settled is None and not course.gave_up and not course.yielded

    def verifying(self, epc: int) -> bool:
        """Whether a write of a property waits to be read back."""
        verification = self._acting.verification
        return verification is not None and verification.step.epc == epc

    def happened(self) -> tuple[Happening, ...]:
        """Take what is to be told, once."""
        happenings = tuple(self._happenings)
        self._happenings.clear()
        return happenings

    # What comes from outside

    def want(self, wanted: Wanted, now: int, *, anew: bool = True) -> None:
        """Begin anew towards another goal. What was on its way is forgotten; its writes are not trusted. A mode that
        somebody else has left stays left, pauses and other limits between, unless it is wanted `anew`."""
        self.goal += 1
        self.trouble = None
        self._wanted = wanted
        if anew:
            self._left.leave(None)
        left = wanted.mode is self._left.mode
        self._main, self._fallback = Course(yielded=left, reached=left), Course()
        self._acting = self._main
        self._falling_back = False
        self._must_pause = None
        self._judge.goal(now)
        self._pretended.clear()
        self._refused_by.clear()
        self.asking = False
        self.asker.answered()

    def adjust(self, wanted: Wanted) -> None:
        """Want a little more or less on the way to the same goal: what is on its way goes on."""
        self._wanted = wanted

    def rearm(self, now: int, *, plugged: bool = False) -> None:
        """The unit came back or a vehicle was plugged in: nothing read before counts, and for a vehicle every setting
        is written anew (CEL 3.7)."""
        self._judge.rearm(now, plugged=plugged)
        if plugged:
            self._left.leave(None)
        self._main.rearm(yielded=self._main.yielded and not plugged)
        self._fallback.rearm()
        self._must_pause = None

    def locally_started(self) -> None:
        """Somebody else put the unit into a mode of energy that is not the wanted one: that is enforced. Where he may
        win, the station wants hands off."""
        self._main.enforce = True

    def locally_set(self, epc: int, edt: bytes) -> None:
        """Somebody else set a lower limit: it is left until something is wanted anew."""
        self._judge.yields(epc, edt)

    def hold_back(self, until: int) -> None:
        """Answer somebody else's writes no sooner than this (ms); what lowers a setting does not wait."""
        self._main.patient_until = max(self._main.patient_until, until)

    # What the runner reports

    def wrote(self, goal: int, step: Step, accepted: bool, now: int) -> None:
        """A SetC was answered: taken, or refused (SetC_SNA)."""
        if goal != self.goal:
            return
        if self.asker.asked(step):
            return  # a question has no value to read back
        course = self._acting
        course.begun = True
        if accepted:
            course.verification = Verification(step, due=now)
        elif step in course.lowering:
            return  # it was worth a try
        elif course.recipe is not None and course.recipe.mode in QUIET:
            course.refused_at = now
            course.verification = Verification(step, due=now, refused=True)
        else:
            self._abort(course, step, f"the unit refused {step.text}", now)

    def read_back(self, goal: int, step: Step, edt: bytes | None, now: int) -> None:
        """What a Get says after a write; None: refused."""
        course = self._acting
        verification = course.verification
        if goal != self.goal or verification is None or verification.step != step:
            return
        if edt == step.edt:
            if course.recipe is not None:
                self._judge.stands(step, course.recipe)
            course.verification = course.refused_at = None
            course.force = False
            return
        verification.looks += 1
        if verification.refused or step in course.lowering:
            course.verification = None
        elif verification.looks < len(LOOKS):
            verification.due = now + LOOKS[verification.looks]
        else:
            told = "is refused" if edt is None else f"reads back as {edt.hex().upper()}"
            self._abort(course, step, f"{step.text} was accepted but {told}", now)

    def unanswered(self, goal: int, now: int) -> None:
        """The unit did not answer. The write may have arrived all the same: it is read before the next one."""
        if goal == self.goal:
            self._acting.failed(now)

    def pretended(self, goal: int, step: Step) -> None:
        """In a dry run the write was only announced."""
        if goal == self.goal:
            self._pretended.add(step)
            self.asker.pretended(step)

    # The loop

    def next(self, view: View) -> Action:
        """What to do now. Has to be asked again after everything that is heard, and at the time that it names."""
        wanted = self._wanted
        if wanted is None or wanted.mode is Mode.HANDS_OFF:
            return IDLE
        if (written := self._acting.verification) is not None:
            return ReadBack(written.step) if view.now >= written.due else WaitUntil(written.due)
        if not view.reachable and wanted.mode not in QUIET:
            return self._blindly(view)
        proposal = self._table.recipe(view)
        self.asking = isinstance(proposal, Ask)
        match proposal:
            case Refusal() as refusal:
                return self._refuse(refusal, view)
            case Ask() as ask:
                self._acting = self._main
                self.trouble = "the unit does not say yet whether it can"
                return self.asker.next(ask, view.now)
            case recipe:
                return self._follow(recipe, view)

    def _blindly(self, view: View) -> Action:
        """A silent unit may hear all the same: it is told what is less than it may have been told, and nothing else."""
        recipe = self._table.recipe(replace(view, reachable=True))
        if isinstance(recipe, Refusal) or self._must_pause is not None:
            return self._pause(view)
        if not isinstance(recipe, Recipe):
            return IDLE
        if recipe.mode in QUIET:
            return self._follow(recipe, view)
        settings = [step for step in recipe.steps[:-1] if step not in self._pretended]
        lower = [step for step in settings if self._judge.may_stand_higher(step, recipe)]
        if not lower:
            return IDLE
        self._acting, self._main.recipe = self._main, recipe
        return self._write(self._main, recipe, lower[0], view)

    def _follow(self, recipe: Recipe, view: View) -> Action:
        """Pursue the recipe, unless energy has to be paused first because a try has failed."""
        if recipe.mode in QUIET:
            self._must_pause = None
        if self._must_pause is not None:
            pausing = self._pause(view)
            if not isinstance(pausing, Idle) or self._main.gave_up:
                return pausing
            if view.now < max(self._main.not_before, self._main.patient_until):
                return WaitUntil(max(self._main.not_before, self._main.patient_until))
            self._must_pause = None
        if self._falling_back:
            self._falling_back = False
            self._fallback = Course()
        return self._pursue(self._main, recipe, view)

    def _refuse(self, refusal: Refusal, view: View) -> Action:
        """Impossible now. What could lift the refusal is read first; then it is told, and energy that runs paused."""
        patience = REFUSED_FOR if refusal.rule in self._refused_by else TRUSTED_FOR
        stale = tuple(epc for epc in refusal.read if view.now - self._judge.looked_at(epc) > patience)
        stale = tuple(epc for epc in stale if epc in view.gettable)
        if stale:
            self._refused_by.add(refusal.rule)
            self._acting = self._main
            return Read(stale, Priority.COMMAND)
        self._tell_cannot(self._main, refusal.reason)
        self._main.settled = None
        return self._pause(view)

    def _pause(self, view: View) -> Action:
        """Energy that runs is paused, by the table's own recipe for it."""
        self._falling_back = True
        quiet = replace(view, wanted=replace(view.wanted, mode=Mode.PAUSE, target=None))
        recipe = self._table.recipe(quiet)
        if not isinstance(recipe, Recipe) or recipe.mode not in QUIET:
            return IDLE
        return self._pursue(self._fallback, recipe, quiet)

    def _pursue(self, course: Course, recipe: Recipe, view: View) -> Action:
        """One step further on a course."""
        self._acting = course
        course.recipe = recipe
        if course.settled is not None and not self._unsettle(course, recipe, view):
            return IDLE
        if recipe.mode in QUIET:
            return self._quiet(course, recipe, view, self._table.confirmed(self._as(view, recipe)))
        if course.yielded and not self._back_in_mode(recipe, view):
            return IDLE
        course.yielded = False
        return self._energy(course, recipe, view)

    def _unsettle(self, course: Course, recipe: Recipe, view: View) -> bool:
        """Whether what was reached does not stand any more and something is to be done about it."""
        settled = course.settled
        if settled is None:
            return False
        if settled.stands(recipe, view.facts):
            if not self._flows_again(recipe, view):
                return False
            course.settled = None
            return True
        if recipe.mode in ENERGY and settled.left(recipe, view.facts) and not course.enforce:
            # Full, stopped by the vehicle or by a person: nothing restarts by itself.
            self._left.leave(recipe.mode)
            course.yielded, course.settled = True, None
            return True
        course.settled = course.standing_since = None
        course.enforce = course.begun = False
        return True

    def _flows_again(self, recipe: Recipe, view: View) -> bool:
        """Whether energy has begun to flow in a stop or pause, which has not been reached then."""
        return self.flows and recipe.mode in QUIET and not self._table.confirmed(self._as(view, recipe))

    def _back_in_mode(self, recipe: Recipe, view: View) -> bool:
        """Whether the one who left the wanted mode has come back to it."""
        last = recipe.steps[-1] if recipe.steps else None
        fact = view.facts.get(last.epc) if last is not None else None
        return last is not None and fact is not None and fact.edt == last.edt

    def _quiet(self, course: Course, recipe: Recipe, view: View, confirmed: bool) -> Action:
        """Stop or pause. Never given up."""
        steps = course.steps(recipe)
        priority = priority_of(view.wanted, recipe.mode, last=True)
        if confirmed and not any(self._judge.overwritten(step.epc, view) for step in steps[-1:]):
            unsure = tuple(step.epc for step in steps[-1:] if not self._judge.trusts(step.epc, view))
            if not unsure:
                return self._settle(course, recipe, view)
            return Read(unsure, priority) if view.now >= course.not_before else WaitUntil(course.not_before)
        if course.refused_at is not None:
            return self._after_refused_stop(course, recipe, view)
        if lower := next((step for step in course.lowering if step not in course.lowered), None):
            course.lowered.add(lower)
            return Write(lower, Priority.LIMIT)
        todo = [step for step in steps if self._judge.differs(step, view) or not self._judge.trusts(step.epc, view)]
        todo = [step for step in todo if step not in self._pretended]
        if not course.other:
            todo = [step for step in todo if not self._judge.rests(step, recipe, view)]
        if course.force and not todo:
            todo = [step for step in steps[-1:] if step not in self._pretended]
        if todo:
            return self._write(course, recipe, todo[0], view)
        return self._stand(course, recipe, view)

    def _after_refused_stop(self, course: Course, recipe: Recipe, view: View) -> Action:
        """SetC_SNA counts as stopped only while no power flows (AIF 3.2.1 obliges units to refuse without a car)."""
        refused_at = course.refused_at or 0
        if recipe.otherwise and not course.other:
            course.other, course.refused_at = True, None
            return self._quiet(course, recipe, view, confirmed=False)
        if not course.looked:
            course.looked = True
            every = tuple(dict.fromkeys(epc for group in self._table.polls(view) for epc in group.epcs))
            if every:
                return Read(every, priority_of(view.wanted, recipe.mode, last=True))
        decision = self._table.decide(view)
        power = decision.measures.power
        if decision.flowing is False and power is not None and power.at >= refused_at:
            return self._settle(course, recipe, view)
        text = f"the unit refused {recipe.mode}"
        if decision.flowing:
            text += " while power flows"
            self._tell_cannot(course, text)
        self._fail(course, recipe, text, view.now)
        return self._lower(course, recipe, view, decision)

    def _lower(self, course: Course, recipe: Recipe, view: View, decision: Decision) -> Action:
        """While energy does not stop, there shall be as little of it as the unit can do. Then the next try."""
        course.lowered.clear()
        settings = lowest_settings(self._table, view) if decision.flowing else ()
        course.lowering = tuple(step for step in settings if self._judge.differs(step, view))
        return self._quiet(course, recipe, view, confirmed=False) if course.lowering else WaitUntil(course.not_before)

    def _energy(self, course: Course, recipe: Recipe, view: View) -> Action:
        """Charge, discharge or automatic: only after fresh facts, and each setting before the mode."""
        steps = [step for step in course.steps(recipe) if step not in self._pretended]
        todo = [step for step in steps if self._judge.differs(step, view)]
        last = [step for step in steps[:-1] if self._judge.unwritten(step, view)]  # the last session's settings
        todo = [step for step in steps if step in todo or step in last]
        if course.force and not todo:
            todo = steps[-1:]
        if not todo:
            unsure = tuple(step.epc for step in steps if not self._judge.trusts(step.epc, view))
            if unsure:
                return Read(unsure)
            if self._table.confirmed(self._as(view, recipe)):
                return self._settle(course, recipe, view)
            return self._stand(course, recipe, view)
        if course.gave_up:
            return IDLE
        if course.standing_since is not None and todo[-1] is steps[-1]:  # it fell back before it was confirmed
            return self._restart(course, recipe, view)
        if view.contested and not self._lowers(recipe, view):
            self._tell_cannot(course, "another controller contests the unit")
            return IDLE
        if (at := self._not_before(course, recipe, view)) > view.now:
            return WaitUntil(at)
        if (at := self._spaced(recipe, todo[0], steps[-1], view)) > view.now:
            return WaitUntil(at)
        unsure = self._unsure(course, recipe, steps, view)
        return Read(unsure, Priority.COMMAND) if unsure else self._write(course, recipe, todo[0], view)

    def _unsure(self, course: Course, recipe: Recipe, steps: list[Step], view: View) -> tuple[int, ...]:
        """What has to be read before the first write."""
        if course.begun:
            return ()
        stale = [epc for epc in recipe.fresh if view.now - self._judge.looked_at(epc) > recipe.fresh_for]
        stale = [epc for epc in stale if not view.gettable or epc in view.gettable]
        stale += [step.epc for step in steps if step.epc in view.facts and self._judge.doubts(step, view)]
        return tuple(dict.fromkeys(stale))

    def _write(self, course: Course, recipe: Recipe, step: Step, view: View) -> Action:
        if (at := self._not_before(course, recipe, view)) > view.now:
            return WaitUntil(at)
        last = step in recipe.otherwise or step == recipe.steps[-1]
        self._judge.orders(step, recipe)
        return Write(step, priority_of(view.wanted, recipe.mode, last=last))

    def _not_before(self, course: Course, recipe: Recipe, view: View) -> int:
        """When (ms) the next write may go out. A setting that somebody has raised is lowered without patience."""
        patient = recipe.mode in QUIET or not self._lowers(recipe, view)
        return max(course.not_before, course.patient_until if patient else 0)

    def _spaced(self, recipe: Recipe, step: Step, mode: Step, view: View) -> int:
        """When (ms) a write may go out for the sake of the contactors. What only lowers does not wait."""
        wrote = view.wrote.get(step.epc, NEVER)
        if step.epc == mode.epc:
            return wrote + recipe.spacing.mode
        lowers = self._judge.lowers(step, recipe, view, below_granted=self._lowers(recipe, view))
        raises = self._back_in_mode(recipe, view) and not lowers
        return wrote + recipe.spacing.setting if raises else 0

    def _stand(self, course: Course, recipe: Recipe, view: View) -> Action:
        """Everything is written: wait until the unit follows, for a bounded time. A power that it told before shows
        nothing of that."""
        if self._pretended or course.gave_up or (recipe.mode in QUIET and self._told_before(recipe, view)):
            return IDLE
        if course.standing_since is None:
            course.standing_since = view.now
        within = recipe.confirm_within
        if recipe.mode in QUIET and recipe.otherwise:
            within = min(within, QUIET_WITHIN)
        if view.now < course.standing_since + within:
            return WaitUntil(course.standing_since + within)
        return self._restart(course, recipe, view)

    def _told_before(self, recipe: Recipe, view: View) -> bool:
        """Whether the power that is known is from before the mode was written."""
        power = self._table.decide(view).measures.power
        return power is not None and power.at < view.wrote.get(recipe.steps[-1].epc, NEVER)

    def _restart(self, course: Course, recipe: Recipe, view: View) -> Action:
        """The unit has not followed: try once more, or give up."""
        course.force = True
        self._fail(course, recipe, f"{recipe.mode} was set but the unit does not follow", view.now)
        if recipe.mode in QUIET:
            return self._lower(course, recipe, view, self._table.decide(view))
        return IDLE if course.gave_up else WaitUntil(course.not_before)

    # Ends

    def _settle(self, course: Course, recipe: Recipe, view: View) -> Action:
        course.settled = Settled.of(recipe, view.facts)
        for step in recipe.steps[:-1]:
            self._judge.stands(step, recipe)
        self._granted, self.stood = (recipe.mode, recipe.target), course.settled.governed
        if recipe.mode in ENERGY:
            self._left.leave(None)
        self.settlements += 1
        course.failures = course.starts = course.not_before = course.patient_until = 0
        course.refused_at = course.standing_since = None
        course.lowering = ()
        course.begun = course.force = course.gave_up = course.enforce = course.looked = False
        course.reached = True
        if course is self._main:
            self.trouble = None
            self._tell_once(course, Happening(HappeningKind.CONFIRMED, recipe.mode.value, recipe.target))
        return IDLE

    def _abort(self, course: Course, step: Step, text: str, now: int) -> None:
        """A write did not take: nothing is started, and energy that runs is paused."""
        recipe = course.recipe
        if recipe is None:
            course.failed(now)
        elif recipe.otherwise and not course.other and step == recipe.steps[-1]:
            course.other = True
            course.verification = None
        else:
            self._fail(course, recipe, text, now)
            if course is self._main and recipe.mode in ENERGY:
                self._must_pause = text

    def _fail(self, course: Course, recipe: Recipe, text: str, now: int) -> None:
        course.failed(now)
        course.starts += 1
        course.other = not course.other
        self.trouble = text
        quiet = recipe.mode in QUIET
        if course.starts >= (recipe.attempts or (ALARM_AFTER if quiet else course.starts + 1)):
            self._tell_cannot(course, text)
            course.gave_up = not quiet

    def _tell_cannot(self, course: Course, text: str) -> None:
        self.trouble = text
        self._tell_once(course, Happening(HappeningKind.CANNOT, text))

    def _tell_once(self, course: Course, happening: Happening) -> None:
        key = f"{happening.kind}: {happening.text}"
        if key not in course.told:
            course.told.add(key)
            self._happenings.append(happening)

    # Judging

    def _lowers(self, recipe: Recipe, view: View) -> bool:
        """Whether a recipe only lowers what runs already, which a contested unit may still be told."""
        mode, target = self._granted
        if mode is not recipe.mode or recipe.target is None or not self._back_in_mode(recipe, view):
            return False
        return target is None or abs(recipe.target) <= abs(target)

    @staticmethod
    def _as(view: View, recipe: Recipe) -> View:
        """The view with what the wish comes down to: below the unit's minimum `charge` is a pause."""
        if view.wanted.mode is recipe.mode:
            return view
        return replace(view, wanted=replace(view.wanted, mode=recipe.mode))
