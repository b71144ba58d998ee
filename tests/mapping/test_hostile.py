"""Hostile files: each is refused soon, with its place and a code, and takes no more memory than a file may.

The files are read by a process of its own that may have only so much memory, and whose time is counted.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from bridge.errors import MappingError
from bridge.mapping.load import load_mappings, load_paths
from bridge.mapping.rawfile import RawError, read_raw
from bridge.mapping.yamlfile import OF_A_TABLE, parse_yaml

ROOT = Path(__file__).parents[2]
SIZE = OF_A_TABLE.bytes - 100
#: What a process may take (MiB) beyond what it has when all is imported; a file has half a MiB at most.
MEMORY = 96
#: Seconds of a processor for one file; where the machine is slow, so many times what a file of 900 lines takes.
SECONDS, TIMES = 1.0, 12


def repeated(text: str) -> str:
    """As often as it may be."""
    return text * (SIZE // len(text))


def numbered(text: str) -> str:
    """The same with a number in it."""
    return "".join(text.replace("#", str(number)) for number in range(SIZE // (len(text) + 6)))


TEXTS = {
    # How deep
    "flow lists": ("[" * 10_000, "YAML-DEPTH"),
    "flow mappings": ("{a: " * 10_000, "YAML-DEPTH"),
    "block lists": ("- " * 10_000, "YAML-DEPTH"),
    "block mappings": ("".join(f"{' ' * depth}a:\n" for depth in range(900)), "YAML-DEPTH"),
    "keys of keys": ("? " * 10_000, "YAML-KEY"),
    "all of the file deep": (repeated("[{a: "), "YAML-DEPTH"),
    # How long
    "one word": ("a: " + "x" * (SIZE - 3), "YAML-SIZE"),
    "one line of words": ("a: " + repeated("x ")[3:], "YAML-SIZE"),
    "words on many lines": ("a:\n" + repeated("  x\n")[4:], "YAML-SIZE"),
    "quotes": (f"a: '{repeated(chr(39) * 2)[8:]}'", "YAML-SIZE"),
    "escapes": (f'a: "{repeated(chr(92) + "x41")[8:]}"', "YAML-SIZE"),
    "block text": ("a: |\n" + repeated("  x\n")[8:], "YAML-SIZE"),
    "folded text": ("a: >\n" + repeated("  x\n")[8:], "YAML-SIZE"),
    "a key": ("x" * (SIZE - 3) + ": 1", "YAML-SIZE"),
    "a number": ("a: " + "1" * (SIZE - 3), "YAML-SIZE"),
    "hex": ("a: 0x" + "F" * (SIZE - 5), "YAML-SIZE"),
    "a tag": ("!" + "a" * (SIZE - 1), "YAML-TAG"),
    "an anchor": ("&" + "a" * (SIZE - 1), "YAML-ANCHOR"),
    "larger than a file may be": ("a: 1\n" + "#" * OF_A_TABLE.bytes, "YAML-SIZE"),
    # How many
    "keys": (numbered("k#:\n"), "YAML-SIZE"),
    "keys in a line": ("{" + numbered("k#: ,")[:-20], "YAML-SIZE"),
    "items": (repeated("- \n"), "YAML-SIZE"),
    "items in a line": ("[" + repeated("1,"), "YAML-SIZE"),
    "the same key": (repeated("a: 1\n"), "YAML-DUPLICATE"),
    "documents": (repeated("---\n"), "YAML-SYNTAX"),
    "documents behind an end": ("a: 1\n...\n" + repeated("%a\n")[20:], "YAML-SYNTAX"),
    "directives": (repeated("%a\n"), "YAML-TAG"),
    "tags": (repeated("- !t x\n"), "YAML-TAG"),
    # Bombs
    "anchors": (repeated("- &a x\n"), "YAML-ANCHOR"),
    "aliases": (repeated("- *a\n"), "YAML-ALIAS"),
    "a billion laughs": (
        "a: &a [lol, lol]\n"
        + "".join(f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]\n" for last, name in pairwise("abcdefghi")),
        "YAML-ANCHOR",
    ),
    "a merged bomb": ("".join(f"m{n}: &m{n} {{<<: *m{n - 1}, k{n}: 1}}\n" for n in range(1, 4_000)), "YAML-ANCHOR"),
    # What is no text
    "a NUL": ("a: 1\nb: \0\n", "YAML-SYNTAX"),
    "zeros": ("\0" * SIZE, "YAML-SYNTAX"),
    "half a character": ('a: "\\ud800"', "YAML-SYNTAX"),
    "no character": ('a: "\\UFFFFFFFF"', "YAML-SYNTAX"),
    "a control character": ("a: \x1b[31m", "YAML-SYNTAX"),
}
BYTES = {
    "UTF-16": ("a: 1\n".encode("utf-16"), "YAML-ENCODING"),
    "UTF-16 without a mark": ("a: 1\n".encode("utf-16-le"), "YAML-SYNTAX"),
    "UTF-32": ("a: 1\n".encode("utf-32"), "YAML-ENCODING"),
    "no UTF-8": (b"a: 1\nb: \xff\n", "YAML-ENCODING"),
    "Shift_JIS": ("ja: 充電器\n".encode("shift_jis"), "YAML-ENCODING"),
    "an overlong form": (b"a: \xc0\xaf\n", "YAML-ENCODING"),
    "a program": (Path(sys.executable).read_bytes()[:400_000], "YAML-ENCODING"),
}
#: Comments and empty lines are allowed; a file may be full of them.
HARMLESS = {"comments": repeated("#x\n"), "one comment": "#" * SIZE, "empty lines": "\n" * SIZE, "blanks": " " * SIZE}


def a_gigabyte(path: Path) -> None:
    """Full of holes."""
    with open(path, "wb") as file:
        file.truncate(1_000_000_000)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(path.parent)  # a socket's path is short
        listener.bind(path.name)


THINGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a gigabyte": (a_gigabyte, "YAML-SIZE the file is larger than"),
    "a pipe": (os.mkfifo, "FILE cannot be read: it is a pipe, not a file"),
    "a folder": (os.mkdir, "FILE cannot be read: it is a folder, not a file"),
    "a socket": (a_socket, "FILE cannot be read: it is a socket, not a file"),
    "zeros without end": (lambda path: path.symlink_to("/dev/zero"), "FILE cannot be read: it is a device, not a file"),
    "random without end": (lambda path: path.symlink_to("/dev/urandom"), "FILE cannot be read: it is a device"),
    "nothing there": (lambda path: path.symlink_to("nowhere"), "FILE cannot be read: No such file or directory"),
    "a ring of links": (lambda path: path.symlink_to(path), "FILE cannot be read: Too many levels of symbolic links"),
}

_READER = """
import json, resource, sys, time
from pathlib import Path
from bridge.errors import MappingError
from bridge.mapping.yamlfile import load_yaml, parse_yaml
parse_yaml("a: 1", "warm")
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[0])
most = pages * resource.getpagesize() + int(sys.argv[1]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (most, most))
for line in sys.stdin:
    started = time.process_time()
    try:
        load_yaml(Path(line[:-1]), name="f.yaml")
        said = ""
    except MappingError as reason:
        said = str(reason)
    print(json.dumps([time.process_time() - started, said]), flush=True)
