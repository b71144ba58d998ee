"""The whole loop of one unit on virtual time, against a small unit with faults."""

from __future__ import annotations

import itertools

import pytest

from bridge.clock import run_virtual
from bridge.echonet.session import Priority
from bridge.evse import Connector, HappeningKind, Mode, Plug, Source, Wanted
from bridge.policies import Control
from tests.charger.fakes import (
    ADDRESS,
    BOTH,
    CHARGE,
    ENERGY,
    FREE,
    LIMIT,
    METHOD,
    MODE,
    PLUG,
    POWER,
    STANDBY,
    STOPPED,
    UNDEFINED,
    FakeTable,
    bench,
    limit,
)


@pytest.mark.covers("AIF-3.1.3-1", "AIF-3.1.4-1")
def test_start_reads_release_and_maps_then_attributes_that_the_map_offers() -> None:
    async def main() -> None:
        async with bench() as b:
            assert b.unit.since(0)[:4] == ["get 82 9D 9E 9F", "get 83 C5 CC", "get C7 DA 88", "get D3 D8"]
            assert b.evse.maps.release == "P"
            assert b.evse.observed.reachable
            assert b.evse.observed.connector is Connector.OCCUPIED
            assert b.unit.writes == []

    run_virtual(main())


@pytest.mark.covers("AIF-3.1.4-1")
def test_attribute_that_is_refused_does_not_cost_the_others() -> None:
    async def main() -> None:
        async with bench(unit={"sna": {0x83}}) as b:
            view = b.evse.view()
            assert 0x83 in view.refused
            assert view.facts[0xC5].edt == limit(6_000_000)
            assert b.evse.observed.reachable

    run_virtual(main())


@pytest.mark.covers("AIF-3.2-2", "AIF-2.4.5-2", "CEL-3.5")
def test_charge_reads_the_plug_then_writes_and_reads_back() -> None:
    async def main() -> None:
        async with bench() as b:
            await b.seconds(30)  # what is known of the plug is too old by now
            mark = len(b.unit.log)
            b.want(Mode.CHARGE)
            await b.seconds(30)
            assert b.unit.acts(mark)[:3] == ["get C7", "set DA=42", "get DA"]
            assert b.evse.observed.confirmed
            assert b.kinds == [HappeningKind.CONFIRMED]

    run_virtual(main())


def test_charge_goes_out_at_once_when_the_plug_is_fresh() -> None:
    async def main() -> None:
        async with bench() as b:
            mark = len(b.unit.log)
            b.want(Mode.CHARGE)
            await b.clock.sleep(0)
            assert b.unit.since(mark) == ["set DA=42"]

    run_virtual(main())


@pytest.mark.covers("CEL-3.7-3", "AIF-2.4.5-2")
def test_each_setting_is_read_back_before_the_next_and_the_mode_comes_last() -> None:
    async def main() -> None:
        async with bench() as b:
            mark = len(b.unit.log)
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(3)
            expected = ["set DC=03", "get DC", "set EB=00000BB8", "get EB", "set DA=42", "get DA"]
            assert b.unit.acts(mark) == expected
            sets = [sent.priority for sent in b.unit.log if sent.kind == "set"]
            assert sets == [Priority.LIMIT, Priority.LIMIT, Priority.COMMAND]

    run_virtual(main())


def test_only_differences_are_written() -> None:
    async def main() -> None:
        async with bench(unit={"values": {METHOD: b"\x03"}}) as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(15)
            assert b.unit.writes == ["EB=00000BB8", "DA=42"]
            b.want(Mode.CHARGE, charge_bound=2_000_000)
            await b.seconds(15)
            assert b.unit.writes[2:] == ["EB=000007D0"]
            assert b.evse.observed.confirmed

    run_virtual(main())


def test_setting_that_does_not_take_starts_nothing_and_is_given_up() -> None:
    async def main() -> None:
        async with bench(unit={"stuck": {LIMIT}}) as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(400)
            assert "DA=42" not in b.unit.writes
            assert b.unit.writes.count("EB=00000BB8") == 3
            assert b.kinds == [HappeningKind.CANNOT]
            assert "reads back as" in (b.evse.observed.trouble or "")

    run_virtual(main())


def test_limit_that_does_not_take_while_energy_runs_pauses_it() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(30)
            b.unit.stuck.add(LIMIT)
            mark = len(b.unit.writes)
            b.want(Mode.CHARGE, charge_bound=2_000_000)
            await b.seconds(5)
            assert b.unit.writes[mark:] == ["EB=000007D0", "DA=44"]
            b.unit.stuck.clear()
            await b.seconds(60)
            assert b.unit.values[MODE] == CHARGE
            assert b.unit.values[LIMIT] == limit(2_000_000)
            assert b.evse.observed.confirmed

    run_virtual(main())


