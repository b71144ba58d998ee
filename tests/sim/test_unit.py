"""The simulated unit's state machine, driven by hand: each event with its time, no loop, no network."""

from __future__ import annotations

import pytest

from bridge.sim.battery import VehicleConfig
from bridge.sim.classes import CHARGER_DISCHARGER
from bridge.sim.power import PowerConfig
from bridge.sim.properties import Connection, Epc, Method, Mode
from bridge.sim.readings import READINGS, read
from bridge.sim.unit import SimUnitConfig, UnitCore

SECOND = 1_000
HOUR = 3_600_000
ENERGY_WRITES = (0x42, 0x43, 0x44, 0x46, 0x47, 0x49)


def make(**config: object) -> UnitCore:
    return UnitCore(SimUnitConfig(**config), 0)  # type: ignore[arg-type]


def watts(number: int) -> bytes:
    return number.to_bytes(4, "big")


def number(core: UnitCore, epc: int) -> int:
    edt = read(core, epc)
    assert edt is not None
    return int.from_bytes(edt, "big", signed=epc in (Epc.POWER, Epc.CURRENT, Epc.VOLTAGE))


# ---- releases ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", "DEFGHIJKLMNPQR")
def test_everything_in_the_get_map_is_answered(release: str) -> None:
    core = make(release=release, plugged=True)
    refused = {epc for epc in core.get_map if epc != Epc.ID and read(core, epc) is None}
    assert refused == set()
    assert core.inf_map <= core.get_map


@pytest.mark.parametrize("release", "DGNPQR")
def test_every_reading_belongs_to_some_release(release: str) -> None:
    known = set(READINGS) | set(make(release="R").settings) | {Epc.ID}
    assert CHARGER_DISCHARGER.gettable(release) <= known


def test_what_a_release_does_not_have_is_refused() -> None:
    old, new = make(release="G"), make(release="Q")
    assert Epc.CHARGING_METHOD not in old.get_map
    assert not old.write(0, Epc.CHARGING_METHOD, b"\x03")
    assert read(old, Epc.ACTUAL_MODE) is None
    assert read(new, Epc.ACTUAL_MODE) == b"\x47"
    assert Epc.EQUIPMENT_TYPE not in make(release="F").get_map


def test_the_modes_are_the_releases_own() -> None:
    assert 0x41 in CHARGER_DISCHARGER.modes("F")
    assert 0x47 not in CHARGER_DISCHARGER.modes("F")
    assert 0x46 not in CHARGER_DISCHARGER.modes("M")
    assert 0x49 not in CHARGER_DISCHARGER.modes("N")
    assert CHARGER_DISCHARGER.modes("P") == CHARGER_DISCHARGER.modes("R")


def test_the_release_is_told() -> None:
    assert read(make(release="Q"), Epc.PROTOCOL) == b"\x00\x00Q\x00"


def test_what_is_hidden_withheld_or_not_settable_is_refused() -> None:
    core = make(
        hidden=frozenset({Epc.POWER}),
        withheld=frozenset({Epc.REMAINING_3}),
        settable=frozenset({Epc.CHARGE_POWER}),
        plugged=True,
    )
    assert Epc.POWER not in core.get_map
    assert read(core, Epc.POWER) is None
    assert Epc.REMAINING_3 in core.get_map
    assert read(core, Epc.REMAINING_3) is None
    assert core.set_map == {Epc.OPERATION_MODE, Epc.CHARGE_POWER}


# ---- connection -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("soc", "equipment_type", "state"),
    [
        (50, 0x32, Connection.BOTH),
        (100, 0x32, Connection.DISCHARGEABLE),
        (10, 0x32, Connection.CHARGEABLE),
        (50, 0x31, Connection.CHARGEABLE),
        (100, 0x31, Connection.NEITHER),
        (50, 0x53, Connection.DISCHARGEABLE),
        (10, 0x43, Connection.NEITHER),
        (50, 0x13, Connection.BOTH),
        (50, 0x11, Connection.UNDETERMINED),
    ],
)
def test_the_connection_state_follows_type_and_charge(soc: int, equipment_type: int, state: int) -> None:
    assert make(soc_percent=soc, equipment_type=equipment_type, plugged=True).connection == state


