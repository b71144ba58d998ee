"""What holds for whatever comes: values survive their codecs, no limit is ever passed, and decisions are functions.

Nothing here asks the code under test what a limit should come to: the power that a write allows is worked out from the
bytes that would go out, by the documents (Appendix, AIF 2.4.5, CEL 3.7).
"""

from __future__ import annotations

import hashlib
import os
import random  # noqa: TID251 - seeded
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, time
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.echonet.dictionary import RELEASES, Property
from bridge.echonet.metering import ITEMS, RANGE, START, ChannelListCodec, ScaleCodec
from bridge.echonet.values import (
    ArrayCodec,
    Codec,
    CountedCodec,
    DateCodec,
    IntegerCodec,
    OneOfCodec,
    PropertyValueError,
    Quantity,
    RawCodec,
    ReleaseCodec,
    Special,
    State,
    StateCodec,
    StructCodec,
    TimeCodec,
    Unknown,
)
from bridge.evse import Amount, Mode, Reading, Urgency, Wanted
from bridge.mapping.decision import Ask, Fact, Measures, Recipe, Refusal, View
from bridge.mapping.overlay import OverlaySource
from bridge.mapping.table import TableSource
from tests.tools.random_views import Views
from tests.tools.tables import shipped

MAPPINGS = shipped()
SOURCES: tuple[TableSource, ...] = (*MAPPINGS.sources, *MAPPINGS.overlay_sources)
NOW = 10_000_000


def name_of(source: TableSource) -> str:
    return source.header.id if isinstance(source, OverlaySource) else f"0x{source.table.class_code:04X}"


def releases_of(source: TableSource) -> str:
    """The letters of the units that a table is for."""
    found = source.table.device.releases
    if isinstance(source, OverlaySource):
        found &= source.header.match.release or found
    return "".join(sorted(found))


# Values -----------------------------------------------------------------------------------------------------------

DEFINITIONS = [(device, prop) for device in MAPPINGS.classes.values() for prop in device.properties]
IDS = [f"{device.code:04X}-{prop.name}-{prop.first}{prop.last}" for device, prop in DEFINITIONS]


def values(codec: Codec) -> st.SearchStrategy[Any]:
    """All values that a codec takes."""
    match codec:
        case IntegerCodec():
            ends = st.sampled_from(sorted({codec.minimum, codec.maximum}))
            numbers = ends | st.integers(codec.minimum, codec.maximum)
            return numbers.map(lambda raw: Quantity(raw, codec.unit, codec.numerator, codec.denominator))
        case StateCodec():
            codes = [(name, code) for first, last, name in codec.codes for code in range(first, last + 1)]
            return st.sampled_from(codes).map(lambda each: State(*each))
        case ScaleCodec():
            return st.sampled_from(codec.scales).map(lambda each: Quantity(1, "", *each[1:]))
        case RawCodec():
            return st.binary(min_size=codec.minimum, max_size=min(codec.maximum, 64))
        case ReleaseCodec():
            return st.sampled_from([State(chr(code), code) for code in range(0x41, 0x5B)])
        case DateCodec():
            return st.dates(date(1, 1, 1), date(9999, 12, 31))
        case TimeCodec():
            return st.builds(time, st.integers(0, 23), st.integers(0, 59))
        case CountedCodec():
            return st.binary(max_size=codec.maximum)
        case StructCodec():
            return st.fixed_dictionaries({name: values(part) for name, part in codec.fields})
        case ArrayCodec():
            return st.lists(values(codec.item), max_size=min(codec.maximum, 8)).map(tuple)
        case OneOfCodec():
            return st.one_of([values(option) for option in codec.options])
        case ChannelListCodec():
            return st.lists(values(codec.item), max_size=6).flatmap(lambda items: channel_lists(codec, items))
    raise AssertionError(f"no values are known for {codec}")


