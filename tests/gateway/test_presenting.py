"""The control socket as a reader: what a token has to look like, and what the answer tells."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.gateway.api import ControlApi
from tests.tools.house import STATION, House, house

CARD = {"idToken": "AABBCCDD", "type": "ISO14443"}


async def _ask(here: House, **request: Any) -> Any:
    line = json.dumps({"api": 1, "do": "present", **request})
    answer = await ControlApi(here.gateway).answer(line, lambda _: None)
    json.dumps(answer)
    return answer.get("result", answer.get("error"))


def test_a_token_starts_and_stops() -> None:
    async def play() -> None:
        async with house() as here:
            here.unit.plug()
            await here.settle()
            accepted = await _ask(here, station=STATION, evse=1, token=CARD)
            assert accepted == {
                "outcome": "accepted",
                "reason": "the CSMS says Accepted",
                "evses": [1],
                "status": "Accepted",
            }
            started = await here.told("TransactionEvent", eventType="Started")
            assert started["idToken"] == CARD
            await here.unit.until(lambda unit: unit.power_w > 0)
            stopped = await _ask(here, station=STATION, token={**CARD, "idToken": "aabbccdd"})
            assert stopped == {"outcome": "stopped", "reason": "the token that started it", "evses": [1]}
            await here.unit.until(lambda unit: unit.power_w == 0)

    run_virtual(play())


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"station": "CS-9", "token": CARD}, '"station" is one of CS-1'),
        ({"token": CARD}, '"station" is one of CS-1'),
        ({"station": ["CS-1"], "token": CARD}, '"station" is one of CS-1'),
        ({"station": STATION, "evse": 2, "token": CARD}, '"evse" is one of [1], or left out'),
        ({"station": STATION, "evse": True, "token": CARD}, '"evse" is one of [1], or left out'),
        ({"station": STATION, "evse": [1], "token": CARD}, '"evse" is one of [1], or left out'),
        ({"station": STATION}, '"token" is an object with "idToken" and "type"'),
        ({"station": STATION, "token": "AABB"}, '"token" is an object with "idToken" and "type"'),
        ({"station": STATION, "token": {"idToken": "A"}}, '"token" is an object with "idToken" and "type"'),
        ({"station": STATION, "token": {**CARD, "pin": "1", "x": 2}}, "leave out pin, x"),
        ({"station": STATION, "token": {**CARD, "type": "Card"}}, '"type" of the token is one of Central, eMAID'),
        ({"station": STATION, "token": {**CARD, "type": ["Local"]}}, '"type" of the token is one of Central, eMAID'),
        ({"station": STATION, "token": {**CARD, "idToken": "x" * 37}}, "at most 36 characters"),
        ({"station": STATION, "token": {**CARD, "idToken": 7}}, "at most 36 characters"),
        ({"station": STATION, "token": {**CARD, "idToken": ""}}, "may be empty only where"),
    ],
)
def test_what_is_no_token_is_told_and_nothing_happens(request_: dict[str, Any], said: str) -> None:
    async def play() -> None:
        async with house() as here:
            here.unit.plug()
            await here.settle()
            answer = await _ask(here, **request_)
            assert isinstance(answer, str)
            assert said in answer
            assert "AABB" not in answer  # what a token says stands in no message
            assert here.station.positions[1].session.transaction_id is None
            assert here.csms.received("Authorize") == []

    run_virtual(play())
