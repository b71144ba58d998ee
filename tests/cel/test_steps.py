"""The seven steps of the cooperation guideline (CEL 3.2 to 3.9), from the vehicle to the message at the CSMS."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.sim.battery import VehicleConfig
from bridge.sim.codec import Esv
from bridge.sim.power import PowerConfig
from tests.aif.device import Device, play
from tests.cel.kinds import BOTH_WAYS, Kind, every, profile, said
from tests.tools.house import MINUTE, TOKEN, House, run
from tests.tools.traffic import after, before, first, last

#: What a unit may be late with an INF (AIF 3.2.1), and a poll of what it announces (ms).
POLLED = 61_000


async def connect(house: House, kind: Kind, soc: float | None = None) -> None:
    """The vehicle comes, and the gateway has told so, unless nobody can know."""
    since = house.now
    house.unit.plug(soc)
    if not kind.blind:
        await house.told("StatusNotification", since, connectorStatus="Occupied")


async def order(house: House, watts: float, **more: Any) -> dict[str, Any]:
    """A remote start with a limit; negative discharges."""
    return await house.call(
        "RequestStartTransaction", evseId=1, remoteStartId=7, idToken=TOKEN, chargingProfile=profile(watts), **more
    )


async def begin(house: House, kind: Kind, watts: float, soc: float | None = None) -> str:
    """Vehicle, remote start, energy: the transaction's id."""
    await connect(house, kind, soc)
    assert (await order(house, watts))["status"] == "Accepted"
    event = await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
    await house.unit.until(lambda unit: unit.power_w == watts)
    return str(event["transactionInfo"]["transactionId"])


async def limit(house: House, watts: float, transaction: str) -> None:
    """Another limit for the transaction."""
    payload = profile(watts, transactionId=transaction)
    answer = await house.call("SetChargingProfile", evseId=1, chargingProfile=payload)
    assert answer["status"] == "Accepted", answer


def sampled(event: dict[str, Any], measurand: str) -> float | None:
    """The last value of a measurand in a TransactionEvent or MeterValues."""
    values = [one for value in event.get("meterValue", []) for one in value["sampledValue"]]
    found = [one["value"] for one in values if one.get("measurand") == measurand]
    return float(found[-1]) if found else None


def statuses(house: House) -> list[str]:
    return [one["connectorStatus"] for one in house.csms.received("StatusNotification")]


# 3.2 and 3.3: a vehicle comes, and the service hears of it ---------------------------------------------------------


@pytest.mark.covers("CEL-3.2", "CEL-3.3", "AIF-3.2.1-3")
@every(lambda kind: not kind.blind)
def test_a_vehicle_comes(kind: Kind) -> None:
    """The unit announces it (DC_AA once it has been asked with 0xCD), and the CSMS hears where and what."""

    async def scene(house: House) -> None:
        await house.settle(MINUTE)
        assert statuses(house)[-1] == "Available"
        since, came, written = house.now, house.clock.monotonic(), len(house.writes())
        house.unit.plug()
        status = await house.told("StatusNotification", since)
        told = house.clock.monotonic()
        assert (status["connectorStatus"], status["evseId"], status["connectorId"]) == ("Occupied", 1, 1)
        await house.settle(5_000)
        heard = [word for word in said(house) if word.at >= came]
        inf = first(heard, "inf C7=4")
        assert inf is not None
        assert told - inf.at <= 1_000
        assert house.writes()[written:] == (["CD=10"] if kind.asks else [])
        if kind.asks:
            asked = [str(word) for word in heard if word.epc in (0xC7, 0xCD)]
            assert asked[:4] == ["inf C7=FF", "set CD=10", "took CD=sna", "get C7"]

    run(scene, **kind.house())


