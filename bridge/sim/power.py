"""The power stage of a unit: contactors that take time to close, and power that ramps. Pure: time is handed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PowerConfig:
    """`start_delay_ms`: from the order to the first watt. Ramps in W/s; down to zero uses `stop_ramp_w_per_s`."""

    start_delay_ms: int = 2_000
    ramp_w_per_s: int = 2_000
    stop_ramp_w_per_s: int = 6_000


class PowerStage:
    """Follows an ordered power (W, plus = into the car) as hardware can."""

    def __init__(self, config: PowerConfig) -> None:
        self.config = config
        self.power_w = 0
        self._closed = 0
        self._closing = 0
        self._closing_ms = 0

    def cut(self) -> None:
        """The plug is out or the breaker tripped: no power from now on."""
        self.power_w = self._closed = self._closing = 0

    def step(self, target_w: int, elapsed_ms: int) -> None:
        """Go on for a time toward an ordered power."""
        wanted = (target_w > 0) - (target_w < 0)
        if wanted == 0 or wanted != self._closed:
            if self.power_w:
                self._ramp(0, elapsed_ms, self.config.stop_ramp_w_per_s)
                return
            self._closed = 0
            self._close(wanted, elapsed_ms)
            return
        down = abs(target_w) < abs(self.power_w)
        self._ramp(target_w, elapsed_ms, self.config.stop_ramp_w_per_s if down else self.config.ramp_w_per_s)

    def _close(self, direction: int, elapsed_ms: int) -> None:
        if direction == 0:
            self._closing = 0
            return
        if self._closing != direction:
            self._closing, self._closing_ms = direction, self.config.start_delay_ms
        self._closing_ms -= elapsed_ms
        if self._closing_ms <= 0:
            self._closed, self._closing = direction, 0

    def _ramp(self, target_w: int, elapsed_ms: int, rate: int) -> None:
        change = rate * elapsed_ms // 1000
        low, high = self.power_w - change, self.power_w + change
        self.power_w = min(max(target_w, low), high)
