"""When what the profiles say of a discharge is not followed: without a CSMS for too long, and where nothing but what
OCPP falls back to comes after it (translation.md, "Discharge")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bridge.policies import AfterDischarge
from bridge.station.block_q import LOOKS
from bridge.station.composite import epoch_ms
from bridge.station.limits import Terms
from bridge.station.smart_charging import Course
from bridge.station.timer import Timer

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station

_ALONE = "no CSMS for {} s: a discharge is paused until there is one"
_OVER = "the profile that discharged has ended: paused until the CSMS says something new"


class DischargeHolds:
    """Looks whenever what is wanted is considered, and by itself when a discharge has been alone for long enough."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._timer = Timer(station.clock, lambda: station.wishes.reconsider())

    def look(self, active: Mapping[int, Course]) -> None:
        """Hold what is not to be followed now, of all EVSEs that may have energy (`active`)."""
        due: list[int] = []
        for position in self._station.positions.values():
            held = None
            if position.evse_id in active:
                held = self._over(position, active) or self._alone(position, due)
            if held is not None and position.held is None:
                self._station.log.warning("held", evse=position.evse_id, why=held)
            position.held = held
        self._timer.set_at(min(due, default=None))

    def told(self, position: Position) -> None:
        """The CSMS has set a profile of an EVSE: from now on what it says is followed again."""
        if position.session.state.discharged_by is not None:
            position.session.state.discharged_by = None
            self._keep(position)

    def cancel(self) -> None:
        """Look no longer by itself."""
        self._timer.cancel()

    # -- without a CSMS

    def _alone(self, position: Position, due: list[int]) -> str | None:
        """Why a discharge is held. While there is a CSMS, or not long enough none, it is looked at again in time: as
        the timer never waits longer than the longest absence, none can begin and become too long in between."""
        most = position.settings.max_offline_discharge
        if most is None or position.limit is None or position.limit >= 0:
            return None
        now = self._station.clock.monotonic()
        since = self._station.provisioning.alone_since
        if since is not None and now - since >= most:
            return _ALONE.format(most // 1000)
        due.append((now if since is None else since) + max(most, LOOKS))
        return None

    # -- after a discharge

    def _over(self, position: Position, active: Mapping[int, Course]) -> str | None:
        """Why a charge is held: another profile's words, or nobody's, follow those that discharged. What the same
        profile says next is no fallback."""
        state = position.session.state
        if position.settings.after_discharge is not AfterDischarge.PAUSE:
            return None
        discharges = position.limit is not None and position.limit < 0
        if not discharges and state.discharged_by is None:
            return None
        lead = self._lead(position, active)
        by = state.discharged_by
        if lead is not None and (discharges if lead.balances else (lead.order or 0) < 0):
            by = lead.profile
        elif lead is not None and lead.profile == by and position.limit:
            by = None
        if by != state.discharged_by:
            state.discharged_by = by
            self._keep(position)
        held = by is not None and (lead is None or lead.profile != by) and position.limit != 0
        return _OVER if held else None

    def _lead(self, position: Position, active: Mapping[int, Course]) -> Terms | None:
        utc = self._station.time.presumed()
        if utc is None:
            return None
        now = epoch_ms(utc)
        return self._station.charging.composite(position.evse_id, active, now).explain_at(now).lead

    def _keep(self, position: Position) -> None:
        if position.session.transaction_id is not None:
            self._station.spawn(self._station.transactions.keep_state(position))
