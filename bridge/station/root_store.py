"""The root certificates by which a station knows its CSMS (M03 to M05), without I/O but for the site's own file.

Beside those that a CSMS installs there is the site's trust: its `ca_file`, or the system's authorities without one.
With AdditionalRootCertificateCheck there is one root at a time, and for a while the one before it: what is installed
must be signed by what it replaces, which stays as the fallback until the new one has proved itself (M05.FR.09 to 16).
Without it every root that is installed is trusted beside the others.

All of it is one setting of the store, so it changes in one durable commit.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from bridge.records import dataclass
from bridge.station import certificates
from bridge.station.certificates import BadCertificate, Hashes
from bridge.station.compact import compact
from bridge.station.messages import (
    CertificateHashData,
    CertificateHashDataChain,
    DeleteCertificateStatus,
    GetCertificateIdUse,
    HashAlgorithm,
    InstallCertificateStatus,
    StatusInfo,
)
from bridge.station.reason_codes import ReasonCode

#: The setting that holds everything.
SETTING: Final = "certificates.csms_roots"
#: CertificateEntries.maxLimit (M05.FR.06).
MOST_ENTRIES: Final = 16


class Role(StrEnum):
    """What a root is good for."""

    CURRENT = "current"
    FALLBACK = "fallback"
    GONE = "gone"  # the site's, replaced or deleted


@dataclass(frozen=True, slots=True)
class Root:
    """A root that a CSMS has installed."""

    pem: str
    hashes: Hashes
    role: Role = Role.CURRENT


@dataclass(frozen=True, slots=True)
class Roots:
    """What is kept. `site_role` holds for the file whose content had the hash `site_file`; a new file counts anew."""

    installed: tuple[Root, ...] = ()
    site_role: Role = Role.CURRENT
    site_file: str = ""

    def to_text(self) -> str:
        """For the store."""
        return compact(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Roots:
        """From the store. Raises ValueError, KeyError or TypeError for what is none."""
        data = json.loads(text)
        installed = tuple(Root(r["pem"], Hashes(**r["hashes"]), Role(r["role"])) for r in data["installed"])
        return cls(installed, Role(data["site_role"]), data["site_file"])


@dataclass(frozen=True, slots=True)
class Trust:
    """What verifies a CSMS: `roots` (PEM), and with `site` also the site's own."""

    roots: tuple[str, ...] = ()
    site: bool = True


@dataclass(frozen=True, slots=True)
class Installation:
    """The answer to InstallCertificate, and what has to be kept before it is given."""

    status: InstallCertificateStatus
    info: StatusInfo | None = None
    roots: Roots | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """The answer to DeleteCertificate, and what has to be kept before it is given."""

    status: DeleteCertificateStatus
    info: StatusInfo | None = None
    roots: Roots | None = None


