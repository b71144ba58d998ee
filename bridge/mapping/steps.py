"""The writes of a recipe: encoded once for every release, so that no write can leave its property's range.

A step whose property a release does not define is left out; one whose value it does not define is impossible there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from bridge.echonet.dictionary import RELEASES, Property
from bridge.echonet.values import IntegerCodec, PropertyValueError, Quantity
from bridge.mapping.conditions import Conditions
from bridge.mapping.context import Context
from bridge.mapping.decision import Step
from bridge.mapping.logic import Test, always
from bridge.mapping.quantity import none_in, quantity
from bridge.mapping.yamlfile import Path_, nearest
from bridge.records import dataclass

#: The word for what a limit comes to, in the property's own unit.
LIMIT: Final = "limit"
#: The word for what is left of the wanted amount of energy.
AMOUNT: Final = "amount"
_ENERGY: Final = "Wh"
_MODIFIERS: Final = frozenset({"if", "otherwise", "tolerate", "negate"})
#: Words for a value that is worked out for each recipe, and the units that it may be in.
_FIGURED: Final[Mapping[str, tuple[str, ...]]] = {LIMIT: ("W", "A"), AMOUNT: (_ENERGY,)}
_OFFERS: Final = frozenset({"settable", "gettable", "announced"})


class ImpossibleError(Exception):
    """This step cannot be done in this release; its text says why."""


@dataclass(frozen=True)
class WriteStep:
    """One write. `values` are (bytes, name) by release, first the wanted value and then the one to try otherwise."""

    name: str
    epc: int
    test: Test
    defined: frozenset[str]  # releases that have the property
    values: Mapping[str, tuple[tuple[bytes, str], ...]]
    limits: Mapping[str, IntegerCodec]  # where the value is a limit or an amount
    unit: str = ""  # of the limit; Wh makes it an amount
    tolerate: int = 0  # raw
    known: frozenset[str] = frozenset()  # releases in which the class exists
    sign: int = 1  # -1: the property counts power out of the car as minus, and the limit is written so

    @property
    def is_limit(self) -> bool:
        """Whether the value is what the limit comes to."""
        return bool(self.limits) and self.unit != _ENERGY

    @property
    def is_amount(self) -> bool:
        """Whether the value is what is left of the wanted amount."""
        return bool(self.limits) and self.unit == _ENERGY

    def applies(self, context: Context) -> bool:
        """Whether it is to be done in this release and situation."""
        if self.key(context.release) not in self.defined or not self.test(context):
            return False
        return not self.is_amount or self._bounds_an_amount(context)

    def _bounds_an_amount(self, context: Context) -> bool:
        """An amount is wanted, and the unit has the property in the form that its release says: some do not."""
        fact, amount = context.facts.get(self.epc), context.view.wanted.amount
        fits = fact is None or len(fact.edt) == self.limits[self.key(context.release)].size
        return fits and amount is not None and amount.energy is not None

    def fixed(self, context: Context) -> tuple[Step, ...]:
        """The step with the table's value, and what to try otherwise."""
        values = self.values.get(self.key(context.release), ())
        if not values:
            raise ImpossibleError(f"Release {context.release} knows no such {self.name}")
        return tuple(self._step(edt, name) for edt, name in values)

    def limited(self, context: Context, raw: int) -> Step:
        """The step with a raw number (without sign); what the unit has is kept if it is at most `tolerate` below.

        A zero is not kept: it may mean that there is no bound.
        """
        codec = self.limits.get(self.key(context.release))
        if codec is None:
            raise ImpossibleError(f"Release {context.release} has no {self.name}")
        now = context.value(self.epc)
        if isinstance(now, Quantity) and max(raw - self.tolerate, 1) <= now.raw * self.sign <= raw:
            raw = now.raw * self.sign
        edt = codec.encode(raw * self.sign)
        return self._step(edt, str(codec.decode(edt)))

    def codec(self, context: Context) -> IntegerCodec | None:
        """The codec of a limit in this release."""
        return self.limits.get(self.key(context.release))

    def range(self, codec: IntegerCodec) -> tuple[int, int]:
        """The least and the most that can be written, without sign."""
        return (codec.minimum, codec.maximum) if self.sign > 0 else (-codec.maximum, -codec.minimum)

    def key(self, release: str) -> str:
        """Of a unit whose release is unknown the newest definitions hold; a table writes only what all have."""
        return release if release in self.known else RELEASES[-1]

    def _step(self, edt: bytes, name: str) -> Step:
        return _step(self.name, self.epc, edt, name)


@lru_cache(maxsize=1024)
def _step(name: str, epc: int, edt: bytes, value: str) -> Step:
    """Made once: what a recipe comes to is asked far more often than it changes."""
    return Step(epc, edt, f"{name}={value} ({epc:02X}={edt.hex().upper()})")


def compile_steps(conditions: Conditions, specs: Iterable[Mapping[str, Any]], path: Path_) -> tuple[WriteStep, ...]:
    """The `ensure` list of a way."""
    steps = (_compile(conditions, spec, (*path, index)) for index, spec in enumerate(specs))
    return tuple(step for step in steps if step is not None)


def compile_write(conditions: Conditions, spec: Mapping[str, str], path: Path_) -> WriteStep | None:
    """A single write without conditions."""
    return _compile(conditions, spec, path)


