"""The program: ``templedb``, and ``python -m templedb_nb``."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Hear signals while the program loads, when there is nothing to undo yet; then run it."""
    _open_streams()
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)
    if sys.argv[1:] == ["--version"] and _tells_version():
        sys.exit(0)
    # Python looks for garbage once more at its end: in all modules, a quarter of a short command.
    atexit.register(gc.freeze)
    from templedb_nb import cli

    cli.main()


def _open_streams() -> None:
    """Lead each standard stream that the caller has closed into nothing.

    Else the next file that is opened, such as the state, gets its number, and commands write there.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
            os.set_inheritable(opened, True)  # noqa: FBT003 - commands have their streams, too
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _tells_version() -> bool:
    """Write the version without loading the program; False if it could not be written."""
    from templedb_nb.version import __version__

    try:
        sys.stdout.write(f"templedb {__version__}\n")
        sys.stdout.flush()
    except OSError:
        return False
    return True


def leave(number: int, frame: FrameType | None) -> None:
    """Leave at once, with the exit code that shells know for the signal."""
    del frame
    os._exit(128 + number)


if __name__ == "__main__":
    main()
