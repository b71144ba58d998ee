"""The cable, once for each module."""

from collections.abc import Iterator

import pytest

from tests.netns.cable import Cable, laid_cable


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    """A cable between two namespaces, or a skip that says why there is none."""
    with laid_cable() as laid:
        yield laid
