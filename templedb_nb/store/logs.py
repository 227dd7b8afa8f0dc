"""Where the output of steps is kept: one compressed file a step, and its last lines."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from templedb_nb.model.event import Log

TAIL = 4096


class FileLog:
    """Writes one step's output as it comes; the file appears with the first of it."""

    def __init__(self, folder: Path, run: str, step: int) -> None:
        """Point at the step's file below *folder*."""
        self._folder = folder
        self._name = f"{run}/{step:04d}.log.gz"
        self._file: gzip.GzipFile | None = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._tail = ""

    def write(self, text: str) -> None:
        """Add *text*, which is masked already."""
        raw = text.encode(errors="replace")
        if self._file is None:
            path = self._folder / self._name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._file = gzip.GzipFile(path, "wb", compresslevel=1)
        self._file.write(raw)
        self._file.flush()
        self._digest.update(raw)
        self._size += len(raw)
        self._tail = (self._tail + text)[-TAIL:]

    def close(self) -> tuple[Log | None, str]:
        """Return where the output is, if there was any, and its last lines."""
        if self._file is None:
            return None, ""
        self._file.close()
        log = Log(path=self._name, digest=self._digest.hexdigest(), size=self._size)
        return log, self._tail


def read_log(folder: Path, log: Log) -> str | None:
    """Return the output that *log* names, or None where it is no longer kept."""
    try:
        with gzip.open(folder / log.path, "rt", encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None
