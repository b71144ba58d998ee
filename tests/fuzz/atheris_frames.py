"""The decoders of frames and values, fuzzed with guidance by coverage (atheris, libFuzzer).

In an environment of its own, for atheris is none of the project's dependencies:

    python3 -m venv fuzz-venv && fuzz-venv/bin/pip install atheris -e .
    PYTHONPATH=. fuzz-venv/bin/python tests/fuzz/atheris_frames.py CORPUS -runs=10000000 -max_len=512

CORPUS is a folder; what is found is kept there and is where the next run begins. The first byte of an input chooses the
target (`tests/fuzz/targets.py`). Any exception but the codec's own ends the run and is written to a file `crash-...`,
which is replayed by naming it instead of the folder. Each million inputs, and at the end, a line of JSON tells inputs,
time, and memory: blocks that Python holds and the process' RSS (which grows with libFuzzer's own corpus).
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from hashlib import sha1
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["bridge.echonet", "bridge.errors"]):
    from tests.fuzz import targets

EVERY = 1_000_000
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Fuzzer:
    """Runs one input after the other and counts."""

    def __init__(self) -> None:
        self.inputs = 0
        self.began = time.perf_counter()

    def one(self, data: bytes) -> None:
        """One input, for the target that its first byte names."""
        if data:
            targets.TARGETS[data[0] % len(targets.TARGETS)](data[1:])
        self.inputs += 1
        if self.inputs % EVERY == 0 or self.inputs == EVERY // 10:
            self.tell()

    def tell(self) -> None:
        """How far it is, on standard output."""
        gc.collect()
        took = time.perf_counter() - self.began
        rss = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
        told = {"inputs": self.inputs, "seconds": round(took), "blocks": sys.getallocatedblocks(), "rss": rss}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def sow(corpus: Path) -> None:
    """Put the seeds into a folder that is empty."""
    corpus.mkdir(parents=True, exist_ok=True)
    if any(corpus.iterdir()):
        return
    for target, data in targets.seeds():
        whole = bytes((targets.TARGETS.index(target),)) + data
        (corpus / sha1(whole).hexdigest()).write_bytes(whole)


def main() -> None:
    """Fuzz until -runs (or a promise) is reached."""
    for argument in sys.argv[1:]:
        if not argument.startswith("-") and not Path(argument).is_file():
            sow(Path(argument))
            break
    targets.all_definitions()  # loaded before anything is counted
    atheris.Setup(sys.argv, Fuzzer().one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