def test_unit_that_does_not_start_is_tried_three_times_and_told_once() -> None:
    async def main() -> None:
        async with bench(unit={"follows": False}) as b:
            b.want(Mode.CHARGE)
            await b.seconds(3600)
            assert b.unit.writes == ["DA=42"] * 3
            assert b.kinds == [HappeningKind.CANNOT]
            assert b.evse.observed.trouble

    run_virtual(main())


def test_refusal_pauses_energy_that_runs() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE)
            await b.seconds(30)
            b.unit.change(PLUG, b"\x42")  # dischargeable only
            await b.seconds(5)
            assert b.unit.writes[-1] == "DA=44"
            assert "no vehicle" in b.evse.observed.trouble
            b.unit.change(PLUG, BOTH)
            await b.seconds(30)
            assert b.unit.writes[-1] == "DA=42"
            assert b.evse.observed.confirmed

    run_virtual(main())


@pytest.mark.covers("CEL-3.2")
def test_undetermined_plug_is_asked_about_with_growing_pauses_and_then_started() -> None:
    async def main() -> None:
        async with bench(unit={"values": {PLUG: UNDEFINED}}) as b:
            b.want(Mode.CHARGE)
            await b.seconds(200)
            asks = [sent.at for sent in b.unit.log if sent.kind == "set"]
            assert [later - sooner for sooner, later in itertools.pairwise(asks)] == [30_000, 60_000]
            b.unit.change(PLUG, BOTH)
            await b.seconds(20)
            assert b.unit.writes == ["CD=10"] * 3 + ["DA=42"]

    run_virtual(main())


# Stop


def test_stop_goes_out_at_once_beside_an_outstanding_poll() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE)
            await b.seconds(8)
            b.unit.delay = 15_000
            while b.unit.log[-1].priority is not Priority.POLL:
                await b.seconds(1)
            polled = b.unit.log[-1].at
            await b.seconds(3)
            mark = len(b.unit.log)
            b.want(Mode.STOP)
            await b.clock.sleep(0)
            assert b.unit.since(mark) == ["set DA=47"]
            assert b.unit.log[-1].priority is Priority.STOP
            assert b.clock.monotonic() - polled < 15_000  # the poll has not been answered yet

    run_virtual(main())


def test_stop_takes_the_other_mode_where_the_first_is_refused() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE)
            await b.seconds(30)
            b.unit.refusing.add(STOPPED)
            b.want(Mode.STOP)
            await b.seconds(5)
            assert b.unit.writes[-2:] == ["DA=47", "DA=44"]
            assert b.evse.observed.confirmed

    run_virtual(main())


@pytest.mark.covers("AIF-3.2.1-4")
def test_refused_stop_counts_while_no_power_flows() -> None:
    async def main() -> None:
        async with bench(unit={"values": {PLUG: FREE, MODE: CHARGE}, "refusing": {STOPPED, STANDBY}}) as b:
            b.want(Mode.STOP)
            await b.seconds(60)
            assert b.unit.writes == ["DA=47", "DA=44"]
            assert b.evse.observed.confirmed
            assert b.kinds == [HappeningKind.CONFIRMED]

    run_virtual(main())


def test_refused_stop_while_power_flows_is_an_alarm_and_tried_for_ever() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE)
            await b.seconds(30)
            b.unit.refusing |= {STOPPED, STANDBY}
            b.want(Mode.STOP)
            await b.seconds(5)
            assert b.kinds[-1] is HappeningKind.CANNOT
            assert "while power flows" in b.evse.observed.trouble
            assert not b.evse.observed.confirmed
            await b.seconds(2 * 3600)
            tries = [sent.at for sent in b.unit.log if sent.kind == "set" and sent.priority is Priority.STOP]
            assert tries[-1] - tries[0] > 6_000_000
            assert tries[-1] - tries[-3] <= 2 * 310_000
            b.unit.refusing.clear()
            await b.seconds(310)
            assert b.evse.observed.confirmed
            assert b.kinds.count(HappeningKind.CANNOT) == 1

    run_virtual(main())


def test_stop_is_tried_while_the_unit_is_silent_and_done_when_it_is_back() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE)
            await b.seconds(30)
            b.unit.dead = True
            await b.seconds(120)
            assert not b.evse.observed.reachable
            b.want(Mode.STOP)
            await b.seconds(300)
            assert b.unit.writes.count("DA=47") >= 3
            b.unit.dead = False
            await b.seconds(320)
            assert b.unit.values[MODE] == STOPPED
            assert b.evse.observed.reachable
            assert b.evse.observed.confirmed

    run_virtual(main())


