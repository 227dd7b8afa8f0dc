"""Questions in SQL to the state: only read, and nothing of the machine beside the state."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from templedb_nb.errors import QueryRefused
from templedb_nb.model.history import Answer
from templedb_nb.store.file import StateFile

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
LIMIT = 10_000
"""Rows that are given to a terminal, which cannot show more."""

HINT = "the views are runs, steps, migrations, events, approvals, runbooks: DESCRIBE runs"

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

        def read(found: Any) -> Answer:
            columns = tuple(str(column[0]) for column in found.description or ())
            rows = found.fetchmany(LIMIT + 1) if columns else []
            kinds = tuple(str(column[1]) for column in found.description or ())
            shown = tuple(tuple(row) for row in rows[:LIMIT])
            return Answer(columns=columns, kinds=kinds, rows=shown, more=len(rows) > LIMIT)

        return self._ask(sql, read)

    def frame(self, sql: str) -> pd.DataFrame:
        """Return every row as a DataFrame: times in UTC, durations, words as categories."""

        def read(found: Any) -> pd.DataFrame:
            if not found.description:
                import pandas as pd

                return pd.DataFrame()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # DuckDB calls pandas in ways that pandas 4 drops
                made: pd.DataFrame = found.df()
            words = [name for name in made.columns if name in CATEGORIES]
            return made.astype(dict.fromkeys(words, "category")) if words else made

        return self._ask(sql, read)

    def _ask(self, sql: str, read: Callable[[Any], T]) -> T:
        import duckdb

        with self._state.reading() as connection:
            try:
                found = connection.execute(sql)
                if found is None:
                    raise QueryRefused("the query has no statement", hint=HINT)
                return read(found)
            except duckdb.Error as error:
                message = str(error).split("\n\n", 1)[0]
                raise QueryRefused(f"the state refused the query: {message}", hint=HINT) from None
