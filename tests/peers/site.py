"""The gateway as a process, between a device and a CSMS that we did not write, and what a test asks of the three."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.peers.programs import Program, address

STATION = "PEER-1"
PASSWORD = "a password of enough letters"
TOKEN = {"idToken": "AA", "type": "Central"}


@dataclass(frozen=True)
class Place:
    """Where the gateway listens, and what the configuration says of the unit (nothing: it has to be found) and, beside
    its address, of the CSMS."""

    network: dict[str, Any] = field(default_factory=lambda: {"bind": address(1)})
    unit: dict[str, Any] = field(default_factory=lambda: {"address": address(2)})
    csms: dict[str, Any] = field(default_factory=dict)
    discharge: tuple[str, ...] = ("negative-limit",)


def site_config(folder: Path, port: int, place: Place) -> Path:
    """The configuration of a site with one unit."""
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    config = {
        "config": 1,
        "state_dir": str(folder / "state"),
        "networks": {"home": place.network},
        "units": {"car": place.unit},
        "stations": [
            {
                "id": STATION,
                "csms": {
                    "url": f"ws://127.0.0.1:{port}/ocpp",
                    "security_profile": 1,
                    "password_file": str(folder / "password"),
                    **place.csms,
                },
                "evses": [{"id": 1, "unit": "car", "discharge": list(place.discharge)}],
                "variables": {"SampledDataCtrlr.TxUpdatedInterval": 1},
            }
        ],
    }
    path = folder / "site.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML too
    return path


class Site:
    """The three programs, and what a test asks of them."""

    def __init__(self, gateway: Program, device: Program, csms: Program) -> None:
        self.gateway, self.device, self.csms = gateway, device, csms

    async def call(self, method, params):
        """A call of the CSMS, answered."""
        line = await self.csms.call(method, params, identity=STATION)
        assert "error" not in line, line
        return line["result"]

    async def told(self, method, match=lambda params: True, since=0):
        """What the gateway has told the CSMS."""
        line = await self.csms.wait(
            lambda line: line["event"] == "call" and line["method"] == method and match(line["params"]), since
        )
        return line["params"]

    async def status(self, status, since=0):
        """A StatusNotification."""
        await self.told("StatusNotification", lambda params: params["connectorStatus"] == status, since)

    async def transaction(self, kind, match=lambda params: True):
        """A TransactionEvent."""
        return await self.told("TransactionEvent", lambda params: params["eventType"] == kind and match(params))

    async def start(self, **more):
        """Plug in and start remotely; gives back the transaction's id."""
        await self.device.command("plug 50")
        await self.status("Occupied")
        request = {"evseId": 1, "remoteStartId": 7, "idToken": TOKEN, **more}
        assert (await self.call("RequestStartTransaction", request))["status"] == "Accepted"
        started = await self.transaction("Started")
        return started["transactionInfo"]["transactionId"]

    async def mode(self, edt):
        """The device has taken a mode."""
        await self.device.event("changed", epc="da", edt=edt)

    def complaints(self):
        """What the strict CSMS did not like."""
        return [line for line in self.csms.lines if line["event"] in ("strict", "bad", "refused")]


@asynccontextmanager
async def running(
    folder: Path, device: Program, place: Place, first: str = "Available", protocol: str = "ocpp2.0.1"
) -> AsyncIterator[Site]:
    """Gateway and a CSMS of one protocol, as soon as the CSMS has been told how the connector is."""
    csms = await Program.node("csms.js", "127.0.0.1", PASSWORD, protocol)
    port = (await csms.event("listening"))["port"]
    gateway = await Program.python("bridge.cli.main", "run", "--config", str(site_config(folder, port, place)))
    here = Site(gateway, device, csms)
    try:
        await gateway.event("store opened")
        await csms.event("connected", identity=STATION, protocol=protocol)
        await here.status(first)
        yield here
    except AssertionError as error:
        raise AssertionError(f"{error}; the gateway: {gateway.lines[-5:]} {gateway.other[-5:]}") from None
    finally:
        await gateway.stop()
        await csms.stop()


def profile(limit, transaction_id, number=1):
    """A TxProfile with one limit (W)."""
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    return {
        "id": number,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "transactionId": transaction_id,
        "chargingSchedule": [schedule],
    }
