"""Overlays on their tables: what they change, what they leave, and where each rule says that it stands."""

from pathlib import Path

import pytest

from bridge.errors import MappingError
from bridge.evse import Mode
from bridge.mapping.decision import Recipe, View
from bridge.mapping.layered import Layered, flatten, tree
from bridge.mapping.load import default_folder, load_mappings, load_paths
from bridge.mapping.overlay import OverlaySource
from bridge.mapping.overlayexamples import run_overlay_examples
from bridge.mapping.table import CompiledTable
from tests.tools.mapping_views import view, wanted
from tests.tools.overlay_files import MAKER, load, overlay, whole_folder
from tests.tools.random_views import Views
from tests.tools.tables import parsed

EV = 0x027E
TABLE = "mappings/tables/0x027E.yaml"


def laid(folder: Path, **texts: str) -> OverlaySource:
    """The last of some overlays, on the shipped table."""
    return load(folder, **texts).overlays.source(list(texts)[-1])


def changed(folder: Path, *changes: str, more: str = "") -> OverlaySource:
    lines = "".join(f"  - {{{line}}}\n" for line in changes)
    return laid(folder, mine=overlay(f"changes:\n{lines}{more}"))


def shipped(folder: Path) -> CompiledTable:
    return load(folder, mine=overlay()).table(EV)


def ids(rows: object) -> list[str]:
    return [row.id for row in rows]  # type: ignore[attr-defined]


# What changes ---------------------------------------------------------------------------------------------------


def test_a_row_is_removed_and_the_others_stay_in_their_order(tmp_path: Path) -> None:
    before = ids(shipped(tmp_path).charging_rows)
    after = ids(changed(tmp_path, "remove: chargingState.inferred, why: x").table.charging_rows)
    assert after == [name for name in before if name != "inferred"]


@pytest.mark.parametrize(
    ("where", "neighbours"),
    [("before: fault", ("lost", "silent", "mine", "fault")), ("after: fault", ("silent", "fault", "mine", "test"))],
)
def test_a_row_is_added_beside_another(tmp_path: Path, where: str, neighbours: tuple[str, ...]) -> None:
    source = changed(
        tmp_path,
        f"add: StatusNotification.mine, {where}, why: x, "
        "with: {when: {operationStatus: 'off'}, connector: Unavailable}",
    )
    names = ids(source.table.status_rows)
    at = names.index(neighbours[0])
    assert tuple(names[at : at + 4]) == neighbours
    assert source.table.decide(view("80=31", "88=42", "C7=41")).connector.value == "Unavailable"


def test_a_row_is_added_last(tmp_path: Path) -> None:
    source = changed(
        tmp_path, "add: setpoints.charge.require.mine, last: true, with: {when: {plug: 'yes'}, reason: y}, why: x"
    )
    assert source.model.setpoints[Mode.CHARGE].require[-1].id == "mine"


def test_a_row_is_moved(tmp_path: Path) -> None:
    source = changed(tmp_path, "override: StatusNotification.plugged, before: fault, why: a car that stands there")
    assert ids(source.table.status_rows)[2:4] == ["plugged", "fault"]
    answer = source.table.decide(view("88=41", "C7=41")).connector
    assert answer.value == "Occupied"
    assert answer.rule == f"{tmp_path}/mine.yaml:7 plugged"


def test_a_row_is_overridden_whole_and_keeps_its_id(tmp_path: Path) -> None:
    source = changed(tmp_path, "override: chargingState.gone, with: {when: {plug: 'no'}, chargingState: keep}, why: x")
    assert source.table.decide(view("C7=30")).charging_state.value is None
    assert ids(source.table.charging_rows) == ids(shipped(tmp_path).charging_rows)


