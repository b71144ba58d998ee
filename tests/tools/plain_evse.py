"""An EVSE with a vehicle that takes energy as long as it is wanted to: what a bench needs of a unit, at no cost."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from bridge.evse import ChargingState, Mode, Reading, Wanted
from tests.tools.station_house import HandEvse

WATTS = 3_000


@dataclass
class PlainEvse(HandEvse):
    """It shows new values every `news` ms."""

    wishes: deque[Wanted] = field(default_factory=lambda: deque(maxlen=1))  # type: ignore[assignment]
    news: int = 10_000
    wh: int = 0

    async def run(self) -> None:
        """Show new values for ever."""
        self.plug()
        while True:
            await self.clock.sleep(self.news)
            flows = bool(self.wishes) and self.wish.mode is Mode.CHARGE
            now, watts = self.clock.monotonic(), WATTS if flows else 0
            self.wh += watts * self.news // 3_600_000
            self.show(
                charging_state=ChargingState.CHARGING if flows else ChargingState.EV_CONNECTED,
                power=Reading(watts * 1000, now),
                energy_in=Reading(self.wh * 1000, now),
                confirmed=True,
            )
