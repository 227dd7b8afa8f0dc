"""Where the output of steps is kept: one compressed file a step, and its last lines."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import io
import zlib
from pathlib import Path

from templedb_nb.core.run.first_error import FirstError
from templedb_nb.model.step_log import Log

TAIL = 4096
PART = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS
"""Tells zlib that a stream has gzip's header and trailer."""
_PLAIN = 1 << 20
"""So many bytes are unpacked at a time: a part that is one letter a million times is small."""


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
        self._errors = FirstError()
        self._lost = ""

    def write(self, text: str) -> None:
        """Add *text*, which is masked already; a log that cannot be kept stops no step."""
        if not self._lost:
            try:
                self._write(text.encode(errors="replace"))
            except OSError as error:
                self._lost = error.strerror or str(error)
        self._tail = (self._tail + text)[-TAIL:]
        self._errors.feed(text)

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
        log = Log(
            path=self._name,
            digest=self._digest.hexdigest(),
            size=self._size,
            first_error=self._errors.found() or None,
        )
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


class LogTail:
    """Reads a log that may still be written: each time what is new, masked as it stands there.

    Of much that is new, the last `MOST` characters are returned.
    """

    MOST = 400_000

    def __init__(self, file: Path) -> None:
        """Begin at the beginning of *file*, which may not be there yet."""
        self._file = file
        self._begin()

    def _begin(self) -> None:
        self._at = 0
        self._gunzip = zlib.decompressobj(wbits=_GZIP)
        self._text = codecs.getincrementaldecoder("utf-8")("replace")

    def more(self) -> str:
        """Return what was written since the last call."""
        found = ""
        try:
            with self._file.open("rb") as file:
                if file.seek(0, io.SEEK_END) < self._at:  # another attempt writes it anew
                    self._begin()
                file.seek(self._at)
                while part := file.read(PART):
                    self._at += len(part)
                    found = self._after(found, part)
        except (OSError, zlib.error):  # it is not there, or no log of ours
            return found
        return found

    def _after(self, found: str, part: bytes) -> str:
        while part:
            told = self._text.decode(self._gunzip.decompress(part, _PLAIN))
            part = self._gunzip.unconsumed_tail
            found = (found + told)[-self.MOST :]
        return found
