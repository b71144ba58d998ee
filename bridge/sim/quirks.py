"""Faults and oddities of units in the field, by name. Each can be switched on alone, for a unit or for a node.

A quirk only changes a configuration: `QUIRKS` says how, the unit (`bridge.sim.unit`) and the node (`bridge.sim.node`)
do it. The names are the traps of the project's list of facts about the protocol. A unit's quirks may name its node's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from bridge.errors import ConfigError
from bridge.sim.battery import VehicleConfig
from bridge.sim.classes import DEFAULT_SETTABLE
from bridge.sim.node_config import NodeConfig
from bridge.sim.properties import CHARGER_CODE, Connection, Epc
from bridge.sim.unit_config import SimUnitConfig

#: Longer than any run: for ever.
FOR_EVER_MS = 10**12

#: Without this an AA type could not be asked at all.
_ALWAYS = frozenset({int(Epc.CONFIRM_CONNECTION)})

#: Settings that are new and count from the next configuration on.
Change = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Quirk:
    """One oddity. `parse` reads its value from text; a quirk without `parse` takes none.

    `unit` and `node` give the settings that it changes there, from the configuration as it is and the value.
    """

    name: str
    text: str
    default: object = True
    parse: Callable[[str], object] | None = None
    unit: Callable[[SimUnitConfig, Any], Change] | None = None
    node: Callable[[NodeConfig, Any], Change] | None = None


# ---- values -----------------------------------------------------------------------------------------------------


def _number(text: str) -> int:
    return int(text, 0)


def _codes(text: str) -> frozenset[int]:
    """Property codes in hex: `E2,E4`."""
    return frozenset(int(word, 16) for word in text.split(","))


def _timed_codes(text: str) -> tuple[int, frozenset[int]]:
    """`180000:E2,E4`: how long, and which."""
    time, _, codes = text.partition(":")
    return int(time), _codes(codes) if codes else _BATTERY_LEVEL


_BATTERY_LEVEL = frozenset({int(Epc.REMAINING_1), int(Epc.REMAINING_3)})


def _vehicle(config: SimUnitConfig, **changes: Any) -> Change:
    vehicle: VehicleConfig = config.with_vehicle()
    return {"vehicle": replace(vehicle, **changes)}


def _fixed(config: SimUnitConfig, epc: int, edt: bytes) -> Change:
    return {"answers": {**config.answers, epc: edt}}


# ---- the table --------------------------------------------------------------------------------------------------

_UNKNOWN_RANGE = b"\xff\xff\xff\xff\xff\xff\xff\xfe"

_ALL = (
    # how answers come
    Quirk(
        "other-port",
        "answers leave from another UDP port than 3610 (over real UDP only)",
        23_610,
        _number,
        node=lambda c, port: {"answer_port": port},
    ),
    Quirk("other-order", "answers come in another order than asked", node=lambda c, v: {"answers_reversed": True}),
    Quirk(
        "fewer-properties",
        "answers carry only the first N properties that were asked for",
        2,
        _number,
        node=lambda c, count: {"answer_at_most": count},
    ),
    Quirk(
        "max-properties",
        "a request of more than N properties is refused whole",
        1,
        _number,
        node=lambda c, count: {"max_opc": count},
    ),
    Quirk(
        "malformed-refusal",
        "a SetC_SNA says PDC 4 and carries one byte",
        node=lambda c, v: {"refuses_malformed": True},
    ),
    Quirk(
        "collapsed-duplicates",
        "of equal properties in one request only one is answered",
        node=lambda c, v: {"collapses": True},
    ),
    Quirk(
        "slow-answers",
        "every answer comes after N ms; several requests are served at once",
        19_000,
        _number,
        node=lambda c, ms: {"answer_delay_ms": ms, "one_at_a_time": False},
    ),
    Quirk(
        "crossing-answers",
        "every second answer is held back N ms, so that it arrives while the next one is awaited",
        21_000,
        _number,
        node=lambda c, ms: {"holds_every": 2, "holds_ms": ms, "one_at_a_time": False},
    ),
    Quirk(
        "split-answers",
        "a Get of several properties is answered in two frames of the same TID",
        node=lambda c, v: {"splits": True},
    ),
    Quirk(
        "never-answers",
        "requests are carried out and never answered; changes are announced",
        node=lambda c, v: {"answers_never": True},
    ),
    Quirk(
        "garbage",
        "every N-th answer is bytes that are no frame",
        1,
        _number,
        node=lambda c, every: {"garbage_every": every},
    ),
    Quirk(
        "chokes",
        "the adapter loses what is asked sooner than N ms after the last request, and its rest begins anew",
        500,
        _number,
        node=lambda c, ms: {"rest_ms": ms},
    ),
    Quirk(
        "flaky-adapter",
        "the adapter loses this share (0 to 1) of the datagrams, doubles as many, and delays all by up to 1 s",
        0.1,
        float,
        node=lambda c, share: {"drop": share, "duplicate": share, "delay_ms": 1_000},
    ),
    # what is behind an address
    Quirk("instance-1f", "the object's instance is 0x1F", 0x1F, _number, unit=lambda c, number: {"instance": number}),
    Quirk(
        "several-objects",
        "a storage battery, solar panels and an air conditioner live at the same address",
        node=lambda c, v: {"neighbours": True},
    ),
    Quirk(
        "strange-object",
        "an object of an unknown class, with maps that are none, lives at the same address",
        node=lambda c, v: {"strange": True},
    ),
    Quirk(
        "new-address",
        "comes back from a power cut with another IP address (the next free one, or the one given)",
        None,
        str,
        node=lambda c, address: {"moves": True, "moves_to": address if isinstance(address, str) else None},
    ),
    Quirk("no-id", "the unit has no 0x83", unit=lambda c, v: {"has_id": False}),
    Quirk(
        "unknown-release",
        "0x82 names this release, whatever the unit does",
        "Z",
        str,
        unit=lambda c, letter: _fixed(c, Epc.PROTOCOL, b"\x00\x00" + letter[:1].encode("ascii") + b"\x00"),
    ),
    # announcements
    Quirk("inf-never", "no change is announced", unit=lambda c, v: {"inf_copies": 0}),
    Quirk("inf-doubled", "every change is announced twice", unit=lambda c, v: {"inf_copies": 2}),
    Quirk(
        "inf-before-answer",
        "a change that a write makes is announced before the write is answered",
        unit=lambda c, v: {"inf_delay_ms": 0},
    ),
    Quirk(
        "inf-late",
        "a change is announced after N ms",
        180_000,
        _number,
        unit=lambda c, ms: {"inf_delay_ms": ms},
    ),
    # properties
    Quirk(
        "sna-for-ever",
        "these properties (hex, by commas) stand in the Get map and are always refused",
        _BATTERY_LEVEL,
        _codes,
        unit=lambda c, codes: {"withheld": frozenset(codes)},
    ),
    Quirk(
        "sna-at-first",
        "MS[:CODES]: these properties are refused for the first N ms",
        (180_000, _BATTERY_LEVEL),
        _timed_codes,
        unit=lambda c, v: {"withheld_ms": v[0], "withheld": frozenset(v[1])},
    ),
    Quirk(
        "mandatory-only",
        "the unit has only what the Appendix requires",
        unit=lambda c, v: {
            "hidden": c.hidden | (c.facts.known(c.release) - c.facts.required(c.release) - _ALWAYS),
            "settable": frozenset({int(Epc.INSTALLATION_LOCATION)}),
        },
    ),
    Quirk(
        "everything",
        "the unit has every property of its release, and all that can be written is writable",
        unit=lambda c, v: {
            "extra": c.facts.optional(c.release),
            "settable": frozenset(epc for epc in c.facts.known(c.release) if c.facts.write_range(c.release, epc)),
        },
    ),
    Quirk(
        "on-off",
        "nothing governs the power: no setting can be written, nor the methods",
        unit=lambda c, v: {"settable": c.settable - (DEFAULT_SETTABLE - {Epc.INSTALLATION_LOCATION})},
    ),
    Quirk(
        "fixed-method",
        "0xDC and 0xDD cannot be written, so that 0xEB to 0xEE do not govern",
        unit=lambda c, v: {"settable": c.settable - {Epc.CHARGING_METHOD, Epc.DISCHARGING_METHOD}},
    ),
    Quirk(
        "v2g-setting",
        "0xE0 can be written: under method 06 it moves the mode",
        unit=lambda c, v: {"settable": c.settable | {Epc.V2G_POWER}},
    ),
    Quirk(
        "clamps", "settings beyond the unit's range read back as the nearest end", unit=lambda c, v: {"clamps": True}
    ),
    Quirk(
        "unknown-ranges",
        "0xC8 to 0xCB read as overflow and underflow codes",
        unit=lambda c, v: {
            "answers": {
                **c.answers,
                Epc.CHARGE_POWER_RANGE: _UNKNOWN_RANGE,
                Epc.DISCHARGE_POWER_RANGE: _UNKNOWN_RANGE,
                Epc.CHARGE_CURRENT_RANGE: b"\xff\xff\xff\xfe",
                Epc.DISCHARGE_CURRENT_RANGE: b"\xff\xff\xff\xfe",
            }
        },
    ),
    Quirk(
        "overflow",
        "power, state of charge and energy left read as overflow codes",
        unit=lambda c, v: {
            "answers": {
                **c.answers,
                Epc.POWER: b"\xff\xff\xff\xff" if c.unit_class == CHARGER_CODE else b"\x7f\xff\xff\xff",
                Epc.REMAINING_1: b"\xff\xff\xff\xff",
                Epc.REMAINING_3: b"\xff",
            }
        },
    ),
    Quirk(
        "short-amount",
        "0xEA has 2 bytes instead of 4, and takes what is written so",
        unit=lambda c, v: {"short_amount": True, "settable": c.settable | {Epc.DISCHARGE_AMOUNT}},
    ),
    Quirk("no-vehicle-id", "0xE6 is one byte of 00", unit=lambda c, v: _vehicle(c, vehicle_id=b"")),
    Quirk(
        "register-wraps",
        "the energy registers stand N Wh before their end",
        1_000,
        _number,
        unit=lambda c, wh: {"charged_wh": 10**9 - wh, "discharged_wh": 10**9 - wh},
    ),
    # the vehicle and the mode
    Quirk(
        "undetermined",
        "0xC7 stays undetermined for ever, whatever is plugged in",
        unit=lambda c, v: {"stuck_connection": Connection.UNDETERMINED},
    ),
    Quirk(
        "stale-soc",
        "without CAN the battery's values are those last known, which look live",
        unit=lambda c, v: {"last_known": True},
    ),
    Quirk(
        "rescue-charge",
        "a vehicle below N percent is charged as soon as it is plugged in, in any mode",
        10,
        _number,
        unit=lambda c, percent: {"rescue_below_percent": percent},
    ),
    Quirk(
        "discharge-floor",
        "the vehicle gives nothing below N percent",
        40,
        _number,
        unit=lambda c, percent: _vehicle(c, discharge_floor_percent=percent),
    ),
    Quirk(
        "charge-cap",
        "the vehicle takes nothing above N percent",
        85,
        _number,
        unit=lambda c, percent: _vehicle(
            c, charge_cap_percent=percent, taper_from_percent=min(percent, c.with_vehicle().taper_from_percent)
        ),
    ),
    Quirk(
        "mode-ignored",
        "an ordered mode reads back in 0xDA; power follows only after N ms",
        FOR_EVER_MS,
        _number,
        unit=lambda c, ms: {"start_lag_ms": ms},
    ),
    Quirk(
        "runs-on",
        "a stop reads back in 0xDA; power flows on for N ms",
        60_000,
        _number,
        unit=lambda c, ms: {"stop_lag_ms": ms},
    ),
)

#: Every quirk by its name, in the order of the help.
QUIRKS: dict[str, Quirk] = {quirk.name: quirk for quirk in _ALL}


# ---- switching on -----------------------------------------------------------------------------------------------


def with_unit_quirks(config: SimUnitConfig) -> SimUnitConfig:
    """The unit that a configuration's quirks make of it. Raises `ConfigError` for an unknown quirk or value."""
    for quirk, value in chosen(config.quirks):
        if quirk.unit is not None:
            config = replace(config, **quirk.unit(config, value))
    return config