def _compile(conditions: Conditions, spec: Mapping[str, Any], path: Path_) -> WriteStep | None:
    names = [key for key in spec if key not in _MODIFIERS]
    written = [name for name in names if conditions.vocabulary.epc(name) is not None]
    if len(written) == 1:
        for key in set(names) - set(written):
            text = f'unknown key "{key}" beside a write{nearest(key, _MODIFIERS)}'
            conditions.problems.add(conditions.document, (*path, key), "UNKNOWN-KEY", text, at_key=True)
        names = written
    if len(names) != 1:
        listed = f" ({', '.join(names)})" if names else ""
        text = f"a step writes one property, not {len(names)}{listed}"
        conditions.problems.add(conditions.document, path, "STEP", text)
        return None
    name = names[0]
    if conditions.vocabulary.epc(name) is None:
        known = {*conditions.vocabulary.properties, *_MODIFIERS}
        text = f'unknown property "{name}"{nearest(name, known)}'
        conditions.problems.add(conditions.document, (*path, name), "UNKNOWN-PROPERTY", text, at_key=True)
        return None
    test = _test(conditions, name, spec.get("if"), (*path, "if"))
    definitions = {
        letter: prop
        for prop in conditions.vocabulary.device.all_properties
        if prop.name == name and prop.set.possible
        for letter in prop.releases
    }
    if not definitions:
        text = f'"{name}" cannot be set in any release'
        conditions.problems.add(conditions.document, (*path, name), "NOT-SETTABLE", text, at_key=True)
        return None
    return _with_values(conditions, spec, name, test, definitions, path)


def _with_values(
    conditions: Conditions,
    spec: Mapping[str, Any],
    name: str,
    test: Test,
    definitions: Mapping[str, Property],
    path: Path_,
) -> WriteStep | None:
    epc = next(iter(definitions.values())).epc
    defined = frozenset(definitions)
    known = conditions.vocabulary.device.releases
    if isinstance(spec[name], str) and spec[name] in _FIGURED:
        codecs = {letter: prop.codec for letter, prop in definitions.items() if isinstance(prop.codec, IntegerCodec)}
        unit = next(iter(codecs.values())).unit if codecs else ""
        if unit not in _FIGURED[spec[name]]:
            text = f'"{name}" is in none of the units of "{spec[name]}": {", ".join(_FIGURED[spec[name]])}'
            conditions.problems.add(conditions.document, (*path, name), "WRONG-VALUE", text)
            return None
        tolerate = _tolerance(conditions, spec, next(iter(codecs.values())), path)
        sign = _sign(conditions, spec, name, codecs.values(), path)
        return WriteStep(name, epc, test, defined, {}, codecs, unit, tolerate, known, sign)
    if "negate" in spec:
        text = f'"negate" is for the word "{LIMIT}": write the value itself with its sign'
        conditions.problems.add(conditions.document, (*path, "negate"), "WRONG-VALUE", text)
    wanted = [spec[name], *([spec["otherwise"]] if "otherwise" in spec else [])]
    for key, value in zip((name, "otherwise"), wanted, strict=False):
        _check_value(conditions, name, value, definitions, (*path, key))
    values = {letter: _encoded(prop, wanted) for letter, prop in definitions.items()}
    return WriteStep(name, epc, test, defined, values, {}, known=known)


def _encoded(prop: Property, wanted: Iterable[object]) -> tuple[tuple[bytes, str], ...]:
    found = []
    for value in wanted:
        try:
            found.append((prop.codec.encode(value), str(value)))
        except PropertyValueError:
            continue  # this release does not have it; the check has seen that another one does
    return tuple(found)


def _check_value(
    conditions: Conditions, name: str, value: object, definitions: Mapping[str, Property], path: Path_
) -> None:
    reason = ""
    for prop in definitions.values():
        try:
            prop.codec.encode(value)
        except PropertyValueError as refused:
            reason = str(refused)
        else:
            return
    hint = nearest(str(value), conditions.vocabulary.values(name))
    conditions.problems.add(conditions.document, path, "UNKNOWN-VALUE", f"{name} cannot be set so: {reason}{hint}")


def _test(conditions: Conditions, name: str, spec: object, path: Path_) -> Test:
    """`if: settable` is about the step's own property."""
    if spec is None:
        return always
    if isinstance(spec, str) and spec in _OFFERS:
        return conditions.compile({spec: name}, path)
    if isinstance(spec, Mapping):
        return conditions.compile(spec, path)
    text = f'"if" takes a condition, or one of {", ".join(sorted(_OFFERS))}{nearest(str(spec), _OFFERS)}'
    conditions.problems.add(conditions.document, path, "WRONG-VALUE", text)
    return always


def _sign(
    conditions: Conditions, spec: Mapping[str, Any], name: str, codecs: Iterable[IntegerCodec], path: Path_
) -> int:
    """`negate: true` writes a limit below zero, which the property must be able to say."""
    word = spec.get("negate", False)
    if word is False:
        return 1
    if word is not True or spec[name] != LIMIT or any(codec.minimum >= 0 for codec in codecs):
        text = f'"negate: true" is for a "{LIMIT}" in a property that goes below zero'
        conditions.problems.add(conditions.document, (*path, "negate"), "WRONG-VALUE", text)
    return -1


def _tolerance(conditions: Conditions, spec: Mapping[str, Any], codec: IntegerCodec, path: Path_) -> int:
    text = spec.get("tolerate")
    if text is None:
        return 0
    found = quantity(text) if isinstance(text, str) else None
    if found is None or found[1] != codec.unit or found[0] < 0:
        conditions.problems.add(conditions.document, (*path, "tolerate"), "QUANTITY", none_in(text, codec.unit))
        return 0
    return codec.from_milli(found[0])
