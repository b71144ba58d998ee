"""What is said about a unit: the first row of each section whose condition holds."""

from __future__ import annotations

from collections.abc import Callable

from bridge.echonet.values import State, Value
from bridge.errors import MappingError
from bridge.evse import ChargingState, Connector, Fault, Plug, StopReason, Trigger
from bridge.mapping.context import Context
from bridge.mapping.decision import Answer
from bridge.mapping.logic import Test
from bridge.mapping.measures import text_of
from bridge.mapping.recipe import AskStep
from bridge.records import dataclass


@dataclass(frozen=True)
class Row:
    """A compiled row; its answer is made once."""

    id: str
    test: Test
    answer: Answer
    sees: str | None = None
    ask: AskStep | None = None


Rows = tuple[Row, ...]


class TableGapError(MappingError):
    """A section has no row for a situation that came up. `ocpp-echonet map check` finds such a gap before it does."""

    def __init__(self, section: str, rows: Rows) -> None:
        self.section = section
        place = rows[-1].answer.rule.rpartition(" ")[0]
        super().__init__(
            f'{place}:1: NOT-TOTAL no row of "{section}" holds in the situation of this unit: leave the "when" of the '
            "last row out, or add a row - `ocpp-echonet map check` shows the situation"
        )


def first_row(rows: Rows, context: Context, section: str = "") -> Row:
    """The row that decides: the first that holds.

    Raises:
        TableGapError: none does; the message names the file, the section and the mend.
    """
    for row in rows:
        if row.test(context):
            return row
    raise TableGapError(section, rows)


def row_of(
    row_id: str,
    test: Test,
    value: object,
    rule: str,
    hold: int,
    *,
    at_boot: Connector | None = None,
    trigger: Trigger | None = None,
    stopped: StopReason | None = None,
    sees: str | None = None,
    ask: AskStep | None = None,
) -> Row:
    """A row from its parts; any other value (`keep`) keeps what was."""
    kept = value if isinstance(value, Connector | ChargingState | Plug) else None
    return Row(row_id, test, Answer(kept, rule, hold, at_boot, trigger, stopped), sees, ask)


@dataclass(frozen=True)
class FaultRule:
    """When there is a fault, and what describes it."""

    test: Test
    code: tuple[int, ...]
    description: tuple[int, ...]
    otherwise: str

    def read(self, context: Context) -> Fault | None:
        """The fault, if there is one."""
        if not self.test(context):
            return None
        code = _described(context, self.code, _code_text)
        return Fault(code or self.otherwise, _described(context, self.description, _name_text))


def _described(context: Context, epcs: tuple[int, ...], text: Callable[[Value], str]) -> str:
    for epc in epcs:
        value = context.value(epc)
        if value is not None and (found := text(value)):
            return found
    return ""


def _code_text(value: Value) -> str:
    if isinstance(value, State):
        return f"{value.code:04X}"
    return text_of(value) if isinstance(value, bytes) else str(value)


def _name_text(value: Value) -> str:
    return text_of(value) if isinstance(value, bytes) else str(value)
