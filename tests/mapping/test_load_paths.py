"""What the tools look at: the shipped folder, another one, or files on top of the shipped one."""

from pathlib import Path

import pytest

from bridge.errors import MappingError
from bridge.mapping.load import default_folder, load_paths
from tests.tools.overlay_files import OTHER, overlay, whole_folder, write
from tests.tools.tables import parsed

EV = 0x027E


def test_without_a_path_it_is_all_that_is_shipped() -> None:
    mappings = load_paths([], parsed())
    shipped = {f"mappings/{path.relative_to(default_folder())}" for path in default_folder().glob("*/*.yaml")}
    assert mappings.asked == shipped
    assert {source.document.file for source in mappings.sources} <= shipped


def test_a_folder_is_complete_in_itself(tmp_path: Path) -> None:
    folder = whole_folder(tmp_path / "m")
    (folder / "tables" / "0x02A1.yaml").unlink()
    mappings = load_paths([folder], parsed())
    assert set(mappings.tables) == {EV}
    assert mappings.asked == {str(path) for path in folder.glob("*/*.yaml")}


def test_a_table_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text((default_folder() / "tables/0x027E.yaml").read_text().replace("hold: 10s", "hold: 11s"))
    mappings = load_paths([path], parsed())
    assert mappings.asked == {str(path)}
    assert {row.id: row.answer.hold for row in mappings.table(EV).charging_rows}["vehicle-waits"] == 11_000
    assert set(mappings.tables) == {EV, 0x02A1}
    assert not mappings.overlays.headers, "the overlays of the shipped table say nothing about another one"


def test_a_dictionary_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        (default_folder() / "devices/0x027E.yaml").read_text().replace("en: Rated voltage\n", "en: Volts\n")
    )
    mappings = load_paths([path], parsed())
    assert mappings.asked == {str(path)}
    assert mappings.table(EV).device.at("P").by_epc[0xD2].name_en == "Volts"


def test_an_overlay_takes_its_parents_from_the_shipped_ones_and_nothing_else(tmp_path: Path) -> None:
    head = "match: {release: Q-}\nparent: example-signed-power"
    [path] = write(tmp_path, mine=overlay(head=head))
    mappings = load_paths([path], parsed())
    assert mappings.asked == {str(path)}
    assert sorted(mappings.overlays.headers) == ["example-signed-power", "mine"]
    assert mappings.overlays.source("mine").chain == ("example-signed-power", "mine")


def test_an_overlay_takes_the_place_of_the_shipped_one_with_its_id(tmp_path: Path) -> None:
    paths = write(tmp_path, mine=overlay(name="example-on-off"))
    mappings = load_paths(paths, parsed())
    assert mappings.overlays.source("example-on-off").files[-1] == str(paths[0])


def test_several_files_are_read_together(tmp_path: Path) -> None:
    paths = write(tmp_path, a=overlay(name="a"), b=overlay(OTHER, name="b", head="match: {release: Q-}\nparent: a"))
    assert load_paths(paths, parsed()).overlays.source("b").chain == ("a", "b")


def test_files_can_be_laid_over_a_folder(tmp_path: Path) -> None:
    folder = whole_folder(tmp_path / "m", a=overlay(name="a"))
    paths = write(tmp_path, b=overlay(OTHER, name="b", head="match: {release: Q-}\nparent: a"))
    mappings = load_paths([folder, *paths], parsed())
    assert mappings.overlays.source("b").chain == ("a", "b")
    assert mappings.asked > {str(paths[0])}


def test_a_path_that_does_not_exist_and_a_second_folder_are_told(tmp_path: Path) -> None:
    one, two = whole_folder(tmp_path / "one"), whole_folder(tmp_path / "two")
    with pytest.raises(MappingError) as raised:
        load_paths([tmp_path / "none.yaml", one, two])
    assert str(raised.value).splitlines() == [
        f"{tmp_path}/none.yaml: no such file or folder",
        f"{two}: a second folder; one is complete in itself ({one})",
    ]


def test_two_files_for_one_class_are_one_too_many(tmp_path: Path) -> None:
    text = (default_folder() / "tables/0x027E.yaml").read_text()
    paths = write(tmp_path, a=text, b=text)
    with pytest.raises(MappingError, match=r"b\.yaml:5:8: DUPLICATE-CLASS another table is for 0x027E already"):
        load_paths(paths, parsed())


def test_a_link_out_of_the_folder_breaks_only_its_overlay(tmp_path: Path) -> None:
    folder = whole_folder(tmp_path / "m")
    [outside] = write(tmp_path / "else", mine=overlay())
    (folder / "vendors" / "mine.yaml").symlink_to(outside)
    with pytest.raises(MappingError, match=r"mine\.yaml:1:1: FILE is a link that leads out of the folder"):
        load_paths([folder], parsed())