def test_a_stop_waits_for_the_release_and_not_for_the_whole_start_sequence() -> None:
    """A gateway that comes back on a bad network may take minutes to read a unit, which charges meanwhile."""

    async def main() -> None:
        async with bench(unit={"silent_on": {0x9F, 0xC5}}, settle=False) as b:
            b.want(Mode.STOP)
            await b.seconds(30)
            assert b.unit.writes == []  # not even its release is known
            b.unit.silent_on = {0xC5}
            await b.seconds(60)
            assert b.unit.writes[:1] == ["DA=47"]
            assert not b.evse.observed.reachable
            assert b.unit.values[MODE] == STOPPED

    run_virtual(main())


def test_nothing_but_a_stop_goes_out_before_the_unit_has_been_read() -> None:
    async def main() -> None:
        async with bench(unit={"silent_on": {0xC5}}, settle=False) as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(120)
            b.want(Mode.PAUSE)
            await b.seconds(120)
            assert b.unit.writes == []

    run_virtual(main())


@pytest.mark.parametrize(("lost", "begun"), [(30, 1), (70, 2)])
def test_the_start_sequence_goes_on_where_answers_were_lost_unless_for_long(lost: int, begun: int) -> None:
    async def main() -> None:
        async with bench(unit={"silent_on": {0xC5}}, settle=False) as b:
            await b.seconds(lost)
            b.unit.silent_on = set()
            await b.seconds(30)
            assert b.evse.observed.reachable
            assert [str(sent) for sent in b.unit.log].count("get 82 9D 9E 9F") == begun

    run_virtual(main())


# Reading


@pytest.mark.covers("AIF-2.4.4-1")
def test_request_that_is_refused_in_whole_is_split_and_that_is_remembered() -> None:
    async def main() -> None:
        async with bench(unit={"apart": True}) as b:
            log = b.unit.since(0)
            at = log.index("get C7 DA 88")
            assert log[at + 1 : at + 4] == ["get C7", "get DA", "get 88"]
            assert b.evse.observed.reachable
            assert b.evse.observed.plug is Plug.YES
            await b.seconds(600)
            assert b.unit.since(0).count("get C7 DA 88") == 1
            assert b.unit.since(0).count("get C7") >= 3

    run_virtual(main())


@pytest.mark.covers("AIF-2.4.4-1")
def test_half_an_answer_is_completed_property_by_property() -> None:
    async def main() -> None:
        async with bench(unit={"halving": True}) as b:
            assert b.evse.view().facts.keys() >= {0x82, 0x9D, 0x9E, 0x9F, PLUG, MODE, POWER, ENERGY}
            assert b.evse.observed.reachable

    run_virtual(main())


@pytest.mark.covers("AIF-2.4.6-1", "AIF-3.2-3")
def test_refused_property_is_unknown_and_asked_as_one_request() -> None:
    async def main() -> None:
        async with bench(unit={"sna": {POWER, ENERGY}}) as b:
            await b.seconds(130)
            log = b.unit.since(0)
            assert b.evse.observed.power is None
            assert log.count("get D3 D8") == 3
            assert log.count("get D3") == 1

    run_virtual(main())


# Loss and return


@pytest.mark.covers("AIF-3.2.1-1", "CEL-3.3")
def test_lost_notification_is_made_good_by_polling() -> None:
    async def main() -> None:
        async with bench(unit={"values": {PLUG: FREE}}) as b:
            assert b.evse.observed.connector is Connector.AVAILABLE
            b.unit.change(PLUG, BOTH, tell=False)
            await b.seconds(181)
            assert b.evse.observed.connector is Connector.OCCUPIED

    run_virtual(main())


@pytest.mark.covers("CEL-3.2", "CEL-3.9", "CEL-3.3")
def test_notification_is_told_at_once() -> None:
    async def main() -> None:
        async with bench(unit={"values": {PLUG: FREE}}) as b:
            b.unit.change(PLUG, BOTH)
            assert b.evse.observed.connector is Connector.OCCUPIED
            b.unit.change(PLUG, FREE)
            assert b.evse.observed.connector is Connector.AVAILABLE
            assert b.heard[-1][0] == b.clock.monotonic()

    run_virtual(main())