class RootStore:
    """The roots of one station. A change is judged here, kept by the caller, and then taken (`take`)."""

    def __init__(self, ca_file: Path | None, stored: str | None) -> None:
        self._ca_file = ca_file
        self.roots = Roots()
        self.unreadable = False
        if stored is not None:
            try:
                self.roots = Roots.from_text(stored)
            except (ValueError, KeyError, TypeError):
                self.unreadable = True

    def take(self, roots: Roots) -> None:
        """What was judged has been kept."""
        self.roots = roots

    # -- what is trusted

    def trust(self, role: Role = Role.CURRENT) -> Trust:
        """What verifies a CSMS: the current roots, or the fallback."""
        roots = tuple(root.pem for root in self.roots.installed if root.role is role)
        return Trust(roots, site=self._site_role() is role)

    @property
    def has_fallback(self) -> bool:
        """Whether an older root is still kept (M05.FR.12)."""
        return Role.FALLBACK in (self._site_role(), *(root.role for root in self.roots.installed))

    def proved(self) -> Roots | None:
        """M05.FR.13: the current root has verified the CSMS, the fallback goes. None: there is none."""
        if not self.has_fallback:
            return None
        installed = tuple(root for root in self.roots.installed if root.role is not Role.FALLBACK)
        site = Role.GONE if self._site_role() is Role.FALLBACK else self._site_role()
        return self._with_site(installed, site)

    @property
    def has_root(self) -> bool:
        """Whether there is a root that was chosen for the CSMS: installed, or named by the site (A05.FR.02)."""
        return self.entries > 0

    @property
    def entries(self) -> int:
        """SecurityCtrlr.CertificateEntries."""
        return len(self.roots.installed) + len(self._site_pems())

    # -- what a CSMS asks

    def installed(self) -> tuple[CertificateHashDataChain, ...]:
        """M03: every root, the site's among them."""
        site = [certificates.hashes_of(pem) for pem in self._site_pems()]
        return tuple(_chain(found) for found in [*(root.hashes for root in self.roots.installed), *site])

    def install(self, text: str, now: datetime | None, *, additional_check: bool) -> Installation:
        """M05: judge a root."""
        try:
            pem = certificates.check_root(text, now)
        except BadCertificate as error:
            return _refused(ReasonCode.INVALID_CERTIFICATE, str(error))
        known = (*(root.pem for root in self.roots.installed), *self._site_pems())
        if _same(pem, known):  # M05.FR.17: it is there already
            return Installation(InstallCertificateStatus.ACCEPTED, roots=self._current_again(pem))
        new = Root(pem, certificates.hashes_of(pem, known))
        return self._replacing(new) if additional_check else self._beside(new)

    def _beside(self, new: Root) -> Installation:
        if self.entries >= MOST_ENTRIES:
            return _refused(ReasonCode.OUT_OF_STORAGE, f"{MOST_ENTRIES} certificates are installed")
        return Installation(
            InstallCertificateStatus.ACCEPTED, roots=replace(self.roots, installed=(*self.roots.installed, new))
        )

    def _replacing(self, new: Root) -> Installation:
        """M05.FR.10 to 12. Where only the system's authorities were trusted there is no old root to sign the new."""
        current = [root for root in self.roots.installed if root.role is Role.CURRENT]
        site_is_current = self._site_role() is Role.CURRENT
        old = [root.pem for root in current] + (self._site_pems() if site_is_current else [])
        if old and not any(certificates.is_signed_by(new.pem, one) for one in old):
            return _refused(ReasonCode.INVALID_CERTIFICATE, "it is not signed by the root that it would replace")
        kept = tuple(replace(root, role=Role.FALLBACK) for root in current)
        site = Role.FALLBACK if site_is_current else Role.GONE
        return Installation(InstallCertificateStatus.ACCEPTED, roots=self._with_site((*kept, new), site))

    def _current_again(self, pem: str) -> Roots:
        """The same root once more: it stays as it is, a fallback too."""
        installed = tuple(replace(root, pem=pem) if _same(pem, (root.pem,)) else root for root in self.roots.installed)
        return replace(self.roots, installed=installed)

    def delete(self, wanted: CertificateHashData) -> Deletion:
        """M04: judge a deletion. The last root stays: without it the station could not be reached any more."""
        if wanted.hash_algorithm is not HashAlgorithm.SHA256:
            return Deletion(DeleteCertificateStatus.NOT_FOUND)
        name = _names(wanted)
        left = tuple(root for root in self.roots.installed if root.hashes != name)
        site_pems = self._site_pems()
        if len(left) < len(self.roots.installed):
            if not left and not site_pems:
                return _kept("the last root stays")
            return Deletion(DeleteCertificateStatus.ACCEPTED, roots=self._without(left, self._site_role()))
        if name not in [certificates.hashes_of(pem) for pem in site_pems]:
            return Deletion(DeleteCertificateStatus.NOT_FOUND)
        if len(site_pems) > 1 or not left:
            return _kept("it stands in the site's own file")
        return Deletion(DeleteCertificateStatus.ACCEPTED, roots=self._without(left, Role.GONE))

    def _without(self, installed: tuple[Root, ...], site: Role) -> Roots:
        """Where nothing current is left, the fallback is current again."""
        if Role.CURRENT not in (site, *(root.role for root in installed)):
            installed = tuple(replace(root, role=Role.CURRENT) for root in installed)
            site = Role.CURRENT if site is Role.FALLBACK else site
        return self._with_site(installed, site)

    # -- the site's own

    def _with_site(self, installed: tuple[Root, ...], role: Role) -> Roots:
        return Roots(installed, role, self._site_hash())

    def _site_role(self) -> Role:
        """Whoever puts another file in place wants it to count, whatever became of the one before."""
        roots = self.roots
        return roots.site_role if roots.site_file == self._site_hash() else Role.CURRENT

    def _site_hash(self) -> str:
        text = self._site_text()
        return sha256(text.encode()).hexdigest() if text else ""

    def _site_pems(self) -> list[str]:
        return [] if self._site_role() is Role.GONE else certificates.split(self._site_text())

    def _site_text(self) -> str:
        if self._ca_file is None:
            return ""
        try:
            return self._ca_file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def _same(pem: str, others: tuple[str, ...]) -> bool:
    plain = "".join(pem.split())
    return any("".join(other.split()) == plain for other in others)


def _names(data: CertificateHashData) -> Hashes:
    """As a CSMS names a certificate; hexadecimal digits may be capital, a number may have zeros before it."""
    serial = data.serial_number.lower().lstrip("0") or "0"
    return Hashes(data.issuer_name_hash.lower(), data.issuer_key_hash.lower(), serial)


def _chain(found: Hashes) -> CertificateHashDataChain:
    data = CertificateHashData(HashAlgorithm.SHA256, found.name, found.key, found.serial)
    return CertificateHashDataChain(data, GetCertificateIdUse.CSMS_ROOT_CERTIFICATE)


def _refused(reason: ReasonCode, text: str) -> Installation:
    return Installation(InstallCertificateStatus.REJECTED, StatusInfo(reason, text[:512]))


def _kept(text: str) -> Deletion:
    return Deletion(DeleteCertificateStatus.FAILED, StatusInfo(ReasonCode.UNSPECIFIED, text))
