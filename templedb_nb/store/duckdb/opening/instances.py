"""Empty instances of DuckDB, begun once in a process and lent to one session after another.

To begin an instance takes ten times as long as to attach a file to one. Every state file that a
process works on uses the same few: as many as there are sessions at the same time.
"""

from __future__ import annotations

import os
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}


class _Instances:
    """Those of this process: the idle ones, and those that a session uses."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._lent: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()

    def borrow(self, scratch: Path) -> duckdb.DuckDBPyConnection:
        """Return an empty instance that puts what does not fit into memory into *scratch*."""
        import duckdb

        with self._lock:
            found = self._idle.pop() if self._idle else None
        if found is not None:
            try:
                found.execute(f"SET temp_directory = '{_quoted(scratch)}'")
            except duckdb.Error:  # another file's folder is in use by it
                _close(found)
                found = None
        if found is None:
            config = {**SETTINGS, "temp_directory": str(scratch)}
            found = duckdb.connect(":memory:", config=config)
        with self._lock:
            self._lent.add(found)
        return found

    def give_back(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Take an instance back that has no file attached any more."""
        with self._lock:
            if connection in self._lent:
                self._lent.discard(connection)
                self._idle.append(connection)

    def end(self, connection: duckdb.DuckDBPyConnection) -> None:
        """End an instance: whatever is open in it is rolled back."""
        with self._lock:
            ours = connection in self._lent
            self._lent.discard(connection)
        if ours:
            _close(connection)

    def leave(self) -> None:
        """In a forked child: use the parent's instances no more, and never end them either.

        The threads that they would join are not here; ending them kills the process (SIGSEGV).
        """
        import ctypes

        for each in (*self._idle, *self._lent):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(each))
        self._lock, self._idle, self._lent = threading.Lock(), [], weakref.WeakSet()


def _close(connection: duckdb.DuckDBPyConnection) -> None:
    import duckdb

    with suppress(duckdb.Error):
        connection.close()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


INSTANCES = _Instances()
os.register_at_fork(after_in_child=INSTANCES.leave)
