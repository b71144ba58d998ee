"""The roots by which a station knows its CSMS: what is trusted when, and what outlives what."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.station.certificates import BadCertificate, check_root, hashes_of, is_signed_by
from bridge.station.messages import CertificateHashData, HashAlgorithm
from bridge.station.root_store import MOST_ENTRIES, Role, Root, Roots, RootStore, Trust
from tests.tools.authorities import Authority, authority, foreign_root, new_root, old_root

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def site_file(folder: Path, *roots: Authority) -> Path:
    path = folder / "roots.pem"
    path.write_text("\n".join(root.pem for root in roots))
    return path


def install(store: RootStore, root: Authority, *, check: bool = True) -> str:
    found = store.install(root.pem, NOW, additional_check=check)
    if found.roots is not None:
        store.take(found.roots)
    return found.status.value


def delete(store: RootStore, root: Authority, *others: Authority) -> str:
    names = hashes_of(root.pem, tuple(other.pem for other in others))
    asked = CertificateHashData(HashAlgorithm.SHA256, names.name.upper(), names.key, "00" + names.serial)
    found = store.delete(asked)
    if found.roots is not None:
        store.take(found.roots)
    return found.status.value


def test_without_anything_the_system_is_trusted() -> None:
    store = RootStore(None, None)
    assert store.trust() == Trust((), site=True)
    assert (store.entries, store.has_root, store.has_fallback) == (0, False, False)


@pytest.mark.covers("TC_B_50_CS")
def test_a_new_root_replaces_the_sites_and_that_one_goes_when_it_is_proved(tmp_path: Path) -> None:
    store = RootStore(site_file(tmp_path, old_root()), None)
    assert install(store, new_root()) == "Accepted"
    assert store.trust() == Trust((new_root().pem,), site=False)
    assert store.trust(Role.FALLBACK) == Trust((), site=True)
    proved = store.proved()
    assert proved is not None
    store.take(proved)
    assert store.trust() == Trust((new_root().pem,), site=False)
    assert not store.has_fallback
    assert store.proved() is None
    assert store.entries == 1


def test_another_site_file_counts_whatever_became_of_the_one_before(tmp_path: Path) -> None:
    """The way back for an installer whose CSMS has locked the station out."""
    path = site_file(tmp_path, old_root())
    store = RootStore(path, None)
    install(store, new_root())
    store.take(store.proved() or store.roots)
    path.write_text(foreign_root().pem)
    again = RootStore(path, store.roots.to_text())
    assert again.trust() == Trust((new_root().pem,), site=True)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    path = site_file(tmp_path, old_root())
    store = RootStore(path, None)
    install(store, new_root())
    again = RootStore(path, store.roots.to_text())
    assert again.roots == store.roots
    assert again.has_fallback


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"installed": 1}', '{"installed": [{}], "site_role": "current"}'])
def test_what_cannot_be_read_is_let_go(text: str) -> None:
    store = RootStore(None, text)
    assert store.unreadable
    assert store.trust() == Trust()


def test_a_third_root_must_be_signed_by_the_second_and_the_first_is_forgotten(tmp_path: Path) -> None:
    third = authority("third", by=new_root())
    store = RootStore(site_file(tmp_path, old_root()), None)
    install(store, new_root())
    assert install(store, authority("by the first", by=old_root())) == "Rejected"
    assert install(store, third) == "Accepted"
    assert store.trust() == Trust((third.pem,), site=False)
    assert store.trust(Role.FALLBACK) == Trust((new_root().pem,), site=False)


def test_who_bears_the_name_of_the_old_root_but_not_its_signature_is_refused(tmp_path: Path) -> None:
    forger = authority("old root")  # the same name, another key
    store = RootStore(site_file(tmp_path, old_root()), None)
    assert install(store, authority("forged", by=forger)) == "Rejected"
    assert not is_signed_by(authority("forged", by=forger).pem, old_root().pem)


def test_a_deleted_root_gives_the_fallback_its_place_back(tmp_path: Path) -> None:
    store = RootStore(site_file(tmp_path, old_root()), None)
    install(store, new_root())
    assert delete(store, new_root(), old_root()) == "Accepted"
    assert store.trust() == Trust((), site=True)
    assert delete(store, old_root()) == "Failed"  # the last one, and the site's


def test_the_sites_root_goes_only_when_another_is_there(tmp_path: Path) -> None:
    store = RootStore(site_file(tmp_path, old_root()), None)
    install(store, foreign_root(), check=False)
    assert delete(store, old_root()) == "Accepted"
    assert store.trust() == Trust((foreign_root().pem,), site=False)
    bundle = RootStore(site_file(tmp_path, old_root(), new_root()), None)
    install(bundle, foreign_root(), check=False)
    assert delete(bundle, old_root()) == "Failed"


def test_other_hashes_are_not_found() -> None:
    store = RootStore(None, None)
    install(store, old_root())
    names = hashes_of(old_root().pem)
    wanted = CertificateHashData(HashAlgorithm.SHA512, names.name, names.key, names.serial)
    assert store.delete(wanted).status == "NotFound"


def test_there_is_an_end_to_what_can_be_installed() -> None:
    full = Roots(tuple(Root(f"pem {n}", hashes_of(old_root().pem)) for n in range(MOST_ENTRIES)))
    store = RootStore(None, full.to_text())
    found = store.install(foreign_root().pem, NOW, additional_check=False)
    assert (found.status, found.info.reason_code) == ("Rejected", "OutOfStorage")


def test_without_the_csmss_time_nothing_is_called_expired() -> None:
    expired = authority("expired", end=datetime(2025, 1, 1, tzinfo=UTC))
    assert check_root(expired.pem, None) == expired.pem
    with pytest.raises(BadCertificate, match="expired on 2025-01-01"):
        check_root(expired.pem, NOW)


def test_rsa_roots_have_their_hashes_too() -> None:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import ocsp

    root = authority("rsa", rsa_bits=2048)
    by_ocsp = ocsp.OCSPRequestBuilder().add_certificate(root.certificate, root.certificate, SHA256()).build()
    assert hashes_of(root.pem).key == by_ocsp.issuer_key_hash.hex()
    assert hashes_of(root.pem).name == by_ocsp.issuer_name_hash.hex()


def test_a_station_that_is_asked_for_no_certificate_does_not_load_cryptography() -> None:
    """18 MiB that a gateway without TLS changes never needs."""
    program = "import bridge.gateway.stations, sys, json; print(json.dumps('cryptography' in sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert json.loads(said.stdout) is False
