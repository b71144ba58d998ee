"""Conditions and values of a table in readable words, each with what is on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.authoring.page import Code, Line, Link, joined, line
from bridge.echonet.dictionary import RELEASES, DeviceClass, Property
from bridge.echonet.values import Codec, IntegerCodec, OneOfCodec, PropertyValueError, StateCodec
from bridge.mapping.context import ABSENT
from bridge.mapping.quantity import quantity

#: How a flag is said, where it is true and where it is false.
_FLAGS: Final[Mapping[str, tuple[str, str]]] = {
    "reachable": ("the unit answers", "the unit does not answer"),
    "confirmed": ("what is wanted has been reached", "what is wanted has not been reached yet"),
    "contested": ("others keep setting it otherwise", "nobody contests it"),
    "foreign": ("others have set what stands now", "what stands now is our own setting"),
    "dischargeAllowed": ("discharging is allowed here", "discharging is not allowed here"),
    "authorized": ("somebody is authorized", "nobody is authorized"),
    "inTransaction": ("a transaction is open", "no transaction is open"),
    "amountWanted": ("an amount of energy is wanted", "no amount of energy is wanted"),
    "bounded": ("a limit is in force", "no limit is in force"),
}
_WORDS: Final[Mapping[str, str]] = {
    "wanted": "what is wanted is",
    "urgency": "the urgency is",
    "comesTo": "what is wanted comes to",
}
_OFFERS: Final[Mapping[str, str]] = {
    "settable": "can be set",
    "gettable": "can be read",
    "announced": "is announced",
    "refused": "was refused",
    "readBack": "has been read since it was written",
}
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "min": ("at least", "≥"),
    "max": ("at most", "≤"),
    "above": ("more than", ">"),
    "below": ("less than", "<"),
}


def release_text(letters: str) -> str:
    """`D to F`, `G or later`, `N`."""
    if not letters:
        return "no release"
    if letters == RELEASES:
        return "any release"
    if letters[-1] == RELEASES[-1] and len(letters) > 1:
        return f"{letters[0]} or later"
    return letters[0] if len(letters) == 1 else f"{letters[0]} to {letters[-1]}"


def range_text(written: str) -> str:
    """A range as it stands in a table (`D-F`, `G-`) in words."""
    first, dash, last = written.partition("-")
    if not dash:
        return f"Release {first}"
    return f"Release {first} to {last}" if last else f"Release {first} or later"


@dataclass(frozen=True)
class Phrases:
    """Says what stands in the tables of one class. `terms`: the words of the table, each with the properties whose
    names of values it takes over."""

    device: DeviceClass
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    # Values

    def definitions(self, name: str) -> list[Property]:
        """A property's definitions in the order of the releases; the class' own before the parent's."""
        epc = self.device.epc_of(name)
        own = [prop for prop in self.device.properties if prop.name == name]
        found = own or [prop for prop in self.device.all_properties if prop.name == name and prop.epc == epc]
        return sorted(found, key=lambda prop: RELEASES.index(prop.first))

    def epc(self, name: str) -> str:
        """`C7`, or nothing where there is no such property."""
        epc = self.device.epc_of(name)
        return "" if epc is None else f"{epc:02X}"

    def property(self, name: str) -> Line:
        """A property's name with its code, as a link to what the page says about it."""
        code = self.epc(name)
        return line(Link(f"#{anchor_of(name)}", Code(name)), f" ({code})" if code else "")

    def wire(self, name: str, value: object) -> list[str]:
        """The bytes of a value as hex, once for each that a release has."""
        found: list[str] = []
        for prop in self.definitions(name):
            for text in _bytes_of(prop.codec, value):
                if text not in found:
                    found.append(text)
        return found

    def frames(self, name: str, values: Iterable[object]) -> str:
        """`C7=40, 41`: the values on the wire."""
        codes = [text for value in values if value != ABSENT for text in self.wire(name, value)]
        return f"{self.epc(name)}={', '.join(codes)}" if codes and self.epc(name) else ""

    # Conditions

    def condition(self, spec: Mapping[str, Any], *, always: str = "always") -> Line:
        """A condition; `always` where it is empty."""
        if set(spec) == {"any"}:
            return self._any(spec["any"])
        parts = [self._one(key, value) for key, value in spec.items()]
        return joined(parts, " and ") if parts else (always,)

    def _any(self, specs: Sequence[Mapping[str, Any]]) -> Line:
        return joined([self._grouped(part) for part in specs], " or ")

    def _one(self, key: str, value: Any) -> Line:
        if key == "all":
            return joined([self._grouped(part) for part in value], " and ")
        if key == "any":
            return self._any(value) if len(value) == 1 else line("(", self._any(value), ")")
        if key == "not":
            return line("not (", self.condition(value), ")")
        if key in self.terms:
            return self._term(key, value)
        if key in _FLAGS:
            return (_FLAGS[key][not value],)
        if key == "lostFor":
            return line("it has not answered for ", _range(value))
        if key in _WORDS:
            return line(f"{_WORDS[key]} ", _names(value))
        if key == "plug":
            return line(Link("#plug", Code("plug")), " is ", _names(value))
        if key in _OFFERS:
            return self._offer(key, value)
        if key == "release":
            return (range_text(str(value)),)
        if key == "seen":
            return line(Code(str(value)), " was seen before")
        return self._property(key, value)

    def _grouped(self, spec: Mapping[str, Any]) -> Line:
        inner = self.condition(spec)
        return line("(", inner, ")") if len(spec) > 1 or len(spec.get("any", ())) > 1 else inner

    def _term(self, key: str, value: Any) -> Line:
        link = Link(f"#term-{key}", Code(key))
        if isinstance(value, bool):
            return line(link) if value else line("not ", link)
        if isinstance(value, Mapping):
            return line(link, " is ", _range(value))
        frames = "; ".join(text for name in self.terms[key] if (text := self.frames(name, _listed(value))))
        return line(link, " is ", _names(value), *((" (", Code(frames), ")") if frames else ()))

    def _offer(self, key: str, value: Any) -> Line:
        names = [self.property(str(name)) for name in _listed(value)]
        many = key in ("refused",) or len(names) == 1
        return line(joined(names, ", ", " and "), " ", _OFFERS[key] if many else _OFFERS[key].replace("is ", "are "))

    def _property(self, key: str, value: Any) -> Line:
        link = Link(f"#{anchor_of(key)}", Code(key))
        if value == ABSENT:
            return line(link, " is not known", self._code(key))
        if isinstance(value, Mapping):
            return line(link, " is ", _range(value), self._bounds_on_wire(key, value))
        frames = self.frames(key, _listed(value))
        return line(link, " is ", _names(value), *((" (", Code(frames), ")") if frames else ()))

    def _code(self, key: str) -> Line:
        return line(" (", Code(self.epc(key)), ")") if self.epc(key) else ()

    def _bounds_on_wire(self, key: str, value: Mapping[str, Any]) -> Line:
        codec = next((p.codec for p in reversed(self.definitions(key)) if isinstance(p.codec, IntegerCodec)), None)
        shown = []
        for bound, text in value.items():
            found = quantity(text) if isinstance(text, str) else None
            if codec is not None and found is not None and bound in _BOUNDS:
                edt = _bytes_of(codec, codec.from_milli(found[0]))
                shown += [f"{self.epc(key)} {_BOUNDS[bound][1]} {part}" for part in edt]
        return line(" (", Code(", ".join(shown)), ")") if shown else ()


def _range(value: Any) -> Line:
    if not isinstance(value, Mapping):
        return ("not known",) if value == ABSENT else (str(value),)
    return (" and ".join(f"{_BOUNDS[bound][0]} {text}" for bound, text in value.items() if bound in _BOUNDS),)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _names(value: Any) -> Line:
    """`connected`, `chargeable` or not known."""
    parts: list[Line] = [("not known",) if name == ABSENT else (Code(str(name)),) for name in _listed(value)]
    return joined(parts, ", ", " or ")


def anchor_of(name: str) -> str:
    """The anchor of a property."""
    return f"property-{name}"


def _bytes_of(codec: Codec, value: object) -> list[str]:
    """A value's bytes in hex; a range of codes as `000A-0013`; nothing where the codec has no such value."""
    if isinstance(codec, OneOfCodec):
        return [text for option in codec.options for text in _bytes_of(option, value)]
    if isinstance(codec, StateCodec) and isinstance(value, str):
        width = 2 * codec.size
        return [
            f"{first:0{width}X}" if first == last else f"{first:0{width}X}-{last:0{width}X}"
            for first, last, name in codec.codes
            if name == value
        ]
    try:
        return [codec.encode(value).hex().upper()]
    except PropertyValueError:
        return []
