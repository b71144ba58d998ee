"""What the commands do, through a gateway and without one, on virtual time over a simulated LAN."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.cli.discover import as_config, as_table
from bridge.clock import Clock, run_virtual
from bridge.echonet.controller import Controller
from bridge.echonet.dump import parse_dump
from bridge.evse import Mode
from bridge.gateway.api import ControlApi
from bridge.gateway.inspect import Ground, InspectError, parse_place
from bridge.gateway.operations import OPERATIONS
from bridge.sim.bystanders import Neighbour
from bridge.sim.checker import AifChecker
from bridge.sim.control import SimUnit
from bridge.sim.lan import SimLan
from bridge.sim.meter import SimMeter
from bridge.sim.node import NodeConfig, SimNode
from bridge.sim.unit import SimUnitConfig
from tests.tools.house import STATION, House, profile, run, site
from tests.tools.tables import shipped

_MAPPINGS = shipped()
OWN = "10.0.0.1"
UNIT = "10.0.0.2"


class Asked:
    """One way to the operations, with what they said meanwhile."""

    def __init__(self, do: Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], Awaitable[Any]]) -> None:
        self._do = do
        self.events: list[dict[str, Any]] = []

    async def __call__(self, do: str, **request: Any) -> Any:
        self.events.clear()
        return await self._do({"do": do, **request}, self.events.append)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]


def through(here: House) -> Asked:
    """Through a running gateway; an error is raised, as without one."""
    api = ControlApi(here.gateway)

    async def do(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> Any:
        answer = await api.answer(json.dumps({"api": 1, **request}), tell)
        json.dumps(answer)
        if "error" in answer:
            raise InspectError(answer["error"])
        return answer["result"]

    return Asked(do)


class Street:
    """A LAN with units and our own controller, and no gateway."""

    def __init__(self, clock: Clock, lan: SimLan, ground: Ground) -> None:
        self.clock, self.lan, self.ground = clock, lan, ground
        self.nodes: list[SimNode] = []

        async def do(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> Any:
            result = await OPERATIONS[request["do"]](ground, request, tell)
            json.dumps(result)
            return result

        self.ask = Asked(do)

    async def add(self, address: str, *units: SimUnit, config: NodeConfig | None = None) -> SimNode:
        node = SimNode(self.clock, address.encode(), units=list(units), config=config)
        node.attach(self.lan.join(address))
        await node.start()
        self.nodes.append(node)
        return node

    async def unit(self, address: str = UNIT, **config: Any) -> SimUnit:
        unit = SimUnit(self.clock, SimUnitConfig(**{"plugged": True, **config}))
        await self.add(address, unit)
        return unit


@asynccontextmanager
async def street() -> AsyncIterator[Street]:
    clock = Clock(seed=1)
    lan = SimLan(clock)
    checker = AifChecker(OWN)
    lan.tap(checker)
    controller = Controller(lan.join(OWN), clock, unique_id=bytes(13), gap=100, classes=frozenset(_MAPPINGS.tables))
    here = Street(clock, lan, Ground(clock, {"net": controller}, _MAPPINGS, bound={"net": OWN}))
    try:
        yield here
    finally:
        await controller.close()
        for node in here.nodes:
            await node.close()
    assert [str(violation) for violation in checker.violations] == []


def in_street(play: Callable[[Street], Awaitable[None]]) -> None:
    async def main() -> None:
        async with street() as here:
            await play(here)

    run_virtual(main())


# -- discover


def test_discover_names_everything_and_says_what_is_served() -> None:
    async def play(here: Street) -> None:
        await here.unit(release="P")
        await here.unit("10.0.0.3", release="D", plugged=False)
        await here.add("10.0.0.4")
        result = await here.ask("discover", seconds=3)
        good, old, bare = result["found"]
        assert (good["address"], good["object"], good["release"]) == (UNIT, "027E01", "P")
        assert good["class_name"] == "EV charger/discharger"
        assert good["type"] == "dc_bb_chargedischarge"
        assert good["product"] == "SIM-027E"
        assert good["maker"] == "000077"
        assert (good["identity_from"], good["weak"], len(good["identity"])) == ("device", False, 34)
        assert "charge, discharge" in good["why"]
        assert (old["release"], old["supported"]) == ("D", True)
        assert (bare["supported"], bare["why"]) == (False, "a node without device objects")
        assert result["nodes"] == 3
        assert result["through_gateway"] is False
        assert {event["address"] for event in here.ask.of("found")} == {UNIT, "10.0.0.3", "10.0.0.4"}

    in_street(play)


def test_discover_shows_weak_identities_and_where_they_are_from() -> None:
    async def play(here: Street) -> None:
        await here.unit(has_id=False)
        [row] = (await here.ask("discover", seconds=3))["found"]
        assert (row["identity_from"], row["weak"]) == ("node", False)
        assert bytes.fromhex(row["identity"]).endswith(UNIT.encode())

    in_street(play)


def test_discover_shows_what_does_not_answer() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()
        asking = asyncio.ensure_future(here.ask("discover", seconds=3))
        await here.clock.sleep(2_900)
        here.nodes[0].mute()
        [row] = (await asking)["found"]
        assert (row["address"], row["object"], row["answers"], row["supported"]) == (UNIT, "027E01", False, False)
        assert "no answer within" in row["why"]
        assert unit.power_w == 0

    in_street(play)


def test_discover_through_a_gateway_knows_its_units_by_name() -> None:
    async def play(here: House) -> None:
        result = await through(here)("discover", seconds=3)
        assert result["through_gateway"] is True
        [row] = result["found"]
        assert (row["configured_as"], row["supported"]) == ("car", True)

    run(play)


# -- the other classes


def test_an_ev_charger_is_found_probed_dumped_and_ramped() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit(unit_class=0x02A1)
        [row] = (await here.ask("discover", seconds=3))["found"]
        assert (row["object"], row["supported"], row["meter"]) == ("02A101", True, False)
        assert row["why"].startswith("can charge; served by mappings/tables/0x02A1.yaml")
        probed = await here.ask("probe", unit=UNIT)
        assert probed["class_name_ja"] == "電気自動車充電器"
        assert {row["state"] for row in probed["properties"]} == {"told"}
        await here.ask("dump", unit=UNIT, seconds=1)
        dump = parse_dump(json.dumps(event["line"]) for event in here.ask.of("line"))
        assert (dump.header.class_code, set(dump.values_at())) == (0x02A1, dump.header.maps["get"])
        with pytest.raises(InspectError, match="cannot discharge"):
            await here.ask("ramp", unit=UNIT, steps=[-1000], discharge=True, yes=True)
        result = await here.ask("ramp", unit=UNIT, hold=5, yes=True)
        assert (result["ended"], result["stopped"]) == ("done", True), result
        assert [step["power_w"] for step in result["steps"]] == result["plan"]["steps_w"]
        assert unit.power_w == 0

    in_street(play)


def test_what_is_not_served_is_shown_with_the_reason() -> None:
    async def play(here: Street) -> None:
        await here.add(UNIT, Neighbour(0x0130), Neighbour(0x027D))  # type: ignore[arg-type]
        rows = (await here.ask("discover", seconds=3))["found"]
        assert [(row["class_name"], row["supported"]) for row in rows] == [
            ("Home air conditioner", False),
            ("Storage battery", False),
        ]
        assert "no table for class 0x0130" in rows[0]["why"]
        shown = list(as_config(await here.ask("discover", seconds=3)))
        assert any(line.startswith(f"# {UNIT}:013001 Home air conditioner is not served") for line in shown)
        probed = await here.ask("probe", unit=f"{UNIT}:013001")
        states = {row["epc"]: row["state"] for row in probed["properties"]}
        assert (states["80"], states["B0"]) == ("told", "unknown")
        assert "only for" in probed["table"]["why"]

    in_street(play)


def test_two_objects_that_claim_one_identity_are_both_named() -> None:
    async def play(here: Street) -> None:
        for address in (UNIT, "10.0.0.3"):
            node = SimNode(here.clock, b"twin", units=[SimUnit(here.clock, SimUnitConfig())])
            node.attach(here.lan.join(address))
            await node.start()
            here.nodes.append(node)
        rows = (await here.ask("discover", seconds=3))["found"]
        assert [row["twins"] for row in rows] == [["10.0.0.3"], [UNIT]]
        text = "\n".join(as_table({"found": rows, "networks": {"net": {}}, "nodes": 2}))
        assert "CONFLICT    10.0.0.3 claims it too" in text

    in_street(play)


def test_a_meter_is_a_source_and_no_unit_to_order() -> None:
    async def play(here: Street) -> None:
        await here.add(UNIT, SimMeter(here.clock))  # type: ignore[arg-type]
        [row] = (await here.ask("discover", seconds=3))["found"]
        assert (row["class"], row["supported"], row["meter"]) == ("0x0288", True, True)
        assert row["class_name"] == "Low-voltage smart electric energy meter"
        assert "energy source" in row["why"]
        with pytest.raises(InspectError, match="no table to steer class 0x0288"):
            await here.ask("ramp", unit=UNIT, yes=True)
        snippet = list(as_config(await here.ask("discover", seconds=3)))
        assert "meters:" in snippet
        assert "units:" not in snippet

    in_street(play)


# -- probe


def test_probe_reads_everything_and_names_it_in_both_languages() -> None:
    async def play(here: Street) -> None:
        await here.unit(withheld=frozenset({0xD8}))
        result = await here.ask("probe", unit=UNIT)
        rows = {row["epc"]: row for row in result["properties"]}
        assert rows["C7"] | {"age_ms": 0, "took_ms": 0} == {
            "epc": "C7",
            "name": "chargeDischargeStatus",
            "en": "Vehicle connection and chargeable/dischargeable status",
            "ja": "車両接続・充放電可否状態",
            "state": "told",
            "raw": "43",
            "value": "chargeableDischargeable",
            "text": "chargeableDischargeable",
            "age_ms": 0,
            "took_ms": 0,
            "source": "read",
        }
        assert rows["C7"]["took_ms"] == 22  # there, 20 ms in the unit, and back
        assert rows["EB"]["value"] == {"number": 6000, "unit": "W"}
        assert rows["CA"]["text"] == "minimumCurrent 1.5 A, maximumCurrent 30.0 A"
        assert (rows["D8"]["state"], rows["D8"]["raw"], rows["D8"]["text"]) == ("refused", None, None)
        ages = [rows[epc]["age_ms"] for epc in ("80", "C7", "EE")]
        assert ages == sorted(ages, reverse=True)
        assert result["table"]["file"] == "mappings/tables/0x027E.yaml"
        assert result["table"]["vehicle"]["value"] == "yes"
        assert result["release"] == "P"
        assert "DA" in result["settable"]
        assert here.ask.of("property")[-1]["done"] == len(result["properties"])

    in_street(play)


def test_probe_tells_what_cannot_be_understood_and_what_ought_to_be_there() -> None:
    async def play(here: Street) -> None:
        await here.unit(hidden=frozenset({0xC5}), answers={0xC7: b"\x77"})
        result = await here.ask("probe", unit=f"{UNIT}:027E01")
        rows = {row["epc"]: row for row in result["properties"]}
        assert (rows["C7"]["state"], rows["C7"]["raw"], rows["C7"]["value"]) == ("undecodable", "77", None)
        assert "C5" in [row["epc"] for row in result["absent"]]
        assert "C5" not in rows

    in_street(play)


def test_probe_of_what_is_not_there_says_so() -> None:
    async def play(here: Street) -> None:
        await here.unit()
        with pytest.raises(InspectError, match=r"no answer within .*discover"):
            await here.ask("probe", unit=f"{UNIT}:028801")
        with pytest.raises(InspectError, match="no answer within"):
            await here.ask("probe", unit="10.0.0.9")
        with pytest.raises(InspectError, match="neither a unit of the configuration nor an address"):
            await here.ask("probe", unit="garage")
        with pytest.raises(InspectError, match='"unit" is'):
            await here.ask("probe")

    in_street(play)


def test_a_node_with_several_objects_wants_one_named() -> None:
    async def play(here: Street) -> None:
        await here.add(UNIT, *(SimUnit(here.clock, SimUnitConfig(plugged=True)) for _ in range(2)))
        with pytest.raises(InspectError, match=rf"{UNIT}:027E01 .*{UNIT}:027E02"):
            await here.ask("probe", unit=UNIT)
        assert (await here.ask("probe", unit=f"{UNIT}:027E02"))["object"] == "027E02"

    in_street(play)


def test_probe_through_a_gateway_leaves_its_session_alone() -> None:
    async def play(here: House) -> None:
        await here.start(3000)
        await here.unit.until(lambda unit: unit.power_w == 3000)
        writes = here.writes()
        result = await through(here)("probe", unit="car")
        rows = {row["epc"]: row for row in result["properties"]}
        assert rows["D3"]["value"] == {"number": 3000, "unit": "W"}
        assert (result["unit"], result["through_gateway"]) == ("car", True)
        assert here.writes() == writes
        assert here.unit.power_w == 3000

    run(play)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("192.0.2.1", ("192.0.2.1", None)),
        ("192.0.2.1:027E01", ("192.0.2.1", 0x027E01)),
        ("192.0.2.1:0x027e1F", ("192.0.2.1", 0x027E1F)),
        ("fe80::1%eth0", ("fe80::1%eth0", None)),
        ("[fe80::1%eth0]:027E01", ("fe80::1%eth0", 0x027E01)),
        ("2001:db8::1:027E01", ("2001:db8::1", 0x027E01)),
        ("fe80::1%eth0:027E01", ("fe80::1%eth0", 0x027E01)),
        ("garage", None),
        ("192.0.2.1:27E01", None),
        ("", None),
        (":027E01", None),
    ],
)
def test_places_are_read_as_they_are_written(text: str, place: tuple[str, int | None] | None) -> None:
    assert parse_place(text) == place


# -- dump


def test_a_dump_gives_back_what_the_unit_told() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()
        asking = asyncio.ensure_future(here.ask("dump", unit=UNIT, seconds=10, raw=True))
        await here.clock.sleep(8_000)
        before = {epc: told for epc in (0x83, 0x8C, 0xC5, 0xC8, 0xDA, 0xE4, 0xE6, 0xEB) if (told := unit.read(epc))}
        unit.unplug()
        result = await asking
        dump = parse_dump(json.dumps(event["line"]) for event in here.ask.of("line"))
        assert result["lines"] == len(here.ask.of("line")) == len(dump.records) + 1
        assert (dump.header.class_code, dump.header.release, dump.header.redacted) == (0x027E, "P", False)
        known = dump.values_at()
        assert set(known) | dump.refused >= dump.header.maps["get"]
        assert known[0xC7] == b"\x30"
        assert dump.values_at(6_000)[0xC7] == b"\x43"
        assert {epc: dump.values_at(6_000)[epc] for epc in before} == before

    in_street(play)


def test_a_dump_hides_what_names_the_device_the_car_and_the_address() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()
        secrets = {name: unit.read(epc) for name, epc in (("id", 0x83), ("vehicle", 0xE6))}
        assert all(secrets.values())
        await here.ask("dump", unit=UNIT, seconds=1)
        text = json.dumps([event["line"] for event in here.ask.of("line")])
        for secret in secrets.values():
            assert secret is not None
            assert secret[4:].hex().upper() not in text
            assert secret[1:].decode("ascii", "replace") not in text
        assert UNIT not in text
        dump = parse_dump(json.dumps(event["line"]) for event in here.ask.of("line"))
        known = dump.values_at()
        assert dump.header.redacted
        assert known[0x83][:4] == bytes.fromhex("FE000077")  # the maker stays: tables are chosen by it
        assert len(known[0x83]) == 17
        assert (known[0xE6][0], len(known[0xE6])) == (len(known[0xE6]) - 1, len(secrets["vehicle"] or b""))
        assert known[0x8C] == unit.read(0x8C)

    in_street(play)


def test_a_dump_through_a_gateway_has_its_conversation() -> None:
    async def play(here: House) -> None:
        ask = through(here)
        asking = asyncio.ensure_future(ask("dump", unit="car", seconds=30))
        await here.clock.sleep(8_000)
        await here.start(3000)
        await asking
        dump = parse_dump(json.dumps(event["line"]) for event in ask.of("line"))
        texts = [event["line"].get("text", "") for event in ask.of("line")]
        assert any(text.startswith("SET_C operationMode=charge") for text in texts)
        assert dump.values_at()[0xDA] == b"\x42"

    run(play)


# -- ramp


def test_a_ramp_steps_through_settings_and_ends_stopped() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()
        result = await here.ask("ramp", unit=UNIT, steps=[1500, 3000, -1000], hold=5, discharge=True, yes=True)
        assert [step["ordered_w"] for step in result["steps"]] == [1500, 3000, -1000]
        assert [step["power_w"] for step in result["steps"]] == [1500, 3000, -1000]
        assert [step["trouble"] for step in result["steps"]] == [None] * 3
        assert "chargingElectricPower=3000 W" in result["steps"][1]["read_back"]
        assert all(step["reached_after_s"] >= 0 and step["confirmed_after_s"] >= 0 for step in result["steps"])
        assert all(step["soc_percent"] for step in result["steps"])
        assert (result["ended"], result["stopped"]) == ("done", True)
        assert unit.power_w == 0
        assert unit.mode in (0x44, 0x47)
        assert [event["ordered_w"] for event in here.ask.of("ordered")] == [1500, 3000, -1000]

    in_street(play)


def test_without_yes_only_the_plan_comes_and_nothing_is_written() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()
        result = await here.ask("ramp", unit=UNIT)
        assert result["ran"] is False
        assert result["plan"]["steps_w"] == [1500, 3000, 4500, 6000]
        assert unit.log == []

    in_street(play)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"steps": [9000]}, "beyond the unit's range: it can charge with at most 6000 W"),
        ({"steps": [-7000], "discharge": True}, "at most 6000 W"),
        ({"steps": [-1000]}, "--discharge"),
        ({"steps": []}, '"steps" are'),
        ({"steps": ["3000"]}, '"steps" are'),
        ({"steps": [True]}, '"steps" are'),
        ({"hold": 0}, '"hold" is'),
        ({"hold": "long"}, '"hold" is'),
        ({"yes": 1}, '"yes" is'),
    ],
)
def test_what_a_ramp_may_not_do_is_told_before_anything_moves(request_: dict[str, Any], said: str) -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()
        with pytest.raises(InspectError, match=said):
            await here.ask("ramp", **{"unit": UNIT, "yes": True, **request_})
        assert unit.log == []

    in_street(play)


def test_a_ramp_of_an_object_that_is_not_there_is_told_after_one_timer() -> None:
    async def play(here: Street) -> None:
        await here.unit()
        for place in (f"{UNIT}:02A101", "10.0.0.9:027E01"):
            began = here.clock.monotonic()
            with pytest.raises(InspectError, match="`discover` shows which objects are there"):
                await here.ask("ramp", unit=place)
            assert here.clock.monotonic() - began < 21_000

    in_street(play)


def test_a_ramp_without_a_vehicle_is_refused() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit(plugged=False)
        with pytest.raises(InspectError, match="no vehicle is plugged in"):
            await here.ask("ramp", unit=UNIT, yes=True)
        assert unit.log == []

    in_street(play)


def test_an_interrupted_ramp_stops_the_unit_however_often_it_is_interrupted() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()
        ramp = asyncio.ensure_future(here.ask("ramp", unit=UNIT, steps=[3000], hold=60, yes=True))
        await unit.until(lambda unit: unit.power_w == 3000)
        ramp.cancel()
        await here.clock.sleep(30)
        ramp.cancel()
        await here.clock.sleep(30)
        ramp.cancel()
        result = await ramp
        assert (result["ended"], result["stopped"]) == ("interrupted", True)
        assert unit.power_w == 0

    in_street(play)


def test_a_ramp_whose_listener_fails_stops_the_unit() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()

        def tell(event: dict[str, Any]) -> None:
            if event["event"] == "step":
                raise BrokenPipeError

        with pytest.raises(BrokenPipeError):
            await OPERATIONS["ramp"](here.ground, {"unit": UNIT, "steps": [3000], "hold": 2, "yes": True}, tell)
        assert unit.power_w == 0
        assert unit.mode in (0x44, 0x47)

    in_street(play)


def test_a_unit_that_is_lost_in_a_ramp_ends_it_and_is_not_called_stopped() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()
        ramp = asyncio.ensure_future(here.ask("ramp", unit=UNIT, steps=[3000, 6000], hold=60, yes=True))
        await unit.until(lambda unit: unit.power_w == 3000)
        unit.silence(True)
        result = await ramp
        assert (result["ended"], result["stopped"]) == ("failed", False)
        assert "does not answer any more" in result["why"]
        assert result["stop_trouble"]

    in_street(play)


def test_a_unit_that_comes_back_while_a_lost_ramp_ends_is_stopped() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()
        ramp = asyncio.ensure_future(here.ask("ramp", unit=UNIT, steps=[3000], hold=300, yes=True))
        await unit.until(lambda unit: unit.power_w == 3000)
        unit.silence(True)
        await here.clock.sleep(70_000)
        unit.silence(False)
        result = await ramp
        assert (result["ended"], result["stopped"]) == ("failed", True)
        assert unit.power_w == 0

    in_street(play)


def test_a_fault_fails_the_step_and_the_unit_is_stopped() -> None:
    async def play(here: Street) -> None:
        unit = await here.unit()
        ramp = asyncio.ensure_future(here.ask("ramp", unit=UNIT, steps=[3000, 6000], hold=5, yes=True))
        await unit.until(lambda unit: unit.power_w == 3000)
        unit.fault()
        result = await ramp
        assert result["ended"] == "failed"
        assert result["why"]
        assert unit.power_w == 0

    in_street(play)


# -- ramp through a gateway


def test_a_ramp_through_a_gateway_gives_the_unit_back_as_it_was() -> None:
    async def play(here: House) -> None:
        here.unit.plug()
        await here.told("StatusNotification", connectorStatus="Occupied")
        before = here.gateway.units.runners["car"].unit.wanted
        result = await through(here)("ramp", unit="car", steps=[2000], hold=5, yes=True)
        assert (result["ended"], result["stopped"]) == ("done", True)
        assert result["steps"][0]["power_w"] == 2000
        assert here.unit.power_w == 0
        assert here.gateway.units.runners["car"].unit.wanted == before
        await here.settle()
        assert here.csms.events() == []

    run(play)


def test_a_ramp_is_refused_while_a_csms_uses_the_unit_or_it_is_left_alone() -> None:
    async def play(here: House) -> None:
        ask = through(here)
        await here.start(3000)
        with pytest.raises(InspectError, match=rf"EVSE 1 of station {STATION} has a transaction"):
            await ask("ramp", unit="car", steps=[1000], yes=True)
        await here.unit.until(lambda unit: unit.power_w == 3000)
        here.station.sessions.stop_locally(1)
        await here.told("TransactionEvent", eventType="Ended")
        here.station.wishes.set_hands_off(1, True)
        with pytest.raises(InspectError, match="hands_off"):
            await ask("ramp", unit="car", steps=[1000], yes=True)
        assert here.unit.power_w == 0

    run(play)


@pytest.mark.parametrize("control", ["observe", "dry-run"])
def test_a_ramp_is_refused_where_nothing_may_be_ordered(control: str) -> None:
    async def play(here: House) -> None:
        with pytest.raises(InspectError, match=f"control: {control}"):
            await through(here)("ramp", unit="car", yes=True)
        assert here.writes() == []

    run(play, config=site(unit={"control": control}))


def test_discharging_needs_the_configuration_to_allow_it() -> None:
    async def play(here: House) -> None:
        with pytest.raises(InspectError, match=r"discharge: \[negative-limit\]"):
            await through(here)("ramp", unit="car", steps=[-1000], discharge=True, yes=True)

    run(play, config=site(evse={"discharge": []}))


def test_a_csms_that_starts_in_the_middle_gets_the_unit() -> None:
    async def play(here: House) -> None:
        here.unit.plug()
        await here.told("StatusNotification", connectorStatus="Occupied")
        ramp = asyncio.ensure_future(through(here)("ramp", unit="car", steps=[2000], hold=60, yes=True))
        await here.unit.until(lambda unit: unit.power_w == 2000)
        answer = await here.call(
            "RequestStartTransaction",
            evseId=1,
            remoteStartId=7,
            idToken={"idToken": "T-1", "type": "Central"},
            chargingProfile=profile(4000),
        )
        assert answer["status"] == "Accepted"
        result = await ramp
        assert (result["ended"], result["stopped"]) == ("taken over", False)
        await here.unit.until(lambda unit: unit.power_w == 4000)
        await here.settle()
        assert here.unit.power_w == 4000

    run(play)


def test_a_gateway_that_ends_stops_the_ramp_even_with_on_shutdown_keep() -> None:
    async def play(here: House) -> None:
        here.unit.plug()
        await here.told("StatusNotification", connectorStatus="Occupied")
        ramp = asyncio.ensure_future(through(here)("ramp", unit="car", steps=[2000], hold=600, yes=True))
        await here.unit.until(lambda unit: unit.power_w == 2000)
        here.gateway.ended.set()
        await here.clock.sleep(5_000)
        assert ramp.done()
        assert here.unit.mode in (0x44, 0x47)
        assert here.unit.power_w == 0

    run(play, config=site(evse={"on_shutdown": "keep"}), strict=False)


def test_nothing_is_wanted_of_a_unit_that_was_only_planned_for() -> None:
    async def play(here: House) -> None:
        here.unit.plug()
        await here.told("StatusNotification", connectorStatus="Occupied")
        await through(here)("ramp", unit="car")
        assert here.gateway.units.runners["car"].unit.wanted.mode is not Mode.CHARGE
        assert here.writes() == []

    run(play)
