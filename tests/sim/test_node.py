"""Simulated nodes and their units on the simulated network, on virtual time."""

from __future__ import annotations

import pytest

from bridge.clock import Clock, run_virtual
from bridge.errors import UnitError
from bridge.sim.codec import Esv, Prop, encode, read_property_map
from bridge.sim.control import SimUnit
from bridge.sim.lan import SimLan
from bridge.sim.node import NodeConfig, SimNode
from bridge.sim.properties import Mode
from bridge.sim.unit import SimUnitConfig
from tests.tools.sim_controller import PROFILE, UNIT, House, SimController

SECOND = 1_000


# ---- discovery --------------------------------------------------------------------------------------------------


def test_a_node_says_at_start_who_is_here() -> None:
    async def main() -> None:
        house = House()
        await house.node.start()
        await house.clock.sleep(10)
        assert house.announced(0xD5) == bytes.fromhex("01027E01")

    run_virtual(main())


def test_the_node_profile_answers_its_mandatory_properties() -> None:
    async def main() -> None:
        house = House()
        profile = await house.get(0x80, 0x82, 0x83, 0x8A, 0x9D, 0x9E, 0x9F, deoj=PROFILE)
        more = await house.get(0xD3, 0xD4, 0xD6, 0xD7, deoj=PROFILE)
        assert len(profile[0x83]) == 17
        assert profile[0x83][0] == 0xFE
        assert read_property_map(profile[0x9D]) == {0x80, 0xD5}
        assert read_property_map(profile[0x9F]) == {*profile, *more}
        assert more == {
            0xD3: b"\x00\x00\x01",
            0xD4: b"\x00\x02",
            0xD6: bytes.fromhex("01027E01"),
            0xD7: b"\x01\x02\x7e",
        }

    run_virtual(main())


def test_the_instance_list_is_announced_on_request_and_cannot_be_got() -> None:
    async def main() -> None:
        house = House()
        asked = await house.ask(Esv.INF_REQ, 0xD5, deoj=PROFILE)
        assert (asked.esv, asked.props) == (Esv.INF, (Prop(0xD5, bytes.fromhex("01027E01")),))
        assert (await house.ask(Esv.GET, 0xD5, deoj=PROFILE)).esv == Esv.GET_SNA

    run_virtual(main())


def test_a_multicast_search_finds_every_instance_of_every_node() -> None:
    async def main() -> None:
        clock = Clock(1)
        lan = SimLan(clock)
        controller = SimController(lan.join("192.168.1.2"))
        for last, count in ((20, 2), (21, 1)):
            units = [SimUnit(clock) for _ in range(count)]
            SimNode(clock, bytes([last]), units).attach(lan.join(f"192.168.1.{last}"))
        controller.port.multicast(encode(controller.frame(Esv.GET, 0x80, deoj=0x027E00)))
        await clock.sleep(SECOND)
        found = {(source, frame.seoj) for source, frame in controller.frames}
        assert found == {("192.168.1.20", 0x027E01), ("192.168.1.20", 0x027E02), ("192.168.1.21", 0x027E01)}

    run_virtual(main())


def test_devices_differ_in_their_identification() -> None:
    async def main() -> None:
        clock = Clock(1)
        lan = SimLan(clock)
        controller = SimController(lan.join("192.168.1.2"))
        node = SimNode(clock, b"one", [SimUnit(clock), SimUnit(clock, SimUnitConfig(instance=0x1F))])
        node.attach(lan.join("192.168.1.20"))
        idents = [(await controller.get("192.168.1.20", 0x83, deoj=own))[0x83] for own in (*node.eojs, PROFILE)]
        assert node.eojs == (0x027E01, 0x027E1F)
        assert len(set(idents)) == 3
        assert {len(ident) for ident in idents} == {17}

    run_virtual(main())


def test_two_devices_cannot_be_the_same_instance() -> None:
    async def main() -> None:
        clock = Clock(1)
        units = [SimUnit(clock, SimUnitConfig(instance=3)) for _ in range(2)]
        with pytest.raises(ValueError, match="instance 3"):
            SimNode(clock, b"one", units)

    run_virtual(main())


