"""B10 with M03 to M05 and A05: moving to a CSMS that is known by another root (TC_B_45, 46, 47, 50), over real TLS."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.sim.csms import DemoCsms
from tests.octt.harness import STATION, Octt, case
from tests.octt.test_b_network_profiles import ACTIVE, PASSWORD, PRIORITY, profile, reset, with_password
from tests.tools.authorities import Authority, authority, foreign_root, new_root, old_root

#: Where the bench's CSMSs are.
HERE = tuple(f"127.0.0.{number}" for number in range(1, 9))
SECURITY = "SecurityCtrlr.SecurityProfile"


async def install(octt: Octt, root: Authority, status: str = "Accepted") -> dict[str, Any]:
    answer = await octt.call("InstallCertificate", certificateType="CSMSRootCertificate", certificate=root.pem)
    assert answer["status"] == status, answer
    return answer


async def installed(octt: Octt) -> list[dict[str, Any]]:
    """The hash data of all CSMS roots."""
    answer = await octt.call("GetInstalledCertificateIds", certificateType=["CSMSRootCertificate"])
    if answer["status"] == "NotFound":
        assert "certificateHashDataChain" not in answer
        return []
    assert all(one["certificateType"] == "CSMSRootCertificate" for one in answer["certificateHashDataChain"])
    return [one["certificateHashData"] for one in answer["certificateHashDataChain"]]


def hash_data(root: Authority, issuer: Authority | None = None) -> dict[str, Any]:
    """As Part 2 (2.6) has it, by way of OCSP, whose CertID is made of the same hashes."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import ocsp

    by = issuer or root
    request = ocsp.OCSPRequestBuilder().add_certificate(root.certificate, by.certificate, SHA256()).build()
    return {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": request.issuer_name_hash.hex(),
        "issuerKeyHash": request.issuer_key_hash.hex(),
        "serialNumber": f"{root.certificate.serial_number:x}",
    }


async def put_first(octt: Octt, url: str, status: object = "RebootRequired", **more: Any) -> tuple[str, str]:
    """Steps 1 to 4: a profile in the slot that is not in use, and that slot first in the list. (new slot, old slot)"""
    old = await octt.get_variable(ACTIVE)
    new = next(slot for slot in ("1", "2", "3") if slot != old)
    data = profile(url, securityProfile=2, **more)
    answer = await octt.call("SetNetworkProfile", configurationSlot=int(new), connectionData=data)
    assert answer["status"] == "Accepted", answer
    await octt.set_variable(PRIORITY, f"{new},{old}", status=status)
    return new, old


async def booted_at(octt: Octt, csms: DemoCsms, within: float = 120) -> None:
    octt.csms = csms
    await octt.expect("BootNotification", within)
    assert csms.connected(STATION)
    for evse in octt.bays:
        await octt.seek("StatusNotification", evse=evse, connectorId=1, connectorStatus="Available")
    await octt.seek("SecurityEventNotification", type={"StartupOfTheDevice", "ResetOrReboot"})
    octt.clear()


async def on_tls(octt: Octt) -> DemoCsms:
    """Security profile 2, at a CSMS that the old root has vouched for."""
    csms, url = await octt.add_csms("old", password=PASSWORD, tls=old_root().server(*HERE))
    await install(octt, old_root())
    await put_first(octt, url)
    octt.clear()
    await reset(octt)
    await booted_at(octt, csms)
    return csms


@pytest.mark.covers("TC_B_45_CS")
@case(site=with_password, wire=True)
async def test_a_station_moves_to_tls_and_never_back(octt: Octt) -> None:
    """A05: with a root installed the higher profile may be put first; once it works the lower one is gone for good."""
    await on_tls(octt)
    assert await octt.get_variable(SECURITY) == "2"
    assert await octt.get_variable(PRIORITY) == "2"  # the plain slot has left the list
    answer = await octt.call("SetNetworkProfile", configurationSlot=1, connectionData=profile("ws://127.0.0.1:1/"))
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "NoSecurityDowngrade"), answer
    await octt.set_variable(PRIORITY, "1,2", status="Rejected")
    assert octt.dials[-1].url.startswith("wss://")
    await octt.reboot()
    await octt.expect("BootNotification", 60, reason="PowerUp")
    assert octt.dials[-1].url.startswith("wss://")


