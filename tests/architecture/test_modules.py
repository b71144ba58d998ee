"""What every module keeps to: a size that can be read in one sitting, a subject said in its first lines."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "bridge").rglob("*.py"))
TESTS = sorted(
    path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("*.py") if "node_modules" not in path.parts
)
MOST_LINES = 700
#: The message version, and the demo CSMS, which shares nothing with it but the package's schemas.
KNOW_THE_OCPP_PACKAGE = {"bridge/station/messages/wire.py", "bridge/sim/csms_schemas.py"}


@pytest.mark.parametrize("module", [*MODULES, *TESTS])
def test_a_module_can_be_read_in_one_sitting(module: str) -> None:
    assert len((ROOT / module).read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_says_what_it_is_about(module: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / module).read_text()))


@pytest.mark.parametrize("module", [module for module in MODULES if module not in KNOW_THE_OCPP_PACKAGE])
def test_only_the_message_version_knows_the_ocpp_package(module: str) -> None:
    named = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.Import):
            named |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            named.add(node.module or "")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            # importlib and its resources take the name as a string
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in ("files", "import_module", "find_spec", "__import__"):
                named |= {str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)}
    assert not {name for name in named if name == "ocpp" or name.startswith("ocpp.")}


def test_the_import_contracts_hold() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