def test_silent_unit_is_lost_then_unavailable_and_comes_back() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE)
            await b.seconds(30)
            b.unit.dead = True
            await b.seconds(51)
            assert not b.evse.observed.reachable
            assert b.evse.observed.power.source is Source.LAST_KNOWN
            assert b.evse.observed.connector is Connector.OCCUPIED
            await b.seconds(20)
            assert b.evse.observed.connector is Connector.UNAVAILABLE
            assert b.evse.refusal(Mode.CHARGE) == "the unit does not answer"
            b.unit.change(MODE, STANDBY, tell=False)  # it rebooted
            b.unit.dead = False
            b.unit.tell(PLUG)
            await b.seconds(60)
            assert b.evse.observed.reachable
            assert b.evse.observed.connector is Connector.OCCUPIED
            assert b.unit.values[MODE] == CHARGE
            assert b.evse.observed.confirmed

    run_virtual(main())


def test_unit_that_never_answers_is_searched_at_growing_intervals() -> None:
    async def main() -> None:
        async with bench(unit={"dead": True}) as b:
            b.want(Mode.CHARGE)
            await b.seconds(3600)
            times = [sent.at for sent in b.unit.log]
            gaps = [later - sooner for sooner, later in itertools.pairwise(times)]
            assert gaps[0] <= 26_000
            assert all(sooner <= later + 10 for sooner, later in itertools.pairwise(gaps))
            assert gaps[-1] <= 330_000
            assert b.evse.observed.connector is Connector.UNAVAILABLE
            assert b.unit.writes == []

    run_virtual(main())


def test_address_may_come_later_and_may_change() -> None:
    async def main() -> None:
        async with bench(address=None) as b:
            assert b.unit.log == []
            b.runner.found("192.0.2.99")
            await b.seconds(1)
            b.runner.found(ADDRESS)
            await b.seconds(5)
            assert b.evse.observed.reachable

    run_virtual(main())


def test_unit_that_is_never_found_is_unavailable() -> None:
    async def main() -> None:
        async with bench(address=None) as b:
            b.want(Mode.STOP)
            await b.seconds(70)
            assert b.evse.observed.connector is Connector.UNAVAILABLE
            assert b.evse.refusal(Mode.CHARGE) == "the unit does not answer"
            assert b.unit.log == []

    run_virtual(main())


# Other hands


@pytest.mark.covers("AIF-1-2")
def test_local_stop_is_told_and_respected_until_it_is_wanted_anew() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE)
            await b.seconds(30)
            b.unit.change(MODE, STANDBY)
            await b.seconds(300)
            assert b.kinds == [HappeningKind.CONFIRMED, HappeningKind.LOCAL_STOP]
            assert b.unit.writes == ["DA=42"]
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(30)
            assert b.unit.values[MODE] == STANDBY
            b.want(Mode.CHARGE, charge_bound=3_000_000, occasion=1)
            await b.seconds(30)
            assert b.unit.values[MODE] == CHARGE

    run_virtual(main())


@pytest.mark.covers("AIF-1-2")
@pytest.mark.parametrize("mode", [Mode.STOP, Mode.PAUSE])
def test_local_start_against_a_stop_or_pause_is_told_and_undone(mode: Mode) -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(mode)
            await b.seconds(30)
            b.unit.change(MODE, CHARGE)
            await b.seconds(5)
            assert b.kinds[-1] is HappeningKind.LOCAL_START
            assert b.unit.writes == ["DA=47" if mode is Mode.STOP else "DA=44"]
            assert b.evse.observed.confirmed

    run_virtual(main())


@pytest.mark.covers("AIF-1-2")
def test_local_start_and_stop_with_hands_off_are_told_and_left() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.HANDS_OFF)
            b.unit.change(MODE, CHARGE)
            await b.seconds(60)
            b.unit.change(MODE, STANDBY)
            await b.seconds(60)
            assert b.kinds == [HappeningKind.LOCAL_START, HappeningKind.LOCAL_STOP]
            assert b.unit.writes == []

    run_virtual(main())


@pytest.mark.covers("AIF-1-2")
def test_controller_that_keeps_starting_against_a_pause_makes_the_unit_contested() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.PAUSE)
            await b.seconds(30)
            for _ in range(3):
                b.unit.change(MODE, CHARGE)
                await b.seconds(60)
                assert b.unit.values[MODE] == STANDBY  # a limit of zero is in force: stops go on
            assert b.kinds.count(HappeningKind.CONTESTED) == 1
            b.want(Mode.CHARGE)
            await b.seconds(600)
            assert b.unit.values[MODE] == STANDBY
            assert "contests" in b.evse.observed.trouble
            await b.seconds(1500)
            assert b.unit.values[MODE] == CHARGE

    run_virtual(main())


