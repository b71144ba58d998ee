"""Law 3 about assumed voltages: on the DC side a current is reckoned with no less than a battery may have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bridge.mapping.proof.diagram import EVERYTHING
from bridge.mapping.proof.finding import Finding, Law
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.situation import Situations
from bridge.mapping.yamlfile import Path_

_CODE: Final = "RANGE"


def assumed(meaning: Meaning) -> Iterable[Finding]:
    """Where a unit is on the DC side and too low a voltage is assumed, the power could be above its limit."""
    least = meaning.table.device.battery_voltage
    if least is None:
        return
    sets, situations = meaning.sets, Situations(meaning)
    direct = sets.both(meaning.possible, meaning.at(("abilities", "directCurrent")))
    for mode, setpoint in meaning.table.setpoints.items():
        left = EVERYTHING
        for place, row in enumerate(setpoint.bounds.volts if setpoint.bounds is not None else ()):
            path: Path_ = ("setpoints", mode.value, "limit", "volts", place)
            when = meaning.at((*path, "when"))
            here = sets.both(left, when)
            if row.epc is None:
                left = sets.without(left, when)
            if row.epc is None and row.assume < least and not sets.within(direct, sets.complement(here)):
                text = (
                    f"{row.assume / 1000:g} V is assumed on the DC side, where a battery may have {least / 1000:g} V: "
                    "the power could be above its limit"
                )
                mend = f"assume {least / 1000:g} V, or say for which types on the AC side the row is"
                yield situations.finding(_CODE, path, text, sets.both(direct, here), mend=mend, wanted=mode)


LAWS: Final[tuple[Law, ...]] = (assumed,)
