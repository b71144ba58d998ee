"""Fixtures: a device and a CSMS that we did not write."""

from collections.abc import AsyncIterator

import pytest

from tests.peers.programs import Program, address, install_packages


@pytest.fixture(scope="session")
def packages() -> None:
    """npm's packages are there."""
    install_packages()


@pytest.fixture
async def device(packages: None) -> AsyncIterator[Program]:
    """A 0x027E made with npm's echonet-lite, at `address(2)`, unplugged."""
    program = await Program.node("device.js", address(2))
    try:
        await program.event("ready")
        yield program
    finally:
        await program.stop()


@pytest.fixture
async def csms(packages: None) -> AsyncIterator[Program]:
    """A strict CSMS made with npm's ocpp-rpc; `csms.lines[0]["port"]` is where it listens."""
    program = await Program.node("csms.js", "127.0.0.1")
    try:
        await program.event("listening")
        yield program
    finally:
        await program.stop()