def with_node_quirks(config: NodeConfig, of_units: Iterable[Mapping[str, object]] = ()) -> NodeConfig:
    """The node that its own quirks, and those of its units, make of a configuration.

    Raises `ConfigError` for an unknown quirk or value, and for a quirk of units that was given to a node.
    """
    for quirk, _ in chosen(config.quirks):
        if quirk.node is None:
            raise ConfigError(f"quirk {quirk.name}: it is a unit's; give it to SimUnitConfig, not to the node")
    for quirks in (config.quirks, *of_units):
        for quirk, value in chosen(quirks):
            if quirk.node is not None:
                config = replace(config, **quirk.node(config, value))
    return config


def chosen(quirks: Mapping[str, object]) -> list[tuple[Quirk, object]]:
    """The quirks of a mapping with their values. True or None is the default value, False leaves one out."""
    return [(find(name), _value(find(name), value)) for name, value in quirks.items() if value is not False]


def find(name: str) -> Quirk:
    """A quirk by its name. Raises `ConfigError` that names the nearest."""
    if name not in QUIRKS:
        near = get_close_matches(name, QUIRKS, 1)
        mend = f"did you mean {near[0]}?" if near else "--quirk help lists them"
        raise ConfigError(f"quirk {name!r} is not known: {mend}")
    return QUIRKS[name]


