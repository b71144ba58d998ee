"""The state machine of a simulated charger, 0x027E or 0x02A1, without I/O: each event comes with the time it happens.

It keeps to the "Device" lines of the AIF: refusals of 2.4.6, 3.2.1(3) and 4.2.1(3), Set_Res whatever the value (2.4.5),
0xDA = 48 that is not kept (note 15). `bridge.sim.readings` turns its state into property data, `bridge.sim.control`
gives it a clock and a network.
"""

from __future__ import annotations

from copy import copy

from bridge.sim.battery import WMS_PER_WH, Battery, VehicleConfig
from bridge.sim.classes import PILOT_ONLY
from bridge.sim.power import PowerStage
from bridge.sim.properties import ENERGY_MODES, Connection, Epc, Method, Mode
from bridge.sim.quirks import with_unit_quirks
from bridge.sim.settings import Settings
from bridge.sim.unit_config import SimUnitConfig as SimUnitConfig  # where users look for it

#: Steps of the integration (ms): while something moves, near a limit, and while power is steady far from one.
_FINE_STEP_MS = 100
_STEP_MS = 1_000
_LONGEST_STEP_MS = 60_000

#: How far (W) power may be from the order and still pass for steady: the taper moves it by less.
_STEADY_W = 100


class UnitCore:
    """A unit at a time. Every method first lets the time pass that has gone by since the last one."""

    def __init__(self, config: SimUnitConfig, now: int) -> None:
        config = with_unit_quirks(config)
        self.config = config
        self.facts = config.facts
        self.traits = config.traits
        self.battery = Battery(config.with_vehicle(), config.soc_percent)
        self.stage = PowerStage(config.power)
        self._mode: int = config.mode if config.mode is not None else self._stop_mode()
        self._obeyed = self._mode
        self._lags_until: int | None = None
        self.plugged = False
        self.operating = True
        self.fault: int | None = None
        self.ev_pauses = False
        self.surplus_w = 0
        self.interconnection = 0x00
        self.connection_override = config.stuck_connection
        self.charged_wms = config.charged_wh * WMS_PER_WH
        self.discharged_wms = config.discharged_wh * WMS_PER_WH
        self._settings = Settings(config)
        self._last_read: Battery | None = None
        self._born = now
        self._confirmed = not self.traits.must_ask
        self._confirm_at: int | None = None
        self._handshake_at: int | None = None
        self._prepares_until: int | None = None
        self._now = now
        self._get_map, self._set_map, self._inf_map = self._maps()
        if config.plugged:
            self.plug(now)
            self._confirmed = True

    # ---- maps -------------------------------------------------------------------------------------------------

    @property
    def get_map(self) -> frozenset[int]:
        """0x9F."""
        return self._get_map

    @property
    def set_map(self) -> frozenset[int]:
        """0x9E."""
        return self._set_map

    @property
    def inf_map(self) -> frozenset[int]:
        """0x9D."""
        return self._inf_map

    def _maps(self) -> tuple[frozenset[int], frozenset[int], frozenset[int]]:
        c, facts = self.config, self.facts
        can_set = self._settings.settable
        optional = (c.extra | {epc for epc in can_set if epc in self.settings}) & facts.known(c.release)
        can_get = (facts.gettable(c.release) | optional) - c.hidden
        if not c.has_id:
            can_get -= {Epc.ID}
        return can_get, can_set, facts.notified(c.release) & can_get

    @property
    def settings(self) -> dict[int, bytes]:
        """The settings as they read back, by code."""
        return self._settings.values

    # ---- what is so -------------------------------------------------------------------------------------------

    def setting(self, epc: int) -> int:
        """A setting's number."""
        return self._settings.number(epc)

    @property
    def mode(self) -> int:
        """0xDA, what was ordered."""
        return self._mode

    @mode.setter
    def mode(self, mode: int) -> None:
        """Power follows at once, or after the lag of a unit that is slow to obey."""
        if mode == self._mode:
            return
        lag = self.config.start_lag_ms if mode in ENERGY_MODES else self.config.stop_lag_ms
        self._obeyed = self.obeyed
        self._mode = mode
        self._lags_until = self._now + lag if lag else None

    @property
    def obeyed(self) -> int:
        """The mode that power follows."""
        return self._mode if self._lags_until is None else self._obeyed

    @property
    def withheld(self) -> frozenset[int]:
        """Properties that are in the map and refused now."""
        for_ever = not self.config.withheld_ms
        return self.config.withheld if for_ever or self._now < self._born + self.config.withheld_ms else frozenset()

    @property
    def voltage_v(self) -> int:
        """Where 0xD4 and 0xD5 are measured: at the battery for DC types, at the grid for AC types."""
        return self.config.grid_voltage_v if self.traits.ac else self.config.battery_voltage_v

    @property
    def connection(self) -> int:
        """0xC7, as the type, the vehicle and the release allow it to be known (AIF 3.2.1)."""
        if self.connection_override is not None:
            return self.connection_override
        c = self.config
        if c.blind(self.battery.config.speaks_hlc, self.plugged):
            return c.blind_state if c.release >= "G" else Connection.NONE
        if not self._confirmed:
            return Connection.UNDETERMINED if c.release >= "G" else Connection.NONE
        if not self.plugged:
            return Connection.NONE
        if self._handshake_at is not None:
            return Connection.UNKNOWN if c.release >= "J" else Connection.NEITHER
        return self._ability()

    def _ability(self) -> int:
        charge = self.traits.charges and not self.battery.at_cap
        discharge = self.traits.discharges and not self.battery.at_floor
        return {
            (False, False): Connection.NEITHER,
            (True, False): Connection.CHARGEABLE,
            (False, True): Connection.DISCHARGEABLE,
            (True, True): Connection.BOTH,
        }[charge, discharge]

    @property
    def battery_known(self) -> bool:
        """Whether the battery properties can be answered (AIF 2.4.6)."""
        if not self.plugged or self.connection == Connection.NONE:
            return False
        if self.traits.ac:
            return self.config.equipment_type not in PILOT_ONLY and self.battery.config.speaks_hlc
        return self.connection != Connection.UNDETERMINED

    @property
    def battery_read(self) -> Battery:
        """The battery as the unit last read it from the vehicle."""
        return self._last_read or self.battery

    @property
    def talks(self) -> bool:
        """Whether the unit talks CAN with the vehicle (CEL 3.4): from the order of energy, or preparation, on."""
        return self.plugged and bool(self._active() or self._mode in ENERGY_MODES or self._prepares_until is not None)

    @property
    def actual_mode(self) -> int:
        """0xE1: what the unit really does, which knows no automatic modes."""
        if self._prepares_until is not None:
            return Mode.PREPARE
        if self.stage.power_w:
            return Mode.CHARGE if self.stage.power_w > 0 else Mode.DISCHARGE
        if self.mode in (Mode.CHARGE, Mode.DISCHARGE, Mode.CHARGE_DISCHARGE, Mode.AUTO):
            return Mode.STANDBY
        return self.mode

    @property
    def power_w(self) -> int:
        """0xD3: plus = into the car."""
        return self.stage.power_w

    # ---- time -------------------------------------------------------------------------------------------------

    def advance(self, now: int) -> None:
        """Let time pass: power ramps and flows, the battery fills, what was under way comes to its end."""
        while self._now < now:
            until = min(now, self._next_change(now))
            elapsed = min(until - self._now, self._step())
            self._now += elapsed
            self._flow(elapsed)
            self._settle()

    def next_event(self) -> int | None:
        """When the unit may next change by itself; None while it rests."""
        pending = [at for at in self._deadlines() if at is not None]
        if self._active():
            pending.append(self._now + self._step())
        return min(pending, default=None)

    def _active(self) -> bool:
        return bool(self.stage.power_w or self.target_w())

    def _next_change(self, now: int) -> int:
        return min((at for at in self._deadlines() if at is not None and at > self._now), default=now)

    def _deadlines(self) -> tuple[int | None, ...]:
        return self._confirm_at, self._handshake_at, self._prepares_until, self._lags_until

    def _step(self) -> int:
        if not self._active():
            return 2**31
        difference = abs(self.stage.power_w - self.target_w())
        if difference > _STEADY_W or self.stage.power_w == 0:
            return _FINE_STEP_MS
        bend = self.battery.ms_until_bend(self.stage.power_w) if difference == 0 else None
        return _STEP_MS if bend is None else min(max(bend, _STEP_MS), _LONGEST_STEP_MS)

    def _flow(self, elapsed: int) -> None:
        self.stage.step(self.target_w(), elapsed)
        power = self.stage.power_w
        if power > 0:
            self.charged_wms += power * elapsed
        else:
            self.discharged_wms -= power * elapsed
        if self.plugged:
            self.battery.flow(power, elapsed)

    def _settle(self) -> None:
        if self._confirm_at is not None and self._now >= self._confirm_at:
            self._confirm_at, self._confirmed = None, True
        if self._handshake_at is not None and self._now >= self._handshake_at:
            self._handshake_at = None
        if self._prepares_until is not None and self._now >= self._prepares_until:
            self._prepares_until = None
        if self._lags_until is not None and self._now >= self._lags_until:
            self._lags_until = None
        ends = {
            Mode.RAPID: self.battery.at_cap,
            Mode.CHARGE: self.battery.at_cap,
            Mode.DISCHARGE: self.battery.at_floor,
        }
        if self.plugged and ends.get(Mode(self.mode), False):
            self.mode = self.end_mode()
        self._read_battery()

    def _read_battery(self) -> None:
        """Without CAN the battery's values stay those last read (CEL 3.4), if the unit is of that kind."""
        if self.talks or not self.config.last_known:
            self._last_read = None
        elif self._last_read is None:
            self._last_read = copy(self.battery)

    # ---- power ------------------------------------------------------------------------------------------------

    def target_w(self) -> int:
        """What the mode, the settings and the vehicle's limits make of it now."""
        if not self.plugged or self.fault is not None or self.ev_pauses or self._handshake_at is not None:
            return 0
        if self.battery.soc_percent < self.config.rescue_below_percent:
            return self._charge_w(self.config.charge_range_w[1])
        mode = self.obeyed
        if mode == Mode.RAPID:
            return self._charge_w(self.config.rated_charge_w)
        if mode in (Mode.CHARGE, Mode.DISCHARGE):
            return self._ordered_w(charging=mode == Mode.CHARGE)
        if mode in (Mode.CHARGE_DISCHARGE, Mode.AUTO):
            return self._charge_w(self.surplus_w) if self.surplus_w > 0 else -self._discharge_w(-self.surplus_w)
        return 0

    def _ordered_w(self, charging: bool) -> int:
        if self._settings.method(charging) == Method.V2G:
            power = self.setting(Epc.V2G_POWER)
            return self._charge_w(power) if power > 0 else -self._discharge_w(-power)
        wanted = self._settings.wanted_w(charging, self.voltage_v, self.surplus_w)
        return self._charge_w(wanted) if charging else -self._discharge_w(wanted)

    def _charge_w(self, wanted: int) -> int:
        low, high = self.config.charge_range_w
        power = min(wanted, high, self.config.rated_charge_w, self.battery.charge_limit_w())
        return power if self.traits.charges and wanted >= low and power > 0 else 0

    def _discharge_w(self, wanted: int) -> int:
        low, high = self.config.discharge_range_w
        power = min(wanted, high, self.config.rated_discharge_w, self.battery.discharge_limit_w())
        return power if self.traits.discharges and wanted >= low and power > 0 else 0

    # ---- events -----------------------------------------------------------------------------------------------

    def plug(self, now: int, soc_percent: float | None = None, vehicle: VehicleConfig | None = None) -> None:
        """A vehicle is plugged in: the last one, or another."""
        self.advance(now)
        if vehicle is not None:
            self.battery = Battery(vehicle, self.battery.soc_percent)
        if soc_percent is not None:
            self.battery.set_soc(soc_percent)
        self.plugged = True
        self.ev_pauses = False
        self._confirmed = not self.traits.must_ask
        self._handshake_at = now + self.config.handshake_ms if self.config.handshake_ms else None
        if self.config.autostart is not None:
            self.mode = self.config.autostart
        self._settle()

    def unplug(self, now: int) -> None:
        """The vehicle is gone: no power, and a mode of energy ends."""
        self.advance(now)
        self.plugged = False
        self._confirmed = True
        self._handshake_at = self._confirm_at = self._prepares_until = self._lags_until = None
        self.stage.cut()
        if self.mode in ENERGY_MODES:
            self.mode = self._stop_mode()

    def panel(self, now: int, mode: int) -> bool:
        """A person chooses a mode at the unit. False if the unit cannot."""
        self.advance(now)
        if mode in ENERGY_MODES and self.plugged:
            self._confirmed = True
        return self._take_mode(mode)

    def set_fault(self, now: int, code: int) -> None:
        """A fault (0x88 = 41, 0x89 = code): power ends at once, and so does the mode."""
        self.advance(now)
        self.fault = code
        self.stage.cut()
        if self.mode in ENERGY_MODES:
            self.mode = self._stop_mode()

    def clear_fault(self, now: int) -> None:
        """The fault is over; nothing starts again by itself."""
        self.advance(now)
        self.fault = None

    def ev_ends(self, now: int) -> None:
        """The vehicle ends charging or discharging (CEL-3.8)."""
        self.advance(now)
        if self.mode in ENERGY_MODES:
            self.mode = self.end_mode()

    # ---- writes -----------------------------------------------------------------------------------------------

    def write(self, now: int, epc: int, edt: bytes) -> bool:
        """One property of a SetC. True = accepted, which says nothing of its effect (AIF 2.4.5); False = refused."""
        self.advance(now)
        if epc not in self.set_map:
            return False
        if epc == Epc.OPERATION_MODE:
            return self._write_mode(edt)
        if self._settings.takes(epc, edt):
            self._store(epc, edt)
            self._settle()
        return True

    def _write_mode(self, edt: bytes) -> bool:
        if len(edt) != 1:
            return True
        if edt[0] in self.facts.gated and self._refuses_modes():
            return False
        self._take_mode(edt[0])
        return True

    def _refuses_modes(self) -> bool:
        """AIF 3.2.1(3), 4.2.1(3); AC types may be ordered to charge while they know nothing (AIF 3.2.2, 4.2.2)."""
        state = self.connection
        if state == Connection.UNDETERMINED:
            return self.traits.must_ask
        if state == Connection.NONE:
            return not self.traits.ac
        return state == Connection.NEITHER

    def _take_mode(self, mode: int) -> bool:
        """Take a mode if it can be; what cannot be is ignored."""
        if mode == Mode.PREPARE and mode in self.facts.modes(self.config.release):
            if self.mode in ENERGY_MODES:
                return True
            self._prepares_until = self._now + self.config.prepare_ms
            return True
        if mode not in self.facts.modes(self.config.release) or not self._possible(mode):
            return False
        self._prepares_until = None
        self.mode = mode
        return True

    def _possible(self, mode: int) -> bool:
        if mode in ENERGY_MODES and self.fault is not None:
            return False
        charge = self.traits.charges and not self.battery.at_cap
        discharge = self.traits.discharges and not self.battery.at_floor
        needs = {Mode.RAPID: charge, Mode.CHARGE: charge, Mode.DISCHARGE: discharge}
        return needs.get(Mode(mode), True)

    def _store(self, epc: int, edt: bytes) -> None:
        if epc == Epc.OPERATION_STATUS:
            self.operating = edt == b"\x30"
        elif epc == Epc.CONFIRM_CONNECTION:
            self._confirm_at = self._now + self.config.confirm_ms
        elif epc == Epc.RESET_CHARGED:
            self.charged_wms = 0
        elif epc == Epc.RESET_DISCHARGED:
            self.discharged_wms = 0
        else:
            self._settings.store(epc, edt)
            if epc == Epc.V2G_POWER:
                self._follow_v2g()

    def _follow_v2g(self) -> None:
        """0xE0 moves the mode while a method is V2G, by the Appendix' notes."""
        power = self.setting(Epc.V2G_POWER)
        if Method.V2G not in (self._settings.method(charging=True), self._settings.method(charging=False)):
            return
        self._take_mode(Mode.CHARGE if power > 0 else Mode.DISCHARGE if power < 0 else Mode.STANDBY)

    def _stop_mode(self) -> int:
        return Mode.STOP if self.config.release >= "G" else Mode.STANDBY

    def end_mode(self) -> int:
        """Where the unit goes when the vehicle is full or empty."""
        return self.config.end_mode if self.config.end_mode is not None else self._stop_mode()