"""


@dataclass
class Reader:
    """Reads files in a process of its own, one after the other."""

    process: "subprocess.Popen[str]"
    seconds: float = SECONDS

    def read(self, path: Path) -> str:
        """What is said of a file; it must be said in time."""
        took, said = self.ask(path)
        assert took <= self.seconds, f"{took:.2f} s"
        return said

    def ask(self, path: Path) -> tuple[float, str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the process has died: it wanted more memory than it may have"
        took, said = json.loads(line)
        return took, said


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with subprocess.Popen(
        [sys.executable, "-c", _READER, str(MEMORY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        found = Reader(process)
        took, said = found.ask(ROOT / "mappings" / "tables" / "0x027E.yaml")
        assert said == ""
        found.seconds = max(SECONDS, TIMES * took)
        yield found
        process.kill()


@pytest.mark.parametrize(("text", "code"), TEXTS.values(), ids=list(TEXTS))
def test_texts(reader: Reader, tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    _check(reader.read(path), code)


@pytest.mark.parametrize(("raw", "code"), BYTES.values(), ids=list(BYTES))
def test_bytes(reader: Reader, tmp_path: Path, raw: bytes, code: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(raw)
    _check(reader.read(path), code)


def _check(said: str, code: str) -> None:
    lines = said.splitlines()
    assert lines[0].split(" ", 2)[1] == code, lines[0][:200]
    for line in lines:
        file, row, column, _ = line.split(" ", 1)[0].split(":")
        assert file == "f.yaml"
        assert int(row) >= 1 <= int(column)
    assert len(lines) <= 101
    assert max(map(len, lines)) < 700


@pytest.mark.parametrize("text", HARMLESS.values(), ids=list(HARMLESS))
def test_a_file_full_of_nothing_is_read(reader: Reader, tmp_path: Path, text: str) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text)
    assert reader.read(path) == ""


@pytest.mark.parametrize(("make", "said"), THINGS.values(), ids=list(THINGS))
def test_what_is_no_file(reader: Reader, tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    here = Path.cwd()
    try:
        make(tmp_path / "f.yaml")
    finally:
        os.chdir(here)
    assert reader.read(tmp_path / "f.yaml").startswith(f"f.yaml:1:1: {said}")


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tests may run as a user to whom everything is allowed."""

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "f.yaml").write_text("a: 1")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(RawError, match="cannot be read: Permission denied"):
        read_raw(tmp_path / "f.yaml", 10)


