"""A history of a house, by its seed: profiles, limits, starts and stops, vehicles that come and go, datagrams lost,
cables pulled, a CSMS that is away, power cuts of the gateway; and a watch over the unit through all of it.

A long run of many seeds:

    PYTHONPATH=. python -m tests.tools.safety_history --histories 500 --first 1000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final

from bridge.clock import run_virtual
from bridge.gateway.api import ControlApi
from bridge.sim.csms import NotConnectedError, StationCallError, StationTimeoutError
from bridge.sim.lan import LanFaults
from bridge.sim.unit import SimUnitConfig
from bridge.sim.unit_config import VehicleConfig
from bridge.station.messages import (
    ChargingProfile,
    ChargingProfileKind,
    ChargingProfilePurpose,
    ChargingRateUnit,
    ChargingSchedule,
    ChargingSchedulePeriod,
)
from tests.tools.composite_oracle import DEFAULT, EXTERNAL, MAX, TX, Bay, Held, Wires
from tests.tools.fault_house import FaultHouse, fault_house
from tests.tools.fault_store import Faults, seeded
from tests.tools.house import GATEWAY, MINUTE, STATION, TOKEN, UNITS
from tests.tools.safety_watch import RUNNING, Promises, SafetyWatch

FLOOR: Final = 40
_METHODS: Final = frozenset({0xDA, 0xDC, 0xDD})
_CURRENTS: Final = _METHODS | {0xED, 0xEE}


def _kind(unit_class: int, equipment: int, settable: frozenset[int] | None = None, **more: Any) -> SimUnitConfig:
    options: dict[str, Any] = {"unit_class": unit_class, "equipment_type": equipment, "capacity_wh": 4_000, **more}
    if settable is not None:
        options["settable"] = settable
    vehicle = VehicleConfig(capacity_wh=4_000, discharge_floor_percent=10)
    return SimUnitConfig(vehicle=vehicle, **options)


#: Units by what can be set: power, amperes toward the battery or the grid, nothing.
KINDS: Final = {
    "power": _kind(0x027E, 0x32),
    "dc-amperes": _kind(0x027E, 0x32, _CURRENTS, battery_voltage_v=330),
    "ac-amperes": _kind(0x027E, 0x13, _CURRENTS),
    "on-off": _kind(0x027E, 0x32, frozenset({0xDA})),
    "charger": _kind(0x02A1, 0x31),
}
#: Where profiles lie: their ids, and what a new one replaces.
_SLOTS: Final = {"tx0": (1, TX, 0, 1), "tx1": (2, TX, 1, 1), "default0": (3, DEFAULT, 0, 0), "max0": (4, MAX, 0, 0)}
_LOST = (NotConnectedError, StationCallError, StationTimeoutError)


@dataclass
class History:
    """One history in a house."""

    house: FaultHouse
    watch: SafetyWatch
    random: Random
    told: list[str] = field(default_factory=list)

    @property
    def promises(self) -> Promises:
        return self.watch.promises

    def _note(self, what: str) -> None:
        self.told.append(f"{self.house.clock.monotonic() / 1000:.1f} s: {what}")

    async def live(self, steps: int) -> None:
        """A start, some steps by chance, and time to come to rest."""
        await self.house.until(self.house.ready, "the first status")
        self.house.unit.plug()
        await self.start()
        await self._wait(10_000)
        doings = [doing for doing, weight in self._doings() for _ in range(weight)]
        for _ in range(steps):
            await self.random.choice(doings)()
            await self._wait(self.random.choice((200, 2_000, 9_000, 30_000, 2 * MINUTE)))
        self.house.lan.faults = LanFaults()
        await self._wait(3 * MINUTE)

    def _doings(self) -> tuple[tuple[Callable[[], Awaitable[None]], int], ...]:
        return (
            (self.profile, 8),
            (self.clear, 1),
            (self.external, 2),
            (self.start, 3),
            (self.stop, 2),
            (self.vehicle, 1),
            (self.loss, 2),
            (self.cable, 1),
            (self.csms_away, 1),
            (self.power_cut, 2),
        )

    async def _wait(self, milliseconds: int) -> None:
        await self.house.clock.sleep(milliseconds)

    # -- the CSMS

    async def _ask(self, action: str, **payload: Any) -> dict[str, Any] | None:
        """The answer, or None: nobody knows what became of it."""
        try:
            answer = await self.house.call(action, **payload)
        except _LOST as error:
            self._note(f"{action}: {error!r}")
            return None
        self._note(f"{action} {json.dumps(payload)} -> {answer.get('status')}")
        return answer

    async def profile(self) -> None:
        """A profile into one of the slots."""
        slot = self.random.choice(tuple(_SLOTS))
        transaction = self.house.open_transaction()
        if slot.startswith("tx") and transaction is None:
            return
        await self._promise(slot, self._made(slot, transaction))

    async def _promise(self, slot: str, made: tuple[dict[str, Any], Held]) -> None:
        wire, held = made
        before = self.promises.held(slot)
        self.promises.maybe(slot, held)
        answer = await self._ask("SetChargingProfile", evseId=_SLOTS[slot][3], chargingProfile=wire)
        if answer is not None and answer["status"] == "Accepted":
            self.promises.settled(slot, held)
        elif answer is not None:
            self.promises.undo(slot, before)

    def _made(self, slot: str, transaction: str | None) -> tuple[dict[str, Any], Held]:
        """A profile for the wire, and the same for the oracle."""
        random, (number, purpose, level, evse) = self.random, _SLOTS[slot]
        unit = random.choice(("W", "W", "A"))
        choices = (0, 700, 1500, 3000, 6000) if purpose is MAX else (-6000, -3000, -1500, 0, 700, 1500, 3000, 6000)
        starts = sorted({0, *(random.randint(1, 200) for _ in range(random.choice((0, 0, 1, 3))))})
        limits = [random.choice(choices) / (200 if unit == "A" else 1) for _ in starts]
        begin = self.house.clock.wall() + timedelta(seconds=random.randint(-100, 20))
        begin = begin.replace(microsecond=0)
        duration = random.choice((None, None, random.randint(10, 300)))
        schedule: dict[str, Any] = {
            "id": 1,
            "chargingRateUnit": unit,
            "startSchedule": begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "chargingSchedulePeriod": [
                {"startPeriod": at, "limit": limit, "numberPhases": 1} for at, limit in zip(starts, limits, strict=True)
            ],
        }
        if duration is not None:
            schedule["duration"] = duration
        wire: dict[str, Any] = {
            "id": number,
            "stackLevel": level,
            "chargingProfilePurpose": purpose.value,
            "chargingProfileKind": "Absolute",
            "chargingSchedule": [schedule],
        }
        if purpose is TX:
            wire["transactionId"] = transaction
        periods = tuple(ChargingSchedulePeriod(at, limit, 1) for at, limit in zip(starts, limits, strict=True))
        held = ChargingProfile(
            number,
            level,
            purpose,
            ChargingProfileKind.ABSOLUTE,
            (ChargingSchedule(1, ChargingRateUnit(unit), periods, begin, duration),),
            transaction_id=RUNNING if purpose is TX else None,
        )
        return wire, Held(evse, held)

    async def clear(self) -> None:
        """Clear one of the slots."""
        slot = self.random.choice(tuple(_SLOTS))
        self.promises.maybe(slot, None)
        if await self._ask("ClearChargingProfile", chargingProfileId=_SLOTS[slot][0]) is not None:
            self.promises.settled(slot, None)

    async def start(self) -> None:
        """A remote start, if the CSMS knows of no transaction."""
        if self.house.open_transaction() is not None:
            return
        before = self.promises.held(RUNNING)
        self.promises.maybe(RUNNING, True)
        answer = await self._ask("RequestStartTransaction", evseId=1, remoteStartId=7, idToken=TOKEN)
        if answer is not None and answer["status"] == "Accepted":
            self.promises.settled(RUNNING, True)
            self._no_profiles_of_it()
        elif answer is not None:
            self.promises.undo(RUNNING, before)

    async def stop(self) -> None:
        """A remote stop of what the CSMS knows to run."""
        transaction = self.house.open_transaction()
        if transaction is None:
            return
        asked = self.house.clock.monotonic()
        answer = await self._ask("RequestStopTransaction", transactionId=transaction)
        if answer is None:
            self.promises.maybe(RUNNING, False)
        elif answer["status"] == "Accepted":
            self.watch.stop_was_taken(asked)
            self.promises.settled(RUNNING, False)
            self._no_profiles_of_it()

    def _no_profiles_of_it(self) -> None:
        """Profiles of a transaction end with it (K02.FR.07)."""
        for slot in ("tx0", "tx1"):
            self.promises.settled(slot, None)

    async def csms_away(self) -> None:
        """Nobody answers for a while."""
        self._note("the CSMS is away")
        await self.house.csms.go_dark()
        await self._wait(self.random.choice((5_000, 60_000, 5 * MINUTE)))
        self.house.csms.come_back()
        self._note("the CSMS is back")

    # -- the house

    async def external(self) -> None:
        """The local API limits, or lifts its limit."""
        gateway = self.house.gateway
        if gateway is None:
            return
        watts = self.random.choice((None, 0, 800, 2000, 4000))
        held = None if watts is None else Held(1, _constraint(watts))
        do = {"do": "limit_clear"} if watts is None else {"do": "limit_set", "watts": watts}
        self.promises.maybe("external", held)
        request = json.dumps({"api": 1, "station": STATION, "evse": 1, **do})
        answering = asyncio.ensure_future(ControlApi(gateway).answer(request, lambda _: None))
        await asyncio.wait({answering}, timeout=10)
        self._note(f"limit {watts}")
        if answering.done() and not answering.exception() and "result" in answering.result():
            self.promises.settled("external", held)
        answering.cancel()

    async def vehicle(self) -> None:
        """The vehicle leaves, or comes."""
        if not self.house.unit.plugged:
            self.house.unit.plug(self.random.choice((None, 42, 60, 80)))
            return
        self.house.unit.unplug()
        self._note("unplugged")
        self.promises.maybe(RUNNING, False)
        for slot in ("tx0", "tx1"):
            self.promises.maybe(slot, None)

    async def loss(self) -> None:
        """Datagrams are lost from now on, or no more."""
        loss = self.random.choice((0.0, 0.0, 0.05, 0.15))
        self._note(f"loss {loss}")
        self.house.lan.faults = LanFaults(loss=loss, duplicate=loss / 4, reorder=loss / 4)

    async def cable(self) -> None:
        """The unit's cable is pulled for a while."""
        self._note("the cable is out")
        self.house.lan.cut(UNITS[0])
        await self._wait(self.random.choice((3_000, 40_000, 3 * MINUTE)))
        self.house.lan.mend(UNITS[0])
        self._note("the cable is in")

    async def power_cut(self) -> None:
        """The gateway dies, and comes back."""
        if self.house.gateway is None:
            return
        self._note("the power is cut")
        self.house.off_for = self.random.choice((1_000, 20_000, 3 * MINUTE))
        self.house.faults.cut()


