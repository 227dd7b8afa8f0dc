"""Statements whose text does not show what they create: then nothing is certain about names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from templedb_nb.core.sql.cursor import Cursor, calls, words
from templedb_nb.core.sql.tokens import Statement, Token, TokenKind

_UNSEEN = words("DO CALL SELECT WITH EXECUTE PREPARE IMPORT LOAD")
_BODIES = words("FUNCTION PROCEDURE SCHEMA")
_RUNS = words("EXECUTE PERFORM CALL")
_HARMLESS = words(
    "SET_CONFIG CURRENT_SETTING SETVAL NEXTVAL PG_GET_SERIAL_SEQUENCE MAX MIN SUM COALESCE COUNT "
    "NOW GEN_RANDOM_UUID ARRAY_AGG ROW_NUMBER LOWER UPPER TRIM REPLACE SUBSTRING CONCAT LENGTH "
    "VERSION VALUES IN EXISTS FROM WHERE AS USING ON AND OR NOT OVER FILTER ANY ALL SELECT JOIN "
    "UNION INTO"
)
_PLAIN = frozenset(
    {"plpgsql", "uuid-ossp", "pgcrypto", "pg_trgm", "btree_gin", "btree_gist", "unaccent",
     "fuzzystrmatch", "moddatetime"}
)  # fmt: skip
_WITH_TYPES = frozenset({"citext", "hstore", "ltree", "cube", "isn", "seg", "intarray", "vector"})
WITHOUT_SCHEMA = _PLAIN | _WITH_TYPES
"""Extensions of which it is known that they create no schema, and no table."""


class OpaqueStatements:
    """What earlier statements may have created, as far as their text leaves that open."""

    def __init__(self, *, types: bool) -> None:
        """Begin with nothing; with *types*, the names that are asked for are those of types."""
        self._known = _PLAIN if types else _PLAIN | _WITH_TYPES
        self._texts: list[str] = []
        self._anything = False
        self.extended = False
        """Whether an extension was created: it may have functions of any name."""

    def take(self, statement: Statement) -> None:
        """Take in a statement that comes before."""
        at = Cursor(statement.tokens)
        first = at.word
        if first in _UNSEEN:
            self._texts.append(statement.text.lower())
            found = calls(statement.tokens) - _HARMLESS
            runs = first == "DO" and any(each in statement.text.upper() for each in _RUNS)
            self._anything = self._anything or bool(found and first != "DO") or runs
        elif at.take("CREATE"):
            at.take("OR", "REPLACE")
            if at.word in _BODIES:
                own = at.rest if at.word == "SCHEMA" else _strings(at.rest)
                self._texts.append(" ".join(each.text for each in own).lower())
            elif at.take("EXTENSION"):
                at.take("IF", "NOT", "EXISTS")
                self.extended = True
                self._anything = self._anything or "".join(at.name().key) not in self._known

    def take_all(self) -> None:
        """Take in what nobody has read: a file of psql's may do anything."""
        self._anything = True

    def may_create(self, name: str) -> bool:
        """Return whether something by that name may be there, although no statement shows it."""
        return self._anything or self.names(name)

    def names(self, name: str) -> bool:
        """Return whether a text that nobody has read holds that name."""
        return any(name.removesuffix("()").lower() in each for each in self._texts)


def _strings(tokens: Iterable[Token]) -> Iterator[Token]:
    return (each for each in tokens if each.kind is TokenKind.STRING)
