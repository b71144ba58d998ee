"""What pydantic finds wrong in a document, in the words of somebody who knows the file and not Python.

Only a file with mistakes needs this.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel

from bridge.mapping import model, overlaymodel
from bridge.mapping.shape import names_at
from bridge.mapping.yamlfile import Document, Path_, Problem, nearest

_MISSING: Final = "MISSING-KEY"
_CODES: Final[Mapping[str, str]] = {
    "greater_than": "OUT-OF-RANGE",
    "greater_than_equal": "OUT-OF-RANGE",
    "less_than": "OUT-OF-RANGE",
    "less_than_equal": "OUT-OF-RANGE",
}
_MAPPING: Final = "a mapping"
_LIST: Final = "a list"
#: How they look.
_LIKE: Final[Mapping[str, str]] = {_MAPPING: "{key: value}", _LIST: "[one, another]"}
#: What is expected where something of another type stands.
_TYPES: Final[Mapping[str, str]] = {
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
#: Errors about the value as a whole: in a choice of forms, those of the forms that were not meant.
_WHOLE: Final = frozenset({*_TYPES, "literal_error", "enum"})
#: The forms of texts, by their patterns.
_FORMS: Final[Mapping[str, str]] = {
    model.EPC: 'code of a property: two digits of hex in capitals, like "0xDA", or a range of them',
    model.CLASS: 'code of a class: four digits of hex in capitals, like "0x027E"',
    model.STATE: 'code of a value: hex in capitals, like "0x41", or a range like "0x0A-0x13"',
    model.BYTE: 'code of a factor: two digits of hex in capitals, like "0x01"',
    model.NAME: "name: a letter, then letters, digits and _",
    model.NUMBERED: "name: a letter, then letters, digits and _, perhaps # for a number at the end",
    model.ROW_ID: "id: a letter, then letters, digits, - and _",
    model.RATIO: "fraction of whole numbers above zero, like 1/10",
    model.DUMP: "dump: the name of a .jsonl file in this file's folder or below it",
    overlaymodel.ID: "id: small letters, digits and -",
}
_QUOTED: Final = re.compile(r"'([^']*)'")
_KEY: Final = "[key]"  # how pydantic says that it is about a key
_ORDINALS: Final = ("first", "second", "third", "fourth")


def explained(document: Document, form: type[BaseModel], errors: Sequence[Any]) -> list[Problem]:
    """Pydantic's errors as mistakes with their places; of a choice of forms, only what is about the one meant."""
    placed = [(_place(document, error), error) for error in errors]
    within = {path[:size] for path, _ in placed for size in range(len(path))}
    within |= {path for path, error in placed if error["type"] not in _WHOLE}
    whole, missing, unknown = (defaultdict[Path_, list[Any]](list) for _ in range(3))
    problems = []
    for path, error in placed:
        if error["type"] in _WHOLE and not _is_key(error):
            whole[path].append(error)
        elif error["type"] in ("missing", "union_tag_not_found"):
            missing[path].append(_tag(error) if "ctx" in error else error["loc"][-1])
        elif error["type"] == "extra_forbidden":
            unknown[path[:-1]].append(error["loc"])
        else:
            problems.append(_one(document, path, error))
    problems += [_other(document, path, found) for path, found in whole.items() if path not in within]
    for path, found in unknown.items():
        names = names_at(form, found[0][:-1])
        problems += _unknown(document, found, names)
        missing[path] = [name for name in missing[path] if name not in _meant(found, names)]
    return problems + [document.problem(path, _MISSING, _missing(names)) for path, names in missing.items() if names]


def _is_key(error: Any) -> bool:
    return bool(error["loc"]) and error["loc"][-1] == _KEY


def _place(document: Document, error: Any) -> Path_:
    """The part of the error's path that stands in the file, and the key that is missing from it."""
    found: Path_ = ()
    for step in error["loc"]:
        if (*found, step) in document.values:
            found = (*found, step)
    return found


def _one(document: Document, path: Path_, error: Any) -> Problem:
    kind = str(error["type"])
    if kind == "union_tag_invalid":
        listed = _QUOTED.findall(str(error["ctx"]["expected_tags"]))
        return document.problem((*path, _tag(error)), "WRONG-VALUE", _none_of(error["ctx"]["tag"], listed))
    code = _CODES.get(kind) or (kind if kind.isupper() else "WRONG-VALUE")  # ours name their own
    return document.problem(path, code, _text(error), at_key=_is_key(error))


