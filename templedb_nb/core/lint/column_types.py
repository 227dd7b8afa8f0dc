"""Types of columns, and whether an earlier statement has created them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from templedb_nb.core.lint.opaque_statements import OpaqueStatements
from templedb_nb.core.sql.cursor import NAMING, Cursor, parts, words
from templedb_nb.core.sql.tokens import Statement, Token

_GRAMMAR = words(
    "INT INTEGER SMALLINT BIGINT REAL FLOAT DECIMAL DEC NUMERIC BOOLEAN BIT CHARACTER CHAR VARCHAR "
    "NATIONAL NCHAR TIME TIMESTAMP INTERVAL JSON XML SERIAL BIGSERIAL SMALLSERIAL SERIAL2 SERIAL4 "
    "SERIAL8 SETOF"
)
"""Types that the grammar knows by words that no catalog has."""
_BEHIND = words(
    "NOT NULL DEFAULT CHECK UNIQUE PRIMARY REFERENCES CONSTRAINT GENERATED COLLATE WITH AS USING"
)
_FURTHER = words("CONSTRAINT PRIMARY UNIQUE CHECK FOREIGN EXCLUDE LIKE")
_MODIFIERS = words("GLOBAL LOCAL TEMP TEMPORARY UNLOGGED RECURSIVE MATERIALIZED FOREIGN")
_MAKE = words("TYPE DOMAIN TABLE VIEW")
_LONGEST = 63


def types_of(statement: Statement) -> list[str]:
    """Return the types by which a statement defines columns, as a catalog has their names."""
    return [each for each in _types(statement) if each]


def table_of(statement: Statement) -> str:
    """Return the table of a ``CREATE TABLE IF NOT EXISTS``, else nothing."""
    at = Cursor(statement.tokens)
    if at.take("CREATE"):
        at.take_any(_MODIFIERS)
        if at.take("TABLE", "IF", "NOT", "EXISTS"):
            return "".join(at.name().key[-1:])
    return ""


class ColumnTypes:
    """The types that are there when statements run, one after the other."""

    def __init__(self, types: Iterable[str], relations: Iterable[str]) -> None:
        """Begin with those of the database, and with its relations."""
        self._there, self._relations = set(types), set(relations)
        self._opaque = OpaqueStatements(types=True)

    def missing(self, statement: Statement) -> list[str]:
        """Return the types that a statement needs and that nobody has, each once."""
        lost = []
        if (table := table_of(statement)) not in self._relations or not table:
            lost = [each for each in dict.fromkeys(types_of(statement)) if self._lacks(each)]
        self._there |= set(lost)
        self._opaque.take(statement)
        self._take(statement)
        return lost

    def take_all(self) -> None:
        """Take in what nobody has read."""
        self._opaque.take_all()

    def _lacks(self, name: str) -> bool:
        return name not in self._there and not self._opaque.may_create(name)

    def _take(self, statement: Statement) -> None:
        at = Cursor(statement.tokens)
        if at.take("CREATE"):
            at.take("OR", "REPLACE")
            at.take_any(_MODIFIERS)
            if at.word in _MAKE:
                at.at += 1
                at.take("IF", "NOT", "EXISTS")
                name = "".join(at.name().key[-1:])
                self._relations.add(name)
                self._there |= {name, f"{name}_multirange", name.replace("range", "multirange")}
                if at.take("AS", "RANGE"):
                    self._there |= {name for each in parts(at.group()) for name in _last(each)}
        elif at.take("ALTER") and at.skip_to("RENAME"):
            self._there |= set(_last(at.rest))


def _last(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the name that is the last token."""
    if tokens and tokens[-1].kind in NAMING:
        yield "".join(Cursor(tokens[-1:]).name().key)


def _types(statement: Statement) -> Iterator[str]:
    at = Cursor(statement.tokens)
    if at.take("CREATE"):
        at.take_any(_MODIFIERS)
        if not at.take("TABLE"):
            return
        at.take("IF", "NOT", "EXISTS")
        at.name()
        for item in parts(at.group()):
            yield _of_column(Cursor(item))
    elif at.take("ALTER", "TABLE") and at.word != "IF":
        at.take("ONLY")
        at.name()
        at.take("*")
        for item in parts(at.rest):
            yield _of_action(Cursor(item))


def _of_column(at: Cursor) -> str:
    """Return the type behind the name of a column."""
    if at.word in _FURTHER or len(at.name().key) != 1:
        return ""
    return _type(at)


def _of_action(at: Cursor) -> str:
    if at.take("ADD"):
        if at.word in _FURTHER:
            return ""
        at.take("COLUMN")
        return "" if at.word == "IF" else _of_column(at)
    if at.take("ALTER"):
        at.take("COLUMN")
        at.name()
        if at.take("TYPE") or at.take("SET", "DATA", "TYPE"):
            return _type(at)
    return ""


def _type(at: Cursor) -> str:
    """Return the name of a type that a catalog must have; nothing for what stands in a schema."""
    if at.word in _GRAMMAR or at.word in _BEHIND or at.take("DOUBLE", "PRECISION"):
        return ""
    key = at.name().key
    name = key[0] if len(key) == 1 else ""
    return name if len(name.encode()) <= _LONGEST and at.word not in {".", "%", "$"} else ""