def parse(text: str) -> tuple[str, object]:
    """`NAME` or `NAME=VALUE` of the command line. Raises `ConfigError`."""
    name, given, value = text.partition("=")
    quirk = find(name.strip())
    return quirk.name, _value(quirk, value if given else True)


def _value(quirk: Quirk, value: object) -> object:
    if value is True or value is None:
        return quirk.default
    if quirk.parse is None:
        raise ConfigError(f"quirk {quirk.name}: it takes no value, {value!r} was given")
    if not isinstance(value, str):
        return value
    try:
        return quirk.parse(value)
    except ValueError:
        raise ConfigError(f"quirk {quirk.name}: {value!r} is no value for it: {quirk.text}") from None


def describe() -> str:
    """All quirks with their defaults, one a line."""
    width = max(len(_usage(quirk)) for quirk in _ALL)
    return "\n".join(f"{_usage(quirk):<{width}}  {quirk.text}" for quirk in _ALL)


def _usage(quirk: Quirk) -> str:
    return quirk.name if quirk.parse is None else f"{quirk.name}[={_shown(quirk.default)}]"


def _shown(value: object) -> str:
    if isinstance(value, frozenset):
        return ",".join(f"{code:02X}" for code in sorted(value))
    if isinstance(value, tuple):
        return ":".join(_shown(part) for part in value)
    return {None: "ADDRESS", FOR_EVER_MS: "MS"}.get(value, str(value)) if isinstance(value, int | None) else str(value)
