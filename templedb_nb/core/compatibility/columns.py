"""A column that is added to a table with older code: what that code's inserts make of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field

from templedb_nb.core.compatibility.checks import admits, admits_null
from templedb_nb.core.compatibility.expressions import filling, harmless, is_null, literal
from templedb_nb.core.compatibility.judgement import Judgement, contract, strongest, unknown
from templedb_nb.core.compatibility.known import Known, NewColumn
from templedb_nb.core.compatibility.types import plain_type
from templedb_nb.core.lint.alter import VOLATILE
from templedb_nb.core.sql.cursor import Cursor, Name, calls, word, words
from templedb_nb.core.sql.tokens import Token
from templedb_nb.model.dataclass import dataclass

_BEHIND = words(
    "NOT NULL DEFAULT CHECK UNIQUE PRIMARY REFERENCES CONSTRAINT GENERATED COLLATE STORAGE "
    "COMPRESSION USING AS"
)
_SERIAL = words("SERIAL BIGSERIAL SMALLSERIAL SERIAL2 SERIAL4 SERIAL8")
_LIMITED = words("MAXVALUE CYCLE")
_SMALL = words("SMALLINT INT2")


@dataclass(slots=True)
class _Column:
    """The parts of a column's definition."""

    kind: Sequence[Token] = ()
    default: Sequence[Token] = ()
    generated: Sequence[Token] | None = None
    virtual: bool = False
    identity: bool = False
    options: Sequence[Token] = ()
    not_null: bool = False
    unique: bool = False
    nulls_alike: bool = False
    checks: list[Sequence[Token]] = field(default_factory=list)
    references: str = ""
    constraints: list[Name] = field(default_factory=list)

    @property
    def serial(self) -> bool:
        return bool(self.kind) and word(self.kind[0]) in _SERIAL

    @property
    def given(self) -> bool:
        """Return whether its default is anything but NULL."""
        return not is_null(self.default)

    @property
    def filled(self) -> bool:
        return self.given or self.serial or self.identity

    @property
    def narrow(self) -> bool:
        """Return whether its type has a limit: a length, a precision."""
        return any(each.text == "(" for each in self.kind)

    @property
    def fresh(self) -> bool:
        return self.serial or self.identity or bool(calls(self.default) & VOLATILE)


def added(table: Name, name: Name, definition: Sequence[Token], known: Known) -> Judgement:
    """Judge an ADD COLUMN by what stands behind the column's name, and take the column in."""
    column = _read(Cursor(definition))
    what = f"ADD COLUMN {name.text}"
    found = strongest(_judged(what, name, column, known))
    for each in column.constraints:
        known.add_constraint(table, each)
    new = NewColumn(
        filled=column.filled or column.generated is not None,
        fresh=column.fresh,
        not_null=column.not_null,
        watched=bool(column.unique or column.checks or column.references or column.narrow),
    )
    known.use_type(Cursor(column.kind).name())
    if column.references:
        known.refer()
    known.add_column(table, name, new)
    return found


def _judged(what: str, name: Name, column: _Column, known: Known) -> Iterator[Judgement]:
    if len(name.key) > 1:
        yield unknown(what, "old code that writes the whole value may fail")
    if column.generated is not None:
        yield from _computed(what, column)
        return
    if column.not_null and not column.filled:
        yield contract(what, "it is NOT NULL without a default, and old inserts leave it empty")
    yield from _constrained(what, name, column)
    if column.serial:
        yield unknown(what, "old inserts need the right to use its sequence")
    if column.identity and (_small(column) or _limited(column)):
        yield unknown(what, "old inserts fail when its numbers run out")
    yield from filling(what, column.default, narrow=column.narrow)
    if not literal(column.default) and not plain_type(column.kind, known):
        yield unknown(what, "its type may be a domain that refuses what old inserts leave in it")


def _small(column: _Column) -> bool:
    return bool(column.kind) and word(column.kind[0]) in _SMALL


def _limited(column: _Column) -> bool:
    return not _LIMITED.isdisjoint(word(each) for each in column.options)


def _computed(what: str, column: _Column) -> Iterator[Judgement]:
    tokens = column.generated or ()
    if column.unique or column.checks or column.references:
        yield contract(what, "old inserts are refused where its computed value is")
    if column.not_null:
        yield unknown(what, "old inserts are refused where its expression is NULL")
    if not column.virtual and not harmless(tokens):
        yield unknown(what, "old inserts fail where its expression does")


def _constrained(what: str, name: Name, column: _Column) -> Iterator[Judgement]:
    if column.unique and column.given and not column.fresh:
        yield contract(what, "old inserts all get the same default, which is to be unique")
    elif column.unique and column.nulls_alike and not column.filled:
        yield contract(what, "old inserts leave it NULL, which is to be unique")
    for check in column.checks:
        fits = admits(check, name, column.default) if column.filled else admits_null(check, name)
        if not fits:
            yield contract(what, "old inserts fail where its CHECK refuses what they leave in it")
    if column.references and column.filled:
        why = f"old inserts fail while {column.references} lacks the default"
        yield unknown(what, why)


def _read(at: Cursor) -> _Column:
    column = _Column()
    start = at.at
    at.skip_to(*_BEHIND)
    column.kind = at.tokens[start : at.at]
    while not at.done:
        _part(at, column)
    return column


def _part(at: Cursor, column: _Column) -> None:
    if at.take("CONSTRAINT"):
        column.constraints.append(at.name())
    elif at.take("NOT", "NULL") or at.take("PRIMARY", "KEY"):
        column.not_null = True
        column.unique = column.unique or word(at.tokens[at.at - 1]) == "KEY"
    elif at.take("DEFAULT"):
        column.default = _expression(at)
    elif at.take("CHECK"):
        column.checks.append(at.group())
    elif at.take("UNIQUE"):
        column.unique = True
        column.nulls_alike = at.take("NULLS", "NOT", "DISTINCT")
    elif at.take("REFERENCES"):
        _referenced(at, column)
    elif at.take("GENERATED"):
        at.skip_to("AS")
        _generated(at, column)
    elif at.word == "AS" and at.ahead(1) == "(":
        _generated(at, column)
    else:
        at.skip()


def _expression(at: Cursor) -> Sequence[Token]:
    start = at.at
    at.skip()
    at.skip_to(*_BEHIND)
    return at.tokens[start : at.at]


def _referenced(at: Cursor, column: _Column) -> None:
    column.references = at.name().text
    at.group()
    while at.take("ON") or at.take("MATCH") or at.word in _REFERENCING:
        at.at += 1
        if at.word in {"NULL", "DEFAULT", "ACTION", "DEFERRABLE"}:
            at.at += 1


_REFERENCING = words(
    "DELETE UPDATE SET NO CASCADE RESTRICT DEFERRABLE INITIALLY DEFERRED IMMEDIATE"
)


def _generated(at: Cursor, column: _Column) -> None:
    at.take("AS")
    if at.take("IDENTITY"):
        column.identity = True
        column.options = at.group()
    else:
        column.generated = at.group()
        column.virtual = at.word == "VIRTUAL"
        at.take_any(words("STORED VIRTUAL"))
