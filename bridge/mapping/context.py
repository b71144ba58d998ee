"""What conditions look at: one view of a unit, decoded at most once per value.

A `Context` lives for one decision. What it works out on demand (terms, the plug, what the setpoint comes to) is kept
in it; decoded values are kept over contexts by the `Decoder`, since most facts are the same from one view to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from bridge.echonet.dictionary import DeviceClass
from bridge.echonet.values import Quantity, State, Unknown, Value
from bridge.evse import Plug, Reading, Source
from bridge.mapping.decision import Fact, View
from bridge.records import dataclass

if TYPE_CHECKING:
    from bridge.mapping.table import CompiledTable

#: What a property or a term is called that tells nothing: never read, refused, undecodable or too old.
ABSENT: Final = "absent"
_CACHE_LIMIT: Final = 4096


@dataclass(frozen=True, slots=True)
class Decoded:
    """A value as conditions see it: its name (`absent` where it has none) and its number in thousandths."""

    value: Value
    name: str
    milli: int | None


class Decoder:
    """Decodes by release, and remembers."""

    def __init__(self, device: DeviceClass) -> None:
        self.device = device
        self._known: dict[tuple[str, int, bytes], Decoded] = {}

    def decode(self, release: str, epc: int, edt: bytes) -> Decoded:
        """What an EDT means in a release."""
        key = (release, epc, edt)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            found = self._known[key] = _decoded(self.device.at(release).decode(epc, edt))
        return found


def _decoded(value: Value) -> Decoded:
    if isinstance(value, State):
        return Decoded(value, value.name, None)
    if isinstance(value, Quantity):
        return Decoded(value, str(value), value.milli)
    return Decoded(value, ABSENT if isinstance(value, Unknown) else "value", None)


TermTest = Callable[["Context"], "str | bool | int | None"]


class Context:
    """One view, and what has been worked out about it."""

    __slots__ = ("_outcome", "_plug", "_terms", "decoder", "facts", "release", "seen", "table", "view")

    def __init__(self, table: CompiledTable, view: View) -> None:
        self.table = table
        self.view = view
        self.facts: Mapping[int, Fact] = view.facts
        self.release = view.release
        self.decoder = table.decoder
        self.seen = view.seen
        self._terms: dict[str, str | bool | int | None] = {}
        self._plug: Plug | None = None
        self._outcome: str | None = None

    def name(self, epc: int) -> str:
        """The name of a property's value, `absent` where there is none."""
        fact = self.facts.get(epc)
        if fact is None:
            return ABSENT
        return self.decoder.decode(self.release, epc, fact.edt).name

    def milli(self, epc: int) -> int | None:
        """A property's number in thousandths of its base unit."""
        fact = self.facts.get(epc)
        if fact is None:
            return None
        return self.decoder.decode(self.release, epc, fact.edt).milli

    def value(self, epc: int) -> Value | None:
        """A property's value; None where it is absent."""
        fact = self.facts.get(epc)
        if fact is None:
            return None
        decoded = self.decoder.decode(self.release, epc, fact.edt)
        return None if decoded.name == ABSENT else decoded.value

    def field_milli(self, epc: int, index: int) -> int | None:
        """A number in a structure, by its place; None where it is unknown (codes for overflow and underflow)."""
        value = self.value(epc)
        if not isinstance(value, Mapping):
            return None
        part = list(value.values())[index]
        return part.milli if isinstance(part, Quantity) else None

    def fresh(self, epc: int, within: int | None) -> Fact | None:
        """A property's fact, if there is one and it is no older than `within` ms."""
        fact = self.facts.get(epc)
        if fact is None or (within is not None and self.view.now - fact.at > within):
            return None
        return fact

    def term(self, name: str) -> str | bool | int | None:
        """What a term of the table says now."""
        if name not in self._terms:
            self._terms[name] = self.table.terms[name](self)
        return self._terms[name]

    @property
    def plug(self) -> Plug:
        """What the table's `plug` section says."""
        if self._plug is None:
            self.table.plug_answer(self)
        return self._plug or Plug.UNDETERMINED

    def set_plug(self, plug: Plug, sees: str | None) -> None:
        """Keep what the `plug` section has decided."""
        self._plug = plug
        if sees is not None and sees not in self.seen:
            self.seen = self.seen | {sees}

    @property
    def outcome(self) -> str:
        """What the wanted setpoint comes to now: a mode, `refused` or `ask`."""
        if self._outcome is None:
            self._outcome = self.table.outcome(self)
        return self._outcome

    def source(self, fact: Fact) -> Source:
        """Where a fact comes from; nothing of a unit that does not answer is fresh."""
        if not self.view.reachable:
            return Source.LAST_KNOWN
        return Source.NOTIFIED if fact.notified else Source.READ

    def reading(self, value: int, fact: Fact, origin: str) -> Reading:
        """A measured value."""
        return Reading(value, fact.at, self.source(fact), origin)
