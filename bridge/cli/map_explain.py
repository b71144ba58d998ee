"""`ocpp-echonet map explain`: which file and line decided, and what would have to change for another answer."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.cli.layout import WIDTH, duration, labelled, wrap
from bridge.cli.way import EXIT_CODES, OK, Way, add_options, note, perform
from bridge.errors import MappingError

if TYPE_CHECKING:
    from bridge.authoring.changes import Counterfactual
    from bridge.authoring.explain import Explained, Looked
    from bridge.mapping.load import Mappings

_LABEL: Final = 18
_DESCRIPTION: Final = """\
Shows for each section what the tables answer, the file and line that decided, the values that its conditions look at,
and for every other answer the fewest changes that would bring it about (one, then two, tried out on the tables).

Live: names a UNIT as `probe` does; it is asked through the gateway that runs here, else over the network, and nothing
is written. Offline: --given describes the unit by frames and words, as the examples of the tables do."""
_EPILOG: Final = f"""\
WHAT: plug, connector, chargingState, setpoint, measures, or a wish (charge, discharge, auto, pause, stop); default all

examples:
  ocpp-echonet map explain garage --config site.yaml connector
  ocpp-echonet map explain 192.0.2.20 charge --also "authorized=true"
  ocpp-echonet map explain --given "C7=43 DA=44 wanted=charge authorized=true" chargingState

{EXIT_CODES}"""


def register(tools: Any) -> None:
    """Add the tool to the parser."""
    parser = tools.add_parser(
        "explain",
        help="which line decided, and what would have to change for another answer",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "unit", nargs="?", metavar="UNIT", help="a unit of the configuration, ADDRESS or ADDRESS:OBJECT"
    )
    parser.add_argument("what", nargs="?", metavar="WHAT", help="what to explain (see below)")
    parser.add_argument("--given", metavar="WORDS", help='offline: frames and words, as "C7=43 DA=44 wanted=charge"')
    parser.add_argument("--also", metavar="WORDS", help="live: words that change what was found, to see what would be")
    parser.add_argument("--class", dest="unit_class", metavar="CODE", default="0x027E", help="offline: default 0x027E")
    parser.add_argument("--release", metavar="LETTER", help="offline: the Appendix release (default: the table's)")
    parser.add_argument(
        "--table", action="append", default=[], type=Path, metavar="PATH", help="tables of your own; repeatable"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    add_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Explain; the output is one block a section, or one JSON object."""
    if options.given is not None:
        if options.what is not None:
            raise MappingError("explain: give either a UNIT or --given")
        return _offline(options)
    if options.unit is None:
        raise MappingError('explain: name a UNIT, or describe one with --given "C7=43 DA=44"')
    return _live(options)


def _offline(options: argparse.Namespace) -> int:
    from bridge.authoring.tables import source_for, source_of, told_by
    from bridge.authoring.words import ExampleError, given_view, parse_given
    from bridge.mapping.load import load_paths

    what = _parts(options.unit)
    mappings, class_code = load_paths(options.table), _class_code(options.unit_class)
    release = [] if options.release is None else [{"release": options.release}]
    try:
        given = [*release, *parse_given(options.given)]
        view = given_view(source_of(mappings, class_code), given)
        source = source_for(mappings, class_code, view.release, told_by(view))
        view = given_view(source, given)
    except ExampleError as error:
        raise MappingError(f"--given: {error}") from None
    head = {"class": options.unit_class, "given": options.given, "hash": source.table.content_hash}
    _show(options, head, f"0x{source.table.class_code:04X}, as given", source, view, what)
    return OK


