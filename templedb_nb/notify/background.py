"""A process of its own that sends what is owed: nobody waits for it, and it ends by itself."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_WORDS = ("-m", "templedb_nb", "notify", "send", "--due", "--quiet")
_NOT_FOR_IT = frozenset({"TEMPLEDB_FAILPOINT", "TEMPLEDB_RUNBOOK"})
"""What belongs to the run of the process that begins it."""


def begin(state: Path, environ: Mapping[str, str], folder: Path) -> None:
    """Start it; if it cannot be started, whoever sends next takes along what is owed."""
    own = {name: value for name, value in environ.items() if name not in _NOT_FOR_IT}
    with suppress(OSError):
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, *_WORDS],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=own | {"TEMPLEDB_STATE": str(state)},
            start_new_session=True,
        )
        # A kernel lives on: it hears of the end, so that the process does not stay as a zombie.
        threading.Thread(target=process.wait, daemon=True, name="templedb-sender").start()
