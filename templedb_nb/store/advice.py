"""What helps where something of the state cannot be written or read."""

from __future__ import annotations

import errno
from pathlib import Path

SAFE = "what migrations applied is safe: each database's own ledger knows it"
IN_USE = "close the other program that has it open (templedb itself never keeps it open)"
"""What helps if another program has the state open; nothing else has this hint."""


def room(path: Path, error: OSError) -> str:
    """Return what lets a file be written at *path*: space, or rights."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    return (
        f"free some space there (df -h {path.parent})"
        if full
        else f"let this user write there: ls -ld {path.parent}"
    )
