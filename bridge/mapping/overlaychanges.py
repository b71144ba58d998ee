"""Applies the changes of an overlay to the nodes of the table that it is laid over.

A path is of key names with dots. A list whose rows have ids is entered by an id; any other list is replaced whole.
Each change that cannot be made is a mistake in the overlay; the others are still made, so that all are told at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bridge.mapping.layered import Node, Place
from bridge.mapping.overlaymodel import ChangeModel, OwnPropertyModel
from bridge.mapping.yamlfile import Document, Path_, Problems, nearest
from bridge.records import dataclass

_VERBS: Final = ("override", "add", "remove")
#: What makes a table the table of its class, and what an overlay has of its own.
_FIXED: Final = frozenset({"mapping", "kind", "class", "title", "examples", "replays"})
_ID: Final = "id"


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a change is made: a container of the tree and the name in it; `row` is the innermost row around it."""

    container: Node
    name: str
    row: Node | None

    @property
    def rows(self) -> list[Node] | None:
        """The rows, where the container is a list of them."""
        return self.container.value if isinstance(self.container.value, list) else None

    @property
    def index(self) -> int | None:
        """Which row has the name."""
        return next((i for i, row in enumerate(self.rows or ()) if _id_of(row) == self.name), None)

    @property
    def found(self) -> Node | None:
        """What stands there."""
        if self.rows is not None:
            return self.rows[self.index] if self.index is not None else None
        value = self.container.value
        return value.get(self.name) if isinstance(value, dict) else None


def verb_of(
    document: Document, path: Path_, model: ChangeModel | OwnPropertyModel, problems: Problems
) -> tuple[str, str] | None:
    """The verb of a change and what it is about; None if that is not clear. Its `why` is checked too."""
    given = [(verb, str(getattr(model, verb))) for verb in _VERBS if getattr(model, verb, None) is not None]
    if not (model.why or "").strip():
        text = "every change says why, for the person who reads it in a year"
        problems.add(document, (*path, "why") if model.why is not None else path, "OVERLAY-WHY", text)
    if len(given) != 1:
        said = " and ".join(verb for verb, _ in given) or "none of them"
        text = f"a change has one of {', '.join(_VERBS)}, not {said}"
        problems.add(document, path, "OVERLAY-VERB", text)
        return None
    return given[0]


