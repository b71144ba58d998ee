"""Two tables of one class, read over the same variables, so that it can be said exactly where they decide differently.

What both look at and mean alike is one variable. A term, a limit or a property that they define otherwise is one for
each; what is known of the two together (a higher threshold cannot be passed where a lower one is not) is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from bridge.echonet.dictionary import DeviceClass
from bridge.evse import Mode
from bridge.mapping.context import Context
from bridge.mapping.logic import Kind, leaves
from bridge.mapping.model import SetpointModel, TermModel
from bridge.mapping.proof.diagram import EVERYTHING, Diagrams, Set
from bridge.mapping.proof.meaning import Meaning
from bridge.mapping.proof.space import Key, Space, Variable
from bridge.mapping.table import CompiledTable, TableSource
from bridge.mapping.yamlfile import Path_

#: The place of power that nobody measures, and of power that stands still.
_UNMEASURED, _STILL = 0, 1
_MARK: Final = "other"


@dataclass(frozen=True)
class Joint:
    """Both readings. `possible` holds for both; `apart` names what they define otherwise, variables (A) and (B)."""

    one: Meaning
    other: Meaning
    possible: Set
    apart: tuple[str, ...]


def read_both(one: TableSource, other: TableSource) -> Joint:
    """Two tables of the same class over the same variables."""
    mine, theirs = Space(one, (other,)), Space(other, (one,))
    variables = [_of(variable, one.table) for variable in mine.variables]
    index: dict[Key, int] = {}
    apart = []
    for variable in theirs.variables:
        same = _same(one, other, variable, mine)
        if same is not None:
            index[variable.key] = mine.index[same]
            continue
        index[variable.key] = len(variables)
        if variable.key in mine.index:
            apart.append(variable.title)
            own = mine.index[variable.key]
            variables[own] = replace(variables[own], title=f"{variable.title} (A)")
            variable = replace(variable, title=f"{variable.title} (B)")
        variables.append(replace(_of(variable, other.table), key=(_MARK, *variable.key)[:3]))
    order = _order(variables)
    ordered = tuple(variables[place] for place in order)
    moved = {old: new for new, old in enumerate(order)}
    sets = Diagrams([len(variable.values) for variable in ordered])
    mine.read_over(ordered, {key: moved[place] for key, place in mine.index.items()})
    theirs.read_over(ordered, {key: moved[place] for key, place in index.items()})
    left, right = Meaning(one, mine, sets), Meaning(other, theirs, sets)
    possible = sets.all((left.possible, right.possible, *_together(left, right)))
    return Joint(left, right, possible, tuple(apart))


def _of(variable: Variable, table: CompiledTable) -> Variable:
    """A variable that is worked out by its own table, whoever asks."""
    classify = variable.classify

    def by_its_table(context: Context) -> int:
        return classify(context if context.table is table else Context(table, context.view))

    return replace(variable, classify=by_its_table)


def _order(variables: list[Variable]) -> list[int]:
    """As in a space: what the unit is and says first, what is reckoned with limits last."""
    late = {"limit", "room"}
    sorts = [variable.key[1] if variable.key[0] == _MARK else variable.key[0] for variable in variables]
    return sorted(range(len(variables)), key=lambda place: (sorts[place] in late, place if sorts[place] in late else 0))


# What is one variable -------------------------------------------------------------------------------------------


def _same(one: TableSource, other: TableSource, variable: Variable, mine: Space) -> Key | None:
    """The variable of the first table that is the same thing; None if there is none."""
    key = variable.key
    if key[0] == "room":
        return _same_room(one, other, Mode(str(key[1])), int(key[2] if len(key) > 2 else 0), mine)
    if key not in mine.index:
        return None
    found = mine.variables[mine.index[key]]
    if found.values != variable.values:
        return None
    if key[0] in ("value", "age") and not _alike(one.table.device, other.table.device, int(key[1])):
        return None
    if key[0] == "term" and not _same_term(one, other, str(key[1])):
        return None
    if key[0] == "limit" and not _same_limit(one, other, Mode(str(key[1]))):
        return None
    return key


def _alike(one: DeviceClass, other: DeviceClass, epc: int) -> bool:
    """Whether two dictionaries say the same of a property's values."""
    return _definitions(one, epc) == _definitions(other, epc)


