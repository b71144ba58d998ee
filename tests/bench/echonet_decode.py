"""How fast a datagram becomes a frame, beside pychonet's decoder in the same run.

The frame is a Get_Res of 45 bytes with 7 properties. Ours checks everything, pychonet's nothing; values stay bytes in
both, typed values have a figure of their own.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable

from pychonet.lib.functions import decodeEchonetMsg

from bridge.echonet.frame import decode
from bridge.mapping.load import Mappings, load_mappings

FRAME = bytes.fromhex(
    "1081 1234 027E01 05FF01 72 07DA0142 C70143 D304000005DC D60400012345 D80400054321 E40137 CC0451525354".replace(
        " ", ""
    )
)
ROUNDS = 20_000
REPEATS = 9


def _rate(work: Callable[[bytes], object]) -> float:
    """Frames per second in the best of several rounds: the others measure the machine's neighbours."""
    return ROUNDS / min(timeit.repeat(lambda: work(FRAME), number=ROUNDS, repeat=REPEATS))


def measure() -> dict[str, float | str]:
    """Decode rates of both and their ratio; at least 1.0 is wanted."""
    if len(FRAME) != 45:
        raise AssertionError(f"the frame has {len(FRAME)} bytes, not 45")
    peer = _rate(decodeEchonetMsg)
    ours = _rate(decode)
    return {
        "name": "ECHONET Lite frame decode",
        "ours_per_s": ours,
        "peer_per_s": peer,
        "ratio": ours / peer,
        "typed_per_s": _rate(_typed(load_mappings())),
    }


def _typed(mappings: Mappings) -> Callable[[bytes], object]:
    """Ours, and every property as a value of its type."""
    definitions = mappings.classes[0x027E].at("R")

    def decode_typed(data: bytes) -> object:
        return [definitions.decode(epc, edt) for epc, edt in decode(data).properties]

    return decode_typed
