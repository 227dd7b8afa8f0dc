"""Links and files of routers: where they are, and why they cannot be replaced."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from templedb_nb.errors import RouterFailed
from templedb_nb.model.dataclass import dataclass

NEW = ".templedb-new"
LOCK = ".templedb-lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacing:
    """What is replaced in one step, and what stands beside it until then."""

    place: Path

    @property
    def new(self) -> Path:
        """Return where the replacement is made: no pattern such as ``*.conf`` finds it there."""
        return self.place.with_name(f".{self.place.name}{NEW}")

    @property
    def lock(self) -> Path:
        """Return the file that is locked during a switch."""
        return self.place.with_name(f".{self.place.name}{LOCK}")

    def prepare(self) -> None:
        """Take away what a process left that died before it replaced anything."""
        self.new.unlink(missing_ok=True)

    def replace(self) -> None:
        """Put the replacement in its place, whole, and see to it that it outlives a power cut."""
        self.new.replace(self.place)
        with suppress(OSError):  # it is replaced, and will be read back, by whatever means
            folder = os.open(self.place.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Leave nothing half made, and raise `RouterFailed` with what the system said."""
        try:
            yield
        except OSError as error:
            with suppress(OSError):
                self.new.unlink(missing_ok=True)
            message = f"cannot replace {self.place}: {error.strerror or error}"
            raise RouterFailed(message, hint=way_to_write(self.place, error)) from None


def located(root: Path | None, text: str) -> Path:
    """Return the place that a config names; a relative one is below the project's folder."""
    place = Path(text)
    if place.name in {"", ".."}:
        raise RouterFailed(f"the router's {text!r} is the name of no link and no file")
    if place.is_absolute():
        return place
    if root is None:
        message = f"the router's {text} is relative to the project's folder, which is not there"
        hint = "restore the folder, or write an absolute path into the config"
        raise RouterFailed(message, hint=hint)
    return root / place


def way_to_write(place: Path, error: OSError) -> str:
    """Return what lets a link or a file be replaced."""
    folder = place.parent
    match error.errno:
        case errno.ENOENT:
            return f"mkdir -p {folder}"
        case errno.EACCES | errno.EPERM:
            return f"give this user the right to write in {folder}, where it is replaced"
        case errno.EROFS:
            return f"mount {folder} writable"
        case errno.EBUSY:
            return f"mount the folder {folder}, not {place} alone: a mounted file stays in place"
        case errno.ENOSPC | errno.EDQUOT:
            return f"make room on the disk of {folder}"
        case _:
            return ""