def test_a_file_that_grows_while_it_is_read() -> None:
    """The kernel says of these that they are empty."""
    assert b"MemTotal" in read_raw(Path("/proc/meminfo"), 100_000)
    with pytest.raises(RawError, match="larger than 20 bytes"):
        read_raw(Path("/proc/meminfo"), 20)


def test_a_path_that_is_none() -> None:
    with pytest.raises(RawError, match="null"):
        read_raw(Path("a\0b"), 10)


def test_a_text_is_bounded_too() -> None:
    with pytest.raises(MappingError, match="YAML-SIZE"):
        parse_yaml("#" * (OF_A_TABLE.bytes + 1), "f.yaml")


# Folders --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of mappings with nothing in it."""
    for part in ("devices", "tables", "vendors"):
        (tmp_path / "m" / part).mkdir(parents=True)
    return tmp_path / "m"


@pytest.mark.parametrize("part", ["devices", "tables"])
@pytest.mark.parametrize("only", [None, {0x027E}])
@pytest.mark.parametrize("target", ["{outside}", "../../secret.yaml", "/dev/zero", "/etc/passwd"])
def test_a_link_that_leads_out_of_the_folder_is_not_followed(
    folder: Path, part: str, only: set[int] | None, target: str
) -> None:
    outside = folder.parent / "secret.yaml"
    outside.write_text("token: hunter2\n")
    (folder / part / "x.yaml").symlink_to(target.format(outside=outside))
    with pytest.raises(MappingError, match=rf"{part}/x\.yaml:1:1: FILE is a link that leads out") as raised:
        load_mappings(folder, only)
    assert "hunter2" not in str(raised.value)
    with pytest.raises(MappingError, match="FILE is a link that leads out of the folder"):
        load_paths([folder])


def test_a_part_of_the_folder_that_leads_out_is_not_followed(folder: Path) -> None:
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "x.yaml").write_text("a: 1\n")
    (folder / "tables").rmdir()
    (folder / "tables").symlink_to("../other")
    with pytest.raises(MappingError, match=r"tables/x\.yaml:1:1: FILE is a link that leads out of the folder"):
        load_mappings(folder)


def test_links_within_the_folder_and_to_the_folder_are_followed(tmp_path: Path) -> None:
    """As a volume of a container is laid out."""
    import shutil

    from bridge.mapping.load import default_folder

    shutil.copytree(default_folder(), tmp_path / "m" / "..2024" / "all")
    for part in ("devices", "tables"):
        (tmp_path / "m" / part).symlink_to(f"..2024/all/{part}")
    (tmp_path / "link").symlink_to("m")
    assert load_mappings(tmp_path / "link").tables.keys() == load_mappings().tables.keys()


@pytest.mark.parametrize("only", [None, {0x027E}])
@pytest.mark.parametrize(("make", "said"), [(os.mkfifo, "a pipe"), (os.mkdir, "a folder")])
def test_what_is_no_file_does_not_block_a_folder(
    folder: Path, only: set[int] | None, make: Callable[[Path], object], said: str
) -> None:
    make(folder / "tables" / "x.yaml")
    with pytest.raises(MappingError, match=rf"tables/x\.yaml:1:1: FILE cannot be read: it is {said}"):
        load_mappings(folder, only)


def test_of_many_mistakes_only_some_are_told(tmp_path: Path) -> None:
    import shutil

    from bridge.mapping.load import default_folder

    shutil.copytree(default_folder(), tmp_path / "m")
    path = tmp_path / "m" / "tables" / "0x027E.yaml"
    lists = ", ".join(f"nobody{number}" for number in range(3_000))
    path.write_text(path.read_text().replace("{faultStatus: fault}", f"{{faultStatus: [{lists}]}}", 1))
    with pytest.raises(MappingError) as raised:
        load_mappings(tmp_path / "m")
    lines = str(raised.value).splitlines()
    assert len(lines) == 100
    assert sum(" TOO-MANY-MISTAKES " in line for line in lines) == 1
    path.write_text("".join(f"nobody{number}: 1\n" for number in range(3_000)))
    with pytest.raises(MappingError, match=r"TOO-MANY-MISTAKES \d+ mistakes more than are told here"):
        load_mappings(tmp_path / "m")