@pytest.mark.covers("TC_B_45_CS")
@case(site=with_password, wire=True)
async def test_without_a_root_there_is_no_way_to_tls(octt: Octt) -> None:
    """A05.FR.02: rejected, and the station stays where it is."""
    _, url = await octt.add_csms("old", tls=old_root().server(*HERE))
    assert await installed(octt) == []
    await put_first(octt, url, status="Rejected")
    await reset(octt)
    await octt.expect("BootNotification", 60)
    assert await octt.get_variable(SECURITY) == "1"


@pytest.mark.covers("TC_B_45_CS", "TC_B_46_CS")
@case(site=with_password, wire=True)
async def test_two_csmss_with_the_same_root(octt: Octt) -> None:
    """Same root: the station moves from one to the other, and falls back after two attempts when that one is gone."""
    await octt.configure({"OCPPCommCtrlr.NetworkProfileConnectionAttempts": 2})
    first = await on_tls(octt)
    first_url = octt.dials[-1].url
    second, second_url = await octt.add_csms("second", password=PASSWORD, tls=old_root().server(*HERE))
    new, old = await put_first(octt, second_url)
    octt.clear()
    await reset(octt)
    await booted_at(octt, second)
    assert await octt.get_variable(ACTIVE) == new

    await octt.set_variable(PRIORITY, f"{old},{new}", status="RebootRequired")
    octt.clear()
    dialled = len(octt.dials)
    await first.go_dark()
    await reset(octt)
    await booted_at(octt, second)
    assert [dial.url for dial in octt.dials[dialled:]] == [first_url, first_url, second_url]


@pytest.mark.covers("TC_B_47_CS")
@case(site=with_password, wire=True)
async def test_the_old_root_opens_the_way_back(octt: Octt) -> None:
    """The new CSMS shows a certificate of the old root, which counts no more there: one attempt, then back to the old
    CSMS, which the old root still vouches for; it is listed as installed."""
    old_csms = await on_tls(octt)
    old_url = octt.dials[-1].url
    await octt.configure({"OCPPCommCtrlr.NetworkProfileConnectionAttempts": 1})
    await install(octt, new_root())
    new_csms, url = await octt.add_csms("new", password=PASSWORD, tls=old_root().server(*HERE))
    await put_first(octt, url)
    octt.clear()
    dialled = len(octt.dials)
    await reset(octt)
    octt.csms = old_csms
    await octt.expect("BootNotification", 120, reason="RemoteReset")
    for evse in octt.bays:
        await octt.seek("StatusNotification", evse=evse, connectorId=1, connectorStatus="Available")
    told = await octt.expect("SecurityEventNotification", type={"InvalidCsmsCertificate", "ResetOrReboot"})
    other = await octt.expect("SecurityEventNotification", type={"InvalidCsmsCertificate", "ResetOrReboot"})
    assert {told["type"], other["type"]} == {"InvalidCsmsCertificate", "ResetOrReboot"}
    told = told if told["type"] == "InvalidCsmsCertificate" else other
    assert url in told["techInfo"]
    assert [dial.url for dial in octt.dials[dialled:]] == [url, old_url]
    assert not new_csms.received("BootNotification")
    assert hash_data(old_root()) in await installed(octt)


@pytest.mark.covers("TC_B_50_CS")
@case(site=with_password, wire=True)
async def test_the_new_root_opens_the_new_csms_and_the_old_one_goes(octt: Octt) -> None:
    """The new CSMS is known by the new root: the station boots there, and only the new root is left (M05.FR.13)."""
    await on_tls(octt)
    await install(octt, new_root())
    assert len(await installed(octt)) == 2
    new_csms, url = await octt.add_csms("new", password=PASSWORD, tls=new_root().server(*HERE))
    await put_first(octt, url)
    octt.clear()
    await reset(octt)
    await booted_at(octt, new_csms)
    assert await installed(octt) == [hash_data(new_root(), old_root())]
    assert await octt.get_variable("SecurityCtrlr.CertificateEntries") == "1"


