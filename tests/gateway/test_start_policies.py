"""The policies of config/start-policies.md are configurations that work: they load, and do what the page says."""

from __future__ import annotations

import ast
import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bridge.gateway.api import ControlApi
from bridge.gateway.checking import check_site
from tests.tools.house import STATION, TOKEN, House, run, site

PAGE = (Path(__file__).parents[2] / "config" / "start-policies.md").read_text()
POLICIES = dict(re.findall(r"^## ([^\n]+)$(?:(?!^## ).)*?```yaml\n(.+?)```", PAGE, re.MULTILINE | re.DOTALL))
REMOTE, PLUG, LOCAL = "Remote only", "Plug and charge with a site token", next(reversed(POLICIES))
REST = """\
config: 1
state_dir: state
networks: {home: {bind: 127.0.0.1}}
units: {v2h: {address: 127.0.0.2}}
"""
HOME = {"idToken": "HOME-0001", "type": "Local"}


def test_there_are_three() -> None:
    assert list(POLICIES) == [REMOTE, PLUG, "An app or a card at the house, through the local API"]


@pytest.mark.parametrize(("title", "stations"), POLICIES.items())
def test_a_policy_passes_check(tmp_path: Path, title: str, stations: str) -> None:
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "csms-password"
    secret.write_text("a password of 16+")
    secret.chmod(0o600)
    file = tmp_path / "site.yaml"
    file.write_text(REST + stations)
    lines = check_site(file)
    assert any("HOME-0001" in line for line in lines), json.dumps(list(lines))


def policy(title: str) -> dict[str, Any]:
    """A house whose station has the policy's variables and EVSE."""
    station = YAML(typ="safe").load(StringIO(POLICIES[title]))["stations"][0]
    evse = {name: value for name, value in station["evses"][0].items() if name not in ("id", "unit")}
    return {"config": site(variables=station["variables"], evse=evse)}


def authorized(here: House) -> list[Any]:
    """The tokens that the CSMS was asked for."""
    return [call["idToken"] for call in here.csms.received("Authorize")]


def test_remote_only() -> None:
    async def play(here: House) -> None:
        here.unit.plug()
        started = await here.told("TransactionEvent", eventType="Started", triggerReason="CablePluggedIn")
        assert "idToken" not in started
        await here.settle()
        assert here.unit.power_w == 0
        transaction = await here.start()
        assert transaction == started["transactionInfo"]["transactionId"]
        await here.unit.until(lambda unit: unit.power_w > 0)
        await here.call("RequestStopTransaction", transactionId=transaction)
        await here.told("TransactionEvent", eventType="Ended", transactionInfo__stoppedReason="Remote")
        assert here.unit.power_w == 0
        assert authorized(here) == []
        here.unit.unplug()
        await here.settle()
        since = here.now
        await here.call("RequestStartTransaction", evseId=1, remoteStartId=8, idToken=TOKEN)
        await here.told("TransactionEvent", since, eventType="Started", triggerReason="RemoteStart")
        here.unit.plug()
        await here.unit.until(lambda unit: unit.power_w > 0)
        here.unit.unplug()
        await here.told("TransactionEvent", since, eventType="Ended", transactionInfo__stoppedReason="EVDisconnected")

    run(play, **policy(REMOTE))


def test_plug_and_charge() -> None:
    async def play(here: House) -> None:
        for _ in ("asked", "known"):
            since = here.now
            here.unit.plug()
            started = await here.told("TransactionEvent", since, eventType="Started")
            assert started["idToken"] == HOME
            await here.unit.until(lambda unit: unit.power_w > 0)
            here.unit.unplug()
            await here.told("TransactionEvent", since, eventType="Ended")
            await here.settle()
        assert authorized(here) == [HOME]
        since = here.now
        here.unit.plug()
        started = await here.told("TransactionEvent", since, transactionInfo__chargingState="Charging")
        transaction = started["transactionInfo"]["transactionId"]
        await here.call("RequestStopTransaction", transactionId=transaction)
        await here.told("TransactionEvent", since, eventType="Updated", triggerReason="RemoteStop")
        await here.unit.until(lambda unit: unit.power_w == 0)
        again = await here.call("RequestStartTransaction", evseId=1, remoteStartId=8, idToken=TOKEN)
        assert again["transactionId"] == transaction
        await here.unit.until(lambda unit: unit.power_w > 0)

    run(play, **policy(PLUG))


def test_plug_and_charge_with_a_token_that_is_refused() -> None:
    async def play(here: House) -> None:
        here.csms.habits.tokens[HOME["idToken"]] = "Blocked"
        here.unit.plug()
        await here.told("Authorize")
        await here.settle()
        assert here.csms.events() == []
        assert here.unit.power_w == 0

    run(play, **policy(PLUG))


def test_a_card_at_the_local_api() -> None:
    """With the very request that the page shows."""
    found = re.search(r"request = (\{.+?\n\})", PAGE, re.DOTALL)
    assert found is not None
    request = ast.literal_eval(found[1]) | {"station": STATION}
    card = request["token"]

    async def present(here: House) -> str:
        answer = await ControlApi(here.gateway).answer(json.dumps(request), lambda _: None)
        return str(answer["result"]["outcome"])

    async def play(here: House) -> None:
        here.unit.plug()
        await here.settle()
        assert here.csms.events() == []
        for _ in ("asked", "known"):
            since = here.now
            assert await present(here) == "accepted"
            started = await here.told("TransactionEvent", since, eventType="Started")
            assert started["idToken"] == card
            await here.unit.until(lambda unit: unit.power_w > 0)
            assert await present(here) == "stopped"
            await here.told("TransactionEvent", since, eventType="Ended", transactionInfo__stoppedReason="Local")
        assert authorized(here) == [card]
        here.unit.unplug()
        await here.settle()
        since = here.now
        assert await present(here) == "accepted"
        here.unit.plug()
        await here.told("TransactionEvent", since, eventType="Started", triggerReason="CablePluggedIn")
        await here.unit.until(lambda unit: unit.power_w > 0)

    run(play, **policy(LOCAL))
