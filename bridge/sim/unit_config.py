"""How a simulated charger is built, and how it behaves: the settings of `SimUnit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.sim.battery import VehicleConfig
from bridge.sim.classes import CLASSES, DEFAULT_SETTABLE, PILOT_ONLY, ClassFacts
from bridge.sim.power import PowerConfig
from bridge.sim.properties import CLASS_CODE, Connection, TypeTraits

#: The type of a unit that names none: it sees the vehicle by itself.
_USUAL_TYPE = {0x027E: 0x32, 0x02A1: 0x31}


@dataclass(frozen=True, slots=True)
class SimUnitConfig:
    """One unit. Powers in W, currents in 0.1 A (as on the wire), times in ms.

    `unit_class`: 0x027E or 0x02A1. `equipment_type` 0: the usual one of the class, 0x32 or 0x31.
    `settable`: what may be written, of what the release has. `hidden`: taken out of all maps. `extra`: optional
    properties beyond the usual ones. `withheld`: in the map, yet always refused; for `withheld_ms` only, if that is
    not 0. `inf_delay_ms`: from a change to its INF, at most 180 s (AIF 3.2.1). `inf_copies`: 0 loses every INF, 2 sends
    each twice. `clamps`: settings beyond the unit's range read back as the nearest end.
    `end_mode`: what the unit goes to when the vehicle is full, empty, or ends; None = stop (standby before G).
    `autostart`: a mode taken when a vehicle is plugged in. `rescue_below_percent`: charges such a vehicle in any mode.
    `handshake_ms`: from plug to the vehicle's state being known; until then "unknown" (from J) or "neither".
    `blind_state`: what 0xC7 says while it cannot know. `sees_plug`: a 0x027E of a type without communication that knows
    nevertheless (AIF 3.2.1 leaves it to the model). `stuck_connection`: 0xC7 says this for ever.
    `start_lag_ms`, `stop_lag_ms`: how long power goes on as before a new mode that starts, or ends, energy.
    `last_known`: without CAN the battery's values are those last read from the vehicle (CEL 3.4).
    `short_amount`: 0xEA has 2 bytes.
    `answers`: properties that read as fixed bytes, whatever is so.
    `charged_wh`, `discharged_wh`: where the registers 0xD8 and 0xD6 begin.
    `quirks`: faults of the field by name, of `bridge.sim.quirks`.
    """

    release: str = "P"
    equipment_type: int = 0
    unit_class: int = CLASS_CODE
    instance: int | None = None
    capacity_wh: int = 40_000
    soc_percent: float = 50
    vehicle: VehicleConfig | None = None
    plugged: bool = False
    mode: int | None = None
    settable: frozenset[int] = DEFAULT_SETTABLE
    hidden: frozenset[int] = frozenset()
    extra: frozenset[int] = frozenset()
    withheld: frozenset[int] = frozenset()
    withheld_ms: int = 0
    rated_charge_w: int = 6_000
    rated_discharge_w: int = 6_000
    charge_range_w: tuple[int, int] = (500, 6_000)
    discharge_range_w: tuple[int, int] = (500, 6_000)
    charge_range_da: tuple[int, int] = (15, 300)
    discharge_range_da: tuple[int, int] = (15, 300)
    battery_voltage_v: int = 350
    grid_voltage_v: int = 200
    clamps: bool = False
    power: PowerConfig = field(default_factory=PowerConfig)
    inf_delay_ms: int = 1_000
    inf_copies: int = 1
    end_mode: int | None = None
    autostart: int | None = None
    rescue_below_percent: float = 0
    handshake_ms: int = 0
    confirm_ms: int = 2_000
    prepare_ms: int = 5_000
    blind_state: int = Connection.UNDETERMINED
    sees_plug: bool = False
    stuck_connection: int | None = None
    start_lag_ms: int = 0
    stop_lag_ms: int = 0
    last_known: bool = False
    short_amount: bool = False
    answers: Mapping[int, bytes] = field(default_factory=dict)
    charged_wh: int = 0
    discharged_wh: int = 0
    maker: bytes = b"\x00\x00\x77"
    product: bytes = b""
    has_id: bool = True
    quirks: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in what the class decides. Raises ValueError for a unit that the Appendix does not know."""
        if self.unit_class not in CLASSES:
            known = " or ".join(f"{code:#06x}" for code in CLASSES)
            raise ValueError(f"class {self.unit_class:#06x} is no charger; it is {known}")
        facts = self.facts
        name = f"class 0x{self.unit_class:04X}"
        object.__setattr__(self, "equipment_type", self.equipment_type or _USUAL_TYPE[self.unit_class])
        object.__setattr__(self, "product", self.product or f"SIM-{self.unit_class:04X}".encode())
        if len(self.release) != 1 or self.release not in facts.releases:
            raise ValueError(f"release {self.release!r} does not have {name}; {', '.join(facts.releases)} do")
        if self.equipment_type not in facts.types:
            types = ", ".join(f"0x{code:02X}" for code in facts.types)
            raise ValueError(f"equipment type 0x{self.equipment_type:02X} is not known to {name}; it has {types}")
        if self.traits.since > self.release:
            raise ValueError(f"equipment type 0x{self.equipment_type:02X} exists from Release {self.traits.since} on")
        if self.sees_plug and self.unit_class != CLASS_CODE:
            raise ValueError(f"sees_plug: {name} without communication stays blind (AIF 4.2.1)")

    @property
    def facts(self) -> ClassFacts:
        """What the Appendix says of the class."""
        return CLASSES[self.unit_class]

    @property
    def traits(self) -> TypeTraits:
        """What the type can do."""
        return self.facts.types[self.equipment_type]

    def with_vehicle(self) -> VehicleConfig:
        """The vehicle that is plugged in if no other is named."""
        return self.vehicle or VehicleConfig(capacity_wh=self.capacity_wh)

    def blind(self, speaks_hlc: bool, plugged: bool) -> bool:
        """Whether 0xC7 cannot say anything (AIF 3.2.1): no communication, or a vehicle without it at an HLC type."""
        if self.equipment_type in PILOT_ONLY:
            return not self.sees_plug
        return self.traits.ac and plugged and not speaks_hlc and not self.sees_plug
