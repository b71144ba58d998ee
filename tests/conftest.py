"""What all tests share: the groups that must be asked for, the conformance report, a cache of their own."""

import pytest

pytest_plugins = ["pytester", "tests.conformance.groups", "tests.conformance.plugin"]


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tools leave nothing in the home of whoever runs the tests, and find nothing there."""
    pytest.MonkeyPatch().setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("xdg-cache")))
