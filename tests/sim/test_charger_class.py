"""A simulated charger 0x02A1: AIF chapter 4, and the "Device" lines that bind both classes."""

from __future__ import annotations

import pytest

from bridge.sim.battery import VehicleConfig
from bridge.sim.classes import CLASSES
from bridge.sim.properties import Connection, Epc, Mode
from bridge.sim.readings import read
from bridge.sim.unit import SimUnitConfig, UnitCore

SECOND = 1_000
BATTERY = CLASSES[0x02A1].battery


def make(**config: object) -> UnitCore:
    return UnitCore(SimUnitConfig(unit_class=0x02A1, **config), 0)  # type: ignore[arg-type]


def write(core: UnitCore, epc: int, edt: bytes, at: int = 0) -> bool:
    return core.write(at, epc, edt)


def test_it_has_nothing_of_discharge() -> None:
    core = make(plugged=True)
    assert {0xC0, 0xC2, 0xC4, 0xC6, 0xC9, 0xCB, 0xD4, 0xD5, 0xD6, 0xDC, 0xDD, 0xEC, 0xEE} & core.get_map == set()
    assert core.connection == Connection.CHARGEABLE
    assert write(core, Epc.OPERATION_MODE, b"\x43")
    core.advance(20 * SECOND)
    assert (core.mode, core.power_w) == (Mode.STOP, 0)


def test_its_settings_govern_without_a_method() -> None:
    core = make(plugged=True)
    write(core, Epc.CHARGE_POWER, (2_000).to_bytes(4, "big"))
    write(core, Epc.OPERATION_MODE, b"\x42")
    core.advance(20 * SECOND)
    assert core.power_w == 2_000
    assert read(core, Epc.POWER) == (2_000).to_bytes(4, "big")
    core.advance(3_620 * SECOND)
    assert int.from_bytes(read(core, Epc.CHARGED_ENERGY) or b"", "big") in range(1_980, 2_020)


@pytest.mark.covers("AIF-3.2.1-4")
@pytest.mark.parametrize("mode", [0x42, 0x44, 0x47])
@pytest.mark.parametrize(
    ("config", "plugged", "state"),
    [
        ({"equipment_type": 0x31}, False, Connection.NONE),
        ({"equipment_type": 0x21}, True, Connection.UNDETERMINED),
        ({"equipment_type": 0x41, "soc_percent": 100}, True, Connection.NEITHER),
    ],
    ids=["not connected", "undetermined AA", "not chargeable"],
)
def test_modes_are_refused_where_nothing_can_be_charged(
    config: dict[str, object], plugged: bool, state: int, mode: int
) -> None:
    core = make(**config)
    if plugged:
        core.plug(0)
    assert core.connection == state
    before = core.mode
    assert not write(core, Epc.OPERATION_MODE, bytes([mode]))
    assert core.mode == before


@pytest.mark.parametrize("release", ["G", "J", "R"])
@pytest.mark.parametrize("blind", [Connection.NONE, Connection.UNDETERMINED])
@pytest.mark.parametrize("equipment_type", [0x10, 0x11, 0x12])
def test_ac_types_charge_while_they_say_not_connected_or_undetermined(
    equipment_type: int, blind: int, release: str
) -> None:
    if CLASSES[0x02A1].types[equipment_type].since > release:
        return
    core = make(
        equipment_type=equipment_type,
        release=release,
        blind_state=blind,
        vehicle=VehicleConfig(speaks_hlc=False),
    )
    core.plug(0)
    assert core.connection == blind
    assert write(core, Epc.OPERATION_MODE, b"\x42")
    core.advance(20 * SECOND)
    assert core.power_w == 6_000


def test_an_hlc_type_sees_a_vehicle_that_speaks() -> None:
    core = make(equipment_type=0x12)
    assert core.connection == Connection.NONE
    core.plug(0)
    assert core.connection == Connection.CHARGEABLE
    assert read(core, Epc.REMAINING_3) == b"\x32"


