"""JSON Schema for the words of the mapping language: quantities, release ranges and conditions.

A validator of the models is not described here a second time: it is asked what it takes. So a pattern accepts just
what the loader accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Any, Final

from bridge.echonet.dictionary import RELEASES
from bridge.mapping.logic import FLAGS, NUMBERS, OFFERS, RELEASE, WORDS
from bridge.mapping.quantity import UNITS, quantity
from bridge.mapping.versions import PARTS

Schema = dict[str, Any]
Check = Callable[[object], object]

#: How a time in ms is written: the first unit that divides it and that it is long enough for (`180s`, but `10min`).
_TIMES: Final = (("h", 7_200_000), ("min", 600_000), ("s", 1), ("ms", 1))
_NAME: Final = r"^[A-Za-z][A-Za-z0-9_]*$"
_BOUNDS: Final = ("min", "max", "above", "below")


class UnknownFormError(Exception):
    """A validator of the models that this module cannot describe."""


def described(check: Callable[..., Any]) -> Schema:
    """The schema of what a validator of the models takes, found by asking it.

    Raises:
        UnknownFormError: it takes neither quantities nor any of the texts that are known here.
    """
    for taken, refused, form in _TEXTS:
        if _takes(check, taken) and not _takes(check, refused):
            return form()
    units = [unit for unit in UNITS if _takes(check, f"1 {unit}")]
    if not units:
        name = getattr(check, "__qualname__", repr(check))
        raise UnknownFormError(f"no schema is known for the validator {name}: describe it in schemaforms.described")
    return quantities(units, zero=_takes(check, f"0 {units[0]}"), negative=_takes(check, f"-1 {units[0]}"))


def _takes(check: Check, text: str) -> bool:
    try:
        check(text)
    except Exception:
        return False
    return True


# Quantities -----------------------------------------------------------------------------------------------------


def quantities(units: Iterable[str], *, zero: bool = True, negative: bool = True) -> Schema:
    """Amounts in some units: `60s`, `100 W`; no finer than a thousandth (a time: than a ms)."""
    known = list(units)
    amounts = "|".join(f"(?:{_amount(UNITS[unit])}) ?{unit}" for unit in known)
    minus_zero = r"(?:\+|-(?=0+(?:\.0+)?(?![0-9.])))?"
    sign = "[-+]?" if negative else minus_zero if zero else r"\+?"
    positive = "" if zero else r"(?!\+?0+(?:\.0+)?(?![0-9.]))"
    return {
        "type": "string",
        "pattern": f"^{positive}{sign}(?:{amounts})$",
        "description": f"A quantity in {_listed(known)}, like {_samples(known)}.",
    }


def _amount(factor: int) -> str:
    """Decimal numbers that a factor makes whole: as many digits as it has tens, then those its twos or fives allow."""
    digits, rest = 0, factor
    while rest % 10 == 0:
        digits, rest = digits + 1, rest // 10
    tails = ["0*", *(f"{tail}0*" for length in (1, 2) for tail in _tails(rest, length))]
    ends = f"[0-9]{{1,{digits}}}|[0-9]{{{digits}}}(?:{'|'.join(tails)})" if digits else "0+"
    return rf"[0-9]+(?:\.(?:{ends}))?"


def _tails(rest: int, length: int) -> Iterable[str]:
    """Further digits, the last no zero, that `rest` still makes whole."""
    for figures in product("0123456789", repeat=length):
        tail = "".join(figures)
        if tail[-1] != "0" and int(tail) * rest % 10**length == 0:
            yield tail


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _samples(units: list[str]) -> str:
    return "`10s`" if "s" in units else f"`10 {units[0]}`"


def duration_text(milliseconds: int) -> str:
    """A time as it is written in a table."""
    for unit, least in _TIMES:
        if milliseconds >= least and milliseconds % UNITS[unit] == 0:
            return f"{milliseconds // UNITS[unit]}{unit}"
    return "0s"


# Releases -------------------------------------------------------------------------------------------------------


def release_range() -> Schema:
    """`N`, `D-F` or `G-`, in the order of the Appendix."""
    ranges = "|".join(f"{letter}(?:-[{RELEASES[index:]}]?)?" for index, letter in enumerate(RELEASES))
    return {
        "type": "string",
        "pattern": f"^(?:{ranges})$",
        "description": "A release of the Appendix or a range: `N`, `D-F`, or `G-` for G and all later ones.",
    }


def version_range() -> Schema:
    """`2.1`, `2.1-` or `2.1-2.4`; that a range ends before it begins a pattern cannot see."""
    version = rf"[0-9]{{1,9}}(?:\.[0-9]{{1,9}}){{0,{PARTS - 1}}}"
    return {
        "type": "string",
        "pattern": f"^{version}(?:-(?:{version})?)?$",
        "description": "A version or a range: `2.1` (any 2.1.x), `2.1-`, `2.1-2.4` (2.4.x included).",
    }


def maker_code() -> Schema:
    """Three bytes in hex."""
    return {"type": "string", "pattern": "^0x[0-9A-F]{6}$", "description": 'Three bytes, quoted: `"0x00000B"`.'}


def product_code() -> Schema:
    """At most 12 characters of ASCII, or how a code begins."""
    text = "At most 12 characters of ASCII, or how it begins: `ABC-1*`."
    return {"type": "string", "pattern": r"^(?! )[ -)+-~]{0,11}[!-)+-~]\*?$", "description": text}


#: Texts that a validator takes and refuses, and the form that it then stands for.
_TEXTS: Final[tuple[tuple[str, str, Callable[[], Schema]], ...]] = (
    ("D-F", "F-D", release_range),
    ("2.1-2.4", "2.4-2.1", version_range),
    ("0x00000B", "0x0B", maker_code),
    ("ABC-1*", "A*B", product_code),
)


# Conditions -----------------------------------------------------------------------------------------------------


def one_or_more(item: Schema) -> Schema:
    """A value, or a list of them of which one is enough."""
    return {"anyOf": [item, {"type": "array", "items": item}]}


def bounds(unit: str) -> Schema:
    """A range of a number in a unit; `absent` where there is no number."""
    base = [name for name in UNITS if (quantity(f"1 {name}") or (0, ""))[1] == unit]
    amount = quantities(base)
    limits = {
        "min": {**amount, "description": f"At least so many {unit}."},
        "max": {**amount, "description": f"At most so many {unit}."},
        "above": {**amount, "description": f"More than so many {unit}."},
        "below": {**amount, "description": f"Less than so many {unit}."},
    }
    return {
        "anyOf": [
            {"const": "absent"},
            {"type": "object", "properties": limits, "additionalProperties": False, "minProperties": 1},
        ]
    }


def _any_bounds() -> Schema:
    """A range of a number whose unit is not known here."""
    amount = {"type": "string", "pattern": f"{quantities(UNITS)['pattern']}"}
    limits = dict.fromkeys(_BOUNDS, amount)
    return {"type": "object", "properties": limits, "additionalProperties": False, "minProperties": 1}


_FLAG_TEXTS: Final[Mapping[str, str]] = {
    "reachable": "The unit answers.",
    "confirmed": "What is wanted has been reached and was seen.",
    "contested": "Somebody else keeps setting the unit otherwise; the gateway has stopped writing.",
    "foreign": "Somebody else has set what stands now.",
    "dischargeAllowed": "Site, EVSE and vehicle allow discharging.",
    "authorized": "Somebody is authorized.",
    "inTransaction": "A transaction is open.",
    "amountWanted": "An amount of energy has been asked for.",
    "bounded": "A limit of power is in force.",
}
_WORD_TEXTS: Final[Mapping[str, str]] = {
    "wanted": "What the EVSE is to do.",
    "urgency": "How soon the wish has to go out.",
    "plug": "What is known of a vehicle (the section `plug`).",
    "comesTo": "What the wanted setpoint comes to on this unit now.",
}
_OFFER_TEXTS: Final[Mapping[str, str]] = {
    "settable": "Properties that the unit lets be set (its Set map, 0x9E).",
    "gettable": "Properties that the unit lets be read (its Get map, 0x9F).",
    "announced": "Properties that the unit announces when they change (its map 0x9D).",
    "refused": "Properties whose last write or read the unit refused.",
    "readBack": "Properties that have been read since they were written.",
}
_NUMBER_TEXTS: Final[Mapping[str, str]] = {"lostFor": "How long the unit has not answered."}


def condition(words: Schema | None = None, otherwise: Schema | None = None) -> Schema:
    """A condition. `words`: what may stand on the left side besides signals; `otherwise`: any other name."""
    signals: Schema = {
        "all": _group("All of these hold."),
        "any": _group("At least one of these holds."),
        "not": {"$ref": "#/$defs/Condition", "description": "This does not hold."},
        **{name: {"type": "boolean", "description": _FLAG_TEXTS.get(name, name)} for name in FLAGS},
        **{name: bounds(unit) | _text(_NUMBER_TEXTS, name) for name, (unit, _) in NUMBERS.items()},
        **{
            name: one_or_more({"enum": sorted(str(word) for word in known)}) | _text(_WORD_TEXTS, name)
            for name, (known, _) in WORDS.items()
        },
        **{name: one_or_more({"$ref": "#/$defs/PropertyName"}) | _text(_OFFER_TEXTS, name) for name in OFFERS},
        RELEASE: {**release_range(), "description": "The release of the Appendix that the unit follows."},
        "seen": {"type": "string", "description": "What a row of `plug` remembered with `sees:`."},
    }
    return {
        "title": "Condition",
        "description": "A condition; all of its keys must hold. A list of values: one of them is enough.",
        "type": "object",
        "propertyNames": {"pattern": _NAME},
        "properties": {**(words or {}), **signals},
        "additionalProperties": otherwise if otherwise is not None else _any_word(),
    }


def _text(texts: Mapping[str, str], name: str) -> Schema:
    return {"description": texts.get(name, name)}


def _group(text: str) -> Schema:
    return {"type": "array", "items": {"$ref": "#/$defs/Condition"}, "minItems": 1, "description": text}


def _any_word() -> Schema:
    """A property's or a term's value: true or false, names, or a range."""
    return {"anyOf": [{"type": "boolean"}, one_or_more({"type": "string"}), _any_bounds()]}
