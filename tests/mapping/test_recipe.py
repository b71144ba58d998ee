"""Recipes: what goes out for each setpoint, release by release, and that no write leaves its range."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.echonet.dictionary import RELEASES
from bridge.evse import Amount, Mode, Urgency
from bridge.mapping.decision import Ask, Recipe, Refusal, View
from tests.tools.mapping_views import EVERYTHING, NOW, facts, frames, table, view, wanted

ALL = RELEASES[RELEASES.index("D") :]
OLD, MIDDLE, N, NEW = "DEF", "GHIJKLM", "N", "PQR"
CHARGE = wanted(Mode.CHARGE, 3_000_000)
DISCHARGE = wanted(Mode.DISCHARGE, -3_000_000)
PLUGGED = ("C7=43", "DA=44", "88=42", "CC=32", "E4=50")


def ask(release: str, setpoint: Mode, target: int | None = None, *more: str) -> Recipe | Ask | Refusal:
    return table().recipe(view(*PLUGGED, *more, release=release, wanted=wanted(setpoint, target)))


# Decision tables, C: one column after the other


@pytest.mark.parametrize("release", OLD + MIDDLE)
def test_charge_before_methods_existed(release: str) -> None:
    assert frames(ask(release, Mode.CHARGE, 3_000_000)) == ["EB=00000BB8", "DA=42"]


@pytest.mark.parametrize("release", N + NEW)
def test_charge_with_a_method(release: str) -> None:
    assert frames(ask(release, Mode.CHARGE, 3_000_000, "DC=06")) == ["DC=03", "EB=00000BB8", "DA=42"]


@pytest.mark.parametrize("release", OLD)
def test_old_units_do_not_discharge(release: str) -> None:
    answer = ask(release, Mode.DISCHARGE, -3_000_000)
    assert isinstance(answer, Refusal)
    assert "overlay" in answer.reason


@pytest.mark.parametrize("release", MIDDLE)
def test_discharge_before_methods_existed(release: str) -> None:
    assert frames(ask(release, Mode.DISCHARGE, -3_000_000)) == ["EC=00000BB8", "DA=43"]


@pytest.mark.parametrize("release", N + NEW)
def test_discharge_with_a_method(release: str) -> None:
    assert frames(ask(release, Mode.DISCHARGE, -3_000_000)) == ["DD=03", "EC=00000BB8", "DA=43"]


@pytest.mark.parametrize("release", ALL)
def test_pause_and_stop(release: str) -> None:
    pause, stop = ask(release, Mode.PAUSE), ask(release, Mode.STOP)
    assert isinstance(pause, Recipe)
    assert isinstance(stop, Recipe)
    old = release in OLD
    assert frames(pause) == ["DA=44"]
    assert [step.edt.hex() for step in pause.otherwise] == ([] if old else ["47"])
    assert frames(stop) == (["DA=44"] if old else ["DA=47"])
    assert [step.edt.hex() for step in stop.otherwise] == ([] if old else ["44"])
    assert pause.attempts == stop.attempts == 0


@pytest.mark.parametrize(("releases", "expected"), [(OLD + MIDDLE, None), (N, ["DA=46"]), (NEW, ["DA=49"])])
def test_automatic(releases: str, expected: list[str] | None) -> None:
    for release in releases:
        answer = ask(release, Mode.AUTO)
        if expected is None:
            assert isinstance(answer, Refusal)
        else:
            assert frames(answer) == expected


def test_current_settings_are_second() -> None:
    settable = frozenset({0xDA, 0xDC, 0xDD, 0xED, 0xEE})
    base = view(*PLUGGED, settable=settable)
    assert frames(table().recipe(replace(base, wanted=CHARGE))) == ["DC=04", "ED=0042", "DA=42"]
    assert frames(table().recipe(replace(base, wanted=DISCHARGE))) == ["DD=04", "EE=0042", "DA=43"]


@pytest.mark.parametrize(
    ("method", "expected"),
    [("03", ["EB=00000BB8", "DA=42"]), ("04", ["ED=0042", "DA=42"]), ("01", ["DA=44"]), ("", ["DA=44"])],
)
def test_a_method_that_cannot_be_set_says_which_setting_governs(method: str, expected: list[str]) -> None:
    told = (f"DC={method}",) if method else ()
    unit = view(*PLUGGED, *told, "C5=00001770", settable=frozenset({0xDA, 0xEB, 0xED}), wanted=CHARGE)
    assert frames(table().recipe(unit)) == expected


def test_settings_that_cannot_be_read_back_are_not_used() -> None:
    unit = view(*PLUGGED, "C5=00000BB8", gettable=EVERYTHING - {0xEB, 0xED}, wanted=CHARGE)
    assert frames(table().recipe(unit)) == ["DA=42"]


# Gates


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("88=41", "fault"),
        ("DB=01", "house"),
        ("C7=30", "no vehicle"),
        ("C7=40", "no vehicle"),
        ("C7=42", "no vehicle"),
        ("C7=FF", "no vehicle"),
        ("CC=23", "only discharges"),
        ("CC=33", "only discharges"),
        ("CC=43", "only discharges"),
        ("CC=53", "only discharges"),
    ],
)
def test_gates_of_charging(frame: str, reason: str) -> None:
    answer = table().recipe(view(*PLUGGED, frame, wanted=CHARGE))
    assert isinstance(answer, Refusal)
    assert reason in answer.reason
    assert "mappings/tables/0x027E.yaml:" in answer.rule


@pytest.mark.parametrize("kind", ["11", "12", "13"])
@pytest.mark.parametrize("status", ["30", "FF"])
@pytest.mark.covers("AIF-3.2.1-2")
def test_ac_units_are_tried_though_they_see_no_vehicle(kind: str, status: str) -> None:
    answer = table().recipe(view(f"CC={kind}", f"C7={status}", "C5=00001770", wanted=CHARGE))
    assert isinstance(answer, Recipe)
    assert answer.mode is Mode.CHARGE


@pytest.mark.parametrize("kind", ["21", "22"])
@pytest.mark.covers("AIF-3.2.1-3")
def test_chademo_units_are_asked_first(kind: str) -> None:
    answer = table().recipe(view(f"CC={kind}", "C7=FF", wanted=CHARGE))
    assert isinstance(answer, Ask)
    assert (answer.step.epc, answer.step.edt) == (0xCD, b"\x10")
    assert answer.then == (0xC7,)
    assert answer.pause == 30_000


@pytest.mark.parametrize("kind", ["11", "12", "21", "31", "41", "51"])
def test_types_that_do_not_discharge(kind: str) -> None:
    assert isinstance(table().recipe(view(*PLUGGED, f"CC={kind}", wanted=DISCHARGE)), Refusal)


@pytest.mark.parametrize("kind", ["13", "22", "23", "32", "33", "42", "43", "52", "53"])
def test_types_that_discharge(kind: str) -> None:
    assert frames(table().recipe(view(*PLUGGED, f"CC={kind}", wanted=DISCHARGE)))[-1] == "DA=43"


@pytest.mark.parametrize("status", ["30", "40", "41", "44", "FF"])
def test_discharge_only_where_the_vehicle_is_known_to_allow_it(status: str) -> None:
    assert not isinstance(table().recipe(view(*PLUGGED, f"C7={status}", wanted=DISCHARGE)), Recipe)


@pytest.mark.parametrize(
    ("level", "mode", "possible"),
    [("14", "44", False), ("16", "44", False), ("17", "44", True), ("14", "43", False), ("15", "43", True)],
)
def test_the_floor_has_a_hysteresis(level: str, mode: str, possible: bool) -> None:
    answer = table().recipe(view(*PLUGGED, f"E4={level}", f"DA={mode}", wanted=DISCHARGE))
    assert isinstance(answer, Recipe) is possible


def test_the_floor_needs_a_fresh_get() -> None:
    base = view("C7=43", "DA=44", "CC=32", wanted=DISCHARGE)
    for level in (facts("E4=50", at=NOW - 60_001), facts("E4=50", notified=True), {}):
        answer = table().recipe(replace(base, facts={**base.facts, **level}))
        assert isinstance(answer, Refusal)
        assert set(answer.read) == {0xE4, 0xE2, 0xD0}
    both = {**base.facts, **facts("E4=50", at=NOW - 60_001), **facts("E2=00000064", "D0=000000C8")}
    assert isinstance(table().recipe(replace(base, facts=both)), Recipe)


def test_nothing_of_the_house_is_switched_off_but_for_safety() -> None:
    unit = view("DA=43", "DB=01", "C7=43")
    for mode in (Mode.CHARGE, Mode.DISCHARGE, Mode.PAUSE, Mode.STOP):
        assert isinstance(table().recipe(replace(unit, wanted=wanted(mode))), Refusal)
    urgent = replace(unit, wanted=wanted(Mode.STOP, urgency=Urgency.SAFETY))
    assert frames(table().recipe(urgent)) == ["DA=47"]


def test_energy_needs_a_fresh_look() -> None:
    charge, discharge = (table().recipe(view(*PLUGGED, wanted=w)) for w in (CHARGE, DISCHARGE))
    assert isinstance(charge, Recipe)
    assert isinstance(discharge, Recipe)
    assert 0xC7 in charge.fresh
    assert {0xC7, 0xE4} <= set(discharge.fresh)


def test_directions_change_over_a_pause() -> None:
    for frame, target in (("DA=43", CHARGE), ("D3=FFFFF830", CHARGE), ("DA=42", DISCHARGE), ("D3=00000BB8", DISCHARGE)):
        answer = table().recipe(view(*PLUGGED, frame, wanted=target))
        assert isinstance(answer, Recipe)
        assert answer.mode is Mode.PAUSE


def test_hands_off_writes_nothing() -> None:
    unit = view(*PLUGGED, wanted=wanted(Mode.HANDS_OFF))
    assert frames(table().recipe(unit)) == []
    assert table().confirmed(unit)


@pytest.mark.parametrize("release", ["", "S"])
def test_of_an_unknown_release_only_a_stop_is_left(release: str) -> None:
    assert isinstance(ask(release, Mode.CHARGE), Refusal)
    assert frames(ask(release, Mode.STOP)) == ["DA=44"]
    assert frames(ask(release, Mode.PAUSE)) == ["DA=44"]


# Known in advance


def test_refusals_that_are_known_before_anything_is_tried() -> None:
    def early(mode: Mode, *more: str, **kwargs: object) -> Refusal | None:
        return table().refusal(view(*PLUGGED, *more, wanted=wanted(Mode.STOP, authorized=False), **kwargs), mode)

    assert early(Mode.CHARGE) is None
    assert early(Mode.CHARGE, "C7=30") is None  # a vehicle may still come
    for more in ("C7=40", "C7=42"):
        refused = early(Mode.CHARGE, more)
        assert refused is not None
        assert refused.hold == 60_000
    assert early(Mode.CHARGE, "88=41") is not None
    assert early(Mode.CHARGE, "CC=23") is not None
    assert early(Mode.DISCHARGE, discharge_allowed=False) is not None
    assert early(Mode.DISCHARGE, release="F") is not None
    assert early(Mode.DISCHARGE, "E4=14") is not None
    assert early(Mode.STOP) is None
    assert early(Mode.HANDS_OFF) is None


# Limits


def _edt(answer: Recipe, epc: int) -> int | None:
    return next((int.from_bytes(step.edt, "big") for step in answer.steps if step.epc == epc), None)


def _four(number: int) -> str:
    return number.to_bytes(4, "big").hex()


LIMITS = st.one_of(st.none(), st.integers(-(10**13), 10**13), st.integers(-10_000_000, 10_000_000))
BOUNDS = st.one_of(st.none(), st.integers(0, 10**13), st.integers(0, 10_000_000))
FOUR = st.one_of(st.integers(0, 20_000), st.sampled_from([0xFFFFFFFF, 0xFFFFFFFE, 999_999_999]))
TWO = st.one_of(st.integers(0, 500), st.sampled_from([0xFFFF, 0xFFFE, 32766]))


@pytest.mark.covers("AIF-2.4.5-1")
@settings(max_examples=600, deadline=None)
@given(
    release=st.sampled_from(ALL),
    mode=st.sampled_from([Mode.CHARGE, Mode.DISCHARGE]),
    target=LIMITS,
    bound=BOUNDS,
    rated=FOUR,
    power=st.tuples(FOUR, FOUR),
    current=st.tuples(TWO, TWO),
    volts=st.integers(-32768, 32767),
    watts=st.integers(-10_000, 10_000),
    setting=TWO,
    settable=st.frozensets(st.sampled_from([0xDC, 0xDD, 0xEB, 0xEC, 0xED, 0xEE])),
)
def test_no_limit_makes_a_write_leave_its_range_or_the_limit(
    release: str,
    mode: Mode,
    target: int | None,
    bound: int | None,
    rated: int,
    power: tuple[int, int],
    current: tuple[int, int],
    volts: int,
    watts: int,
    setting: int,
    settable: frozenset[int],
) -> None:
    charging = mode is Mode.CHARGE
    sign = 1 if charging else -1
    told = [f"C5={_four(rated)}", f"C6={_four(rated)}"]
    told += [f"{epc}={_four(power[0])}{_four(power[1])}" for epc in ("C8", "C9")]
    told += [f"{epc}={current[0]:04X}{current[1]:04X}" for epc in ("CA", "CB")]
    told += [f"ED={setting:04X}", f"EE={setting:04X}"]
    told += [f"D3={(sign * abs(watts)) & 0xFFFFFFFF:08X}", f"D5={volts & 0xFFFF:04X}"]
    unit = view(
        *PLUGGED,
        *told,
        release=release,
        settable=settable | {0xDA},
        wanted=wanted(mode, target, charge_bound=bound, discharge_bound=bound),
    )
    answer = table().recipe(unit)
    if isinstance(answer, Refusal):
        assert not charging
        assert release in OLD
        return
    assert isinstance(answer, Recipe)
    _check_steps(answer, unit)
    if answer.mode is Mode.PAUSE:
        return
    asked = [value for value in (None if target is None else target * sign, bound) if value is not None]
    if asked:
        assert answer.target is not None
        assert 0 < answer.target * sign <= min(asked)
    known = [value for value in (rated, power[1]) if value <= 999_999_999]
    minimum = power[0] if power[0] <= 999_999_999 else 0
    setting_w = _edt(answer, 0xEB if charging else 0xEC)
    setting_a = _edt(answer, 0xED if charging else 0xEE)
    if setting_w is not None:
        assert minimum <= setting_w <= min([*known, *(limit // 1000 for limit in asked)])
    elif setting_a is not None:
        least, most = (value if value <= 32766 else None for value in current)
        assert (least or 0) <= setting_a <= (most if most is not None else 65533)
        limit = min([value * 1000 for value in known] + asked)
        measured = volts if abs(watts) >= 100 and 150 <= volts <= 32766 else 450
        voltage = 700 if release in OLD else measured  # which side the current is on is not told before 0xCC
        assert setting_a * voltage * 100 <= limit
    elif asked:
        assert min(asked) >= max(known) * 1000


def _check_steps(answer: Recipe, unit: View) -> None:
    """Each write is allowed in that release, offered by the unit, and means something."""
    properties = table().device.at(unit.release).by_epc
    for step in (*answer.steps, *answer.otherwise):
        assert properties[step.epc].set.possible
        assert step.epc in unit.settable
        assert properties[step.epc].codec.encode(properties[step.epc].codec.decode(step.edt)) == step.edt


def test_currents_are_left_alone_within_a_tolerance() -> None:
    base = ("DC=04", "D3=00000BB8", "DA=42")
    for setting, expected in (("0055", []), ("0050", []), ("004F", ["ED=0055"]), ("0056", ["ED=0055"])):
        unit = view(*PLUGGED, *base, "D5=015E", f"ED={setting}", settable=frozenset({0xDA, 0xDC, 0xED}), wanted=CHARGE)
        answer = table().recipe(unit)
        assert isinstance(answer, Recipe)
        assert [f for f in frames(answer) if f.startswith("ED") and f != f"ED={setting}"] == expected


# Confirmation


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["DA=42", "D3=00000BB8"], True),
        (["DA=42", "E1=42"], True),
        (["DA=42"], True),  # neither power nor the actual mode is to be had
        (["DA=42", "D3=00000000"], False),
        (["DA=42", "E1=44"], False),
        (["DA=44", "D3=00000BB8"], False),
    ],
)
def test_charging_is_confirmed_by_the_mode_and_by_what_follows(told: list[str], expected: bool) -> None:
    unit = view("C7=43", "CC=32", "DC=03", "EB=00000BB8", *told, release="Q", wanted=CHARGE)
    assert table().confirmed(unit) is expected


def test_settings_have_to_stand_for_a_confirmation() -> None:
    unit = view("C7=43", "CC=32", "DC=03", "EB=00000BB7", "DA=42", "E1=42", release="Q", wanted=CHARGE)
    assert not table().confirmed(unit)


@pytest.mark.parametrize("setpoint", [Mode.STOP, Mode.PAUSE])
@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (["DA=44"], True),
        (["DA=47"], True),
        (["DA=47", "D3=00000BB8"], False),
        (["DA=47", "E1=43"], False),
        (["DA=42"], False),
        (["DA=42", "C7=30"], True),
        (["DA=40"], False),
    ],
)
def test_a_stop_is_confirmed_by_either_mode_while_no_power_flows(
    setpoint: Mode, told: list[str], expected: bool
) -> None:
    unit = view("C7=43", "CC=32", *told, release="Q", wanted=wanted(setpoint))
    assert table().confirmed(unit) is expected


# Amounts (AIF 5.2)


@pytest.mark.covers("AIF-5.2-1")
@settings(max_examples=300, deadline=None)
@given(
    release=st.sampled_from(MIDDLE + N + NEW),
    energy=st.integers(0, 2 * 10**12),
    counted=st.integers(0, 2 * 10**12),
    told=st.one_of(st.none(), st.binary(min_size=1, max_size=5)),
    mode=st.sampled_from(["42", "43", "44", "47"]),
)
def test_the_unit_never_gets_a_bound_above_what_is_left_and_gets_it_before_the_mode(
    release: str, energy: int, counted: int, told: bytes | None, mode: str
) -> None:
    more = [f"EA={told.hex()}"] if told is not None else []
    setpoint = replace(DISCHARGE, amount=Amount("a", energy=energy))
    unit = view("C7=43", "CC=32", "E4=50", f"DA={mode}", *more, release=release, wanted=setpoint, counted=counted)
    answer = table().recipe(unit)
    assert isinstance(answer, Recipe)
    bounds = [step.edt for step in answer.steps if step.epc == 0xEA]
    fits = release >= "J" and (told is None or len(told) == 4)
    starts = mode in ("44", "47")
    left = (energy - counted) // 1000
    if starts and fits and left < 1:
        assert (answer.mode, bounds) == (Mode.PAUSE, [])
    elif starts and fits:
        assert [int.from_bytes(edt, "big") for edt in bounds] == [min(left, 999_999_999)]
        assert [step.epc for step in answer.steps][-2:] == [0xEA, 0xDA]
    else:
        assert bounds == []


@pytest.mark.parametrize("mode", [Mode.CHARGE, Mode.PAUSE, Mode.STOP, Mode.AUTO])
def test_only_a_discharge_has_its_bound_in_the_unit(mode: Mode) -> None:
    setpoint = replace(wanted(mode), amount=Amount("a", energy=10_000_000))
    assert not any(frame.startswith(("EA", "E7")) for frame in frames(table().recipe(view(*PLUGGED, wanted=setpoint))))


def test_an_amount_in_percent_is_not_for_the_unit() -> None:
    setpoint = replace(DISCHARGE, amount=Amount("a", soc=30_000))
    assert frames(table().recipe(view(*PLUGGED, wanted=setpoint))) == ["DD=03", "EC=00000BB8", "DA=43"]


def test_a_bound_that_does_not_stand_is_not_confirmed() -> None:
    setpoint = replace(DISCHARGE, amount=Amount("a", energy=10_000_000))
    before = ("C7=43", "CC=32", "E4=50", "DA=44", "DD=03", "EC=00000BB8")
    assert frames(table().recipe(view(*before, "EA=00002711", wanted=setpoint)))[-2:] == ["EA=00002710", "DA=43"]
    assert not table().confirmed(view(*before, "EA=00002711", wanted=setpoint))
    runs = view(*before[:3], "DA=43", *before[4:], "D3=FFFFF448", "EA=00002710", wanted=setpoint, counted=5_000_000)
    assert table().confirmed(runs)  # the unit counts by itself; writing less now would end it too early