@pytest.mark.covers("TC_B_50_CS")
@case(site=with_password, wire=True)
async def test_the_roots_outlive_the_process(octt: Octt) -> None:
    """What was installed is there after a power cut, right up to the connection that it is for."""
    await on_tls(octt)
    await install(octt, new_root())
    new_csms, url = await octt.add_csms("new", password=PASSWORD, tls=new_root().server(*HERE))
    await put_first(octt, url)
    await octt.power_off()
    octt.clear()
    await octt.power_on()
    await booted_at(octt, new_csms)
    await octt.reboot()
    await booted_at(octt, new_csms)
    assert await installed(octt) == [hash_data(new_root(), old_root())]


@case(site=with_password, wire=True)
async def test_the_same_csms_is_still_known_by_the_fallback(octt: Octt) -> None:
    """M05.FR.14: a root was replaced, but the CSMS keeps its certificate: a reconnect succeeds by the old root."""
    csms = await on_tls(octt)
    await install(octt, new_root())
    await octt.drop()
    await octt.reconnected()
    assert csms.connected(STATION)
    assert len(await installed(octt)) == 2


@case(site=with_password, wire=True)
async def test_a_root_must_be_signed_by_the_one_that_it_replaces(octt: Octt) -> None:
    """M05.FR.11: else somebody else could take the station over."""
    await install(octt, old_root())
    answer = await install(octt, foreign_root(), "Rejected")
    assert answer["statusInfo"]["reasonCode"] == "InvalidCertificate"
    assert await installed(octt) == [hash_data(old_root())]


@case(site=with_password, variables={"SecurityCtrlr.AdditionalRootCertificateCheck": False})
async def test_without_the_additional_check_roots_stand_side_by_side(octt: Octt) -> None:
    """M05, M03, M04: several roots; one is deleted by its hashes, the last one stays."""
    for root in (old_root(), foreign_root()):
        await install(octt, root)
    await install(octt, old_root())  # M05.FR.17: once more is as good as once
    assert await installed(octt) == [hash_data(old_root()), hash_data(foreign_root())]
    for wanted, status in (
        (hash_data(old_root()), "Accepted"),
        (hash_data(old_root()), "NotFound"),
        (hash_data(foreign_root()), "Failed"),
    ):
        answer = await octt.call("DeleteCertificate", certificateHashData=wanted)
        assert answer["status"] == status, (wanted, answer)
    assert await installed(octt) == [hash_data(foreign_root())]
    answer = await octt.call("GetInstalledCertificateIds", certificateType=["V2GRootCertificate"])
    assert answer["status"] == "NotFound"


@pytest.mark.parametrize("bad", ["not a certificate", "garbage", "two", "leaf", "none", "old", "weak"])
@case(site=with_password)
async def test_what_is_no_root_is_refused(octt: Octt, bad: str) -> None:
    """M05.FR.07: rejected with a reason, and nothing is installed."""
    from datetime import UTC, datetime

    texts = {
        "garbage": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "two": f"{old_root().pem}\n{foreign_root().pem}",
        "leaf": authority("leaf", ca=False).pem,
        "none": authority("no constraints", ca=None).pem,
        "old": authority("expired", end=datetime(2025, 1, 1, tzinfo=UTC)).pem,
        "weak": authority("weak", rsa_bits=1024).pem,
    }
    text = texts.get(bad, bad)
    answer = await octt.call("InstallCertificate", certificateType="CSMSRootCertificate", certificate=text)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidCertificate"), answer
    assert await installed(octt) == []
    answer = await octt.call("InstallCertificate", certificateType="V2GRootCertificate", certificate=old_root().pem)
    assert answer["status"] == "Rejected"
