"""The test system for Part 6: it is the CSMS, the reader (local API), the EV and the mains of one station under test.

A case is a coroutine that gets an `Octt`; it runs on virtual time, so minutes cost nothing:

    @pytest.mark.covers("TC_F_03_CS")
    @case(evses=1, variables={"TxCtrlr.TxStopPoint": "Authorized"})
    async def test_remote_stop(octt: Octt) -> None:
        \"\"\"What it shows, in own words.\"\"\"
        await octt.energy_transfer_started()
        answer = await octt.call("RequestStopTransaction", transactionId=octt.transaction())
        assert answer["status"] == "Accepted"
        await octt.expect("TransactionEvent", eventType="Ended", transactionInfo__stoppedReason="Remote")

`case(evses=1, variables={}, units=None, unit={}, site=None, wire=False, boot=True, allow=())`:
`variables` are the site's first values by Component.Variable[Instance]; `unit` options of every `SimUnitConfig`,
`units` whole ones; `site(config, folder)` edits the site file's data before it is read (a password file, vendor, ...);
`wire` runs over real WebSockets (so does everything with OCTT_WIRE=1); `boot=False` leaves the station without power
until `power_on()`; `allow` are texts of violations that this case provokes. At the end of every case: no message was
against a schema or the rules of calls and transactions, no seqNo is missing, the gateway kept the AIF towards its
units, and Part 6's general validations hold (tests/octt/rules.py).

MESSAGES OF THE STATION. Every CALL of the station waits in order, by action, until a test takes it.
- `await expect(action, within=60, evse=None, **fields)` takes the next one of that action (and EVSE) and checks fields;
  `seek(...)` the same, but passes over those that do not fit; both give the payload. Seconds everywhere.
- `await never(action, seconds, evse=None, **fields)`: none comes (nor waits untaken). `waiting(action)`: those untaken.
  `clear(*actions)`: take all that wait (of these actions, or of all). `all_of(action)`: every one ever.
- fields are paths: `transactionInfo__chargingState="Charging"`, `meterValue__0__timestamp=ANY`; a set means one of,
  ABSENT and ANY what they say, a callable judges. `octt.near()` judges a time stamp (4 s, as laboratories configure).
CALLS OF THE CSMS: `await call(action, payload=None, **fields)` -> answer's payload; `call_error(...)` -> the code of
its CALLERROR; `check=False` lets out what is against the schema. `send_raw(text)`, `frames` (all, both directions).
ANSWERS OF THE CSMS: `answer(action, *answers)`: one stays, several are used up (None: as usual); an answer is a
payload, Late(ms, payload), Never(), Refuse(code), Twice(), Drop(), Raw(text), or a function of the request;
`answer(action)` ends it. `boots("Pending", "Accepted", interval=5)`; `tokens[idToken] = "Invalid"`, or an idTokenInfo.
CONNECTION: `await offline(seconds=0)` closes and refuses; `online()` takes again; `await drop()` closes only;
`await reconnected()`. `csms` is the one in use; `await add_csms(name, **options)` -> (csms, url) for network profiles;
`octt.csms = other` makes it the one that call(), answer() and tokens mean. `dials`: each attempt (at, url).
VARIABLES: `await set_variable("TxCtrlr.TxStartPoint", "Authorized", evse=None)`, `get_variable(name)` -> str,
`configure({...})` (Part 6's "if implemented": what is unknown or read-only is left). `X.Y[Instance]` names instances.
EV AND UNIT: `plug(evse=1)`, `unplug`, `ev_suspends`, `ev_resumes`, `full`, `unit(evse)` (SimUnit: fault, silence, ...).
READER: `await present(token=None, evse=1)` (the local API's `present`), `await press_stop(evse)`, `await api(do, ...)`.
STATES (Part 6, 2.18; each goes through those before it and validates their steps): `booted`, `unavailable`,
`ev_connected_pre_session`, `authorized`, `energy_transfer_started`, `energy_transfer_suspended`, `deauthorized`,
`stop_authorized`, `ev_connected_post_session`, `ev_disconnected`, `parking_bay_unoccupied`; memory states
`id_token_cached`, `offline_transaction`. All take `evse=1`; `local=True|False` where Part 6 leaves the way open
(default remote). `bay(evse)` says where an EVSE stands; `transaction(evse)` is its transactionId.
POWER: `await power_off()` / `power_on()`: the station's process dies at once and comes back on the same store;
`await reboot()` both. TIME: `await wait(seconds)`, `now()` (the CSMS's), `clock`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.sim.checker import Violation
from bridge.sim.control import SimUnit
from bridge.sim.csms import CALL, DemoCsms, Message, StationCallError
from bridge.sim.csms_behaviour import Drop as Drop
from bridge.sim.csms_behaviour import Late as Late
from bridge.sim.csms_behaviour import Never as Never
from bridge.sim.csms_behaviour import Raw as Raw
from bridge.sim.csms_behaviour import Refuse as Refuse
from bridge.sim.csms_behaviour import Twice as Twice
from bridge.sim.csms_ledger import parse_time
from bridge.sim.unit import SimUnitConfig
from tests.octt import rules
from tests.octt.fields import ABSENT as ABSENT
from tests.octt.fields import ANY as ANY
from tests.octt.fields import Variable, mismatches
from tests.octt.states import States
from tests.tools import octt_site
from tests.tools.octt_site import HOME, STATION, Bench

#: The token that the reader and the CSMS use unless a case says another.
TOKEN: Final = {"idToken": "T-0001", "type": "ISO14443"}
#: How far two time stamps may lie apart (s): what certification laboratories configure (Part 6, 2.1).
DEVIATION: Final = 4
#: First values that a laboratory would configure: no periodic values unless asked for, quick reconnects.
LABORATORY: Final = {
    "SampledDataCtrlr.TxUpdatedInterval": 0,
    "AlignedDataCtrlr.Interval": 0,
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": 1,
    "OCPPCommCtrlr.RetryBackOffRandomRange": 1,
}


class ApiRefusal(AssertionError):  # noqa: N818 - what came
    """The local API refused a request; the text is what it said."""


@dataclass(slots=True)
class Call:
    """One CALL of the station; `taken` once a test has dealt with it."""

    at: int
    action: str
    payload: dict[str, Any]
    evse: int | None
    taken: bool = False


class Octt(States):
    """See the module."""

    def __init__(self, bench: Bench, allow: Sequence[str]) -> None:
        self.bench, self.clock = bench, bench.clock
        self.token: dict[str, Any] = dict(TOKEN)
        self.calls: list[Call] = []
        self.frames: list[Message] = []
        self.dials = bench.dials
        self.allow = allow
        self.csms = bench.csmss[HOME]
        self._arrived = asyncio.Event()
        self._evse_of: dict[str, int] = {}
        self._watch(self.csms)
        super().__init__(len(bench.units))

    # -- what the station sends

    async def expect(
        self, action: str, within: float = 60, *, evse: int | None = None, **fields: Any
    ) -> dict[str, Any]:
        """Take the next CALL of an action (of an EVSE); its fields must be as said."""
        call = await self._next(action, within, evse, lambda _: True, fields)
        call.taken = True
        if wrong := mismatches(call.payload, fields):
            raise AssertionError(self._story(f"{action}: {'; '.join(wrong)}\nin {call.payload}"))
        await self.clock.sleep(5)  # the answer has gone out
        return call.payload

    async def seek(self, action: str, within: float = 60, *, evse: int | None = None, **fields: Any) -> dict[str, Any]:
        """Take the next CALL of an action that fits; those before it are passed over."""
        call = await self._next(action, within, evse, lambda one: not mismatches(one.payload, fields), fields)
        for earlier in self.waiting_calls(action, evse):
            earlier.taken = True
            if earlier is call:
                break
        await self.clock.sleep(5)
        return call.payload

    async def never(self, action: str, seconds: float = 0, *, evse: int | None = None, **fields: Any) -> None:
        """No CALL of an action that fits waits or comes within the time."""
        await self.wait(seconds)
        found = [call for call in self.waiting_calls(action, evse) if not mismatches(call.payload, fields)]
        if found:
            raise AssertionError(self._story(f"{action} should not come: {found[0].payload}"))

    def waiting_calls(self, action: str, evse: int | None = None) -> list[Call]:
        """The CALLs of an action that no test has taken yet."""
        return [c for c in self.calls if not c.taken and c.action == action and evse in (None, c.evse)]

    def waiting(self, action: str, evse: int | None = None) -> list[dict[str, Any]]:
        """Their payloads."""
        return [call.payload for call in self.waiting_calls(action, evse)]

    def all_of(self, action: str, evse: int | None = None) -> list[dict[str, Any]]:
        """The payloads of all CALLs of an action since the case began."""
        return [c.payload for c in self.calls if c.action == action and evse in (None, c.evse)]

    def clear_all(self) -> None:
        """Take everything that waits."""
        self.clear()

    def connector_status(self, evse: int = 1) -> str | None:
        """What the station has last told of an EVSE's connector."""
        return next((told["connectorStatus"] for told in reversed(self.all_of("StatusNotification", evse))), None)

    def clear(self, *actions: str) -> None:
        """Take everything that waits, of these actions or of all."""
        for call in self.calls:
            call.taken = call.taken or not actions or call.action in actions

    async def until(
        self, what: Callable[[], Any], within: float = 60, why: str = "what was waited for", *, every: float = 0.1
    ) -> Any:
        """Wait until something is so; it is asked after every message and `every` so many seconds."""
        end = self.clock.monotonic() + round(within * 1000)
        while not (found := what()):
            left = (end - self.clock.monotonic()) / 1000
            if left <= 0:
                raise AssertionError(self._story(f"not within {within} s: {why}"))
            arrived = self._arrived
            try:
                async with asyncio.timeout(min(left, every)):
                    await arrived.wait()
            except TimeoutError:
                pass
        return found

    async def _next(
        self, action: str, within: float, evse: int | None, fits: Callable[[Call], bool], fields: Mapping[str, Any]
    ) -> Call:
        where = "" if evse is None else f" of EVSE {evse}"
        return await self.until(
            lambda: next((call for call in self.waiting_calls(action, evse) if fits(call)), None),
            within,
            f"{action}{where} {dict(fields) or ''}",
            every=within,  # only messages matter
        )

    def _watch(self, csms: DemoCsms) -> None:
        csms.on_message.append(self._see)

    def _see(self, message: Message) -> None:
        self.frames.append(message)
        if message.direction == "in" and message.frame[0] == CALL:
            payload = message.payload
            self.calls.append(Call(message.t, message.action, payload, self._evse(message.action, payload)))
        self._arrived.set()
        self._arrived = asyncio.Event()

    def _evse(self, action: str, payload: Mapping[str, Any]) -> int | None:
        """Which EVSE a CALL is about; a transaction's is known from the first event that names it."""
        if action != "TransactionEvent":
            found = payload.get("evseId") or (payload.get("evse") or {}).get("id")
            return int(found) if found else None
        transaction = str((payload.get("transactionInfo") or {}).get("transactionId"))
        if payload.get("evse"):
            self._evse_of[transaction] = int(payload["evse"]["id"])
        guess = 1 if len(self.bays) == 1 else self.awaited_evse()
        return self._evse_of.get(transaction, guess)

    def _story(self, what: str) -> str:
        told = [f"  {m.t / 1000:9.3f} {'<-' if m.direction == 'in' else '->'} {m.action} {m.frame[2:]}"[:400]
                for m in self.frames[-16:]]  # fmt: skip
        return "\n".join([what, f"(now {self.clock.monotonic() / 1000:.3f} s; the last messages:)", *told])

    # -- what the CSMS does

    async def call(
        self, action: str, payload: Mapping[str, Any] | None = None, *, check: bool = True, **fields: Any
    ) -> dict[str, Any]:
        """Send a CALL; the answer's payload. Raises StationCallError where a CALLERROR comes."""
        await self.until(lambda: self.csms.connected(STATION), 120, "the station's connection")
        return await self.csms.call(STATION, action, {**(payload or {}), **fields}, check=check)

    async def call_error(
        self, action: str, payload: Mapping[str, Any] | None = None, *, check: bool = True, **fields: Any
    ) -> str:
        """Send a CALL that must be refused; the CALLERROR's code."""
        try:
            answer = await self.call(action, payload, check=check, **fields)
        except StationCallError as error:
            return error.code
        raise AssertionError(self._story(f"{action} was answered with {answer}, not refused"))

    async def send_raw(self, text: str) -> None:
        """Send any text."""
        await self.csms.send_raw(STATION, text)

    def answer(self, action: str, *answers: Any) -> None:
        """How the CSMS answers an action from now on; see the module."""
        if not answers:
            self.csms.respond.pop(action, None)
        else:
            self.csms.respond[action] = answers[0] if len(answers) == 1 else list(answers)

    def boots(self, *statuses: str, interval: int | None = None) -> None:
        """The statuses of the next BootNotifications, then Accepted; `interval` (s) for those that are not Accepted."""
        left = list(statuses)

        def reply(_: dict[str, Any]) -> dict[str, Any] | None:
            status = left.pop(0) if left else "Accepted"
            if status == "Accepted":
                return {"currentTime": self.csms.now_text(), "interval": self.csms.interval, "status": status}
            return {"currentTime": self.csms.now_text(), "interval": interval or 0, "status": status}

        self.answer("BootNotification", reply)

    @property
    def tokens(self) -> dict[str, Any]:
        """idToken -> status or idTokenInfo of those that are not simply Accepted."""
        return self.csms.habits.tokens

    # -- the connection

    async def offline(self, seconds: float = 0) -> None:
        """The CSMS closes the connection and takes none; for so long, or until `online`."""
        await self.csms.go_dark()
        if seconds:
            await self.wait(seconds)
            self.online()

    def online(self) -> None:
        """The CSMS takes connections again."""
        self.csms.come_back()

    async def drop(self) -> None:
        """The CSMS closes the connection, and takes a new one."""
        await self.csms.drop(STATION)

    async def reconnected(self, within: float = 120) -> None:
        """Wait until the station is connected."""
        await self.until(lambda: self.csms.connected(STATION), within, "the station's connection")

    async def add_csms(self, name: str, **options: Any) -> tuple[DemoCsms, str]:
        """A second CSMS (`interval`, `password`, `respond`; `tls` on the wire) and the URL that it has."""
        csms = await self.bench.add_csms(name, **options)
        self._watch(csms)
        return csms, self.bench.urls[name]

    # -- variables

    async def get_variable(self, name: str, *, evse: int | None = None, attribute: str | None = None) -> str:
        """A variable's value; it must be there."""
        asked = Variable.parse(name, evse).as_json() | ({"attributeType": attribute} if attribute else {})
        answer = await self.call("GetVariables", getVariableData=[asked])
        result = answer["getVariableResult"][0]
        assert result["attributeStatus"] == "Accepted", result
        return str(result.get("attributeValue", ""))

    async def set_variable(
        self, name: str, value: object, *, evse: int | None = None, status: object = "Accepted"
    ) -> dict[str, Any]:
        """Set a variable; `status` is what must come (a set: one of)."""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        data = [{**Variable.parse(name, evse).as_json(), "attributeValue": text}]
        result: dict[str, Any] = (await self.call("SetVariables", setVariableData=data))["setVariableResult"][0]
        assert not mismatches(result, {"attributeStatus": status}), result
        if result["attributeStatus"] == "Accepted":
            self.note_variable(name, text)
        return result

    async def configure(self, values: Mapping[str, object]) -> None:
        """Set what is implemented and may be written (Part 6's Configuration State)."""
        for name, value in values.items():
            may = {"Accepted", "RebootRequired", "UnknownComponent", "UnknownVariable", "Rejected"}
            result = await self.set_variable(name, value, status=may)
            if result["attributeStatus"] == "Rejected":
                text = str(value).lower() if isinstance(value, bool) else str(value)
                reason = (result.get("attributeStatusInfo") or {}).get("reasonCode")
                assert reason == "ReadOnly" or await self.get_variable(name) == text, result

    # -- the EV, the unit and the reader

    def unit(self, evse: int = 1) -> SimUnit:
        """The simulated unit behind an EVSE."""
        return self.bench.sims[evse - 1]

    def plug(self, evse: int = 1, soc_percent: float | None = None) -> None:
        """Connect the EV."""
        self.unit(evse).plug(soc_percent)

    def unplug(self, evse: int = 1) -> None:
        """Disconnect the EV."""
        self.unit(evse).unplug()

    def ev_suspends(self, evse: int = 1) -> None:
        """The EV takes no power any more."""
        self.unit(evse).ev_pauses(True)

    def ev_resumes(self, evse: int = 1) -> None:
        """The EV takes power again."""
        self.unit(evse).ev_pauses(False)

    def full(self, evse: int = 1) -> None:
        """The EV is full and ends charging."""
        self.unit(evse).ev_ends()

    async def api(self, do: str, **fields: Any) -> Any:
        """Ask the local API; its result. Raises ApiRefusal with what it says."""
        answer = await self.bench.api({"do": do, **fields})
        if "error" in answer:
            raise ApiRefusal(self._story(str(answer["error"])))
        return answer["result"]

    async def present(self, token: Mapping[str, Any] | None = None, evse: int | None = 1) -> Any:
        """Present an idToken at an EVSE's reader (None: at the station's); what the API answers."""
        where = {} if evse is None else {"evse": evse}
        shown = dict(token or self.token)
        return await self.api("present", station=STATION, token=shown, **where)

    async def press_stop(self, evse: int = 1) -> Any:
        """Press the stop button."""
        return await self.api("stop", station=STATION, evse=evse)

    # -- power and time

    async def power_on(self) -> None:
        """The station's process starts on what it has kept."""
        for csms in self.bench.csmss.values():
            csms.station(STATION).restarted()
        await self.bench.start()

    async def power_off(self) -> None:
        """The station's process is gone at once."""
        await self.bench.kill()

    async def reboot(self) -> None:
        """Power off and on."""
        await self.power_off()
        await self.wait(2)
        await self.power_on()

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self.clock.sleep(round(seconds * 1000))

    def now(self) -> datetime:
        """The CSMS's time."""
        return self.csms.utc()

    def near(self, moment: datetime | None = None, seconds: float = DEVIATION) -> Callable[[Any], bool]:
        """Judges a time stamp: within the deviation of a moment (now)."""
        wanted = moment or self.now()
        return lambda told: abs(parse_time(str(told)) - wanted) <= timedelta(seconds=seconds)

    def verify(self, but: Callable[[Violation], bool]) -> None:
        """What holds at the end of every case."""
        for csms in self.bench.csmss.values():
            wrong = [text for text in csms.violations if not any(one in text for one in self.allow)]
            assert not wrong, self._story("\n".join(wrong))
            assert not any(csms.gaps().values()), csms.gaps()
        broken = [text for text in rules.broken(self.frames) if not any(one in text for one in self.allow)]
        assert not broken, self._story("\n".join(broken))
        self.bench.checker.assert_clean(but)


