"""Finds the units of the configuration on the networks, follows them, and lets nobody else pass for them.

Sightings come from instance lists, searches and whatever an object says (`bridge.echonet.discovery`); addresses of the
configuration are asked directly too, since multicast does not pass everywhere. Each object that is seen is asked who it
is, and `bridge.gateway.identity` decides which unit that makes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, Protocol

import structlog

from bridge.charger.waiting import search_pause
from bridge.clock import Clock
from bridge.echonet.controller import Controller, Notification
from bridge.echonet.discovery import Found
from bridge.echonet.frame import FrameError, decode_instance_list
from bridge.echonet.session import Priority
from bridge.echonet.wellknown import IDENTIFICATION, INSTANCE_LIST, NODE_PROFILE, OPERATION_STATUS
from bridge.errors import NoAnswerError, UnitError
from bridge.gateway.identity import Identity, Place, Register, Thing, same_node
from bridge.gateway.ways import Way

_log = structlog.get_logger(__name__)

#: While a unit of the configuration is missing, all nodes are asked again after so many ms, later ever more rarely.
SEARCH_FIRST: Final = 30_000
SEARCH_LONGEST: Final = 600_000
#: With every unit there, a search is only for one that has taken another address without a word.
SEARCH_IDLE: Final = 3_600_000
#: A configured address that does not answer is asked again after so many ms, later ever more rarely.
VISIT_FIRST: Final = 5_000
VISIT_LONGEST: Final = 60_000
#: So long (ms) a node may still be answering our search when it is seen, and ignore what else is asked (AIF 2.4.1).
SETTLING: Final = 500
#: So often a new object is asked who it is before it is left to the next search.
TRIES: Final = 3
#: So many new objects are asked at a time; more at once is no house, but a flood of forged lists.
MEETINGS: Final = 256


class Followers(Protocol):
    """Those who serve the units."""

    def found(self, name: str, place: Place) -> None:
        """A unit has been seen there."""

    def left(self, name: str) -> None:
        """A unit is not served any more until it is found again."""

    def learnt(self, name: str, identity: Identity | None) -> None:
        """Who a unit is has become known, or (None) is known to tell nothing."""


class Finder:
    """The search for all things of a site, on all its networks."""

    def __init__(
        self,
        things: Iterable[Thing],
        controllers: Mapping[str, Controller],
        clock: Clock,
        followers: Followers,
    ) -> None:
        self.register = Register(things)
        self._controllers = controllers
        self._clock = clock
        self._followers = followers
        self._meeting: set[Place] = set()
        self._group: asyncio.TaskGroup | None = None
        self.ways: dict[str, Way] = {
            name: Way(controllers, _eoj(thing), self._confirming(name), self._missing_an_answer(name))
            for name, thing in self.register.things.items()
        }

    def remember(self, name: str, identity: Identity) -> None:
        """Who a thing was in an earlier life of the gateway."""
        self.register.of[name].known = identity

    async def run(self) -> None:
        """Search for ever; the controllers are started here."""
        now = self._clock.monotonic()
        for whereabouts in self.register.of.values():
            whereabouts.gone_since = now
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                for network, controller in self._controllers.items():
                    controller.on_found(self._seeing(network))
                    controller.on_notification(self._hearing(network))
                    await controller.start()
                    group.create_task(self._search(network, controller))
                for thing in self.register.things.values():
                    if thing.address is not None:
                        group.create_task(self._visit(thing, thing.address))
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                self._group = None

    def missing(self, network: str | None = None) -> list[str]:
        """The things that are not reached (on a network)."""
        return [
            name
            for name, thing in self.register.things.items()
            if (network is None or network in thing.networks) and self.ways[name].silent
        ]

    # What is seen and heard

    def _seeing(self, network: str) -> Callable[[Found], None]:
        def found(what: Found) -> None:
            self._saw(Place(network, what.address, what.eoj), started=what.started)

        return found

    def _hearing(self, network: str) -> Callable[[Notification], None]:
        def notified(notification: Notification) -> None:
            name = self.register.holder(Place(network, notification.address, notification.eoj))
            if name is not None and not self.ways[name].notified(notification):
                self._soon(self._reassure(name))

        return notified

    def _saw(self, place: Place, *, started: bool) -> None:
        """An object has shown itself. One that has `started` may be another one than before (AIF 3.1.1)."""
        name = self.register.holder(place)
        if name is None:
            self._meet_soon(place)
            return
        if place != self.register.of[name].at:
            return
        if started:
            self.ways[name].doubt()
            known = self.register.of[name].known
            if known is None or known.weak:
                self._meet_soon(place)
            else:
                self._soon(self._reassure(name))
        self._followers.found(name, place)

    def _meet_soon(self, place: Place) -> None:
        fits = any(thing.may_be(place) for thing in self.register.things.values())
        if fits and place not in self._meeting and len(self._meeting) < MEETINGS and not self.register.disputed(place):
            self._meeting.add(place)
            self._soon(self._meet(place))

    async def _meet(self, place: Place) -> None:
        """Ask an object who it is, and make of it what it is."""
        try:
            for _ in range(TRIES):
                await self._clock.sleep(SETTLING)
                try:
                    identity = await self.identify(place)
                except NoAnswerError as error:
                    _log.info("object does not answer", place=str(place), reason=str(error))
                else:
                    await self._judge(place, identity)
                    return
        finally:
            self._meeting.discard(place)

    async def identify(self, place: Place, priority: Priority = Priority.POLL) -> Identity:
        """Who is there: by the object's 0x83, else its node's. Raises `NoAnswerError` where nobody answers, or where
        silence would make another unit of the one that is expected: then its answers are lost on a bad network."""
        answers: list[bytes] = []
        silent = False
        for asked in (place.eoj, NODE_PROFILE):
            edt = await self._identification(place, asked, priority)
            silent |= edt is None
            if edt:
                answers.append(edt)
                if Identity.of(place, answers).told:
                    break
        identity = Identity.of(place, answers)
        if silent and self.register.expects_another(place, identity, self._clock.monotonic()):
            raise NoAnswerError(f"the object at {place} does not answer who it is")
        return identity

    async def _identification(self, place: Place, asked: int, priority: Priority) -> bytes | None:
        """One object's 0x83; empty where it refuses it, None where it is silent and yet answers other questions."""
        controller = self._controllers[place.network]
        for _ in range(TRIES):
            try:
                answer = await controller.get(place.address, asked, (IDENTIFICATION,), priority)
                return answer.values.get(IDENTIFICATION, b"")
            except NoAnswerError:
                await controller.get(place.address, place.eoj, (OPERATION_STATUS,), priority)
        return None

    # What is made of it

    async def _judge(self, place: Place, identity: Identity) -> None:
        """An object has told who it is: look whether another one says the same, then find out which thing it is."""
        self.register.saw(place, identity)
        rivals = self.register.rivals(place, identity)
        alive = await self._still_there(rivals, identity.told)
        for rival in rivals:
            if rival not in alive:
                self.register.forget(rival)
        if alive:
            self._dispute(identity, [place, *alive])
            return
        gone = {name for name, way in self.ways.items() if way.silent}
        name = self.register.name_of(place, identity, gone, self._clock.monotonic())
        if name is None:
            self._stranger(place, identity)
        else:
            self._belongs(name, place, identity)

    async def _still_there(self, places: Iterable[Place], told: str) -> list[Place]:
        """Which of these places still tell this identity."""

        async def still(place: Place) -> bool:
            name = self.register.holder(place)
            if name is not None and self.register.of[name].at == place and self.ways[name].silent:
                return False
            try:
                return (await self.identify(place)).told == told
            except NoAnswerError:
                return False

        asked = list(places)
        return [place for place, there in zip(asked, await asyncio.gather(*map(still, asked)), strict=True) if there]

    def _belongs(self, name: str, place: Place, identity: Identity) -> None:
        """An object is a thing of ours: it is there now, or there as well."""
        whereabouts, way = self.register.of[name], self.ways[name]
        at = whereabouts.at
        if at is None or at == place or way.silent or not same_node(at, place):
            self._follow(name, place, identity)
        elif whereabouts.known is not None and whereabouts.known.key == identity.key:
            self.register.also(name, place)
            _log.info("unit found on another way too", unit=name, place=str(place))
        else:
            self._stranger(place, identity)

    def _follow(self, name: str, place: Place, identity: Identity) -> None:
        """A thing is there from now on."""
        whereabouts = self.register.of[name]
        known, before = whereabouts.known, whereabouts.at
        if known is not None and not known.weak and known.key != identity.key:
            _log.warning("unit exchanged", unit=name, place=str(place), was=str(known), identity=str(identity))
        elif before is not None and before != place:
            _log.info("unit moved", unit=name, place=str(place), was=str(before))
        elif identity.weak:
            _log.warning("unit is known by its address only: it tells no 0x83", unit=name, place=str(place))
        holder = self.register.holder(place)
        if holder is not None and holder != name:
            self._leave(holder, f"another unit ({identity}) is at {place}")
        self.register.settle_at(name, place, identity)
        self.ways[name].follow(place)
        if known != identity:
            self._followers.learnt(name, identity)
        self._followers.found(name, place)

    def _stranger(self, place: Place, identity: Identity) -> None:
        """An object of a class of ours that is nobody of the configuration, or not who is expected there."""
        expected = [
            name
            for name, thing in self.register.things.items()
            if thing.may_be(place) and self.register.of[name].at is None and thing.address == place.address
        ]
        for name in expected:
            known = self.register.things[name].identity or str(self.register.of[name].known)
            self._explain(name, f"another unit ({identity}) is at {place.address}: {known.upper()} is expected there")
        _log.info("object not configured", place=str(place), identity=str(identity))

    def _explain(self, name: str, why: str) -> None:
        """Why a thing is not served."""
        if self.register.of[name].trouble != why:
            _log.warning("unit not served", unit=name, why=why)
        self.register.of[name].trouble = self.ways[name].why = why

    def _leave(self, name: str, why: str) -> None:
        """A thing is not served until it is found again."""
        self.register.displace(name, self._clock.monotonic(), "")
        self.ways[name].leave(why)
        self._explain(name, why)
        self._followers.left(name)

    # Two that claim to be one

    def _dispute(self, identity: Identity, places: Iterable[Place]) -> None:
        """Name them all; none of them is controlled."""
        claimants = self.register.dispute(identity, list(places))
        where = " and ".join(str(place) for place in sorted(claimants))
        why = f"the objects at {where} claim the same identity {identity}: switch off the one that is wrong"
        owners = sorted({name for name in claimants.values() if name})
        _log.error("identity claimed twice", identity=str(identity), places=where, units=owners)
        for name in owners:
            self._leave(name, why)
            if self.register.of[name].known is None:
                self._followers.learnt(name, None)

    async def _look_at_disputes(self) -> None:
        """Ask the claimants again; who does not answer, or tells something else, claims nothing any more."""
        for told, claimants in list(self.register.conflicts.items()):
            left = await self._still_there(claimants, told)
            if told not in self.register.conflicts:
                continue  # the search on another network has cleared it meanwhile
            owners = {name for name in claimants.values() if name}
            self.register.narrow(told, left)
            if told in self.register.conflicts:
                continue
            _log.info("identity claimed once again", identity=told.upper(), places=[str(place) for place in left])
            for place in claimants:
                self.register.forget(place)
            for name in owners:
                self._explain(name, "the unit has not been found yet")
            for place in left:
                self._meet_soon(place)

    # Doubts and silence

    def _confirming(self, name: str) -> Callable[[Priority], Coroutine[Any, Any, None]]:
        async def confirm(priority: Priority) -> None:
            await self._confirm(name, priority)

        return confirm

    async def _confirm(self, name: str, priority: Priority) -> None:
        """Ask who is where a thing was last; `NoAnswerError` if it is not the thing."""
        whereabouts = self.register.of[name]
        place, known = whereabouts.at, whereabouts.known
        if place is None or known is None or known.weak:
            return
        identity = await self.identify(place, priority)
        if identity.key == known.key or whereabouts.at != place:
            return
        if identity.weak:
            raise NoAnswerError(f"the object at {place} does not tell who it is: {known} is expected there")
        self._leave(name, f"another unit ({identity}) answers at {place}")
        self._soon(self._judge(place, identity))
        raise NoAnswerError(self.ways[name].why)

    async def _reassure(self, name: str) -> None:
        try:
            await self.ways[name].make_sure()
        except UnitError as error:
            _log.info("unit not confirmed", unit=name, reason=str(error))

    def _missing_an_answer(self, name: str) -> Callable[[], None]:
        return lambda: self._unanswered(name)

    def _unanswered(self, name: str) -> None:
        """A thing does not answer where it is: it may be reached on another way."""
        whereabouts, way = self.register.of[name], self.ways[name]
        if way.misses == 1:
            whereabouts.gone_since = self._clock.monotonic()
        if whereabouts.at is None or not whereabouts.others:
            return
        place = whereabouts.others.pop(0)
        whereabouts.others.append(whereabouts.at)
        whereabouts.at = place
        way.turn_to(place)
        _log.info("unit asked on another way", unit=name, place=str(place))
        self._followers.found(name, place)

    # Looking for them

    async def _search(self, network: str, controller: Controller) -> None:
        """Look for what is missing: a unit may be switched on, or come back elsewhere, without announcing itself."""
        tries = 0
        searched = self._clock.monotonic()
        while True:
            await self._clock.sleep(min(search_pause(tries, SEARCH_FIRST), SEARCH_LONGEST))
            await self._look_at_disputes()
            missing = self.missing(network)
            if missing:
                _log.info("searching", network=network, missing=missing)
                self._meet_again(missing)
            elif self._clock.monotonic() - searched < SEARCH_IDLE:
                tries = 0
                continue
            else:
                self._doubt_all(network)
            controller.search()
            searched = self._clock.monotonic()
            tries = tries + 1 if missing else 0

    def _meet_again(self, missing: Iterable[str]) -> None:
        """Objects that were nobody's may be somebody's now."""
        for place in list(self.register.seen):
            nobodys = self.register.holder(place) is None
            if nobodys and any(self.register.things[name].may_be(place) for name in missing):
                self._meet_soon(place)

    def _doubt_all(self, network: str) -> None:
        """An address may have been given to another unit without a word."""
        for name, whereabouts in self.register.of.items():
            if whereabouts.at is not None and whereabouts.at.network == network:
                self.ways[name].doubt()

    async def _visit(self, thing: Thing, address: str) -> None:
        """Ask at a configured address for as long as the thing is missing: multicast may not pass."""
        tries = 0
        await self._clock.sleep(SETTLING)
        while True:
            if self.ways[thing.name].place is None and not self.register.contested(thing.name):
                tries += 1
                for network in thing.networks:
                    await self._call_at(thing, network, address, itself=not tries % 2)
                await self._clock.sleep(min(search_pause(tries, VISIT_FIRST), VISIT_LONGEST))
            else:
                tries = 0
                await self._clock.sleep(VISIT_LONGEST)

    async def _call_at(self, thing: Thing, network: str, address: str, *, itself: bool) -> None:
        """Get 0xD6 there; or ask the object itself, since an old node may not answer that."""
        place = Place(network, address, _eoj(thing))
        try:
            if itself:
                await self._controllers[network].get(address, place.eoj, (OPERATION_STATUS,))
                self._meet_soon(place)
                return
            answer = await self._controllers[network].get(address, NODE_PROFILE, (INSTANCE_LIST,))
            listed = decode_instance_list(answer.values[INSTANCE_LIST])
        except (NoAnswerError, FrameError, KeyError) as error:
            if itself and self.ways[thing.name].place is None:
                self._explain(thing.name, f"no answer from {address}: is the unit switched on and at this address?")
            _log.debug("no answer", unit=thing.name, reason=str(error))
            return
        fitting = [eoj for eoj in listed if thing.may_be(Place(network, address, eoj))]
        for eoj in fitting:
            if self.register.holder(Place(network, address, eoj)) is None:
                self._meet_soon(Place(network, address, eoj))
        if not fitting:
            there = ", ".join(f"{eoj:06X}" for eoj in listed) or "nothing"
            self._explain(thing.name, f"the node at {address} has {there}, but not {place.eoj:06X}")

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside; a bug in it must not end the gateway."""
        if self._group is None:
            work.close()
            return

        async def careful() -> None:
            try:
                await work
            except Exception as error:
                _log.exception("search failed", error=str(error))

        self._group.create_task(careful())


def _eoj(thing: Thing) -> int:
    """What a thing's runner calls its object, whatever its instance turns out to be."""
    return thing.class_code << 8 | (thing.instance or 1)
