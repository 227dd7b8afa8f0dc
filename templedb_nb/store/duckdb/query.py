"""Questions in SQL to the state: only read, and nothing of the machine beside the state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from templedb_nb.core.sql.lexer import split
from templedb_nb.core.values.duckdb_values import (
    CAST,
    Inexact,
    Shape,
    risky,
    rows,
    selection,
    shape,
)
from templedb_nb.errors import QueryRefused
from templedb_nb.model.history import Answer
from templedb_nb.store.duckdb.state_file import StateFile

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
LIMIT = 10_000
"""Rows that are given to a terminal, which cannot show more."""

HINT = (
    "the views are runs, deployments, steps, migrations, events, approvals, messages, health,"
    " runbooks: DESCRIBE runs"
)

CATEGORIES = frozenset(
    {"project", "target", "database", "outcome", "kind", "state", "phase", "group", "how"}
)
"""Columns of the views whose words come from a small set."""


class Query:
    """Reads the state by SQL, over the views of the schema ``history``."""

    def __init__(self, state: StateFile) -> None:
        """Ask *state*."""
        self._state = state

    def answer(self, sql: str) -> Answer:
        """Return the first rows as plain values, and whether there are more."""

        def read(connection: Any) -> Answer:
            told, found = _shaped(connection, sql)
            names, kinds = [name for name, _ in told], [kind for _, kind in told]
            cells = found.fetchmany(LIMIT + 1) if told else []
            return Answer(
                columns=tuple(names),
                kinds=tuple(map(str, kinds)),
                rows=rows(cells[:LIMIT], names, kinds),
                more=len(cells) > LIMIT,
            )

        return self._ask(read)

    def frame(self, sql: str) -> pd.DataFrame:
        """Return every row as a DataFrame: times in UTC, durations, words as categories."""
        from templedb_nb.store.duckdb.frames import framed

        def read(connection: Any) -> pd.DataFrame:
            told, found = _shaped(connection, sql)
            if not told:
                import pandas as pd

                return pd.DataFrame()
            made = framed(found, told)
            words = [name for name in made.columns if name in CATEGORIES]
            return made.astype(dict.fromkeys(words, "category")) if words else made

        return self._ask(read)

    def _ask(self, read: Callable[[Any], T]) -> T:
        import duckdb

        with self._state.reading() as connection:
            try:
                return read(connection)
            except Inexact as error:
                raise QueryRefused(f"{error}, which Python cannot represent", hint=CAST) from None
            except duckdb.Error as error:
                message = str(error).split("\n\n", 1)[0]
                raise QueryRefused(f"the state refused the query: {message}", hint=HINT) from None


def _shaped(connection: Any, sql: str) -> tuple[Shape, Any]:
    """Return the columns of what *sql* asks last, and its answer, as `rows` reads it."""
    statements = connection.extract_statements(sql)
    if not statements:
        raise QueryRefused("the query has no statement", hint=HINT)
    for each in statements[:-1]:
        connection.execute(each)
    last = statements[-1]
    split_off = split(last.query).statements  # DuckDB leaves the semicolon, and a comment behind it
    text = split_off[0].text if len(split_off) == 1 else last.query
    if last.type.name != "SELECT":
        found = connection.execute(last)
        told = [(str(each[0]), each[1]) for each in found.description or ()]
        if any(risky(kind) for _, kind in told):
            raise QueryRefused(f"the state returns only text for {last.type.name}", hint=HINT)
        return told, found
    columns = shape(connection.execute, text)
    return columns, connection.execute(selection(text, [kind for _, kind in columns]))
