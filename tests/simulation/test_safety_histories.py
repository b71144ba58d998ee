"""Safety over generated histories: profiles, limits, starts and stops, lost datagrams, outages, power cuts.

What is ordered of the unit never exceeds the lowest limit in force for longer than a write takes, in power or in
amperes of either side; nothing discharges that may not, nor below the floor; a stop is out within one answer time; the
direction never turns but through a pause. Each history is made by its seed (`tests/tools/safety_history.py`).
"""

from __future__ import annotations

import pytest

from tests.tools.safety_history import KINDS, History, lived

PLAIN = range(1, 3)
SOAK = range(100, 160)


def judged(kind: str, seed: int) -> History:
    print(f"a history of a {kind} unit, seed {seed}")
    history = lived(kind, seed)
    assert history.watch.wrong == [], "\n".join(history.told)
    return history


@pytest.mark.covers("CEL-3.7-1", "CEL-3.7-3")
@pytest.mark.parametrize("seed", PLAIN)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_happens_the_unit_is_ordered_nothing_that_is_not_allowed(kind: str, seed: int) -> None:
    judged(kind, seed)


#: Of thousands, those that were wrong once: past the floor unheard, a cable that was noticed late, a limit that waited.
FOUND = (("on-off", 310), ("dc-amperes", 387), ("charger", 367))


@pytest.mark.parametrize(("kind", "seed"), FOUND)
def test_what_was_wrong_once_stays_right(kind: str, seed: int) -> None:
    judged(kind, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SOAK)
@pytest.mark.parametrize("kind", KINDS)
def test_whatever_happens_in_many_histories(kind: str, seed: int) -> None:
    judged(kind, seed)


def test_the_histories_are_no_idle_ones() -> None:
    """Both directions are ordered, and stops go out that the watch has asked for."""
    orders: set[str] = set()
    stopped = False
    for seed in range(4, 7):
        history = judged("dc-amperes", seed)
        orders |= history.watch.orders
        stopped |= history.watch.slowest_stop is not None
    assert orders == {"charge", "discharge"}
    assert stopped