def test_lower_foreign_limit_is_told_and_left_a_higher_one_is_not() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(30)
            mark = len(b.unit.writes)
            b.unit.change(LIMIT, limit(1_000_000))
            await b.seconds(120)
            assert b.happened[-1].kind is HappeningKind.FOREIGN_LIMIT
            assert b.happened[-1].value == 1_000_000
            assert b.unit.writes[mark:] == []
            b.unit.change(LIMIT, limit(5_000_000))
            await b.seconds(1)
            assert b.unit.writes[mark:] == ["EB=00000BB8"]

    run_virtual(main())


def test_clamped_setting_is_nobodys_limit() -> None:
    async def main() -> None:
        async with bench(unit={"clamp": 2_000_000}) as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(60)
            assert HappeningKind.FOREIGN_LIMIT not in b.kinds

    run_virtual(main())


@pytest.mark.covers("CEL-3.7-3")
def test_settings_are_verified_again_at_every_plug_in() -> None:
    async def main() -> None:
        async with bench() as b:
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(30)
            b.unit.change(MODE, STANDBY)
            b.unit.change(PLUG, FREE)
            b.unit.change(LIMIT, limit(6_000_000), tell=False)
            await b.seconds(5)
            mark = len(b.unit.log)
            b.unit.change(PLUG, BOTH)
            await b.seconds(15)
            log = b.unit.acts(mark)
            assert "set EB=00000BB8" in log
            assert log.index("set EB=00000BB8") < log.index("set DA=42")

    run_virtual(main())


# Control


def test_dry_run_writes_nothing_and_announces_each_write_once() -> None:
    async def main() -> None:
        async with bench(control=Control.DRY_RUN) as b:
            announced: list[tuple[str, bool]] = []
            b.evse.watch_writes(lambda step, dry: announced.append((step.text, dry)))
            b.want(Mode.CHARGE, charge_bound=3_000_000)
            await b.seconds(3600)
            assert b.unit.writes == []
            assert announced == [("chargingMethod", True), ("limit=3000000", True), ("operationMode=charge", True)]
            b.want(Mode.STOP)
            await b.seconds(3600)
            assert b.unit.writes == []

    run_virtual(main())


def test_observe_never_writes_and_refuses_everything() -> None:
    async def main() -> None:
        async with bench(control=Control.OBSERVE) as b:
            b.want(Mode.CHARGE)
            await b.seconds(60)
            b.want(Mode.STOP)
            await b.seconds(60)
            assert b.unit.writes == []
            assert "observe" in b.evse.refusal(Mode.CHARGE)

    run_virtual(main())


def test_hands_off_writes_nothing_and_nothing_is_written_before_the_first_wish() -> None:
    async def main() -> None:
        async with bench(unit={"values": {MODE: CHARGE}}) as b:
            await b.seconds(60)
            b.evse.want(Wanted(Mode.HANDS_OFF))
            await b.seconds(60)
            assert b.unit.writes == []

    run_virtual(main())


def test_wish_for_an_unread_unit_waits_until_it_is_read() -> None:
    async def main() -> None:
        async with bench(settle=False) as b:
            b.want(Mode.CHARGE)
            await b.seconds(10)
            assert b.unit.since(0)[0] == "get 82 9D 9E 9F"
            assert b.unit.writes == ["DA=42"]

    run_virtual(main())


def test_polling_is_frequent_while_energy_flows_and_rare_otherwise() -> None:
    async def main() -> None:
        async with bench(FakeTable(active=5_000, idle=50_000)) as b:
            await b.seconds(200)
            rare = b.unit.since(0).count("get D3 D8")
            b.want(Mode.CHARGE)
            await b.seconds(200)
            often = b.unit.since(0).count("get D3 D8") - rare
            assert 4 <= rare <= 6
            assert 38 <= often <= 70  # more often still just after the write

    run_virtual(main())


def test_station_that_wants_something_from_within_the_listener_is_obeyed() -> None:
    async def main() -> None:
        async with bench(unit={"values": {PLUG: FREE}}) as b:

            def start_when_plugged(observed, happenings) -> None:  # type: ignore[no-untyped-def]
                if observed.plug is Plug.YES:
                    b.want(Mode.CHARGE)

            b.evse.listen(start_when_plugged)
            b.unit.change(PLUG, BOTH, tell=False)
            await b.seconds(190)
            assert b.unit.writes == ["DA=42"]
            assert b.evse.observed.confirmed

    run_virtual(main())
