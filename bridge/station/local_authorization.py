"""A token presented at the station (C01, C09, C16, E03, E07): it starts, it stops, or it is turned away.

The local API plays the reader, at an EVSE or for the whole station. Where a site has no reader at all, its settings may
name a token that counts as presented when a vehicle is plugged in, or let the vehicle's own id be that token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from bridge.evse import Mode
from bridge.policies import PlugSource
from bridge.records import dataclass
from bridge.station import remote_control
from bridge.station.authorization import Outcome, same_token
from bridge.station.device_model_table import Key
from bridge.station.messages import AuthorizationStatus, IdToken, IdTokenKind, Reason, TriggerReason
from bridge.station.position import Position

if TYPE_CHECKING:
    from bridge.station.station import Station

#: The longest text of an id token (IdTokenType).
LONGEST_TOKEN: Final = 36


class Presentation(StrEnum):
    """What came of presenting a token."""

    ACCEPTED = "accepted"
    DENIED = "denied"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Presented:
    """What came of it at which EVSEs, why (for a person), and what is known of the token."""

    outcome: Presentation
    reason: str
    evses: tuple[int, ...] = ()
    status: AuthorizationStatus | None = None
    unheard: bool = False  # denied because the CSMS could not be asked


class Reader:
    """The reader of a station, and what takes its place."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._under_way: set[tuple[int | None, str]] = set()
        self._plugged: set[int] = set()  # EVSEs whose vehicle has come, and no token yet
        self._again: set[int] = set()  # EVSEs whose plug token waits for the CSMS

    async def present(self, token: IdToken, evse_id: int | None = None) -> Presented:
        """Present a token at an EVSE, or (None) at the station. Returns when what follows is durable."""
        key = (evse_id, self._station.authorization.digests.of_token(token))
        if key in self._under_way:
            return _denied("this token is being looked at already")
        self._under_way.add(key)
        try:
            return await self._present(token, evse_id)
        finally:
            self._under_way.discard(key)

    async def _present(self, token: IdToken, evse_id: int | None) -> Presented:
        station, block = self._station, self._station.authorization
        if why := self._too_early():
            return _denied(why)
        chosen = [p for p in station.positions.values() if evse_id in (None, p.evse_id)]
        own = [p for p in chosen if _runs_with(p, token)]
        if len(own) > 1:
            return _denied(f"the token is in use at EVSEs {_listed(own)}: say at which of them it is presented")
        if own:  # C01.FR.03 (a), E07.FR.01
            return await self._end(own, token, Reason.LOCAL, "the token that started it")
        known = block.known(token)
        if known and known.accepted and (mates := _of_group(chosen, known.group)):  # C01.FR.03 (b), C09.FR.07
            return await self._end(mates, token, Reason.LOCAL, "known here as of the same group")
        place = self._place(chosen, token)
        if isinstance(place, str) and not self._may_stop(chosen):
            return _denied(place)
        return await self._authorized(chosen, token, await block.authorize(token))

    async def _authorized(self, chosen: list[Position], token: IdToken, outcome: Outcome) -> Presented:
        """What an authorized token does. All is looked at anew: the CSMS may have taken its time."""
        station, block = self._station, self._station.authorization
        if not outcome.accepted:
            return Presented(Presentation.DENIED, outcome.why, status=outcome.status, unheard=outcome.unheard)
        if block.is_master(outcome.group):
            running = [p for p in station.positions.values() if p.session.state.authorized]
            if running:  # C16.FR.02: without a display it stops all
                return await self._end(running, token, Reason.MASTER_PASS, "a master pass")
        elif mates := _of_group(chosen, outcome.group):  # C09.FR.03
            return await self._end(mates, token, Reason.LOCAL, "of the same group")
        place = self._place(chosen, token, outcome)
        if isinstance(place, str):
            return _denied(place, outcome.status)
        await station.sessions.authorize(place, token, None, group=outcome.group)
        return Presented(Presentation.ACCEPTED, outcome.why, (place.evse_id,), outcome.status)

    async def _end(self, positions: list[Position], token: IdToken, reason: Reason, why: str) -> Presented:
        """End the right to energy as a person at the station does (E07)."""
        station = self._station
        tasks: list[asyncio.Task[None]] = []
        for position in positions:
            tasks += station.sessions.deauthorize(position, TriggerReason.STOP_AUTHORIZED, reason, token=token)
            await station.transactions.keep_state(position)
        await station.transactions.durable(tasks)
        return Presented(Presentation.STOPPED, why, tuple(p.evse_id for p in positions))

    # -- where

    def _place(self, chosen: list[Position], token: IdToken, outcome: Outcome | None = None) -> Position | str:
        """The EVSE at which the token would start, or why there is none."""
        refusals = {position.evse_id: self._refusal(position, token, outcome) for position in chosen}
        free = [position for position in chosen if refusals[position.evse_id] is None]
        if not free:
            return "; ".join(f"EVSE {evse_id}: {why}" for evse_id, why in refusals.items())
        plugged = [position for position in free if position.session.state.connected]
        if len(plugged or free) > 1:
            return f"EVSEs {_listed(plugged or free)} come into question: say at which of them it is presented"
        return (plugged or free)[0]

    def _refusal(self, position: Position, token: IdToken, outcome: Outcome | None) -> str | None:
        """Why an EVSE cannot be started with a token, or None."""
        station, session = self._station, position.session
        if outcome and (why := station.authorization.start_refusal(outcome, position.evse_id)):
            return why
        status = station.availability.status(position.evse_id)
        if info := remote_control.start_refusal(position, status, direction=Mode.CHARGE):
            return info.additional_info or str(info.reason_code)
        before = session.start_token if session.transaction_id is not None else None
        if before is not None and not same_token(before, token):  # C01.FR.23
            return "another token's transaction is not over yet"
        return None

    def _may_stop(self, chosen: list[Position]) -> bool:
        """Whether a token that cannot start may still stop something: by its group, or as a master pass."""
        if any(position.session.state.authorized for position in chosen):
            return True
        anywhere = any(position.session.state.authorized for position in self._station.positions.values())
        return anywhere and self._station.model.text(Key.MASTER_PASS_GROUP_ID) != ""

    def _too_early(self) -> str | None:
        station = self._station
        if not station.time.known:  # no time stamp is ever invented
            return "the CSMS has not accepted the station since it started: it does not know the time"
        if station.link.connected and not station.provisioning.accepted:  # B02.FR.02
            return "the CSMS has not accepted the station yet"
        return None

    # -- sites without a reader

    def look(self, position: Position, *, came: bool) -> None:
        """A vehicle may have come (`came`: just now), or have told its id: its token counts as presented."""
        evse_id, state = position.evse_id, position.session.state
        if came:
            self._plugged.add(evse_id)
        if not state.connected or state.authorized:
            self._plugged.discard(evse_id)
            self._again.discard(evse_id)
        token = self._plug_token(position) if evse_id in self._plugged else None
        if token is not None:
            self._plugged.discard(evse_id)
            self._station.spawn(self._on_plug(evse_id, token))

    def online(self) -> None:
        """The CSMS can be asked: vehicles that came meanwhile are looked at once more."""
        self._plugged |= self._again
        self._again.clear()
        for position in self._station.positions.values():
            self.look(position, came=False)

    async def _on_plug(self, evse_id: int, token: IdToken) -> None:
        presented = await self.present(token, evse_id)
        log = self._station.log.bind(evse=evse_id)
        log.info("token of a plugged vehicle", outcome=str(presented.outcome), why=presented.reason)
        if presented.outcome is Presentation.DENIED and presented.unheard:
            self._again.add(evse_id)

    def _plug_token(self, position: Position) -> IdToken | None:
        """The token that plugging in presents: the site's, the vehicle's, or nobody's where none is needed."""
        settings = position.settings.plug_token
        if isinstance(settings, IdToken):
            return settings
        if settings is PlugSource.VEHICLE_ID:
            vehicle = position.seen.vehicle_id
            if vehicle and len(vehicle) > LONGEST_TOKEN:
                self._plugged.discard(position.evse_id)
                self._station.log.warning("vehicle id too long for a token", evse=position.evse_id, length=len(vehicle))
                return None
            return IdToken(vehicle, IdTokenKind.LOCAL) if vehicle else None
        if not self._station.model.boolean(Key.AUTH_ENABLED):  # AuthCtrlr.Enabled: no token, no authorization
            return IdToken("", IdTokenKind.NO_AUTHORIZATION)
        return None


def _runs_with(position: Position, token: IdToken) -> bool:
    """Whether this very token has the right to energy at an EVSE."""
    session = position.session
    return session.state.authorized and session.start_token is not None and same_token(session.start_token, token)


def _of_group(positions: Iterable[Position], group: str | None) -> list[Position]:
    """The EVSEs at which a token of a group has the right to energy (C09.FR.02)."""
    running = [position for position in positions if position.session.state.authorized]
    return [position for position in running if group is not None and position.session.state.group == group]


def _listed(positions: Iterable[Position]) -> str:
    return ", ".join(str(position.evse_id) for position in positions)


def _denied(why: str, status: AuthorizationStatus | None = None) -> Presented:
    return Presented(Presentation.DENIED, why, status=status)
