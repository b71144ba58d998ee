"""Sends a station anything at all and tells what came back, what it logged, and whether anything in it has changed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

import structlog

from bridge.sim import csms_schemas
from bridge.sim.csms import ERROR, RESULT
from bridge.store.sqlite import InlineWriter, SqliteStore
from tests.tools.station_house import STATION, HandEvse, Stage, stage

#: What the CSMS says of an answer to a text that it did not send itself.
_NOT_ASKED = "which waits for none"


@dataclass(frozen=True, slots=True)
class Told:
    """What the station has answered: a CALLERROR's code, or a CALLRESULT's payload."""

    code: str | None
    payload: dict[str, Any] | None
    description: str = ""


class CallBench:
    """One booted station that charges a vehicle."""

    def __init__(self, here: Stage, lines: list[Any]) -> None:
        self.here, self._lines = here, lines
        self._numbers = count(1)

    async def send(self, action: Any, payload: Any) -> Told:
        """A CALL."""
        message_id = f"bad-{next(self._numbers)}"
        return await self.send_text(json.dumps([2, message_id, action, payload], ensure_ascii=False), message_id)

    async def send_text(self, text: str, message_id: str) -> Told:
        """Any text; `message_id` is the one that is to be answered."""
        csms = self.here.csms
        since = len(csms.messages)

        def found() -> list[Any] | None:
            return next(
                (m.frame for m in csms.messages[since:] if m.frame[0] in (RESULT, ERROR) and m.frame[1] == message_id),
                None,
            )

        await csms.send_raw(STATION, text)
        frame = await csms.wait_for(found, 60_000)
        if frame[0] == RESULT:
            return Told(None, frame[2])
        assert isinstance(frame[3], str)
        assert len(frame[3]) <= 255
        assert isinstance(frame[4], dict)
        assert frame[2] in csms_schemas.ERROR_CODES
        return Told(frame[2], None, frame[3])

    def fingerprint(self) -> list[object]:
        """All that a CALL can change: the model, the sessions and wishes, what is kept, what was said."""
        station, store = self.here.station, cast(SqliteStore, self.here.store)
        connection = cast(InlineWriter, store._writer)._database._connection
        position = station.positions[1]
        return [
            dict(station.model._told),
            dict(station.model._active),
            position.session.state.to_json(),
            (position.seq_no, position.limit, position.inoperative, position.hands_off, position.stopping),
            list(cast(HandEvse, position.evse).wishes),
            set(station.availability._inoperative),
            station.delivery.waiting,
            connection.total_changes,
            [m.frame[2] for m in self.here.csms.messages if m.direction == "in" and m.frame[0] == 2],
        ]

    def complaints(self) -> list[str]:
        """Exceptions that were logged, and what the CSMS blames the station for, beside answers that it never asked."""
        logged = [str(line) for line in self._lines if line["log_level"] in ("error", "critical") or "exc_info" in line]
        return logged + [fault for fault in self.here.csms.violations if _NOT_ASKED not in fault]

    @property
    def up(self) -> bool:
        """Whether the one connection still stands."""
        return self.here.csms.connected(STATION) and self.here.station.link.connected


@asynccontextmanager
async def call_bench() -> AsyncIterator[CallBench]:
    """A station with a transaction going on, whose log is watched."""
    with structlog.testing.capture_logs() as lines:
        async with stage(SampledDataCtrlr__TxUpdatedInterval=0, AlignedDataCtrlr__Interval=0) as here:
            here.evse.plug()
            await here.start()
            here.evse.flow(3000)
            await here.wait("TransactionEvent", transactionInfo__chargingState="Charging")
            await here.clock.sleep(1_000)
            yield CallBench(here, cast("list[Any]", lines))


def difference(before: list[object], after: list[object]) -> str:
    """What of two fingerprints differs, for a person."""
    return "; ".join(f"{one!r} became {other!r}" for one, other in zip(before, after, strict=True) if one != other)


def freeze(take: Callable[[], list[object]]) -> list[object]:
    """A fingerprint that does not change with what it was taken of."""
    return deepcopy(take())