def _live(options: argparse.Namespace) -> int:
    what = _parts(options.what)

    async def main(way: Way) -> int:
        from bridge.authoring.tables import source_for, told_by
        from bridge.authoring.viewing import view_of
        from bridge.authoring.words import ExampleError, changed_view, parse_given

        note(f"reading {options.unit} {way.described}")
        told = await way.ask({"do": "explain", "unit": options.unit, "network": options.network}, lambda event: None)
        view = view_of(told["view"])
        mappings = _tables(options.table, Path(told["mappings"]))
        source = source_for(mappings, int(told["class"], 16), view.release, told_by(view))
        if told["through_gateway"] and source.table.content_hash != told["hash"]:
            note(f"the tables explained ({source.table.content_hash}) are not those in use there ({told['hash']})")
        try:
            view = changed_view(source, view, parse_given(options.also)) if options.also else view
        except ExampleError as error:
            raise MappingError(f"--also: {error}") from None
        head = {name: told[name] for name in ("unit", "address", "object", "class", "through_gateway", "hash")}
        title = f"{told['unit']}: {told['address']} object {told['object']}"
        _show(options, head, title, source, view, what)
        return OK

    return perform(options, main)


def _tables(own: list[Path], in_use: Path) -> Mappings:
    """The tables of the command line, else those in use there; the shipped ones go by their short name."""
    from bridge.mapping.load import default_folder, load_paths

    return load_paths(own or ([] if in_use == default_folder() else [in_use]))


def _parts(what: str | None) -> list[str]:
    from bridge.authoring.explain import parts_of

    try:
        return parts_of(what)
    except ValueError as error:
        raise MappingError(str(error)) from None


def _class_code(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise MappingError(f'--class: "{text}" is no class like 0x027E') from None


# -- showing it


def _show(
    options: argparse.Namespace, head: Mapping[str, Any], title: str, source: Any, view: Any, what: Iterable[str]
) -> None:
    from bridge.authoring.explain import Explainer

    explainer = Explainer(source, view)
    found = [each for part in what for each in explainer.explain(part)]
    if options.format == "json":
        print(json.dumps({**head, "answers": [each.as_json() for each in found]}, ensure_ascii=False, indent=2))
        return
    print(f"{title}, Release {view.release or 'unknown'}, tables {source.table.content_hash}")
    for number, each in enumerate(found):
        if not each.rule and (not number or found[number - 1].rule):
            print()
        for line in as_text(each):
            print(line)


def as_text(each: Explained) -> Iterator[str]:
    """One answer for people."""
    if not each.rule:
        yield from labelled(each.what, " - ".join((each.answer, *each.detail)), 0, _LABEL)
        return
    yield ""
    yield f"{each.what}: {each.answer}"
    yield from labelled("decided by", each.rule, 2, _LABEL - 2)
    for number, detail in enumerate(each.detail):
        yield from labelled("" if number else "that is", detail, 2, _LABEL - 2)
    yield from _values(each.looked, each.signals)
    yield from _otherwise(each.otherwise)


def _values(looked: Iterable[Looked], signals: Mapping[str, Any]) -> Iterator[str]:
    label = "looked at"
    absent = []
    for each in looked:
        if not each.raw:
            absent.append(f"{each.name} ({each.epc:02X})" + (" refused" if each.value == "refused" else ""))
            continue
        age = "" if not each.age else f", {duration(each.age)} old{', announced' if each.announced else ''}"
        yield from labelled(label, f"{each.name}={each.value} ({each.epc:02X}={each.raw}{age})", 2, _LABEL - 2)
        label = ""
    if signals:
        words = ", ".join(f"{name}={_plain(value)}" for name, value in signals.items())
        yield from labelled("known beside", words, 2, _LABEL - 2)
    if absent:
        yield from labelled("not told", ", ".join(absent), 2, _LABEL - 2)


def _otherwise(found: Iterable[Counterfactual]) -> Iterator[str]:
    none: dict[int, list[str]] = {}
    for each in found:
        if not each.ways:
            none.setdefault(each.depth, []).append(each.answer)
            continue
        yield f"  for {each.answer}:"
        for number, way in enumerate(each.ways):
            text = " and ".join(change.text for change in way)
            for line_number, line in enumerate(wrap(text, WIDTH - 8)):
                lead = "   " if line_number else ("or " if number else "   ")
                yield f"    {lead} {line}"
    for depth, answers in none.items():
        word = "one change" if depth == 1 else f"up to {depth} changes"
        yield from labelled("none found", f"{', '.join(answers)} - no {word} of these values would do", 2, _LABEL - 2)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