def _tag(error: Any) -> str:
    return str(error["ctx"]["discriminator"]).strip("'")


def _unknown(document: Document, paths: Iterable[Path_], names: Collection[str]) -> Iterator[Problem]:
    """Keys that one mapping does not have; those that it has are listed once."""
    listed = False
    for path in paths:
        hint = nearest(str(path[-1]), names)
        if document.source.get(path) == "":  # a key without a value, as in {why: this, and that}
            hint = f"{hint} - a comma ends a text within braces: put the text in quotes"
        elif names and not hint and not listed:
            hint, listed = f" - known here: {', '.join(sorted(names))}", True
        yield document.problem(path, "UNKNOWN-KEY", f'unknown key "{path[-1]}"{hint}', at_key=True)


def _meant(paths: Iterable[Path_], names: Collection[str]) -> set[str]:
    """The keys for which misspelt ones are taken: they are not told again as missing."""
    return {name for path in paths for name in names if nearest(str(path[-1]), names) == nearest(name, [name])}


def _missing(steps: Sequence[str | int]) -> str:
    if any(isinstance(step, int) for step in steps):
        ordinals = [_ORDINALS[step] if step < len(_ORDINALS) else f"{step + 1}th" for step in map(int, steps)]
        return f"the {' and the '.join(ordinals)} value of this list {_are(steps)} missing"
    named = ", ".join(f'"{step}"' for step in dict.fromkeys(steps))
    return f"the key{'s' if len(steps) > 1 else ''} {named} {_are(steps)} missing"


def _are(things: Sequence[object]) -> str:
    return "are" if len(things) > 1 else "is"


def _text(error: Any) -> str:
    """What is wrong with a value that has the right type."""
    kind, context, given = str(error["type"]), error.get("ctx", {}), error["input"]
    if "expected" in context:
        return _none_of(given, _QUOTED.findall(str(context["expected"])))
    if kind == "string_pattern_mismatch":
        pattern = str(context["pattern"])
        return f'"{given}" is no {_FORMS[pattern]}' if pattern in _FORMS else f'"{given}" has not the form {pattern}'
    if kind in ("too_short", "string_too_short"):
        named = next((str(step) for step in reversed(error["loc"]) if isinstance(step, str)), "it")
        return f'"{named}" is empty: something has to stand here'
    if kind == "too_long":
        return f"{context['actual_length']} values are too many: {context['max_length']} are expected"
    for word, bound, side in (("ge", "least", "small"), ("gt", "least", "small"), ("le", "most", "large")):
        if word in context:
            return f"{given} is too {side}: {context[word]} is the {bound}"
    text = str(error["msg"]).removeprefix("Value error, ")
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _other(document: Document, path: Path_, errors: Sequence[Any]) -> Problem:
    """A value that is none of those, or of none of the types, that may stand there."""
    given = errors[0]["input"]
    words = [word for error in errors for word in _QUOTED.findall(str(error.get("ctx", {}).get("expected", "")))]
    types = list(dict.fromkeys(_TYPES[error["type"]] for error in errors if error["type"] in _TYPES))
    if isinstance(given, str) and words:
        return document.problem(path, "WRONG-VALUE", _none_of(given, words))
    numbers = [str(error["ctx"]["expected"]) for error in errors if "expected" in error.get("ctx", {})]
    listed = [f"one of {', '.join(words)}"] if words else numbers
    expected = " or ".join([*types, *listed])
    written = document.source.get(path)
    if given is None:
        said = ", and nothing stands here"
    elif types == [_TYPES["string_type"]] and written is not None:
        said = f' - quote it: "{written}"'
    else:
        like = [_LIKE[each] for each in types if each in _LIKE]
        said = f", not {_shown(given, written)}{f' - write it like {like[0]}' if like else ''}"
    return document.problem(path, "WRONG-TYPE" if types or words else "WRONG-VALUE", f"{expected} is expected{said}")


def _shown(given: object, written: str | None) -> str:
    if isinstance(given, Mapping):
        return "a mapping"
    if isinstance(given, list):
        return "a list"
    return f'"{given}"' if isinstance(given, str) else written or str(given)


def _none_of(given: object, known: Iterable[str]) -> str:
    listed = list(dict.fromkeys(known))
    if len(listed) == 1:
        return f'"{listed[0]}" is expected, not "{given}"'
    hint = nearest(given, listed) if isinstance(given, str) else ""
    return f'"{given}" is none of {", ".join(listed)}{hint}'
