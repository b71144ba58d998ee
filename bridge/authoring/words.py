"""The words of examples, used on views that come from elsewhere: a live unit, a dump, a command line.

An example begins with nothing; here the same words change a view that is there already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, Final

from bridge.evse import Wanted
from bridge.mapping import examples
from bridge.mapping.context import ABSENT
from bridge.mapping.decision import View
from bridge.mapping.examples import ExampleError, Outcome
from bridge.mapping.given import LISTED, Situation, take, wants
from bridge.mapping.model import ExampleModel
from bridge.mapping.table import CompiledTable, TableSource
from bridge.mapping.yamlfile import Document, Path_, Problems, resolve

#: Fields of a view that an example's situation keeps elsewhere than under the same name.
_APART: Final = frozenset({"now", "release", "facts", "gettable", "settable", "announced", "wanted", "wrote"})
_NOTHING: Final = {"connector": "keep"}  # an example has to expect something; this one is only asked what it gives


def given_view(source: TableSource, given: Iterable[Any]) -> View:
    """The view that an example with these words would give (what they leave out is the table's `exampleUnit`).

    Raises:
        ExampleError: a word is unknown, or has no such value.
    """
    return examples.view_of(source, ExampleModel(given=list(given), expect=_NOTHING))


def changed_view(
    source: TableSource, view: View, given: Iterable[Any], receive: Mapping[str, Mapping[str, Any]] | None = None
) -> View:
    """A view with what these words change of it, and with what these messages of a CSMS want.

    Raises:
        ExampleError: a word is unknown, or has no such value.
    """
    situation = _situation(source.table, view)
    if receive:
        situation.wanted |= {"authorized": True, "in_transaction": True}
        for message, payload in receive.items():
            situation.wanted |= wants(source.model, message, payload)
    take(situation, given)
    built = situation.build()
    shift = view.now - built.now
    facts = {epc: replace(fact, at=fact.at + shift) for epc, fact in built.facts.items()}
    wrote = {epc: view.wrote.get(epc, at + shift) for epc, at in built.wrote.items()}
    return replace(built, now=view.now, facts=facts, wrote=wrote)


def _situation(table: CompiledTable, view: View) -> Situation:
    return Situation(
        table,
        release=view.release,
        values={epc: ("hex", fact.edt.hex()) for epc, fact in view.facts.items()},
        view={each.name: getattr(view, each.name) for each in fields(View) if each.name not in _APART},
        wanted={each.name: getattr(view.wanted, each.name) for each in fields(Wanted)},
        maps={"gettable": view.gettable, "settable": view.settable, "announced": view.announced},
        ages={epc: view.now - fact.at for epc, fact in view.facts.items()},
        notified=frozenset(epc for epc, fact in view.facts.items() if fact.notified),
        wrote=frozenset(view.wrote),
    )


def encoded(table: CompiledTable, release: str, values: Iterable[Any]) -> dict[int, bytes]:
    """Values of properties as bytes, from words (`{operationMode: charge}`) and frames (`"DA=42"`).

    `absent` is no bytes. Raises `ExampleError`: a word is no property, or has no such value.
    """
    situation = Situation(table, release=release)
    listed = list(values)
    take(situation, listed)
    gone = {epc: b"" for epc, (_, value) in situation.values.items() if value == ABSENT}
    return gone | {epc: fact.edt for epc, fact in situation.build().facts.items()}


def parse_given(text: str) -> list[Any]:
    """Words of a command line: `C7=43 DA=44 wanted=charge settable=operationMode,chargingMethod amount=10kWh`.

    Raises:
        ExampleError: a word is none.
    """
    found: list[Any] = []
    for word in text.split():
        name, sign, value = word.partition("=")
        if not sign or not name:
            raise ExampleError(f'"{word}" is neither a frame like C7=43 nor a word like wanted=charge')
        if len(name) == 2 and all(each in "0123456789abcdefABCDEF" for each in name):
            found.append(word)
        elif name in LISTED:
            found.append({name: [each for each in value.split(",") if each]})
        else:
            found.append({name: resolve(value)})
    return found


def outcome_of_view(source: TableSource, view: View) -> Outcome:
    """What a table says of a view, in the words that examples expect."""
    return examples.outcome_of_view(source.table, view)


def compare(document: Document, path: Path_, expect: Mapping[str, Any], outcome: Outcome, problems: Problems) -> None:
    """Note what is otherwise than expected; `path` is where the expectations stand in the file."""
    examples._compare(document, path, ExampleModel(given=[], expect=dict(expect)), outcome, problems)


__all__ = [
    "ExampleError",
    "Outcome",
    "changed_view",
    "compare",
    "encoded",
    "given_view",
    "outcome_of_view",
    "parse_given",
]