class Changes:
    """Makes the changes of one overlay. `own` are the nodes of the overlay's file itself."""

    def __init__(self, document: Document, own: Node, root: Node, problems: Problems) -> None:
        self._document = document
        self._own = own
        self._root = root
        self._problems = problems
        self._made: dict[str, int] = {}

    def make(self, models: Iterable[ChangeModel]) -> None:
        """All of them, in order."""
        for index, model in enumerate(models):
            found = verb_of(self._document, ("changes", index), model, self._problems)
            if found is not None and self._is_first(index, *found):
                self._one(index, model, *found)

    def _is_first(self, index: int, verb: str, path: str) -> bool:
        if path in self._made:
            line = self._document.position(("changes", self._made[path]))[0]
            self._wrong(index, verb, "OVERLAY-TWICE", f'"{path}" is changed in line {line} already')
            return False
        self._made[path] = index
        return True

    def _one(self, index: int, model: ChangeModel, verb: str, path: str) -> None:
        spot = self._spot(index, verb, path)
        if spot is None or not self._form_fits(index, model, verb, spot):
            return
        if verb == "add":
            self._add(index, model, spot, path)
        elif spot.found is None:
            self._missing(index, verb, path, spot)
        elif verb == "remove":
            self._remove(index, spot)
        else:
            self._override(index, model, spot, path)

    # Where

    def _spot(self, index: int, verb: str, path: str) -> _Spot | None:
        *above, last = path.split(".")
        first = path.partition(".")[0]
        if first in _FIXED:
            self._wrong(index, verb, "OVERLAY-PATH", f'"{first}" is not for an overlay to change')
            return None
        container, row = self._root, None
        for depth, step in enumerate(above):
            spot = _Spot(container, step, row)
            if spot.found is None:
                self._no_such(index, verb, ".".join(above[:depth]), spot)
                return None
            container = spot.found
            row = container if spot.rows is not None else row
        if not self._can_enter(index, verb, ".".join(above), container):
            return None
        return _Spot(container, last, row)

    def _can_enter(self, index: int, verb: str, path: str, container: Node) -> bool:
        if isinstance(container.value, dict):
            return True
        if isinstance(container.value, list):
            if not container.value or all(_id_of(row) is not None for row in container.value):
                return True
            text = f'the rows of "{path}" have no id: override the list as a whole'
        else:
            text = f'"{path}" is a single value: nothing stands below it'
        self._wrong(index, verb, "OVERLAY-PATH", text)
        return False

    def _missing(self, index: int, verb: str, path: str, spot: _Spot) -> None:
        self._no_such(index, verb, path.rpartition(".")[0], spot)

    def _no_such(self, index: int, verb: str, above: str, spot: _Spot) -> None:
        if above and not self._can_enter(index, verb, above, spot.container):
            return
        known = [name for name in _names(spot.container) if above or name not in _FIXED]
        what = "row" if spot.rows is not None else "key"
        where = f' in "{above}"' if above else " in the table"
        hint = nearest(spot.name, known) or f" - known here: {', '.join(known)}"
        self._wrong(index, verb, "OVERLAY-PATH", f'there is no {what} "{spot.name}"{where}{hint}')

    # What

    def _form_fits(self, index: int, model: ChangeModel, verb: str, spot: _Spot) -> bool:
        """Whether the change has what its verb needs and nothing else."""
        path: Path_ = ("changes", index)
        has_value = "value" in model.model_fields_set
        placed = [key for key in ("before", "after", "last") if getattr(model, key)]
        if verb == "remove" and (has_value or placed):
            extra = "with" if has_value else placed[0]
            self._add_problem((*path, extra), "OVERLAY-FORM", f'"remove" takes no "{extra}"')
        elif verb == "add" and not has_value:
            self._add_problem(path, "OVERLAY-FORM", '"add" needs "with": what is added')
        elif verb == "override" and not has_value and not placed:
            self._add_problem(path, "OVERLAY-FORM", '"override" needs "with": what stands there instead')
        elif placed and spot.rows is None:
            text = f'"{placed[0]}" is for rows: keys have no order'
            self._add_problem((*path, placed[0]), "OVERLAY-FORM", text)
        elif len(placed) > 1 or (verb == "add" and spot.rows is not None and not placed):
            text = 'a row goes to one place: "before" or "after" the id of another row, or "last: true"'
            self._add_problem(path, "OVERLAY-FORM", text)
        else:
            return True
        return False

    def _add(self, index: int, model: ChangeModel, spot: _Spot, path: str) -> None:
        there = spot.found
        if there is not None:
            text = f'"{path}" exists already ({there.at.file}:{there.at.line}): override it'
            self._wrong(index, "add", "OVERLAY-EXISTS", text)
            return
        node = self._value(index, "add", spot)
        if node is None:
            return
        if spot.rows is None:
            spot.container.value[spot.name] = node
        else:
            where = self._target(index, model, spot, len(spot.rows))
            if where is not None:
                spot.rows.insert(where, node)
        self._mark(index, spot)

    def _remove(self, index: int, spot: _Spot) -> None:
        if spot.rows is not None and spot.index is not None:
            del spot.rows[spot.index]
        else:
            del spot.container.value[spot.name]
            spot.container.at = self._place(("changes", index))  # what is missing now is missing by this
        self._mark(index, spot)

    def _override(self, index: int, model: ChangeModel, spot: _Spot, path: str) -> None:
        before = spot.found
        assert before is not None  # `_one` has looked
        node = before
        if "value" in model.model_fields_set:
            new = self._value(index, "override", spot)
            if new is None:
                return
            node = new
        order = [_id_of(row) for row in spot.rows or ()]
        if spot.rows is None:
            spot.container.value[spot.name] = node
        else:
            self._replace_row(index, model, spot, node)
        if node.plain() == before.plain() and order == [_id_of(row) for row in spot.rows or ()]:
            text = f'"{path}" is so already ({before.at.file}:{before.at.line}): this changes nothing'
            self._wrong(index, "override", "OVERLAY-EMPTY", text)
        if node is before:
            node.at = self._place(("changes", index))
        self._mark(index, spot)

    def _replace_row(self, index: int, model: ChangeModel, spot: _Spot, node: Node) -> None:
        rows, here = spot.rows, spot.index
        assert rows is not None
        assert here is not None  # it has been found
        rows[here] = node
        if model.before or model.after or model.last:
            del rows[here]
            where = self._target(index, model, spot, len(rows))
            rows.insert(here if where is None else where, node)

    def _target(self, index: int, model: ChangeModel, spot: _Spot, end: int) -> int | None:
        """The index at which a row is put in."""
        name = model.before or model.after
        if name is None:
            return end
        key = "before" if model.before else "after"
        known = _names(spot.container)
        if name not in known:
            hint = nearest(name, known) or f" - known here: {', '.join(known)}"
            self._add_problem(("changes", index, key), "OVERLAY-PATH", f'there is no row "{name}" beside it{hint}')
            return None
        return known.index(name) + (key == "after")

    def _value(self, index: int, verb: str, spot: _Spot) -> Node | None:
        """What is put in. A row may leave its id out: the path has it."""
        path: Path_ = ("changes", index, "with")
        node: Node = self._own.value["changes"].value[index].value["with"].copy()
        if spot.rows is None:
            return node
        if not isinstance(node.value, dict):
            self._add_problem(path, "OVERLAY-FORM", "a row is a mapping")
            return None
        if _ID not in node.value:
            node.value = {_ID: Node(spot.name, self._place(("changes", index, verb))), **node.value}
        elif _id_of(node) != spot.name:
            text = f'the row\'s id is "{spot.name}" by the path, and "{_id_of(node)}" here'
            self._add_problem((*path, _ID), "OVERLAY-FORM", text)
            return None
        return node

    def _mark(self, index: int, spot: _Spot) -> None:
        """A row of which a part is changed is the overlay's from now on."""
        if spot.row is not None:
            spot.row.at = self._place(("changes", index))

    def _place(self, path: Path_) -> Place:
        line, column = self._document.position(path)
        return Place(self._document.file, line, column)

    def _wrong(self, index: int, verb: str, code: str, text: str) -> None:
        self._add_problem(("changes", index, verb), code, text)

    def _add_problem(self, path: Path_, code: str, text: str) -> None:
        self._problems.add(self._document, path, code, text)


def _id_of(row: Node) -> str | None:
    found = row.value.get(_ID) if isinstance(row.value, dict) else None
    return str(found.value) if found is not None else None


def _names(container: Node) -> list[str]:
    """The keys, or the ids of the rows."""
    if isinstance(container.value, dict):
        return list(container.value)
    return [name for row in container.value if (name := _id_of(row)) is not None]