def test_a_part_of_a_row_is_overridden_added_and_removed(tmp_path: Path) -> None:
    source = changed(
        tmp_path,
        "override: chargingState.vehicle-waits.hold, with: 20s, why: x",
        "add: chargingState.starting.hold, with: 5s, why: x",
        "remove: StatusNotification.unsure-energy.atBoot, why: x",
    )
    charging = {row.id: row for row in source.table.charging_rows}
    assert charging["vehicle-waits"].answer.hold == 20_000
    assert charging["starting"].answer.hold == 5_000
    assert {row.id: row for row in source.model.status}["unsure-energy"].at_boot is None


def test_a_list_without_ids_is_replaced_whole(tmp_path: Path) -> None:
    source = changed(tmp_path, "override: polling.state.read, with: [operationMode], why: x")
    [group] = [group for group in source.table.poll_groups if group.name == "state"]
    assert group.epcs == (0xDA,)


def test_what_comes_first_is_what_the_next_change_finds(tmp_path: Path) -> None:
    source = changed(
        tmp_path,
        "add: chargingState.mine, before: gone, with: {when: {plug: 'no'}, chargingState: keep}, why: x",
        "add: chargingState.mine.hold, with: 3s, why: x",
    )
    assert source.table.decide(view("C7=30")).charging_state.hold == 3_000


def test_the_table_itself_is_left_as_it_was(tmp_path: Path) -> None:
    mappings = load(tmp_path, mine=overlay("changes:\n  - {remove: setpoints.charge.ways.on-off, why: x}\n"))
    before = mappings.sources
    mappings.overlays.source("mine")
    assert "on-off" in [way.id for source in before for way in source.model.setpoints[Mode.CHARGE].ways]
    assert mappings.table(EV).content_hash == shipped(tmp_path).content_hash


def test_title_and_examples_are_the_overlay_s_own(tmp_path: Path) -> None:
    text = overlay(head=f"title: Mine\n{MAKER}")
    source = laid(tmp_path, mine=text + "examples:\n  - {given: {plug: x}, expect: {plug: 'no'}}\n")
    assert source.model.title == "Mine"
    assert len(source.model.examples) == 1
    assert laid(tmp_path, mine=text).model.examples == []


# Where ----------------------------------------------------------------------------------------------------------


