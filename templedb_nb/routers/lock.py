"""The lock beside a router's link or file, which keeps other switches of it away."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from templedb_nb.errors import Busy, RouterFailed
from templedb_nb.routers.places import way_to_write

_POLL_S = 0.05
_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def locked(lock: Path, wait_s: float) -> Iterator[None]:
    """Hold the lock file, or raise `Busy` after *wait_s*; the kernel frees it if we die.

    The file stays. It is opened for reading alone, so that another user may lock it, too.
    """
    handle = _opened(lock)
    try:
        _acquire(handle, lock, time.monotonic() + wait_s)
        yield
    finally:
        os.close(handle)


def _opened(lock: Path) -> int:
    try:
        return _made(lock) if not lock.exists() else os.open(lock, _READ)
    except OSError as error:
        message = f"cannot lock {lock}: {error.strerror}"
        raise RouterFailed(message, hint=way_to_write(lock, error)) from None


def _made(lock: Path) -> int:
    """Return the file, made for everybody to read, whatever this process makes else."""
    handle = os.open(lock, _READ | os.O_CREAT, 0o644)
    with suppress(OSError):
        os.fchmod(handle, 0o644)
    return handle


def _acquire(handle: int, lock: Path, due: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= due:
                message = f"another run holds {lock}"
                raise Busy(
                    message, hint=f"wait for it to end; who it is: fuser -v {lock}"
                ) from None
            time.sleep(_POLL_S)
        except OSError as error:
            raise RouterFailed(f"cannot lock {lock}: {error.strerror}") from None
        else:
            return
