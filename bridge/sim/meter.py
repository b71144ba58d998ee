"""Meters beside the chargers: a low-voltage smart meter 0x0288, or a distribution board 0x0287 with channels.

A meter is fed by functions that say the power in W at a time (plus = bought, or consumed), samples them and adds up.
It is an object for a `SimNode`, alone or beside chargers. `bridge.sim.meter_readings` makes its property data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from bridge.clock import Clock
from bridge.sim.battery import WMS_PER_WH
from bridge.sim.codec import Prop
from bridge.sim.device import Announce
from bridge.sim.meter_config import BOARD as BOARD
from bridge.sim.meter_config import SMART_METER, Counter, PowerOf
from bridge.sim.meter_config import SimMeterConfig as SimMeterConfig  # where users look for it
from bridge.sim.meter_readings import read

#: Half hours that a meter remembers: today and 99 days.
_MEMORY = 48 * 100


class SimMeter:
    """A meter that runs while the event loop does. `no_data` makes it say that it has none."""

    config: SimMeterConfig
    total: Counter
    channels: dict[int, Counter]
    two_way: dict[int, Counter]
    half_hours: dict[datetime, tuple[int, int]]
    settings: dict[int, bytes]
    no_data: bool
    ident: bytes

    def __init__(self, clock: Clock, config: SimMeterConfig | None = None) -> None:
        self._clock = clock
        self.config = config or SimMeterConfig()
        self.total = Counter(self.config.power_w, self.config.bought_wh, self.config.sold_wh)
        self.channels = {number: Counter(power) for number, power in sorted(self.config.channels.items())}
        self.two_way = {number: Counter(power) for number, power in sorted(self.config.two_way.items())}
        self.half_hours = {}
        self.settings = _first_settings(self.config)
        self.no_data = False
        self.ident = b""
        self.eoj = 0
        self._silent = False
        self._announce: Announce | None = None
        self._at = clock.monotonic()
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._look(0)
        self._sample()

    # ---- what a node asks -------------------------------------------------------------------------------------

    @property
    def class_code(self) -> int:
        """0x0288 or 0x0287."""
        return self.config.unit_class

    @property
    def wanted_instance(self) -> int | None:
        """The configured instance."""
        return self.config.instance

    @property
    def quirks(self) -> Mapping[str, object]:
        """Faults of the node that carries it, by name."""
        return self.config.quirks

    @property
    def silent(self) -> bool:
        """Whether it hears and says nothing."""
        return self._silent

    def bind(self, own_eoj: int, ident: bytes, announce: Announce) -> None:
        """Told by the node that carries it."""
        self.eoj, self.ident, self._announce = own_eoj, ident, announce

    def read(self, epc: int) -> bytes | None:
        """A property's data now; None = refused."""
        self._advance()
        return read(self, epc)

    def write(self, epc: int, edt: bytes, source: str) -> bool:
        """One property of a SetC: the ranges and days that choose what lists show. Any other is refused."""
        if epc not in self.settings:
            return False
        if len(edt) == len(self.settings[epc]):
            self.settings[epc] = edt
        return True

    def close(self) -> None:
        """Stop the timer."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    # ---- what a person does -----------------------------------------------------------------------------------

    def silence(self, silent: bool = True) -> None:
        """The meter is dead to the network, or back again. It counts on."""
        self._silent = silent

    @property
    def power_w(self) -> int:
        """What flows now in W, plus = bought."""
        self._advance()
        return self.total.power_w

    @property
    def bought_wh(self) -> int:
        """Energy in the normal direction."""
        self._advance()
        return self.total.bought_wms // WMS_PER_WH

    @property
    def sold_wh(self) -> int:
        """Energy in the reverse direction."""
        self._advance()
        return self.total.sold_wms // WMS_PER_WH

    def status(self) -> dict[str, object]:
        """The meter in a few words, for logs and the command line."""
        return {
            "eoj": f"{self.eoj:06X}",
            "power_w": self.power_w,
            "bought_wh": self.bought_wh,
            "sold_wh": self.sold_wh,
        }

    # ---- time -------------------------------------------------------------------------------------------------

    def wall(self) -> datetime:
        """The meter's own time of day."""
        return self._clock.wall()

    def _advance(self) -> None:
        elapsed = self._clock.monotonic() - self._at
        self._at += elapsed
        self._look(elapsed)

    def _look(self, elapsed: int) -> None:
        for counter in (self.total, *self.channels.values(), *self.two_way.values()):
            counter.advance(elapsed, self._at)
        self._note_half_hour()

    def _note_half_hour(self) -> None:
        """The registers at :00 and :30 (0xEA, 0xEB), and their history (0xE2, 0xE4)."""
        now = self.wall()
        begun = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
        if begun not in self.half_hours:
            self.half_hours[begun] = (self.total.bought_wms, self.total.sold_wms)
            if len(self.half_hours) > _MEMORY:
                del self.half_hours[next(iter(self.half_hours))]

    def _sample(self) -> None:
        self._advance()
        if not self._closed:
            self._timer = self._clock.call_at(self._at + self.config.sample_ms, self._sample)

    def announce(self, epc: int) -> None:
        """Tell all one property, as meters do every half hour."""
        edt = self.read(epc)
        if self._announce is not None and edt is not None:
            self._announce((Prop(epc, edt),))


def _first_settings(config: SimMeterConfig) -> dict[int, bytes]:
    """Days are today, ranges are all channels there are."""
    if config.unit_class == SMART_METER:
        return {0xE5: b"\x00"}
    lists: Sequence[tuple[tuple[int, ...], Mapping[int, PowerOf], int]] = (
        ((0xB2, 0xB4, 0xB6), config.channels, 60),
        ((0xB9,), config.two_way, 30),
        ((0xBB, 0xBD), config.two_way, 60),
    )
    ranges = {epc: bytes([1, min(max(numbers), most)]) for codes, numbers, most in lists if numbers for epc in codes}
    return {0xC5: b"\x00", **ranges}
