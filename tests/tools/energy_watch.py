"""Whether a CSMS is told energy that never flowed: the registers in its events beside what the simulated unit has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.sim.control import SimUnit
from bridge.sim.csms import CALL, Message
from bridge.sim.csms_ledger import TransactionRecord

_WMS_PER_WH: Final = 3_600_000
_REGISTERS: Final = ("Energy.Active.Import.Register", "Energy.Active.Export.Register")


class EnergyWatch:
    """Listens to a CSMS (`on_message`); `wrong` holds what was told too much, `told` how many registers came."""

    def __init__(self, unit: SimUnit) -> None:
        self._unit = unit
        self.wrong: list[str] = []
        self.told = 0

    def __call__(self, message: Message) -> None:
        """No register of an event may tell more than has flowed by now."""
        if message.direction != "in" or message.frame[0] != CALL or message.action != "TransactionEvent":
            return
        real = (self._unit.core.charged_wms / _WMS_PER_WH, self._unit.core.discharged_wms / _WMS_PER_WH)
        for _, name, value in stamped(message.payload):
            most = real[_REGISTERS.index(name)]
            self.told += 1
            if value > most + 1e-6:
                self.wrong.append(f"{name} tells {value} Wh where {most:.3f} Wh have flowed")


def stamped(event: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """The energy registers (Wh) that an event tells, with the time of each."""
    return [
        (value["timestamp"], sampled["measurand"], float(sampled["value"]))
        for value in event.get("meterValue", ())
        for sampled in value["sampledValue"]
        if sampled.get("measurand") in _REGISTERS
    ]


def gone_back(key: str, record: TransactionRecord) -> list[str]:
    """Registers of a transaction that fell with time."""
    wrong = []
    events = [record.events[number] for number in sorted(record.events)]
    for name in _REGISTERS:
        told = sorted((at, value) for event in events for at, known, value in stamped(event) if known == name)
        values = [value for _, value in told]
        if values != sorted(values):
            wrong.append(f"{key}: {name} went back: {values}")
    return wrong
