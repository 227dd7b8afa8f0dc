"""Constraints and unique indexes on a table that older code writes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from templedb_nb.core.compatibility.checks import admits_null, compared
from templedb_nb.core.compatibility.judgement import EXPAND, Judgement, contract, unknown
from templedb_nb.core.compatibility.known import Known, NewColumn
from templedb_nb.core.sql.cursor import Cursor, Name, parts, word, words
from templedb_nb.core.sql.tokens import Token

_KINDS = words("CHECK UNIQUE PRIMARY FOREIGN NOT")


def constrained(table: Name, at: Cursor, known: Known) -> Judgement | None:
    """Judge an ADD of a constraint, behind that word; None if it adds something else."""
    label = ""
    if at.take("CONSTRAINT"):
        name = at.name()
        label = f" {name.text}"
        known.add_constraint(table, name)
    excludes = at.word == "EXCLUDE" and at.ahead(1) in {"USING", "("}
    if at.word not in _KINDS and not excludes:
        return unknown(f"ADD CONSTRAINT{label}", "what it asks is not known") if label else None
    said = [word(each) for each in at.rest]
    if ("NOT", "ENFORCED") in pairwise(said):
        return EXPAND
    return _JUDGES[at.word](table, at, known, label)


def unique_on(
    what: str, table: Name, columns: Sequence[Name], known: Known, *, nulls_alike: bool
) -> Judgement:
    """Judge what is to be unique: NULLs differ, and so does what is made for each row."""
    found = [known.column(table, each) for each in columns]
    if any(each and (each.fresh or (each.empty and not nulls_alike)) for each in found):
        known.watch(table, columns)
        return EXPAND
    return contract(what, "old code that writes the same values twice is refused")


def _check(table: Name, at: Cursor, known: Known, label: str) -> Judgement:
    at.at += 1
    check = at.group()
    named = compared(check)
    column = known.column(table, named)
    if column and column.empty and admits_null(check, named):
        known.watch(table, [named])
        return EXPAND
    return contract(f"ADD CHECK{label}", "rows of old code that violate it are refused")


def _unique(table: Name, at: Cursor, known: Known, label: str) -> Judgement:
    at.at += 1
    alike = at.take("NULLS", "NOT", "DISTINCT")
    at.take("NULLS", "DISTINCT")
    if at.take("USING", "INDEX"):
        at.name()
        if at.word != "DEFERRABLE":
            return EXPAND
        return contract(f"ADD UNIQUE{label} DEFERRABLE", "ON CONFLICT of old code fails")
    return unique_on(f"ADD UNIQUE{label}", table, _columns(at.group()), known, nulls_alike=alike)


def _primary(table: Name, at: Cursor, known: Known, label: str) -> Judgement:
    at.take("PRIMARY", "KEY")
    columns = _columns(at.group())
    found = [known.column(table, each) for each in columns]
    if found and all(each and each.fresh for each in found):
        return EXPAND
    why = "rows of old code that leave it empty, or have the same key, are refused"
    return contract(f"ADD PRIMARY KEY{label}", why)


def _foreign(table: Name, at: Cursor, known: Known, label: str) -> Judgement:
    at.take("FOREIGN", "KEY")
    at.take("IF", "NOT", "EXISTS")
    if at.word != "(":
        at.name()
    columns = _columns(at.group())
    full = ("MATCH", "FULL") in pairwise([word(each) for each in at.rest])
    found: list[NewColumn | None] = [known.column(table, each) for each in columns]
    empty = [bool(each and each.empty) for each in found]
    if (all(empty) if full else any(empty)) and empty:
        known.watch(table, columns)
        return known.refer()
    why = "rows of old code that refer to nothing are refused"
    return contract(f"ADD FOREIGN KEY{label}", why)


def _exclude(_table: Name, _at: Cursor, _known: Known, label: str) -> Judgement:
    return contract(f"ADD EXCLUDE{label}", "rows of old code that overlap are refused")


def _not_null(table: Name, at: Cursor, known: Known, label: str) -> Judgement:
    at.take("NOT", "NULL")
    column = known.column(table, at.name())
    if column and column.filled:
        return EXPAND
    return contract(f"ADD NOT NULL{label}", "old code that leaves it empty is refused")


_JUDGES = {
    "CHECK": _check,
    "UNIQUE": _unique,
    "PRIMARY": _primary,
    "FOREIGN": _foreign,
    "EXCLUDE": _exclude,
    "NOT": _not_null,
}


def _columns(tokens: Sequence[Token]) -> tuple[Name, ...]:
    return tuple(Cursor(each).name() for each in parts(tokens))
