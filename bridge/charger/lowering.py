"""The least that a unit can be set to: what is left to do while it does not stop."""

from __future__ import annotations

from dataclasses import replace

from bridge.evse import Mode, Wanted
from bridge.mapping.decision import Recipe, Step, Table, View


def lowest_settings(table: Table, view: View) -> tuple[Step, ...]:
    """The settings, without the mode, with which the energy that flows now would flow as little as the unit can do.

    The tables do not say where a unit's range ends, only what a target comes to: it is found by halving. Nothing where
    no power is measured or nothing governs it.
    """
    power = table.decide(view).measures.power
    if power is None or power.value == 0:
        return ()
    mode = Mode.CHARGE if power.value > 0 else Mode.DISCHARGE
    low, high = 0, abs(power.value)
    best = _settings(table, view, mode, high)
    while best and high - low > 1_000:
        middle = (low + high) // 2
        found = _settings(table, view, mode, middle)
        if found:
            best, high = found, middle
        else:
            low = middle
    return best


def _settings(table: Table, view: View, mode: Mode, power: int) -> tuple[Step, ...]:
    """The settings that a recipe for so much (mW) has; none where it comes to a pause."""
    target = power if mode is Mode.CHARGE else -power
    wanted = Wanted(mode, target=target, authorized=True, in_transaction=view.wanted.in_transaction)
    recipe = table.recipe(replace(view, wanted=wanted))
    return recipe.steps[:-1] if isinstance(recipe, Recipe) and recipe.mode is mode else ()
