"""Which table a unit is run by, and when by none."""

from pathlib import Path

import pytest

from bridge.errors import MappingError
from bridge.mapping.choice import Choice, Quarantine, choose, facts_wanted
from bridge.mapping.load import Mappings, load_mappings
from bridge.mapping.overlay import Overlays
from tests.mapping.test_overlay import CHAIN
from tests.tools.overlay_files import CHANGE, OTHER, lenient, load, overlay, whole_folder
from tests.tools.tables import parsed

EV = 0x027E
AA = 'manufacturer: "0x0000AA"'


def told(maker: str = "0000AA", product: str = "ABC-1", **more: bytes) -> dict[int, bytes]:
    """0x8A, 0x8C and others as `F0=...`."""
    found = {0x8A: bytes.fromhex(maker), 0x8C: product.encode().ljust(12, b"\0")}
    return found | {int(epc, 16): edt for epc, edt in more.items()}


def chosen(mappings: Mappings, release: str = "P", facts: dict[int, bytes] | None = None) -> Choice:
    answer = choose(mappings, EV, release, told() if facts is None else facts)
    assert isinstance(answer, Choice), answer
    return answer


def refused(mappings: Mappings, release: str = "P", facts: dict[int, bytes] | None = None) -> Quarantine:
    answer = choose(mappings, EV, release, told() if facts is None else facts)
    assert isinstance(answer, Quarantine), answer
    return answer


def one(name: str, match: str, body: str = CHANGE, more: str = "") -> dict[str, str]:
    return {name: overlay(body, name=name, head=f"match: {{{match}}}{more}")}


# Which ----------------------------------------------------------------------------------------------------------


def test_a_unit_that_no_overlay_is_for_has_the_table_of_its_class(tmp_path: Path) -> None:
    mappings = load(tmp_path, **one("mine", AA))
    answer = chosen(mappings, facts=told("0000AB"))
    assert answer.table is mappings.table(EV)
    assert answer.overlays == ()
    assert answer.files == ("mappings/tables/0x027E.yaml",)
    assert answer.content_hash == mappings.table(EV).content_hash
    assert answer.why == "no overlay is for it (manufacturer 0x0000AB)"


def test_the_shipped_table_serves_all_whom_no_example_is_for() -> None:
    mappings = load_mappings(cache=parsed())
    assert chosen(mappings).overlays == ()
    assert chosen(mappings, facts={}).why == (
        "no overlay is for it (manufacturer not known, product code not known, release P)"
    )


def test_without_overlays_of_the_class_nothing_is_looked_at(tmp_path: Path) -> None:
    mappings = load(tmp_path, **one("mine", AA))
    answer = choose(mappings, 0x02A1, "P", told())
    assert isinstance(answer, Choice)
    assert answer.why == "no overlay is for units of its class"
    with pytest.raises(MappingError, match="no table for class 0x0279"):
        choose(mappings, 0x0279, "P", told())


def test_an_overlay_is_chosen_and_says_why(tmp_path: Path) -> None:
    mappings = load(tmp_path, **one("mine", f'{AA}, productCode: "ABC*", release: N-'))
    answer = chosen(mappings)
    assert answer.overlays == ("mine",)
    assert answer.files == ("mappings/tables/0x027E.yaml", f"{tmp_path}/mine.yaml")
    assert answer.why == (
        f'manufacturer 0x0000AA, product code ABC-1, release P: the overlay "mine" is for it ({tmp_path}/mine.yaml:5)'
    )
    assert answer.table is mappings.overlays.source("mine").table
    assert answer.content_hash != mappings.table(EV).content_hash
    for release, facts in [("M", told()), ("P", told(product="XYZ")), ("", told()), ("P", {0x8A: b"\0\0\xaa"})]:
        assert chosen(mappings, release, facts).overlays == ()


def test_more_keys_win(tmp_path: Path) -> None:
    mappings = load(
        tmp_path,
        **one("maker", AA),
        **one("model", f'{AA}, productCode: "ABC*"'),
        **one("late", f'{AA}, productCode: "ABC*", release: Q-'),
    )
    assert chosen(mappings, "R").overlays == ("late",)
    assert chosen(mappings, "P").overlays == ("model",)
    assert chosen(mappings, "P", told(product="X")).overlays == ("maker",)


def test_what_stands_on_another_wins_over_more_keys(tmp_path: Path) -> None:
    mappings = load(
        tmp_path,
        **one("maker", AA),
        **one("child", "release: P-", OTHER, more="\nparent: maker"),
        **one("wide", f'{AA}, productCode: "ABC*", release: P-'),
    )
    assert chosen(mappings).overlays == ("maker", "child")
    assert chosen(mappings, "N").overlays == ("maker",)