Play = Callable[..., Awaitable[None]]


def case(
    *,
    evses: int = 1,
    variables: Mapping[str, Any] | None = None,
    units: Sequence[SimUnitConfig] | None = None,
    unit: Mapping[str, Any] | None = None,
    site: octt_site.SiteEdit | None = None,
    wire: bool = False,
    boot: bool = True,
    allow: Sequence[str] = (),
    but: Callable[[Violation], bool] = lambda _: False,
) -> Callable[[Play], Callable[..., None]]:
    """Make a test of a coroutine that takes an `Octt` first; further arguments are pytest's (parametrize, fixtures)."""
    configs = list(units or [SimUnitConfig(**(unit or {})) for _ in range(evses)])
    first = LABORATORY | dict(variables or {})

    def decorate(play: Play) -> Callable[..., None]:
        async def main(**arguments: Any) -> None:
            async with octt_site.bench(configs, first, site, on_wire) as bench:
                octt = Octt(bench, allow)
                if boot:
                    await octt.power_on()
                    await octt.ready()
                await play(octt, **arguments)
            octt.verify(but)

        on_wire = wire or bool(os.environ.get("OCTT_WIRE"))

        @functools.wraps(play)
        def test(**arguments: Any) -> None:
            octt_site.run(main(**arguments), wire=on_wire)

        signature = inspect.signature(play)
        test.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
        del test.__wrapped__  # type: ignore[attr-defined]
        return test

    return decorate
