"""What a limit would have written to a unit, edge after edge, and why it comes to that: by the table's own recipe.

The unit is a view (told by a real one, or put together from words) that follows every order at once: what an edge
writes is what stands at the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bridge.authoring.words import changed_view, encoded
from bridge.evse import Mode, Wanted
from bridge.mapping.context import Context
from bridge.mapping.decision import Ask, Fact, Recipe, Refusal, View
from bridge.mapping.recipe import Setpoint, limit_of
from bridge.mapping.steps import WriteStep
from bridge.mapping.table import TableSource

#: A pause, the turn of direction after it, and what was asked for.
_MOST_ROUNDS: Final = 3
_STILL: Final = frozenset({Mode.PAUSE, Mode.STOP})
_POWER: Final = "instantaneousElectricPower"
_DOING: Final = "actualOperationMode"


@dataclass(frozen=True)
class Writing:
    """One write: what it says, and whether the unit stands so already (then it is not sent)."""

    text: str
    stands: bool


@dataclass(frozen=True)
class Carried:
    """What becomes of a limit: the `mode` (or `refused`, `ask`), what is granted (mW, signed; None: no figure), why,
    by which row, and the writes in their order."""

    mode: str
    granted: int | None
    why: tuple[str, ...]
    rule: str
    writes: tuple[Writing, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "mode": self.mode,
            "granted_w": None if self.granted is None else self.granted / 1000,
            "why": list(self.why),
            "rule": self.rule,
            "writes": [{"text": each.text, "stands": each.stands} for each in self.writes],
        }


class ImaginedUnit:
    """A unit that does at once what it is told."""

    def __init__(self, source: TableSource, view: View) -> None:
        self._source = source
        self._table = source.table
        self._view = view

    @property
    def view(self) -> View:
        """As it stands now."""
        return self._view

    def carry_out(self, limit: int | None) -> Carried:
        """Let the unit follow a limit (mW, signed; None: no profile says anything)."""
        why: list[str] = []
        writes: list[Writing] = []
        self._view = replace(self._view, wanted=self._wanted(limit))
        for _ in range(_MOST_ROUNDS):
            answer = self._table.recipe(self._view)
            if isinstance(answer, Ask):
                writes.append(Writing(answer.step.text, False))
                return Carried("ask", None, (*why, "the unit is asked first"), answer.rule, tuple(writes))
            if isinstance(answer, Refusal):
                return Carried("refused", None, (*why, answer.reason), answer.rule, tuple(writes))
            wanted, note = self._view.wanted.mode, answer.note
            if note and note in why:
                return Carried(answer.mode.value, 0, tuple(why), answer.rule, tuple(writes))
            why += [note] if note else []
            why += self._clamps(answer)
            writes += [each for each in self._write(answer) if each.text not in {done.text for done in writes}]
            self._view = self._followed(answer)
            if answer.mode is wanted:
                return Carried(answer.mode.value, _granted(answer), tuple(why), answer.rule, tuple(writes))
            # A pause came instead. It may be the one between two directions: then what was wanted follows now.
        raise AssertionError("pauses of ever new kinds")  # pragma: no cover - a table has one reversal a direction

    def _wanted(self, limit: int | None) -> Wanted:
        """The wish of a station for this limit, and what the table makes of the message."""
        mode = Mode.CHARGE if limit is None or limit > 0 else Mode.DISCHARGE if limit < 0 else Mode.PAUSE
        target = limit or None
        wanted = Wanted(mode=mode, target=target, authorized=True, in_transaction=True)
        return replace(wanted, mode=self._table.wants(wanted))

    def _write(self, answer: Recipe) -> list[Writing]:
        facts = self._view.facts
        return [
            Writing(step.text, step.epc in facts and facts[step.epc].edt == step.edt)
            for step in answer.steps  # the loop skips what is fresh and stands
        ]

    def _followed(self, answer: Recipe) -> View:
        """The view once the unit has done it: settings and mode stand, and the power flows that was granted."""
        view = self._view
        facts = dict(view.facts) | {step.epc: Fact(step.edt, view.now) for step in answer.steps}
        power = self._table.device.epc_of(_POWER)
        if power in facts:
            flows = _granted(answer) or 0
            words = encoded(self._table, view.release, [{_POWER: f"{_whole(flows)} W"}])
            facts |= {epc: Fact(edt, view.now) for epc, edt in words.items()}
        facts.pop(self._table.device.epc_of(_DOING) or 0, None)  # until it is told anew, the order counts
        return replace(view, facts=facts)

    # -- why it is so much

    def _clamps(self, answer: Recipe) -> list[str]:
        """What made the limit smaller on its way into the unit."""
        setpoint = self._table.setpoints.get(answer.mode)
        if setpoint is None or setpoint.bounds is None or answer.mode is not self._view.wanted.mode:
            return []
        context = Context(self._table, self._view)
        limit, cap = limit_of(context, setpoint), setpoint.bounds.cap(context)
        asked, value = limit.asked, limit.value
        found = []
        if asked is None:
            top = "which the unit does not tell" if cap is None else f"{_watts(cap)}"
            found.append(f"nothing limits it: the unit's most, {top}")
        elif cap is not None and cap < asked:
            found.append(f"{_watts(asked)} is above the unit's maximum: {_watts(cap)}")
        for step in _limit_steps(setpoint, answer, context):
            if value is not None:
                found += self._in_its_unit(context, setpoint, step, answer, value)
        return found

    def _in_its_unit(
        self, context: Context, setpoint: Setpoint, step: WriteStep, answer: Recipe, value: int
    ) -> list[str]:
        codec = step.codec(context)
        edt = next(each.edt for each in answer.steps if each.epc == step.epc)
        written = codec.decode(edt) if codec is not None else None
        milli = abs(getattr(written, "milli", 0))
        if step.unit != "A" or setpoint.bounds is None:
            return [f"{_watts(value)} is rounded toward zero to {_watts(milli)}"] if milli != value else []
        volts = setpoint.bounds.voltage(context)
        side = "toward the battery" if self._table.direct_current(context) else "of the grid"
        return [f"{_watts(value)} at {volts / 1000:g} V is {milli / 1000:g} A {side}, rounded toward zero"]


def _limit_steps(setpoint: Setpoint, answer: Recipe, context: Context) -> Iterable[WriteStep]:
    written = {step.epc for step in answer.steps}
    for way in setpoint.ways:
        if way.rule == answer.rule:
            return [s for s in way.steps if s.is_limit and s.applies(context) and s.epc in written]
    return []


def _granted(answer: Recipe) -> int | None:
    return 0 if answer.mode in _STILL else answer.target


def _whole(milli: int) -> int:
    return int(milli / 1000)


def _watts(milli: int) -> str:
    return f"{milli / 1000:g} W"


def refreshed(view: View) -> View:
    """The view as if everything had just been read: what a gateway does before it writes."""
    return replace(view, facts={epc: replace(fact, at=view.now) for epc, fact in view.facts.items()})


def assuming(source: TableSource, view: View, words: Mapping[str, Any]) -> tuple[View, tuple[str, ...]]:
    """The view with these values of properties where it has others, and in words what was assumed. What the release
    does not have is let be.

    Raises:
        ExampleError: a word is no property, or has no such value.
    """
    table = source.table
    known = table.device.at(view.release).by_epc
    assumed = []
    for name, value in words.items():
        epc = table.device.epc_of(name)
        if epc is None or epc not in known:
            continue
        edt = encoded(table, view.release, [{name: value}])[epc]
        fact = view.facts.get(epc)
        if fact is None or fact.edt != edt:
            assumed.append(table.describe(epc, edt, view.release))
        view = replace(view, facts={**view.facts, epc: Fact(edt, view.now)})
    return view, tuple(assumed)


__all__ = ["Carried", "ImaginedUnit", "Writing", "assuming", "changed_view", "refreshed"]