def test_an_hlc_unit_is_blind_for_a_cplt_vehicle() -> None:
    core = make(equipment_type=0x13, vehicle=VehicleConfig(speaks_hlc=False))
    assert core.connection == Connection.NONE
    core.plug(0)
    assert core.connection == Connection.UNDETERMINED
    assert read(core, Epc.REMAINING_3) is None


def test_an_aa_unit_must_be_asked() -> None:
    core = make(equipment_type=0x22)
    core.plug(0)
    assert core.connection == Connection.UNDETERMINED
    assert not core.write(0, Epc.OPERATION_MODE, b"\x42")
    assert core.write(1 * SECOND, Epc.CONFIRM_CONNECTION, b"\x10")
    core.advance(2 * SECOND)
    assert core.connection == Connection.UNDETERMINED
    core.advance(3 * SECOND)
    assert core.connection == Connection.BOTH
    assert core.write(4 * SECOND, Epc.OPERATION_MODE, b"\x42")
    core.unplug(5 * SECOND)
    assert core.connection == Connection.NONE
    core.plug(6 * SECOND)
    assert core.connection == Connection.UNDETERMINED


def test_only_aa_units_have_the_confirmation() -> None:
    assert Epc.CONFIRM_CONNECTION in make(equipment_type=0x21).set_map
    assert Epc.CONFIRM_CONNECTION not in make(equipment_type=0x32).set_map


@pytest.mark.parametrize(("release", "state"), [("P", Connection.UNKNOWN), ("G", Connection.NEITHER)])
def test_until_the_handshake_nothing_is_known(release: str, state: int) -> None:
    core = make(release=release, handshake_ms=5 * SECOND)
    core.plug(0)
    assert core.connection == state
    core.advance(5 * SECOND)
    assert core.connection == Connection.BOTH


# ---- battery properties (AIF 2.4.6) -----------------------------------------------------------------------------


def test_battery_properties_are_refused_without_a_vehicle() -> None:
    core = make()
    asked = CHARGER_DISCHARGER.battery & core.get_map
    assert asked >= {0xC0, 0xC2, 0xC4, 0xCE, 0xCF, 0xD0, 0xE2, 0xE4}
    assert all(read(core, epc) is None for epc in asked)
    core.plug(0)
    assert all(read(core, epc) is not None for epc in asked)


def test_battery_properties_are_refused_while_an_aa_unit_does_not_know() -> None:
    core = make(equipment_type=0x22)
    core.plug(0)
    assert read(core, Epc.REMAINING_3) is None
    core.write(0, Epc.CONFIRM_CONNECTION, b"\x10")
    core.advance(2 * SECOND)
    assert read(core, Epc.REMAINING_3) == b"\x32"


def test_the_vehicle_id_has_its_length_first_and_none_without_a_vehicle() -> None:
    core = make(vehicle=VehicleConfig(vehicle_id=b"ABC"))
    assert read(core, Epc.VEHICLE_ID) == b"\x00"
    core.plug(0)
    assert read(core, Epc.VEHICLE_ID) == b"\x03ABC"


# ---- writes of the mode (AIF 2.4.5, 3.2.1) ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ENERGY_WRITES)
@pytest.mark.parametrize(
    ("config", "plugged"),
    [
        ({"equipment_type": 0x32}, False),
        ({"equipment_type": 0x22}, True),
        ({"equipment_type": 0x31, "soc_percent": 100}, True),
    ],
    ids=["not connected", "undetermined AA", "neither"],
)
def test_modes_are_refused_where_nothing_is_possible(config: dict[str, object], plugged: bool, mode: int) -> None:
    core = make(**config)
    if plugged:
        core.plug(0)
    before = core.mode
    assert not core.write(0, Epc.OPERATION_MODE, bytes([mode]))
    assert core.mode == before


