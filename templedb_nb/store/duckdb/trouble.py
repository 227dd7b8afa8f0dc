"""What is wrong with a state file: in words, with what is safe and the command that helps."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from templedb_nb.errors import StoreError
from templedb_nb.store.advice import IN_USE, SAFE

CHECK = "templedb state check shows what can be read, and what to do"
WAL_HEAD = b"d\x00b"
"""How each write-ahead log of DuckDB begins; it drops one that begins otherwise, without a word."""

_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
_DENIED = ("Permission denied", "Read-only file system", "Operation not permitted")
_LOCK = ("could not set lock", "conflicting lock")
_BROKEN = (
    "not a valid DuckDB", "Corrupt", "checksum", "Could not read enough bytes", "Serialization",
    "deserialize", "replaying WAL", "WAL", "INTERNAL", "Failed to load metadata", "FATAL",
)  # fmt: skip


def explained(path: Path, error: Exception) -> StoreError:
    """Return what DuckDB or the system said of the state file at *path*, for people."""
    said = first_line(error)
    if any(each in said.lower() for each in _LOCK):
        _, _, holder = said.partition("lock is held in ")
        by = f" by {holder.partition(')')[0]})" if "(PID" in holder else f": {said}"
        return StoreError(f"the state file {path} is in use{by}", hint=IN_USE)
    if any(each in said for each in _FULL):
        hint = f"free some space on its disk (df -h {path.parent}), then run the command again"
        return StoreError(f"the disk of the state file {path} is full: {said}",
                          hint=hint, problems=[SAFE])  # fmt: skip
    if any(each in said for each in _DENIED):
        hint = f"let this user write there: ls -ld {path.parent} {path}"
        return StoreError(f"may not use the state file {path}: {said}", hint=hint)
    if "version number" in said:
        hint = "pip install --upgrade templedb-nb duckdb"
        return StoreError(f"a newer DuckDB wrote the state file {path}: {said}", hint=hint)
    if any(each in said for each in _BROKEN):
        return broken(path, said)
    return StoreError(f"the state file {path} refused: {said}")


def broken(path: Path, said: str) -> StoreError:
    """Return the error for a file that cannot be read as a state."""
    return StoreError(f"cannot open the state file {path}: {said}", hint=CHECK, problems=[SAFE])


def refuse_unfit(path: Path) -> bool:
    """Return whether the file is there. Raises `StoreError` for what could never be a state."""
    wal = path.with_name(f"{path.name}.wal")
    try:
        found = _kind(path)
        if not found and wal.exists() and wal.stat().st_size:
            message = f"the state file {path} is missing, but its write-ahead log {wal} exists"
            hint = f"restore the file, or move the log beside it: mv {wal} FOLDER"
            raise StoreError(message, hint=hint, problems=[SAFE])
        if found and wal.exists():
            _refuse_log(path, wal)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise broken(path, "it is a link that leads back to itself") from None
        raise explained(path, error) from None
    return found


def _kind(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink() and not path.resolve().parent.is_dir():
            raise broken(path, f"it is a link to {path.readlink()}, which does not exist") from None
        return False
    if not stat.S_ISREG(mode):
        raise broken(
            path, "it is not a regular file" if not stat.S_ISDIR(mode) else "it is a folder"
        )
    if path.stat().st_size == 0:
        raise broken(path, "it is empty")
    return True


def _refuse_log(path: Path, wal: Path) -> None:
    with wal.open("rb") as file:
        head = file.read(len(WAL_HEAD))
    if head and not WAL_HEAD.startswith(head[:3]):
        raise broken(path, f"its write-ahead log {wal} is damaged at its beginning")


def first_line(error: Exception) -> str:
    """Return what was said, without the paths and stacks that follow it."""
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error).split("\n", 1)[0]


def is_broken(error: StoreError) -> bool:
    """Return whether what is there cannot be read as a state, and will not be by itself."""
    return error.hint == CHECK
