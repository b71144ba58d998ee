"""How a case says what a message must contain, and how it names a variable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


class _Mark:
    """A word that stands for a judgement."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


#: The field is there, whatever it is; the field is not there.
ANY: Final = _Mark("ANY")
ABSENT: Final = _Mark("ABSENT")


def dig(payload: Any, path: str) -> Any:
    """What stands at a path (`transactionInfo__chargingState`, `meterValue__0__timestamp`); None where nothing does."""
    for step in path.split("__"):
        if isinstance(payload, list) and re.fullmatch(r"\d+", step):
            payload = payload[int(step)] if int(step) < len(payload) else None
        else:
            payload = payload.get(step) if isinstance(payload, Mapping) else None
    return payload


def mismatches(payload: Mapping[str, Any], fields: Mapping[str, Any]) -> list[str]:
    """What is not as the fields want it, for a person; empty if all is."""
    wrong = []
    for path, wanted in fields.items():
        found = dig(payload, path)
        if not _fits(found, wanted):
            shown = getattr(wanted, "__name__", None) if callable(wanted) else repr(wanted)
            wrong.append(f"{path.replace('__', '.')} is {found!r}, not {shown}")
    return wrong


def _fits(found: Any, wanted: Any) -> bool:
    if wanted is ANY:
        return found is not None
    if wanted is ABSENT:
        return found is None
    if isinstance(wanted, set | frozenset):
        return any(_fits(found, one) for one in wanted)
    if callable(wanted):
        return found is not None and bool(wanted(found))
    return bool(found == wanted)


@dataclass(frozen=True, slots=True)
class Variable:
    """`Component.Variable[Instance]` at the station or at an EVSE (a Connector is EVSE's connector 1)."""

    component: str
    variable: str
    instance: str | None = None
    evse: int | None = None

    @classmethod
    def parse(cls, name: str, evse: int | None = None) -> Variable:
        """From a name. Raises ValueError."""
        found = re.fullmatch(r"(\w+)\.(\w+)(?:\[(.+)\])?", name)
        if found is None:
            raise ValueError(f"{name!r} is not Component.Variable[Instance]")
        return cls(found[1], found[2], found[3], evse)

    def as_json(self) -> dict[str, Any]:
        """As GetVariables and SetVariables have it."""
        component: dict[str, Any] = {"name": self.component}
        if self.evse is not None:
            component["evse"] = {"id": self.evse, **({"connectorId": 1} if self.component == "Connector" else {})}
        variable = {"name": self.variable, **({"instance": self.instance} if self.instance else {})}
        return {"component": component, "variable": variable}