def test_a_parent_s_keys_hold_for_its_children(tmp_path: Path) -> None:
    mappings = load(tmp_path, **one("maker", AA), **one("child", "release: P-", OTHER, more="\nparent: maker"))
    assert chosen(mappings, facts=told("0000AB")).overlays == ()


# Firmware -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("firmware", "expected"),
    [
        (b"2.3", ("maker", "model", "old")),
        (b"V1.0\0", ("maker", "model", "old")),
        (b"2.4", ("maker", "model")),
        (b"beta", ("maker", "model")),
        (None, ("maker", "model")),
    ],
)
def test_firmware_is_told_by_a_property_of_the_maker_s_own(
    tmp_path: Path, firmware: bytes | None, expected: tuple[str, ...]
) -> None:
    mappings = load(tmp_path, **CHAIN)
    facts = told() if firmware is None else told(F0=firmware)
    assert chosen(mappings, facts=facts).overlays == expected
    light = lenient(tmp_path / "m", **CHAIN).without_sources()
    assert chosen(light, facts=facts).overlays == expected


def test_the_firmware_is_named_as_the_unit_tells_it(tmp_path: Path) -> None:
    assert "firmware V1.0: the overlay" in chosen(load(tmp_path, **CHAIN), facts=told(F0=b"V1.0")).why


def test_what_has_to_be_read_before_a_unit_is_run(tmp_path: Path) -> None:
    """Nothing of a unit for which it makes no difference; the maker's own property only of the maker's units."""
    mappings = load(tmp_path, **CHAIN)

    def wanted(facts: dict[int, bytes]) -> frozenset[int]:
        return facts_wanted(mappings, EV, "P", facts)

    assert wanted({}) == {0x8A}
    assert wanted({0x8A: b"\0\0\xab"}) == frozenset()
    assert wanted({0x8A: b"\0\0\xaa"}) == {0x8C}
    assert wanted(told()) == {0xF0}
    assert wanted(told(product="X")) == frozenset()
    assert wanted(told(F0=b"9")) == frozenset()


# By none --------------------------------------------------------------------------------------------------------

BROKEN = "changes:\n  - {remove: chargingState.xyz, why: x}\n"


def test_a_unit_whose_overlay_is_broken_has_no_table(tmp_path: Path) -> None:
    mappings = lenient(tmp_path / "m", **one("mine", AA, BROKEN))
    answer = refused(mappings)
    assert answer.overlays == ("mine",)
    place = f"{tmp_path}/m/vendors/mine.yaml:7:14"
    assert answer.reason.startswith(
        f'the overlay "mine" is for it and is broken: {place}: OVERLAY-PATH there is no row "xyz" in "chargingState"'
    )
    assert chosen(mappings, facts=told("0000AB")).overlays == ()


def test_a_more_specific_overlay_saves_a_unit_from_a_broken_one(tmp_path: Path) -> None:
    texts = one("mine", AA, BROKEN) | one("better", f'{AA}, productCode: "ABC*"')
    mappings = lenient(tmp_path / "m", **texts)
    assert chosen(mappings).overlays == ("better",)
    assert refused(mappings, facts=told(product="X")).overlays == ("mine",)


def test_the_children_of_a_broken_overlay_are_broken(tmp_path: Path) -> None:
    texts = one("mine", AA, BROKEN) | one("child", "release: P-", more="\nparent: mine")
    answer = refused(lenient(tmp_path / "m", **texts))
    assert answer.overlays == ("child",)
    assert 'its parent "mine" has mistakes' in answer.reason


@pytest.mark.parametrize(
    ("text", "whose"),
    [
        pytest.param(overlay("changes: [\n"), {"0000AA"}, id="no YAML behind the head"),
        pytest.param(overlay("changes:\n  - {remove: x}\n"), {"0000AA"}, id="no reason"),
        pytest.param(overlay(head=f"match: {{{AA}}}\nparent: nobody"), {"0000AA"}, id="no such parent"),
        pytest.param(overlay(head=f"match: {{{AA}}}\nparent: mine"), {"0000AA"}, id="its own parent"),
        pytest.param(overlay(head=f"match: {{{AA}, relase: P-}}"), {"0000AA"}, id="a part of the match"),
        pytest.param(overlay(head="match: {manufacturer: AA}"), {"0000AA", "0000AB"}, id="all of the match"),
        pytest.param(overlay(head="match: [\n"), {"0000AA", "0000AB"}, id="no YAML at all"),
        pytest.param("mapping: 1\n", {"0000AA", "0000AB"}, id="an empty file"),
        pytest.param(overlay(code="0x02A1", head="match: ["), set(), id="of another class"),
        pytest.param(overlay(head="match: {release: A}"), set(), id="for no unit"),
    ],
)
def test_a_broken_overlay_concerns_all_units_that_it_may_be_for(tmp_path: Path, text: str, whose: set[str]) -> None:
    """What cannot be read of its match may have been for anybody; but for nobody else is a class's table lost."""
    mappings = lenient(tmp_path / "m", mine=text)
    for maker in ("0000AA", "0000AB"):
        answer = choose(mappings, EV, "P", told(maker))
        assert isinstance(answer, Quarantine) is (maker in whose), answer


