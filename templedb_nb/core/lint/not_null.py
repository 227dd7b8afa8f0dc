"""Columns that a valid check proves to hold no NULL: SET NOT NULL reads nothing then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field

from templedb_nb.core.sql.cursor import Cursor, parts
from templedb_nb.core.sql.tokens import Token
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.lint import NullCheck

Key = tuple[str, ...]


def set_not_null(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the columns that an ALTER TABLE sets NOT NULL."""
    for at in _actions(tokens):
        if at.take("ALTER"):
            at.take("COLUMN")
            column = at.name()
            if at.take("SET", "NOT", "NULL"):
                yield column.key[-1] if column.key else ""


@dataclass(slots=True)
class PlannedChecks:
    """What the statements of a plan did to checks of ``c IS NOT NULL``, by table and name."""

    checks: dict[tuple[Key, str], NullCheck | None] = field(default_factory=dict)

    def remember(self, table: Key, tokens: Sequence[Token], there: Sequence[NullCheck]) -> None:
        """Take in an ALTER TABLE of *table*, which has the checks of *there*."""
        for at in _actions(tokens):
            if at.take("ADD", "CONSTRAINT"):
                self._add(table, at)
            elif at.take("VALIDATE", "CONSTRAINT"):
                name = "".join(at.name().key)
                for each in self._of(table, there):
                    if each.name == name:
                        self.checks[table, name] = NullCheck(name, each.column, valid=True)
            elif at.take("DROP", "CONSTRAINT"):
                at.take("IF", "EXISTS")
                self.checks[table, "".join(at.name().key)] = None

    def proven(self, table: Key, there: Sequence[NullCheck]) -> frozenset[str]:
        """Return the columns of *table* that hold no NULL."""
        return frozenset(each.column for each in self._of(table, there) if each.valid)

    def _of(self, table: Key, there: Sequence[NullCheck]) -> list[NullCheck]:
        found: dict[str, NullCheck | None] = {each.name: each for each in there}
        found |= {name: each for (own, name), each in self.checks.items() if own == table}
        return [each for each in found.values() if each]

    def _add(self, table: Key, at: Cursor) -> None:
        name = "".join(at.name().key)
        if not at.take("CHECK"):
            return
        inner = Cursor(at.group())
        column = inner.name()
        if column.key and inner.take("IS", "NOT", "NULL") and inner.done:
            valid = not at.holds(frozenset({"VALID", "ENFORCED"}))
            self.checks[table, name] = NullCheck(name, column.key[-1], valid=valid)


def _actions(tokens: Sequence[Token]) -> Iterator[Cursor]:
    at = Cursor(tokens)
    if not at.take("ALTER", "TABLE"):
        return
    at.take("IF", "EXISTS")
    at.take("ONLY")
    at.name()
    at.take("*")
    for each in parts(at.rest):
        yield Cursor(each)
