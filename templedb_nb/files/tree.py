"""Files and folders reached one name at a time from a folder that is open already.

No link is followed, so nothing leads out of the first folder, whatever was put into it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(fd: int) -> Iterator[int]:
    """Close *fd* in the end."""
    try:
        yield fd
    finally:
        os.close(fd)


def walk(root: int, folder: str, step: Callable[[str, int], int]) -> int:
    """Return *folder* opened, going one name at a time, so that no link leads elsewhere."""
    fd = os.dup(root)
    for name in folder.split("/") if folder else ():
        with opened(fd):
            fd = step(name, fd)
    return fd


def look(name: str, folder: int) -> int:
    """Open a folder as it is."""
    return os.open(name, FOLDER, dir_fd=folder)


def regain(name: str, folder: int) -> int:
    """Open a folder, and restore the rights that a build may have given up."""
    try:
        fd = look(name, folder)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=folder)
        fd = look(name, folder)
    if os.fstat(fd).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(fd, stat.S_IRWXU)
    return fd


def make(name: str, folder: int) -> int:
    """Open a folder; make it if it is not there, in place of whatever else is."""
    try:
        return regain(name, folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        os.unlink(name, dir_fd=folder)
    os.mkdir(name, stat.S_IRWXU, dir_fd=folder)
    return regain(name, folder)


def new(name: str, folder: int) -> int:
    """Create a file, in place of one that a killed process left."""
    try:
        return os.open(name, _NEW, 0o600, dir_fd=folder)
    except FileExistsError:
        remove(name, folder)
        return os.open(name, _NEW, 0o600, dir_fd=folder)


def remove(name: str, folder: int) -> None:
    """Remove whatever *name* is, with all below it; a link is removed, never followed."""
    if not is_there(name, folder):
        return
    if not is_folder(name, folder):
        os.unlink(name, dir_fd=folder)
        return
    with opened(regain(name, folder)) as fd:
        for below in os.listdir(fd):  # noqa: PTH208 - a descriptor has no Path
            remove(below, fd)
    os.rmdir(name, dir_fd=folder)


def is_folder(name: str, folder: int) -> bool:
    """Return whether *name* is a folder, and no link to one."""
    return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def fill(fd: int, body: Iterable[bytes]) -> str:
    """Write *body*, and return the address of what was written."""
    sha256 = hashlib.sha256()
    for part in body:
        sha256.update(part)
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(fd, rest) :]
    return sha256.hexdigest()


def is_there(name: str, folder: int) -> bool:
    """Return whether the name leads to anything, be it a broken link."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