def _definitions(device: DeviceClass, epc: int) -> list[str]:
    return [repr((prop.codec, prop.first, prop.last)) for prop in device.all_properties if prop.epc == epc]


def _same_term(one: TableSource, other: TableSource, name: str) -> bool:
    mine, theirs = one.model.terms.get(name), other.model.terms.get(name)
    if mine is None or theirs is None or mine != theirs:
        return False
    if mine.when is not None:
        return _mean_alike(one, other, ("terms", name, "when"), ("terms", name, "when"))
    if mine.measure is not None:
        return one.model.meter_values.soc == other.model.meter_values.soc
    return not _conditional(mine) or one.model.terms == other.model.terms


def _conditional(term: TermModel) -> bool:
    return any(source.when for source in term.first or ())


def _same_limit(one: TableSource, other: TableSource, mode: Mode) -> bool:
    mine, theirs = one.model.setpoints.get(mode), other.model.setpoints.get(mode)
    return mine is not None and theirs is not None and mine.limit == theirs.limit


def _same_room(one: TableSource, other: TableSource, mode: Mode, place: int, mine: Space) -> Key | None:
    """The way of the first table that writes the same below the same limit, wherever it stands."""
    if not _same_limit(one, other, mode):
        return None
    theirs = other.model.setpoints[mode].ways[place]
    setpoint: SetpointModel = one.model.setpoints[mode]
    for each, way in enumerate(setpoint.ways):
        key: Key = ("room", mode.value, each)
        alike = (way.ensure, way.on_off, way.pause_first is None) == (
            theirs.ensure,
            theirs.on_off,
            theirs.pause_first is None,
        )
        if alike and key in mine.index and _steps_alike(one, other, mode, (each, place)):
            return key
    return None


def _steps_alike(one: TableSource, other: TableSource, mode: Mode, places: tuple[int, int]) -> bool:
    """Whether the conditions of two ways' steps, which are written alike, mean the same."""
    steps = range(len(one.model.setpoints[mode].ways[places[0]].ensure))
    paths = (tuple(("setpoints", mode.value, "ways", way, "ensure", step, "if") for way in places) for step in steps)
    return all(_mean_alike(one, other, mine, theirs) for mine, theirs in paths)


def _mean_alike(one: TableSource, other: TableSource, mine: Path_, theirs: Path_) -> bool:
    """Whether two conditions are the same, and so are the terms that they look at."""
    node = one.nodes.get(mine)
    if node != other.nodes.get(theirs):
        return False
    terms = {leaf.subject.name for leaf in leaves(node) if leaf.subject.kind is Kind.TERM} if node else set()
    return all(_same_term(one, other, name) for name in terms)


# What is known of two ---------------------------------------------------------------------------------------------


def _together(one: Meaning, other: Meaning) -> Iterator[Set]:
    """Power that both measure in the same way, and judge by different thresholds."""
    for name, theirs in other.source.model.terms.items():
        mine = one.source.model.terms.get(name)
        left, right = one.space.index.get(("term", name)), other.space.index.get(("term", name))
        if mine is None or left is None or right is None or left == right or mine.first != theirs.first:
            continue
        if mine.threshold is not None and theirs.threshold is not None and not _conditional(mine):
            low, high = (left, right) if mine.threshold <= theirs.threshold else (right, left)
            yield _thresholds(one.sets, low, high)


def _thresholds(sets: Diagrams, low: int, high: int) -> Set:
    """What passes the higher threshold passes the lower one in the same direction; unmeasured is unmeasured."""
    found = EVERYTHING
    for value in range(sets.sizes[low]):
        allowed = {_UNMEASURED} if value == _UNMEASURED else {_STILL, value}
        law = sets.either(sets.complement(sets.where(low, (value,))), sets.where(high, allowed))
        found = sets.both(found, law)
    return found
