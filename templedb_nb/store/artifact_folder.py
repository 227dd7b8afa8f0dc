"""Artifacts as files, each named by the SHA-256 of its bytes.

A file grows under another name and is moved to its own when it is whole and on the disk: what
stands under a name is all of it, unless the disk has damaged it since.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from templedb_nb.errors import UnavailableArtifacts
from templedb_nb.model.serialization import Digest
from templedb_nb.ports.store import BlobSink

PART = 1 << 20
_MANY = 64
_ALGORITHM, _GROWING = "sha256", "growing"


class ArtifactFolder:
    """A folder of contents; it is made at the first one, where its parent is there."""

    def __init__(self, path: Path, *, private: bool = False) -> None:
        """Keep contents below *path*, for this user alone if *private*."""
        self.path = path
        self._private = private

    @property
    def title(self) -> str:
        """Name the folder."""
        return str(self.path)

    def has(self, blob: Digest) -> bool:
        """Return whether the content is there."""
        with self.explained():
            return self._place(blob).is_file()

    def read(self, blob: Digest, write: Callable[[bytes], object]) -> bool:
        """Hand the bytes over, part by part; return False if there are none."""
        if not self.has(blob):
            return False
        with self.explained():
            file = self._place(blob).open("rb")
        with file:
            while True:
                with self.explained():
                    part = file.read(PART)
                if not part:
                    return True
                write(part)

    @contextmanager
    def sink(self) -> Iterator[BlobSink]:
        """Take contents in."""
        with self.explained():
            self._make()
        sink = _FolderSink(self)
        try:
            yield sink
            sink.settle()
        finally:
            sink.forget()

    def unneeded(self, needed: frozenset[str], before_s: float) -> list[tuple[Path, int]]:
        """Return the files that nobody needs and that are older than a moment, with their sizes."""
        with self.explained():
            there = [*self.path.glob(f"{_ALGORITHM}/??/*"), *self.path.glob(f"{_GROWING}/*")]
            found = []
            for each in there:
                with suppress(FileNotFoundError):
                    status = each.stat()
                    if each.name not in needed and status.st_mtime < before_s:
                        found.append((each, status.st_size))
        return found

    def _place(self, blob: Digest) -> Path:
        return self.path / _ALGORITHM / blob[:2] / blob

    def _make(self) -> None:
        mode = 0o700 if self._private else 0o777
        self.path.mkdir(mode=mode, exist_ok=True)
        (self.path / _GROWING).mkdir(mode=mode, exist_ok=True)

    def grow(self) -> tuple[int, Path]:
        """Return a new file without a place, open to be written."""
        fd, name = tempfile.mkstemp(dir=self.path / _GROWING)
        if not self._private:
            os.fchmod(fd, 0o644)
        return fd, Path(name)

    def settle(self, part: Path, blob: Digest) -> Path:
        """Move a whole file to its place, unless its like stands there undamaged; return where."""
        place = self._place(blob)
        place.parent.mkdir(mode=0o700 if self._private else 0o777, parents=True, exist_ok=True)
        if place.is_file() and _address(place) == blob:
            if self._private:  # in a shared folder it may be another user's, and nothing is removed
                os.utime(place)  # whoever throws old files away sees that it is wanted again
            part.unlink()
        else:
            part.replace(place)
        return place

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say of a folder that refuses which one it is."""
        try:
            yield
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            message = f"the artifacts in {self.path} cannot be read or written: {error.strerror}"
            hint = "make the folder, or name another one in artifacts_store of the config"
            raise UnavailableArtifacts(f"{message}{where}", hint=hint) from error


class _FolderSink:
    """Writes one content after another; all of them go to their places in the end, or none.

    To wait for the disk once for all of them takes a part of the time of once for each.
    """

    def __init__(self, folder: ArtifactFolder) -> None:
        self._folder = folder
        self._open: tuple[int, Path] | None = None
        self._whole: list[tuple[Path, Digest]] = []

    def write(self, part: bytes) -> None:
        """Take the next bytes of the current file."""
        with self._folder.explained():
            fd, _ = self._growing()
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(fd, rest) :]

    def commit(self, blob: Digest, size: int) -> None:
        """Keep the current file under its address."""
        del size
        with self._folder.explained():
            self._whole.append((self._growing()[1], blob))
            self._close()

    def discard(self) -> None:
        """Forget the current file."""
        if self._open is not None:
            part = self._open[1]
            self._close()
            part.unlink(missing_ok=True)

    def settle(self) -> None:
        """Move everything that is whole to its place, behind the disk's word that it is there."""
        with self._folder.explained():
            _flush_all([part for part, _ in self._whole])
            places = [self._folder.settle(part, blob) for part, blob in self._whole]
            folders = {place.parent for place in places}
            _flush_all(sorted({*folders, *(folder.parent for folder in folders)}))
        self._whole.clear()

    def forget(self) -> None:
        """Remove what did not come to its place."""
        self.discard()
        for part, _ in self._whole:
            part.unlink(missing_ok=True)

    def _growing(self) -> tuple[int, Path]:
        if self._open is None:
            self._open = self._folder.grow()
        return self._open

    def _close(self) -> None:
        if self._open is not None:
            os.close(self._open[0])
        self._open = None


def _address(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush_all(paths: Sequence[Path]) -> None:
    """Wait until the disk has them; many at once, with everything else that it has to write."""
    if len(paths) > _MANY:
        os.sync()
        return
    for path in paths:
        _flush(path)


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
