"""Groups of tests that run only when asked for: what is not asked for is deselected, not skipped."""

from __future__ import annotations

import pytest

#: Option and marker: what its tests need beyond Python and two minutes.
GROUPS = {
    "peers": "programs that we did not write (Node)",
    "browser": "a browser",
    "container": "root and a container builder",
    "netns": "root and network namespaces",
    "bench": "a machine to itself",
    "soak": "hours",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """One option for each group."""
    options = parser.getgroup("groups", "groups of tests that are left out unless asked for")
    for name, needs in GROUPS.items():
        options.addoption(f"--{name}", action="store_true", default=False, help=f"run also the tests that need {needs}")


def pytest_configure(config: pytest.Config) -> None:
    """One marker for each group."""
    for name, needs in GROUPS.items():
        config.addinivalue_line("markers", f"{name}: needs {needs}; runs only with --{name}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """A group that was asked for has the machine to itself: its ports, its time. None: as many as there are cores."""
    return 0 if any(config.getoption(name) for name in GROUPS) else None


def left_out(item: pytest.Item) -> bool:
    """Whether a test belongs to a group that was not asked for."""
    return any(item.get_closest_marker(name) and not item.config.getoption(name) for name in GROUPS)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the groups that were not asked for."""
    out = [item for item in items if left_out(item)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if not left_out(item)]
