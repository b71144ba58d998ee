"""The reusable states of Part 6 (2.18, with errata 6.2.116 to 6.2.120), each with its validations.

A state is a method that goes through the states before it where an EVSE is not there yet. Which transaction event comes
when depends on TxStartPoint and TxStopPoint; the states know them from the station's own answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.octt.fields import ABSENT, ANY, mismatches

#: A transaction ends as soon as one of these is told to the station to be a stop point and is no longer so.
ENDS_WITH_AUTHORIZATION: Final = {"Authorized", "PowerPathClosed", "EnergyTransfer"}
#: How long (s) the states let a transaction run before they stop it ("Configured Transaction Duration").
TRANSACTION_DURATION: Final = 20
_BOOTED_BY_RESET: Final = {"StartupOfTheDevice", "ResetOrReboot"}


@dataclass(slots=True)
class Bay:
    """Where an EVSE stands, as the test system knows it."""

    evse: int
    connected: bool = False
    authorized: bool = False
    local: bool = False
    stopped: bool = False  # StopAuthorized or Deauthorized has been gone through
    charging: bool = False
    transaction: str | None = None
    ended: bool = False
    first: dict[str, Any] | None = None  # the transaction's first event
    remote_start_id: int | None = None  # asked for, and not told yet
    token_due: bool = False  # the next event carries the idToken

    @property
    def started(self) -> bool:
        """Whether a transaction goes on."""
        return self.transaction is not None and not self.ended


class States(ABC):
    """The states, over what `Octt` sends and receives."""

    token: dict[str, Any]

    def __init__(self, evses: int) -> None:
        self.bays = {number: Bay(number) for number in range(1, evses + 1)}
        self.start_points: set[str] = set()
        self.stop_points: set[str] = set()
        self.next_remote_start = 1
        self._awaited: int = 1

    # What Octt has

    @abstractmethod
    async def expect(
        self, action: str, within: float = 60, *, evse: int | None = None, **fields: Any
    ) -> dict[str, Any]: ...

    @abstractmethod
    async def seek(
        self, action: str, within: float = 60, *, evse: int | None = None, **fields: Any
    ) -> dict[str, Any]: ...

    @abstractmethod
    async def never(self, action: str, seconds: float = 0, *, evse: int | None = None, **fields: Any) -> None: ...

    @abstractmethod
    async def call(
        self, action: str, payload: Mapping[str, Any] | None = None, *, check: bool = True, **fields: Any
    ) -> dict[str, Any]: ...

    # Where it stands

    def bay(self, evse: int = 1) -> Bay:
        """Where an EVSE stands."""
        return self.bays[evse]

    def transaction(self, evse: int = 1) -> str:
        """The id of the EVSE's transaction, or of its last one."""
        found = self.bays[evse].transaction
        assert found is not None, f"no transaction has been told of EVSE {evse}"
        return found

    def awaited_evse(self) -> int | None:
        """The EVSE that a state is busy with: an event that names none is taken to be its."""
        return self._awaited

    def note_variable(self, name: str, value: str) -> None:
        """A variable was set: the points matter here."""
        if name == "TxCtrlr.TxStartPoint":
            self.start_points = set(value.split(","))
        elif name == "TxCtrlr.TxStopPoint":
            self.stop_points = set(value.split(","))

    def note_event(self, evse: int, event: dict[str, Any]) -> dict[str, Any]:
        """Take a transaction event into account; cases that take events themselves may call it too."""
        bay, info = self.bays[evse], event["transactionInfo"]
        if event["eventType"] == "Started":
            bay.transaction, bay.ended, bay.first = info["transactionId"], False, event
        bay.ended = bay.ended or event["eventType"] == "Ended"
        bay.charging = (info.get("chargingState") == "Charging") if info.get("chargingState") else bay.charging
        return event

    async def ready(self) -> None:
        """General preconditions: accepted, connectors reported Available; takes these messages, checks nothing more."""
        for number in self.bays:
            await self.seek("StatusNotification", 180, evse=number, connectorStatus={"Available", "Occupied"})
        await self._learn_points()
        self.clear_all()

    async def _learn_points(self) -> None:
        for name in ("TxStartPoint", "TxStopPoint"):
            asked = [{"component": {"name": "TxCtrlr"}, "variable": {"name": name}}]
            answer = await self.call("GetVariables", getVariableData=asked)
            self.note_variable(f"TxCtrlr.{name}", answer["getVariableResult"][0]["attributeValue"])

    @abstractmethod
    def clear_all(self) -> None: ...

    async def event(self, evse: int, within: float = 60, **fields: Any) -> dict[str, Any]:
        """The EVSE's next transaction event, with the general validations (2.1) and these fields."""
        self._awaited = evse
        bay = self.bays[evse]
        fields.setdefault("eventType", "Updated" if bay.started else "Started")
        if bay.remote_start_id is not None:
            fields["triggerReason"] = "RemoteStart"
            fields["transactionInfo__remoteStartId"] = bay.remote_start_id
        if bay.token_due:
            fields["idToken__idToken"], fields["idToken__type"] = self.token["idToken"], self.token["type"]
        event = await self.expect("TransactionEvent", within, evse=evse, **fields)
        bay.remote_start_id, bay.token_due = None, False
        return self.note_event(evse, event)

    # The states

    async def booted(self, *, reset: bool = True) -> None:
        """Booted: by a Reset (OnIdle where nothing goes on is at once), or by the mains."""
        self.clear_all()
        if reset:
            answer = await self.call("Reset", type="Immediate")
            assert answer["status"] == "Accepted", answer
        else:
            await self.reboot()
        await self.expect("BootNotification", 180)
        for number in self.bays:
            await self.seek("StatusNotification", 180, evse=number, connectorId=1, connectorStatus="Available")
        await self.seek("SecurityEventNotification", type=_BOOTED_BY_RESET)
        self.bays = {number: Bay(number) for number in self.bays}
        await self._learn_points()
        self.clear_all()

    @abstractmethod
    async def reboot(self) -> None: ...

    async def unavailable(self, evse: int | None = None, *, connector: bool = False) -> None:
        """Unavailable: the station, an EVSE, or an EVSE's connector."""
        where = {} if evse is None else {"evse": {"id": evse, **({"connectorId": 1} if connector else {})}}
        answer = await self.call("ChangeAvailability", operationalStatus="Inoperative", **where)
        assert answer["status"] == "Accepted", answer
        for number in self.bays if evse is None else (evse,):
            await self.expect("StatusNotification", evse=number, connectorStatus="Unavailable", connectorId=1)

    async def parking_bay_occupied(self, evse: int = 1) -> None:
        """ParkingBayOccupied: there is no detector here, so nothing may be told."""
        await self.never("TransactionEvent", evse=evse, triggerReason="EVDetected")

    async def ev_connected_pre_session(self, evse: int = 1) -> None:
        """EVConnectedPreSession: plug in; the connector becomes Occupied, and what starts with that starts."""
        bay = self.bays[evse]
        if bay.connected:
            return
        if not (bay.authorized or bay.transaction):
            await self.parking_bay_occupied(evse)
        self._awaited = evse
        self.plug(evse)
        bay.connected = True
        await self.expect("StatusNotification", evse=evse, connectorId=1, connectorStatus="Occupied")
        starts = "EVConnected" in self.start_points or ("PowerPathClosed" in self.start_points and bay.authorized)
        if not (bay.started or starts):
            return
        states = {"EVConnected", "SuspendedEVSE"} | ({"Charging"} if bay.authorized else set())
        await self.event(
            evse,
            triggerReason={"CablePluggedIn", "ChargingStateChanged"},
            transactionInfo__chargingState=states,
            evse__id=evse,
            evse__connectorId=1,
        )

    @abstractmethod
    def plug(self, evse: int = 1) -> None: ...

    @abstractmethod
    def unplug(self, evse: int = 1) -> None: ...

    @abstractmethod
    def ev_suspends(self, evse: int = 1) -> None: ...

    @abstractmethod
    async def present(self, token: Mapping[str, Any] | None = None, evse: int | None = 1) -> Any: ...

    @abstractmethod
    def connector_status(self, evse: int = 1) -> str | None: ...

    @abstractmethod
    async def wait(self, seconds: float) -> None: ...

    async def authorized(
        self, evse: int = 1, *, local: bool = False, cached: bool = False, authorize: bool | None = None, **more: Any
    ) -> None:
        """Authorized, locally (A) or by a RequestStartTransaction with `more` in it (B).

        `cached`: the token is known to the station, so no Authorize comes. `authorize`: whether one must come after a
        remote start (None: as AuthorizeRemoteStart says).
        """
        bay = self.bays[evse]
        if bay.authorized:
            return
        self._awaited = evse
        if local:
            await self.present(self.token, evse)
            if not cached:
                await self._authorize_comes()
        else:
            await self._remote_start(bay, more)
            if authorize if authorize is not None else await self._authorizes_remote_starts() and not cached:
                await self._authorize_comes()
        bay.authorized, bay.local, bay.token_due, bay.stopped = True, local, True, False
        starts = "Authorized" in self.start_points or ("PowerPathClosed" in self.start_points and bay.connected)
        if bay.started or starts:
            await self.event(evse, triggerReason="Authorized" if local else "RemoteStart")
        await self.never("StatusNotification", evse=evse)  # 6.2.116: it is the plug that is told, not the token

    async def _remote_start(self, bay: Bay, more: Mapping[str, Any]) -> None:
        bay.remote_start_id = self.next_remote_start
        self.next_remote_start += 1
        request = {"idToken": self.token, "remoteStartId": bay.remote_start_id, "evseId": bay.evse, **more}
        answer = await self.call("RequestStartTransaction", request)
        known = bay.transaction if bay.started else ABSENT
        wrong = mismatches(answer, {"status": "Accepted", "transactionId": known if bay.started else {ABSENT, ANY}})
        assert not wrong, (wrong, answer)

    async def _authorize_comes(self) -> None:
        await self.expect("Authorize", idToken__idToken=self.token["idToken"], idToken__type=self.token["type"])

    async def _authorizes_remote_starts(self) -> bool:
        asked = [{"component": {"name": "AuthCtrlr"}, "variable": {"name": "AuthorizeRemoteStart"}}]
        answer = await self.call("GetVariables", getVariableData=asked)
        return bool(answer["getVariableResult"][0].get("attributeValue") == "true")

    async def energy_transfer_started(self, evse: int = 1, *, local: bool = False, **more: Any) -> None:
        """EnergyTransferStarted: authorized, plugged in, and energy flows; each event on the way is looked at."""
        bay = self.bays[evse]
        await self.authorized(evse, local=local, **more)
        await self.ev_connected_pre_session(evse)
        # A point that is reached on the way (PowerPathClosed) may be told before the energy is (steps 5 to 8).
        for _ in range(4):
            if bay.charging:
                return
            await self.event(
                evse,
                120,
                triggerReason="ChargingStateChanged",
                transactionInfo__chargingState={"EVConnected", "SuspendedEVSE", "SuspendedEV", "Charging"},
            )
        assert bay.charging, "four events, and energy does not flow"

    async def energy_transfer_suspended(self, evse: int = 1, *, local: bool = False) -> None:
        """EnergyTransferSuspended: the EV stops taking energy."""
        bay = self.bays[evse]
        if not bay.charging:
            await self.energy_transfer_started(evse, local=local)
        await self.wait(TRANSACTION_DURATION)
        self.ev_suspends(evse)
        ends = "EnergyTransfer" in self.stop_points
        event = await self.event(
            evse,
            180,
            eventType="Ended" if ends else "Updated",
            transactionInfo__chargingState={"EVConnected", "SuspendedEV"},
            transactionInfo__stoppedReason="StoppedByEV" if ends else ABSENT,
        )
        if event["transactionInfo"]["chargingState"] == "SuspendedEV":
            assert event["triggerReason"] == "ChargingStateChanged", event
        bay.charging = False

    async def stop_authorized(self, evse: int = 1, *, local: bool = False) -> None:
        """StopAuthorized (6.2.117): by the token that started it (A) or a RequestStopTransaction (B)."""
        bay = self.bays[evse]
        if not bay.started or not bay.authorized:
            await self.energy_transfer_started(evse, local=local)
        await self.wait(TRANSACTION_DURATION)
        self._awaited = evse
        if local:
            await self.present(self.token, evse)
        else:
            answer = await self.call("RequestStopTransaction", transactionId=self.transaction(evse))
            assert answer["status"] == "Accepted", answer
        bay.authorized, bay.stopped = False, True
        await self._stop_is_told(bay, "StopAuthorized" if local else "RemoteStop", local)
        bay.charging = bay.charging and not bay.ended

    async def _stop_is_told(self, bay: Bay, trigger: str, local: bool) -> None:
        """One event, or two (the second: no energy any more); the last one ends what ends with the right to energy."""
        ends = bool(self.stop_points & ENDS_WITH_AUTHORIZATION)
        reason: object = {"Local", ABSENT} if local else "Remote"
        first = await self.event(
            bay.evse,
            eventType={"Updated", "Ended"} if ends else "Updated",
            triggerReason=trigger,
            idToken__idToken={ABSENT, self.token["idToken"]},
        )
        last = first
        if ends and not bay.ended:
            last = await self.event(
                bay.evse, eventType="Ended", triggerReason="ChargingStateChanged",
                transactionInfo__chargingState="EVConnected",
            )  # fmt: skip
        if ends:
            wrong = mismatches(last, {"eventType": "Ended", "transactionInfo__stoppedReason": reason})
            assert not wrong, (wrong, last)

    async def deauthorized(self, evse: int = 1, *, stops: bool = True) -> None:
        """Deauthorized (6.2.118): the CSMS calls the token Invalid in its answer to the first event that carries it.

        `Authorized` has been gone through with that answer prepared (`answer("TransactionEvent", ...)`); `stops`:
        StopTxOnInvalidId.
        """
        bay = self.bays[evse]
        if bay.token_due:
            await self.ev_connected_pre_session(evse)
        if not stops:
            return
        ends = bool(self.stop_points & ENDS_WITH_AUTHORIZATION)
        await self.event(
            evse,
            eventType="Ended" if ends else "Updated",
            triggerReason="Deauthorized",
            transactionInfo__chargingState={"EVConnected", "SuspendedEVSE"},
            transactionInfo__stoppedReason="DeAuthorized" if ends else ABSENT,
        )
        bay.authorized, bay.stopped, bay.charging = False, True, False

    async def ev_connected_post_session(self, evse: int = 1, *, local: bool = False) -> None:
        """EVConnectedPostSession: no energy flows any more; told where the transaction goes on."""
        bay = self.bays[evse]
        if not bay.stopped:
            await self.stop_authorized(evse, local=local)
        if bay.started and bay.charging:
            await self.event(evse, triggerReason="ChargingStateChanged", transactionInfo__chargingState="EVConnected")
            bay.charging = False

    async def ev_disconnected(self, evse: int = 1, *, local: bool = False) -> None:
        """EVDisconnected: unplug; the connector is Available, a transaction that goes on is told, or ends."""
        bay = self.bays[evse]
        if bay.started or not bay.connected:
            await self.ev_connected_post_session(evse, local=local)
        self._awaited = evse
        self.unplug(evse)
        bay.connected = False
        await self.expect("StatusNotification", evse=evse, connectorId=1, connectorStatus="Available")
        if bay.started:
            ends = bool(self.stop_points & {"EVConnected", "PowerPathClosed"})
            await self.event(
                evse,
                eventType="Ended" if ends else "Updated",
                triggerReason="EVCommunicationLost",
                transactionInfo__chargingState="Idle",
            )

    async def parking_bay_unoccupied(self, evse: int = 1, *, local: bool = False) -> None:
        """ParkingBayUnoccupied: there is no detector here: nothing more is told, and the bay is as new."""
        bay = self.bays[evse]
        if bay.connected or bay.started:
            await self.ev_disconnected(evse, local=local)
        await self.never("TransactionEvent", 5, evse=evse)
        self.bays[evse] = replace(Bay(evse), transaction=bay.transaction, ended=bay.ended)

    # Memory states and the offline one

    async def id_token_cached(
        self, evse: int = 1, *, local: bool = True, token: Mapping[str, Any] | None = None
    ) -> None:
        """IdTokenCached (6.2.120): a whole session with a token, so that the station knows it."""
        usual = self.token
        self.token = dict(token or usual)
        await self.authorized(evse, local=local)
        await self.ev_connected_pre_session(evse)
        await self.energy_transfer_started(evse)
        await self.stop_authorized(evse, local=local)
        await self.ev_disconnected(evse, local=local)
        await self.parking_bay_unoccupied(evse)
        self.token = usual

    async def offline_transaction(self, evse: int = 1, *, ended: bool = False, seconds: float = 60) -> None:
        """StartOfflineTransaction; with `ended` the memory state TransactionEventsInQueueEnded.

        The station is offline afterwards: the case lets it come back with `online()` and takes what comes.
        """
        await self.offline()
        await self.wait(2)
        self.plug(evse)
        await self.wait(10)
        await self.present(self.token, evse)
        await self.wait(seconds)
        if ended:
            await self.present(self.token, evse)
            await self.wait(30)
            self.unplug(evse)
            await self.wait(10)

    @abstractmethod
    async def offline(self, seconds: float = 0) -> None: ...
