"""Vendors' own messages (P01, P02). This station speaks no vendor's dialect, and says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bridge.station.link import Answer
from bridge.station.messages import DataTransferRequest, DataTransferResponse, DataTransferStatus, Request


def answers() -> dict[type[Request[Any]], Callable[[Any], Awaitable[Answer]]]:
    """The handler; it needs nothing of the station."""
    return {DataTransferRequest: _unknown}


async def _unknown(_: DataTransferRequest) -> Answer:
    """P01.FR.05: there is no implementation for any vendorId."""
    return DataTransferResponse(DataTransferStatus.UNKNOWN_VENDOR_ID)
