"""Targets by the local API and its command."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.gateway.api import ControlApi
from tests.tools.house import STATION, House, run


async def ask(here: House, **request: Any) -> Any:
    answer = await ControlApi(here.gateway).answer(json.dumps({"api": 1, **request}), lambda _: None)
    json.dumps(answer)
    return answer.get("result", answer.get("error"))


def test_a_target_is_set_shown_reached_and_cleared() -> None:
    """AIF 5.2, by the simulated unit's own registers."""

    async def play(here: House) -> None:
        where = {"station": STATION, "evse": 1}
        assert "no transaction" in await ask(here, do="target_set", energy=200, **where)
        await here.start(6000)
        assert await ask(here, do="target_clear", **where) == {"cleared": False}
        told = (await ask(here, do="target_set", energy=200, **where))["target"]
        assert (told["direction"], told["energy"], told["soc"], told["reached"]) == ("charge", 200, None, False)
        begun = here.unit.core.charged_wms
        await here.told("TransactionEvent", triggerReason="EnergyLimitReached", timeout_ms=600_000)
        await here.settle()
        assert 195 <= (here.unit.core.charged_wms - begun) / 3_600_000 <= 260
        assert here.unit.status()["power_w"] == 0
        shown = (await ask(here, do="status"))["stations"][STATION]["evses"][1]["target"]
        assert shown["reached"]
        assert shown["moved"] >= 200
        await ask(here, do="target_set", energy=100, **where)  # a new one begins anew
        await here.settle()
        assert here.unit.status()["power_w"] > 0
        assert await ask(here, do="target_clear", **where) == {"cleared": True}

    run(play)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        ({"station": "nobody", "evse": 1, "soc": 80}, '"station" is one of CS-1'),
        ({"station": STATION, "evse": 2, "soc": 80}, '"evse" is one of [1]'),
        ({"station": STATION, "soc": 80}, '"evse" is one of [1]'),
        ({"station": STATION, "evse": 1}, "a target has"),
        ({"station": STATION, "evse": 1, "soc": "80"}, '"soc" is a number'),
        ({"station": STATION, "evse": 1, "soc": 80, "direction": "up"}, '"direction" is one of'),
    ],
)
def test_what_is_wrong_is_said(request_: dict[str, Any], why: str) -> None:
    async def play(here: House) -> None:
        assert why in await ask(here, do="target_set", **request_)

    run(play)
