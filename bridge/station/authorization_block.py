"""Block C at work: it asks the CSMS, keeps the cache, and carries out what the CSMS says of a running token.

What is decided stands in `authorization`, what is cached in `auth_cache`; here are the ways between them, the store and
the link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bridge.errors import CsmsError, StoreError
from bridge.station.auth_cache import AuthCache, Rows
from bridge.station.authorization import (
    NEVER_CACHED,
    Case,
    Digests,
    Known,
    Outcome,
    Refusal,
    Rules,
    Verdict,
    decide,
    judge,
    refusal,
    same_token,
    settled,
    told,
)
from bridge.station.composite import epoch_ms
from bridge.station.device_model_table import Key
from bridge.station.messages import (
    AuthorizeRequest,
    ClearCacheResponse,
    ClearCacheStatus,
    IdToken,
    IdTokenInfo,
    Reason,
    StatusInfo,
    TransactionEventRequest,
    TransactionEventResponse,
    TriggerReason,
)
from bridge.station.reason_codes import ReasonCode
from bridge.station.targets import left_of

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station

#: The most that the cache takes (bytes): AuthCacheCtrlr.Storage tells it as its maximum.
CACHE_LIMIT: Final = 65_536
_SALT: Final = "auth.salt"
_SALT_BYTES: Final = 16

#: Looks a token up where it may be known.
LookUp = Callable[[IdToken], Known | None]


class AuthorizationBlock:
    """Authorization of one station. `local_list` is where the local authorization list comes in (block D)."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self.digests = Digests(b"")
        self.cache = AuthCache(CACHE_LIMIT)
        self.local_list: LookUp = lambda _: None

    async def restore(self, settings: Mapping[str, str]) -> None:
        """Take up the cache as it was (C10.FR.02)."""
        station = self._station
        salt = settings.get(_SALT)
        if salt is None:
            salt = station.clock.random.randbytes(_SALT_BYTES).hex()
            await station.notes.write({_SALT: salt})
        self.digests = Digests(bytes.fromhex(salt))
        station.model.bind(Key.AUTH_CACHE_STORAGE, lambda: str(self.cache.size))
        await self._keep(self.cache.restore((await station.store.authorizations(station.id)).items()))

    # -- before energy flows

    def known(self, token: IdToken) -> Known | None:
        """What is known of a token here: the list counts before the cache (C13.FR.01, C14.FR.01)."""
        return self.local_list(token) or self._cached(token)

    async def authorize(self, token: IdToken, *, remote: bool = False) -> Outcome:
        """Whether a token may have energy: by what is known here, else by the CSMS's word."""
        station = self._station
        case = Case(token, self.known(token), station.online, remote, self._rules())
        decision = decide(case)
        if decision.verdict is not Verdict.ASK:
            return settled(decision, case)
        if (said := await self._ask(token)) is not None:
            return said
        if station.online:
            return Outcome(False, "the CSMS was asked and gave no answer", unheard=True)
        case = replace(case, online=False)
        return settled(decide(case), case)

    def start_refusal(self, outcome: Outcome, evse_id: int) -> str | None:
        """Why an authorized token may still not start at an EVSE, or None."""
        if self.is_master(outcome.group):  # C16.FR.03, C12.FR.09
            return "a master pass stops transactions and starts none"
        return None if outcome.allows(evse_id) else f"the token is not allowed at EVSE {evse_id}"  # C01.FR.21

    def is_master(self, group: str | None) -> bool:
        """Whether a group is that of the master passes (C16)."""
        return self.digests.is_named(group, self._rules().master_pass_group)

    async def _ask(self, token: IdToken) -> Outcome | None:
        """C01.FR.02: the CSMS's word, or None where it does not come."""
        try:
            response = await self._station.link.call(AuthorizeRequest(id_token=token))
        except CsmsError as error:
            self._station.log.warning("authorize failed", why=str(error))
            return None
        return judge(await self.learn(token, response.id_token_info))

    # -- while a transaction goes on

    async def event_answered(self, request: TransactionEventRequest, response: TransactionEventResponse) -> None:
        """What the CSMS says of a transaction's token counts from now on (E05, C10.FR.05, C15)."""
        info, token = response.id_token_info, request.id_token
        if info is None:
            return
        known = told(info, self.digests) if token is None else await self.learn(token, info)
        position = self._position_of(request.transaction_info.transaction_id)
        if position is None:
            return
        outcome, starter, state = judge(known), position.session.start_token, position.session.state
        if not outcome.accepted or self.start_refusal(outcome, position.evse_id):
            await self._refused(position)
        elif token and starter and same_token(token, starter) and known.group not in (None, state.group):
            state.group = known.group  # C09.FR.12
            await self._station.transactions.keep_state(position)

    async def _refused(self, position: Position) -> None:
        """Once in a transaction: by StopTxOnInvalidId and MaxEnergyOnInvalidId."""
        station, session = self._station, position.session
        if not session.state.authorized or session.refused:
            return
        model = station.model
        what, left = refusal(
            stop_tx=model.boolean(Key.STOP_TX_ON_INVALID_ID),
            max_energy=model.integer(Key.MAX_ENERGY_ON_INVALID_ID) * 1000,
            moved=moved_energy(position),
        )
        tasks: list[asyncio.Task[None]] = []
        if what is Refusal.DEAUTHORIZE:
            tasks = station.sessions.deauthorize(position, TriggerReason.DEAUTHORIZED, Reason.DE_AUTHORIZED)
        elif what is Refusal.BOUND:
            session.state.energy_left = left_of(session.state, left, position.seen.counted)
            position.apply()
        else:
            session.suspend()
            position.apply()
        await station.transactions.keep_state(position)
        await station.transactions.durable(tasks)

    def _position_of(self, transaction_id: str) -> Position | None:
        positions = self._station.positions.values()
        return next((p for p in positions if p.session.transaction_id == transaction_id), None)

    # -- the cache

    async def learn(self, token: IdToken, info: IdTokenInfo) -> Known:
        """Take what the CSMS says of a token, wherever it does (C10.FR.01, C10.FR.04, C10.FR.05, C12.FR.06)."""
        known = told(info, self.digests)
        now = self._now()
        if now is not None and token.type not in NEVER_CACHED and self._enabled:
            expires = None if info.cache_expiry_date_time is None else _ms(info.cache_expiry_date_time)
            await self._keep(self.cache.learn(self.digests.of_token(token), known, now, expires))
        return known

    async def clear_cache(self) -> ClearCacheResponse:
        """C11: forget all; Rejected where the cache is off (C11.FR.04) or the store does not let us (C11.FR.05)."""
        station = self._station
        if not self._enabled:
            info = StatusInfo(ReasonCode.NOT_ENABLED, "the authorization cache is switched off")
            return ClearCacheResponse(ClearCacheStatus.REJECTED, info)
        try:
            await station.store.clear_authorizations(station.id)
        except StoreError as error:
            station.log.error("authorization cache not cleared", why=str(error))
            info = StatusInfo(ReasonCode.INTERNAL_ERROR, "the store refused")
            return ClearCacheResponse(ClearCacheStatus.REJECTED, info)
        self.cache.clear()
        return ClearCacheResponse(ClearCacheStatus.ACCEPTED)

    def _cached(self, token: IdToken) -> Known | None:
        now = self._now()
        if now is None or not self._enabled or token.type in NEVER_CACHED:
            return None
        life_time = self._station.model.integer(Key.AUTH_CACHE_LIFE_TIME) * 1000
        known, rows = self.cache.find(self.digests.of_token(token), now, life_time)
        if rows:
            self._station.spawn(self._keep(rows))
        return known

    async def _keep(self, rows: Rows) -> None:
        """Bring the store up to date. Where it refuses, the cache is only forgotten at the next start."""
        if not rows:
            return
        try:
            await self._station.store.put_authorizations(self._station.id, rows.changed)
        except StoreError as error:
            self._station.log.error("authorization cache not kept", why=str(error))

    @property
    def _enabled(self) -> bool:
        return self._station.model.boolean(Key.AUTH_CACHE_ENABLED)

    def _now(self) -> int | None:
        """The CSMS's time (ms since 1970)."""
        utc = self._station.time.utc()
        return None if utc is None else epoch_ms(utc)

    def _rules(self) -> Rules:
        model = self._station.model
        return Rules(
            enabled=model.boolean(Key.AUTH_ENABLED),
            local_pre_authorize=model.boolean(Key.LOCAL_PRE_AUTHORIZE),
            local_authorize_offline=model.boolean(Key.LOCAL_AUTHORIZE_OFFLINE),
            offline_tx_for_unknown_id=model.boolean(Key.OFFLINE_TX_FOR_UNKNOWN_ID),
            disable_remote_authorization=model.boolean(Key.DISABLE_REMOTE_AUTHORIZATION),
            disable_post_authorize=model.boolean(Key.AUTH_CACHE_DISABLE_POST_AUTHORIZE),
            master_pass_group=model.text(Key.MASTER_PASS_GROUP_ID),
        )


def moved_energy(position: Position) -> int | None:
    """What the transaction has brought into the vehicle (mWh), since when it is counted; None: nothing counts it."""
    before, register = position.session.state.energy_before, position.seen.energy_in
    if register is None:
        return None
    return 0 if before is None else max(register.value - before, 0)


def _ms(moment: datetime) -> int:
    """A time stamp of the CSMS; a naive one means UTC (a habit in the field)."""
    return epoch_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
