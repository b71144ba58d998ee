"""What all tests share: the groups that must be asked for, the conformance report, a cache of their own."""

import os
from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["pytester", "tests.conformance.groups", "tests.conformance.plugin"]


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: a third of a run is waiting, for sockets and for processes."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tools leave nothing in the home of whoever runs the tests, and find nothing there."""
    pytest.MonkeyPatch().setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("xdg-cache")))


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command that sets up its logs within a test leaves nothing of that to the next one."""
    yield
    structlog.reset_defaults()
