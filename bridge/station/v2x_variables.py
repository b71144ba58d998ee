"""V2XChargingCtrlr, as far as a unit without ISO 15118 can have it truthfully (OCPP 2.1, Q01.FR.31)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bridge.policies import DischargeWay
from bridge.station.device_model import Change, DeviceModel, flag
from bridge.station.device_model_table import Key
from bridge.station.load_balancing import Balancing, Band
from bridge.station.messages import EnergyTransferMode, OperationMode
from bridge.station.v2x import SUPPORTED, WITH_METER

if TYPE_CHECKING:
    from bridge.station.position import Position
    from bridge.station.station import Station

#: The ways that have words for operation modes; a negative limit has none.
WITH_MODES = frozenset({DischargeWay.CUSTOM_DATA, DischargeWay.OCPP_2_1})
#: What a CSMS sets of load balancing, in the order of `Band`.
_THRESHOLDS = (
    Key.BALANCING_UPPER_THRESHOLD,
    Key.BALANCING_LOWER_THRESHOLD,
    Key.BALANCING_UPPER_OFFSET,
    Key.BALANCING_LOWER_OFFSET,
)


_ALTERNATING = {
    1: EnergyTransferMode.AC_SINGLE_PHASE,
    2: EnergyTransferMode.AC_TWO_PHASE,
    3: EnergyTransferMode.AC_THREE_PHASE,
}


def bind_v2x(station: Station) -> None:
    """Let the device model tell what an EVSE can, and a CSMS switch its discharge off. That is kept over a restart."""
    model = station.model
    for evse_id, position in station.positions.items():
        position.v2x_enabled = model.boolean(Key.BIDIRECTIONAL_ENABLED, evse_id)
        model.bind(Key.BIDIRECTIONAL_AVAILABLE, partial(_available, position), evse_id)
        model.bind(Key.BIDIRECTIONAL_MODES, partial(_modes, position), evse_id)
        model.bind(Key.BIDIRECTIONAL_TRANSFERS, partial(_transfers, position), evse_id)

    def changed(change: Change) -> None:
        evse_id = change.place.evse_id
        station.positions[evse_id].v2x_enabled = model.boolean(Key.BIDIRECTIONAL_ENABLED, evse_id)
        station.wishes.reconsider()

    model.on_change(changed, Key.BIDIRECTIONAL_ENABLED)


def bind_balancing(station: Station) -> None:
    """Let the EVSEs of a site with a grid meter balance its load, by thresholds that a CSMS sets (Q09). What is set
    counts from the meter's next word on."""
    model = station.model

    def look(evse_id: int) -> None:
        balancing = station.positions[evse_id].balancing
        if balancing is not None:
            band = band_of(model, evse_id)
            balancing.band, balancing.trouble = (band, None) if isinstance(band, Band) else (None, band)

    def changed(change: Change) -> None:
        look(change.place.evse_id)
        station.wishes.reconsider()

    for evse_id, position in station.positions.items():
        if position.settings.discharge & WITH_MODES:
            position.balancing = Balancing()
            look(evse_id)
    for key in _THRESHOLDS:
        model.on_change(changed, key)


def band_of(model: DeviceModel, evse_id: int) -> Band | str:
    """The thresholds (mW) of an EVSE, or which of them is not as it has to be (Q09.FR.02)."""
    told = {key: model.text(key, evse_id) for key in _THRESHOLDS}
    unset = [key for key, text in told.items() if not text]
    if unset:
        return f"{' and '.join(unset)} of EVSE {evse_id} not set"
    upper, lower, upper_offset, lower_offset = (round(float(text) * 1000) for text in told.values())
    if upper <= lower:
        return f"{_THRESHOLDS[0]} of EVSE {evse_id} is not greater than {_THRESHOLDS[1]}"
    return Band(upper, lower, upper_offset, lower_offset)


def _available(position: Position) -> str:
    """Whether the site lets it discharge and the unit can, whether or not that is switched off now."""
    return flag(bool(position.settings.discharge) and position.can_discharge)


def _transfers(position: Position) -> str:
    """How energy gets into the vehicle. The bidirectional ones are ISO 15118-20's, which no unit here has."""
    if position.evse.abilities.direct_current:
        return EnergyTransferMode.DC
    return _ALTERNATING[position.settings.phases]


def _modes(position: Position) -> str:
    """What can be said to it; where no discharge is open, charging only."""
    had = WITH_METER if position.balances else SUPPORTED
    open_ = had if position.settings.discharge & WITH_MODES else {OperationMode.CHARGING_ONLY}
    return ",".join(mode for mode in OperationMode if mode in open_)
