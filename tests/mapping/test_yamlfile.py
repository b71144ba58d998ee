"""YAML with positions: every mistake is told, all at once, at its place."""

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from bridge.errors import BridgeError, ConfigError, MappingError
from bridge.mapping.yamlfile import OF_A_TABLE, load_yaml, parse_yaml, resolve, validate


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Unit(Strict):
    address: str
    control: Literal["on", "dry-run", "observe"] = "on"


class Site(Strict):
    config: Literal[1]
    units: dict[str, Unit]
    ports: list[int] = []


def mistakes(text: str, error: type[BridgeError] = MappingError) -> list[str]:
    with pytest.raises(error) as raised:
        validate(parse_yaml(text, "f.yaml", error=error), Site, error=error)
    return str(raised.value).splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "f.yaml:1:5: YAML-SYNTAX"),
        ("a: b: c", "f.yaml:1:5: YAML-SYNTAX"),
        ("a: 1\na: 2", "f.yaml:2:1: YAML-DUPLICATE"),
        ("a: &x 1", "f.yaml:1:4: YAML-ANCHOR"),
        ("a: *x", "f.yaml:1:4: YAML-ALIAS"),
        ("<<: {a: 1}", "f.yaml:1:1: YAML-MERGE"),
        ("a: !!python/object:os.system x", "f.yaml:1:4: YAML-TAG"),
        ("a: 1\n---\nb: 1", "f.yaml:2:1: YAML-SYNTAX"),
        ("? [a]\n: 1", "f.yaml:1:3: YAML-KEY"),
        ("[" * 60, "f.yaml:1:33: YAML-DEPTH"),
        ("a: \x01", "f.yaml:1:4: YAML-SYNTAX"),
    ],
)
def test_what_yaml_could_do_and_a_table_must_not(text: str, expected: str) -> None:
    assert mistakes(text)[0].startswith(expected)


def test_all_mistakes_at_once_and_in_order() -> None:
    text = "a: &x 1\nb: {c: 1, c: 2}\nd: !t 3\n"
    assert [line.split()[0] for line in mistakes(text)] == ["f.yaml:1:4:", "f.yaml:2:11:", "f.yaml:3:4:"]


def test_every_key_of_a_model_is_checked_with_its_place_and_the_nearest_name() -> None:
    text = "config: 2\nunits:\n  house:\n    adress: a\n    control: dry_run\nports: [1, x]\nstate: y\n"
    assert mistakes(text, ConfigError) == [
        "f.yaml:1:9: WRONG-VALUE 1 is expected, not 2",
        'f.yaml:4:5: UNKNOWN-KEY unknown key "adress" - did you mean "address"?',
        'f.yaml:5:14: WRONG-VALUE "dry_run" is none of on, dry-run, observe - did you mean "dry-run"?',
        'f.yaml:6:12: WRONG-TYPE a whole number is expected, not "x"',
        'f.yaml:7:1: UNKNOWN-KEY unknown key "state" - known here: config, ports, units',
    ]


def test_hex_that_yaml_would_read_as_a_number_is_told_to_be_quoted() -> None:
    text = "config: 1\nunits: {a: {address: 02E1}}"
    assert mistakes(text) == ['f.yaml:2:22: WRONG-TYPE a text is expected - quote it: "02E1"']


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        *((word, word) for word in ("no", "yes", "on", "off", "12:30", "0b1", "1_000", "nan", "3 kW")),
        ("true", True),
        ("~", None),
        ("", None),
        ("0x1F", 31),
        ("0o17", 15),
        ("-7", -7),
        ("02E1", 20.0),
        ("1.5", 1.5),
    ],
)
def test_scalars_are_read_by_the_core_schema_of_yaml_1_2(plain: str, value: Any) -> None:
    assert resolve(plain) == value
    assert type(resolve(plain)) is type(value)


def test_positions_of_values_and_keys() -> None:
    document = parse_yaml("a:\n  - {b: 1}\n  - c\n", "f.yaml")
    assert document.position(("a", 0, "b")) == (2, 9)
    assert document.key_position(("a", 0, "b")) == (2, 6)
    assert document.position(("a", 1)) == (3, 5)
    assert document.position(("a", 1, "missing")) == (3, 5)
    assert document.place(("a", 1)) == "f.yaml:3"


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    for name, content, code in [
        ("latin.yaml", b"a: 1\nb: \xe9\n", ":2:1: YAML-ENCODING"),
        ("big.yaml", b"#" * (OF_A_TABLE.bytes + 1), ":1:1: YAML-SIZE"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError, match=f"{name}{code}"):
            load_yaml(tmp_path / name, error=ConfigError)
    with pytest.raises(ConfigError, match=r"none\.yaml:1:1: FILE cannot be read"):
        load_yaml(tmp_path / "none.yaml", error=ConfigError)
    with pytest.raises(ConfigError, match="FILE cannot be read"):
        load_yaml(tmp_path, error=ConfigError)


@given(st.text(alphabet=st.sampled_from("ab:{}[]-,&*!<|>?\"'#% \n\t0x~é"), max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    assert all(line.startswith("f.yaml:") for line in _said_of(text))


def _said_of(text: str) -> list[str]:
    try:
        parse_yaml(text, "f.yaml")
    except MappingError as reason:
        return str(reason).splitlines()
    return []
