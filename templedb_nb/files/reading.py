"""Files that people name, as bytes: what has no end is not read without end."""

from __future__ import annotations

import stat
from pathlib import Path

from templedb_nb.core.config.home_folder import expanded
from templedb_nb.errors import FilesError

LIMIT = 64 << 20
"""So much of a pipe or a device is read; of a file, what it holds."""


def contents(path: str | Path) -> bytes:
    """Return what stands at *path*, or say why it cannot be read."""
    try:
        with expanded(path).open("rb") as file:
            if stat.S_ISREG(expanded(path).stat().st_mode):
                return file.read()
            found = file.read(LIMIT + 1)
    except OSError as error:
        raise FilesError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # a NUL in the path
        raise FilesError(f"cannot read {str(path)!r}: {error}") from None
    if len(found) > LIMIT:
        raise FilesError(f"cannot read {path}: it is not a file and has more than {LIMIT} bytes")
    return found