def _constraint(watts: float) -> ChargingProfile:
    """What the local API's limit is to the oracle."""
    period = ChargingSchedulePeriod(0, watts, 1)
    schedule = ChargingSchedule(1, ChargingRateUnit.W, (period,))
    return ChargingProfile(-1, 0, ChargingProfilePurpose(EXTERNAL), ChargingProfileKind.RELATIVE, (schedule,))


async def _play(kind: str, seed: int, steps: int, folder: Path) -> History:
    sim = KINDS[kind]
    parts = {"unit": {"class": f"0x{sim.unit_class:04X}", "soc_floor": FLOOR}}
    if sim.unit_class != 0x027E:
        parts["unit"].pop("soc_floor")
    async with fault_house(folder, Faults(), seed=seed, sim=sim, parts=parts, off_for=1_000) as house:
        lan = house.lan
        watch = SafetyWatch(
            clock=house.clock,
            unit=house.unit,
            promises=Promises(),
            bay=Bay(Wires(200, 1, direct=not sim.traits.ac)),
            floor=FLOOR,
            gateway=GATEWAY,
            alive=lambda: house.lives if house.gateway is not None else None,
            reachable=lambda: not lan.is_cut(UNITS[0]),
            losing=lambda: lan.faults.loss > 0,
        )
        house.lan.tap(watch)
        looking = asyncio.ensure_future(watch.look_on())
        history = History(house, watch, seeded(f"{kind}/{seed}"))
        try:
            await history.live(steps)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        return history