def line_in(file: str, text: str) -> int:
    lines = (default_folder().parent / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_each_rule_says_the_file_and_line_where_it_stands(tmp_path: Path) -> None:
    source = changed(
        tmp_path,
        "override: chargingState.gone, with: {when: {plug: 'no'}, chargingState: keep}, why: x",
        "add: StatusNotification.plugged.hold, with: 1s, why: x",
        "override: setpoints.charge.require.authorized.reason, with: ask at the desk, why: x",
    )
    rules = {row.id: row.answer.rule for row in source.table.charging_rows}
    assert rules["gone"] == f"{tmp_path}/mine.yaml:7 gone"
    assert rules["power"] == f"{TABLE}:{line_in(TABLE, '- {id: power,          when')} power"
    assert {row.id: row.answer.rule for row in source.table.status_rows}["plugged"] == f"{tmp_path}/mine.yaml:8 plugged"
    requires = {require.rule.partition(" ")[2]: require for require in source.table.setpoints[Mode.CHARGE].requires}
    assert requires["authorized"].rule == f"{tmp_path}/mine.yaml:9 authorized"
    assert requires["authorized"].reason == "ask at the desk"
    assert requires["answers"].rule.startswith(f"{TABLE}:")


@pytest.mark.parametrize("change", ["add: StatusNotification.mine, before: lost", "override: StatusNotification.lost"])
def test_every_rule_that_is_not_changed_keeps_its_place(tmp_path: Path, change: str) -> None:
    """Rows move when one is put before them: their places do not."""
    source = changed(tmp_path, f"{change}, with: {{when: {{lostFor: {{min: 90s}}}}, connector: Unavailable}}, why: x")
    before = {row.id: row.answer.rule for row in shipped(tmp_path).status_rows}
    after = {row.id: row.answer.rule for row in source.table.status_rows}
    own = {name for name, rule in after.items() if rule.startswith(f"{tmp_path}/mine.yaml:7 ")}
    assert own == {change.split(",")[0].rpartition(".")[2]}
    assert {name: rule for name, rule in after.items() if name not in own} == {
        name: rule for name, rule in before.items() if name not in own
    }


def test_a_document_becomes_nodes_and_a_document_again(tmp_path: Path) -> None:
    document = load(tmp_path, mine=overlay()).sources[0].document
    again = flatten(tree(document), document.file, {document.file: document.text})
    assert (again.data, again.values, again.keys, again.source) == (
        document.data,
        document.values,
        document.keys,
        document.source,
    )
    for path in list(document.values)[::50]:
        assert again.place(path) == document.place(path)
        assert again.problem(path, "A", "b", at_key=True) == document.problem(path, "A", "b", at_key=True)
    nowhere = ("chargingState", 3, "no-such-key")
    assert again.problem(nowhere, "A", "b") == document.problem(nowhere, "A", "b")


def test_a_layered_document_knows_the_text_of_every_file(tmp_path: Path) -> None:
    document = changed(tmp_path, "override: chargingState.vehicle-waits.hold, with: 20s, why: x").document
    assert isinstance(document, Layered)
    assert list(document.texts) == [TABLE, f"{tmp_path}/mine.yaml"]
    for path, (line, column) in document.values.items():
        written = document.texts[document.file_at(path)].splitlines()[line - 1]
        assert column <= len(written) + 1
    index = next(i for i, row in enumerate(document.data["chargingState"]) if row["id"] == "vehicle-waits")
    line, column = document.position(("chargingState", index, "hold"))
    assert document.texts[f"{tmp_path}/mine.yaml"].splitlines()[line - 1][column - 1 :].startswith("20s")


# Chains ---------------------------------------------------------------------------------------------------------

CHAIN = {
    "maker": overlay(
        "properties:\n"
        '  - {add: firmwareVersion, why: x, with: {epc: "0xF0", en: Firmware, ja: ファームウェア, definitions: [\n'
        '     {release: D-, access: {get: O, set: "-", inf: "-"}, encoding: {type: raw, bytes: [1, 8]}}]}}\n'
        "changes:\n"
        "  - {add: identity.firmware, with: firmwareVersion, why: x}\n"
        "  - {override: chargingState.vehicle-waits.hold, with: 20s, why: x}\n"
        "  - {override: chargingState.gone, with: {when: {plug: 'no'}, chargingState: keep}, why: x}\n",
        name="maker",
    ),
    "model": overlay(
        "changes:\n"
        "  - {override: chargingState.vehicle-waits.hold, with: 30s, why: x}\n"
        "  - {remove: setpoints.charge.ways.power, why: x}\n"
        "  - {remove: local.chargingElectricPower, why: x}\n",
        name="model",
        head='match: {productCode: "ABC*"}\nparent: maker',
    ),
    "old": overlay(
        "changes:\n  - {override: chargingState.vehicle-waits.hold, with: 40s, why: x}\n",
        name="old",
        head='match: {firmware: "1.0-2.3"}\nparent: model',
    ),
}


def test_a_chain_is_laid_from_the_class_outward(tmp_path: Path) -> None:
    source = laid(tmp_path, **CHAIN)
    assert source.chain == ("maker", "model", "old")
    assert source.files == (TABLE, *(f"{tmp_path}/{name}.yaml" for name in ("maker", "model", "old")))
    rows = {row.id: row.answer for row in source.table.charging_rows}
    assert rows["vehicle-waits"].hold == 40_000
    assert rows["vehicle-waits"].rule == f"{tmp_path}/old.yaml:8 vehicle-waits"
    assert rows["gone"].rule == f"{tmp_path}/maker.yaml:12 gone"
    assert rows["power"].rule.startswith(f"{TABLE}:")
    assert [way.rule.partition(" ")[2] for way in source.table.setpoints[Mode.CHARGE].ways] == [
        "reversal",
        "current",
        "on-off",
    ]
    assert source.identity.firmware == 0xF0


def test_each_link_of_a_chain_has_a_content_hash_of_its_own(tmp_path: Path) -> None:
    mappings = load(tmp_path / "a", **CHAIN)
    hashes = [mappings.table(EV).content_hash, *(mappings.overlays.source(n).table.content_hash for n in CHAIN)]
    assert len(set(hashes)) == 4
    other = load(tmp_path / "b", **(CHAIN | {"maker": CHAIN["maker"].replace("20s", "21s")}))
    assert [
        other.overlays.source(name).table.content_hash == mine for name, mine in zip(CHAIN, hashes[1:], strict=True)
    ] == [
        False,
        False,
        False,
    ]
    assert other.content_hash != mappings.content_hash
    same = load(tmp_path / "c", **CHAIN)
    assert same.overlays.source("old").table.content_hash == hashes[-1]


def test_a_child_of_a_broken_parent_says_so(tmp_path: Path) -> None:
    with pytest.raises(MappingError) as raised:
        load(tmp_path, **(CHAIN | {"maker": CHAIN["maker"].replace("chargingState.gone", "chargingState.xyz")}))
    assert str(raised.value).replace(f"{tmp_path}/", "").splitlines() == [
        'maker.yaml:12:16: OVERLAY-PATH there is no row "xyz" in "chargingState" - known here: '
        + ", ".join(row.id for row in shipped(tmp_path / "x").charging_rows),
        'model.yaml:6:9: OVERLAY-PARENT its parent "maker" has mistakes (maker.yaml)',
        'old.yaml:6:9: OVERLAY-PARENT its parent "model" has mistakes (model.yaml)',
    ]


# Properties -----------------------------------------------------------------------------------------------------


def test_a_maker_s_own_property_can_be_looked_at_and_decoded(tmp_path: Path) -> None:
    text = overlay(
        "properties:\n  - add: cableLock\n    why: the maker's own\n    with:\n"
        '      epc: "0xF3"\n      en: Cable lock\n      ja: ケーブルロック\n      definitions:\n'
        '        - release: P-\n          access: {get: O, set: "-", inf: O}\n'
        '          encoding: {type: state, size: 1, values: {"0x41": locked, "0x42": unlocked}}\n'
        "changes:\n  - {add: plug.locked, before: vehicle-ac, with: {when: {cableLock: locked}, plug: 'yes'}, why: x}\n"
        "examples:\n  - {given: {cableLock: locked, chargeDischargeStatus: undefined}, expect: {plug: 'yes'}}\n"
    )
    source = laid(tmp_path, mine=text)
    assert run_overlay_examples(source) == []
    assert source.table.describe(0xF3, b"\x41", "P") == "cableLock=locked"
    assert source.table.decide(view("F3=42", "C7=FF", release="P")).plug.value == "undetermined"
    assert 0xF3 not in shipped(tmp_path / "x").device.latest.by_epc


def test_another_form_of_a_property_holds_in_the_releases_that_it_names(tmp_path: Path) -> None:
    """0xEA of two bytes, as older units have it: it is written in their form."""
    text = overlay(
        "properties:\n  - override: targetDischargingElectricEnergy\n    why: two bytes in units of these releases\n"
        "    with:\n      definitions:\n        - release: J-N\n          access: {get: O, set: O, inf: O}\n"
        "          encoding: {type: uint16, range: [0, 65533], unit: Wh}\n"
    )
    device = laid(tmp_path, mine=text).table.device
    sizes = {letter: len(device.at(letter).by_epc[0xEA].codec.encode(1)) for letter in "JKLMNPQR"}
    assert sizes == dict.fromkeys("JKLMN", 2) | dict.fromkeys("PQR", 4)
    assert device.at("J").by_epc[0xEA].name_ja == device.at("R").by_epc[0xEA].name_ja
    assert 0xEA not in device.at("I").by_epc
    other = shipped(tmp_path / "x").device.at("P").by_epc
    assert {epc: prop.codec for epc, prop in device.at("P").by_epc.items()} == {e: p.codec for e, p in other.items()}


def test_a_form_in_the_middle_leaves_what_is_before_and_behind_it(tmp_path: Path) -> None:
    text = overlay(
        "properties:\n  - override: chargingElectricPower\n    why: x\n    with:\n      definitions:\n"
        '        - {release: J-K, access: {get: O, set: "-", inf: O}, '
        "encoding: {type: uint32, range: [0, 9], unit: W}}\n"
    )
    device = laid(tmp_path, mine=text).table.device
    settable = {letter for letter in "DEFGHIJKLMNPQR" if device.at(letter).by_epc[0xEB].set.possible}
    assert settable == set("DEFGHILMNPQR")


def test_a_property_of_the_super_class_can_have_another_form(tmp_path: Path) -> None:
    text = overlay(
        "properties:\n  - override: productCode\n    why: ten characters only\n    with:\n      definitions:\n"
        '        - {release: D-, access: {get: O, set: "-", inf: O}, encoding: {type: raw, bytes: [10, 10]}}\n'
    )
    device = laid(tmp_path, mine=text).table.device
    assert device.at("P").decode(0x8C, b"0123456789") == b"0123456789"


# Signed limits --------------------------------------------------------------------------------------------------


def recipe_of(table: CompiledTable, asked: View) -> Recipe:
    answer = table.recipe(asked)
    assert isinstance(answer, Recipe), answer
    return answer


@pytest.mark.parametrize(
    ("target", "expected"),
    [(-3_000_000, -3000), (-2_999_999, -2999), (-1_000, -1), (-2_000_000_000_000, -999_999_999)],
)
def test_a_negated_limit_is_rounded_toward_zero_and_stays_in_range(tmp_path: Path, target: int, expected: int) -> None:
    way = (
        "override: setpoints.discharge.ways.power, why: x, with: {when: {settable: chargingDischargingElectricPower}, "
        "ensure: [{chargingDischargingElectricPower: limit, negate: true}, {operationMode: discharge}]}"
    )
    table = changed(tmp_path, way, "remove: local.dischargingElectricPower, why: x").table
    asked = view("C7=43", "E4=50", "88=42", "DA=44", "CC=32", wanted=wanted(Mode.DISCHARGE, target))
    steps = recipe_of(table, asked).steps
    assert [step.epc for step in steps] == [0xE0, 0xDA]
    assert int.from_bytes(steps[0].edt, "big", signed=True) == expected


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("dischargingElectricPower: limit, negate: true", "goes below zero"),
        ("chargingDischargingElectricPower: limit, negate: 1", "goes below zero"),
        ("chargingDischargingElectricPower: -5, negate: true", "with its sign"),
    ],
)
def test_only_a_limit_in_a_signed_property_is_negated(tmp_path: Path, step: str, said: str) -> None:
    way = f"override: setpoints.discharge.ways.power.ensure, why: x, with: [{{{step}}}, {{operationMode: discharge}}]"
    with pytest.raises(MappingError, match=said):
        changed(tmp_path, way, "remove: local.dischargingElectricPower, why: x")


