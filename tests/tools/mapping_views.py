"""A small way to views and answers of the shipped table, for the tests of the mappings."""

from functools import cache
from typing import Any

from bridge.evse import Mode, Wanted
from bridge.mapping.decision import Ask, Fact, Recipe, Refusal, View
from bridge.mapping.table import CompiledTable
from tests.tools.tables import shipped

NOW = 10_000_000
EVERYTHING = frozenset(range(0x80, 0x100))


@cache
def table(code: int = 0x027E) -> CompiledTable:
    return shipped().table(code)


def facts(*frames: str, at: int = NOW, notified: bool = False) -> dict[int, Fact]:
    """`C7=43` and the like."""
    pairs = (frame.split("=") for frame in frames)
    return {int(epc, 16): Fact(bytes.fromhex(edt), at, notified) for epc, edt in pairs}


def view(*frames: str, release: str = "P", **more: Any) -> View:
    """A unit of Release P with all maps full, in front of which somebody is authorized."""
    defaults: dict[str, Any] = {
        "settable": EVERYTHING,
        "gettable": EVERYTHING,
        "discharge_allowed": True,
        "soc_floor": 20_000,
        "wanted": Wanted(authorized=True, in_transaction=True),
    }
    return View(now=NOW, release=release, facts=facts(*frames), **(defaults | more))


def wanted(mode: Mode, target: int | None = None, **more: Any) -> Wanted:
    return Wanted(mode, target, **({"authorized": True, "in_transaction": True} | more))


def frames(answer: Recipe | Ask | Refusal) -> list[str]:
    """The steps of a recipe as `DA=42`."""
    assert isinstance(answer, Recipe), answer
    return [f"{step.epc:02X}={step.edt.hex().upper()}" for step in answer.steps]
