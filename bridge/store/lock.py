"""The lock file that keeps a second gateway away from a store.

The kernel lets go of the lock when its holder ends, however it ends: a lock file that stays behind locks nobody out.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from bridge.errors import StoreError


class StoreLock:
    """Held from its making until `release`; the file beside the store names the holder."""

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(store.name + ".lock")
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"{self.path}: {error.strerror}: the gateway must be able to write its state_dir"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise StoreError(
                f"{store}: another gateway (process {holder}) uses it: stop that one, or give this one a state_dir "
                "of its own"
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would let two in, one by the old file, one by a new."""
        os.close(self._file)