# What stays -----------------------------------------------------------------------------------------------------

#: A change to one section; decisions of the others must stay as they are, whatever the view.
SECTIONS = {
    "StatusNotification": ("remove: StatusNotification.power, why: x", {"plug", "charging", "recipe", "measures"}),
    "chargingState": ("remove: chargingState.power, why: x", {"plug", "connector", "recipe", "measures"}),
    "setpoints.charge": (
        "add: setpoints.charge.ways.on-off.when, with: {plug: 'yes'}, why: x",
        {"plug", "connector", "measures"},
    ),
    "MeterValues": ("remove: MeterValues.current, why: x", {"plug", "connector", "charging", "recipe"}),
    "polling": (
        "override: polling.state.read, with: [operationMode], why: x",
        {"plug", "connector", "charging", "recipe", "measures"},
    ),
}


def answers(table: CompiledTable, asked: View) -> dict[str, object]:
    decision = table.decide(asked)
    return {
        "plug": (decision.plug, decision.seen),
        "connector": decision.connector,
        "charging": decision.charging_state,
        "measures": decision.measures,
        "recipe": table.recipe(asked),
    }


@pytest.mark.parametrize("section", SECTIONS)
def test_what_an_overlay_does_not_change_is_decided_as_before(tmp_path: Path, section: str) -> None:
    change, same = SECTIONS[section]
    table, before = changed(tmp_path, change).table, shipped(tmp_path)
    views = Views(before.device, seed=len(section))
    differing = 0
    for _ in range(800):
        asked = views.view()
        old, new = answers(before, asked), answers(table, asked)
        assert {name: new[name] for name in same} == {name: old[name] for name in same}
        differing += old != new
    if section != "polling":
        assert differing, "the change shows in no view: this proves nothing"


