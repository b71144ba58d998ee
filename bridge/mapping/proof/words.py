"""Writes a place among a table's variables in the words of examples: frames, and a mapping of the rest.

What depends on numbers that the variables do not hold (whether a limit leaves room to run) is tried out with a few.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

from bridge.echonet.dictionary import RELEASES, Property
from bridge.echonet.values import Codec, CountedCodec, IntegerCodec, OneOfCodec, RawCodec, StateCodec, StructCodec
from bridge.evse import Mode
from bridge.mapping.context import ABSENT
from bridge.mapping.logic import FLAGS, RELEASE
from bridge.mapping.model import SourceModel
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.space import UNKNOWN_RELEASE, Variable

_YES: Final = "yes"
_MAPS: Final = ("settable", "gettable", "announced")
#: Flags whose word in an example is not their own name, with what says yes and what says no.
_ODD_FLAGS: Final[Mapping[str, Mapping[bool, dict[str, Any]]]] = {
    "amountWanted": {True: {"amount": "10 kWh"}, False: {}},
    "bounded": {True: {"chargeBound": "3000 W", "dischargeBound": "3000 W"}, False: {}},
}
_FULL: Final = 100_000  # 100 % in 0.001 %
#: Limits to try, and what the unit says that it can do: nothing, or this at least and at most.
_TARGETS: Final = (None, "3000 W", "0 W", "500 W", "20000 W")
_ABLE: Final = ((None, None), (1000, 6000), (None, 6000))


class Words:
    """The words for one place.

    `matters` are the variables that they must not get wrong; `given` is what an example has by itself.
    """

    def __init__(
        self,
        meaning: Meaning,
        usual: Sequence[int],
        place: Sequence[int],
        matters: frozenset[int],
        given: Collection[int],
    ) -> None:
        self.meaning = meaning
        self.space = meaning.space
        self.device = meaning.table.device
        self.place = place
        self.matters = matters
        self.asked = sorted({*matters, *(i for i, (a, b) in enumerate(zip(place, usual, strict=True)) if a != b)})
        self.usual = usual
        self.given = given
        self._frames: dict[int, str] = {}
        self._rest: dict[str, Any] = {}
        self.release = self._letter()

    def attempts(self) -> Iterator[tuple[Any, ...]]:
        """Words to try, the plainest first."""
        self._plain()
        for more in self._numbers():
            frames = {**self._frames, **{epc: text for epc, text in more.items() if isinstance(epc, int)}}
            rest = {**self._rest, **{key: value for key, value in more.items() if isinstance(key, str)}}
            release = [] if self._is_usual(self.space.index[(RELEASE, "")]) else [self._release_frame()]
            yield (*release, *(frames[epc] for epc in sorted(frames)), *([rest] if rest else []))

    # What each variable needs

    def _plain(self) -> None:
        self._maps()
        for index in self.asked:
            if self._is_usual(index):
                continue
            variable, key = self.space.variables[index], self.space.variables[index].key
            value = self.place[index]
            if key[0] == "value":
                self._property(int(key[1]), variable, value)
            elif key[0] == "age":
                self._age(int(key[1]), value)
            elif key[0] == "offer":
                self._offer(str(key[1]), int(key[2] if len(key) > 2 else 0), variable.values[value] == _YES)
            elif key[0] == "term":
                self._term(str(key[1]), variable, value)
            elif key[0] == "seen":
                self._rest["seen"] = [*self._rest.get("seen", []), str(key[1])] if value else []
            elif key[0] == "signal":
                self._signal(str(key[1]), variable, value)

    def _is_usual(self, index: int) -> bool:
        return self.place[index] == self.usual[index]

    def _letter(self) -> str:
        index = self.space.index[(RELEASE, "")]
        return self.meaning.letter(self.space.groups[self.place[index]])

    def _release_frame(self) -> str:
        epc = self.meaning.table.release_epc
        letter = self.release if self.release != UNKNOWN_RELEASE else chr(ord(RELEASES[-1]) + 1)
        return f"{epc:02X}={letter}"

    def _definition(self, epc: int) -> Property | None:
        return self.device.at(self.release).by_epc.get(epc)

    def _property(self, epc: int, variable: Variable, value: int) -> None:
        name = variable.title
        if variable.values[value] == ABSENT:
            self._absent(epc, name)
            return
        prop = self._definition(epc)
        bounds = variable.bounds[value] if variable.bounds else None
        edt = None if prop is None else sample(prop.codec, variable.values[value], bounds)
        if edt is not None:
            self._frames[epc] = f"{epc:02X}={edt.hex().upper()}"

    def _absent(self, epc: int, name: str) -> None:
        """Only what an example would have by itself has to be taken away."""
        if epc in self.given:
            self._rest.setdefault(name, ABSENT)

    def _age(self, epc: int, value: int) -> None:
        limits = sorted(self.space.withins(epc))
        age = limits[value] if value < len(limits) else limits[-1] + 1
        self._rest["ages"] = {**self._rest.get("ages", {}), self._name(epc): f"{age}ms"}

    def _name(self, epc: int) -> str:
        prop = self._definition(epc) or next(p for p in self.device.all_properties if p.epc == epc)
        return prop.name

    def _offer(self, word: str, epc: int, yes: bool) -> None:
        key = {"readBack": "wrote", "refused": "refused"}.get(word)
        if key is not None and yes:
            self._rest[key] = [*self._rest.get(key, []), self._name(epc)]
            if word == "readBack":
                self._rest["ages"] = {**self._rest.get("ages", {}), self._name(epc): "0ms"}

    def _maps(self) -> None:
        """Maps are given where they are not what a unit of the release has by itself; only what the table looks at."""
        known = self.device.at(self.release).by_epc
        for word in _MAPS:
            offers = {
                int(variable.key[2]): variable.values[self.place[index]] == _YES
                for index, variable in enumerate(self.space.variables)
                if variable.key[0] == "offer" and variable.key[1] == word and len(variable.key) > 2
            }
            able = _able(known, word)
            if any(yes != (epc in able) for epc, yes in offers.items()):
                others = [epc for epc in self._written() if epc in able and epc not in offers]
                kept = sorted({*others, *(epc for epc, yes in offers.items() if yes)})
                self._rest[word] = [self._name(epc) for epc in kept]

    def _written(self) -> set[int]:
        setpoints = self.meaning.table.setpoints.values()
        return {step.epc for setpoint in setpoints for way in setpoint.ways for step in way.steps}

    def _signal(self, name: str, variable: Variable, value: int) -> None:
        if variable.bounds:
            low, high = variable.bounds[value] or (0, 0)
            self._rest[name] = f"{max(low, 0) if high >= 0 else high}ms"
        elif name in _ODD_FLAGS:
            self._rest |= _ODD_FLAGS[name][bool(value)]
        elif name in FLAGS:
            self._rest[name] = bool(value)
        else:
            self._rest[name] = variable.values[value]

    # Terms that hide numbers

    def _term(self, name: str, variable: Variable, value: int) -> None:
        if variable.bounds:
            self._above_floor(name, variable.bounds[value])
            return
        model = self.meaning.source.model.terms[name]
        milli = {"charging": 1, "discharging": -1, "still": 0}.get(variable.values[value])
        sources = model.first or []
        self._flow(sources, None if milli is None else milli * max(model.threshold or 0, 3_000_000))

    def _flow(self, sources: Sequence[SourceModel], milli: int | None) -> None:
        for source in sources:
            if milli is None and source.property is not None:
                self._absent(self.device.epc_of(source.property) or 0, source.property)
            elif milli is not None and source.property is not None:
                found = self._number(source.property, -milli if source.negate else milli)
                if found is not None:
                    self._frames |= found
                    return
            elif milli is not None and source.meter is not None:
                self._rest["meter"] = {source.meter: f"{(-milli if source.negate else milli) // 1000} W"}
                return

    def _number(self, name: str, milli: int) -> dict[int, str] | None:
        epc = self.device.epc_of(name)
        prop = None if epc is None else self._definition(epc)
        if epc is None or prop is None or self._needs_none(epc):
            return None
        edt = sample(prop.codec, "", (milli, milli))
        return None if edt is None else {epc: f"{epc:02X}={edt.hex().upper()}"}

    def _needs_none(self, epc: int) -> bool:
        """Whether the place says that a property has no value."""
        index = self.space.index.get(("value", epc))
        return index is not None and self.place[index] == 0 and index in self.asked

    def _above_floor(self, name: str, bounds: tuple[int, int] | None) -> None:
        """The state of charge, and a floor so far below it."""
        model = self.meaning.source.model.terms[name]
        soc = self.meaning.source.model.meter_values.soc
        if soc is None:
            return
        if bounds is None:
            old = f"{(model.within or 0) + 1}ms"
            names = [s.property for s in soc.first if s.property] + [n for s in soc.first for n in s.ratio or ()]
            for each in names:
                epc = self.device.epc_of(each)
                if epc is not None and model.within is not None and self._asked_value(epc):
                    self._rest["ages"] = {**self._rest.get("ages", {}), each: old}
                else:
                    self._absent(epc or 0, each)
            return
        level, frames = self._charge(soc.first)
        over = min(max(0, bounds[0]), bounds[1])
        if over > level:
            level, frames = self._charge(soc.first, over)
        self._frames |= frames
        self._rest["socFloor"] = f"{(level - over) / 1000:g} %"

    def _asked_value(self, epc: int) -> bool:
        index = self.space.index.get(("value", epc))
        return index is not None and index in self.asked and self.place[index] != 0

    def _charge(self, sources: Sequence[SourceModel], wanted: int = 50_000) -> tuple[int, dict[int, str]]:
        """A state of charge (0.001 %) that the place allows, and the frames that tell it."""
        for source in sources:
            epc = self.device.epc_of(source.property or "")
            if epc is not None and not self._needs_none(epc):
                index = self.space.index.get(("value", epc))
                bounds = self.space.variables[index].bounds[self.place[index]] if index in self.asked else None
                low, high = bounds or (0, _FULL)
                level = min(max(wanted, low, 0), high, _FULL)
                found = self._number(str(source.property), level // 1000 * 1000)
                if found is not None:
                    return level // 1000 * 1000, found
            if source.ratio is not None:
                part = self._number(source.ratio[0], wanted * 1000)
                whole = self._number(source.ratio[1], _FULL * 1000)
                if part is not None and whole is not None:
                    return wanted, {**part, **whole}
        return wanted, {}

    # Limits and what they leave

    def _numbers(self) -> Iterator[dict[Any, Any]]:
        """Numbers to try for what the limits of setpoints come to."""
        variables = self.space.variables
        if not any(variables[index].key[0] in ("limit", "room") for index in self.asked):
            yield {}
            return
        index = self.space.index[("signal", "wanted")]
        wanted = variables[index].values[self.place[index]]
        bounded = self.space.index.get(("signal", "bounded"))
        free = bounded is not None and bounded in self.matters and not self.place[bounded]
        for target, able in product(_TARGETS[:1] if free else _TARGETS, _ABLE):
            more: dict[Any, Any] = {}
            limited = {variables[index].key[1] for index in self.asked if variables[index].key[0] in ("limit", "room")}
            for mode, setpoint in self.meaning.table.setpoints.items():
                if setpoint.bounds is not None and mode.value in limited:
                    more |= self._able(setpoint.bounds.rated, setpoint.bounds.power, able)
            if target is not None:
                out = wanted == Mode.DISCHARGE.value
                more["dischargeBound" if out else "chargeBound"] = target
            yield more

    def _able(self, rated: int, power: int, able: tuple[int | None, int | None]) -> dict[Any, Any]:
        least, most = able
        found: dict[Any, Any] = {}
        for epc in (rated, power):
            prop = self._definition(epc)
            if most is None or prop is None:
                continue
            if isinstance(prop.codec, StructCodec):
                parts = (sample(codec, "", ((least or 0) * 1000 if place == 0 else most * 1000,) * 2)
                         for place, (_, codec) in enumerate(prop.codec.fields))  # fmt: skip
                found[epc] = f"{epc:02X}={b''.join(part or b'' for part in parts).hex().upper()}"
            else:
                edt = sample(prop.codec, "", (most * 1000, most * 1000)) or b""
                found[epc] = f"{epc:02X}={edt.hex().upper()}"
        return found


def _able(known: Mapping[int, Property], word: str) -> set[int]:
    """What stands in a map of a unit of which nothing else is said."""
    if word == "settable":
        return {epc for epc, prop in known.items() if prop.set.possible}
    return {epc for epc, prop in known.items() if prop.get.possible} if word == "gettable" else set()


# Values ---------------------------------------------------------------------------------------------------------


def sample(codec: Codec, name: str, bounds: tuple[int, int] | None = None) -> bytes | None:
    """Bytes that say a name, or a number within bounds (thousandths; the one nearest to zero); None if none do."""
    match codec:
        case OneOfCodec(options):
            return next((found for each in options if (found := sample(each, name, bounds)) is not None), None)
        case StateCodec(size, codes):
            return next((first.to_bytes(size, "big") for first, _, known in codes if known == name), None)
        case IntegerCodec():
            return _integer(codec, bounds or (0, 0))
        case RawCodec(least, _):
            return bytes(range(0x41, 0x41 + max(least, 1)))
        case CountedCodec():
            return b"\x01A"
    return None


def _integer(codec: IntegerCodec, bounds: tuple[int, int]) -> bytes | None:
    low, high = bounds
    goal = min(max(0, low), high)
    raw = codec.from_milli(goal)
    for candidate in (raw, raw + 1, raw - 1):
        if codec.minimum <= candidate <= codec.maximum:
            edt = codec.encode(candidate)
            milli = getattr(codec.decode(edt), "milli", None)
            if milli is not None and low <= milli <= high:
                return edt
    return None


def written(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "[" + ", ".join(written(each) for each in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f'"{text}"' if "=" in text or text in ("yes", "no", "on", "off") else text
