"""The test system is no part of the station: it knows what crosses the wire, the LAN and the local API, and no more.

Of `bridge` it imports the simulation (the CSMS, the units), which itself imports nothing of the station (an import
contract in pyproject.toml). A gateway is put together in `tests/tools/octt_site.py` alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
#: What of the project may be imported, by whom: the folder, and what it leans on.
ALLOWED = ("bridge.sim", "tests.octt", "tests.conformance", "tests.tools.octt_site", "tests.tools.authorities")
#: The one module that knows the gateway.
BRIDGE = "tests/tools/octt_site.py"
LEANS_ON = ("tests/tools/authorities.py", "tests/conformance/catalogue.py", "tests/conformance/selection.py")
FILES = sorted(path.relative_to(ROOT).as_posix() for path in HERE.rglob("*.py")) + list(LEANS_ON)
#: Ways to import that no import statement shows, and ways into a gateway that is there already.
BACK_DOORS = {"__import__", "importlib", "import_module", "runpy", "exec", "eval", "modules", "gateway"}


def imported(tree: ast.AST) -> Iterator[str]:
    """The full names of what a module imports; a relative import is its dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{one.name}" for one in node.names)


def back_doors(tree: ast.AST) -> Iterator[str]:
    """Names by which a module comes to the station in another way."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in BACK_DOORS:
            yield node.id
        elif isinstance(node, ast.Attribute) and node.attr in BACK_DOORS:
            yield node.attr
        elif isinstance(node, ast.alias) and BACK_DOORS & set(node.name.split(".")):
            yield node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _names_module(node.value):
            yield node.value


def _names_module(text: str) -> bool:
    return text.startswith("bridge.") and not text.startswith("bridge.sim") and " " not in text


def faults(source: str) -> list[str]:
    """What of a module is against the contract."""
    tree = ast.parse(source)
    ours = [name for name in imported(tree) if name.split(".")[0] in ("bridge", "tests", "")]
    wrong = [name for name in ours if not any(name == one or name.startswith(f"{one}.") for one in ALLOWED)]
    return wrong + list(back_doors(tree))


@pytest.mark.parametrize("file", [file for file in FILES if file != "tests/octt/test_contract.py"])
def test_the_test_system_imports_nothing_of_the_station(file: str) -> None:
    assert faults((ROOT / file).read_text(encoding="utf-8")) == []


def test_one_module_alone_puts_a_gateway_together() -> None:
    """And it really does: else the list above would forbid nothing."""
    assert "bridge.gateway.gateway.Gateway" in faults((ROOT / BRIDGE).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "import bridge",
        "import bridge.station",
        "import bridge.station.session as s",
        "from bridge import station",
        "from bridge.station.session import Session",
        "from bridge.gateway.gateway import Gateway",
        "from bridge.simulation import x",
        "from . import harness",
        "from ..tools import station_house",
        "from tests.tools.station_house import House",
        "from tests.tools import house",
        "import tests.tools.house",
        "import importlib",
        "import importlib as i",
        "from importlib import import_module",
        "from importlib import import_module as load",
        "__import__('bridge.station')",
        "import sys\nx = sys.modules['bridge.station.session']",
        "name = 'bridge.station.session'",
        "import runpy",
        "exec('import bridge')",
        "octt.bench.gateway.stations",
        "def test():\n    from bridge.station.session import Session",
    ],
)
def test_every_way_in_is_found(source: str) -> None:
    assert faults(source) != []


@pytest.mark.parametrize(
    "source", ["from bridge.sim.csms import DemoCsms", "from tests.tools import octt_site", "import bridge.sim.unit"]
)
def test_what_is_allowed_is_allowed(source: str) -> None:
    assert faults(source) == []