@pytest.mark.covers("CEL-3.3", "AIF-3.2.1-1")
@every(lambda kind: not kind.blind)
def test_a_vehicle_comes_and_the_inf_is_lost(kind: Kind) -> None:
    """Polling of 0xC7 finds the same."""

    async def scene(house: House) -> None:
        since, came = house.now, house.clock.monotonic()
        house.unit.plug()
        await house.told("StatusNotification", since, connectorStatus="Occupied", timeout_ms=POLLED + 5_000)
        assert not first(said(house), "inf")
        assert [word for word in said(house) if str(word) == "get C7" and word.at > came]

    run(scene, **kind.house(sim={"inf_copies": 0}))


@pytest.mark.covers("CEL-3.2", "AIF-3.2.1-2")
@every(lambda kind: kind.blind)
def test_a_unit_that_cannot_tell_of_a_vehicle_is_believed_nothing(kind: Kind) -> None:
    """AC_CPLT: undetermined with and without a vehicle; polled all the same, and no status jumps."""

    async def scene(house: House) -> None:
        came = house.clock.monotonic()
        house.unit.plug()
        await house.settle(5 * MINUTE)
        polls = [word for word in said(house) if str(word) == "get C7" and word.at > came]
        assert len(polls) >= 4
        assert house.unit.connection == 0xFF
        assert statuses(house)[-1] == "Available"
        assert house.writes() == []

    run(scene, **kind.house())


# 3.4: monitoring ---------------------------------------------------------------------------------------------------


@pytest.mark.covers("CEL-3.4-1")
@every(lambda kind: kind.charges)
def test_values_are_live_while_energy_flows(kind: Kind) -> None:
    """The CSMS gets the power that flows and a state of charge that rises."""

    async def scene(house: House) -> None:
        await begin(house, kind, 3000)
        since = house.now
        seen = []
        for _ in range(3):
            event = await house.told("TransactionEvent", since, triggerReason="MeterValuePeriodic")
            since = house.now
            assert sampled(event, "Power.Active.Import") == 3000
            seen.append((sampled(event, "SoC"), sampled(event, "Energy.Active.Import.Register")))
            assert kind.blind or abs(seen[-1][0] - house.unit.soc) <= 4
            await house.settle(10_000)
        charges, energies = zip(*seen, strict=True)
        if kind.blind:
            assert charges == (None, None, None)  # nobody knows the battery
        else:
            assert charges[0] < charges[1] < charges[2]
        assert energies[0] < energies[1] < energies[2]

    run(scene, **kind.house(sim={"capacity_wh": 1_000, "soc_percent": 40}))


# 3.5 and 3.6: charging and discharging from afar -------------------------------------------------------------------


@pytest.mark.covers("CEL-3.5", "AIF-3.2-2")
@every(lambda kind: kind.charges)
def test_charging_from_afar(kind: Kind) -> None:
    """0xC7 is read, 0xDA = 42 written, the start read back, and the CSMS hears of it."""

    async def scene(house: House) -> None:
        await connect(house, kind)
        await house.settle(20_000)
        assert (await order(house, 3000))["status"] == "Accepted"
        await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
        _ordered(house, "42", "EB=00000BB8")
        await house.unit.until(lambda unit: unit.power_w == 3000)

    run(scene, **kind.house())


@pytest.mark.covers("CEL-3.6", "AIF-3.2-2")
@every(lambda kind: kind.discharges)
def test_discharging_from_afar(kind: Kind) -> None:
    """The same with 0xDA = 43."""

    async def scene(house: House) -> None:
        await connect(house, kind)
        await house.settle(20_000)
        assert (await order(house, -2000))["status"] == "Accepted"
        await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
        _ordered(house, "43", "EC=000007D0")
        await house.unit.until(lambda unit: unit.power_w == -2000)
        since = house.now
        event = await house.told("TransactionEvent", since, triggerReason="MeterValuePeriodic")
        assert sampled(event, "Power.Active.Export") == 2000

    run(scene, **kind.house(sim={"soc_percent": 70}))