# ---- services ---------------------------------------------------------------------------------------------------


def test_answers_come_in_the_order_asked_and_refusals_carry_the_rest() -> None:
    async def main() -> None:
        answer = await House().ask(Esv.GET, 0xDA, 0xE4, 0xC7)
        assert answer.esv == Esv.GET_SNA
        assert answer.props == (Prop(0xDA, b"\x47"), Prop(0xE4), Prop(0xC7, b"\x30"))

    run_virtual(main())


def test_a_refused_write_is_echoed_and_an_accepted_one_is_not() -> None:
    async def main() -> None:
        answer = await House().ask(Esv.SETC, (0xDA, b"\x42"), (0xDC, b"\x03"))
        assert answer.esv == Esv.SETC_SNA
        assert answer.props == (Prop(0xDA, b"\x42"), Prop(0xDC))

    run_virtual(main())


def test_setget_writes_first_and_reads_then() -> None:
    async def main() -> None:
        house = House()
        answer = await house.controller.ask(house.UNIT_AT, Esv.SETGET, (0xDC, b"\x03"), second=(0xDC, 0xDA))
        assert answer.esv == Esv.SETGET_RES
        assert answer.props == (Prop(0xDC),)
        assert answer.second == (Prop(0xDC, b"\x03"), Prop(0xDA, b"\x47"))

    run_virtual(main())


def test_seti_is_answered_only_when_refused_and_infc_always() -> None:
    async def main() -> None:
        house = House()
        house.controller.port.send(encode(house.controller.frame(Esv.SETI, (0xDC, b"\x04"))), house.UNIT_AT)
        await house.clock.sleep(SECOND)
        assert house.unit.setting(0xDC) == 4
        assert not [frame for _, frame in house.controller.frames if frame.esv != Esv.INF]
        assert (await house.ask(Esv.SETI, (0xDA, b"\x42"))).esv == Esv.SETI_SNA
        assert (await house.ask(Esv.INFC, (0x80, b"\x30"))).esv == Esv.INFC_RES
        assert (await house.ask(Esv.INF_REQ, 0xE4)).esv == Esv.INF_SNA

    run_virtual(main())


def test_strangers_and_garbage_are_left_unanswered() -> None:
    async def main() -> None:
        house = House()
        for data in (b"", b"\x10\x81", encode(house.controller.frame(Esv.GET, 0x80, deoj=0x013001))):
            house.controller.port.send(data, house.UNIT_AT)
        house.controller.port.send(encode(house.controller.frame(Esv.GET_RES, 0x80)), house.UNIT_AT)
        await house.clock.sleep(SECOND)
        assert house.controller.frames == []
        assert (await house.get(0x80))[0x80] == b"\x30"

    run_virtual(main())


def test_too_many_properties_may_be_refused_whole() -> None:
    async def main() -> None:
        house = House(node_config=NodeConfig(max_opc=2))
        answer = await house.ask(Esv.GET, 0x80, 0xC7, 0xDA)
        assert answer.esv == Esv.GET_SNA
        assert answer.props == (Prop(0x80), Prop(0xC7), Prop(0xDA))
        assert (await house.ask(Esv.GET, 0x80, 0xC7)).esv == Esv.GET_RES

    run_virtual(main())


def test_an_answer_may_carry_less_than_asked() -> None:
    async def main() -> None:
        answer = await House(node_config=NodeConfig(answer_at_most=1)).ask(Esv.GET, 0x80, 0xC7)
        assert (answer.esv, answer.props) == (Esv.GET_RES, (Prop(0x80, b"\x30"),))

    run_virtual(main())


# ---- one at a time, delays, silence -----------------------------------------------------------------------------


