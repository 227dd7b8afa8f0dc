"""Questions to a DuckDB file: opened read only, and nothing of the machine beside it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from templedb_nb.core.sql.query import refused
from templedb_nb.core.values.duckdb_values import CAST, Inexact, Shape, rows, selection, shape
from templedb_nb.errors import Busy, QueryRefused, QueryTimedOut, Unreachable
from templedb_nb.model.history import Answer
from templedb_nb.model.query import Question
from templedb_nb.model.target import TargetName

if TYPE_CHECKING:
    import duckdb

READING = frozenset({"SELECT", "EXPLAIN"})
OPEN_WAIT_S = 10.0
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
_CLOSED = (
    "SET enable_external_access = false",
    "SET disabled_filesystems = 'LocalFileSystem'",
    "SET lock_configuration = true",
)
_LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)


def answer(path: Path, target: TargetName, asked: Question) -> Answer:
    """Return the first rows of the answer; nothing of the file changes."""
    import duckdb

    where = f"target {target} ({path})"
    if not path.exists():
        message = f"{where}: the file does not exist yet"
        raise Unreachable(message, hint="the first deployment creates it")
    with _opened(path, where) as connection, _limited(connection, asked.timeout_s):
        try:
            for each in connection.extract_statements(asked.sql):
                if each.type.name not in READING:
                    raise refused(each.type.name)
            return _read(connection, asked)
        except duckdb.InterruptException:
            message = f"the query took longer than {asked.timeout_s:g} s and was cancelled"
            raise QueryTimedOut(message, hint="allow more time: --timeout 5m") from None
        except Inexact as error:
            raise QueryRefused(f"{error}, which Python cannot represent", hint=CAST) from None
        except duckdb.Error as error:
            raise QueryRefused(f"{where} refused the query: {_said(error, asked)}") from None


def _read(connection: duckdb.DuckDBPyConnection, asked: Question) -> Answer:
    def ask(sql: str) -> duckdb.DuckDBPyConnection:
        return connection.execute(sql, list(asked.values) or None)

    if any(each.type.name == "EXPLAIN" for each in connection.extract_statements(asked.sql)):
        found = ask(asked.sql)
        described: Shape = [(str(each[0]), each[1]) for each in found.description or ()]
    else:
        described = shape(ask, asked.sql)
        found = ask(selection(asked.sql, [kind for _, kind in described]))
    columns, kinds = [name for name, _ in described], [kind for _, kind in described]
    cells = found.fetchmany(asked.limit + 1)
    return Answer(
        columns=tuple(columns),
        kinds=tuple(map(str, kinds)),
        rows=rows(cells[: asked.limit], columns, kinds),
        more=len(cells) > asked.limit,
    )


@contextmanager
def _opened(path: Path, where: str) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = _connection(path, where)
    try:
        for setting in _CLOSED:
            connection.execute(setting)
        yield connection
    finally:
        connection.close()


def _connection(path: Path, where: str) -> duckdb.DuckDBPyConnection:
    """Open the file as soon as a run that writes to it lets go of it."""
    import duckdb

    end = time.monotonic() + OPEN_WAIT_S
    while True:
        try:
            return duckdb.connect(f"duckdb:{path}", read_only=True, config=_SETTINGS)
        except duckdb.Error as error:
            said = str(error).split("\n", 1)[0]
            if "lock" not in said.lower():
                raise Unreachable(f"cannot open {where}: {said}") from None
            if time.monotonic() > end:
                hint = "close the program that has the file open"
                raise Busy(f"{where} is in use: {said}", hint=hint) from None
            time.sleep(0.05)


@contextmanager
def _limited(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _said(error: Exception, asked: Question) -> str:
    first = str(error).split("\n\n", 1)[0].replace("\n", " ")
    place = _LINE.search(str(error))
    before = asked.text.count("\n", 0, asked.start)
    return f"line {int(place[1]) + before}: {first}" if place else first