def channel_lists(codec: ChannelListCodec, items: list[Any]) -> st.SearchStrategy[Any]:
    starts = values(codec.start)
    empty = values(codec.range).filter(lambda count: not isinstance(count, Quantity) or count.raw == 0)
    counts = st.just(Quantity(len(items))) if items else empty
    return st.builds(lambda start, count: {START: start, RANGE: count, ITEMS: tuple(items)}, starts, counts)


@pytest.mark.parametrize(("device", "prop"), DEFINITIONS, ids=IDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_encoded_is_decoded_to_the_same(device: Any, prop: Property, data: st.DataObject) -> None:
    """In every release that has the definition, by the codec that a unit of that release is read with."""
    value = data.draw(values(prop.codec))
    edt = prop.codec.encode(value)
    for release in prop.releases:
        if release in device.releases:
            assert device.at(release).by_epc[prop.epc].codec.decode(edt) == value


def sizes(codec: Codec) -> st.SearchStrategy[bytes]:
    """Bytes that may be a value: of the right length, mostly."""
    match codec:
        case IntegerCodec(size=size) | StateCodec(size=size):
            return st.binary(min_size=size, max_size=size)
        case StructCodec(sizes=parts):
            return st.binary(min_size=sum(parts), max_size=sum(parts))
        case OneOfCodec(options=options):
            return st.one_of([sizes(option) for option in options])
    return st.binary(max_size=16) | st.binary(min_size=4, max_size=4)


def canonical(codec: Codec, edt: bytes, value: Any) -> bool:
    """Whether this is the one form in which a value is written.

    0x82's revision says nothing about the property, and some units pad a counted text.
    """
    if isinstance(codec, ReleaseCodec):
        return edt[:2] == b"\0\0" and edt[3] == 0
    return len(edt) == edt[0] + 1 if isinstance(codec, CountedCodec) else True


def says_nothing(value: Any) -> bool:
    """Whether something of it is no value: bytes without meaning, or a code for overflow and underflow."""
    if isinstance(value, dict):
        return any(says_nothing(part) for part in value.values())
    return (
        any(says_nothing(part) for part in value) if isinstance(value, tuple) else isinstance(value, Unknown | Special)
    )


@pytest.mark.parametrize(("device", "prop"), DEFINITIONS, ids=IDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_decoded_is_encoded_to_the_same(device: Any, prop: Property, data: st.DataObject) -> None:
    edt = data.draw(sizes(prop.codec))
    value = prop.codec.decode(edt)
    if says_nothing(value):
        if isinstance(value, Unknown | Special):
            with pytest.raises(PropertyValueError):
                prop.codec.encode(value)
    elif canonical(prop.codec, edt, value):
        assert prop.codec.encode(value) == edt


# Limits -----------------------------------------------------------------------------------------------------------

#: By the documents: which property says what, per direction. The signed power (0xE0) governs both.
STATUS, TYPE, MODE, ACTUAL, POWER, VOLTAGE = 0xC7, 0xCC, 0xDA, 0xE1, 0xD3, 0xD5
SIGNED, SOC, FAULT, ENERGY = 0xE0, 0xE4, 0x88, 0xEA
AC = frozenset({0x10, 0x11, 0x12, 0x13})
RUNNING = frozenset({0x41, 0x42, 0x43, 0x46, 0x49})


@dataclass(frozen=True)
class Side:
    """One direction: its sign, and the properties of rated power, ranges, method and settings."""

    sign: int
    rated: int
    power_range: int
    current_range: int
    method: int
    power: int
    current: int
    mode: int


SIDES = {
    Mode.CHARGE: Side(1, 0xC5, 0xC8, 0xCA, 0xDC, 0xEB, 0xED, 0x42),
    Mode.DISCHARGE: Side(-1, 0xC6, 0xC9, 0xCB, 0xDD, 0xEC, 0xEE, 0x43),
}
UNKNOWN = (0xFFFFFFFF, 0xFFFFFFFE)
UNKNOWN_AMPERES = (0xFFFF, 0xFFFE)


def word(number: int) -> bytes:
    return number.to_bytes(4, "big", signed=number < 0)


def short(number: int) -> bytes:
    return number.to_bytes(2, "big")


class Units:
    """Units with a vehicle that mostly may be run, in all sorts of states, and a limit in all sorts of forms."""

    def __init__(self, rng: random.Random, letters: str, types: tuple[int | None, ...]) -> None:
        self.rng = rng
        self.letters = letters
        self.types = types

    def view(self) -> View:
        """The next one."""
        rng = self.rng
        mode = rng.choice([Mode.CHARGE, Mode.CHARGE, Mode.DISCHARGE, Mode.DISCHARGE, Mode.AUTO])
        side = SIDES.get(mode, SIDES[Mode.CHARGE])
        everything = frozenset(range(0x80, 0x100))
        target = self._milliwatts()
        return View(
            now=NOW,
            release=rng.choice(self.letters),
            facts={
                epc: Fact(edt, NOW - rng.choice([0, 0, 0, 0, 59_000, 61_000, 181_000, 201_000]))
                for epc, edt in self._edts(side).items()
                if edt is not None
            },
            refused=self._some([0xEB, 0xEC, 0xED, 0xEE, 0xE0, 0xEA], 2),
            settable=everything - self._some([0xDC, 0xDD, 0xEB, 0xEC, 0xED, 0xEE, 0xE0], 4),
            gettable=everything - self._some([0xEB, 0xEC, 0xED, 0xEE, 0xE0], 2),
            wanted=Wanted(
                mode,
                None if target is None else target * side.sign,
                charge_bound=self._milliwatts(),
                discharge_bound=self._milliwatts(),
                amount=Amount("x", energy=rng.randrange(9_000_000)) if rng.random() < 0.4 else None,
                urgency=rng.choice(list(Urgency)),
                authorized=True,
                in_transaction=True,
            ),
            confirmed=rng.random() < 0.5,
            discharge_allowed=True,
            soc_floor=20_000,
            meter=Measures(power=Reading(rng.randrange(-9_000_000, 9_000_000), NOW)) if rng.random() < 0.2 else None,
            counted=rng.randrange(3_000_000),
        )

    def _edts(self, side: Side) -> dict[int, bytes | None]:
        rng = self.rng
        good = 0x41 if side.sign > 0 else 0x42
        kind = rng.choice(self.types)
        edts: dict[int, bytes | None] = {
            STATUS: bytes([rng.choice([good, 0x43, 0x43, 0x44, 0xFF])]),
            FAULT: b"\x42",
            SOC: bytes([rng.choice([80, 80, 80, 20, 23, 22, 255])]),
            MODE: bytes([rng.choice([0x44, 0x44, 0x47, side.mode, side.mode, 0x42, 0x43, 0x40])]),
            TYPE: None if kind is None else bytes([kind]),
            POWER: self._or_none(word(rng.choice([0, 99, 100, 3000, rng.randrange(9000)]) * side.sign)),
            VOLTAGE: self._or_none(short(rng.choice([0, 149, 150, 400, rng.randrange(600)]))),
            SIGNED: self._or_none(word(rng.randrange(-9000, 9000))),
            ACTUAL: self._or_none(bytes([rng.choice([side.mode, 0x44, 0x47, 0x42, 0x43])])),
            ENERGY: self._or_none(word(self._watts())),
        }
        for each in SIDES.values():
            edts[each.rated] = self._or_none(word(self._watts()))
            edts[each.power_range] = self._or_none(self._range(self._watts, word, UNKNOWN))
            edts[each.current_range] = self._or_none(self._range(self._amperes, short, UNKNOWN_AMPERES))
            edts[each.method] = self._or_none(bytes([rng.randrange(7)]))
            edts[each.power] = self._or_none(word(self._watts()))
            edts[each.current] = self._or_none(short(self._amperes()))
        return edts

    def _or_none(self, edt: bytes) -> bytes | None:
        return edt if self.rng.random() < 0.6 else None

    def _some(self, epcs: list[int], most: int) -> frozenset[int]:
        return frozenset(self.rng.sample(epcs, self.rng.randrange(most + 1)))

    def _watts(self) -> int:
        rng = self.rng
        return rng.choice([rng.randrange(20_000), rng.randrange(20_000), 0, 1, 999, 1000, 1001, 6000, 999_999_999])

    def _amperes(self) -> int:
        return self.rng.choice([self.rng.randrange(1000), self.rng.randrange(1000), 0, 1, 10, 100, 0x7FFE])

    def _milliwatts(self) -> int | None:
        rng = self.rng
        return rng.choice([None, None, rng.randrange(12_000_000), 0, 1, 999, 1000, 999_999, 3_000_000, 20_000_000])

    def _range(self, number: Callable[[], int], form: Callable[[int], bytes], unknown: tuple[int, ...]) -> bytes:
        """A minimum and a maximum, mostly in this order, each of which may be unknown."""
        rng = self.rng
        ends = [number(), number()]
        ends = sorted(ends) if rng.random() < 0.9 else ends
        return b"".join(form(end if rng.random() < 0.8 else rng.choice(unknown)) for end in ends)


def units_of(source: TableSource, rng: random.Random) -> Units:
    return Units(rng, releases_of(source), TYPES[source.table.class_code])


def limit_of(view: View, side: Side) -> int | None:
    """What a CSMS has ordered at most for this direction (mW); None: nothing."""
    wanted = view.wanted
    target = None if wanted.target is None else wanted.target * side.sign
    bound = wanted.charge_bound if side.sign > 0 else wanted.discharge_bound
    return min((each for each in (target, bound) if each is not None), default=None)


def number(view: View, epc: int, *, signed: bool = False) -> int | None:
    fact = view.facts.get(epc)
    return int.from_bytes(fact.edt, "big", signed=signed) if fact is not None else None


def bounds(view: View, epc: int, unknown: tuple[int, ...], most: int) -> tuple[int | None, int | None]:
    """The unit's own minimum and maximum, as far as it tells them."""
    fact = view.facts.get(epc)
    if fact is None:
        return None, None
    half = len(fact.edt) // 2
    ends = [int.from_bytes(part, "big") for part in (fact.edt[:half], fact.edt[half:])]
    low, high = (None if each in unknown or each > most else each for each in ends)
    return low, high


def highest_volts(view: View, release_has_types: bool, has_voltage: bool) -> int:
    """The voltage at which a current makes the most power: measured while energy flows, else the most that can be."""
    kind = number(view, TYPE) if release_has_types else None
    if kind is None or kind in AC or kind not in KNOWN_TYPES:
        return 700
    volts, fact = number(view, VOLTAGE), view.facts.get(VOLTAGE)
    fresh = fact is not None and NOW - fact.at <= 60_000
    return volts if has_voltage and volts is not None and fresh and volts >= 150 and flows(view) else 450


KNOWN_TYPES = frozenset(
    {0x10, 0x11, 0x12, 0x13, 0x21, 0x22, 0x23, 0x31, 0x32, 0x33, 0x41, 0x42, 0x43, 0x51, 0x52, 0x53}
)


def flows(view: View) -> bool:
    """Whether power flows: 100 W or more, by the unit if that is fresh, else by a meter."""
    fact = view.facts.get(POWER)
    if fact is not None and NOW - fact.at <= 180_000:
        return abs(int.from_bytes(fact.edt, "big", signed=True)) >= 100
    reading = view.meter.power if view.meter is not None else None
    return reading is not None and abs(reading.value) >= 100_000


TYPES: dict[int, tuple[int | None, ...]] = {
    0x027E: (0x11, 0x13, 0x22, 0x32, 0x32, 0x32, 0x33, 0x42, 0x52, 0x31, 0x99, None),
    0x02A1: (0x10, 0x11, 0x12, 0x21, 0x31, 0x41, 0x51, 0x99, None),
}


def shown(view: View, answer: Recipe, edts: dict[int, bytes]) -> str:
    return f"{answer} for {view}, writing { {f'{epc:02X}': edt.hex() for epc, edt in edts.items()} }"


@pytest.mark.covers("AIF-2.4.5-1")
@pytest.mark.parametrize("source", SOURCES, ids=name_of)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(rng=st.randoms(use_true_random=True))
def test_no_limit_ever_leads_to_a_write_above_it(source: TableSource, rng: random.Random) -> None:
    units = units_of(source, rng)
    for _ in range(20):
        view = units.view()
        answer = source.table.recipe(view)
        if isinstance(answer, Recipe):
            check_recipe(source, view, answer)


def check_recipe(source: TableSource, view: View, answer: Recipe) -> None:
    """Each write is one that the release has, and no more flows by all of them than was asked for."""
    edts = {step.epc: step.edt for step in answer.steps}
    explain = shown(view, answer, edts)
    for epc, edt in edts.items():
        prop = source.table.device.at(view.release).by_epc[epc]
        assert not says_nothing(prop.codec.decode(edt)), explain
        assert prop.set.possible, explain
    if answer.mode in (Mode.PAUSE, Mode.STOP):
        assert edts.keys() <= {MODE}, explain
        assert edts[MODE][0] not in RUNNING, explain
    elif answer.mode is Mode.AUTO:  # nothing of a CSMS can cap it
        wanted = view.wanted
        assert (wanted.target, wanted.charge_bound, wanted.discharge_bound) == (None, None, None), explain
    else:
        check_power(source, view, answer, edts, explain)


def check_power(source: TableSource, view: View, answer: Recipe, edts: dict[int, bytes], explain: str) -> None:
    """The most that flows by these writes (mW), against what was ordered and what the unit says of itself."""
    side, known = SIDES[answer.mode], source.table.device.at(view.release).by_epc
    limit = limit_of(view, side)
    assert edts[MODE] == bytes([side.mode]), explain
    assert limit is None or limit > 0, explain
    rated = number(view, side.rated)
    low, high = bounds(view, side.power_range, UNKNOWN, 999_999_999)
    most = min((each for each in (rated, high) if each is not None), default=None)
    if side.power in edts or SIGNED in edts:
        raw = int.from_bytes(edts.get(side.power) or edts[SIGNED], "big", signed=True)
        written = raw * (side.sign if SIGNED in edts else 1)
        assert written > 0, explain
        allowed = written * 1000
        assert most is None or written <= most, explain
        assert low is None or written >= low, explain
        method, code = side.method, 6 if SIGNED in edts else 3
    elif side.current in edts:
        written = int.from_bytes(edts[side.current], "big")
        least, top = bounds(view, side.current_range, UNKNOWN_AMPERES, 0x7FFE)
        assert written > 0, explain
        assert top is None or written <= top, explain
        stands = number(view, side.current) == written  # what is a little below is left as it is, and not written
        assert least is None or written >= least or stands, explain
        allowed = written * 100 * highest_volts(view, TYPE in known, VOLTAGE in known)
        assert most is None or allowed <= most * 1000, explain
        method, code = side.method, 4
    else:  # it is only switched: it may take all that it can
        full = max((each for each in (rated, high) if each is not None), default=None)
        assert limit is None or (full is not None and full * 1000 <= limit), explain
        return
    assert limit is None or allowed <= limit, explain
    assert answer.target is not None, explain
    assert allowed <= answer.target * side.sign, explain
    assert limit is None or answer.target * side.sign <= limit, explain
    if method in known:  # the setting governs only by its method (Release N and later)
        assert edts.get(method, view.facts[method].edt if method in view.facts else b"") == bytes([code]), explain


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_the_units_above_are_run_in_every_way(source: TableSource) -> None:
    """Else the law above would hold of nothing."""
    units, taken = units_of(source, random.Random(7)), set()
    for _ in range(3000):
        answer = source.table.recipe(units.view())
        if isinstance(answer, Recipe):
            taken.add((answer.mode, answer.rule))
    for mode in SIDES:
        setpoint = source.table.setpoints.get(mode)
        for way in setpoint.ways if setpoint is not None else ():
            assert way.pause_first is not None or (mode, way.rule) in taken


# Decisions --------------------------------------------------------------------------------------------------------

VIEWS = 1500


def random_views(source: TableSource, seed: int, count: int = VIEWS) -> list[View]:
    letters = {*releases_of(source), ""}
    made = Views(source.table.device, seed)
    found = (made.view() for _ in iter(int, 1))
    views = (view for view in found if view.release in letters)
    return [next(views) for _ in range(count)]


def answers(source: TableSource, view: View) -> tuple[Any, ...]:
    """All that a table says about a view."""
    table = source.table
    return (
        table.decide(view),
        table.recipe(view),
        table.confirmed(view),
        table.abilities(view),
        table.polls(view),
        table.variables(view),
        *(table.refusal(view, mode) for mode in Mode),
    )


@cache
def known_rules(source_name: str) -> frozenset[str]:
    """Every row, gate and way as `file:line id`, read from the files."""
    source = next(each for each in SOURCES if name_of(each) == source_name)
    return frozenset(_rules(source))


def _rules(source: TableSource) -> Iterator[str]:
    data, document = source.document.data, source.document
    paths: list[tuple[str | int, ...]] = [("plug",), ("StatusNotification",), ("chargingState",)]
    for mode in data["setpoints"]:
        paths += [("setpoints", mode, "require"), ("setpoints", mode, "ways")]
        yield f"{document.place(('setpoints', mode))} {mode}"
    for path in paths:
        rows: Any = data
        for step in path:
            rows = rows.get(step, []) if isinstance(rows, dict) else rows[step]
        yield from (f"{document.place((*path, index))} {row['id']}" for index, row in enumerate(rows))


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_every_view_is_decided_by_rows_that_exist(source: TableSource) -> None:
    known = known_rules(name_of(source))
    for view in random_views(source, seed=11):
        decision, answer, *_ = answers(source, view)
        assert {decision.plug.rule, decision.connector.rule, decision.charging_state.rule} <= known
        if isinstance(answer, Recipe):
            assert answer.rule in known or answer.rule == "hands off"
        elif isinstance(answer, Refusal):
            assert answer.rule in known or answer.rule == "setpoints"
            assert answer.reason
        else:
            assert isinstance(answer, Ask)
            assert answer.rule in known


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_the_same_view_is_answered_the_same_whatever_was_asked_before(source: TableSource) -> None:
    """The decoder and the plans of polling remember; that must not show."""
    views = random_views(source, seed=12, count=600)
    first = [answers(source, view) for view in views]
    order = list(range(len(views)))
    random.Random(5).shuffle(order)
    assert all(answers(source, views[index]) == first[index] for index in order)
    source.table.decoder._known.clear()
    source.table._plans.clear()
    for index in reversed(order):
        again = replace(views[index], facts=dict(reversed(views[index].facts.items())))
        assert answers(source, again) == first[index]


def digest(order: int) -> str:
    """Of all answers to some views, asked in one of several orders."""
    found = []
    for source in SOURCES:
        views = random_views(source, seed=13, count=150)
        turns = list(range(len(views)))
        random.Random(order).shuffle(turns)
        said = {turn: answers(source, views[turn]) for turn in turns}
        found += [_text(said[turn]) for turn in range(len(views))]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _text(value: Any) -> str:
    """Sets have no order of their own."""
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_text, value)))}}}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))})"
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None:
        return f"{type(value).__name__}({', '.join(_text(getattr(value, name)) for name in fields)})"
    return repr(value)


def test_another_process_answers_the_same() -> None:
    """In another order, with other hashes of strings."""
    script = "from tests.tables.test_properties import digest; print(digest(2))"
    paths = [os.getcwd(), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == digest(1)


def test_letters_are_those_of_the_dictionaries() -> None:
    assert all(set(releases_of(source)) <= set(RELEASES) and releases_of(source) for source in SOURCES)