@pytest.mark.parametrize(("one_at_a_time", "answers"), [(True, 1), (False, 2)])
def test_a_request_during_a_pending_answer_may_be_ignored(one_at_a_time: bool, answers: int) -> None:
    async def main() -> None:
        house = House(node_config=NodeConfig(answer_delay_ms=500, one_at_a_time=one_at_a_time))
        for deoj in (UNIT, PROFILE):
            house.controller.port.send(encode(house.controller.frame(Esv.GET, 0x80, deoj=deoj)), house.UNIT_AT)
        await house.clock.sleep(2 * SECOND)
        assert len(house.controller.frames) == answers
        assert house.node.ignored == 2 - answers
        assert (await house.get(0x80))[0x80] == b"\x30"

    run_virtual(main())


def test_the_answer_comes_after_its_delay() -> None:
    async def main() -> None:
        house = House(node_config=NodeConfig(answer_delay_ms=15_000))
        before = house.clock.monotonic()
        await house.get(0x80)
        assert house.clock.monotonic() - before in range(15_000, 15_010)

    run_virtual(main())


def test_a_silent_unit_neither_hears_nor_speaks() -> None:
    async def main() -> None:
        house = House(SimUnitConfig(plugged=True))
        house.unit.silence()
        with pytest.raises(TimeoutError):
            await house.set(0xDA, Mode.CHARGE)
        with pytest.raises(TimeoutError):
            await house.get(0xD6, deoj=PROFILE)
        house.unit.unplug()
        await house.clock.sleep(5 * SECOND)
        assert house.unit.log == []
        assert house.controller.infs == []
        house.unit.silence(False)
        assert (await house.get(0xC7))[0xC7] == b"\x30"

    run_virtual(main())


def test_a_node_that_was_off_comes_back_at_another_address() -> None:
    async def main() -> None:
        house = House()
        house.node.mute()
        with pytest.raises(TimeoutError):
            await house.get(0x80)
        house.lan.leave(house.UNIT_AT)
        house.node.attach(house.lan.join("192.168.1.99"))
        await house.node.start()
        assert await house.controller.inf("192.168.1.99", 0xD5) == bytes.fromhex("01027E01")
        assert (await house.controller.get("192.168.1.99", 0x80))[0x80] == b"\x30"

    run_virtual(main())


# ---- announcements ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 1_000, 180_000])
def test_a_change_is_announced_after_the_delay(delay: int) -> None:
    async def main() -> None:
        house = House(SimUnitConfig(inf_delay_ms=delay))
        house.unit.plug()
        await house.clock.sleep(max(0, delay - 10))
        early = house.announced(0xC7)
        await house.clock.sleep(20)
        assert house.announced(0xC7) == b"\x43"
        assert early is None

    run_virtual(main())


@pytest.mark.parametrize("copies", [0, 1, 2])
def test_infs_may_be_lost_or_sent_twice(copies: int) -> None:
    async def main() -> None:
        house = House(SimUnitConfig(inf_copies=copies))
        house.unit.plug()
        await house.clock.sleep(5 * SECOND)
        assert len(house.controller.infs) == copies
        assert (await house.get(0xC7))[0xC7] == b"\x43"

    run_virtual(main())


def test_a_mode_that_the_unit_changes_itself_is_announced() -> None:
    async def main() -> None:
        house = House(SimUnitConfig(plugged=True, soc_percent=99))
        assert await house.set(0xDA, Mode.CHARGE) == Esv.SET_RES
        await house.clock.sleep(3_600 * SECOND)
        assert house.announced(0xDA) == bytes([Mode.STOP])
        assert house.announced(0xC7) == b"\x42"

    run_virtual(main())


def test_faults_on_and_off_are_announced() -> None:
    async def main() -> None:
        house = House()
        house.unit.fault(0x03E9)
        await house.clock.sleep(2 * SECOND)
        assert house.announced(0x88) == b"\x41"
        house.unit.clear_fault()
        await house.clock.sleep(2 * SECOND)
        assert house.announced(0x88) == b"\x42"

    run_virtual(main())


# ---- the handle -------------------------------------------------------------------------------------------------


