"""What tests of OCPP 2.1 beside 2.0.1 share: the two adapters, and a station whose CSMS speaks 2.1."""

from dataclasses import replace
from datetime import UTC, datetime

from bridge.clock import Clock
from bridge.sim.csms import DemoCsms
from bridge.station import messages as m
from bridge.station.messages import v21, v201
from tests.tools.station_house import profile, stage

OLD, NEW = v201.Adapter(), v21.Adapter()
BOTH = ("2.1", "2.0.1")
NOW = datetime(2026, 1, 5, 3, 17, tzinfo=UTC)
ALLOWED = ("ocpp2.1",)


def event(**more):
    info = m.Transaction(
        "tx", m.ChargingState.CHARGING, operation_mode=m.OperationMode.CENTRAL_SETPOINT,
        transaction_limit=m.TransactionLimit(max_energy=5000.0, max_soc=80),
    )  # fmt: skip
    told = m.TransactionEventRequest(
        m.TransactionEvent.UPDATED, NOW, m.TriggerReason.OPERATION_MODE_CHANGED, 3, info, evse=m.Evse(1)
    )
    return replace(told, **more)


def period_of(**said):
    given = profile(0, "TxDefaultProfile", id=7)
    given["chargingSchedule"][0]["chargingSchedulePeriod"] = [{"startPeriod": 0, **said}]
    return given


def later_stage(csms=None, **more):
    return stage(csms=csms or DemoCsms(Clock(1), version="2.1"), versions=BOTH, discharge=ALLOWED, **more)
