"""Reset of the station or of an EVSE (B11, B12), and why the station has booted.

A reset restarts the station's session: it goes away, comes back as just booted, and reconciles its units, which are not
power-cycled. What was accepted or scheduled survives a restart of the process: that restart is the reset as well, as
soon as the transactions that it had to wait for, or to end, are over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import StoreError
from bridge.station.device_model_table import Key
from bridge.station.link import Answer
from bridge.station.messages import (
    BootReason,
    Reason,
    Request,
    Reset,
    ResetRequest,
    ResetResponse,
    ResetStatus,
    StatusInfo,
    TriggerReason,
)
from bridge.station.reason_codes import ReasonCode
from bridge.station.session import STOP_CONFIRMATION

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station

#: Why the next boot happens, kept until a CSMS has accepted it.
BOOT_REASON: Final = "boot.reason"
#: A reset that is under way: of the station (0) or of an EVSE.
_SETTING: Final = "reset."
STATION: Final = 0
#: How often it is looked whether everything has been said before a reset (ms).
_LOOK: Final = 100

#: (type, whether something goes on) -> the answer (B11.FR.03, B12.FR.01, B12.FR.02).
_ANSWER: Final[Mapping[tuple[Reset, bool], ResetStatus]] = {
    (Reset.IMMEDIATE, False): ResetStatus.ACCEPTED,
    (Reset.IMMEDIATE, True): ResetStatus.ACCEPTED,
    (Reset.ON_IDLE, False): ResetStatus.ACCEPTED,
    (Reset.ON_IDLE, True): ResetStatus.SCHEDULED,
    (Reset.IMMEDIATE_AND_RESUME, False): ResetStatus.REJECTED,  # 2.1 B13.FR.01: there is no TxResumptionTimeout
    (Reset.IMMEDIATE_AND_RESUME, True): ResetStatus.REJECTED,
}


def judge(request: ResetRequest, evse_ids: Collection[int], busy: Collection[int]) -> ResetResponse:
    """The answer to a request; `busy` are the EVSEs where a transaction or a start goes on."""
    if request.evse_id is not None and request.evse_id not in evse_ids:
        info = StatusInfo(ReasonCode.UNKNOWN_EVSE, f"there is no EVSE {request.evse_id}")
        return ResetResponse(ResetStatus.REJECTED, info)
    concerned = busy if request.evse_id is None else {request.evse_id} & set(busy)
    return ResetResponse(_ANSWER[request.type, bool(concerned)])


def boot_reason(settings: Mapping[str, str]) -> BootReason:
    """Why the station boots now, by what an earlier life has left."""
    try:
        return BootReason(settings.get(BOOT_REASON, BootReason.POWER_UP))
    except ValueError:
        return BootReason.UNKNOWN


class Resets:
    """The resets of one station."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._due: dict[int, Reset] = {}  # what was asked for, by EVSE or `STATION`
        self._scheduled: set[int] = set()
        self._going: set[int] = set()

    # -- what survives

    def restore(self, settings: Mapping[str, str]) -> dict[str, str | None]:
        """Take up what an earlier life has left, when its transactions have been resumed; what is to be kept of it.

        This start is the reset. Only one that waits for the end of transactions goes on waiting.
        """
        station = self._station
        reason = boot_reason(settings)
        changes: dict[str, str | None] = {}
        for target in (STATION, *station.positions):
            asked = settings.get(_name(target))
            if asked is None:
                continue
            if asked == Reset.ON_IDLE and self._busy(target):
                self._due[target] = Reset.ON_IDLE
                self._scheduled.add(target)
                continue
            changes[_name(target)] = None
            if asked == Reset.IMMEDIATE:
                self._end(target)
            if target == STATION:
                reason = _REASONS[asked == Reset.ON_IDLE]
                changes[BOOT_REASON] = reason.value
        station.provisioning.reason = reason
        return changes

    # -- a CSMS asks

    async def answer(self, request: ResetRequest) -> Answer:
        """B11, B12: what was promised is durable before it is answered, and begins when that has gone out."""
        station = self._station
        response = judge(request, station.positions.keys(), self._busy(STATION))
        if response.status is ResetStatus.REJECTED:
            return response
        target = request.evse_id or STATION
        try:
            await station.notes.write({_name(target): request.type.value})
        except StoreError as error:  # B11.FR.06: not able to, now
            return ResetResponse(ResetStatus.REJECTED, StatusInfo(ReasonCode.OUT_OF_STORAGE, str(error)[:512]))
        self._due[target] = request.type
        if response.status is ResetStatus.SCHEDULED:
            self._scheduled.add(target)
        station.log.info("reset asked for", evse=request.evse_id, kind=str(request.type), status=str(response.status))
        return response, self.consider

    def blocks(self, evse_id: int) -> bool:
        """Whether nothing new may begin at an EVSE, as a reset waits for its end (B12)."""
        return STATION in self._due or evse_id in self._due

    def consider(self) -> None:
        """Something may have ended: what was waiting for it begins."""
        for target, kind in self._due.items():
            if target not in self._going and (kind is Reset.IMMEDIATE or not self._busy(target)):
                self._going.add(target)
                self._station.spawn(self._go(target, kind))

    # -- doing it

    async def _go(self, target: int, kind: Reset) -> None:
        station = self._station
        try:
            if kind is Reset.IMMEDIATE:
                self._end(target)
            await self._all_said(target)
            reason = _REASONS[target in self._scheduled]
            self._forget(target)
            if target == STATION:
                await self._keep({BOOT_REASON: reason.value, _name(STATION): None})
                await self._restart(reason)
            else:
                await self._keep({_name(target): None})
                await self._restart_evse(station.positions[target])
        finally:
            self._going.discard(target)

    async def _restart(self, reason: BootReason) -> None:
        """B11.FR.04: be as just booted, and dial anew; the units are told once more what is wanted of them."""
        station = self._station
        station.log.info("restarting", reason=str(reason))
        station.booted(reason)
        station.model.restarted()
        station.apply_model()
        rows = await station.store.transactions(station.id)
        await station.charging.resume({row.evse_id: row.transaction_id for row in rows})
        for position in station.positions.values():
            position.restart()
        station.wishes.reconsider()
        await station.link.reconnect("the station restarts", at_once=True)

    async def _restart_evse(self, position: Position) -> None:
        """B11.FR.08: the same of one EVSE; the CSMS hears its connector's state again."""
        station = self._station
        position.restart()
        station.sessions.changed(position, [])
        station.wishes.reconsider()
        await station.statuses.tell_again([position])

    def _forget(self, target: int) -> None:
        """It is being done. A reset of the station is one of its EVSEs too."""
        for done in (target,) if target else tuple(self._due):
            self._due.pop(done, None)
            self._scheduled.discard(done)

    def _end(self, target: int) -> None:
        """B12.FR.04, B12.FR.08: end what goes on; the energy is stopped first."""
        station = self._station
        for position in self._concerned(target):
            now = station.clock.monotonic()
            made = position.session.end_soon(TriggerReason.RESET_COMMAND, Reason.IMMEDIATE_RESET, now)
            station.sessions.changed(position, made)

    async def _all_said(self, target: int) -> None:
        """Wait until transactions have ended and the CSMS has heard it, for a time (B12.FR.05): it is kept anyway."""
        station = self._station
        patience = STOP_CONFIRMATION + station.model.integer(Key.MESSAGE_TIMEOUT) * 1000
        until = station.clock.monotonic() + patience
        while station.clock.monotonic() < until:
            await station.clock.sleep(_LOOK)  # what an end has made is durable a moment later
            ended = not any(p.session.transaction_id for p in self._concerned(target))
            if ended and not (station.online and station.delivery.pending()):
                return

    def _busy(self, target: int) -> set[int]:
        """Where something goes on: a transaction, or a start that waits for its vehicle."""
        sessions = [(p.evse_id, p.session) for p in self._concerned(target)]
        return {evse_id for evse_id, session in sessions if session.transaction_id or session.state.authorized}

    def _concerned(self, target: int) -> list[Position]:
        return [p for p in self._station.positions.values() if target in (STATION, p.evse_id)]

    async def _keep(self, settings: Mapping[str, str | None]) -> None:
        """A store that takes nothing does not keep the station from its reset."""
        try:
            await self._station.notes.write(settings)
        except StoreError as error:
            self._station.log.error("reset not noted", error=str(error))


#: Whether a reset had to wait -> why the station boots.
_REASONS: Final[Mapping[bool, BootReason]] = {
    False: BootReason.REMOTE_RESET,
    True: BootReason.SCHEDULED_RESET,
}


def answers(station: Station) -> dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]]:
    """What a CSMS may ask here."""
    return {ResetRequest: lambda request: station.resets.answer(request)}


def _name(target: int) -> str:
    return f"{_SETTING}{target}"