@pytest.mark.parametrize("equipment_type", [0x11, 0x12, 0x13])
def test_ac_units_take_modes_while_they_know_nothing(equipment_type: int) -> None:
    core = make(equipment_type=equipment_type, vehicle=VehicleConfig(speaks_hlc=False))
    assert core.write(0, Epc.OPERATION_MODE, b"\x42")
    core.plug(0)
    assert core.write(0, Epc.OPERATION_MODE, b"\x42")
    core.advance(10 * SECOND)
    assert core.power_w == 6_000


@pytest.mark.parametrize("edt", [b"\x99", b"\x41", b"", b"\x42\x42"])
def test_an_unknown_mode_is_accepted_and_ignored(edt: bytes) -> None:
    core = make(plugged=True)
    assert core.write(0, Epc.OPERATION_MODE, edt)
    assert core.mode == Mode.STOP


def test_prepare_does_not_change_the_mode() -> None:
    core = make(release="Q", plugged=True)
    assert core.write(0, Epc.OPERATION_MODE, b"\x48")
    assert core.mode == Mode.STOP
    assert core.actual_mode == Mode.PREPARE
    core.advance(10 * SECOND)
    assert core.actual_mode == Mode.STOP


@pytest.mark.parametrize(("soc", "mode"), [(100, 0x42), (10, 0x43)])
def test_a_direction_that_is_not_possible_is_accepted_and_ignored(soc: int, mode: int) -> None:
    core = make(soc_percent=soc, plugged=True)
    assert core.write(0, Epc.OPERATION_MODE, bytes([mode]))
    assert core.mode == Mode.STOP


@pytest.mark.parametrize(
    ("epc", "edt"),
    [
        (Epc.CHARGING_METHOD, b"\x09"),
        (Epc.CHARGE_POWER, watts(1_000_000_000)),
        (Epc.CHARGE_POWER, b"\x10"),
        (Epc.CHARGE_CURRENT, b"\xff\xff"),
    ],
)
def test_a_value_out_of_range_is_accepted_and_ignored(epc: int, edt: bytes) -> None:
    core = make(plugged=True)
    before = core.settings[epc]
    assert core.write(0, epc, edt)
    assert core.settings[epc] == before


def test_v2g_exists_from_release_p_on() -> None:
    old, new = (
        CHARGER_DISCHARGER.write_range("N", Epc.CHARGING_METHOD),
        CHARGER_DISCHARGER.write_range("P", Epc.CHARGING_METHOD),
    )
    assert old is not None
    assert new is not None
    assert not old.contains(b"\x06")
    assert new.contains(b"\x06")


# ---- power ------------------------------------------------------------------------------------------------------


def test_charging_starts_late_and_ramps() -> None:
    core = make(plugged=True, power=PowerConfig(start_delay_ms=2 * SECOND, ramp_w_per_s=1_000))
    core.write(0, Epc.OPERATION_MODE, b"\x42")
    core.advance(2 * SECOND)
    assert core.power_w == 0
    core.advance(5 * SECOND)
    assert core.power_w == 3_000
    core.advance(20 * SECOND)
    assert core.power_w == 6_000
    assert number(core, Epc.POWER) == 6_000
    assert number(core, Epc.CURRENT) == 171


def test_power_outlasts_the_stop() -> None:
    core = make(plugged=True, mode=Mode.CHARGE)
    core.advance(10 * SECOND)
    core.write(10 * SECOND, Epc.OPERATION_MODE, b"\x47")
    assert core.mode == Mode.STOP
    core.advance(10 * SECOND + 500)
    assert 0 < core.power_w < 6_000
    core.advance(12 * SECOND)
    assert core.power_w == 0


def test_reversal_goes_through_zero_and_waits_for_the_contactor() -> None:
    core = make(plugged=True, mode=Mode.CHARGE)
    core.advance(10 * SECOND)
    core.write(10 * SECOND, Epc.OPERATION_MODE, b"\x43")
    seen = []
    for step in range(100, 8_000, 100):
        core.advance(10 * SECOND + step)
        seen.append(core.power_w)
    assert seen == sorted(seen, reverse=True)
    assert seen.count(0) >= 20
    assert seen[-1] == -6_000


