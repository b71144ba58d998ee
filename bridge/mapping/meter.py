"""A compiled meter table: what a smart meter or a circuit of a distribution board measures (`decision.MeterTable`).

What cannot be known exactly is not told: without its unit code a register has no value, and an item that a list does
not hold is absent. Scaling is in whole numbers, rounded toward zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from bridge.echonet.dictionary import Access, DeviceClass
from bridge.echonet.metering import ITEMS, RANGE, START
from bridge.echonet.values import Quantity, State, Value, scale_toward_zero
from bridge.evse import Reading, Source
from bridge.mapping.context import ABSENT, Decoder
from bridge.mapping.decision import Fact, Measures, PollGroup, Step, View
from bridge.mapping.metermodel import MeterTableModel
from bridge.mapping.yamlfile import Document

#: The number of a board's first channel.
_FIRST: Final = 1


@dataclass(frozen=True)
class ChannelRange:
    """The property that chooses which channels stand in a list, and how many fit at most."""

    epc: int
    name: str
    most: int

    def step(self, channel: int) -> Step:
        """Ask for a part of the list that holds the channel: from the first one, or the channel alone beyond that."""
        start, count = (_FIRST, self.most) if channel <= self.most else (channel, 1)
        edt = bytes((start, count))
        return Step(self.epc, edt, f"{self.name}={start}+{count} ({self.epc:02X}={edt.hex().upper()})")


@dataclass(frozen=True)
class MeterSourceOf:
    """One compiled source; `epcs` by channel where each channel has a property of its own."""

    name: str
    epc: int
    by_channel: Mapping[int, int] = field(default_factory=dict)
    listed: bool = False
    chosen_by: ChannelRange | None = None
    parts: tuple[str, ...] = ()
    mean: bool = False
    times: tuple[tuple[int, bool], ...] = ()  # (property, whether it must be known)
    digits: int | None = None

    def property_of(self, channel: int | None) -> int | None:
        """The property that is read for a channel."""
        return self.by_channel.get(channel or 0) if self.by_channel else self.epc

    def needs(self, channel: int | None) -> frozenset[int]:
        """All properties that it looks at."""
        own = self.property_of(channel)
        extra = {epc for epc, _ in self.times} | ({self.digits} if self.digits is not None else set())
        return frozenset(extra | {own}) if own is not None else frozenset()

    def read(self, table: CompiledMeter, view: View, channel: int | None) -> Reading | None:
        """The value, if this source tells one."""
        epc = self.property_of(channel)
        fact = view.facts.get(epc) if epc is not None else None
        value = table.value(view, epc) if epc is not None else None
        if self.listed and value is not None:
            value = _item(value, channel)
        if fact is None or value is None:
            return None
        number = self._number(table, view, value)
        return None if number is None else Reading(number, fact.at, _source(view, fact), self.name)

    def lacks(self, table: CompiledMeter, view: View, channel: int | None) -> bool:
        """Whether it is a list that is offered and does not hold the channel, and the range can be chosen."""
        if self.chosen_by is None or channel is None or self.epc not in view.gettable:
            return False
        value = table.value(view, self.epc)
        known = self.epc in view.facts
        return known and (value is None or _item(value, channel) is None) and self.chosen_by.epc in view.settable

    def _number(self, table: CompiledMeter, view: View, value: Value) -> int | None:
        """The sum or the mean of the parts that tell, scaled, in thousandths."""
        found = [value]
        if self.parts:
            if not isinstance(value, Mapping):
                return None
            found = [value[part] for part in self.parts]
        numbers = [part for part in found if isinstance(part, Quantity)]
        if not numbers or not all(self._counts(table, view, number) for number in numbers):
            return None
        factor = Fraction(1, len(numbers) if self.mean else 1)
        for epc, required in self.times:
            scale = table.factor(view, epc, required)
            if scale is None:
                return None
            factor *= scale
        return scale_toward_zero(sum(number.milli for number in numbers), factor.numerator, factor.denominator)

    def _counts(self, table: CompiledMeter, view: View, number: Quantity) -> bool:
        """Whether a register has no more digits than it counts with."""
        digits = table.value(view, self.digits) if self.digits is not None else None
        return not isinstance(digits, Quantity) or abs(number.raw) < 10**digits.raw


Circuit = Mapping[str, tuple[MeterSourceOf, ...]]


@dataclass
class CompiledMeter:
    """One class's table; see the protocol for what each method answers."""

    class_code: int
    content_hash: str
    max_opc: int
    attributes: tuple[tuple[int, ...], ...]
    device: DeviceClass
    release_epc: int
    whole: Circuit
    simplex: Circuit | None
    duplex: Circuit | None
    poll_groups: tuple[PollGroup, ...]
    decoder: Decoder = field(init=False)

    def __post_init__(self) -> None:
        self.decoder = Decoder(self.device)

    @property
    def has_channels(self) -> bool:
        """Whether it measures several circuits apart."""
        return self.simplex is not None or self.duplex is not None

    def release(self, edt_82: bytes) -> str:
        """The release letter, '' where it is none that the dictionary knows."""
        value = self.device.latest.decode(self.release_epc, edt_82)
        return value.name if isinstance(value, State) and self.device.at(value.name).release == value.name else ""

    def measures(self, view: View, channel: int | None = None, *, duplex: bool = False) -> Measures:
        """What is measured of everything behind the meter, or of one circuit."""
        circuit = self._circuit(channel, duplex)
        found = {name: self._first(sources, view, channel) for name, sources in circuit.items()}
        return Measures(
            power=found.get("power"),
            current=found.get("current"),
            voltage=found.get("voltage"),
            energy_in=found.get("energy_in"),
            energy_out=found.get("energy_out"),
        )

    def prepare(self, view: View, channel: int | None = None, *, duplex: bool = False) -> tuple[Step, ...]:
        """The channel ranges that have to be chosen before the lists hold the channel."""
        lacking = [
            source.chosen_by
            for sources in self._circuit(channel, duplex).values()
            for source in sources
            if source.lacks(self, view, channel) and source.chosen_by is not None
        ]
        steps = (chosen.step(channel or _FIRST) for chosen in dict.fromkeys(lacking))
        return tuple(step for step in steps if not self._stands(view, step))

    def polls(self, view: View, channel: int | None = None, *, duplex: bool = False) -> tuple[PollGroup, ...]:
        """The plan, with what `measures` looks at and the object lets be read."""
        needed = frozenset(
            epc
            for sources in self._circuit(channel, duplex).values()
            for source in sources
            for epc in source.needs(channel)
        )
        known = needed & (view.gettable or self._required(view.release))
        kept = ((group, tuple(epc for epc in group.epcs if epc in known)) for group in self.poll_groups)
        return tuple(replace(group, epcs=epcs) for group, epcs in kept if epcs)

    def value(self, view: View, epc: int) -> Value | None:
        """A property's value; None where it is absent or cannot be understood."""
        fact = view.facts.get(epc)
        if fact is None:
            return None
        decoded = self.decoder.decode(view.release, epc, fact.edt)
        return None if decoded.name == ABSENT else decoded.value

    def factor(self, view: View, epc: int, required: bool) -> Fraction | None:
        """What one count is worth; 1 for an optional property that the object does not offer."""
        value = self.value(view, epc)
        if isinstance(value, Quantity):
            return Fraction(value.raw * value.numerator, value.denominator) or None
        return Fraction(1) if not required and epc not in view.gettable else None

    def _circuit(self, channel: int | None, duplex: bool) -> Circuit:
        if channel is None:
            return self.whole
        return (self.duplex if duplex else self.simplex) or {}

    def _first(self, sources: Iterable[MeterSourceOf], view: View, channel: int | None) -> Reading | None:
        readings = (source.read(self, view, channel) for source in sources)
        return next((reading for reading in readings if reading is not None), None)

    def _required(self, release: str) -> frozenset[int]:
        properties = self.device.at(release).by_epc.values()
        return frozenset(prop.epc for prop in properties if prop.get is Access.REQUIRED)

    def _stands(self, view: View, step: Step) -> bool:
        fact = view.facts.get(step.epc)
        return fact is not None and fact.edt == step.edt


@dataclass(frozen=True)
class MeterSource:
    """A meter table with the file that it was compiled from: for the tools."""

    table: CompiledMeter
    model: MeterTableModel
    document: Document


def _item(value: Value, channel: int | None) -> Value | None:
    """A channel's item in a list; None where the list does not hold it."""
    if not isinstance(value, Mapping) or channel is None:
        return None
    start, items = value[START], value[ITEMS]
    if not isinstance(start, Quantity) or not isinstance(value[RANGE], Quantity) or not isinstance(items, tuple):
        return None
    index = channel - start.raw
    return items[index] if 0 <= index < len(items) else None


def _source(view: View, fact: Fact) -> Source:
    if not view.reachable:
        return Source.LAST_KNOWN
    return Source.NOTIFIED if fact.notified else Source.READ