@pytest.mark.covers("AIF-2.4.6-1")
@pytest.mark.parametrize("equipment_type", [0x21, 0x31, 0x41, 0x51])
def test_the_battery_is_refused_while_nothing_is_connected(equipment_type: int) -> None:
    core = make(equipment_type=equipment_type)
    assert {epc for epc in BATTERY if read(core, epc) is not None} == set()
    core.plug(0)
    if core.traits.must_ask:
        assert {epc for epc in BATTERY if read(core, epc) is not None} == set()
        write(core, Epc.CONFIRM_CONNECTION, b"\x10")
        core.advance(2 * SECOND)
    assert {epc for epc in BATTERY if read(core, epc) is None} == set()
    core.unplug(3 * SECOND)
    assert {epc for epc in BATTERY if read(core, epc) is not None} == set()


@pytest.mark.covers("AIF-2.4.6-1")
@pytest.mark.parametrize(("code", "types"), [(0x027E, (0x31, 0x42, 0x53)), (0x02A1, (0x31, 0x41, 0x51))])
def test_the_battery_of_a_dc_type_is_refused_while_0xc7_is_undetermined(code: int, types: tuple[int, ...]) -> None:
    for equipment_type in types:
        config = SimUnitConfig(unit_class=code, equipment_type=equipment_type, quirks={"undetermined": True})
        core = UnitCore(config, 0)
        core.plug(0)
        refused = {epc for epc in CLASSES[code].battery & core.get_map if read(core, epc) is None}
        assert refused == CLASSES[code].battery & core.get_map


def test_without_the_handshake_the_state_is_unknown_from_release_j_on() -> None:
    for release, state in (("G", Connection.NEITHER), ("J", Connection.UNKNOWN)):
        core = make(release=release, handshake_ms=5 * SECOND)
        core.plug(0)
        assert core.connection == state


@pytest.mark.covers("AIF-2.4.5-2")
@pytest.mark.parametrize("code", [0x027E, 0x02A1])
@pytest.mark.parametrize(
    ("epc", "edt"), [(0xDA, b"\x99"), (0xEB, b"\xff\xff\xff\xff"), (0xEB, b"\x00"), (0xED, b"\xff\xff")]
)
def test_a_write_is_answered_set_res_whatever_the_value(code: int, epc: int, edt: bytes) -> None:
    core = UnitCore(SimUnitConfig(unit_class=code, plugged=True), 0)
    before = read(core, epc)
    assert write(core, epc, edt)
    assert read(core, epc) == before


@pytest.mark.covers("AIF-2.3-7")
@pytest.mark.parametrize("release", "PQR")
@pytest.mark.parametrize("mode", [Mode.STOP, Mode.STANDBY, Mode.CHARGE])
def test_prepare_is_not_kept(release: str, mode: int) -> None:
    core = UnitCore(SimUnitConfig(release=release, plugged=True, mode=mode), 0)
    assert write(core, Epc.OPERATION_MODE, b"\x48")
    assert read(core, Epc.OPERATION_MODE) == bytes([mode])


def test_a_type_without_communication_may_see_the_plug_in_0x027e() -> None:
    core = UnitCore(SimUnitConfig(equipment_type=0x11, sees_plug=True), 0)
    assert core.connection == Connection.NONE
    core.plug(0)
    assert core.connection == Connection.CHARGEABLE


@pytest.mark.parametrize("equipment_type", [0x11, 0x12, 0x13, 0x21, 0x22, 0x23, 0x31, 0x41, 0x51])
def test_only_aa_types_must_be_asked(equipment_type: int) -> None:
    core = UnitCore(SimUnitConfig(equipment_type=equipment_type), 0)
    assert (Epc.CONFIRM_CONNECTION in core.set_map) == (equipment_type in (0x21, 0x22, 0x23))
