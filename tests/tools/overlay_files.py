"""Writes overlays for tests, and loads them on the shipped tables without parsing those anew each time."""

from pathlib import Path

from bridge.errors import MappingError
from bridge.mapping.load import Mappings, default_folder, load_mappings, load_paths
from tests.tools.tables import parsed

MAKER = 'match: {manufacturer: "0x0000AA"}'
CHANGE = "changes:\n  - {remove: chargingState.inferred, why: the unit's mode says nothing}\n"
#: Of an overlay that stands on one with CHANGE.
OTHER = CHANGE.replace("inferred", "inferred-order")


def overlay(body: str = CHANGE, head: str = MAKER, name: str = "mine", code: str = "0x027E") -> str:
    """An overlay's text: the head takes lines 1 to 5 where its match is one line."""
    return f'mapping: 1\nkind: overlay\nid: {name}\nclass: "{code}"\n{head}\n{body}'


def write(folder: Path, **texts: str) -> list[Path]:
    """Overlays in a folder of their own, by the names of their files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.yaml" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    return paths


def load(folder: Path, **texts: str) -> Mappings:
    """Overlays on the shipped tables."""
    return load_paths(write(folder, **texts), parsed())


def mistakes(folder: Path, **texts: str) -> list[str]:
    """What is said of overlays that cannot be loaded, with the files as they are called in `folder`."""
    try:
        load(folder, **texts)
    except MappingError as reason:
        return [line.replace(f"{folder}/", "") for line in str(reason).splitlines()]
    return []


def whole_folder(folder: Path, **texts: str) -> Path:
    """The shipped dictionaries and tables with these overlays and no others."""
    for path in [*default_folder().glob("devices/*.yaml"), *default_folder().glob("tables/*.yaml")]:
        copy = folder / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    write(folder / "vendors", **texts)
    return folder


def lenient(folder: Path, **texts: str) -> Mappings:
    """A folder as a gateway loads it."""
    return load_mappings(whole_folder(folder, **texts), {0x027E}, parsed(), lenient=True)
