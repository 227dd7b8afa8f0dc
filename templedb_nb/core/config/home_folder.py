"""Paths that begin with ``~``."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Return *path* with the home folder in place of its ``~``; where nobody has one, as it is.

    `Path.expanduser` raises RuntimeError there: for a user that is not known, and in a container
    whose user has no entry in passwd.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - it never raises
