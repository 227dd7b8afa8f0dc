"""ALTER TABLE, action by action, on a table that older code uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from templedb_nb.core.compatibility.columns import added
from templedb_nb.core.compatibility.constraints import constrained
from templedb_nb.core.compatibility.expressions import filling, fits_anywhere, is_null
from templedb_nb.core.compatibility.judgement import EXPAND, Judgement, contract, strongest, unknown
from templedb_nb.core.compatibility.known import Known, NewColumn
from templedb_nb.core.compatibility.types import plain_type
from templedb_nb.core.sql.cursor import Cursor, Name, parts, word, words
from templedb_nb.core.sql.tokens import Token

_FAILS = "old code that uses it fails"
_MILD = words("STATISTICS STORAGE COMPRESSION")
_STORED = words("WITHOUT LOGGED UNLOGGED TABLESPACE")


def alters_table(at: Cursor, known: Known) -> Judgement:
    """Judge an ALTER TABLE, behind those words."""
    at.take("IF", "EXISTS")
    at.take("ONLY")
    table = at.name()
    at.take("*")
    if table.key == ("all",) and at.word == "IN":
        return EXPAND
    if known.new(table):
        return _of_new(table, at, known)
    if at.word in {"ATTACH", "DETACH"} and at.ahead(1) == "PARTITION":
        return _partition(at, known)
    if at.word == "RENAME":
        return _renames(table, at, known)
    if at.word == "SET" and at.ahead(1) == "SCHEMA":
        return contract("SET SCHEMA", f"old code that uses {table.text} fails")
    return strongest([_action(table, Cursor(each), known) for each in parts(at.rest)] or [_ODD])


_INHERITED = unknown("INHERIT", "old code that reads the parent finds these rows, too")
_ODD = unknown("ALTER TABLE", "what it changes is not known")


def _of_new(table: Name, at: Cursor, known: Known) -> Judgement:
    """Follow a new table; only a partition of it may be in use already."""
    if any(word(each) == "REFERENCES" for each in at.rest):
        return known.refer()
    if at.take("RENAME", "TO"):
        known.rename(table, (*table.key[:-1], *at.name().key))
    elif at.take("SET", "SCHEMA"):
        known.rename(table, (*at.name().key, table.key[-1]))
    elif at.take("ATTACH", "PARTITION"):
        name = at.name()
        return EXPAND if known.new(name) else _attached(name)
    elif at.take("INHERIT") and not known.new(at.name()):
        known.drop(table)
        return _INHERITED
    return EXPAND


def _partition(at: Cursor, known: Known) -> Judgement:
    attaches = at.word == "ATTACH"
    at.at += 2
    name = at.name()
    if attaches and known.new(name):
        known.drop(name)
        why = "old inserts that its bounds take fail where its constraints refuse them"
        return unknown(f"ATTACH PARTITION {name.text}", why)
    if attaches:
        return _attached(name)
    if known.new(name):
        return EXPAND
    return contract(f"DETACH PARTITION {name.text}", "old code no longer finds its rows")


def _attached(name: Name) -> Judgement:
    what = f"ATTACH PARTITION {name.text}"
    return contract(what, "old inserts into it fail outside of its bounds")


def _renames(table: Name, at: Cursor, known: Known) -> Judgement:
    at.at += 1
    if at.take("TO"):
        return contract(f"RENAME TO {at.name().text}", f"old code that uses {table.text} fails")
    if at.take("CONSTRAINT"):
        name = at.name()
        why = "old code that names it, as in ON CONFLICT ON CONSTRAINT, fails"
        return _of_constraint(table, name, known, unknown(f"RENAME CONSTRAINT {name.text}", why))
    at.take("COLUMN")
    name = at.name()
    column = known.column(table, name)
    if column is None:
        return contract(f"RENAME COLUMN {name.text}", _FAILS)
    at.take("TO")
    known.drop_column(table, name)
    known.add_column(table, at.name(), column)
    return EXPAND


def _of_constraint(table: Name, name: Name, known: Known, otherwise: Judgement) -> Judgement:
    return EXPAND if known.new_constraint(table, name) else otherwise


def _action(table: Name, at: Cursor, known: Known) -> Judgement:
    first = at.word
    at.at += 1
    match first:
        case "ADD":
            return _adds(table, at, known)
        case "DROP":
            return _drops(table, at, known)
        case "ALTER":
            return _alters(table, at, known)
        case "SET" | "RESET":
            return _sets(at)
        case "VALIDATE" | "CLUSTER":
            return EXPAND
        case "ENABLE" | "DISABLE" | "FORCE" | "NO":
            return _switches(first, at)
        case "OWNER":
            return unknown("OWNER TO", "the former owner loses its rights")
        case "REPLICA":
            return _replica(at)
        case "INHERIT":
            return _INHERITED
        case _:
            return unknown(f"ALTER TABLE … {first}".strip(), "what it changes is not known")


def _replica(at: Cursor) -> Judgement:
    at.take("IDENTITY")
    if at.word == "FULL":
        return EXPAND
    why = "where changes are published, old updates and deletes may fail"
    return unknown("REPLICA IDENTITY", why)


def _switches(first: str, at: Cursor) -> Judgement:
    if first == "NO" and at.take("INHERIT"):
        return unknown("NO INHERIT", "old code that reads the parent no longer finds these rows")
    at.take("FORCE")
    at.take_any(words("REPLICA ALWAYS"))
    kind = at.word
    if kind != "ROW":
        what = f"{first} {kind}".strip()
        return unknown(what, "what runs beside old statements changes")
    if first in {"ENABLE", "FORCE"}:
        what = f"{first} ROW LEVEL SECURITY"
        return contract(what, "old code finds and writes only rows that a policy allows")
    return unknown("DISABLE ROW LEVEL SECURITY", "old code finds rows that were hidden")


def _adds(table: Name, at: Cursor, known: Known) -> Judgement:
    if (found := constrained(table, at, known)) is not None:
        return found
    at.take("COLUMN")
    maybe = at.take("IF", "NOT", "EXISTS")
    name = at.name()
    if not name.key:
        return _ODD
    found = added(table, name, at.rest, known)
    if maybe:
        known.drop_column(table, name)
    return found


def _drops(table: Name, at: Cursor, known: Known) -> Judgement:
    constraint = at.take("CONSTRAINT")
    at.take("COLUMN")
    at.take("IF", "EXISTS")
    name = at.name()
    if constraint:
        why = "if it is unique, ON CONFLICT of old code fails"
        what = f"DROP CONSTRAINT {name.text}"
        return _of_constraint(table, name, known, unknown(what, why))
    if known.drop_column(table, name):
        return EXPAND
    return contract(f"DROP COLUMN {name.text}", _FAILS)


def _alters(table: Name, at: Cursor, known: Known) -> Judgement:
    if at.take("CONSTRAINT"):
        return _constraint(at)
    at.take("COLUMN")
    name = at.name()
    column = known.column(table, name)
    if _mild(at):
        return EXPAND
    if column is not None:
        return _of_new_column(table, name, column, at, known)
    return _of_column(f"ALTER COLUMN {name.text}", at)


def _mild(at: Cursor) -> bool:
    sets = at.word in {"SET", "RESET"}
    return sets and (at.ahead(1) in _MILD or at.ahead(1) == "(")


def _constraint(at: Cursor) -> Judgement:
    name = at.name()
    what = f"ALTER CONSTRAINT {name.text}"
    said = [word(each) for each in at.rest]
    if "ENFORCED" in said and said[said.index("ENFORCED") - 1] != "NOT":
        return contract(what, "rows of old code that violate it are refused")
    return (
        EXPAND if said == ["NOT", "ENFORCED"] else unknown(what, "its checks come at other times")
    )


_LEFT = "old inserts that rely on its default fail, or leave it empty"
_GIVEN = "old inserts that give a value are refused"
_COLUMN_CHANGES = (
    ("SET NOT NULL", "old code that leaves it empty is refused"),
    ("DROP DEFAULT", _LEFT),
    ("DROP IDENTITY", "old inserts that rely on its numbers fail"),
    ("DROP EXPRESSION", "old inserts leave it empty from then on"),
    ("SET GENERATED ALWAYS", _GIVEN),
    ("ADD GENERATED ALWAYS", _GIVEN),
)
_TYPE = "values of old code may not fit, and statements that its sessions prepared fail"


def _of_column(what: str, at: Cursor) -> Judgement:
    if _changes_type(at):
        return contract(f"{what} TYPE", _TYPE)
    for said, why in _COLUMN_CHANGES:
        if at.take(*said.split()):
            return contract(f"{what} {said}", why)
    if at.take("SET", "DEFAULT"):
        if is_null(at.rest):
            return contract(f"{what} SET DEFAULT NULL", _LEFT)
        return unknown(f"{what} SET DEFAULT", "old inserts without it take the new default")
    if at.take("DROP", "NOT", "NULL") or at.take("SET", "GENERATED", "BY", "DEFAULT"):
        return EXPAND if at.done else unknown(what, "its numbers change")
    if at.take("ADD", "GENERATED", "BY", "DEFAULT"):
        return EXPAND
    if at.take("SET", "EXPRESSION"):
        return unknown(f"{what} SET EXPRESSION", "old code reads other values")
    return unknown(what, "its numbers change" if at.word in {"SET", "RESTART"} else _ODD.why)


def _of_new_column(
    table: Name, name: Name, column: NewColumn, at: Cursor, known: Known
) -> Judgement:
    """Follow a column that the plan added: older inserts must go on filling it."""
    what = f"ALTER COLUMN {name.text}"
    after, found = column, EXPAND
    if at.take("SET", "NOT", "NULL"):
        after = replace(column, not_null=True)
    elif at.take("DROP", "NOT", "NULL"):
        after = replace(column, not_null=False)
    elif at.take("SET", "DEFAULT"):
        after = replace(column, filled=not is_null(at.rest), fresh=False)
        found = strongest(_new_default(what, column, at.rest))
    elif at.take("DROP"):
        after = replace(column, filled=False, fresh=False)
    elif at.take("ADD"):
        after = replace(column, filled=True, fresh=True)
    elif _changes_type(at):
        kind = at.tokens[at.at : at.at + _until(at, "USING")]
        found = _new_type(what, column, kind, known)
        narrow = any(each.text == "(" for each in kind)
        after = replace(column, watched=column.watched or narrow)
    elif column.watched:
        found = unknown(what, "what a constraint on it looks at changes")
    known.add_column(table, name, after)
    if after.not_null and not after.filled:
        return contract(what, "it is NOT NULL without a default, and old inserts leave it empty")
    return found


def _until(at: Cursor, said: str) -> int:
    return next((n for n, each in enumerate(at.rest) if word(each) == said), len(at.rest))


def _changes_type(at: Cursor) -> bool:
    return at.take("TYPE") or at.take("SET", "DATA", "TYPE")


def _new_type(what: str, column: NewColumn, kind: Sequence[Token], known: Known) -> Judgement:
    """Judge another type of a new column by what older inserts leave in it."""
    known.use_type(Cursor(kind).name())
    if not column.filled and not column.watched and plain_type(kind, known):
        return EXPAND
    return unknown(f"{what} TYPE", "old inserts fail where what they leave in it does not fit")


def _new_default(what: str, column: NewColumn, default: Sequence[Token]) -> Iterator[Judgement]:
    if not is_null(default) and (column.watched or not fits_anywhere(default)):
        yield unknown(what, "old inserts fail where its new default is refused")
    yield from filling(what, default, narrow=False)


def _sets(at: Cursor) -> Judgement:
    if at.word == "(":
        said = " ".join(each.text.upper() for each in at.rest)
        if "SECURITY" in said or "CHECK_OPTION" in said:
            return unknown("SET options", "old code may find or write other rows")
        return EXPAND
    return EXPAND if at.word in _STORED else _ODD
