"""Subqueries in FROM, and whether each has a name: PostgreSQL before 16 knows none without."""

from __future__ import annotations

from collections.abc import Sequence

from templedb_nb.core.sql.cursor import NAMING, word, words
from templedb_nb.core.sql.tokens import Token

_QUERIES = words("SELECT VALUES WITH")
_USING = words("DELETE MERGE WITH EXPLAIN")
"""Statements in which tables stand behind USING."""
_END = words(
    "WHERE GROUP HAVING WINDOW ORDER LIMIT OFFSET FETCH FOR UNION INTERSECT EXCEPT RETURNING WHEN "
    "SELECT"
)
_BEFORE = words("FROM USING JOIN LATERAL ,")
_BEHIND = _END | words(
    ") , ; ON USING JOIN INNER LEFT RIGHT FULL CROSS NATURAL TABLESAMPLE WITH DO"
)
"""What may follow a table that has no name."""


def has_unnamed(tokens: Sequence[Token]) -> bool:
    """Return whether a subquery in FROM has no name. It costs what the number of tokens says."""
    said = [word(each) for each in tokens]
    begin = {"FROM", "USING"} if said[0] in _USING else {"FROM"}
    levels = [_Level(query=True)]
    for place, this in enumerate(said):
        here = levels[-1]
        if this == "(":
            query = place + 1 < len(said) and said[place + 1] in _QUERIES
            joined = here.opens(said[place - 1] if place else "", query=query)
            levels.append(_Level(query=query, tables=joined))
        elif this == ")":
            if len(levels) > 1:
                levels.pop()
            if levels[-1].closes() and _unnamed(tokens, said, place + 1):
                return True
        elif this in begin:
            here.tables = here.query and said[place - 1] != "DISTINCT"
        elif this in _END:
            here.tables = False
    return False


class _Level:
    """What is between one pair of parentheses, as far as it was read."""

    __slots__ = ("_subquery", "query", "tables")

    def __init__(self, *, query: bool, tables: bool = False) -> None:
        self.query = query
        self.tables = tables
        self._subquery = False

    def opens(self, before: str, *, query: bool) -> bool:
        """Take in a parenthesis, and whether a query is in it; return whether tables are."""
        at_table = self.tables and before in _BEFORE
        self._subquery = at_table and query
        return at_table and not query

    def closes(self) -> bool:
        """Return whether what ends now was a subquery in FROM."""
        found, self._subquery = self._subquery, False
        return found


def _unnamed(tokens: Sequence[Token], said: Sequence[str], place: int) -> bool:
    if place >= len(tokens):
        return True
    return said[place] in _BEHIND or tokens[place].kind not in NAMING
