"""The statements of a migration, run in a DuckDB file one after the other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING

from templedb_nb.core.migrations.script import Script
from templedb_nb.errors import (
    StatementFailed,
)
from templedb_nb.ports.target import StatementCallbacks

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

_ROWS = 10_000
_CUT = "..."
_LINE = re.compile(r"^LINE (\d+): (.*)\n( *)\^", re.MULTILINE)


def run_statements(
    connection: Connection, script: Script, ran: Callable[[int], None], told: StatementCallbacks
) -> None:
    """Run what goes up, one statement at a time; raise what a statement was refused with."""
    import duckdb

    at, index = 0, 0
    try:
        parts = connection.extract_statements(script.up)
    except duckdb.Error as error:
        raise _failed(script, 0, 0, error) from None
    for index, part in enumerate(parts):
        body = part.query.strip()
        at = max(script.up.find(body, at), at)
        try:
            given = connection.execute(body)
            if part.type == duckdb.StatementType.SELECT:
                told.gave(index, _counted(given))
        except duckdb.Error as error:
            raise _failed(script, index, at, error) from None
        at += len(body)
        ran(index)
    for query in script.asked.verify:
        _verify(connection, query)


def _verify(connection: Connection, query: str) -> None:
    """Ask what the file says must be true after it."""
    import duckdb

    try:
        found = connection.execute(query).fetchall()
    except duckdb.Error as error:
        raise commit_failed(error) from None
    if found != [(True,)]:
        message = f"templedb:verify is not true but {found}: {query}"
        raise StatementFailed(message, statement=-1, line=0, column=0)


def _counted(given: Connection) -> int:
    """Return how many rows a query gave, without keeping them."""
    count = 0
    while rows := given.fetchmany(_ROWS):
        count += len(rows)
    return count


def _failed(script: Script, index: int, start: int, error: Exception) -> StatementFailed:
    line, column = script.position(start)
    if found := _LINE.search(str(error)):
        inner = int(found[1])
        place = _place(script.up[start:].split("\n", inner)[inner - 1], found)
        column = place + 1 if inner > 1 else column + place
        line += inner - 1
    message = str(error).split("\n\n", 1)[0].replace("\n", " ")
    return StatementFailed(
        message,
        statement=index,
        line=line,
        column=max(column, 1),
        hint=f"{_mend(message)}: nothing of it was applied",
    )


_MENDS = {
    "with outstanding updates": "move the statement behind the UPDATE to a migration of its own",
    "CHECKPOINT: the current transaction": "leave out CHECKPOINT, which DuckDB does by itself when"
    " the run ends",
    "only write to a single attached": "write to one database in each migration; the other one"
    " can be the database of another group (database: VARIABLE)",
}
"""What DuckDB does not do in one transaction, by a part of its message, and what does it."""


def _mend(message: str) -> str:
    found = (mend for part, mend in _MENDS.items() if part.lower() in message.lower())
    return next(found, "fix the file and run again")


def _place(line: str, found: re.Match[str]) -> int:
    """Return where in *line* the caret points that DuckDB draws below a part of it.

    To its caret, a tab has no width, and a wide character has two.
    """
    shown = len(found[3]) - len(f"LINE {found[1]}: ")
    part, at = found[2], 0
    while at < len(part) and (shown > 0 or part[at] == "\t"):
        shown -= _width(part[at])
        at += 1
    begins = len(_CUT) if part.startswith(_CUT) else 0
    inside = part[begins:].removesuffix(_CUT)
    return at - begins + max(line.find(inside), 0)


def _width(character: str) -> int:
    return 0 if character == "\t" else 1 + (unicodedata.east_asian_width(character) in "WF")


def commit_failed(error: Exception) -> StatementFailed:
    """Return the failure of a commit, which no statement is to blame for."""
    return StatementFailed(first_line(error), statement=-1, line=0, column=0)


def first_line(error: Exception) -> str:
    """Return the first line of what DuckDB said."""
    return str(error).split("\n", 1)[0]
