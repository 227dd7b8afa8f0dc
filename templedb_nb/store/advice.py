"""What helps where something of the state cannot be written or read."""

from __future__ import annotations

import errno
from pathlib import Path

SAFE = "what migrations applied is safe: each database's own ledger knows it"


def room(path: Path, error: OSError) -> str:
    """Return what lets a file be written at *path*: space, or rights."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    return (
        f"free some space there (df -h {path.parent})"
        if full
        else f"let this user write there: ls -ld {path.parent}"
    )