def _ordered(house: House, mode: str, setting: str) -> None:
    """State read, settings before the mode, the mode read back; nothing but that written."""
    spoken = [word for word in said(house) if word.epc != 0xCD]
    start = first(spoken, f"set DA={mode}")
    assert start is not None
    state = last(before(spoken, f"set DA={mode}"), "told C7")
    assert state is not None
    assert start.at - state.at <= 10_000
    assert str(last(before(spoken, f"set DA={mode}"), f"told {setting[:2]}")) == f"told {setting}"
    back = [str(word) for word in after(spoken, f"set DA={mode}") if word.epc == 0xDA and word.done in ("get", "told")]
    assert back[:2] == ["get DA", f"told DA={mode}"]
    assert {write for write in house.writes() if write.startswith("DA")} == {f"DA={mode}"}


@pytest.mark.covers("CEL-3.5")
@every(lambda kind: not kind.charges)
def test_a_unit_that_cannot_charge_does_not_start(kind: Kind) -> None:
    async def scene(house: House) -> None:
        await connect(house, kind)
        await order(house, 3000)
        await house.settle(5 * MINUTE)
        assert not [write for write in house.writes() if write.startswith("DA")]
        assert house.state() != "Charging"

    run(scene, **kind.house())


@pytest.mark.covers("CEL-3.5")
@every(lambda kind: kind.charges and not kind.blind)
def test_a_full_vehicle_is_not_ordered_to_charge(kind: Kind) -> None:
    """0xC7 is dischargeable (or neither): the start is taken, but nothing is written and the CSMS hears why not."""

    async def scene(house: House) -> None:
        await connect(house, kind, 100)
        await order(house, 3000)
        await house.settle(5 * MINUTE)
        assert not [write for write in house.writes() if write.startswith("DA=4")]
        assert house.state() in (None, "EVConnected", "SuspendedEVSE", "SuspendedEV")

    run(scene, **kind.house())


@pytest.mark.covers("CEL-3.6")
@every(lambda kind: not kind.discharges)
def test_a_unit_that_cannot_discharge_does_not_start(kind: Kind) -> None:
    async def scene(house: House) -> None:
        await connect(house, kind)
        await order(house, -2000)
        await house.settle(5 * MINUTE)
        assert "DA=43" not in house.writes()
        assert house.state() != "Charging"
        assert house.unit.power_w == 0

    run(scene, **kind.house(sim={"soc_percent": 70}))


# 3.7: limits -------------------------------------------------------------------------------------------------------


@pytest.mark.covers("CEL-3.7-1", "CEL-3.7-3")
@every(lambda kind: kind.charges)
def test_a_limit_while_charging(kind: Kind) -> None:
    """Within the vehicle's own limit the setting rules, above it the vehicle's; it is read back, and told."""

    async def scene(house: House) -> None:
        transaction = await begin(house, kind, 1500)
        for watts, flows in ((3000, 2500), (2000, 2000)):
            await limit(house, watts, transaction)
            await house.unit.until(lambda unit, flows=flows: unit.power_w == flows)  # type: ignore[misc]
            await house.settle(5_000)
            setting = f"EB={watts:08X}"
            assert [str(word) for word in after(said(house), f"set {setting}") if word.epc == 0xEB][:2] == [
                f"took {setting[:2]}=sna",
                "get EB",
            ]
            assert str(last(said(house), "told EB")) == f"told {setting}"
            event = await house.told("TransactionEvent", house.now, triggerReason="MeterValuePeriodic")
            assert sampled(event, "Power.Active.Import") == flows

    run(scene, **kind.house(sim={"vehicle": VehicleConfig(max_charge_w=2_500)}))


@pytest.mark.covers("CEL-3.7-3")
@every(lambda kind: kind.discharges)
def test_a_limit_while_discharging(kind: Kind) -> None:
    """The same with the settings for discharging."""

    async def scene(house: House) -> None:
        transaction = await begin(house, kind, -1500, 80)
        await limit(house, -3000, transaction)
        await house.unit.until(lambda unit: unit.power_w == -2500)
        await house.settle(5_000)
        assert [str(word) for word in after(said(house), "set EC=00000BB8") if word.epc == 0xEC][1] == "get EC"
        assert str(last(said(house), "told EC")) == "told EC=00000BB8"
        event = await house.told("TransactionEvent", house.now, triggerReason="MeterValuePeriodic")
        assert sampled(event, "Power.Active.Export") == 2500

    run(scene, **kind.house(sim={"vehicle": VehicleConfig(max_discharge_w=2_500)}))


