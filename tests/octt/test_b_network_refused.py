"""Part 4, 3.3 and 5.3: a CSMS whose web server refuses the station, over real WebSockets. No refusal is the end."""

from __future__ import annotations

import pytest

from tests.octt.harness import STATION, Octt, case
from tests.octt.test_b_network_profiles import ACTIVE, booted_at, prepare, reset, with_password

#: HTTP statuses, and what a person is told to look at.
REFUSALS = [
    (401, "password_file"),
    (403, "has to be allowed there"),
    (404, "the station's id"),
    (503, "by itself"),
    (418, "compare that"),
]


async def trouble(octt: Octt) -> str:
    """What `status` says of the station's link."""
    return str((await octt.api("status"))["stations"][STATION]["trouble"])


@pytest.mark.parametrize(("status", "mend"), REFUSALS)
@case(site=with_password, wire=True)
async def test_who_is_refused_dials_on_ever_more_rarely_and_says_why(octt: Octt, status: int, mend: str) -> None:
    """The waits grow as after any failed attempt, `status` says what is wrong and the mend, and once the CSMS takes the
    station again it comes back."""
    await octt.configure(
        {
            "OCPPCommCtrlr.RetryBackOffWaitMinimum": 4,
            "OCPPCommCtrlr.RetryBackOffRandomRange": 0,
            "OCPPCommCtrlr.RetryBackOffRepeatTimes": 2,
        }
    )
    octt.csms.habits.refuses = status
    before = len(octt.dials)
    await octt.drop()
    await octt.until(lambda: len(octt.dials) == before + 5, 120, "five attempts")
    told = await trouble(octt)
    assert f"HTTP status {status}" in told
    assert mend in told
    assert "a-password" not in told
    waits = [b.at - a.at for a, b in zip(octt.dials[before:], octt.dials[before + 1 :], strict=False)]
    assert [round(wait / 1000) for wait in waits] == [8, 16, 16, 16]
    octt.csms.habits.refuses = 0
    await octt.reconnected(60)
    assert (await trouble(octt)) == "None"
    await octt.never("BootNotification", 10)


@pytest.mark.parametrize("status", [401, 403, 404])
@case(site=with_password, wire=True)
async def test_a_csms_that_refuses_is_left_for_the_next_of_the_list(octt: Octt, status: int) -> None:
    """B10.FR.03 to B10.FR.05: as many attempts as after any failure, then the CSMS that it was at; it hears of a
    password that was not taken."""
    home, home_url = octt.csms, octt.dials[-1].url
    other, url, _, old = await prepare(octt, NetworkProfileConnectionAttempts=2)
    other.habits.refuses = status
    dialled = len(octt.dials)
    await reset(octt)
    octt.csms = home
    await octt.expect("BootNotification", 120, reason="RemoteReset")
    assert [dial.url for dial in octt.dials[dialled:]] == [url, url, home_url]
    assert await octt.get_variable(ACTIVE) == old
    assert not other.received("BootNotification", STATION)
    events = [event for event in octt.all_of("SecurityEventNotification") if url in event.get("techInfo", "")]
    assert [event["type"] for event in events] == (["FailedToAuthenticateAtCsms"] if status == 401 else [])


@case(site=with_password, wire=True)
async def test_a_wrong_password_is_never_the_end(octt: Octt) -> None:
    """The CSMS's own check of the name and the password (A00.FR.203): hours later the right one is taken at once."""
    right = octt.csms.password
    octt.csms.password = "another one altogether"
    await octt.drop()
    await octt.wait(3600)
    tried = len(octt.dials)
    assert "HTTP status 401" in await trouble(octt)
    await octt.wait(600)
    assert len(octt.dials) > tried
    octt.csms.password = right
    await octt.reconnected(600)


@case(site=with_password, wire=True)
async def test_a_move_to_a_csms_that_has_learnt_the_station_meanwhile(octt: Octt) -> None:
    """Refused once, let in at the second attempt: the migration succeeds, nothing has fallen back."""
    other, url, new, _ = await prepare(octt, NetworkProfileConnectionAttempts=2)
    other.habits.refuses = 404
    dialled = len(octt.dials)
    await reset(octt)
    await octt.until(lambda: len(octt.dials) > dialled, 60, "the first attempt")
    other.habits.refuses = 0
    await booted_at(octt, other, 120)
    assert [dial.url for dial in octt.dials[dialled:]] == [url, url]
    assert await octt.get_variable(ACTIVE) == new
