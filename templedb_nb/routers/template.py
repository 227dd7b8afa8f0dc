"""The router of type template: a file that is replaced in one step, and a program that reads it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from templedb_nb.core.slots.filling import filled
from templedb_nb.errors import RouterFailed
from templedb_nb.failpoints import reach
from templedb_nb.model.blue_green import BlueGreen
from templedb_nb.model.dataclass import dataclass
from templedb_nb.routers.places import Replacing
from templedb_nb.routers.texts import written_text

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_MADE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file as it was: its bytes, its owner, its rights."""

    content: bytes
    known: os.stat_result
    attributes: tuple[tuple[str, bytes], ...]


def written(wanted: BlueGreen, file: Path) -> str:
    """Return the slot that the file names; empty if it names none, or cannot be read."""
    try:
        former = _former(file)
    except (OSError, RouterFailed):
        return ""
    for slot in wanted.slots:
        if former and filled(wanted.router.content, slot).encode() == former.content:
            return slot.name
    return ""


def point(wanted: BlueGreen, file: Path, to: str) -> Callable[[], bool]:
    """Replace the file by that of the slot *to*; return what puts the former one back.

    Its owner and its rights stay as far as this user may give them.
    """
    content = written_text(wanted, wanted.router.content, to).encode()
    at = Replacing(place=file)
    with at.writing():
        former = _former(file)
        _replace(at, content, former)

    def undo() -> bool:
        with at.writing():
            found = _former(file)
            if found is None or found.content != content:
                return False
            if former is None:
                file.unlink()
            else:
                _replace(at, former.content, former)
        return True

    return undo


def _former(file: Path) -> _File | None:
    """Return the file, if there is one; nothing waits for a pipe in its place."""
    try:
        handle = os.open(file, _READ)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as opened:
        known = os.fstat(handle)
        if not stat.S_ISREG(known.st_mode):
            message = f"{file} is not a regular file; it is not replaced"
            raise RouterFailed(message, hint=f"move it away: mv {file} {file}.old")
        return _File(content=opened.read(), known=known, attributes=_attributes(handle))


def _attributes(handle: int) -> tuple[tuple[str, bytes], ...]:
    if not hasattr(os, "listxattr"):
        return ()
    try:
        return tuple((name, os.getxattr(handle, name)) for name in os.listxattr(handle))
    except OSError:
        return ()


def _replace(at: Replacing, content: bytes, former: _File | None) -> None:
    at.prepare()
    with os.fdopen(os.open(at.new, _MADE, 0o644), "wb") as made:
        made.write(content)
        if former is not None:
            _become(made.fileno(), former)
        made.flush()
        os.fsync(made.fileno())
    reach("router.prepared")
    at.replace()


def _become(handle: int, former: _File) -> None:
    """Take over the owner, then the rights: a new owner takes some of them away."""
    for owner, group in ((former.known.st_uid, -1), (-1, former.known.st_gid)):
        with suppress(OSError):
            os.fchown(handle, owner, group)
    with suppress(OSError):
        os.fchmod(handle, stat.S_IMODE(former.known.st_mode))
    for name, value in former.attributes:
        with suppress(OSError):
            os.setxattr(handle, name, value)
