"""A CSMS and the gateway beside it: python session.py FOLDER ADDRESS INTERFACE CLASS

The unit has no address in the configuration: it has to be found. Lines on the standard input name what is to happen
(`occupied`, `charge`, `stop`, `available`, `end`); each is answered by a line of JSON as soon as it has.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.bench.csms import BenchCsms
from tests.bench.programs import gateway


def site(folder: Path, url: str, address: str, interface: str, unit_class: str) -> Path:
    """The configuration of a site with one unit, wherever it is."""
    config = {
        "config": 1,
        "state_dir": str(folder / "state"),
        "networks": {"home": {"bind": address, "interface": interface}},
        "units": {"garage": {"class": unit_class}},
        "stations": [{"id": "NETNS", "csms": {"url": url}, "evses": [{"id": 1, "unit": "garage"}]}],
    }
    path = folder / "site.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML too
    return path


class Session:
    """What may be asked of it."""

    def __init__(self, csms: BenchCsms) -> None:
        self._csms = csms
        self._transaction = ""

    async def available(self) -> None:
        """The CSMS has been told that the connector is free."""
        await self._status("Available")

    async def occupied(self) -> None:
        """The CSMS has been told that a vehicle is there."""
        await self._status("Occupied")

    async def _status(self, status: str) -> None:
        """The last status that was told."""
        while [p["connectorStatus"] for a, p, _ in self._csms.calls if a == "StatusNotification"][-1:] != [status]:
            await self._csms.wait("StatusNotification", len(self._csms.calls))

    async def charge(self) -> None:
        """Start remotely; until energy flows."""
        token = {"idToken": "NETNS", "type": "Central"}
        request = {"evseId": 1, "remoteStartId": 1, "idToken": token}
        _, answer = await self._csms.call("RequestStartTransaction", request)
        assert answer["status"] == "Accepted", answer
        event, _ = await self._csms.wait("TransactionEvent", eventType="Started")
        self._transaction = event["transactionInfo"]["transactionId"]
        while not any(
            payload["transactionInfo"].get("chargingState") == "Charging"
            for action, payload, _ in self._csms.calls
            if action == "TransactionEvent"
        ):
            await self._csms.wait("TransactionEvent", len(self._csms.calls))

    async def stop(self) -> None:
        """Stop remotely; until the transaction has ended."""
        _, answer = await self._csms.call("RequestStopTransaction", {"transactionId": self._transaction})
        assert answer["status"] == "Accepted", answer
        await self._csms.wait("TransactionEvent", eventType="Ended")


async def main(folder: str, *place: str) -> None:
    """Serve until `end`."""
    csms = BenchCsms()
    session = Session(csms)
    config = site(Path(folder), await csms.serve(), *place)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with gateway(config):
        while (step := (await reader.readline()).decode().strip()) and step != "end":
            told: dict[str, Any] = {"event": step}
            try:
                async with asyncio.timeout(60):
                    await getattr(session, step)()
            except (AssertionError, TimeoutError) as error:
                told |= {"error": repr(error), "calls": [[action, payload] for action, payload, _ in csms.calls[-5:]]}
            print(json.dumps(told), flush=True)
    await csms.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
