"""Files as values: what one holds, and what it looked like when it was read."""

from __future__ import annotations

import os
import stat

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.serialization import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One file of a release; `blob` is the SHA-256 of its bytes."""

    path: str
    blob: Digest
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStamp:
    """What a file looked like when it was hashed; while it looks the same, it is the same."""

    path: str
    blob: Digest
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    executable: bool

    @classmethod
    def of(cls, path: str, blob: Digest, status: os.stat_result) -> FileStamp:
        """Return what *status* says of a file whose bytes hash to *blob*."""
        return cls(
            path=path,
            blob=blob,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            inode=status.st_ino,
            executable=bool(status.st_mode & stat.S_IXUSR),
        )

    def looks_like(self, status: os.stat_result) -> bool:
        """Return whether a file with that status has not been touched since."""
        return (
            self.size == status.st_size
            and self.mtime_ns == status.st_mtime_ns
            and self.ctime_ns == status.st_ctime_ns
            and self.inode == status.st_ino
            and self.executable == bool(status.st_mode & stat.S_IXUSR)
        )

    @property
    def entry(self) -> FileEntry:
        """Return what a release keeps of it."""
        return FileEntry(path=self.path, blob=self.blob, size=self.size, executable=self.executable)
