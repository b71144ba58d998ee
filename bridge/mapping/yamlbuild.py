"""Builds a document from a YAML parser's events, and refuses what YAML could do and a table must not.

Only this module needs the parser: what is in the cache (`bridge.mapping.cache`) is read without it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from bridge.mapping.yamlfile import MAX_DEPTH, MAX_PROBLEMS, Document, Limits, Path_, Problem, Problems, resolve
from bridge.records import dataclass

#: How a parser's code may fail on a text that its author did not think of: an escape beyond all characters.
_FAILURES: Final = (
    YAMLError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
#: A directive stands in a line above the document, where else there are only comments.
_DIRECTIVE: Final = re.compile(r"^%[^\n]*", re.MULTILINE)
_CONTENT: Final = re.compile(r"^[ \t]*[^#\s]", re.MULTILINE)
#: Longer than any word; of a tag, the parser takes long to decode it.
_LONG_WORD: Final = re.compile(r"[^\s,\[\]{}\"']{2000,}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LONG_TAG: Final = "tag:yaml.org,2002:"
#: What the parser says, and what it means; {line} is where that begins which it could not finish.
_WORDS: Final[tuple[tuple[str, str], ...]] = (
    (r"character '\\t'", "a tab - indent with spaces"),
    (r"flow sequence.*expected ','", "the list that begins with [ in line {line} is not closed before this"),
    (r"flow mapping.*expected ','", "the mapping that begins with {{ in line {line} is not closed before this"),
    (r"quoted scalar.*(end of stream|document separator)", "the quote that opens in line {line} is never closed"),
    (r"block (mapping|collection).*expected <block end>",
     "this does not belong to what begins in line {line} - mind the spaces at the start of the lines"),
    (r"mapping values are not allowed", 'a ":" makes a key where none can stand - put a text with ": " in quotes'),
    (r"could not find expected ':'", 'a key needs a ":" and a space behind it'),
)  # fmt: skip
#: So much of a name is shown.
_SHOWN: Final = 60


def build(document: Document, limits: Limits, without: str | None = None) -> Problems:
    """Fill a document from its text; gives back every mistake in it.

    `without`: a section that is not wanted; nothing of it is kept.
    """
    builder = _Builder(document, limits, without)
    beforehand = _refused_beforehand(document)
    if beforehand is not None:
        builder.problems.found.append(beforehand)
        return builder.problems
    events = YAML(typ="safe", pure=True).parse(document.text)
    while not builder.hopeless:
        try:
            event = next(events, None)
        except _FAILURES as reason:
            builder.fails(reason)
            break
        if event is None:
            break
        builder.take(event)
    return builder.problems


def _refused_beforehand(document: Document) -> Problem | None:
    """What the parser would take long for, before anything of it could be seen: many directives, a very long tag."""
    text = document.text
    directive = _DIRECTIVE.search(text)
    if directive is not None and not _CONTENT.search(text, 0, directive.start()):
        told = f'directives ("{_short(directive[0])}") are not allowed - leave the line out'
        return Problem(document.file, *_line_and_column(text, directive.start()), "YAML-TAG", told)
    for word in _LONG_WORD.finditer(text):
        start = text.find("!", word.start(), word.end())
        if start >= 0:
            told = f'tags ("{_short(text[start : word.end()])}") are not allowed'
            return Problem(document.file, *_line_and_column(text, start), "YAML-TAG", told)
    return None


class _Builder:
    """Builds a document from parser events; the stack holds (path, container, the key that waits for its value)."""

    def __init__(self, document: Document, limits: Limits, without: str | None) -> None:
        self.document = document
        self.problems = Problems()
        self._limits = limits
        self._without = without
        self._left_out: int | None = None  # how deep we are in the section that is not wanted
        self.hopeless = False
        self._stack: list[_Open] = []
        self._documents = 0
        self._reached = (1, 1)
        self._started = 0  # keys and values

    def take(self, event: Event) -> None:
        """One event."""
        self._reached = _mark(event)
        self._refuse_node_properties(event)
        if self._left_out is not None:
            self._leave_out(event)
        elif isinstance(event, DocumentStartEvent):
            self._start_document(event)
        elif isinstance(event, DocumentEndEvent) and event.explicit:
            self._problem(event, "YAML-SYNTAX", 'only one document in a file - leave the "..." out')
            self.hopeless = True
        elif isinstance(event, MappingStartEvent):
            self._open({}, event)
        elif isinstance(event, SequenceStartEvent):
            self._open([], event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._stack.pop()
        elif isinstance(event, AliasEvent):
            text = f'aliases ("*{_short(event.anchor)}") are not allowed - write the value out'
            self._problem(event, "YAML-ALIAS", text)
            self._put(None, event, None)
        elif isinstance(event, ScalarEvent):
            self._scalar(event)

    def fails(self, reason: BaseException) -> None:
        """The parser cannot go on."""
        if isinstance(reason, MarkedYAMLError):
            mark = reason.problem_mark or reason.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            what = _in_words(reason)
        elif isinstance(reason, ReaderError):
            line, column = _line_and_column(self.document.text, reason.position)
            character = ord(self.document.text[reason.position])
            what = f"the character U+{character:04X} is not allowed in YAML"
            what += " - is this a text file in UTF-8?" if not character else ""
        else:
            line, column = self._reached
            what = f"what follows cannot be read ({' '.join(str(reason).split()) or type(reason).__name__})"
        self.problems.found.append(Problem(self.document.file, line, column, "YAML-SYNTAX", _short(what, 500)))

    def _leave_out(self, event: Event) -> None:
        assert self._left_out is not None
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._left_out += 1
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._left_out -= 1
        if not self._left_out:
            self._left_out = None
            self._stack[-1].key = None

    def _start_document(self, event: DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._problem(event, "YAML-SYNTAX", "only one document in a file")
            self.hopeless = True

    def _refuse_node_properties(self, event: Event) -> None:
        if not isinstance(event, MappingStartEvent | SequenceStartEvent | ScalarEvent):
            return
        self._started += 1
        if self._started > self._limits.nodes:
            text = f"more than {self._limits.nodes} keys and values - no file that a person writes has so many"
            self._problem(event, "YAML-SIZE", text)
            self.hopeless = True
        if event.anchor:
            text = f'anchors ("&{_short(event.anchor)}") are not allowed - write the value out'
            self._problem(event, "YAML-ANCHOR", text)
        tag = getattr(event, "tag", None)
        if tag:
            shown = _short(str(tag).replace(_LONG_TAG, "!!"))
            self._problem(event, "YAML-TAG", f'tags ("{shown}") are not allowed - leave the tag out')

    def _scalar(self, event: ScalarEvent) -> None:
        self._refuse_text(event)
        top = self._stack[-1] if self._stack else None
        plain = event.style is None and bool(event.implicit[0])
        if top is not None and isinstance(top.container, dict) and top.key is None:
            self._key(event, top, str(event.value), plain)
            return
        value = resolve(event.value) if plain else event.value
        self._put(value, event, str(event.value) if plain else None)

    def _refuse_text(self, event: ScalarEvent) -> None:
        if len(event.value) > self._limits.scalar:
            text = f"a text of {len(event.value)} characters is longer than {self._limits.scalar}"
            self._problem(event, "YAML-SIZE", text)
            self.hopeless = True  # no message can quote it
        if not event.value.isascii() and (half := _SURROGATE.search(event.value)):
            self._problem(event, "YAML-SYNTAX", f"U+{ord(half[0]):04X} is half a character - write the whole one")

    def _key(self, event: ScalarEvent, top: _Open, name: str, plain: bool) -> None:
        if name == "<<" and plain:
            self._problem(event, "YAML-MERGE", 'merge keys ("<<") are not allowed - write the keys out')
        if name in top.container:
            line = self.document.keys[(*top.path, name)][0]
            self._problem(event, "YAML-DUPLICATE", f'the key "{_short(name)}" stands in line {line} already')
            name = f"{name}\0{event.start_mark.line}"
        top.key = name
        if len(self._stack) == 1 and name == self._without:
            self._left_out = 0
        else:
            self.document.keys[(*top.path, name)] = _mark(event)

    def _open(self, container: dict[str, Any] | list[Any], event: Event) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._problem(event, "YAML-DEPTH", f"nested deeper than {MAX_DEPTH} levels - say it with fewer")
            self.hopeless = True
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.container, dict) and top.key is None:
            self._problem(event, "YAML-KEY", "a key must be a plain word, not a list or a mapping")
            self.hopeless = True
        path = self._put(container, event, None)
        self._stack.append(_Open(path, container))

    def _put(self, value: Any, event: Event, written: str | None) -> Path_:
        """Set a value where it belongs; gives back its path."""
        path: Path_ = ()
        if self._stack:
            top = self._stack[-1]
            if isinstance(top.container, list):
                path = (*top.path, len(top.container))
                top.container.append(value)
            elif top.key is not None:
                path = (*top.path, top.key)
                top.container[top.key] = value
                top.key = None
        else:
            self.document.data = value
        self.document.values[path] = _mark(event)
        if written is not None and not isinstance(value, str):
            self.document.source[path] = written
        return path

    def _problem(self, event: Event, code: str, message: str) -> None:
        line, column = _mark(event)
        found = self.problems.found
        found.append(Problem(self.document.file, line, column, code, message))
        if len(found) >= MAX_PROBLEMS and not self.hopeless:
            self.hopeless = True
            text = f"this is mistake {len(found)}: the rest of the file is not looked at - mend these first"
            found.append(Problem(self.document.file, line, column, "TOO-MANY-MISTAKES", text))


@dataclass(slots=True)
class _Open:
    """A list or mapping that has begun and not ended."""

    path: Path_
    container: Any
    key: str | None = None


def _in_words(reason: MarkedYAMLError) -> str:
    """What the parser could not read, in the words of a person."""
    told = " ".join(part for part in (reason.context, reason.problem) if part)
    line = reason.context_mark.line + 1 if reason.context_mark else 1
    found = next((words for pattern, words in _WORDS if re.search(pattern, told)), None)
    return told if found is None else found.format(line=line)


def _mark(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _line_and_column(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _short(text: str, most: int = _SHOWN) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
