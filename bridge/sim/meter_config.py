"""How a simulated meter is built: its class, what feeds it, and in which units it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bridge.sim.battery import WMS_PER_WH

SMART_METER = 0x0288
BOARD = 0x0287

#: What flows (W, plus = from the grid, or into the circuit) at a monotonic time (ms).
PowerOf = Callable[[int], float]

#: 0xE1 and 0xC2: the energy of one count, in units of 0.1 Wh.
COUNT_TENTHS_WH: dict[int, int] = {
    0x00: 10_000,
    0x01: 1_000,
    0x02: 100,
    0x03: 10,
    0x04: 1,
    0x0A: 100_000,
    0x0B: 1_000_000,
    0x0C: 10_000_000,
    0x0D: 100_000_000,
}


def _nothing(now: int) -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class SimMeterConfig:
    """A meter. Powers in W, times in ms.

    `power_w`: at the receiving point (0x0288), or at the board's master (0x0287). `channels`: a board's one-way
    circuits (0xB1.., 0xD0-0xEF) by their number, counted from 1; `two_way`: its both-way ones (0xB8..).
    `unit`: 0xE1 or 0xC2, a key of `COUNT_TENTHS_WH`; `coefficient`: 0xD3, None = not there; `digits`: 0xD7, where
    registers begin again. `bought_wh`, `sold_wh`: where the registers begin. `phases`: 2 for 100/200 V with three
    wires, 1 for two wires (no T phase). `reverse`: whether it counts the reverse direction. `hidden`: taken out of the
    maps. `withheld`: in the map, yet refused. `sample_ms`: how often power is looked at.
    """

    unit_class: int = SMART_METER
    release: str = "P"
    instance: int | None = None
    power_w: PowerOf = _nothing
    channels: Mapping[int, PowerOf] = field(default_factory=dict)
    two_way: Mapping[int, PowerOf] = field(default_factory=dict)
    unit: int = 0x01
    coefficient: int | None = 1
    digits: int = 8
    bought_wh: int = 0
    sold_wh: int = 0
    phases: int = 2
    voltage_v: int = 200
    rated_a: int = 60
    reverse: bool = True
    hidden: frozenset[int] = frozenset()
    withheld: frozenset[int] = frozenset()
    sample_ms: int = 1_000
    maker: bytes = b"\x00\x00\x77"
    quirks: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError for a meter that cannot be."""
        if self.unit_class not in (SMART_METER, BOARD):
            raise ValueError(f"class {self.unit_class:#06x} is no meter; it is 0x0288 or 0x0287")
        if self.unit not in COUNT_TENTHS_WH:
            raise ValueError(f"unit {self.unit:#04x} is none of {', '.join(f'0x{u:02X}' for u in COUNT_TENTHS_WH)}")
        if not 1 <= self.digits <= 8:
            raise ValueError(f"digits: 1 to 8, not {self.digits}")
        if self.unit_class == SMART_METER and (self.channels or self.two_way):
            raise ValueError("channels: only a board (0x0287) has them")
        wrong = [number for number in (*self.channels, *self.two_way) if not 1 <= number <= 252]
        if wrong:
            raise ValueError(f"channels are numbered 1 to 252, not {wrong[0]}")


class Counter:
    """Energy of one point: what flowed each way, and what flows now."""

    def __init__(self, power_of: PowerOf, bought_wh: int = 0, sold_wh: int = 0) -> None:
        self._power_of = power_of
        self.power_w = 0
        self.bought_wms = bought_wh * WMS_PER_WH
        self.sold_wms = sold_wh * WMS_PER_WH

    def advance(self, elapsed_ms: int, now: int) -> None:
        """What was last seen has flowed until now."""
        if self.power_w >= 0:
            self.bought_wms += self.power_w * elapsed_ms
        else:
            self.sold_wms -= self.power_w * elapsed_ms
        self.power_w = round(self._power_of(now))
