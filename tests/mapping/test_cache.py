"""The cache of parsed documents: never wrong, whatever happens to the files, to the clock and to the cache itself."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigError, MappingError
from bridge.mapping import cache as cache_module
from bridge.mapping.cache import MOST_ENTRIES, DocumentCache, cache_of_tools
from bridge.mapping.files import default_folder
from bridge.mapping.load import load_mappings, load_paths
from bridge.mapping.yamlfile import Document, load_yaml, parse_yaml

ROOT = Path(__file__).parents[2]
TEXT = """# a comment
a:
  - {b: 1, c: 0x1F}
  - {}
  - []
d: [~, true, 2.5, 'x', "\\u00e9"]
examples:
  - given: {}
"""


class Parses:
    """Counts what is really parsed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0

        def parse(*given: Any, **more: Any) -> Document:
            self.count += 1
            return parse_yaml(*given, **more)

        patch.setattr(cache_module, "parse_yaml", parse)


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> Parses:
    return Parses(monkeypatch)


@pytest.fixture
def kept(tmp_path: Path) -> DocumentCache:
    return DocumentCache(tmp_path / "cache")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f.yaml"
    path.write_text(TEXT)
    return path


def entries(cache: DocumentCache) -> list[Path]:
    return sorted(cache.folder.iterdir())


def same(found: Document, parsed: Document) -> bool:
    """Equal in everything, the order and the types of values included."""
    everything = [
        (document.file, document.text, repr(document.data), *map(list, (d.items() for d in _places(document))))
        for document in (found, parsed)
    ]
    return everything[0] == everything[1]


def _places(document: Document) -> Iterator[Any]:
    yield from (document.values, document.keys, document.source)


# What is kept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("without", [None, "examples"])
def test_the_shipped_files_come_back_as_they_were_parsed(kept: DocumentCache, parses: Parses, without: str) -> None:
    files = sorted(default_folder().glob("*/*.yaml"))
    for path in files:
        kept.load(path, without=without)
    assert parses.count == len(files)
    again = [DocumentCache(kept.folder).load(path, without=without) for path in files]
    assert parses.count == len(files)
    for path, found in zip(files, again, strict=True):
        assert same(found, load_yaml(path, without=without)), path


