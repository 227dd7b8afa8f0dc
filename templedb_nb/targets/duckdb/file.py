"""A DuckDB file: where it is, opened for a piece of work, and the lock file beside it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from templedb_nb.errors import (
    Busy,
    ConfigError,
    TargetError,
    Unreachable,
)
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.targets.duckdb.statements import first_line

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

SCHEME = "duckdb:"
OPEN_WAIT_S = 10.0
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {"python_enable_replacements": "false"}


def path_of(url: str, root: Path | None) -> Path:
    """Return the file of ``duckdb:///absolute/path`` or ``duckdb:path`` below the project."""
    rest = unquote(url.removeprefix(SCHEME))
    if rest.startswith("//"):
        rest = "/" + rest.lstrip("/")
    if not rest.strip("/") or ":memory:" in rest:
        hint = "duckdb:///absolute/path.duckdb, or duckdb:path.duckdb below the project's folder"
        raise ConfigError("the address of a DuckDB target names no file", hint=hint)
    return Path(rest) if rest.startswith("/") else (root or Path.cwd()) / rest


class DuckdbFile:
    """One DuckDB file; it is opened for each piece of work and closed before any command.

    Between the pieces of a run that follow each other without a command it stays open.
    """

    def __init__(self, path: Path, target: TargetName, database: DatabaseName) -> None:
        """Point at *path*; nothing is created before the lock is held."""
        self._path = path
        self._target = target
        self._database = database
        self._kept: Connection | None = None
        self._holding = False

    @property
    def where(self) -> str:
        """Return the target and its file, as messages name them."""
        return f"target {self._target} ({self._path})"

    def close(self) -> None:
        """Close the file; from now on it is open for each piece of work alone."""
        self._holding = False
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _hold(self) -> None:
        """Leave the file open from now on, until `close`."""
        self._holding = True

    def _refuse_folder(self) -> None:
        if not self._path.parent.is_dir():
            message = f"{self.where}: there is no folder {self._path.parent}"
            raise Unreachable(message, hint=f"mkdir -p {self._path.parent}")

    def _lock_file(self, project: str) -> Path:
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", project)
        return self._path.with_name(f".{self._path.name}.{safe}.templedb-lock")

    def _locked(self, project: str) -> bool:
        from filelock import FileLock, Timeout

        path = self._lock_file(project)
        if not path.exists():
            return False
        try:
            with FileLock(path).acquire(timeout=0):
                return False
        except Timeout:
            return True

    @contextmanager
    def _work(self, *, keep: bool = False) -> Iterator[Connection]:
        """Open the file, or go on with the open one; *keep* leaves it open for the next piece."""
        import duckdb

        if self._kept is None:
            self._kept = self._open()
        try:
            yield self._kept
        except duckdb.Error as error:
            with suppress(duckdb.Error):
                self._kept.execute("ROLLBACK")
            raise TargetError(f"{self.where} refused: {first_line(error)}") from None
        finally:
            if not (keep or self._holding):
                self.close()

    def _open(self) -> Connection:
        import duckdb

        end = time.monotonic() + OPEN_WAIT_S
        while True:
            try:
                return duckdb.connect(f"duckdb:{self._path}", config=_SETTINGS)
            except duckdb.IOException as error:
                if "lock" not in str(error).lower():
                    raise Unreachable(f"cannot open {self.where}: {first_line(error)}") from None
                if time.monotonic() > end:
                    hint = "close the program that has the file open"
                    message = f"{self.where} is in use: {first_line(error)}"
                    raise Busy(message, hint=hint) from None
                time.sleep(0.05)
            except duckdb.Error as error:
                raise Unreachable(f"cannot open {self.where}: {first_line(error)}") from None
