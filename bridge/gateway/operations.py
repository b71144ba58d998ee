"""The operations that look into a site, by the names that requests give them."""

from __future__ import annotations

from typing import Final

from bridge.gateway.inspect import Operation
from bridge.gateway.inspect_discover import discover
from bridge.gateway.inspect_dump import dump
from bridge.gateway.inspect_probe import probe
from bridge.gateway.inspect_ramp import ramp
from bridge.gateway.inspect_view import explain

OPERATIONS: Final[dict[str, Operation]] = {
    "discover": discover,
    "probe": probe,
    "ramp": ramp,
    "dump": dump,
    "explain": explain,
}
