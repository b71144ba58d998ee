"""Drives one `ChargerUnit` over a network: start sequence, polls, the loop's actions, loss and return.

A wish, a notification or a timer makes the loop's next action go out at once, in a task of its own: nothing of it
waits behind a poll here; the order on the way to the node is the session's business (stop, limits, commands, polls).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from bridge.charger.actions import Action, Idle, Read, ReadBack, WaitUntil, Write
from bridge.charger.gridguard import GridRules
from bridge.charger.introduction import FIRST_SEARCH, SETTLING, read_attributes, read_maps
from bridge.charger.measuring import MeterPort
from bridge.charger.memory import Memory
from bridge.charger.polling import Plan
from bridge.charger.reader import Reader
from bridge.charger.serving import Chooser, Served, Serving
from bridge.charger.unit import ChargerUnit
from bridge.charger.waiting import search_pause, wait_for
from bridge.charger.wire import GetAnswer, Notification, Wire
from bridge.clock import Clock
from bridge.echonet.session import Priority
from bridge.errors import NoAnswerError, UnitError
from bridge.evse import Plug
from bridge.mapping.decision import PollGroup, Table
from bridge.policies import Control

#: A unit that was heard no longer ago (ms) is asked again in the middle of the start sequence, else it begins anew.
HEARD_LATELY: Final = 50_000

_log = structlog.get_logger(__name__)


class UnitRunner:
    """One unit's tasks. `address` None: wait until `found`. `run` ends only when it is cancelled.

    What is not about the network is `ChargerUnit`'s.
    """

    def __init__(
        self,
        wire: Wire,
        clock: Clock,
        table: Table,
        *,
        name: str,
        eoj: int,
        address: str | None,
        chooser: Chooser | None = None,
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
        self._log = _log.bind(unit=name)
        self._serving = Serving(table, self._served)
        self.unit = ChargerUnit(
            self._serving,
            clock.monotonic,
            name=name,
            control=control,
            discharge_allowed=discharge_allowed,
            soc_floor=soc_floor,
            soc_ceiling=soc_ceiling,
            memory=memory,
            meter=meter,
            grid=grid,
            reverse_flow_allowed=reverse_flow_allowed,
            grid_rules=grid_rules,
            restart_after_fault=restart_after_fault,
        )
        self._wire = wire
        self._clock = clock
        self._table = self._serving
        self._chooser = chooser
        self._eoj = eoj
        self._address = address
        self._reader = Reader(self._get, self._answered, clock.monotonic, table.max_opc, self._turn)
        self._tasks: asyncio.TaskGroup | None = None
        self._life: asyncio.Task[None] | None = None
        self._act: asyncio.Task[None] | None = None
        self._reads = False  # what `_act` does
        self._timer: asyncio.TimerHandle | None = None
        self._sign = asyncio.Event()  # something came from the unit, or it was found
        self._look_at_plan = asyncio.Event()
        self._plan = Plan(name)
        self._asked = 0  # the facts' mark when what has just been answered was asked
        self._plug = Plug.UNDETERMINED
        self._flowing = False
        self._refresh_due = False
        wire.on_notification(self._notified)
        for port in {id(port): port for port in (meter, grid) if port is not None}.values():
            port.listen(self._measured)

    @property
    def table(self) -> Table:
        """The table that serves the unit now."""
        return self._serving.served.table

    @property
    def served(self) -> Served:
        """The table that serves the unit, and why."""
        return self._serving.served

    def choose(self, chooser: Chooser) -> None:
        """The site's tables are others now: go on by the one that is right for the unit, or by the last good one."""
        self._chooser = chooser
        if self._tasks is not None and self.unit.met:  # else it is chosen when the unit tells what it is
            self._tasks.create_task(self._exchange())

    async def _exchange(self) -> None:
        if await self._choose():
            self.unit.retabled()
            self._plan.everything()
            self._kick()

    def found(self, address: str) -> None:
        """The unit's address has been learnt or has changed."""
        if address == self._address:
            self._sign.set()
            return
        self._log.info("unit found", address=address)
        self._address = address
        if self._tasks is not None and self._life is not None:
            self._life.cancel()
            self._life = self._tasks.create_task(self._live())

    async def run(self) -> None:
        """Live with the unit until cancelled. What is no `UnitError` is a bug and ends it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self.unit.driver = self._wanted
                self._life = tasks.create_task(self._live())
                self._kick()
                await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            self._tasks = self._act = self._life = None
            self.unit.driver = None
            if self._timer is not None:
                self._timer.cancel()

    # Finding, reading, losing

    async def _live(self) -> None:
        tries = 0
        await self._clock.sleep(SETTLING)
        while True:
            self._sign.clear()
            if await self._introduce():
                tries = 0
                await self._poll()
            tries += 1
            await wait_for(self._sign, search_pause(tries, FIRST_SEARCH))

    async def _introduce(self) -> bool:
        """The start sequence of AIF 3.1; whether the unit went through all of it."""
        if self._address is None:
            return False
        self._reader.renew()
        try:
            self.unit.introduced(await read_maps(self._reader, self.unit.facts, self._table.release))
            await read_attributes(self._reader, self.unit.maps, self._table.attributes)
            await self._choose_table()
            for group in self.unit.polls():
                await self._poll_group(group)
        except UnitError as error:
            self._log.info("unit not reached", reason=str(error))
            self.unit.refresh()
            return False
        self._log.info("unit read", release=self.unit.maps.release)
        self.unit.returned()
        self._kick()
        return True

    async def _choose_table(self) -> None:
        """Now that the unit has told what it is: the overlay that is for it, if there is one."""
        known = frozenset[int]()
        while missing := self._undecided() - known:
            known |= missing
            await read_attributes(self._reader, self.unit.maps, (tuple(sorted(missing)),))
        before = self._table.attributes
        if await self._choose():
            await read_attributes(self._reader, self.unit.maps, _beyond(before, self._table.attributes))

    def _undecided(self) -> frozenset[int]:
        """What the choice hangs on and the unit has not told."""
        if self._chooser is None:
            return frozenset()
        told = self._told()
        return self._chooser.wanted(self._serving.class_code, self.unit.maps.release, told)

    async def _choose(self) -> bool:
        """Whether another table serves the unit now."""
        if self._chooser is None:
            return False
        served = await self._chooser.choose(self._serving.class_code, self.unit.maps.release, self._told())
        return self._serving.use(served)

    def _told(self) -> dict[int, bytes]:
        return {epc: fact.edt for epc, fact in self.unit.facts.by_epc.items()}

    def _served(self, served: Served) -> None:
        if served.quarantine is not None:
            self._log.error("unit quarantined", reason=served.quarantine, overlays=served.overlays)
        else:
            text = {"overlays": served.overlays, "why": served.why, "table": served.table.content_hash}
            self._log.info("table chosen", **text)

    async def _poll(self) -> None:
        """Poll by the table's plan until the unit is lost."""
        while self.unit.started:
            self._look_at_plan.clear()
            await self._turn()
            now = self._clock.monotonic()
            view = self.unit.view()
            group, at = self._plan.next(self._table.polls(view), view.announced, self.unit.pace, now)
            if group is None or at > now:
                await wait_for(self._look_at_plan, max(at - now, 0) if group is not None else None)
            else:
                await self._poll_due(group)

    async def _turn(self) -> None:
        """Polls wait while the loop is at work: its requests go first, and the end of each sets the event."""
        while self._act is not None:
            self._look_at_plan.clear()
            await self._look_at_plan.wait()

    async def _poll_due(self, group: PollGroup) -> None:
        try:
            await self._poll_group(group)
        except NoAnswerError:
            self._plan.again(group)  # a second silence means lost
            self._silent()

    async def _poll_group(self, group: PollGroup) -> None:
        self._plan.polled(group, self._clock.monotonic())
        await self._reader.read(group.epcs, Priority.POLL)

    # What comes in

    def _wanted(self) -> None:
        """Something else is wanted: what is on its way is let go, and the first action goes out before anything else
        is thought about. A reading goes on, unless it is urgent: it is as good for the new goal, and else wishes
        that come faster than the unit answers would let nothing be written at all."""
        if self._act is not None and (self.unit.urgent or not self._reads):
            self._act.cancel()
            self._act = None
        self._kick()
        self._refresh_soon()

    def _notified(self, notification: Notification) -> None:
        if self._tasks is None or (notification.address, notification.eoj) != (self._address, self._eoj):
            return
        self._sign.set()
        self._reader.works(notification.values)
        self.unit.notified(dict(notification.values))
        self._heard()

    def _measured(self) -> None:
        """A meter has told something, or has gone."""
        if self._tasks is not None:
            self.unit.refresh()
            self._kick()

    def _answered(self, values: dict[int, bytes], refused: frozenset[int]) -> None:
        self.unit.answered(values, refused, self._asked)  # the reader tells before anybody else can ask
        self._heard()

    def _heard(self) -> None:
        plug, flowing = self.unit.observed.plug, self.unit.flowing
        if plug is not self._plug:
            self._plan.everything()
        if plug is not self._plug or flowing is not self._flowing:
            self._plug, self._flowing = plug, flowing
            self._reader.forget()
        self._kick()

    def _silent(self) -> None:
        if self.unit.silent():
            self._look_at_plan.set()
        self._kick()

    # The loop's actions

    def _kick(self) -> None:
        """Begin the loop's next action, unless one is on its way. A unit that is nowhere has no actions, but time goes
        on for it too: it is unavailable after a while."""
        if self._act is not None or self._tasks is None:
            return
        action = self._next_action() if self._address is not None else Idle()
        if self._address is not None and isinstance(action, (Read, ReadBack, Write)):
            self._act = self._tasks.create_task(self._perform(action, self._address))
            self._reads = isinstance(action, Read)
        self._arm(action.at if isinstance(action, WaitUntil) else None)
        self._look_at_plan.set()
        if self.unit.news:
            self._refresh_soon()

    def _next_action(self) -> Action:
        if not self.unit.ready:
            return Idle()
        action = self.unit.next_action()
        while isinstance(action, Write) and self.unit.control is not Control.ON:
            self.unit.pretend(self.unit.goal, action.step)
            action = self.unit.next_action()
        return action

    async def _perform(self, action: Read | ReadBack | Write, address: str) -> None:
        goal = self.unit.goal
        try:
            match action:
                case Write(step=step, priority=priority):
                    self.unit.writing(step)
                    done = await self._wire.set(address, self._eoj, ((step.epc, step.edt),), priority)
                    self.unit.wrote(goal, step, step.epc not in done.refused)
                case ReadBack(step=step, priority=priority):
                    answer = await self._get((step.epc,), priority)
                    self.unit.answered(dict(answer.values), answer.refused | answer.missing, self._asked)
                    self.unit.read_back(goal, step, answer.values.get(step.epc))
                case Read(epcs=epcs, priority=priority):
                    await self._reader.read(epcs, priority)
            self._sign.set()
        except NoAnswerError as error:
            self._log.info("no answer", reason=str(error))
            self.unit.unanswered(goal)
            self._ended()
            self._silent()
        else:
            self._ended()
            self._kick()

    def _ended(self) -> None:
        """Free the way for the next action, unless a newer one has been begun meanwhile."""
        if self._act is asyncio.current_task():
            self._act = None

    async def _get(self, epcs: Sequence[int], priority: Priority) -> GetAnswer:
        if self._address is None:
            raise NoAnswerError("the unit's address is not known yet")
        while True:
            asked, at = self.unit.facts.mark, self._clock.monotonic()
            try:
                answer = await self._wire.get(self._address, self._eoj, epcs, priority)
            except NoAnswerError:
                closed = self._clock.monotonic() == at  # nobody has waited for an answer
                if closed or self.unit.started or priority is not Priority.POLL or not self._goes_on():
                    raise
                self.unit.silent()
            else:
                self._asked = asked
                return answer

    def _goes_on(self) -> bool:
        """Whether the start sequence asks again what was not answered: it is long, and a lost datagram must not cost
        all that was read before."""
        facts = self.unit.facts
        return not facts.misses or 0 < facts.silence(self._clock.monotonic()) <= HEARD_LATELY

    # Timers

    def _arm(self, at: int | None) -> None:
        """Keep one timer, for the loop and for what has to hold for a while."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        times = [time for time in (at, self.unit.due()) if time is not None]
        if times:
            self._timer = self._clock.call_at(min(times), self._timed)

    def _timed(self) -> None:
        self._timer = None
        self.unit.refresh()
        self._kick()
        if self._act is not None:
            self._arm(None)

    def _refresh_soon(self) -> None:
        if not self._refresh_due:
            self._refresh_due = True
            asyncio.get_running_loop().call_soon(self._refresh)

    def _refresh(self) -> None:
        self._refresh_due = False
        self.unit.refresh()


def _beyond(
    before: tuple[tuple[int, ...], ...], attributes: tuple[tuple[int, ...], ...]
) -> tuple[tuple[int, ...], ...]:
    """What a table wants to know at start that another has not asked."""
    asked = {epc for request in before for epc in request}
    return tuple(tuple(epc for epc in request if epc not in asked) for request in attributes)
