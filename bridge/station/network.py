"""The station's ways to its CSMSs at work: which is dialled next, what is trusted there, and what a CSMS changes of it.

Blocks B09, B10, A05 and M03 to M05. The rules stand in `network_profiles`, `network_route` and `root_store`; here they
meet the store, the device model and the link.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from bridge.errors import ConfigError, CsmsError, StoreError
from bridge.records import dataclass
from bridge.station import network_profiles as rules
from bridge.station.device_model import DeviceModel
from bridge.station.device_model_table import Key
from bridge.station.device_model_values import Complaint
from bridge.station.link import Answer, Connection, Dialer, LinkDown, NotAuthenticated, UntrustedCsms
from bridge.station.messages import (
    DeleteCertificateRequest,
    DeleteCertificateResponse,
    DeleteCertificateStatus,
    GetCertificateIdUse,
    GetInstalledCertificateIdsRequest,
    GetInstalledCertificateIdsResponse,
    GetInstalledCertificateStatus,
    InstallCertificateRequest,
    InstallCertificateResponse,
    InstallCertificateStatus,
    InstallCertificateUse,
    Request,
    SecurityEvent,
    SetNetworkProfileRequest,
    SetNetworkProfileResponse,
    SetNetworkProfileStatus,
    StatusInfo,
)
from bridge.station.network_profiles import SITE_SLOT, Profile, slot_setting
from bridge.station.network_route import Route
from bridge.station.reason_codes import ReasonCode
from bridge.station.root_store import SETTING as ROOTS
from bridge.station.root_store import Role, Roots, RootStore, Trust
from bridge.store.port import Store

if TYPE_CHECKING:
    from bridge.station.station import Station

_log = structlog.get_logger(__name__)

#: The slot of the last connection that stood, and the highest security profile that was ever reached.
LAST_SLOT = "network.last"
SECURITY = "network.security"


@dataclass(frozen=True, slots=True)
class Aim:
    """What the next dial goes to; `ping_interval` in s."""

    url: str
    password: str | None = field(repr=False)
    trust: Trust
    ping_interval: int


@dataclass(frozen=True, slots=True)
class SiteAccess:
    """What the site file says of the way to the CSMS."""

    profile: Profile
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None


class Network:
    """The dialer of one station, which knows its network profiles.

    `dialer` makes the connections, `aim` sets where it dials. `stored` are the station's settings. `told` is called
    with a security event and a text for it, `moved` whenever a connection stands.
    """

    def __init__(
        self,
        station: str,
        store: Store,
        model: DeviceModel,
        site: SiteAccess,
        stored: Mapping[str, str],
        *,
        dialer: Dialer,
        aim: Callable[[Aim], None],
    ) -> None:
        self._station, self._store, self._model, self._site = station, store, model, site
        self._dialer, self._aim = dialer, aim
        self.told: Callable[[SecurityEvent, str], None] = lambda _, __: None
        self.moved: Callable[[], None] = lambda: None
        self.profiles = rules.profiles_of(site.profile, stored)
        self.roots = RootStore(site.ca_file, stored.get(ROOTS))
        self.security = _number(stored.get(SECURITY), site.profile.security_profile)
        last = _number(stored.get(LAST_SLOT), 0)
        self.route = Route(self._priority, self._attempts, last if last in self.profiles else None)
        self.switched = False  # the connection goes elsewhere than the one before (B10.FR.10)
        self._failed: set[int] = set()  # slots whose dial has failed since a connection stood
        self._lives = 0
        self._bind()

    @property
    def slot(self) -> int:
        """The slot in use: of the connection that stands, or that stood last."""
        return self.route.last_good or self.route.next()

    @property
    def profile(self) -> Profile:
        """What stands in that slot."""
        return self.profiles.get(self.slot) or self._site.profile

    # -- dialling

    async def dial(self, subprotocols: tuple[str, ...]) -> Connection:
        """One attempt, at the slot whose turn it is. Raises LinkDown."""
        slot, life = self.route.next(), self._lives
        try:
            connection = await self._dial(slot, subprotocols)
        except CsmsError:
            if life == self._lives:
                self._failed.add(slot)
                self.route.failed()
            raise
        if life != self._lives:
            await connection.close(1001, "the station has been reset")
            raise LinkDown("the station has been reset while it dialled")
        await self._connected(slot)
        return connection

    async def _dial(self, slot: int, subprotocols: tuple[str, ...]) -> Connection:
        profile = self.profiles[slot]
        *first, last = self._trusted(slot, profile)
        for role in first:
            try:
                return await self._dial_with(profile, role, subprotocols)
            except UntrustedCsms as error:
                _log.warning("the CSMS is not trusted", slot=slot, roots=str(role), why=str(error))
        return await self._dial_with(profile, last, subprotocols)

    def _trusted(self, slot: int, profile: Profile) -> tuple[Role, ...]:
        """Which roots verify the CSMS there: as M05.FR.14 to M05.FR.16 have it where a root has been replaced."""
        if rules.is_plain(profile) or not self.roots.has_fallback or slot != self.route.last_good:
            return (Role.CURRENT,)
        back = bool(self._failed - {slot})  # the migration has failed: the old CSMS is known by its old root
        return (Role.FALLBACK, Role.CURRENT) if back else (Role.CURRENT, Role.FALLBACK)

    async def _dial_with(self, profile: Profile, role: Role, subprotocols: tuple[str, ...]) -> Connection:
        password = self._model.text(Key.BASIC_AUTH_PASSWORD) or self._site.password
        if profile.security_profile < rules.PASSWORD:
            password = None
        ping = self._model.integer(Key.WEB_SOCKET_PING_INTERVAL)
        try:
            self._aim(Aim(profile.url, password, self.roots.trust(role), ping))
            connection = await self._dialer.dial(subprotocols)
        except ConfigError as error:
            raise LinkDown(f"the network profile cannot be used: {error}") from error
        except UntrustedCsms as error:
            self.told(SecurityEvent.INVALID_CSMS_CERTIFICATE, f"{profile.url}: {error}")
            raise
        except NotAuthenticated as error:
            self.told(SecurityEvent.FAILED_TO_AUTHENTICATE_AT_CSMS, f"{profile.url}: {error}")
            raise
        if role is Role.CURRENT and not rules.is_plain(profile):
            await self._keep_roots(self.roots.proved())
        return connection

    async def _connected(self, slot: int) -> None:
        before = self.route.last_good
        self.switched = self.route.connected()
        self._failed.clear()
        changed: dict[str, str | None] = {} if slot == before else {LAST_SLOT: str(slot)}
        changed |= self._reached(self.profiles[slot].security_profile)
        await self._keep(changed)
        self.moved()

    def _reached(self, security: int) -> dict[str, str | None]:
        """A05.FR.06: with a higher security profile at work there is no way back below it."""
        if security <= self.security:
            return {}
        order, gone = rules.after_upgrade(self._priority(), self.profiles, security)
        self.security = security
        for slot in gone:
            del self.profiles[slot]
        text = ",".join(map(str, order))
        self._model.publish(Key.NETWORK_CONFIGURATION_PRIORITY, text)
        self.told(SecurityEvent.RECONFIGURATION_OF_SECURITY_PARAMETERS, f"security profile {security} is in use")
        emptied = {slot_setting(slot): rules.EMPTY for slot in gone}
        return {SECURITY: str(security), Key.NETWORK_CONFIGURATION_PRIORITY: text, **emptied}

    def restart(self) -> None:
        """The station reboots: its next dial goes to the first slot of the list."""
        self._lives += 1
        self._failed.clear()
        self.route.restart()

    # -- what a CSMS changes

    async def set_profile(self, request: SetNetworkProfileRequest) -> SetNetworkProfileResponse:
        """B09: judge a profile and keep it; it counts at the next dial of its slot."""
        if said := rules.fault_of(request, self.security):
            return SetNetworkProfileResponse(SetNetworkProfileStatus.REJECTED, StatusInfo(*said))
        slot, profile = request.configuration_slot, rules.profile_of(request.connection_data)
        try:
            await self._store.put_settings(self._station, {slot_setting(slot): profile.to_text()})
        except StoreError as error:  # B09.FR.03
            info = StatusInfo(ReasonCode.OUT_OF_STORAGE, str(error)[:512])
            return SetNetworkProfileResponse(SetNetworkProfileStatus.FAILED, info)
        self.profiles[slot] = profile
        _log.info("network profile set", slot=slot, url=profile.url, security_profile=profile.security_profile)
        return SetNetworkProfileResponse(SetNetworkProfileStatus.ACCEPTED)

    async def install(self, request: InstallCertificateRequest, now: datetime | None) -> InstallCertificateResponse:
        """M05: judge a root, and keep it."""
        if request.certificate_type is not InstallCertificateUse.CSMS_ROOT_CERTIFICATE:
            info = StatusInfo(ReasonCode.UNSUPPORTED_PARAM, "only the CSMS's roots are used here")
            return InstallCertificateResponse(InstallCertificateStatus.REJECTED, info)
        additional = self._model.boolean(Key.ADDITIONAL_ROOT_CERTIFICATE_CHECK)
        found = self.roots.install(request.certificate, now, additional_check=additional)
        if found.roots is not None and not await self._keep_roots(found.roots):
            info = StatusInfo(ReasonCode.OUT_OF_STORAGE, "the store takes nothing now")
            return InstallCertificateResponse(InstallCertificateStatus.FAILED, info)
        if found.roots is not None:
            self.told(SecurityEvent.RECONFIGURATION_OF_SECURITY_PARAMETERS, "a CSMS root certificate was installed")
        return InstallCertificateResponse(found.status, found.info)

    def certificate_ids(self, request: GetInstalledCertificateIdsRequest) -> GetInstalledCertificateIdsResponse:
        """M03."""
        wanted = request.certificate_type or (GetCertificateIdUse.CSMS_ROOT_CERTIFICATE,)
        found = self.roots.installed() if GetCertificateIdUse.CSMS_ROOT_CERTIFICATE in wanted else ()
        if not found:
            return GetInstalledCertificateIdsResponse(GetInstalledCertificateStatus.NOT_FOUND)
        return GetInstalledCertificateIdsResponse(
            GetInstalledCertificateStatus.ACCEPTED, certificate_hash_data_chain=found
        )

    async def delete(self, request: DeleteCertificateRequest) -> DeleteCertificateResponse:
        """M04."""
        found = self.roots.delete(request.certificate_hash_data)
        if found.roots is not None and not await self._keep_roots(found.roots):
            info = StatusInfo(ReasonCode.OUT_OF_STORAGE, "the store takes nothing now")
            return DeleteCertificateResponse(DeleteCertificateStatus.FAILED, info)
        return DeleteCertificateResponse(found.status, found.info)

    # -- inside

    def _bind(self) -> None:
        model = self._model
        model.bind(Key.ACTIVE_NETWORK_PROFILE, lambda: str(self.slot))
        model.bind(Key.SECURITY_PROFILE, lambda: str(self.security))
        model.bind(Key.CERTIFICATE_ENTRIES, lambda: str(self.roots.entries))
        own = model.text(Key.MESSAGE_TIMEOUT)
        model.bind(Key.MESSAGE_TIMEOUT, lambda: str(self.profile.message_timeout or own))
        model.guard(Key.NETWORK_CONFIGURATION_PRIORITY, self._judge_priority)

    def _judge_priority(self, text: str) -> Complaint:
        return rules.priority_complaint(text, self.profiles, self.security, has_root=self.roots.has_root)

    def _priority(self) -> list[int]:
        """The slots of the list that hold something; never none."""
        listed = rules.parse_priority(self._model.text(Key.NETWORK_CONFIGURATION_PRIORITY))
        return [slot for slot in listed if slot in self.profiles] or [min(self.profiles, default=SITE_SLOT)]

    def _attempts(self) -> int:
        return self._model.integer(Key.NETWORK_PROFILE_CONNECTION_ATTEMPTS)

    async def _keep_roots(self, roots: Roots | None) -> bool:
        if roots is None:
            return True
        if kept := await self._keep({ROOTS: roots.to_text()}):
            self.roots.take(roots)
        return kept

    async def _keep(self, settings: Mapping[str, str | None]) -> bool:
        """A store that takes nothing must not keep the station from its CSMS."""
        if not settings:
            return True
        try:
            await self._store.put_settings(self._station, settings)
        except StoreError as error:
            _log.error("network settings not kept", error=str(error), names=sorted(settings))
            return False
        return True


def answers(station: Station, network: Network) -> dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]]:
    """What a CSMS may ask of the ways to it."""

    async def set_profile(request: SetNetworkProfileRequest) -> Answer:
        return await network.set_profile(request)

    async def install(request: InstallCertificateRequest) -> Answer:
        return await network.install(request, station.time.utc())

    async def certificate_ids(request: GetInstalledCertificateIdsRequest) -> Answer:
        return network.certificate_ids(request)

    async def delete(request: DeleteCertificateRequest) -> Answer:
        return await network.delete(request)

    return {
        SetNetworkProfileRequest: set_profile,
        InstallCertificateRequest: install,
        GetInstalledCertificateIdsRequest: certificate_ids,
        DeleteCertificateRequest: delete,
    }


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() else otherwise
