"""The wheel: it carries the mapping tables, and works from any folder without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from bridge import __version__

ROOT = Path(__file__).parents[2]
PARTS = ("bridge", "mappings", "README.md", "LICENSE", "pyproject.toml", "CHANGELOG.md")


def _run(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the checkout."""
    source = tmp_path_factory.mktemp("source")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, source / part)
    out = tmp_path_factory.mktemp("wheel")
    done = _run(sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "-w", str(out), cwd=source)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as an installer would lay it out."""
    target = tmp_path_factory.mktemp("installed")
    done = _run(
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        str(wheel),
        cwd=target,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def test_it_carries_every_mapping_and_no_test(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    mappings = {
        f"bridge/_mappings/{p.relative_to(ROOT / 'mappings').as_posix()}" for p in (ROOT / "mappings").rglob("*.yaml")
    }
    assert mappings
    assert mappings <= names
    assert not {name for name in names if name.startswith(("tests", "mappings"))}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def _command(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command of the wheel, with the libraries of this environment, far from the checkout (`-P`: not even here)."""
    # -S keeps out .pth files (an editable install of the checkout, say); the libraries are named instead.
    path = os.pathsep.join((str(installed), sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]))
    return _run(sys.executable, "-S", "-P", "-m", "bridge.cli.main", *arguments, cwd=folder, PYTHONPATH=path)


def test_its_command_tells_its_version(installed: Path, tmp_path: Path) -> None:
    done = _command(installed, tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"ocpp-echonet {__version__}\n"), done.stderr
    scripts = (installed / "bin" / "ocpp-echonet").read_text()
    assert "bridge.cli.main" in scripts


def test_it_checks_a_site_with_the_tables_it_carries(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text((ROOT / "config" / "site.yaml").read_text())
    (tmp_path / "secrets").mkdir()
    password = tmp_path / "secrets" / "csms-password"
    password.write_text("x")
    password.chmod(0o600)
    done = _command(installed, tmp_path, "check", "--config", "site.yaml")
    assert done.returncode == 0, done.stderr
    assert "table" in done.stdout
    # Without its tables it must fail, which proves that it was these that were read.
    hidden = (installed / "bridge" / "_mappings").rename(installed / "bridge" / "_hidden")
    try:
        done = _command(installed, tmp_path, "check", "--config", "site.yaml")
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
    finally:
        hidden.rename(installed / "bridge" / "_mappings")
