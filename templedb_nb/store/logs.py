"""Where the output of steps is kept: one compressed file a step, and its last lines."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from templedb_nb.model.event import Log

TAIL = 4096
PART = 1 << 16


class FileLog:
    """Writes one step's output as it comes; the file appears with the first of it."""

    def __init__(self, folder: Path, run: str, step: int) -> None:
        """Point at the step's file below *folder*."""
        self._folder = folder
        self._name = log_path(run, step)
        self._file: gzip.GzipFile | None = None
        self._digest = hashlib.sha256()
        self._size = 0
        self._tail = ""
        self._lost = ""

    def write(self, text: str) -> None:
        """Add *text*, which is masked already; a log that cannot be kept stops no step."""
        if not self._lost:
            try:
                self._write(text.encode(errors="replace"))
            except OSError as error:
                self._lost = error.strerror or str(error)
        self._tail = (self._tail + text)[-TAIL:]

    def _write(self, raw: bytes) -> None:
        if self._file is None:
            path = self._folder / self._name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._file = gzip.GzipFile(path, "wb", compresslevel=1)
        self._file.write(raw)
        self._file.flush()
        self._digest.update(raw)
        self._size += len(raw)

    def close(self) -> tuple[Log | None, str]:
        """Return where the output is, if there was any, and its last lines."""
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self._lost = self._lost or error.strerror or str(error)
        if self._lost:
            return None, f"{self._tail}\n… this output could not be kept: {self._lost}\n"
        if self._file is None:
            return None, ""
        log = Log(path=self._name, digest=self._digest.hexdigest(), size=self._size)
        return log, self._tail


def log_path(run: str, step: int) -> str:
    """Return where the output of a run's step is kept, below the folder of logs; from 0."""
    return f"{run}/{step:04d}.log.gz"


def read_log(folder: Path, path: str) -> str | None:
    """Return the output at *path* as far as it was written, or None where there is none."""
    parts = []
    try:
        with gzip.open(folder / path) as file:
            while part := file.read1(PART):
                parts.append(part)
    except FileNotFoundError:
        return None
    except EOFError:
        pass  # whoever wrote it is still at it, or was killed
    return b"".join(parts).decode(errors="replace")