@pytest.mark.parametrize("text", [TEXT, "", "# nothing\n", "~", "[]", "word", "{}", "a:\n", "- - - 1\n", "\ufeffa: 1"])
def test_any_form_of_document_comes_back(kept: DocumentCache, parses: Parses, tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    first, second = kept.load(path), kept.load(path)
    assert parses.count == 1
    assert same(first, second)
    assert same(second, load_yaml(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.sampled_from("ab:{}[]-,|>?\"'#% \n1.0xEe~é\\u"), max_size=60))
def test_any_text_that_can_be_read_comes_back(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text, newline="")
    kept = DocumentCache(tmp_path / "cache")
    try:
        parsed = load_yaml(path)
    except MappingError as reason:
        with pytest.raises(MappingError, match=re.escape(str(reason))):
            kept.load(path)
        return
    assert same(kept.load(path), parsed)
    assert same(kept.load(path), parsed)


def test_the_name_of_the_file_is_not_kept(kept: DocumentCache, parses: Parses, file: Path) -> None:
    kept.load(file, name="one")
    other = file.with_name("other.yaml")
    other.write_bytes(file.read_bytes())
    assert kept.load(other, name="two").place(("a", 0)) == "two:3"
    assert parses.count == 1


def test_mappings_from_the_cache_are_those_that_were_parsed(kept: DocumentCache, parses: Parses) -> None:
    first = load_mappings(cache=kept)
    count = parses.count
    second = load_mappings(cache=kept)
    assert count > 0
    assert parses.count == count
    assert second.content_hash == first.content_hash == load_mappings().content_hash
    assert [s.model for s in second.sources] == [s.model for s in first.sources]
    assert [s.document for s in second.sources] == [s.document for s in first.sources]
    assert [row.answer.rule for row in second.table(0x027E).status_rows] == [
        row.answer.rule for row in first.table(0x027E).status_rows
    ]


def test_where_all_is_cached_the_parser_is_not_even_imported(kept: DocumentCache) -> None:
    program = (
        "import sys; from pathlib import Path; from bridge.mapping.cache import DocumentCache; "
        "from bridge.mapping.load import load_mappings; load_mappings(cache=DocumentCache(Path(sys.argv[1]))); "
        "print('ruamel.yaml' in sys.modules)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program, str(kept.folder)], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["True", "False"]


# Never wrong ----------------------------------------------------------------------------------------------------


def test_a_file_that_is_deleted_is_gone(kept: DocumentCache, file: Path) -> None:
    kept.load(file)
    file.unlink()
    with pytest.raises(MappingError, match=r"f\.yaml:1:1: FILE cannot be read: No such file"):
        kept.load(file)


def test_an_edit_counts_though_time_stamp_and_size_stay(kept: DocumentCache, parses: Parses, file: Path) -> None:
    before = file.stat()
    assert kept.load(file).data["a"][0]["b"] == 1
    file.write_text(TEXT.replace("b: 1", "b: 2"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
    assert kept.load(file).data["a"][0]["b"] == 2
    assert parses.count == 2


@pytest.mark.parametrize("seconds", [0, 1, -4_000_000_000, 4_000_000_000])
def test_clocks_do_not_matter(kept: DocumentCache, parses: Parses, file: Path, seconds: int) -> None:
    kept.load(file)
    for path in (file, *entries(kept)):
        os.utime(path, (seconds, seconds))
    kept.load(file)
    assert parses.count == 1  # what has not changed is found, however old it looks
    file.write_text(TEXT.replace("b: 1", "b: 2"))
    os.utime(file, (seconds, seconds))
    assert kept.load(file).data["a"][0]["b"] == 2


def test_a_section_left_out_and_other_limits_are_other_entries(kept: DocumentCache, file: Path) -> None:
    assert "examples" in kept.load(file).data
    assert "examples" not in kept.load(file, without="examples").data
    assert "examples" in kept.load(file).data
    assert len(entries(kept)) == 2


def test_a_file_with_mistakes_is_never_kept(kept: DocumentCache, file: Path) -> None:
    file.write_text("a: &x 1\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match="YAML-ANCHOR"):
            kept.load(file, error=ConfigError)
    assert not kept.folder.exists()


def test_other_code_finds_no_entry_of_ours(
    kept: DocumentCache, parses: Parses, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept.load(file)
    changed = tmp_path / "yamlfile.py"
    changed.write_text("# one line more\n" + Path(cache_module._OURS[0]).read_text())
    (tmp_path / "yamlbuild.py").write_text("")
    monkeypatch.setattr(cache_module, "_OURS", (str(changed), *cache_module._OURS[1:]))
    cache_module._code.cache_clear()
    try:
        DocumentCache(kept.folder).load(file)
    finally:
        cache_module._code.cache_clear()
    assert parses.count == 2


def test_code_that_cannot_be_read_is_not_trusted_to_be_the_same(
    parses: Parses, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cache_module, "_code", lambda: None)
    cache = DocumentCache(tmp_path / "cache")
    cache.load(file)
    cache.load(file)
    assert parses.count == 2
    assert "own code" in str(cache.trouble)
    assert not cache.folder.exists()


# A cache that is not what it was --------------------------------------------------------------------------------

DAMAGES = {
    "empty": lambda raw: b"",
    "cut in the head": lambda raw: raw[:20],
    "cut at the line": lambda raw: raw[: raw.index(b"\n")],
    "cut in the body": lambda raw: raw[:-10],
    "one byte more": lambda raw: raw + b" ",
    "one bit": lambda raw: raw[:-30] + bytes([raw[-30] ^ 1]) + raw[-29:],
    "a value": lambda raw: raw.replace(b'"b":1', b'"b":7'),
    "garbage": lambda raw: os.urandom(len(raw)),
    "zeros": lambda raw: bytes(len(raw)),
    "no object": lambda raw: b"[]\n[]",
    "deep": lambda raw: b"[" * 200_000,
    "huge": lambda raw: b"x" * 10_000_000,
    "another format": lambda raw: raw.replace(b'"format": 1', b'"format": 2'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_entry_is_made_again(kept: DocumentCache, parses: Parses, file: Path, damage: Any) -> None:
    kept.load(file)
    [entry] = entries(kept)
    raw = entry.read_bytes()
    assert damage(raw) != raw
    entry.write_bytes(damage(raw))
    assert same(kept.load(file), load_yaml(file))
    assert parses.count == 2
    assert kept.trouble is None
    assert entry.read_bytes() == raw


def test_an_entry_that_was_sound_for_another_file_is_none(kept: DocumentCache, parses: Parses, file: Path) -> None:
    kept.load(file)
    [first] = entries(kept)
    file.write_text(TEXT.replace("b: 1", "b: 2"))
    kept.load(file)
    second = next(entry for entry in entries(kept) if entry != first)
    second.write_bytes(first.read_bytes())
    assert kept.load(file).data["a"][0]["b"] == 2
    assert parses.count == 3


@pytest.mark.parametrize("part", ["data", "places", "written"])
@pytest.mark.parametrize("value", [None, [], {}, 0, "x", [1], [[1, 2, 3]]])
def test_an_entry_that_is_well_signed_nonsense_does_no_harm(
    kept: DocumentCache, file: Path, part: str, value: Any
) -> None:
    """Nobody writes such a thing by accident; still nothing but the reading of a file again may come of it."""
    kept.load(file)
    [entry] = entries(kept)
    head, body = (json.loads(half) for half in entry.read_bytes().split(b"\n"))
    body[part] = value
    text = json.dumps(body).encode()
    head["digest"] = cache_module.hashlib.sha256(text).hexdigest()
    entry.write_bytes(json.dumps(head).encode() + b"\n" + text)
    found = kept.load(file)
    assert part == "written" or same(found, load_yaml(file))
    assert found.data == load_yaml(file).data


def test_an_entry_that_is_no_file_does_not_block(kept: DocumentCache, parses: Parses, file: Path) -> None:
    kept.load(file)
    [entry] = entries(kept)
    entry.unlink()
    os.mkfifo(entry)
    assert same(kept.load(file), load_yaml(file))
    assert entry.is_file()
    entry.unlink()
    entry.mkdir()
    assert same(kept.load(file), load_yaml(file))
    assert parses.count == 3


# Folders --------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_done_without(parses: Parses, file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    cache = DocumentCache(tmp_path / "taken" / "cache")
    assert same(cache.load(file), load_yaml(file))
    assert same(cache.load(file), load_yaml(file))
    assert parses.count == 2
    assert "taken" in str(cache.trouble)


def test_a_folder_that_takes_nothing_is_done_without(
    kept: DocumentCache, parses: Parses, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full, or read-only."""
    tries: list[object] = []

    def full(*given: object) -> None:
        tries.append(given)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    for _ in range(3):
        assert same(kept.load(file), load_yaml(file))
    assert kept.trouble == f"{kept.folder}: No space left on device"
    assert len(tries) == 1  # not tried again and again
    assert parses.count == 3
    assert entries(kept) == []  # nothing is left half done


def test_a_folder_to_which_others_may_write_is_not_used(kept: DocumentCache, parses: Parses, file: Path) -> None:
    kept.load(file)
    kept.folder.chmod(0o777)
    cache = DocumentCache(kept.folder)
    assert same(cache.load(file), load_yaml(file))
    assert parses.count == 2
    assert "others may write" in str(cache.trouble)


def test_it_is_nobody_elses_to_read(kept: DocumentCache, file: Path) -> None:
    kept.load(file)
    assert kept.folder.stat().st_mode & 0o777 == 0o700


def test_only_so_many_entries_are_kept(kept: DocumentCache, parses: Parses, file: Path) -> None:
    for number in range(MOST_ENTRIES + 20):
        file.write_text(f"a: {number}\n")
        kept.load(file)
        for entry in entries(kept)[:1]:
            os.utime(entry, (number, number))
    (kept.folder / f"{'0' * 40}.1-1.part").write_text("left half done")
    file.write_text("a: the last\n")
    kept.load(file)
    assert len(entries(kept)) == MOST_ENTRIES
    parsed = parses.count
    kept.load(file)
    assert parses.count == parsed


_WRITER = """
import sys
from pathlib import Path
from bridge.mapping import cache
from bridge.mapping.yamlfile import load_yaml
folder, path = Path(sys.argv[1]), Path(sys.argv[2])
expected = load_yaml(path)
for _ in range(int(sys.argv[3])):
    kept = cache.DocumentCache(folder)
    assert kept.load(path) == expected
    for entry in folder.glob("*.json"):
        entry.unlink(missing_ok=True)
    assert kept.trouble is None, kept.trouble
"""


def test_processes_that_write_and_delete_at_once_never_see_half_an_entry(kept: DocumentCache, file: Path) -> None:
    arguments = [sys.executable, "-c", _WRITER, str(kept.folder), str(file), "150"]
    writers = [
        subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."})
        for _ in range(2)
    ]
    assert [(writer.communicate(timeout=60)[1], writer.returncode) for writer in writers] == [("", 0), ("", 0)]
    assert [entry for entry in entries(kept) if entry.suffix != ".json"] == []


# Of tools -------------------------------------------------------------------------------------------------------


def test_tools_share_a_cache_below_the_home_of_their_user(
    monkeypatch: pytest.MonkeyPatch, parses: Parses, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    load_paths([])
    first = parses.count
    load_paths([])
    assert parses.count == first > 0
    assert (tmp_path / "xdg" / "ocpp-echonet").is_dir()


@pytest.mark.parametrize("told", ["", "relative"])
def test_where_the_folder_is_not_named_well_it_is_the_usual_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", told)
    monkeypatch.setenv("HOME", str(tmp_path))
    cache = cache_of_tools()
    assert cache is not None
    assert cache.folder == tmp_path / ".cache" / "ocpp-echonet"


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_of_tools() is None
    assert load_paths([]).tables