def test_settings_govern_only_if_the_method_names_them() -> None:
    core = make(release="P", plugged=True, mode=Mode.CHARGE)
    core.write(0, Epc.CHARGE_POWER, watts(2_000))
    core.advance(20 * SECOND)
    assert core.power_w == 6_000
    core.write(20 * SECOND, Epc.CHARGING_METHOD, bytes([Method.POWER]))
    core.advance(40 * SECOND)
    assert core.power_w == 2_000
    core.write(40 * SECOND, Epc.CHARGE_CURRENT, (100).to_bytes(2, "big"))
    core.write(40 * SECOND, Epc.CHARGING_METHOD, bytes([Method.CURRENT]))
    core.advance(60 * SECOND)
    assert core.power_w == 3_500


def test_before_release_n_settings_govern_alone() -> None:
    core = make(release="G", plugged=True, mode=Mode.DISCHARGE)
    core.write(0, Epc.DISCHARGE_POWER, watts(1_500))
    core.advance(20 * SECOND)
    assert core.power_w == -1_500


def test_the_vehicles_limit_rules_over_the_setting() -> None:
    core = make(plugged=True, mode=Mode.CHARGE, vehicle=VehicleConfig(max_charge_w=3_300))
    core.advance(20 * SECOND)
    assert core.power_w == 3_300


def test_a_setting_is_kept_without_a_vehicle_and_holds_when_one_comes() -> None:
    core = make()
    core.write(0, Epc.CHARGING_METHOD, b"\x03")
    core.write(0, Epc.CHARGE_POWER, watts(2_500))
    core.plug(1 * SECOND)
    core.write(2 * SECOND, Epc.OPERATION_MODE, b"\x42")
    core.advance(20 * SECOND)
    assert core.power_w == 2_500


def test_below_its_minimum_a_unit_gives_nothing() -> None:
    core = make(plugged=True, mode=Mode.CHARGE, charge_range_w=(1_000, 6_000))
    core.write(0, Epc.CHARGING_METHOD, b"\x03")
    core.write(0, Epc.CHARGE_POWER, watts(999))
    core.advance(20 * SECOND)
    assert core.power_w == 0
    assert core.mode == Mode.CHARGE


def test_a_clamping_unit_reads_back_what_it_can() -> None:
    core = make(clamps=True, charge_range_w=(1_000, 5_000))
    core.write(0, Epc.CHARGE_POWER, watts(9_000))
    assert read(core, Epc.CHARGE_POWER) == watts(5_000)


def test_v2g_power_moves_the_mode() -> None:
    settable = frozenset({Epc.CHARGING_METHOD, Epc.V2G_POWER})
    core = make(plugged=True, settable=settable)
    core.write(0, Epc.V2G_POWER, (-2_000).to_bytes(4, "big", signed=True))
    assert core.mode == Mode.STOP
    core.write(0, Epc.CHARGING_METHOD, b"\x06")
    core.write(0, Epc.V2G_POWER, (2_000).to_bytes(4, "big", signed=True))
    assert core.mode == Mode.CHARGE
    core.advance(20 * SECOND)
    assert core.power_w == 2_000


def test_automatic_follows_the_house() -> None:
    core = make(plugged=True, mode=Mode.AUTO)
    core.surplus_w = 1_200
    core.advance(10 * SECOND)
    assert core.power_w == 1_200
    core.surplus_w = -800
    core.advance(20 * SECOND)
    assert core.power_w == -800


