"""A day in a house on the virtual clock, both classes: what is planned is what flows, and all of it is told.

Night charging by a recurring profile, discharge into the morning peak (0x027E), a contract that a smart meter watches,
a car that leaves and returns, a CSMS that is away for three hours. It is the day of the README's picture.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.demo_house import GATEWAY_ADDRESS
from bridge.cli.profile_day import day_house, live
from bridge.cli.profile_plot import draw_day
from bridge.clock import run_virtual
from bridge.sim.battery import WMS_PER_WH
from bridge.sim.checker import AifChecker
from bridge.sim.csms import DemoCsms
from bridge.sim.day import BEGINS, CAPACITY_WH, CONTRACT_W, HOUR, LOAD, Day, Sample
from bridge.sim.lan import SimLan
from tests.tools.tables import shipped

ROOT = Path(__file__).parents[2]
#: From a change of what is allowed, or of the house's load, to the power that follows it: the meter is read every 25 s
#: in this house, then come a write, its reading back and the unit's ramp.
FOLLOWS = 55_000
#: W: settings are whole watts, and power is measured in them.
NEARLY = 5
IMPORT, EXPORT = "Energy.Active.Import.Register", "Energy.Active.Export.Register"
AWAY, BACK = 2.5 * HOUR, 5.5 * HOUR


class Lived:
    """A day, and what the CSMS and the network have seen of it."""

    def __init__(self, day: Day, csms: DemoCsms, checker: AifChecker, flowed: tuple[float, float]) -> None:
        self.day, self.csms, self.checker = day, csms, checker
        self.charged_wh, self.discharged_wh = flowed
        self.transactions: dict[str, list[dict[str, Any]]] = {}
        for event in csms.events():
            self.transactions.setdefault(event["transactionInfo"]["transactionId"], []).append(event)

    def at(self, hour: float) -> Sample:
        return next(sample for sample in self.day.samples if sample.t >= hour * HOUR)


def lived(unit_class: int) -> Lived:
    checkers: list[AifChecker] = []

    def taps(lan: SimLan) -> Sequence[Callable[..., None]]:
        checkers.append(AifChecker(GATEWAY_ADDRESS, node_at=lan.node_at))
        return checkers

    async def play() -> Lived:
        async with day_house(unit_class, taps, shipped()) as house:
            await live(house)
            core = house.unit.core
            flowed = core.charged_wms / WMS_PER_WH, core.discharged_wms / WMS_PER_WH
            return Lived(house.day, house.csms, checkers[0], flowed)

    return run_virtual(play())


@pytest.mark.parametrize("unit_class", [0x027E, 0x02A1])
def test_a_day_in_a_house(unit_class: int, tmp_path: Path) -> None:
    here = lived(unit_class)
    nobody_complains(here)
    the_plan_is_what_flows(here, discharges=unit_class == 0x027E)
    limits_are_kept(here)
    the_contract_is_kept(here)
    nothing_is_discharged_below_the_floor(here, discharges=unit_class == 0x027E)
    the_car_leaves_and_returns(here)
    energy_adds_up(here)
    events_come_in_order_and_say_when_they_were_offline(here)
    if unit_class == 0x027E:  # the picture in the README
        the_day_can_be_drawn(here, tmp_path)


def nobody_complains(here: Lived) -> None:
    here.checker.assert_clean()
    assert here.csms.violations == []
    assert not any(here.csms.gaps().values())


def the_plan_is_what_flows(here: Lived, *, discharges: bool) -> None:
    """Each part of the day as the picture shows it."""
    assert here.at(0.5).real == 0, "before the night tariff"
    assert here.at(1.5).real == pytest.approx(4500, abs=NEARLY)
    assert here.at(3).real == pytest.approx(CONTRACT_W - 300 - 2900, abs=NEARLY), "beside the water heater, no CSMS"
    assert here.at(4.5).real == pytest.approx(4500, abs=NEARLY)
    assert here.at(5.02).real == 0, "an edge while the CSMS is away"
    assert here.at(7.5).real == (pytest.approx(-2300, abs=NEARLY) if discharges else 0), "what the house takes, -100 W"
    assert here.at(8).real == (pytest.approx(-1500, abs=NEARLY) if discharges else 0)
    assert here.at(18.25).real == pytest.approx(3000, abs=NEARLY)
    assert here.at(19).real == pytest.approx(CONTRACT_W - 300 - 4600, abs=NEARLY)
    assert here.at(19.5).real == 0, "100 W are left, less than the unit can"
    assert here.at(19.9).real == pytest.approx(3000, abs=NEARLY)
    assert here.at(20.1).real == 0


def limits_are_kept(here: Lived) -> None:
    """No more than the lowest limit in force, for longer than it takes to follow a new one."""
    recent: deque[Sample] = deque()
    for sample in here.day.samples:
        recent.append(sample)
        while sample.t - recent[0].t > FOLLOWS:
            recent.popleft()
        allowed = [0, *(each.limit or 0 for each in recent)]
        assert min(allowed) - NEARLY <= sample.real <= max(allowed) + NEARLY, sample


def the_contract_is_kept(here: Lived) -> None:
    """Neither more than it is drawn nor anything fed in, but for the time that a new load takes to be seen."""
    changes = [hour * HOUR for hour, _ in LOAD]
    for sample in here.day.samples:
        if not any(0 <= sample.t - at <= FOLLOWS for at in changes):
            assert -NEARLY <= sample.grid <= CONTRACT_W, sample


def nothing_is_discharged_below_the_floor(here: Lived, *, discharges: bool) -> None:
    out = [sample for sample in here.day.samples if sample.real < 0]
    assert bool(out) is discharges
    assert all(sample.soc > here.day.floor for sample in out)
    if discharges:
        still = here.at(8.4)  # the plan says discharge, the car is there, and the floor has ended it
        assert (still.plugged, still.limit, still.real) == (True, -2500, 0)
        assert here.day.floor < still.soc < here.day.floor + 1


def the_car_leaves_and_returns(here: Lived) -> None:
    first, second = here.transactions.values()
    ended = first[-1]
    assert ended["eventType"] == "Ended"
    assert ended["triggerReason"] == "EVCommunicationLost"
    assert ended["transactionInfo"]["stoppedReason"] == "EVDisconnected"
    assert second[0]["eventType"] == "Started"
    assert second[-1]["eventType"] == "Updated", "it goes on at midnight"
    assert not any(sample.real for sample in here.day.samples if not sample.plugged)


def energy_adds_up(here: Lived) -> None:
    """What was told is what has flowed, what has flowed is the sum of the power, and what is in the car."""
    told = {name: [last_register(events, name) for events in here.transactions.values()] for name in (IMPORT, EXPORT)}
    first = [sample for sample in here.day.samples if sample.t < 12 * HOUR]
    assert told[IMPORT][0] == pytest.approx(flowed(first, lambda watts: max(watts, 0)), rel=0.01)
    assert told[IMPORT][1] == pytest.approx(here.charged_wh, abs=1)
    power = flowed(here.day.samples, lambda watts: watts)
    assert power == pytest.approx(here.charged_wh - here.discharged_wh, rel=0.01)
    if here.discharged_wh:
        assert told[EXPORT][0] == pytest.approx(here.discharged_wh, abs=1)
        assert here.discharged_wh == pytest.approx(-flowed(first, lambda watts: min(watts, 0)), rel=0.02)
    for begin, end in ((0.2, 8.6), (17.9, 23.9)):
        stretch = [sample for sample in here.day.samples if begin * HOUR <= sample.t < end * HOUR]
        gained = (here.at(end).soc - here.at(begin).soc) / 100 * CAPACITY_WH
        assert gained == pytest.approx(flowed(stretch, lambda watts: watts), rel=0.01)


def events_come_in_order_and_say_when_they_were_offline(here: Lived) -> None:
    offline = []
    for events in here.transactions.values():
        assert [event["seqNo"] for event in events] == list(range(len(events)))
        times = [moment(event) for event in events]
        assert times == sorted(times)
        for event, at in zip(events, times, strict=True):
            away = AWAY < at < BACK
            assert event.get("offline", False) is away or abs(at - AWAY) < 5_000 or abs(at - BACK) < 60_000, event
            offline += [event] if away else []
    states = [event["transactionInfo"].get("chargingState") for event in offline]
    assert "SuspendedEVSE" in states, "the end of the night tariff"
    assert len(offline) >= 30, "meter values every five minutes"


def the_day_can_be_drawn(here: Lived, folder: Path) -> None:
    pytest.importorskip("matplotlib")
    out = folder / "day.svg"
    draw_day(here.day, out)
    text = out.read_text()
    for words in ("limit granted", "power measured", "schedule of the CSMS", "contract, 60 A", "car returns"):
        assert words in text
    assert "docs/day.svg" in (ROOT / "README.md").read_text()
    assert (ROOT / "docs" / "day.svg").is_file()


def moment(event: dict[str, Any]) -> float:
    """Ms since midnight."""
    return (datetime.fromisoformat(event["timestamp"]) - BEGINS) / timedelta(milliseconds=1)


def last_register(events: Sequence[dict[str, Any]], name: str) -> float:
    values = [
        float(sampled["value"])
        for event in events
        for value in event.get("meterValue", ())
        for sampled in value["sampledValue"]
        if sampled.get("measurand") == name
    ]
    return values[-1] if values else 0


def flowed(samples: Sequence[Sample], of: Callable[[float], float]) -> float:
    """The power of 10 s, summed up, in Wh."""
    return sum(of(sample.real) for sample in samples) * 10 / 3600
