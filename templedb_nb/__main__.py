"""The program: ``templedb``, and ``python -m templedb_nb``."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Hear signals while the program loads, when there is nothing to undo yet; then run it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)
    from templedb_nb import cli

    cli.main()


def leave(number: int, frame: FrameType | None) -> None:
    """Leave at once, with the exit code that shells know for the signal."""
    del frame
    os._exit(128 + number)


if __name__ == "__main__":
    main()
