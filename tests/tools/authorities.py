"""Certificate authorities and CSMS certificates for tests, made when they are needed."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

#: Certificates are good on both clocks of a test: the machine's, and the virtual one.
BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
END = datetime(2090, 1, 1, tzinfo=UTC)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Authority:
    """A root: its certificate, and the key to sign with."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode().strip()

    def server(self, *addresses: str) -> ssl.SSLContext:
        """What a CSMS serves with: a certificate for these addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(one)) for one in addresses])
        made = (
            _builder("csms", key, self.certificate.subject)
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        return _serving(made, key)


def _builder(subject: str, key: Any, issuer: x509.Name, begin: datetime = BEGIN, end: datetime = END) -> Any:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _serving(certificate: x509.Certificate, key: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain, secret = Path(folder) / "chain.pem", Path(folder) / "key.pem"
        chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context.load_cert_chain(chain, secret)
    return context


def authority(
    name: str,
    *,
    by: Authority | None = None,
    ca: bool | None = True,
    end: datetime = END,
    rsa_bits: int = 0,
) -> Authority:
    """A new root, signed by itself or `by` another; `ca` None leaves the basic constraints out."""
    key = rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1())
    issuer = by.certificate.subject if by else _name(name)
    begin = min(BEGIN, end - timedelta(days=1))
    builder = _builder(name, key, issuer, begin, end)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return Authority(builder.sign(by.key if by else key, hashes.SHA256()), key)


@cache
def old_root() -> Authority:
    """A root that a station may know from the beginning."""
    return authority("old root")


@cache
def new_root() -> Authority:
    """A root that the old one has signed (Part 6: CSMS Root certificate 2)."""
    return authority("new root", by=old_root())


@cache
def foreign_root() -> Authority:
    """A root that nobody here has signed."""
    return authority("foreign root")
