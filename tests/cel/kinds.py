"""The units that the steps are played with: class, equipment type and release, all that differ.

One list. What each can do is written down here from AIF 2.3 and 3.2.1, not asked of the simulation or of the product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from bridge.gateway.config import SiteConfig
from bridge.sim.unit import SimUnitConfig
from tests.tools.house import GATEWAY, UNITS, House, site
from tests.tools.house import profile as w_profile
from tests.tools.traffic import Word, words

BOTH_WAYS, CHARGER = 0x027E, 0x02A1


@dataclass(frozen=True)
class Kind:
    """One kind of unit. `charges` and `discharges`: as its type and its release let the bridge order it."""

    device: int
    equipment: int
    release: str

    def __str__(self) -> str:
        return f"{self.device:04X}-{self.equipment:02X}-{self.release}"

    @property
    def family(self) -> int:
        """1 AC, 2 DC_AA, 3 DC_BB, 4 DC_EE, 5 DC_FF."""
        return self.equipment >> 4

    @property
    def charges(self) -> bool:
        """Types that end in 3 only discharge, but for AC, where 13 does both."""
        return self.family == 1 or self.equipment & 0x0F != 3

    @property
    def discharges(self) -> bool:
        """Before Release G nothing is ordered to discharge: no document says how safely (translation.md)."""
        able = self.equipment == 0x13 if self.family == 1 else self.equipment & 0x0F in (2, 3)
        return able and self.release >= "G" and self.device == BOTH_WAYS

    @property
    def blind(self) -> bool:
        """AC_CPLT and AC without any talk: 0xC7 never tells of a vehicle, nobody knows its battery (AIF 3.2.1)."""
        return self.equipment in (0x10, 0x11)

    @property
    def asks(self) -> bool:
        """DC_AA has to be asked with 0xCD (AIF 3.2.1)."""
        return self.family == 2

    @property
    def stop(self) -> str:
        """The write that stops it: 0xDA = 47 came with Release G."""
        return "DA=47" if self.release >= "G" else "DA=44"

    def sim(self, **more: Any) -> SimUnitConfig:
        """Its simulation."""
        return SimUnitConfig(unit_class=self.device, release=self.release, equipment_type=self.equipment, **more)

    def site(self, **more: Any) -> SiteConfig:
        """Its site; meter values come three times a minute."""
        unit = {"class": f"0x{self.device:04X}", **more.pop("unit", {})}
        variables = {"SampledDataCtrlr.TxUpdatedInterval": 20, **more.pop("variables", {})}
        return site(unit=unit, variables=variables, **more)

    def house(self, **more: Any) -> dict[str, Any]:
        """What `run` and `house` want; the unit's own settings as `sim`, the site's as `site`."""
        return {
            "units": {UNITS[0]: self.sim(**more.pop("sim", {}))},
            "config": self.site(**more.pop("site", {})),
            **more,
        }


#: The groups of releases that differ. F has no equipment types: its units are told from each other by what they do.
RELEASES = "JMNPQR"
#: By class, equipment types and the releases that have them.
UNITS_OF = (
    (BOTH_WAYS, (0x31, 0x32, 0x33), "F"),
    (BOTH_WAYS, (0x11, 0x12, 0x13), RELEASES),
    (BOTH_WAYS, (0x21, 0x22, 0x23, 0x31, 0x32, 0x33, 0x41, 0x42, 0x43, 0x51, 0x52, 0x53), RELEASES),
    (CHARGER, (0x11, 0x12, 0x21, 0x31, 0x41, 0x51), RELEASES),
    (CHARGER, (0x10,), "R"),
)
KINDS = [
    Kind(device, equipment, release)
    for device, types, releases in UNITS_OF
    for equipment in types
    for release in releases
]


#: Shifts the releases that a plain run plays from one step to the next.
_turn = count()


def every(which: Callable[[Kind], bool] = lambda kind: True) -> pytest.MarkDecorator:
    """Play a step with every kind for which something is so.

    A plain run plays each class and equipment type in one of its releases, in another one with each step; --soak all.
    """
    turn = next(_turn)
    types: dict[tuple[int, int], list[Kind]] = {}
    for kind in filter(which, KINDS):
        types.setdefault((kind.device, kind.equipment), []).append(kind)
    plain = {kinds[(turn + place) % len(kinds)] for place, kinds in enumerate(types.values())}
    cases = [
        pytest.param(kind, marks=() if kind in plain else pytest.mark.soak)
        for kinds in types.values()
        for kind in kinds
    ]
    return pytest.mark.parametrize("kind", cases, ids=str)


def profile(watts: float, **more: Any) -> dict[str, Any]:
    """A TxProfile of one limit over one phase, which AC and DC units take alike."""
    made = w_profile(watts, **more)
    made["chargingSchedule"][0]["chargingSchedulePeriod"][0]["numberPhases"] = 1
    return made


def said(house: House) -> list[Word]:
    """What passed between the gateway and the unit."""
    return words(house.datagrams, GATEWAY, UNITS[0])