@pytest.mark.covers("CEL-3.7-2")
@every(lambda kind: kind.charges)
def test_a_limit_before_the_vehicle_comes(kind: Kind) -> None:
    """The limit is set for the start, kept, and applied as soon as charging starts; the vehicle caps it still."""

    async def scene(house: House) -> None:
        assert (await order(house, 3000))["status"] == "Accepted"
        await house.settle(5_000)
        house.unit.plug()
        event = await house.told("TransactionEvent", transactionInfo__chargingState="Charging")
        most = 0
        for _ in range(30):
            most = max(most, house.unit.power_w)
            await house.clock.sleep(500)
        assert most == house.unit.power_w == 2500
        assert house.unit.setting(0xEB) == 3000
        assert event["transactionInfo"]["transactionId"]

    run(scene, **kind.house(sim={"vehicle": VehicleConfig(max_charge_w=2_500)}))


@pytest.mark.covers("CEL-3.7-2")
@every(lambda kind: kind.release in "FR")
def test_a_setting_without_a_vehicle_is_kept_by_the_simulated_unit(kind: Kind) -> None:
    """It is read back at once, and again when the vehicle is there; energy keeps to it, and to the vehicle's limit."""

    async def scene(device: Device) -> None:
        ways = [(0xEB, 0xDC, 0x42, 1)] if kind.charges else []
        ways += [(0xEC, 0xDD, 0x43, -1)] if kind.device == BOTH_WAYS and kind.equipment & 0x0F == 3 else []
        for setting, method, mode, sign in ways:
            for watts, flows in ((1_000, 1_000), (3_000, 2_000)):
                value = watts.to_bytes(4, "big")
                await device.write(method, b"\x03")
                assert (await device.write(setting, value)).esv == Esv.SET_RES
                assert await device.value(setting) == value
                device.unit.plug(60)
                await device.write(0xCD, b"\x10")
                await device.clock.sleep(5_000)
                assert await device.value(setting) == value
                await device.write(0xDA, bytes([mode]))
                await device.clock.sleep(10_000)
                assert device.unit.power_w == sign * flows
                device.unit.unplug()

    play(scene, kind.sim(vehicle=VehicleConfig(max_charge_w=2_000, max_discharge_w=2_000)))


# 3.8: the end ------------------------------------------------------------------------------------------------------


@pytest.mark.covers("CEL-3.8")
@every(lambda kind: kind.charges)
def test_the_vehicle_ends_charging(kind: Kind) -> None:
    """The unit announces stop or standby, whichever it goes to; the service hears of it, and nothing restarts."""
    end = 0x47 if kind.family % 2 and kind.release >= "G" else 0x44  # either may be with any kind

    async def scene(house: House) -> None:
        await begin(house, kind, 3000)
        since, written = house.now, len(house.writes())
        house.unit.ev_ends()
        event = await house.told("TransactionEvent", since)
        assert event["transactionInfo"]["chargingState"] in ("SuspendedEV", "SuspendedEVSE")
        await house.settle(5 * MINUTE)
        assert first(said(house), f"inf DA={end:02X}")
        assert house.writes()[written:] == []
        assert house.unit.power_w == 0

    run(scene, **kind.house(sim={"end_mode": end}))


