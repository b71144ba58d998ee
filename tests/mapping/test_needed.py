"""A gateway reads only the mappings of the classes that its site has."""

from pathlib import Path

from bridge.mapping.load import default_folder, load_mappings
from tests.tools.tables import parsed

EV = 0x027E


def test_only_what_a_class_needs_is_looked_at() -> None:
    some, every = load_mappings(only={EV}, cache=parsed()), load_mappings(cache=parsed())
    assert set(some.tables) == {EV}
    assert some.meters == {}
    assert set(some.classes) == {0x0000, 0x0EF0, EV}
    assert some.table(EV).content_hash == every.table(EV).content_hash


def test_a_mistake_in_another_class_does_not_matter(tmp_path: Path) -> None:
    for path in default_folder().glob("*/*.yaml"):
        copy = tmp_path / path.parent.name / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    broken = tmp_path / "tables" / "0x02A1.yaml"
    broken.write_text(broken.read_text() + "nonsense: [\n")
    assert set(load_mappings(tmp_path, {EV}, cache=parsed()).tables) == {EV}


def test_a_file_whose_class_cannot_be_seen_is_read(tmp_path: Path) -> None:
    for path in default_folder().glob("*/*.yaml"):
        copy = tmp_path / path.parent.name / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text().replace('class: "0x0000"', '"class": "0x0000"'))
    assert 0x0000 in load_mappings(tmp_path, {EV}, cache=parsed()).classes


def test_examples_are_left_out_wherever_they_stand(tmp_path: Path) -> None:
    for path in default_folder().glob("*/*.yaml"):
        copy = tmp_path / path.parent.name / path.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(path.read_text())
    table = tmp_path / "tables" / "0x027E.yaml"
    head, _, examples = table.read_text().partition("\nexamples:\n")
    table.write_text(head.replace("\nabilities:\n", f"\nexamples:\n{examples}\nabilities:\n", 1))
    [source] = load_mappings(tmp_path, {EV}, cache=parsed()).sources
    assert source.model.examples == []
    assert source.model.abilities == load_mappings(cache=parsed()).sources[0].model.abilities
