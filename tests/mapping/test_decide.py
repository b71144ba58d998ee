"""What the shipped table says about a unit: always one answer, and the one that the decision tables give."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.echonet.dictionary import RELEASES
from bridge.evse import (
    Amount,
    ChargingState,
    Connector,
    Fault,
    HappeningKind,
    Mode,
    Plug,
    Reading,
    Source,
    Urgency,
    Wanted,
)
from bridge.mapping.decision import Ask, Decision, Fact, Measures, Recipe, Refusal, View
from tests.tools.mapping_views import EVERYTHING, NOW, facts, frames, table, view, wanted

CLASSES = pytest.mark.parametrize("code", [0x027E, 0x02A1], ids=hex)
ROWS = {
    code: {
        "plug": {row.id for row in table(code).plug_rows},
        "connector": {row.id for row in table(code).status_rows},
        "charging_state": {row.id for row in table(code).charging_rows},
    }
    for code in (0x027E, 0x02A1)
}
EPCS = sorted({prop.epc for prop in table().device.all_properties} | {0xF0})
FACTS = st.dictionaries(
    st.sampled_from(EPCS),
    st.builds(
        Fact,
        st.one_of(st.binary(max_size=9), st.sampled_from([bytes((code,)) for code in range(0x30, 0x54)])),
        st.integers(0, NOW),
        st.booleans(),
    ),
    max_size=25,
)
CODES = st.frozensets(st.sampled_from(EPCS))
READINGS = st.builds(Reading, st.integers(-(10**9), 10**9), st.integers(0, NOW), st.sampled_from(Source))
MEASURES = st.one_of(
    st.none(), st.builds(Measures, power=READINGS, current=READINGS, energy_in=READINGS, energy_out=READINGS)
)
AMOUNTS = st.builds(Amount, st.just("a"), st.one_of(st.none(), st.integers(0, 10**13)), st.none())
VIEWS = st.builds(
    View,
    now=st.just(NOW),
    release=st.sampled_from(["", *RELEASES, "O", "S"]),
    facts=FACTS,
    refused=CODES,
    gettable=CODES,
    settable=CODES,
    announced=CODES,
    reachable=st.booleans(),
    lost_for=st.sampled_from([0, 1, 59_999, 60_000]),
    wanted=st.builds(
        Wanted,
        st.sampled_from(Mode),
        st.one_of(st.none(), st.integers(-(10**13), 10**13)),
        st.one_of(st.none(), st.integers(0, 10**13)),
        st.one_of(st.none(), st.integers(0, 10**13)),
        st.one_of(st.none(), AMOUNTS),
        st.sampled_from(Urgency),
        st.booleans(),
        st.booleans(),
    ),
    confirmed=st.booleans(),
    contested=st.booleans(),
    foreign=st.booleans(),
    discharge_allowed=st.booleans(),
    soc_floor=st.integers(0, 100_000),
    wrote=st.dictionaries(st.sampled_from(EPCS), st.integers(0, NOW), max_size=3),
    seen=st.frozensets(st.sampled_from(["plugKnown", "other"])),
    meter=MEASURES,
    from_power=MEASURES,
    from_soc=MEASURES,
    counted=st.integers(0, 10**13),
)


def _id(rule: str) -> str:
    return rule.rpartition(" ")[2]


@CLASSES
@settings(max_examples=500, deadline=None)
@given(VIEWS)
def test_any_view_gets_exactly_one_answer(code: int, unit: View) -> None:
    decision = table(code).decide(unit)
    assert isinstance(decision.plug.value, Plug)
    assert decision.connector.value is None or isinstance(decision.connector.value, Connector)
    assert decision.charging_state.value is None or isinstance(decision.charging_state.value, ChargingState)
    for section, ids in ROWS[code].items():
        assert _id(getattr(decision, section).rule) in ids
    assert isinstance(table(code).recipe(unit), Recipe | Ask | Refusal)
    table(code).confirmed(unit)
    table(code).abilities(unit)
    table(code).polls(unit)
    for mode in Mode:
        table(code).refusal(unit, mode)


@CLASSES
@settings(max_examples=300, deadline=None)
@given(VIEWS)
def test_a_stop_can_always_be_tried(code: int, unit: View) -> None:
    for mode in (Mode.STOP, Mode.PAUSE):
        urgent = replace(unit, wanted=replace(unit.wanted, mode=mode, urgency=Urgency.SAFETY))
        answer = table(code).recipe(urgent)
        assert isinstance(answer, Recipe)
        assert len(answer.steps) == 1
        assert answer.steps[0].epc == 0xDA
        assert answer.attempts == 0


@CLASSES
@settings(max_examples=300, deadline=None)
@given(VIEWS)
def test_nothing_runs_that_is_not_allowed(code: int, unit: View) -> None:
    answer = table(code).recipe(unit)
    if isinstance(answer, Recipe) and answer.mode in (Mode.CHARGE, Mode.DISCHARGE, Mode.AUTO):
        assert unit.wanted.authorized
        assert unit.reachable
        assert unit.release in table(code).device.releases
        assert answer.mode is unit.wanted.mode
    if isinstance(answer, Recipe) and answer.mode in (Mode.DISCHARGE, Mode.AUTO):
        assert code == 0x027E
        assert unit.discharge_allowed
        assert unit.release not in "DEF"


@settings(max_examples=200, deadline=None)
@given(VIEWS, VIEWS, CODES)
def test_local_changes_are_only_told_of_what_others_changed(before: View, after: View, ours: frozenset[int]) -> None:
    for change in table().local_changes(before, after, ours):
        assert change.kind in HappeningKind
    assert table().local_changes(before, after, EVERYTHING) == ()
    assert table().local_changes(after, after, frozenset()) == ()


def decide(*told: str, **more: object) -> Decision:
    return table().decide(view(*told, **more))  # type: ignore[arg-type]


# The plug


@pytest.mark.parametrize("kind", ["11", "12", "13"])
@pytest.mark.parametrize(
    ("status", "seen", "plug"), [("30", False, "blind"), ("30", True, "no"), ("FF", True, "blind")]
)
def test_ac_units_are_blind_until_they_have_seen_a_vehicle(kind: str, status: str, seen: bool, plug: str) -> None:
    known = frozenset({"plugKnown"}) if seen else frozenset()
    assert decide(f"CC={kind}", f"C7={status}", seen=known).plug.value == plug


def test_that_a_vehicle_was_seen_is_handed_back() -> None:
    assert decide("CC=11", "C7=41").seen == {"plugKnown"}
    assert decide("CC=32", "C7=41").seen == frozenset()


@pytest.mark.parametrize(
    ("release", "status", "plug"),
    [
        ("F", "30", "no"),
        ("F", "FF", "undetermined"),
        ("G", "FF", "undetermined"),
        ("I", "44", "undetermined"),
        ("J", "44", "yes"),
        ("R", "99", "undetermined"),
        *(("P", code, "yes") for code in ("40", "41", "42", "43", "44")),
    ],
)
def test_units_that_see_the_vehicle(release: str, status: str, plug: str) -> None:
    assert decide("CC=32", f"C7={status}", release=release).plug.value == plug


# Connector and charging state


def test_a_lost_unit_keeps_its_status_for_a_minute() -> None:
    assert decide("C7=30", reachable=False, lost_for=59_999).connector.value is None
    assert decide("C7=30", reachable=False, lost_for=60_000).connector.value is Connector.UNAVAILABLE


def test_an_undetermined_plug_never_makes_the_status_jump() -> None:
    unsure = decide("C7=FF", "DA=42", wanted=Wanted())
    assert unsure.connector.value is None
    assert unsure.connector.at_boot is Connector.OCCUPIED
    assert decide("C7=FF", "DA=47", wanted=Wanted()).connector.at_boot is Connector.AVAILABLE


@pytest.mark.parametrize(
    ("watts", "flowing"), [("00000064", True), ("00000063", False), ("FFFFFF9C", True), (None, None)]
)
def test_power_flows_from_the_threshold_on_in_either_direction(watts: str | None, flowing: bool | None) -> None:
    told = (f"D3={watts}",) if watts else ()
    assert decide("C7=43", *told).flowing is flowing


def test_no_power_is_told_only_after_ten_seconds() -> None:
    answer = decide("C7=43", "DA=42", "D3=00000000", wanted=wanted(Mode.CHARGE), confirmed=True).charging_state
    assert (answer.value, answer.hold) == (ChargingState.SUSPENDED_EV, 10_000)


def test_power_that_flows_unauthorized_is_told_all_the_same() -> None:
    state = decide("C7=43", "DA=42", "D3=00000BB8", wanted=Wanted()).charging_state.value
    assert state is ChargingState.CHARGING


def test_a_fault_is_told_with_what_describes_it() -> None:
    assert decide("88=41", "89=003C").fault == Fault("003C", "component")
    assert decide("88=41", "86=0102").fault == Fault("0102", "")
    assert decide("88=41").fault == Fault("fault", "")
    assert decide("88=42", "89=003C").fault is None


def test_chademo_units_are_asked_while_they_do_not_tell() -> None:
    ask = decide("CC=21", "C7=FF", "DA=47").ask
    assert ask is not None
    assert (ask.step.epc, ask.step.edt, ask.then) == (0xCD, b"\x10", (0xC7,))
    assert decide("CC=21", "C7=30").ask is None
    assert decide("CC=32", "C7=FF").ask is None


# Measures


def test_measures_have_signs_units_and_sources() -> None:
    unit = view("D3=FFFFF830", "D4=FFCE", "D5=015E", "D8=00000007", "D6=00000009", "E4=50", "C7=43")
    measures = table().decide(unit).measures
    values = (measures.power, measures.current, measures.voltage, measures.energy_in, measures.energy_out, measures.soc)
    assert [reading.value for reading in values if reading] == [-2_000_000, -5_000, 350_000, 7_000, 9_000, 80_000]
    assert measures.power is not None
    assert (measures.power.source, measures.power.origin) == (Source.READ, "instantaneousElectricPower")
    notified = table().decide(replace(unit, facts=facts("D3=00000001", notified=True))).measures.power
    assert notified is not None
    assert notified.source is Source.NOTIFIED
    stale = table().decide(replace(unit, reachable=False)).measures.power
    assert stale is not None
    assert stale.source is Source.LAST_KNOWN


@pytest.mark.parametrize(
    ("told", "soc"),
    [
        (("E2=00003A98", "D0=00004E20"), 75_000),
        (("E4=32", "E2=00003A98", "D0=00004E20"), 50_000),
        (("E2=00003A98",), None),
        (("E2=00003A98", "D0=00000000"), None),
        (("E2=00004E21", "D0=00004E20"), None),
        (("E4=FF",), None),
        (("E4=65",), None),
    ],
)
def test_the_state_of_charge_has_a_fallback(told: tuple[str, ...], soc: int | None) -> None:
    reading = decide(*told).measures.soc
    assert (reading.value if reading else None) == soc


@pytest.mark.covers("AIF-2.3-6")
@pytest.mark.parametrize(
    ("told", "identity"),
    [
        (("C7=43", "E6=0341424300"), "ABC"),
        (("C7=43", "E6=00"), None),
        (("C7=43", "E6=020102"), "0102"),
        (("C7=30", "E6=03414243"), None),
        (("C7=FF", "E6=03414243"), None),
    ],
)
def test_a_vehicle_has_an_id_only_while_it_is_there(told: tuple[str, ...], identity: str | None) -> None:
    assert decide("CC=32", *told).measures.vehicle_id == identity


def test_what_was_granted() -> None:
    offered = decide("C7=43", "DA=42", "DC=03", "EB=00000BB8").measures.offered
    assert offered is not None
    assert offered.value == 3_000_000
    offered = decide("C7=43", "DA=43", "DD=03", "EC=00000BB8").measures.offered
    assert offered is not None
    assert offered.value == -3_000_000
    assert decide("C7=43", "DA=42", "DC=02", "EB=00000BB8").measures.offered is None


# Local changes


def changes(before: list[str], after: list[str], *ours: int, **more: object) -> list[tuple[HappeningKind, int | None]]:
    first, second = (view("CC=32", "C7=43", *told, **more) for told in (before, after))  # type: ignore[arg-type]
    return [(change.kind, change.value) for change in table().local_changes(first, second, frozenset(ours))]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("44", "42", HappeningKind.LOCAL_START),
        ("42", "43", HappeningKind.LOCAL_START),
        ("44", "49", HappeningKind.LOCAL_START),
        ("42", "47", HappeningKind.LOCAL_STOP),
        ("43", "44", HappeningKind.LOCAL_STOP),
        ("44", "47", None),
        ("42", "40", None),
    ],
)
def test_modes_set_by_others(before: str, after: str, kind: HappeningKind | None) -> None:
    expected = [(kind, None)] if kind else []
    assert changes([f"DA={before}"], [f"DA={after}"]) == expected
    assert changes([f"DA={before}"], [f"DA={after}"], 0xDA) == []
    assert changes([], [f"DA={after}"]) == []


def test_a_full_battery_is_no_local_stop() -> None:
    told = {"wanted": wanted(Mode.CHARGE)}
    assert changes(["DA=42"], ["DA=44", "CF=00000000"], **told) == []
    assert changes(["DA=42"], ["DA=44", "E4=64"], **told) == []
    assert changes(["DA=42"], ["DA=44", "CF=00000001"], **told) == [(HappeningKind.LOCAL_STOP, None)]


def test_limits_set_by_others() -> None:
    assert changes(["EB=00000BB8"], ["EB=000007D0"]) == [(HappeningKind.FOREIGN_LIMIT, 2_000_000)]
    assert changes(["EC=00000BB8"], ["EC=000007D0"]) == [(HappeningKind.FOREIGN_LIMIT, -2_000_000)]
    assert changes(["EB=000007D0"], ["EB=00000BB8"]) == [(HappeningKind.FOREIGN_LIMIT_CLEARED, 3_000_000)]
    assert changes(["ED=0064"], ["ED=000A"]) == [(HappeningKind.FOREIGN_LIMIT, 450_000)]
    assert changes(["EB=00000BB8"], ["EB=000007D0"], 0xEB) == []
    assert changes(["EB=FFFFFFFF"], ["EB=000007D0"]) == []


# What else a charger asks


@pytest.mark.parametrize(
    ("edt", "letter"),
    [
        ("00005000", "P"),
        ("00005101", "Q"),
        ("00004400", "D"),
        ("00004300", ""),
        ("00004F00", ""),
        ("00005300", ""),
        ("0000", ""),
        ("", ""),
    ],
)
def test_release_of_a_unit(edt: str, letter: str) -> None:
    assert table().release(bytes.fromhex(edt)) == letter


def test_polls_hold_what_the_unit_lets_be_read() -> None:
    plan = table().polls(view(gettable=frozenset({0xC7, 0xDA, 0xE4})))
    assert {epc for group in plan for epc in group.epcs} == {0xC7, 0xDA, 0xE4}
    required = {epc for group in table().polls(view(gettable=frozenset())) for epc in group.epcs}
    assert {0x88, 0xC7, 0xDA, 0xDC, 0xDD, 0xE4} <= required
    assert not required & {0xEB, 0xD3, 0xE1}


def test_the_charge_level_is_asked_for_often_enough_for_the_floor() -> None:
    battery = next(group for group in table().poll_groups if 0xE4 in group.epcs)
    assert max(battery.active, battery.idle, battery.announced) < 60_000


def test_abilities() -> None:
    able = table().abilities(view("C5=00001770", "C6=00001388", "C8=000003E800000FA0", "CC=32"))
    assert (able.charge_max, able.discharge_max) == (4_000_000, 5_000_000)
    assert able.charge_adjustable
    assert able.discharge_adjustable
    assert able.direct_current
    assert able.modes == frozenset(Mode)
    plain = table().abilities(view("C5=00001770", "CC=11", settable=frozenset({0xDA})))
    assert not plain.charge_adjustable
    assert not plain.direct_current
    assert plain.discharge_max == 0
    assert plain.modes == {Mode.CHARGE, Mode.PAUSE, Mode.STOP, Mode.HANDS_OFF}


@pytest.mark.parametrize(
    ("epc", "edt", "text"),
    [
        (0xDA, "42", "operationMode=charge"),
        (0xDA, "", "operationMode"),
        (0xDA, "99", "operationMode=0x99"),
        (0xEB, "00000BB8", "chargingElectricPower=3000 W"),
        (0xC8, "000003E8FFFFFFFF", "minimumAndMaximumChargingElectricPower=1000 W, Special.OVERFLOW"),
        (0xE6, "00", "vehicleId=none"),
        (0xF0, "01", "F0=0x01"),
    ],
)
def test_descriptions(epc: int, edt: str, text: str) -> None:
    assert table().describe(epc, bytes.fromhex(edt), "P") == text


def test_attributes_are_read_in_requests_of_the_documents() -> None:
    assert set(table().attributes[0]) == {0x83, 0xC5, 0xC6, 0xC8, 0xC9, 0xCA, 0xCB, 0xCC}
    assert all(len(request) <= table().max_opc == 8 for request in table().attributes)


def test_answers_name_the_line_that_decided() -> None:
    decision = decide("C7=43")
    assert decision.connector.rule.startswith("mappings/tables/0x027E.yaml:")
    assert frames(table().recipe(view("C7=43", wanted=wanted(Mode.PAUSE)))) == ["DA=44"]
