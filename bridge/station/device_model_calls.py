"""What a CSMS asks of the device model (B05 to B08): the limits of its messages, and the answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from bridge.errors import CsmsError, StoreError
from bridge.station.device_model_index import Entry
from bridge.station.device_model_table import Key
from bridge.station.link import Answer
from bridge.station.messages import (
    GenericDeviceModelStatus,
    GetBaseReportRequest,
    GetBaseReportResponse,
    GetReportRequest,
    GetReportResponse,
    GetVariablesRequest,
    GetVariablesResponse,
    NotifyReportRequest,
    Request,
    SetVariablesRequest,
    SetVariablesResponse,
    StatusInfo,
)
from bridge.station.messages.call_error import CallError, ErrorCode
from bridge.station.reason_codes import ReasonCode
from bridge.station.report import base_report, custom_report, report_messages
from bridge.station.under_way import UnderWay

if TYPE_CHECKING:
    from bridge.station.station import Station

#: So many reports may be under way; a further one has to wait (B07.FR.13, B08.FR.16).
MOST_REPORTS: Final = 4

#: The most bytes of a CALL, by its action (B06.FR.17, B08.FR.18).
BYTES_OF: Final[Mapping[str, Key]] = {
    "GetReport": Key.BYTES_GET_REPORT,
    "GetVariables": Key.BYTES_GET_VARIABLES,
    "SetVariables": Key.BYTES_SET_VARIABLES,
}


def answers(station: Station) -> dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]]:
    """The handlers of one station."""
    calls = _Calls(station)
    station.link.longest_calls.update({action: station.model.integer(key) for action, key in BYTES_OF.items()})
    return {
        GetVariablesRequest: calls.get_variables,
        SetVariablesRequest: calls.set_variables,
        GetBaseReportRequest: calls.base_report,
        GetReportRequest: calls.custom_report,
    }


class _Calls:
    """Answers for one station, and sends its reports."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._reports = UnderWay(station, MOST_REPORTS)

    async def get_variables(self, request: GetVariablesRequest) -> Answer:
        """B06."""
        self._check_items(request.get_variable_data, Key.ITEMS_GET_VARIABLES)
        return GetVariablesResponse(self._station.model.get(request.get_variable_data))

    async def set_variables(self, request: SetVariablesRequest) -> Answer:
        """B05: a value is accepted when it has been kept, and rejected where it cannot be (B05.FR.09)."""
        self._check_items(request.set_variable_data, Key.ITEMS_SET_VARIABLES)
        model = self._station.model
        outcome = model.set(request.set_variable_data)
        try:
            await self._station.change_settings(outcome.settings, outcome.changes)
        except StoreError as error:
            self._station.log.error("variables could not be kept", names=[*outcome.settings], why=str(error))
            return SetVariablesResponse(model.undo(outcome))
        return SetVariablesResponse(outcome.results)

    async def base_report(self, request: GetBaseReportRequest) -> Answer:
        """B07. Without a time there is no `generatedAt`: that is temporary (B07.FR.13)."""
        now = self._may_report()
        if isinstance(now, StatusInfo):
            return GetBaseReportResponse(GenericDeviceModelStatus.REJECTED, now)
        entries = base_report(self._station.model, request.report_base)
        send = self._report(entries, request.request_id, now)
        return GetBaseReportResponse(GenericDeviceModelStatus.ACCEPTED), send

    async def custom_report(self, request: GetReportRequest) -> Answer:
        """B08."""
        wanted = request.component_variable or ()
        self._check_items(wanted, Key.ITEMS_GET_REPORT)
        now = self._may_report()
        if isinstance(now, StatusInfo):
            return GetReportResponse(GenericDeviceModelStatus.REJECTED, now)
        entries = custom_report(self._station.model, request.component_criteria or (), wanted)
        if not entries:  # B08.FR.15
            nothing = StatusInfo(ReasonCode.NOT_FOUND, "no variable is named so and meets the criteria")
            return GetReportResponse(GenericDeviceModelStatus.EMPTY_RESULT_SET, nothing)
        send = self._report(entries, request.request_id, now)
        return GetReportResponse(GenericDeviceModelStatus.ACCEPTED), send

    def _check_items(self, items: Sequence[object], key: Key) -> None:
        """B06.FR.16, B08.FR.17."""
        most = self._station.model.integer(key)
        if len(items) > most:
            text = f"{len(items)} items are too many: {key} is {most}"
            raise CallError(ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION, text)

    # -- reports

    def _may_report(self) -> datetime | StatusInfo:
        """The time of a report, or why there can be none now."""
        now = self._station.time.utc()
        if now is None:
            return StatusInfo(ReasonCode.UNSPECIFIED, "the station does not know the time yet")
        if refusal := self._reports.refusal:
            return StatusInfo(ReasonCode.TOO_MANY_ELEMENTS, refusal)
        return now

    def _report(self, entries: Sequence[Entry], request_id: int, generated_at: datetime) -> Callable[[], None]:
        """What sends a report, as it is now, once the answer is out."""
        station = self._station
        messages = report_messages(
            entries,
            request_id=request_id,
            generated_at=generated_at,
            items=station.model.integer(Key.ITEMS_GET_REPORT),
            most_bytes=station.model.integer(Key.BYTES_GET_REPORT),
            size=lambda message: len(station.adapter.text_of(message).encode()),
        )
        return self._reports.begin(lambda: self._send(messages))

    async def _send(self, messages: Sequence[NotifyReportRequest]) -> None:
        """Part after part; one that is lost ends the report, as the CSMS must ask again for the whole."""
        try:
            for message in messages:
                await self._station.link.call(message)
        except CsmsError as error:
            self._station.log.warning("report not delivered", request=messages[0].request_id, why=str(error))
