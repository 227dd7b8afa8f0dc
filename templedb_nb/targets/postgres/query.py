"""Questions to a PostgreSQL database: one statement in a transaction that can only read."""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import Any

import psycopg
from psycopg import Column, RawCursor
from psycopg.pq import ExecStatus

from templedb_nb.core.sql.lexer import position
from templedb_nb.core.sql.query import HINT, refuse_writing
from templedb_nb.errors import QueryRefused, QueryTimedOut, TargetError
from templedb_nb.model.history import Answer
from templedb_nb.model.query import Question
from templedb_nb.model.route import Route
from templedb_nb.model.span import Interval, alike
from templedb_nb.model.target import TargetName
from templedb_nb.targets.postgres.connection.connect import (
    Connection,
    connect,
    first_line,
    translated,
)
from templedb_nb.targets.postgres.connection.route import Reached, here
from templedb_nb.targets.postgres.values import in_utc, read_exactly

READ_ONLY, CANCELED, NO_PRIVILEGE = "25006", "57014", "42501"
MISTAKES = ("22", "42", "0A")
"""Classes of SQLSTATE that say that the query is wrong, not the server."""


def answer(
    route: Route, target: TargetName, name: str, asked: Question, reached: Reached
) -> Answer:
    """Return the first rows of the answer; nothing of the database changes.

    The transaction is read only and is rolled back. No lock of templedb is taken, and the
    session's settings are the database's own but for the time that the query may take.
    """
    refuse_writing(asked)
    with connect(route, name) as connection:
        place = here(route, connection)
        reached(place)
        where = f"target {target} ({place.address})"
        with translated(where):
            return _answer(connection, where, asked)


def _answer(connection: Connection, where: str, asked: Question) -> Answer:
    connection.execute("BEGIN READ ONLY")
    _prepare(connection, asked)
    try:
        return _read(connection, asked)
    except (NotImplementedError, ValueError) as error:
        raise _no_place(str(error)) from None
    except psycopg.Error as error:
        raise _refusal(error, where, asked) from None
    finally:
        with suppress(psycopg.Error):
            connection.rollback()


def _prepare(connection: Connection, asked: Question) -> None:
    """Limit the time, and let the server round no float and name no time zone by letters."""
    milliseconds = str(max(1, round(asked.timeout_s * 1000)))
    wanted = {"statement_timeout": milliseconds, "extra_float_digits": "1"}
    if not (connection.info.parameter_status("DateStyle") or "ISO").startswith("ISO"):
        wanted["DateStyle"] = "ISO"
    for name, value in wanted.items():
        connection.execute("SELECT set_config(%s, %s, true)", [name, value])


def _read(connection: Connection, asked: Question) -> Answer:
    cursor = RawCursor(connection)
    read_exactly(cursor)
    rows = cursor.stream(asked.sql.encode(), asked.values)
    found = [tuple(in_utc(cell) for cell in row) for row in islice(rows, asked.limit + 1)]
    described = cursor.description or ()
    rows.close()  # type: ignore[attr-defined]  # a generator, which cancels what is left
    if not described and not found:  # a stream that gave no row has kept no description
        described = _described(connection, cursor, asked)
    return Answer(
        columns=tuple(each.name for each in described),
        kinds=tuple(each.type_display for each in described),
        rows=_alike(found[: asked.limit]),
        more=len(found) > asked.limit,
    )


def _described(connection: Connection, cursor: RawCursor[Any], asked: Question) -> list[Column]:
    """Return the columns that a statement would give, without running it."""
    made = connection.pgconn.prepare(b"", asked.sql.encode())
    if made.status != ExecStatus.COMMAND_OK:  # the C implementation gives a number
        return []
    cursor.pgresult = connection.pgconn.describe_prepared(b"")
    return cursor.description or []


def _alike(rows: list[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    """Return the rows with one kind of interval in a column."""
    columns = [
        alike(column) if any(isinstance(each, Interval) for each in column) else column
        for column in zip(*rows, strict=True)
    ]
    return tuple(zip(*columns, strict=True)) if columns else tuple(rows)


def _no_place(said: str) -> QueryRefused:
    message = f"a value of the answer has no place in Python: {said}"
    return QueryRefused(message, hint="cast its column to text: column::text")


def _refusal(error: psycopg.Error, where: str, asked: Question) -> Exception:
    said, state = first_line(error), error.sqlstate or ""
    if state == READ_ONLY:
        return QueryRefused(f"queries are read-only: {where} refused: {said}", hint=HINT)
    if state == CANCELED:
        message = f"the query took longer than {asked.timeout_s:g} s and was cancelled on {where}"
        return QueryTimedOut(message, hint="ask for less, or allow more time: --timeout 5m")
    if isinstance(error, psycopg.DataError) and not state:
        return _no_place(said)
    if state == NO_PRIVILEGE:
        return TargetError(f"{where} refused: {said} ({state})", hint=_grant(error))
    if state.startswith(MISTAKES):
        return QueryRefused(f"{where} refused the query: {_place(error, asked)}{said}",
                            hint=error.diag.message_hint or "")  # fmt: skip
    return error


def _grant(error: psycopg.Error) -> str:
    name = error.diag.table_name or "TABLE"
    return f"let the role read it: GRANT SELECT ON {name} TO ROLE"


def _place(error: psycopg.Error, asked: Question) -> str:
    if not error.diag.statement_position:
        return ""
    before = asked.sql[: int(error.diag.statement_position) - 1]
    line = position(asked.text, asked.start)[0] + before.count("\n")
    return f"line {line}: "