def test_energy_is_counted_in_each_direction() -> None:
    core = make(plugged=True, mode=Mode.CHARGE, power=PowerConfig(start_delay_ms=0, ramp_w_per_s=10**9))
    core.advance(HOUR)
    assert number(core, Epc.CHARGED_ENERGY) in range(5_990, 6_001)
    core.write(HOUR, Epc.OPERATION_MODE, b"\x43")
    core.advance(HOUR + HOUR // 2)
    assert number(core, Epc.DISCHARGED_ENERGY) in range(2_970, 3_001)
    expected = 50 + (core.charged_wms - core.discharged_wms) / HOUR / 400
    assert core.battery.soc_percent == pytest.approx(expected)


def test_how_often_it_is_asked_does_not_change_what_happens() -> None:
    often, seldom = (make(plugged=True, mode=Mode.CHARGE, soc_percent=60) for _ in range(2))
    for now in range(0, 6 * HOUR, 7 * SECOND):
        often.advance(now)
    often.advance(6 * HOUR)
    seldom.advance(6 * HOUR)
    assert often.mode == seldom.mode == Mode.STOP
    assert often.charged_wms == pytest.approx(seldom.charged_wms, rel=1e-3)


# ---- by itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "mode", "end", "state"),
    [
        ({"soc_percent": 99}, Mode.CHARGE, Mode.STOP, Connection.DISCHARGEABLE),
        ({"soc_percent": 21}, Mode.DISCHARGE, Mode.STOP, Connection.CHARGEABLE),
        ({"soc_percent": 99, "end_mode": Mode.STANDBY}, Mode.CHARGE, Mode.STANDBY, Connection.DISCHARGEABLE),
        ({"soc_percent": 99, "release": "F"}, Mode.RAPID, Mode.STANDBY, Connection.DISCHARGEABLE),
    ],
)
def test_it_ends_by_itself_at_full_and_empty(config: dict[str, object], mode: int, end: int, state: int) -> None:
    core = make(plugged=True, **config)
    core.write(0, Epc.OPERATION_MODE, bytes([mode]))
    core.advance(2 * HOUR)
    assert (core.mode, core.connection, core.power_w) == (end, state, 0)


def test_unplugging_ends_it_at_once() -> None:
    core = make(plugged=True, mode=Mode.CHARGE)
    core.advance(20 * SECOND)
    core.unplug(20 * SECOND)
    assert (core.power_w, core.mode, core.connection) == (0, Mode.STOP, Connection.NONE)


def test_a_fault_ends_it_and_nothing_starts_until_it_is_cleared() -> None:
    core = make(plugged=True, mode=Mode.CHARGE)
    core.advance(20 * SECOND)
    core.set_fault(20 * SECOND, 0x03E9)
    assert (read(core, Epc.FAULT_STATUS), read(core, Epc.FAULT_DESCRIPTION)) == (b"\x41", b"\x03\xe9")
    assert (core.power_w, core.mode) == (0, Mode.STOP)
    assert core.write(21 * SECOND, Epc.OPERATION_MODE, b"\x42")
    assert core.mode == Mode.STOP
    core.clear_fault(22 * SECOND)
    assert read(core, Epc.FAULT_STATUS) == b"\x42"
    assert core.mode == Mode.STOP


def test_the_panel_changes_the_mode_and_spares_the_confirmation() -> None:
    core = make(equipment_type=0x22)
    core.plug(0)
    assert core.panel(0, Mode.CHARGE)
    assert core.connection == Connection.BOTH
    assert core.mode == Mode.CHARGE
    assert not core.panel(0, Mode.RAPID)


def test_some_units_charge_a_nearly_empty_vehicle_in_any_mode() -> None:
    core = make(soc_percent=5, rescue_below_percent=10)
    core.plug(0)
    core.advance(60 * SECOND)
    assert core.mode == Mode.STOP
    assert core.power_w > 0
    core.advance(2 * HOUR)
    assert core.power_w == 0


def test_some_units_start_when_plugged_in() -> None:
    core = make(autostart=Mode.CHARGE)
    core.plug(0)
    core.advance(20 * SECOND)
    assert core.power_w == 6_000


def test_a_resting_unit_has_nothing_ahead() -> None:
    core = make(plugged=True)
    assert core.next_event() is None
    core.write(0, Epc.OPERATION_MODE, b"\x42")
    assert core.next_event() is not None


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match="equipment type"):
        make(equipment_type=0x99)
