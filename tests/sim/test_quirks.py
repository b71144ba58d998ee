"""Each quirk does what its line says, alone; and every quirk of the table is tested here."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bridge.clock import run_virtual
from bridge.errors import ConfigError
from bridge.sim.battery import VehicleConfig
from bridge.sim.codec import Esv, Prop, SimFrame, SimFrameError, decode, encode, read_property_map
from bridge.sim.node import NodeConfig
from bridge.sim.properties import Connection, Epc, Mode
from bridge.sim.quirks import QUIRKS, describe, parse, with_unit_quirks
from bridge.sim.unit import SimUnitConfig
from tests.tools.sim_controller import CONTROLLER, PROFILE, UNIT, House

SECOND = 1_000
MINUTE = 60_000
HOUR = 3_600_000

Play = Callable[["Quirky"], Coroutine[Any, Any, None]]
_TESTED: set[str] = set()


class Quirky(House):
    """A house whose unit has quirks. `raw`: every datagram of the node, with its time."""

    def __init__(self, quirks: dict[str, object], **config: Any) -> None:
        super().__init__(SimUnitConfig(quirks=quirks, **config))
        self.raw: list[tuple[int, bytes]] = []
        self.lan.tap(lambda d: self.raw.append((d.at, d.data)) if d.source != self.CONTROLLER_AT else None)

    def throw(self, tid: int, esv: Esv, *props: Prop, deoj: int = UNIT) -> None:
        """Send without waiting."""
        self.controller.port.send(encode(SimFrame(tid, CONTROLLER, deoj, esv, props)), self.UNIT_AT)

    def frames(self) -> list[SimFrame]:
        """What the node sent, so far as it is frames."""
        return [decode(data) for _, data in self.raw]

    async def energise(self, mode: int = Mode.CHARGE) -> None:
        """Order a mode and give it time."""
        await self.set(Epc.OPERATION_MODE, mode)
        await self.clock.sleep(20 * SECOND)


def quirk(name: str, value: object = True, **config: Any) -> Callable[[Play], Callable[[], None]]:
    """A test of one quirk, on virtual time."""
    _TESTED.add(name)

    def wrap(play: Play) -> Callable[[], None]:
        def test() -> None:
            async def main() -> None:
                house = Quirky({name: value}, **config)
                await house.node.start()
                await house.clock.sleep(10)
                house.raw.clear()
                await play(house)

            run_virtual(main())

        test.__doc__ = QUIRKS[name].text
        return test

    return wrap


# ---- how answers come -------------------------------------------------------------------------------------------


@quirk("other-order")
async def test_other_order(house: Quirky) -> None:
    answer = await house.ask(Esv.GET, 0x80, 0xDA, 0xC7)
    assert [prop.epc for prop in answer.props] == [0xC7, 0xDA, 0x80]


@quirk("fewer-properties", 2)
async def test_fewer_properties(house: Quirky) -> None:
    answer = await house.ask(Esv.GET, 0x80, 0xDA, 0xC7)
    assert [prop.epc for prop in answer.props] == [0x80, 0xDA]


@quirk("max-properties", 2)
async def test_max_properties(house: Quirky) -> None:
    assert (await house.ask(Esv.GET, 0x80, 0xDA)).esv == Esv.GET_RES
    answer = await house.ask(Esv.GET, 0x80, 0xDA, 0xC7)
    assert (answer.esv, answer.props) == (Esv.GET_SNA, (Prop(0x80), Prop(0xDA), Prop(0xC7)))


@quirk("malformed-refusal")
async def test_malformed_refusal(house: Quirky) -> None:
    house.throw(5, Esv.SETC, Prop(0xDA, b"\x42"))
    await house.clock.sleep(10)
    house.controller.port.attach(lambda data, source: None)  # this controller takes frames only
    await house.clock.sleep(SECOND)
    (_, data) = house.raw[-1]
    assert data[10] == Esv.SETC_SNA
    assert data[11:] == b"\x01\xda\x04\x42"
    with pytest.raises(SimFrameError):
        decode(data)


@quirk("collapsed-duplicates")
async def test_collapsed_duplicates(house: Quirky) -> None:
    answer = await house.ask(Esv.GET, 0x80, 0xDA, 0x80)
    assert [prop.epc for prop in answer.props] == [0x80, 0xDA]


@quirk("slow-answers", 19 * SECOND)
async def test_slow_answers(house: Quirky) -> None:
    house.throw(1, Esv.GET, Prop(0x80))
    await house.clock.sleep(5 * SECOND)
    house.throw(2, Esv.GET, Prop(0xDA))
    await house.clock.sleep(13_900)
    assert house.raw == []
    await house.clock.sleep(6 * SECOND)
    assert [frame.tid for frame in house.frames()] == [1, 2]


@quirk("crossing-answers", 21 * SECOND)
async def test_crossing_answers(house: Quirky) -> None:
    assert (await house.ask(Esv.GET, 0x80)).tid == 1
    house.throw(2, Esv.GET, Prop(0xDA))
    await house.clock.sleep(20_900)
    house.throw(3, Esv.GET, Prop(0xC7))
    await house.clock.sleep(SECOND)
    assert [frame.tid for frame in house.frames()] == [1, 3, 2]


@quirk("split-answers")
async def test_split_answers(house: Quirky) -> None:
    house.throw(9, Esv.GET, Prop(0x80), Prop(0xE4), Prop(0xDA))
    await house.clock.sleep(SECOND)
    first, second = house.frames()
    assert {first.tid, second.tid} == {9}
    assert (first.esv, [p.epc for p in first.props]) == (Esv.GET_SNA, [0x80, 0xE4])
    assert (second.esv, [p.epc for p in second.props]) == (Esv.GET_RES, [0xDA])


@quirk("never-answers", plugged=True)
async def test_never_answers(house: Quirky) -> None:
    house.throw(1, Esv.SETC, Prop(0xDA, b"\x42"))
    await house.clock.sleep(MINUTE)
    assert house.unit.mode == Mode.CHARGE
    assert {frame.esv for frame in house.frames()} == {Esv.INF}


@quirk("garbage", 2)
async def test_garbage(house: Quirky) -> None:
    house.controller.port.attach(lambda data, source: None)
    for tid in range(1, 41):
        house.throw(tid, Esv.GET, Prop(0x80), Prop(0xDA))
        await house.clock.sleep(100)
    good, bad = [], set()
    for _, data in house.raw:
        try:
            good.append(decode(data).tid)
        except SimFrameError:
            bad.add(data)
    assert good == list(range(1, 41, 2))
    assert len(bad) > 5


@quirk("chokes", 500)
async def test_chokes(house: Quirky) -> None:
    for tid in range(1, 8):
        house.throw(tid, Esv.GET, Prop(0x80))
        await house.clock.sleep(100)
    await house.clock.sleep(450)
    house.throw(90, Esv.GET, Prop(0x80))
    await house.clock.sleep(550)
    house.throw(91, Esv.GET, Prop(0x80))
    await house.clock.sleep(100)
    assert [frame.tid for frame in house.frames()] == [1, 90, 91]
    assert house.node.adapter.lost == 6


@quirk("flaky-adapter", 0.2)
async def test_flaky_adapter(house: Quirky) -> None:
    for tid in range(1, 201):
        house.throw(tid, Esv.GET, Prop(0x80))
        await house.clock.sleep(5 * SECOND)
    tids = [frame.tid for frame in house.frames()]
    answered = set(tids)
    assert 110 <= len(answered) <= 160  # lost on the way in, or out
    assert len(tids) > len(answered)
    delays = [at % 5_000 for at, _ in house.raw]
    assert max(delays) - min(delays) > 500


# ---- what is behind an address ----------------------------------------------------------------------------------


@quirk("instance-1f")
async def test_instance_1f(house: Quirky) -> None:
    assert house.node.eojs == (0x027E1F,)
    assert (await house.get(0xD6, deoj=PROFILE))[0xD6] == bytes.fromhex("01027E1F")


@quirk("several-objects")
async def test_several_objects(house: Quirky) -> None:
    listed = (await house.get(0xD6, deoj=PROFILE))[0xD6]
    assert listed == bytes.fromhex("04027E01027D1F027901013001")
    for own in (0x027D1F, 0x027901, 0x013001):
        answer = await house.ask(Esv.GET, 0x80, 0x82, 0x9D, 0x9E, 0x9F, deoj=own)
        assert answer.esv == Esv.GET_RES
        for epc in read_property_map(answer.props[-1].edt):
            assert (await house.get(epc, deoj=own))[epc], f"{own:06X} {epc:02X}"
    assert (await house.ask(Esv.SETC, (0xDA, b"\x42"), deoj=0x027D1F)).esv == Esv.SET_RES
    assert (await house.get(0xDA, deoj=0x027D1F))[0xDA] == b"\x42"
    assert (await house.ask(Esv.SETC, (0xE0, b"\x42"), deoj=0x027901)).esv == Esv.SETC_SNA


@quirk("strange-object")
async def test_strange_object(house: Quirky) -> None:
    assert (await house.get(0xD6, deoj=PROFILE))[0xD6] == bytes.fromhex("02027E015AFE1F")
    answer = await house.ask(Esv.GET, 0x82, 0x9D, 0x9E, 0x9F, 0xDA, deoj=0x5AFE1F)
    assert answer.esv == Esv.GET_SNA
    for prop in answer.props[1:3]:
        with pytest.raises(SimFrameError):
            read_property_map(prop.edt)


@quirk("new-address")
async def test_new_address(house: Quirky) -> None:
    ident = (await house.get(0x83))[0x83]
    house.node.mute()
    await house.clock.sleep(10 * SECOND)
    await house.node.start()
    await house.clock.sleep(10)
    assert [source for source, _ in house.controller.infs][-1] == "192.168.1.21"
    assert (await house.controller.get("192.168.1.21", 0x83))[0x83] == ident
    with pytest.raises(TimeoutError):
        await house.get(0x80)


@quirk("new-address", "192.168.1.77")
async def test_new_address_given(house: Quirky) -> None:
    for _ in range(2):
        house.node.mute()
        await house.node.start()
        await house.clock.sleep(10)
        assert await house.controller.get("192.168.1.77", 0x80) == {0x80: b"\x30"}


@quirk("no-id")
async def test_no_id(house: Quirky) -> None:
    answers = await house.get(0x83, 0x9F)
    assert answers[0x83] == b""
    assert 0x83 not in read_property_map(answers[0x9F])


@quirk("unknown-release", "S")
async def test_unknown_release(house: Quirky) -> None:
    assert (await house.get(0x82))[0x82] == b"\x00\x00S\x00"


# ---- announcements ----------------------------------------------------------------------------------------------


@quirk("inf-never")
async def test_inf_never(house: Quirky) -> None:
    house.unit.plug()
    await house.clock.sleep(4 * MINUTE)
    assert house.raw == []
    assert (await house.get(0xC7))[0xC7] == b"\x43"


@quirk("inf-doubled")
async def test_inf_doubled(house: Quirky) -> None:
    house.unit.plug()
    await house.clock.sleep(10 * SECOND)
    assert [frame.describe() for frame in house.frames()] == ["INF 027E01>0EF001 C7=43"] * 2


@quirk("inf-before-answer", plugged=True)
async def test_inf_before_answer(house: Quirky) -> None:
    await house.set(0xDA, 0x42)
    await house.clock.sleep(10 * SECOND)
    assert [frame.esv for frame in house.frames()] == [Esv.INF, Esv.SET_RES]


@quirk("inf-late", 180 * SECOND)
async def test_inf_late(house: Quirky) -> None:
    house.unit.plug()
    await house.clock.sleep(179 * SECOND)
    assert house.raw == []
    await house.clock.sleep(2 * SECOND)
    assert len(house.raw) == 1


# ---- properties -------------------------------------------------------------------------------------------------


@quirk("sna-for-ever", "E4,D3", plugged=True)
async def test_sna_for_ever(house: Quirky) -> None:
    await house.clock.sleep(24 * HOUR)
    got = await house.get(0xE4, 0xD3, 0xE2, 0x9F)
    assert (got[0xE4], got[0xD3]) == (b"", b"")
    assert got[0xE2] != b""
    assert {0xE4, 0xD3} <= read_property_map(got[0x9F])


@quirk("sna-at-first", "120000:E4", plugged=True)
async def test_sna_at_first(house: Quirky) -> None:
    await house.clock.sleep(100 * SECOND)
    assert (await house.get(0xE4))[0xE4] == b""
    await house.clock.sleep(30 * SECOND)
    assert (await house.get(0xE4))[0xE4] == b"\x32"


@quirk("mandatory-only", plugged=True)
async def test_mandatory_only(house: Quirky) -> None:
    got = await house.get(0xD3, 0xEB, 0x83, 0x9E, 0xDC)
    assert (got[0xD3], got[0xEB], got[0x83]) == (b"", b"", b"")
    assert read_property_map(got[0x9E]) == {0x81, 0xDA}
    assert got[0xDC] == b"\x01"


@quirk("everything", plugged=True)
async def test_everything(house: Quirky) -> None:
    got = await house.get(0x86, 0xC1, 0xDE, 0xE5, 0xE7, 0xEF)
    assert b"" not in got.values()
    assert await house.set(0xE7, bytes(4)) == Esv.SET_RES


@quirk("on-off", plugged=True)
async def test_on_off(house: Quirky) -> None:
    got = await house.get(0x9E)
    assert read_property_map(got[0x9E]) == {0x81, 0xDA}
    assert await house.set(0xEB, (2_000).to_bytes(4, "big")) == Esv.SETC_SNA
    await house.energise()
    assert house.unit.power_w == 6_000


@quirk("fixed-method", plugged=True)
async def test_fixed_method(house: Quirky) -> None:
    assert await house.set(0xDC, 0x03) == Esv.SETC_SNA
    assert await house.set(0xEB, (2_000).to_bytes(4, "big")) == Esv.SET_RES
    await house.energise()
    assert house.unit.power_w == 6_000


@quirk("v2g-setting", plugged=True)
async def test_v2g_setting(house: Quirky) -> None:
    await house.set(0xDC, 0x06)
    await house.set(0xE0, (-2_000).to_bytes(4, "big", signed=True))
    assert house.unit.mode == Mode.DISCHARGE


@quirk("clamps")
async def test_clamps(house: Quirky) -> None:
    await house.set(0xEB, (9_000).to_bytes(4, "big"))
    assert house.unit.setting(0xEB) == 6_000


@quirk("unknown-ranges")
async def test_unknown_ranges(house: Quirky) -> None:
    got = await house.get(0xC8, 0xCA)
    assert got == {0xC8: b"\xff\xff\xff\xff\xff\xff\xff\xfe", 0xCA: b"\xff\xff\xff\xfe"}


@quirk("overflow", plugged=True)
async def test_overflow(house: Quirky) -> None:
    got = await house.get(0xD3, 0xE2, 0xE4)
    assert got == {0xD3: b"\x7f\xff\xff\xff", 0xE2: b"\xff\xff\xff\xff", 0xE4: b"\xff"}
    charger = with_unit_quirks(SimUnitConfig(unit_class=0x02A1, quirks={"overflow": True}))
    assert charger.answers[0xD3] == b"\xff\xff\xff\xff"


@quirk("short-amount")
async def test_short_amount(house: Quirky) -> None:
    assert (await house.get(0xEA))[0xEA] == b"\x00\x00"
    await house.set(0xEA, b"\x13\x88")
    assert (await house.get(0xEA))[0xEA] == b"\x13\x88"
    await house.set(0xEA, bytes(4))
    assert (await house.get(0xEA))[0xEA] == b"\x13\x88"


@quirk("no-vehicle-id", plugged=True)
async def test_no_vehicle_id(house: Quirky) -> None:
    assert (await house.get(0xE6))[0xE6] == b"\x00"


@quirk("register-wraps", 1_000, plugged=True)
async def test_register_wraps(house: Quirky) -> None:
    before = int.from_bytes((await house.get(0xD8))[0xD8], "big")
    assert before == 999_999_000
    await house.set(0xDA, 0x42)
    await house.clock.sleep(HOUR // 2)
    assert int.from_bytes((await house.get(0xD8))[0xD8], "big") < 3_000


# ---- the vehicle and the mode -----------------------------------------------------------------------------------


@quirk("undetermined", plugged=True)
async def test_undetermined(house: Quirky) -> None:
    house.unit.unplug()
    house.unit.plug()
    await house.clock.sleep(HOUR)
    assert house.unit.connection == Connection.UNDETERMINED
    assert (await house.get(0xE4))[0xE4] == b""


@quirk("stale-soc", plugged=True, soc_percent=50)
async def test_stale_soc(house: Quirky) -> None:
    await house.energise()
    await house.clock.sleep(HOUR)
    await house.set(0xDA, 0x47)
    await house.clock.sleep(MINUTE)
    charged = (await house.get(0xE4))[0xE4]
    assert charged[0] in (64, 65)
    house.unit.unplug()
    house.unit.plug(20)  # driven, and back: nobody has read it since
    await house.clock.sleep(HOUR)
    assert (await house.get(0xE4))[0xE4] == charged
    await house.energise()
    assert (await house.get(0xE4))[0xE4] == b"\x14"


@quirk("stale-soc", plugged=True, soc_percent=50)
async def test_stale_soc_is_live_while_the_unit_prepares(house: Quirky) -> None:
    house.unit.plug(30)
    assert (await house.get(0xE4))[0xE4] == b"\x32"
    await house.set(0xDA, 0x48)
    assert (await house.get(0xE4))[0xE4] == b"\x1e"


@quirk("rescue-charge", 10, soc_percent=5)
async def test_rescue_charge(house: Quirky) -> None:
    house.unit.plug()
    await house.clock.sleep(20 * SECOND)
    assert (house.unit.mode, house.unit.power_w) == (Mode.STOP, 6_000)


@quirk("discharge-floor", 40, plugged=True, soc_percent=39)
async def test_discharge_floor(house: Quirky) -> None:
    assert house.unit.connection == Connection.CHARGEABLE


@quirk("charge-cap", 85, plugged=True, soc_percent=86, vehicle=VehicleConfig(capacity_wh=60_000))
async def test_charge_cap(house: Quirky) -> None:
    assert house.unit.connection == Connection.DISCHARGEABLE
    assert house.unit.core.battery.config.capacity_wh == 60_000


@quirk("mode-ignored", plugged=True)
async def test_mode_ignored(house: Quirky) -> None:
    await house.energise()
    await house.clock.sleep(HOUR)
    assert (await house.get(0xDA))[0xDA] == b"\x42"
    assert (house.unit.power_w, house.unit.actual_mode) == (0, Mode.STANDBY)


@quirk("mode-ignored", 60_000, plugged=True)
async def test_mode_obeyed_late(house: Quirky) -> None:
    await house.energise()
    assert house.unit.power_w == 0
    await house.clock.sleep(MINUTE)
    assert house.unit.power_w == 6_000


@quirk("runs-on", 60_000, plugged=True)
async def test_runs_on(house: Quirky) -> None:
    await house.energise()
    await house.set(0xDA, 0x47)
    await house.clock.sleep(50 * SECOND)
    assert (await house.get(0xDA))[0xDA] == b"\x47"
    assert house.unit.power_w == 6_000
    await house.clock.sleep(20 * SECOND)
    assert house.unit.power_w == 0


# ---- the table --------------------------------------------------------------------------------------------------


def test_every_quirk_is_tested() -> None:
    assert set(QUIRKS) - _TESTED == {"other-port"}  # needs real sockets: test_udp


def test_the_help_has_a_line_for_each() -> None:
    lines = describe().splitlines()
    assert [line.split("[")[0].split()[0] for line in lines] == list(QUIRKS)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("garbage", "garbage", 1),
        ("slow-answers=5000", "slow-answers", 5_000),
        ("sna-for-ever=E2,E4", "sna-for-ever", {0xE2, 0xE4}),
        ("sna-at-first=9:D3", "sna-at-first", (9, {0xD3})),
        ("sna-at-first=9", "sna-at-first", (9, {0xE2, 0xE4})),
        ("flaky-adapter=0.5", "flaky-adapter", 0.5),
        ("inf-never", "inf-never", True),
        ("new-address", "new-address", None),
    ],
)
def test_a_quirk_is_written_as_name_and_value(text: str, name: str, value: object) -> None:
    assert parse(text) == (name, value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("slow-answer", "did you mean slow-answers"),
        ("warp", "--quirk help lists them"),
        ("inf-never=3", "takes no value"),
        ("slow-answers=soon", "'soon' is no value"),
    ],
)
def test_what_is_no_quirk_is_told(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse(text)


def test_a_quirk_of_a_unit_does_not_belong_to_a_node() -> None:
    async def main() -> None:
        with pytest.raises(ConfigError, match="give it to SimUnitConfig"):
            House(node_config=NodeConfig(quirks={"short-amount": True}))
        assert House(node_config=NodeConfig(quirks={"garbage": 3})).node.config.garbage_every == 3

    run_virtual(main())


def test_a_quirk_can_be_left_out() -> None:
    assert with_unit_quirks(SimUnitConfig(quirks={"inf-never": False})).inf_copies == 1


@pytest.mark.parametrize("name", QUIRKS)
@pytest.mark.parametrize("code", [0x027E, 0x02A1])
def test_each_quirk_makes_a_unit_of_either_class(name: str, code: int) -> None:
    async def main() -> None:
        house = House(SimUnitConfig(unit_class=code, quirks={name: True}))
        assert house.node.eojs[0] >> 8 == code
        assert house.unit.read(Epc.OPERATION_MODE) == b"\x47"

    run_virtual(main())
