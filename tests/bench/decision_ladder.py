"""Connector status and charging state of class 0x027E by hand: what the table of the class is measured against.

Written as somebody would who knows the class, cares for speed and never wants to change a rule: plain comparisons,
what is needed twice is worked out once, what is not needed not at all. Bytes become values as everywhere, through the
dictionary of the unit's release.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bridge.echonet.dictionary import RELEASES
from bridge.evse import ChargingState, Connector, Mode
from bridge.mapping.context import Decoded
from bridge.mapping.decision import View

Decode = Callable[[str, int, bytes], Decoded]
Answer = tuple[Connector | None, ChargingState | None]

AC = frozenset({"ac_cplt", "ac_hlc_charge", "ac_hlc_chargedischarge"})
CHADEMO = frozenset({"dc_aa_charge", "dc_aa_chargedischarge", "dc_aa_discharge"})
DISCHARGE_ONLY = frozenset({"dc_aa_discharge", "dc_bb_discharge", "dc_ee_discharge", "dc_ff_discharge"})
BOTH_WAYS = frozenset(
    {
        "ac_hlc_chargedischarge",
        "dc_aa_chargedischarge",
        "dc_bb_chargedischarge",
        "dc_ee_chargedischarge",
        "dc_ff_chargedischarge",
    }
)
PLUGGED = frozenset({"connected", "chargeable", "dischargeable", "chargeableDischargeable", "unknown"})
ENERGY_MODES = frozenset({"rapidCharge", "charge", "discharge", "chargingDischarging", "automatic"})
RESTING = frozenset({"standby", "idle", "preparation", "other", "test"})
ENERGY_WANTED = frozenset({Mode.CHARGE, Mode.DISCHARGE, Mode.AUTO})
FROM_D, FROM_G, FROM_N = (frozenset(RELEASES[RELEASES.index(letter) :]) for letter in "DGN")
D_TO_M = FROM_D - FROM_N
ASKING = 0xCD


class Ladder:
    """One view; what it says of the unit is looked up at most once."""

    __slots__ = ("actual", "decode", "facts", "mode", "plug", "power", "release", "status", "type", "view")

    def __init__(self, decode: Decode, view: View) -> None:
        self.decode = decode
        self.view = view
        self.facts = view.facts
        self.release = view.release
        self.type = self.name(0xCC)
        self.status = self.name(0xC7)
        self.actual = self.name(0xE1)
        self.mode = self._mode()
        self.power = self._power()
        self.plug = self._plug()

    def name(self, epc: int) -> str:
        fact = self.facts.get(epc)
        return "absent" if fact is None else self.decode(self.release, epc, fact.edt).name

    def milli(self, epc: int, within: int | None = None) -> int | None:
        fact = self.facts.get(epc)
        if fact is None or (within is not None and self.view.now - fact.at > within):
            return None
        return self.decode(self.release, epc, fact.edt).milli

    def bounds(self, epc: int) -> tuple[int | None, int | None]:
        fact = self.facts.get(epc)
        value = None if fact is None else self.decode(self.release, epc, fact.edt).value
        if not isinstance(value, Mapping):
            return None, None
        least, most = value.values()
        return getattr(least, "milli", None), getattr(most, "milli", None)

    def _mode(self) -> str:
        fact = self.facts.get(0xE1)
        if fact is not None and self.view.now - fact.at <= 200_000 and self.actual != "absent":
            return self.actual
        return self.name(0xDA)

    def _power(self) -> str:
        power = self.milli(0xD3, 180_000)
        if power is None:
            meter = self.view.meter
            told = meter.power if meter is not None else None
            if told is None or self.view.now - told.at > 180_000:
                return "unmeasured"
            power = told.value
        if -100_000 < power < 100_000:
            return "still"
        return "charging" if power > 0 else "discharging"

    def _plug(self) -> str:
        if self.status in PLUGGED:
            return "yes"
        if self.type in AC:
            return "no" if self.status == "notConnected" and "plugKnown" in self.view.seen else "blind"
        return "no" if self.status == "notConnected" else "undetermined"

    # StatusNotification

    def connector(self) -> Connector | None:
        view, plug = self.view, self.plug
        if view.lost_for >= 60_000:
            return Connector.UNAVAILABLE
        if not view.reachable:
            return None
        if self.name(0x88) == "fault":
            return Connector.FAULTED
        if self.mode == "test":
            return Connector.UNAVAILABLE
        if plug == "yes" or self.power in ("charging", "discharging"):
            return Connector.OCCUPIED
        if plug != "undetermined":
            if plug == "blind" and (view.wanted.authorized or view.wanted.in_transaction):
                return Connector.OCCUPIED
            return Connector.AVAILABLE
        return None

    # chargingState

    def charging(self) -> ChargingState | None:
        view, wanted = self.view, self.view.wanted.mode
        if not view.reachable:
            return None
        if self.plug == "no":
            return ChargingState.IDLE
        if self.power in ("charging", "discharging"):
            return ChargingState.CHARGING
        if self.power == "unmeasured" and self.plug != "blind" and self._ordered():
            return ChargingState.CHARGING
        if not view.wanted.authorized:
            return ChargingState.EV_CONNECTED
        if self.name(0x88) == "fault" or wanted in (Mode.PAUSE, Mode.STOP):
            return ChargingState.SUSPENDED_EVSE
        comes_to = self.comes_to()
        if comes_to == "pause" or view.contested:
            return ChargingState.SUSPENDED_EVSE
        wrong_way = self._wrong_way()
        if (wrong_way and not view.confirmed) or (comes_to == "refused" and not wrong_way):
            return ChargingState.SUSPENDED_EVSE
        if wanted in ENERGY_WANTED:
            resting = self.mode in RESTING
            if resting and view.confirmed and (wrong_way or self._ended()):
                return ChargingState.SUSPENDED_EV
            if resting and view.foreign:
                return ChargingState.SUSPENDED_EVSE
            if not view.confirmed:
                return ChargingState.EV_CONNECTED
            if resting:
                return ChargingState.SUSPENDED_EV
        if self.mode in ENERGY_MODES and self.power == "still":
            return ChargingState.SUSPENDED_EV
        return None

    def _ordered(self) -> bool:
        if self.actual != "absent":
            return self.actual in ("charge", "discharge")
        if self.name(0xDA) not in ("rapidCharge", "charge", "discharge"):
            return False
        wrote = self.view.wrote.get(0xDA)
        return wrote is not None and self.facts[0xDA].at >= wrote

    def _wrong_way(self) -> bool:
        wanted = self.view.wanted.mode
        if self.status == "connected":
            return wanted in ENERGY_WANTED
        if self.status == "dischargeable":
            return wanted is Mode.CHARGE
        return self.status in ("chargeable", "unknown") and wanted is Mode.DISCHARGE

    def _ended(self) -> bool:
        if self.view.wanted.mode is Mode.CHARGE:
            left, level = self.milli(0xCF), self.milli(0xE4)
            return (left is not None and left <= 0) or (level is not None and level >= 100_000)
        if self.view.wanted.mode is Mode.DISCHARGE:
            left, level = self.milli(0xC2), self.milli(0xC4)
            return (left is not None and left <= 0) or (level is not None and level <= 0)
        return False

    # What the wanted setpoint comes to

    def comes_to(self) -> str:
        wanted = self.view.wanted.mode
        if wanted not in ENERGY_WANTED:
            return wanted.value
        blocked = self._blocked(wanted)
        if blocked is not None:
            return blocked
        if wanted is Mode.AUTO:
            return "auto" if self._level() else "refused"
        if wanted is Mode.CHARGE:
            return self._run("charge", 1, self.view.wanted.charge_bound)
        return self._run("discharge", -1, self.view.wanted.discharge_bound) if self._level() else "refused"

    def _blocked(self, wanted: Mode) -> str | None:
        view = self.view
        if wanted is Mode.CHARGE:
            possible = self.release in FROM_D and self.type not in DISCHARGE_ONLY
        elif wanted is Mode.DISCHARGE:
            possible = self.release in FROM_G and self.type in BOTH_WAYS | DISCHARGE_ONLY and view.discharge_allowed
        else:
            possible = self.release in FROM_N and self.type in BOTH_WAYS and view.discharge_allowed
        if not possible or not view.wanted.authorized:
            return "refused"
        if self.name(0x88) == "fault" or self.name(0xDB) == "independent":
            return "refused"
        if wanted is Mode.AUTO and self._bounded():
            return "refused"
        if self.status in ("undefined", "absent") and self.type in CHADEMO and ASKING in view.settable:
            return "ask"
        if wanted is Mode.CHARGE:
            vehicle = self.status in ("chargeable", "chargeableDischargeable", "unknown") or self.plug == "blind"
        elif wanted is Mode.DISCHARGE:
            vehicle = self.status in ("dischargeable", "chargeableDischargeable")
        else:
            vehicle = self.status in ("chargeable", "dischargeable", "chargeableDischargeable")
        return None if vehicle else "refused"

    def _bounded(self) -> bool:
        wanted = self.view.wanted
        return not wanted.target is wanted.charge_bound is wanted.discharge_bound is None

    def _level(self) -> bool:
        """Whether the state of charge, read within the last minute, is above the floor (3 % before it starts)."""
        level = self._asked_level()
        if level is None:
            return False
        above = level - self.view.soc_floor
        started = self.mode == "discharge"
        if self.view.wanted.mode is Mode.AUTO:
            started = started or self.name(0xDA) in ("chargingDischarging", "automatic")
        return above >= 3_000 or (above > 0 and started)

    def _asked_level(self) -> int | None:
        facts, oldest = self.facts, self.view.now - 60_000
        fact = facts.get(0xE4)
        if fact is not None and fact.at >= oldest and not fact.notified and (level := self.milli(0xE4)) is not None:
            return level
        part, whole = facts.get(0xE2), facts.get(0xD0)
        if part is None or whole is None or min(part.at, whole.at) < oldest or part.notified or whole.notified:
            return None
        left, capacity = self.milli(0xE2), self.milli(0xD0)
        if left is None or capacity is None or not 0 <= left <= capacity or capacity == 0:
            return None
        return left * 100_000 // capacity

    def _run(self, name: str, sign: int, bound: int | None) -> str:
        """Within which limit, and by which property."""
        rated, power, current = (0xC5, 0xC8, 0xCA) if sign > 0 else (0xC6, 0xC9, 0xCB)
        target = self.view.wanted.target
        asked = bound
        if target is not None and (bound is None or target * sign < bound):
            asked = target * sign
        if asked is not None and asked <= 0:
            return "pause"
        backwards = ("discharge",) if sign > 0 else ("rapidCharge", "charge")
        if self.mode in backwards or self.power == ("discharging" if sign > 0 else "charging"):
            return "pause"
        least, most = self.bounds(power)
        told = [value for value in (self.milli(rated), most) if value is not None]
        limit = min([*told, asked] if asked is not None else told, default=None)
        if limit is not None and limit < 1000:
            return "pause"
        method, by_power, by_current = (0xDC, 0xEB, 0xED) if sign > 0 else (0xDD, 0xEC, 0xEE)
        if limit is not None and self._governs(by_power, method, "designatedElectricPower"):
            paused = least is not None and limit // 1000 * 1000 < least
        elif limit is not None and self._governs(by_current, method, "designatedElectricCurrent"):
            paused = (least is not None and limit // 1000 * 1000 < least) or self._no_current(limit, current)
        else:
            paused = asked is not None and (not told or asked < max(told))
        return "pause" if paused or (sign < 0 and self._nothing_left()) else name

    def _governs(self, epc: int, method: int, word: str) -> bool:
        view = self.view
        if epc not in view.settable or epc not in view.gettable or epc in view.refused:
            return False
        return self.release in D_TO_M or method in view.settable or self.name(method) == word

    def _no_current(self, limit: int, epc: int) -> bool:
        least, most = self.bounds(epc)
        milliamperes = limit * 1000 // self._volts()
        if most is not None and most < milliamperes:
            milliamperes = most
        return milliamperes < 100 or (least is not None and milliamperes // 100 * 100 < least)

    def _volts(self) -> int:
        if self.type in AC:
            return 700_000
        if self.power in ("charging", "discharging"):
            measured = self.milli(0xD5, 60_000)
            if measured is not None and measured >= 150_000:
                return measured
        return 450_000

    def _nothing_left(self) -> bool:
        """Of an amount that the unit is given to end by itself."""
        view, amount = self.view, self.view.wanted.amount
        if amount is None or amount.energy is None or amount.energy - view.counted >= 1000:
            return False
        fact = self.facts.get(0xEA)
        if fact is not None and len(fact.edt) != 4:
            return False
        free = 0xEA in view.settable and 0xEA in view.gettable and 0xEA not in view.refused
        return free and self.name(0xDA) != "discharge"


def decide(decode: Decode, view: View) -> Answer:
    """Connector status and charging state; None keeps what was."""
    unit = Ladder(decode, view)
    return unit.connector(), unit.charging()