@pytest.mark.covers("CEL-3.8")
@every(lambda kind: kind.charges)
def test_power_may_outlast_the_announced_end(kind: Kind) -> None:
    """The INF comes first and the power falls slowly: told as charging as long as it flows."""

    async def scene(house: House) -> None:
        await begin(house, kind, 3000)
        since = house.now
        house.unit.ev_ends()
        await house.settle(10_000)
        assert first(said(house), f"inf {kind.stop}")
        assert house.unit.power_w > 100
        assert house.csms.events()[-1]["transactionInfo"].get("chargingState", "Charging") == "Charging"
        event = await house.told("TransactionEvent", since, triggerReason="ChargingStateChanged")
        assert event["transactionInfo"]["chargingState"] in ("SuspendedEV", "SuspendedEVSE")
        assert house.unit.power_w < 100

    run(scene, **kind.house(sim={"power": PowerConfig(stop_ramp_w_per_s=100)}))


@pytest.mark.covers("CEL-3.8")
@every(lambda kind: kind.discharges)
def test_the_vehicle_ends_discharging(kind: Kind) -> None:
    async def scene(house: House) -> None:
        await begin(house, kind, -2000, 70)
        since, written = house.now, len(house.writes())
        house.unit.ev_ends()
        event = await house.told("TransactionEvent", since)
        assert event["transactionInfo"]["chargingState"] in ("SuspendedEV", "SuspendedEVSE")
        await house.settle(5 * MINUTE)
        assert house.writes()[written:] == []

    run(scene, **kind.house())


@pytest.mark.covers("CEL-3.8")
@every(lambda kind: kind.charges and not kind.blind)
def test_a_vehicle_that_is_full(kind: Kind) -> None:
    async def scene(house: House) -> None:
        await begin(house, kind, 3000)
        event = await house.told(
            "TransactionEvent", house.now, transactionInfo__chargingState="SuspendedEV", timeout_ms=60 * MINUTE
        )
        assert event["triggerReason"] == "ChargingStateChanged"
        assert house.unit.soc >= 99

    run(scene, **kind.house(sim={"soc_percent": 99, "vehicle": VehicleConfig(5_000, taper_from_percent=100)}))


# 3.9: the vehicle leaves -------------------------------------------------------------------------------------------


@pytest.mark.covers("CEL-3.9", "CEL-3.4-3")
@every(lambda kind: kind.charges and not kind.blind)
def test_a_vehicle_leaves_while_it_is_charged(kind: Kind) -> None:
    """The place is free, the transaction ended, and of the battery nothing is known any more."""

    async def scene(house: House) -> None:
        transaction = await begin(house, kind, 3000)
        since = house.now
        house.unit.unplug()
        event = await house.told("TransactionEvent", since, eventType="Ended")
        assert event["triggerReason"] == "EVCommunicationLost"
        assert event["transactionInfo"]["transactionId"] == transaction
        assert event["transactionInfo"]["stoppedReason"] == "EVDisconnected"
        await house.told("StatusNotification", since, connectorStatus="Available")
        await house.settle(2_000)
        assert first(said(house), "inf C7=30")

    run(scene, **kind.house())


@pytest.mark.covers("CEL-3.9")
@every(lambda kind: not kind.blind)
def test_a_vehicle_leaves_and_the_inf_is_lost(kind: Kind) -> None:
    async def scene(house: House) -> None:
        house.unit.plug()
        await house.told("StatusNotification", connectorStatus="Occupied", timeout_ms=2 * POLLED)
        since = house.now
        house.unit.unplug()
        await house.told("StatusNotification", since, connectorStatus="Available", timeout_ms=POLLED + 5_000)

    run(scene, **kind.house(sim={"inf_copies": 0}))


@pytest.mark.covers("CEL-3.9")
@every(lambda kind: kind.blind)
def test_a_vehicle_leaves_a_unit_that_cannot_tell(kind: Kind) -> None:
    """Only the power is seen to end; the place is free when the transaction is over."""

    async def scene(house: House) -> None:
        transaction = await begin(house, kind, 3000)
        since = house.now
        house.unit.unplug()
        await house.told("TransactionEvent", since, triggerReason="ChargingStateChanged")
        await house.call("RequestStopTransaction", transactionId=transaction)
        await house.told("TransactionEvent", since, eventType="Ended")
        await house.told("StatusNotification", since, connectorStatus="Available")

    run(scene, **kind.house())
