"""A lock beside the state: one process at a time sends what is owed."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_EVERY_S = 0.05


@contextmanager
def sending(folder: Path, within_s: float) -> Iterator[bool]:
    """Hold the lock while the block goes on, or say that another process had it all the time."""
    due = time.monotonic() + within_s
    try:
        handle = os.open(folder / "sending.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a folder that cannot be written has no room for results either
        yield False
        return
    try:
        yield _taken(handle, due)
    finally:
        os.close(handle)


def _taken(handle: int, due: float) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= due:
                return False
            time.sleep(_EVERY_S)
        else:
            return True