def test_what_is_broken_is_told_with_its_errors(tmp_path: Path) -> None:
    mappings = lenient(tmp_path / "m", **one("mine", AA, "changes: [\n"), **one("good", 'manufacturer: "0x0000BB"'))
    refused(mappings)
    [broken] = mappings.broken.values()
    assert (broken.id, broken.class_code) == ("mine", EV)
    assert broken.file == f"{tmp_path}/m/vendors/mine.yaml"
    assert broken.match.manufacturer == frozenset({b"\0\0\xaa"})
    assert any("YAML-SYNTAX" in error for error in broken.errors)
    assert chosen(mappings, facts=told("0000BB")).overlays == ("good",)


def test_a_mistake_in_another_overlay_costs_nobody_a_table(tmp_path: Path) -> None:
    texts = one("mine", AA, BROKEN) | one("other", 'manufacturer: "0x0000BB"')
    folder = whole_folder(tmp_path / "m", **texts)
    with pytest.raises(MappingError, match="OVERLAY-PATH"):
        load_mappings(folder, cache=parsed())
    mappings = load_mappings(folder, cache=parsed(), lenient=True)
    assert list(mappings.broken) == ["mine"]
    assert [source.header.id for source in mappings.overlay_sources] == ["other"]


def test_two_that_fit_equally_well_are_none(tmp_path: Path) -> None:
    texts = one("one", f'{AA}, productCode: "ABC*"') | one("two", f"{AA}, release: P-")
    mappings = lenient(tmp_path / "m", **texts)
    answer = refused(mappings)
    assert answer.overlays == ("one", "two")
    vendors = f"{tmp_path}/m/vendors"
    assert answer.reason == (
        f'the overlays "one" ({vendors}/one.yaml:5) and "two" ({vendors}/two.yaml:5) fit it equally well: '
        "make one the parent of the other, or let one ask for more"
    )
    assert chosen(mappings, "N").overlays == ("one",)
    assert chosen(mappings, "P", told(product="X")).overlays == ("two",)


def test_two_with_the_same_id_are_not_mixed_up(tmp_path: Path) -> None:
    texts = {"a": overlay(), "b": overlay(head='match: {manufacturer: "0x0000BB"}')}
    mappings = lenient(tmp_path / "m", **texts)
    assert chosen(mappings).files[-1] == f"{tmp_path}/m/vendors/a.yaml"
    assert "OVERLAY-ID" in refused(mappings, facts=told("0000BB")).reason


# At run time ----------------------------------------------------------------------------------------------------


def test_a_gateway_that_has_let_the_files_go_chooses_the_same(tmp_path: Path) -> None:
    folder = whole_folder(tmp_path / "m", **CHAIN)
    kept = load_mappings(folder, cache=parsed())
    light = load_mappings(folder, {EV}, lenient=True).without_sources()
    for path in folder.rglob("*.yaml"):
        path.unlink()  # it needs none of them any more
    for facts in (told(F0=b"2.0"), told(F0=b"3.0"), told("0000AB")):
        mine, theirs = chosen(light, facts=facts), chosen(kept, facts=facts)
        assert (mine.overlays, mine.why, mine.files) == (theirs.overlays, theirs.why, theirs.files)
        assert [row.answer for row in mine.table.charging_rows] == [row.answer for row in theirs.table.charging_rows]
    assert chosen(light, facts=told(F0=b"2.0")).table is chosen(light, facts=told(F0=b"2.0")).table


def test_no_overlay_is_read_before_a_unit_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laid: list[str] = []
    source = Overlays.source
    monkeypatch.setattr(Overlays, "source", lambda self, name: laid.append(name) or source(self, name))
    mappings = lenient(tmp_path / "m", **one("mine", AA)).without_sources()
    chosen(mappings, facts=told("0000AB"))
    assert laid == []
    chosen(mappings)
    chosen(mappings)
    assert laid == ["mine"]


def test_the_order_of_files_does_not_matter(tmp_path: Path) -> None:
    texts = one("one", AA) | one("two", f'{AA}, productCode: "ABC*"')
    forward = load(tmp_path / "a", **texts)
    backward = load(tmp_path / "b", **dict(reversed(texts.items())))
    assert chosen(forward).overlays == chosen(backward).overlays == ("two",)
    assert forward.content_hash == backward.content_hash
