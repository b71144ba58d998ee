"""What is shown of a unit: decided values, measures and troubles in one `Observed`."""

from __future__ import annotations

from bridge.charger.holding import Status
from bridge.evse import Observed, Variable
from bridge.mapping.decision import Decision, Measures


def shown(
    decision: Decision, status: Status, measures: Measures, variables: tuple[Variable, ...], *, reachable: bool
) -> Observed:
    """Everything that the table says; the loop adds what it knows itself. `status` holds what counts by now."""
    state = status.state_answer
    return Observed(
        reachable=reachable,
        connector=status.connector,
        charging_state=status.charging_state,
        plug=status.plug,
        power=measures.power,
        current=measures.current,
        voltage=measures.voltage,
        energy_in=measures.energy_in,
        energy_out=measures.energy_out,
        soc=measures.soc,
        offered=measures.offered,
        vehicle_id=measures.vehicle_id,
        fault=decision.fault,
        rules=(decision.plug.rule, decision.connector.rule, decision.charging_state.rule),
        plug_trigger=status.plug_trigger,
        state_trigger=state.trigger if state else None,
        stopped_reason=state.stopped if state else None,
        variables=variables,
    )