def lived(kind: str, seed: int, steps: int = 24) -> History:
    """The history of a kind of unit, by its seed."""
    with tempfile.TemporaryDirectory() as folder:
        return run_virtual(_play(kind, seed, steps, Path(folder)))


def main(arguments: list[str]) -> int:
    """Live many histories, kind after kind, and print what was wrong."""
    parser = argparse.ArgumentParser(description="Live generated histories under the watch of safety.")
    parser.add_argument("--histories", type=int, default=50, help="of each kind")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--tell", action="store_true", help="print the whole history of one that went wrong")
    options = parser.parse_args(arguments)
    bad = 0
    begun = time.perf_counter()
    for kind in [options.kind] if options.kind else KINDS:
        orders: set[str] = set()
        stops: list[int] = []
        for seed in range(options.first, options.first + options.histories):
            history = lived(kind, seed)
            orders |= history.watch.orders
            if history.watch.slowest_stop is not None:
                stops.append(history.watch.slowest_stop)
            if history.watch.wrong:
                bad += 1
                print(f"{kind}, seed {seed}: {history.watch.wrong[:3]}", flush=True)
                if options.tell:
                    print("\n".join(["", *history.told]))
        lived_through = f"{options.histories} histories from seed {options.first}, {sorted(orders)} were ordered"
        print(f"{kind}: {lived_through}, stops after {max(stops, default=None)} ms at most", flush=True)
    print(f"{bad} wrong ({time.perf_counter() - begun:.0f} s)")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
