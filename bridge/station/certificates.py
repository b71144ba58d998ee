"""X.509 certificates, as far as a station that trusts a CSMS looks into them (M05, A00.FR.501 to 513).

Only here is the `cryptography` package touched, and only when a certificate is installed, asked for or deleted: it
costs 18 MiB of memory. The standard library's `ssl` can read a certificate but cannot say whether one has signed the
other (M05.FR.10), and a signature is nothing to check with code of one's own.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from bridge.errors import CsmsError
from bridge.records import dataclass

if TYPE_CHECKING:
    from cryptography import x509

#: One certificate in a PEM text.
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----\s.*?-----END CERTIFICATE-----", re.DOTALL)
#: The shortest keys that are trusted, in bits (A00.FR.502, A00.FR.503).
_SHORTEST_RSA, _SHORTEST_CURVE = 2048, 224


class BadCertificate(CsmsError):  # noqa: N818 - what it is
    """A text that is no certificate which could be a root; the message says why."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """What names a certificate: SHA-256 of its issuer's name and key, and its serial number (Part 2, 2.6)."""

    name: str
    key: str
    serial: str


def split(text: str) -> list[str]:
    """The certificates of a PEM text, each by itself."""
    return [found.group(0) for found in _PEM.finditer(text)]


def check_root(text: str, now: datetime | None) -> str:
    """A certificate that may be installed as a root, as PEM.

    `now` is the CSMS's time, None where it is not known. Raises BadCertificate: not exactly one certificate, one that
    is no authority's, has expired, or has a weak key.
    """
    found = split(text)
    if len(found) != 1:
        raise BadCertificate(f"one PEM certificate is needed, not {len(found)}")
    certificate = _load(found[0])
    if why := _unfit(certificate, now):
        raise BadCertificate(why)
    return found[0]


def hashes_of(pem: str, others: tuple[str, ...] = ()) -> Hashes:
    """What names a certificate. Its issuer's key is its own where it has signed itself, else found among `others`."""
    from cryptography.hazmat.primitives import hashes

    certificate = _load(pem)
    issuer = next((_load(other) for other in (pem, *others) if is_signed_by(pem, other)), certificate)

    def digest(data: bytes) -> str:
        sha = hashes.Hash(hashes.SHA256())
        sha.update(data)
        return sha.finalize().hex()

    return Hashes(
        digest(certificate.issuer.public_bytes()), digest(_key_bits(issuer)), f"{certificate.serial_number:x}"
    )


def is_signed_by(pem: str, issuer: str) -> bool:
    """Whether a certificate names another as its issuer and bears its signature."""
    from cryptography.exceptions import InvalidSignature

    try:
        _load(pem).verify_directly_issued_by(_load(issuer))
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


@lru_cache(maxsize=32)
def _load(pem: str) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise BadCertificate("the certificate cannot be read") from error


def _unfit(certificate: x509.Certificate, now: datetime | None) -> str | None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return "it is no certificate of an authority: it has no basic constraints"
    if not basic.ca:
        return "it is no certificate of an authority"
    if now is not None and certificate.not_valid_after_utc < now:
        return f"it has expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    try:
        key = certificate.public_key()
    except ValueError:
        return "its key is of an unknown kind"
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _SHORTEST_RSA:
        return f"its RSA key has {key.key_size} bits, {_SHORTEST_RSA} are needed"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _SHORTEST_CURVE:
        return f"its key has {key.key_size} bits, {_SHORTEST_CURVE} are needed"
    return None


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The value of the subject's public key, without tag, length and count of unused bits (as OCSP hashes it)."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    info = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    _, start, _ = _element(info, 0)  # SEQUENCE { algorithm, BIT STRING }
    _, _, after_algorithm = _element(info, start)
    _, content, end = _element(info, after_algorithm)
    return info[content + 1 : end]  # the first octet counts unused bits


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """A DER element: its tag, where its content begins, and where it ends."""
    tag, length = data[at], data[at + 1]
    start = at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    return tag, start, start + length