def test_a_session_from_plug_to_unplug() -> None:
    async def main() -> None:
        house = House()
        house.unit.plug(soc_percent=60)
        assert (await house.get(0xC7, 0xE4)) == {0xC7: b"\x43", 0xE4: b"\x3c"}
        await house.set(0xDC, 0x03)
        await house.set(0xEB, (3_000).to_bytes(4, "big"))
        await house.set(0xDA, Mode.CHARGE)
        await house.unit.until(lambda unit: unit.power_w == 3_000)
        assert (await house.get(0xD3))[0xD3] == (3_000).to_bytes(4, "big")
        await house.set(0xDA, Mode.STOP)
        await house.unit.until(lambda unit: unit.power_w == 0)
        house.unit.unplug()
        assert (await house.get(0xC7, 0xE4)) == {0xC7: b"\x30", 0xE4: b""}
        assert house.unit.writes() == [
            (0xDC, b"\x03"),
            (0xEB, (3_000).to_bytes(4, "big")),
            (0xDA, b"\x42"),
            (0xDA, b"\x47"),
        ]
        assert {write.source for write in house.unit.log} == {house.CONTROLLER_AT}

    run_virtual(main())


def test_the_panel_and_another_controller_change_the_mode_and_are_announced() -> None:
    async def main() -> None:
        house = House(SimUnitConfig(plugged=True))
        assert house.unit.panel("discharge")
        await house.unit.until(lambda unit: unit.power_w == -6_000)
        assert house.announced(0xDA) == b"\x43"
        assert house.unit.foreign_write(0xDA, b"\x44")
        await house.clock.sleep(2 * SECOND)
        assert house.announced(0xDA) == b"\x44"
        assert [write.source for write in house.unit.log] == ["foreign"]
        assert house.unit.mode == Mode.STANDBY

    run_virtual(main())


def test_a_vehicle_may_pause_and_end() -> None:
    async def main() -> None:
        house = House(SimUnitConfig(plugged=True, mode=Mode.CHARGE))
        await house.unit.until(lambda unit: unit.power_w == 6_000)
        house.unit.ev_pauses()
        await house.unit.until(lambda unit: unit.power_w == 0)
        assert house.unit.mode == Mode.CHARGE
        house.unit.ev_pauses(False)
        await house.unit.until(lambda unit: unit.power_w == 6_000)
        house.unit.ev_ends()
        await house.unit.until(lambda unit: unit.power_w == 0)
        assert house.unit.mode == Mode.STOP

    run_virtual(main())


def test_the_house_and_the_grid_can_be_set() -> None:
    async def main() -> None:
        house = House(SimUnitConfig(plugged=True, mode=Mode.AUTO))
        house.unit.set_surplus(1_500)
        await house.unit.until(lambda unit: unit.power_w == 1_500)
        house.unit.set_interconnection(0x01)
        house.unit.override_connection(0xFF)
        assert await house.get(0xDB, 0xC7) == {0xDB: b"\x01", 0xC7: b"\xff"}

    run_virtual(main())


def test_an_unknown_name_at_the_panel_and_a_wait_in_vain_are_told() -> None:
    async def main() -> None:
        unit = SimUnit(Clock(1))
        with pytest.raises(UnitError, match="panel"):
            unit.panel("warp")
        with pytest.raises(TimeoutError, match="power_w"):
            await unit.until(lambda unit: unit.power_w > 0, timeout_ms=1_000)

    run_virtual(main())


def test_a_closed_node_has_left() -> None:
    async def main() -> None:
        house = House(SimUnitConfig(plugged=True, mode=Mode.CHARGE))
        await house.node.close()
        with pytest.raises(TimeoutError):
            await house.get(0x80)
        house.lan.join(house.UNIT_AT)

    run_virtual(main())


def test_what_was_pending_when_power_went_is_never_answered() -> None:
    async def main() -> None:
        house = House(node_config=NodeConfig(answer_delay_ms=500))
        house.controller.port.send(encode(house.controller.frame(Esv.GET, 0x80)), house.UNIT_AT)
        await house.clock.sleep(100)
        house.node.mute()
        await house.node.start()
        await house.clock.sleep(SECOND)
        assert [frame.esv for _, frame in house.controller.frames] == [Esv.INF]
        assert (await house.get(0x80))[0x80] == b"\x30"

    run_virtual(main())
