"""The judge of the day (`day_judge.js`): it complains of what is wrong, and of nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from typing import Any, Final

import pytest

from tests.peers.programs import HERE, Line

pytestmark = pytest.mark.peers


def event(number: int, kind: str = "Updated", minute: int | None = None, **more: Any) -> Line:
    """A TransactionEvent of one transaction."""
    info = {"transactionId": "T", **({"stoppedReason": "Local"} if kind == "Ended" else {})}
    timestamp = f"2026-01-05T03:{17 + (number if minute is None else minute)}:00Z"
    return {"seqNo": number, "eventType": kind, "timestamp": timestamp, "transactionInfo": info, **more}


def wh(value: int, minute: int, **more: Any) -> Line:
    """A reading of the import register."""
    sample = {"value": value, "measurand": "Energy.Active.Import.Register", **more}
    return {"timestamp": f"2026-01-05T03:{17 + minute}:00Z", "sampledValue": [sample]}


WHOLE: Final = (event(0, "Started"), event(1), event(2, "Ended"))


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        (WHOLE, None),
        ((WHOLE[0], WHOLE[1], WHOLE[1], WHOLE[2]), None),  # it had no answer
        ((WHOLE[0], WHOLE[2]), "1 was due"),
        ((WHOLE[1], WHOLE[2]), "0 was due"),
        (WHOLE[:2], "has not ended once"),
        ((*WHOLE, event(3, "Ended")), "the transaction had ended"),
        ((WHOLE[0], event(1, "Started"), WHOLE[2]), "Started as number 1"),
        ((WHOLE[0], event(1, minute=3), event(2, "Ended")), "time went back"),
        ((WHOLE[0], event(1, minute=40), event(2, "Ended", minute=41)), "is not of this day"),
        ((event(0, "Started", minute=-1), *WHOLE[1:]), "is not of this day"),
        ((WHOLE[0], WHOLE[1], event(1, triggerReason="Trigger"), WHOLE[2]), "came again with other content"),
        (
            (event(0, "Started", evse={"id": 1}, meterValue=[wh(5, 0)]), event(1, meterValue=[wh(4, 1)]), WHOLE[2]),
            "fell",
        ),
        ((WHOLE[0], event(1, meterValue=[wh(4, 2)]), WHOLE[2]), "a meter value of"),
        (
            (event(0, "Started", evse={"id": 1}, meterValue=[wh(5, 0, context="Sample.Clock")]), *WHOLE[1:]),
            "an aligned",
        ),
    ],
)
def test_the_judge_sees(events: Sequence[Line], complaint: str | None) -> None:
    """The judge of the day complains of what is wrong, and of nothing else."""
    script = """
        const { Judge } = require('./day_judge');
        const begin = Date.parse('2026-01-05T03:17:00Z');
        let at = begin;
        const judge = new Judge(() => at);
        judge.station('S').accepted = true;
        at = begin + 30 * 60000;
        JSON.parse(process.argv[1]).forEach((event) => judge.call('S', 'TransactionEvent', event));
        console.log(JSON.stringify(judge.report().complaints));
    """
    done = subprocess.run(
        ["node", "-e", script, json.dumps(events)], cwd=HERE, check=True, capture_output=True, timeout=60
    )
    complaints = json.loads(done.stdout)
    assert bool(complaints) is (complaint is not None), complaints
    assert complaint is None or complaint in complaints[0], complaints
