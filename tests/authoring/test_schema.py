"""The JSON Schemas: current, and of one mind with the loader."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.authoring.schema import KINDS, OPEN_PLACES, schema_of
from bridge.authoring.schemafiles import schema_texts, schemas
from bridge.authoring.schemaforms import UnknownFormError, described, duration_text
from bridge.cli.main import main
from bridge.echonet.dictionary import RELEASES
from bridge.mapping.load import Mappings
from bridge.mapping.model import _milli, _positive, _release_range, _to_ms
from bridge.mapping.overlaymodel import _firmware, _maker_code, _product_codes
from bridge.mapping.quantity import UNITS, milliseconds
from bridge.mapping.yamlfile import load_yaml
from tests.tools.tables import shipped

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob("mappings/*/*.yaml"))
Step = str | int


@pytest.fixture(scope="module")
def mappings() -> Mappings:
    return shipped()


@pytest.fixture(scope="module")
def validators(mappings: Mappings) -> dict[str, Any]:
    return {name: jsonschema_rs.validator_for(schema) for name, schema in schemas(mappings).items()}


def _data(path: Path) -> Any:
    return load_yaml(path).data


# Current --------------------------------------------------------------------------------------------------------


def test_the_committed_schemas_are_those_that_the_models_make(mappings: Mappings) -> None:
    folder = ROOT / "mappings" / "schema"
    made = schema_texts(mappings)
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == dict(made), (
        "run `ocpp-echonet map schema --write`"
    )


def test_they_are_schemas_of_the_dialect(mappings: Mappings) -> None:
    for schema in schemas(mappings).values():
        assert jsonschema_rs.meta.is_valid(schema)
        assert schema["properties"]["mapping"]["const"] == 1


def test_each_key_is_explained(mappings: Mappings) -> None:
    silent = [
        f"{file}: {model}.{key}"
        for file, schema in schemas(mappings).items()
        for model, part in [("", schema), *schema["$defs"].items()]
        for key, value in part.get("properties", {}).items()
        if not value.get("description") and "$ref" not in value
    ]
    assert silent == [], "say in bridge/authoring/keytexts.py what these keys mean"


# Shipped files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_shipped_file_is_valid_by_the_schema_of_its_kind_and_of_its_class(
    path: Path, validators: dict[str, Any]
) -> None:
    data = _data(path)
    names = [f"{data['kind']}.json", f"{data['kind']}-{data['class']}.json"]
    used = [name for name in names if name in validators]
    assert len(used) == (2 if data["kind"] in ("table", "meter") else 1)
    for name in used:
        assert [error.message for error in validators[name].iter_errors(data)] == []


def test_the_schema_of_a_class_knows_its_words(validators: dict[str, Any]) -> None:
    data = _data(ROOT / "mappings/tables/0x027E.yaml")
    validator = validators["table-0x027E.json"]
    for path, wrong in (
        (("StatusNotification", 2, "when"), {"faultStatus": "faulty"}),
        (("StatusNotification", 2, "when"), {"remainingCapacity3": {"min": "3 W"}}),
        (("StatusNotification", 0, "when"), {"lostFor": {"min": "3 W"}}),
        (("polling", "state", "read"), ["faultStatusses"]),
        (("setpoints", "charge", "ways", 1, "ensure"), [{"operationMode": "flying"}]),
        (("setpoints", "charge", "ways", 1, "ensure"), [{"faultStatus": "fault"}]),
        (("class",), "0x02A1"),
    ):
        broken = copy.deepcopy(data)
        _at(broken, path[:-1])[path[-1]] = wrong
        assert not validator.is_valid(broken), (path, wrong)


# The loader's mind ----------------------------------------------------------------------------------------------


def _paths(data: Any, below: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    yield below
    parts = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in parts:
        yield from _paths(value, (*below, key))


def _at(data: Any, path: tuple[Step, ...]) -> Any:
    for step in path:
        data = data[step]
    return data


def _in_an_open_place(path: tuple[Step, ...]) -> bool:
    """What stands there the models do not look at: only the compiler, and the schema a little."""
    return any(key in OPEN_PLACES for key in path)


#: What may be written instead of a value.
INSTEAD: tuple[Any, ...] = (None, True, 7, -1, 2.5, "", "x y", "no-such", "10s", "3 W", "-3 V", [], [1], {}, {"no": 1})


def _broken(data: Any) -> Iterator[tuple[str, Any]]:
    """Each value replaced by each other one; each key missing, misspelt, or one too many."""
    for path in _paths(data):
        if path and not _in_an_open_place(path[:-1]):
            for value in INSTEAD:
                if value is True and isinstance(_at(data, path), int):
                    continue  # to the loader `mapping: true` is the number 1; an editor is stricter
                changed = copy.deepcopy(data)
                _at(changed, path[:-1])[path[-1]] = value
                yield f"{path} = {value!r}", changed
        here = _at(data, path)
        if isinstance(here, dict) and not _in_an_open_place(path):
            changed = copy.deepcopy(data)
            _at(changed, path)["no-such"] = 1
            yield f"{path} no-such", changed
            for key in here:
                changed = copy.deepcopy(data)
                part = _at(changed, path)
                part[f"{key}-"] = part.pop(key)
                yield f"{path} {key}-", changed
                changed = copy.deepcopy(data)
                _at(changed, path).pop(key)
                yield f"{path} without {key}", changed


def _slim(data: Any) -> Any:
    """A file with a few of each kind of thing, so that all ways to break it can be tried."""
    if isinstance(data, dict):
        return {key: _slim(value) for key, value in data.items()}
    if isinstance(data, list):
        seen: dict[Any, Any] = {}
        for item in data:
            shape = tuple(sorted(map(str, item))) if isinstance(item, dict) else type(item)
            seen.setdefault(shape, _slim(item))
        return list(seen.values())[:6]
    return data


@pytest.mark.parametrize(
    "name",
    [
        "tables/0x02A1",
        "tables/0x0287",
        "tables/0x0288",
        "devices/0x0288",
        "devices/0x0EF0",
        "vendors/example-undetermined",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses_and_takes_what_it_takes(
    name: str, validators: dict[str, Any]
) -> None:
    data = _slim(_data(ROOT / "mappings" / f"{name}.yaml"))
    if "properties" in data:
        data["properties"] = data["properties"][:4]
    validator, (model, _) = validators[f"{data['kind']}.json"], KINDS[data["kind"]]
    tried = disagreed = 0
    for what, changed in _broken(data):
        tried += 1
        try:
            model.model_validate(changed)
            taken = True
        except ValidationError:
            taken = False
        valid = validator.is_valid(changed)
        if valid and not taken:
            pytest.fail(f"the schema takes what the loader refuses: {what}")
        if taken and not valid:
            disagreed += 1
            assert any(place in what for place in OPEN_PLACES), f"the loader takes what the schema refuses: {what}"
    assert tried > 400
    assert disagreed < tried / 10


_TEXTS = st.one_of(
    st.from_regex(r"[-+]?[0-9]{1,4}(\.[0-9]{1,8})? ?(ms|s|min|h|W|kW|A|V|Wh|kWh|Ah|%|x)", fullmatch=True),
    st.text("0123456789.+- smhinWVAk%", max_size=8),
)


@given(_TEXTS)
def test_a_pattern_of_quantities_takes_just_what_the_loader_takes(text: str) -> None:
    for check in (_to_ms, _positive, _milli("V").__metadata__[0].func, _milli("W", "A").__metadata__[0].func):
        try:
            check(text)
            taken = True
        except Exception:
            taken = False
        assert jsonschema_rs.is_valid(described(check), text) is taken, (check, text)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    "amount", ["1.5", "0.001", "0.0001", "1.00000", "0.00005", "0.000025", "0.0000025", "-0", "0.0"]
)
def test_fractions_are_as_fine_as_the_loader_takes_them(unit: str, amount: str) -> None:
    text = f"{amount} {unit}"
    try:
        milliseconds(text)
        taken = True
    except ValueError:
        taken = False
    assert jsonschema_rs.is_valid(described(_to_ms), text) is taken


def test_release_ranges_are_just_those_of_the_loader() -> None:
    schema = jsonschema_rs.validator_for(described(_release_range))
    letters = [*RELEASES, "O", "S", "a", "", "-"]
    for text in [first + dash + last for first in letters for dash in ("", "-") for last in letters]:
        try:
            _release_range(text)
            taken = True
        except Exception:
            taken = False
        assert schema.is_valid(text) is taken, text


_OVERLAY_TEXTS = st.one_of(
    st.from_regex(r"0x[0-9A-Fa-f]{4,7}", fullmatch=True),
    st.from_regex(r"[A-Z*\- ]{0,14}", fullmatch=True),
    st.from_regex(r"[0-9]{0,2}(\.[0-9]{1,2}){0,7}", fullmatch=True),
    st.text(max_size=14),
)


@given(_OVERLAY_TEXTS)
def test_the_texts_of_overlays_are_just_those_of_the_loader(text: str) -> None:
    for check in (_maker_code, _product_codes, _firmware):
        try:
            check(text)
            taken = True
        except Exception:
            taken = False
        assert jsonschema_rs.is_valid(described(check), text) is taken, (check, text)


def test_a_range_of_versions() -> None:
    for text, taken in (("2.1-", True), ("2.1-2.4", True), ("-2.4", False), ("2.1--", False), ("2.", False)):
        assert jsonschema_rs.is_valid(described(_firmware), text) is taken


def test_a_validator_that_nobody_describes_is_not_let_through() -> None:
    with pytest.raises(UnknownFormError, match="describe it"):
        described(lambda text: int(str(text), 36) // 0)


@given(st.integers(0, 10**9))
def test_a_default_time_reads_back(ms: int) -> None:
    assert milliseconds(duration_text(ms)) == ms


def test_an_open_place_without_a_form_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPEN_PLACES, "ensure")  # type: ignore[arg-type]
    with pytest.raises(LookupError, match=r"Way\.ensure leaves its form open"):
        schema_of("table")


# The command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_checks_and_tells_what_is_not_current(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["map", "schema", "--check", "--out", str(tmp_path)]) == 1
    assert f"{tmp_path}/table.json: is missing" in capsys.readouterr().err
    assert main(["map", "schema", "--write", "--out", str(tmp_path)]) == 0
    assert main(["map", "schema", "--check", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    changed = json.loads((tmp_path / "table.json").read_text())
    changed["title"] = "mine"
    (tmp_path / "table.json").write_text(json.dumps(changed))
    (tmp_path / "old.json").write_text("{}")
    assert main(["map", "schema", "--check", "--out", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert f"{tmp_path}/table.json: is not current" in told
    assert f"{tmp_path}/old.json: nothing makes it any more" in told
    assert main(["map", "schema"]) == 0
    assert "table-0x027E.json" in capsys.readouterr().out
