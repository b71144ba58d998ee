"""Network connection profiles (B09, B10, A05): the slots that hold the ways to a CSMS, and who may change them.

Pure: a slot is a number, a profile what is dialled there. Slot 1 is the site's own CSMS until a CSMS overwrites it.
No secret stands in a profile: OCPP 2.0.1 has one password for all of them (SecurityCtrlr.BasicAuthPassword), and those
of modems and private networks are refused, as the computer that the gateway runs on has the network in its hands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.records import dataclass
from bridge.station.compact import compact
from bridge.station.messages import (
    NetworkConnectionProfile,
    OcppInterface,
    OcppTransport,
    OcppVersion,
    SetNetworkProfileRequest,
)
from bridge.station.reason_codes import ReasonCode

if TYPE_CHECKING:
    from bridge.station.device_model_values import Complaint

#: The slots there are (B09.FR.06 asks for two); the site's own CSMS is in the first.
SLOTS: Final = (1, 2, 3)
SITE_SLOT: Final = 1
#: Security profiles (Part 2, A00): 1 password, 2 password and TLS. 0 is neither, for a site's own tests; 3 needs a
#: certificate of the station, of which there is none yet.
PASSWORD: Final = 1
TLS: Final = 2
#: The longest time (s) a CSMS may give itself for an answer.
LONGEST_TIMEOUT: Final = 3_600

#: Where slots are kept: one setting each; and what stands there for one that was emptied (A05.FR.06).
_SETTING: Final = "network.slot."
EMPTY: Final = "-"


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to a CSMS. `message_timeout` in s, None: as the device model has it."""

    url: str
    security_profile: int
    message_timeout: int | None = None
    interface: str = OcppInterface.WIRED0.value

    def to_text(self) -> str:
        """For the store."""
        return compact(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Profile:
        """From the store. Raises ValueError for what is no profile."""
        data = json.loads(text)
        if not isinstance(data, dict) or not isinstance(data.get("url"), str):
            raise ValueError("no profile")
        known = {name: value for name, value in data.items() if name in cls.__dataclass_fields__}
        return cls(**known)

    def __str__(self) -> str:
        return f"{self.url}, security profile {self.security_profile}"


def is_plain(profile: Profile) -> bool:
    """Whether nothing is encrypted there."""
    return not profile.url.lower().startswith("wss:")


def slot_setting(slot: int) -> str:
    """The name of a slot in the store."""
    return f"{_SETTING}{slot}"


def profiles_of(site: Profile, settings: Mapping[str, str]) -> dict[int, Profile]:
    """What stands in the slots: what a CSMS has put there or taken away, else the site's own CSMS in its slot."""
    found: dict[int, Profile] = {SITE_SLOT: site}
    for slot in SLOTS:
        text = settings.get(slot_setting(slot))
        if text == EMPTY:
            found.pop(slot, None)
        elif text is not None:
            try:
                found[slot] = Profile.from_text(text)
            except (ValueError, TypeError):
                continue  # as if it were not there: the site's own is dialled rather than nothing
    return found or {SITE_SLOT: site}


# -- what may stand in a slot

_Row = tuple[ReasonCode, str, Callable[[NetworkConnectionProfile], object]]


def _scheme(data: NetworkConnectionProfile) -> str:
    if any(not sign.isprintable() or sign.isspace() for sign in data.ocpp_csms_url):
        return ""
    try:
        parts = urlsplit(data.ocpp_csms_url)
        return parts.scheme.lower() if parts.hostname and (parts.port is None or parts.port > 0) else ""
    except ValueError:  # a port or an address that is none
        return ""


def _extras(data: NetworkConnectionProfile) -> bool:
    parts = urlsplit(data.ocpp_csms_url)
    return parts.username is not None or bool(parts.query or parts.fragment)


#: Which of them is settled when the connection is made: from 2.1 on that says nothing, and may be left out.
_SPOKEN: Final = (None, OcppVersion.OCPP20, OcppVersion.OCPP201, OcppVersion.OCPP21)
_BAD: Final = ReasonCode.INVALID_NETWORK_CONF
#: What makes a profile invalid (B09.FR.02); the first row that is met is told.
_FAULTS: Final[tuple[_Row, ...]] = (
    (_BAD, "only OCPP 2.0.1 (OCPP20) and 2.1 are spoken here", lambda d: d.ocpp_version not in _SPOKEN),
    (_BAD, "the station has one identity and password for all", lambda d: d.identity or d.basic_auth_password),
    (_BAD, "only JSON is spoken here", lambda d: d.ocpp_transport is not OcppTransport.JSON),
    (_BAD, "the address begins with ws:// or wss:// and names a host", lambda d: _scheme(d) not in ("ws", "wss")),
    (_BAD, "the address has no user, query or fragment", _extras),
    (_BAD, "messageTimeout is 1 s to 1 h", lambda d: not 1 <= d.message_timeout <= LONGEST_TIMEOUT),
    (_BAD, "security profiles 1 and 2 are supported", lambda d: d.security_profile not in (0, PASSWORD, TLS)),
    (_BAD, "security profile 2 is TLS: wss://", lambda d: d.security_profile == TLS and _scheme(d) != "wss"),
    (_BAD, "the gateway's computer makes its own way into the network: no apn", lambda d: d.apn is not None),
    (_BAD, "the gateway's computer makes its own way into the network: no vpn", lambda d: d.vpn is not None),
)


def fault_of(request: SetNetworkProfileRequest, active_security: int) -> Complaint:
    """Why a profile cannot be kept (B09.FR.02, B09.FR.04, B09.FR.05), or None."""
    if request.configuration_slot not in SLOTS:
        return ReasonCode.INVALID_CONF_SLOT, f"the slots are {', '.join(map(str, SLOTS))}"
    data = request.connection_data
    for reason, text, met in _FAULTS:
        if met(data):
            return reason, text
    if data.security_profile < active_security:
        return ReasonCode.NO_SECURITY_DOWNGRADE, f"security profile {active_security} is in use"
    return None


def profile_of(data: NetworkConnectionProfile) -> Profile:
    """A profile that was found right."""
    return Profile(data.ocpp_csms_url, data.security_profile, data.message_timeout, data.ocpp_interface.value)


def parse_priority(text: str) -> tuple[int, ...]:
    """The slots of NetworkConfigurationPriority, in order; what is no slot is left out."""
    return tuple(int(part) for part in text.split(",") if part.strip().isdecimal() and int(part) in SLOTS)


def priority_complaint(
    text: str, profiles: Mapping[int, Profile], active_security: int, *, has_root: bool
) -> Complaint:
    """Why an order of slots cannot be taken (B10.FR.02, A05.FR.02, A05.FR.10), or None."""
    for slot in parse_priority(text):
        profile = profiles.get(slot)
        if profile is None:
            return ReasonCode.INVALID_VALUE, f"nothing is configured in slot {slot}"
        if profile.security_profile < active_security:
            return ReasonCode.NO_SECURITY_DOWNGRADE, f"slot {slot} is below security profile {active_security}"
        if profile.security_profile > active_security and profile.security_profile >= TLS and not has_root:
            return ReasonCode.INVALID_CERTIFICATE, f"slot {slot} needs a CSMS root certificate, and none is installed"
    return None


def after_upgrade(
    order: Iterable[int], profiles: Mapping[int, Profile], security: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A05.FR.06: the order of slots without those below a security profile, and the slots that are to be emptied."""
    gone = tuple(slot for slot, profile in profiles.items() if profile.security_profile < security)
    return tuple(slot for slot in order if slot not in gone), gone


def differences(site: Profile, settings: Mapping[str, str], order: str | None) -> list[str]:
    """What a CSMS has set and the site file does not say, for `check`."""
    profiles = profiles_of(site, settings)
    told = []
    for slot in SLOTS:
        profile, place = profiles.get(slot), f"network profile {slot}"
        if slot == SITE_SLOT and profile is None:
            told.append(f"{place}: the site file's {site} was given up for a higher security profile")
        elif slot == SITE_SLOT and profile != site:
            told.append(f"{place}: {profile} (set by the CSMS) in place of the site file's {site}")
        elif slot != SITE_SLOT and profile is not None:
            told.append(f"{place}: {profile} (set by the CSMS)")
    slots = parse_priority(order or "")
    if slots and slots != (SITE_SLOT,):
        told.append(f"network profiles are tried in the order {', '.join(map(str, slots))} (set by the CSMS)")
    return told
