"""B09, B10: network connection profiles, migration and fall-back (TC_B_43, 45, 46, 49), in the clear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.sim.csms import DemoCsms
from tests.octt.harness import STATION, Octt, case

PRIORITY = "OCPPCommCtrlr.NetworkConfigurationPriority"
ACTIVE = "OCPPCommCtrlr.ActiveNetworkProfile"
PASSWORD = "a-password-of-24-letters"
#: The laboratory's RetryBackOffWaitMinimum (s).
WAIT = 5


def with_password(site: dict[str, Any], folder: Path) -> None:
    """Security profile 1, as a laboratory begins."""
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    site["stations"][0]["csms"] |= {"password_file": str(secret), "security_profile": 1}


def profile(url: str, **more: Any) -> dict[str, Any]:
    """connectionData as the test system sends it."""
    return {
        "messageTimeout": 30,
        "ocppCsmsUrl": url,
        "ocppInterface": "Wired0",
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "securityProfile": 1,
        **more,
    }


async def prepare(octt: Octt, **settings: object) -> tuple[DemoCsms, str, str, str]:
    """A second CSMS, set in the slot that is not in use and put first: steps 1 to 4. (CSMS, URL, new and old slot)"""
    await octt.configure({f"OCPPCommCtrlr.{name}": value for name, value in settings.items()})
    other, url = await octt.add_csms("other.example", password=PASSWORD)
    old = await octt.get_variable(ACTIVE)
    new = "2" if old == "1" else "1"
    answer = await octt.call("SetNetworkProfile", configurationSlot=int(new), connectionData=profile(url))
    assert answer["status"] == "Accepted", answer
    await octt.set_variable(PRIORITY, f"{new},{old}", status={"Accepted", "RebootRequired"})
    octt.clear()
    return other, url, new, old


async def reset(octt: Octt) -> None:
    answer = await octt.call("Reset", type="OnIdle")
    assert answer["status"] == "Accepted", answer


async def booted_at(octt: Octt, csms: DemoCsms, within: float = 60) -> None:
    """Booted, at that CSMS and no other."""
    octt.csms = csms
    await octt.expect("BootNotification", within, reason="RemoteReset")
    assert csms.received("BootNotification", STATION)
    for evse in octt.bays:
        await octt.seek("StatusNotification", evse=evse, connectorStatus="Available")
    await octt.seek("SecurityEventNotification", type={"StartupOfTheDevice", "ResetOrReboot"})


@pytest.mark.covers("TC_B_43_CS")
@case(site=with_password)
async def test_a_slot_that_is_not_there_is_refused(octt: Octt) -> None:
    """Slot 999: Rejected, with the reason that the errata name; nothing is kept."""
    request = {"configurationSlot": 999, "connectionData": profile("ws://csms.example/ocpp")}
    answer = await octt.call("SetNetworkProfile", request)
    assert answer["status"] == "Rejected", answer
    assert answer["statusInfo"]["reasonCode"] == "InvalidConfSlot"
    assert await octt.get_variable(PRIORITY) == "1"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"ocppVersion": "OCPP16"}, "InvalidNetworkConf"),
        ({"ocppTransport": "SOAP"}, "InvalidNetworkConf"),
        ({"ocppCsmsUrl": "http://csms.example/ocpp"}, "InvalidNetworkConf"),
        ({"ocppCsmsUrl": "ws://"}, "InvalidNetworkConf"),
        ({"ocppCsmsUrl": ""}, "InvalidNetworkConf"),
        ({"ocppCsmsUrl": "ws://csms example/ocpp"}, "InvalidNetworkConf"),
        ({"ocppCsmsUrl": "ws://csms.example:port/"}, "InvalidNetworkConf"),
        ({"ocppCsmsUrl": "ws://[::1/"}, "InvalidNetworkConf"),
        ({"ocppCsmsUrl": "ws://me:secret@csms.example/"}, "InvalidNetworkConf"),
        ({"ocppCsmsUrl": "ws://csms.example/?a=b"}, "InvalidNetworkConf"),
        ({"messageTimeout": 0}, "InvalidNetworkConf"),
        ({"messageTimeout": -1}, "InvalidNetworkConf"),
        ({"messageTimeout": 2**31 - 1}, "InvalidNetworkConf"),
        ({"securityProfile": 2}, "InvalidNetworkConf"),  # TLS on ws://
        ({"securityProfile": 3, "ocppCsmsUrl": "wss://csms.example/"}, "InvalidNetworkConf"),
        ({"securityProfile": 4}, "InvalidNetworkConf"),
        ({"securityProfile": -1}, "InvalidNetworkConf"),
        ({"securityProfile": 0}, "NoSecurityDowngrade"),
        ({"apn": {"apn": "a", "apnAuthentication": "NONE"}}, "InvalidNetworkConf"),
        (
            {"vpn": {"server": "s", "user": "u", "password": "p", "key": "k", "type": "IPSec"}},
            "InvalidNetworkConf",
        ),
    ],
)
@case(site=with_password)
async def test_what_cannot_be_dialled_is_refused(octt: Octt, wrong: dict[str, Any], reason: str) -> None:
    """B09.FR.02, B09.FR.04: each wrong field by itself; the slot stays empty, so it cannot be put into the list."""
    data = profile("ws://csms.example/ocpp") | wrong
    answer = await octt.call("SetNetworkProfile", configurationSlot=2, connectionData=data)
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", reason), answer
    await octt.set_variable(PRIORITY, "2,1", status="Rejected")


@pytest.mark.parametrize("value", ["2", "1,3", "4", "1,1", "", "one", "1;2"])
@case(site=with_password)
async def test_a_list_with_an_empty_slot_is_refused(octt: Octt, value: str) -> None:
    """B10.FR.02: every slot of the list holds a profile."""
    await octt.set_variable(PRIORITY, value, status="Rejected")
    assert await octt.get_variable(PRIORITY) == "1"


@pytest.mark.covers("TC_B_45_CS")
@case(site=with_password)
async def test_a_station_moves_to_another_csms(octt: Octt) -> None:
    """The new slot is first in the list: after the reset the station leaves the old CSMS, and boots at the new one."""
    old_csms = octt.csms
    other, url, new, _ = await prepare(octt)
    await reset(octt)
    await booted_at(octt, other)
    assert not old_csms.connected(STATION)  # B10.FR.06
    assert octt.dials[-1].url == url
    assert await octt.get_variable(ACTIVE) == new
    assert await octt.get_variable("OCPPCommCtrlr.MessageTimeout[Default]") == "30"


@pytest.mark.covers("TC_B_45_CS")
@case(site=with_password)
async def test_what_a_csms_has_set_wins_over_the_site_file(octt: Octt) -> None:
    """The move outlives the process, and so does the slot that it went to."""
    other, url, new, _ = await prepare(octt)
    await reset(octt)
    await booted_at(octt, other)
    await octt.reboot()
    await octt.expect("BootNotification", 60, reason="PowerUp")
    assert octt.dials[-1].url == url
    assert await octt.get_variable(ACTIVE) == new


@pytest.mark.covers("TC_B_45_CS")
@case(site=with_password)
async def test_before_the_reset_nothing_moves(octt: Octt) -> None:
    """A list that was changed counts after a restart; a connection that is lost meanwhile is made where it stood."""
    home_url = octt.dials[-1].url
    await prepare(octt)
    await octt.drop()
    await octt.reconnected()
    assert octt.dials[-1].url == home_url
    await octt.never("BootNotification", 30)


@pytest.mark.covers("TC_B_46_CS")
@pytest.mark.parametrize("attempts", [2, 1, 4])
@case(site=with_password)
async def test_a_station_falls_back_after_exactly_so_many_attempts(octt: Octt, attempts: int) -> None:
    """The new CSMS does not answer: so many attempts there, neither more nor fewer, then the next of the list."""
    home, home_url = octt.csms, octt.dials[-1].url
    other, url, _, old = await prepare(octt, NetworkProfileConnectionAttempts=attempts)
    await other.go_dark()
    dialled = len(octt.dials)
    await reset(octt)
    await booted_at(octt, home, 300)
    assert [dial.url for dial in octt.dials[dialled:]] == [url] * attempts + [home_url]
    assert await octt.get_variable(ACTIVE) == old


@pytest.mark.covers("TC_B_49_CS")
@case(site=with_password)
async def test_when_all_have_failed_the_last_good_one_is_dialled_again(octt: Octt) -> None:
    """One attempt each, both refused: then the CSMS that was connected before, after RetryBackOffWaitMinimum."""
    home, home_url = octt.csms, octt.dials[-1].url
    other, url, _, _ = await prepare(
        octt,
        NetworkProfileConnectionAttempts=1,
        RetryBackOffRepeatTimes=0,
        RetryBackOffRandomRange=0,
        RetryBackOffWaitMinimum=WAIT,
    )
    dialled = len(octt.dials)
    await reset(octt)
    await other.go_dark()
    await octt.offline()
    await octt.until(lambda: len(octt.dials) == dialled + 2, 60, "an attempt at each slot")
    octt.online()
    await booted_at(octt, home, 60)
    made = octt.dials[dialled:]
    assert [dial.url for dial in made] == [url, home_url, home_url]
    assert made[2].at - made[1].at >= WAIT * 1000


@case(site=with_password)
async def test_who_has_moved_comes_back_when_the_new_csms_is_gone(octt: Octt) -> None:
    """B10.FR.03 in the errata's words: a lost connection too leads through the whole list; and the CSMS that is
    reached then has to take the station in anew, though it has not rebooted (B10.FR.10)."""
    home, home_url = octt.csms, octt.dials[-1].url
    other, url, _, _ = await prepare(octt, NetworkProfileConnectionAttempts=2)
    await reset(octt)
    await booted_at(octt, other)
    octt.clear()
    dialled = len(octt.dials)
    await other.go_dark()
    octt.csms = home
    await octt.expect("BootNotification", 120)
    assert [dial.url for dial in octt.dials[dialled:]] == [url, url, home_url]
    await octt.seek("StatusNotification", connectorStatus="Available")


@pytest.mark.parametrize("password", [PASSWORD, None])
@case(site=with_password)
async def test_the_password_goes_along(octt: Octt, password: str | None) -> None:
    """A00.FR.203: one password for all slots; a CSMS that wants another is never given up for good."""
    other, _, _, _ = await prepare(octt, NetworkProfileConnectionAttempts=1)
    other.password = password or "another one altogether"
    home = octt.csms
    await reset(octt)
    await booted_at(octt, other if password else home, 120)


@case(site=with_password)
async def test_a_csms_that_refuses_is_dialled_for_ever(octt: Octt) -> None:
    """An HTTP status is no reason to give up: hours later the station still tries, and comes back."""
    octt.csms.password = "not that of the station"
    await octt.drop()
    await octt.wait(2 * 3600)
    tried = len(octt.dials)
    await octt.wait(300)
    assert len(octt.dials) > tried
    octt.csms.password = PASSWORD
    await octt.reconnected(600)