def test_a_decision_differs_only_by_the_removed_row(tmp_path: Path) -> None:
    """Where another row decided before, it still does, and says the same place."""
    table, before = changed(tmp_path, "remove: StatusNotification.power, why: x").table, shipped(tmp_path)
    views = Views(before.device, seed=7)
    removed = 0
    for _ in range(800):
        asked = views.view()
        old = before.decide(asked).connector
        if old.rule.endswith(" power"):
            removed += 1
        else:
            assert table.decide(asked).connector == old
    assert removed


# Examples -------------------------------------------------------------------------------------------------------


def test_rows_ways_and_requirements_of_an_overlay_need_an_example(tmp_path: Path) -> None:
    source = changed(
        tmp_path,
        "add: chargingState.gone.hold, with: 1s, why: x",
        "add: setpoints.charge.require.mine, last: true, with: {when: {plug: 'yes'}, reason: y}, why: x",
        "add: setpoints.charge.ways.mine, last: true, why: x, with: {onOff: true, ensure: [{operationMode: charge}]}",
        more="examples:\n  - {given: {chargeDischargeStatus: notConnected}, expect: {plug: 'no'}}\n",
    )
    said = [str(problem).replace(f"{tmp_path}/", "") for problem in run_overlay_examples(source)]
    assert said == [
        'mine.yaml:7:5: NO-EXAMPLE no example is answered by the row "gone"',
        'mine.yaml:8:60: NO-EXAMPLE no example is answered by the requirement "mine"',
        'mine.yaml:9:65: NO-EXAMPLE no example is answered by the way "mine"',
    ]


def test_an_example_that_fails_is_told_where_it_stands(tmp_path: Path) -> None:
    source = changed(
        tmp_path,
        "remove: chargingState.inferred, why: x",
        more="examples:\n  - {given: {chargeDischargeStatus: notConnected}, expect: {plug: 'yes'}}\n",
    )
    [problem] = run_overlay_examples(source)
    assert str(problem).startswith(f"{tmp_path}/mine.yaml:9:67: EXAMPLE plug is no, not yes")


def test_the_examples_of_the_table_do_not_run_against_an_overlay(tmp_path: Path) -> None:
    assert run_overlay_examples(changed(tmp_path, "remove: chargingState.inferred, why: x")) == []


# Folders --------------------------------------------------------------------------------------------------------


def test_the_overlays_of_a_folder_are_its_own(tmp_path: Path) -> None:
    folder = whole_folder(tmp_path / "m", a=overlay(name="a"))
    mappings = load_mappings(folder, cache=parsed())
    assert list(mappings.overlays.headers) == ["a"]
    assert [source.header.id for source in mappings.overlay_sources] == ["a"]
    asked = load_paths([folder], parsed()).asked
    assert f"{folder}/vendors/a.yaml" in asked
    assert f"{folder}/tables/0x027E.yaml" in asked
