"""Since when a mode has been impossible: only what has lasted is known, and only what is known may be refused (F01)."""

from __future__ import annotations

from bridge.charger.course import ENERGY
from bridge.evse import Mode
from bridge.mapping.decision import Refusal, Table, View


class Refusals:
    """What the table refuses of one unit, by mode; a refusal lasts as long as the same rule makes it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._since: dict[Mode, tuple[Refusal, int]] = {}

    def watch(self, view: View) -> None:
        """Look at every mode of energy; has to be called whenever something has changed."""
        for mode in ENERGY:
            refusal = self._table.refusal(view, mode)
            if refusal is None:
                self._since.pop(mode, None)
                continue
            before, since = self._since.get(mode, (refusal, view.now))
            self._since[mode] = (refusal, since if before.rule == refusal.rule else view.now)

    def known(self, mode: Mode, now: int) -> str | None:
        """Why a mode has been impossible for long enough, or None."""
        refusal, since = self._since.get(mode, (None, now))
        return refusal.reason if refusal is not None and now - since >= refusal.hold else None
