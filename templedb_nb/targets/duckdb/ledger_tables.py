"""The tables of the ledger in a DuckDB file: made, made whole, and brought to this format."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from importlib import resources
from typing import TYPE_CHECKING

from templedb_nb.core.run.ledger_guard import TABLES
from templedb_nb.errors import Busy, LedgerRefused
from templedb_nb.failpoints import reach
from templedb_nb.model.ledger import FORMAT
from templedb_nb.model.ledger_part import MissingPart, PartKind
from templedb_nb.targets import ledger_rows
from templedb_nb.targets.ledger_ddl import (
    DECISIVE,
    NAMING,
    PROVING,
    ColumnThere,
    TableParts,
    column_type,
    declared,
    of_columns,
    stands_for,
)

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

Own = tuple[str, Collection[str]]
_IF_MISSING = re.compile(r"^CREATE (TABLE|SEQUENCE|SCHEMA|INDEX) ", re.MULTILINE)
_FORMER = """
SELECT t.table_name FROM duckdb_tables() t
WHERE t.schema_name = 'templedb' AND t.database_name = current_database()
  AND t.table_name IN ('meta', 'migration', 'event', 'run', 'command', 'approval', 'lock')
  AND NOT EXISTS (FROM duckdb_columns() c
                  WHERE c.table_oid = t.table_oid AND c.database_oid = t.database_oid
                    AND c.column_name = 'scope')
ORDER BY 1
"""


_THERE = """
SELECT 'table' AS what, table_name, '' AS name, '' AS kind, false AS needed, '' AS standard
FROM duckdb_tables() WHERE schema_name = 'templedb' AND database_name = current_database()
UNION ALL
SELECT 'view', view_name, '', '', false, '' FROM duckdb_views()
WHERE schema_name = 'templedb' AND database_name = current_database()
UNION ALL
SELECT 'column', c.table_name, c.column_name, c.data_type, NOT c.is_nullable, c.column_default
FROM duckdb_columns() c
WHERE c.schema_name = 'templedb' AND c.database_name = current_database()
UNION ALL
SELECT CASE constraint_type WHEN 'PRIMARY KEY' THEN 'key' ELSE 'constraint' END, table_name,
    CASE constraint_type WHEN 'PRIMARY KEY' THEN array_to_string(constraint_column_names, ', ')
         ELSE constraint_text END, '', false, ''
FROM duckdb_constraints() WHERE schema_name = 'templedb' AND constraint_type <> 'NOT NULL'
  AND database_name = current_database()
UNION ALL
SELECT 'unique', table_name, index_name, '', false, '' FROM duckdb_indexes()
WHERE schema_name = 'templedb' AND is_unique AND database_name = current_database()
"""
DAMAGED = "_damaged"
_GAPS = frozenset({PartKind.COLUMN, PartKind.TYPE})
_MADE_QUIETLY = frozenset({"slot", "object"})
"""What is made again whenever it is gone, and what the ledger in a DuckDB file does not have."""
_STAND_INS = {
    "VARCHAR": "''",
    "JSON": "'{}'",
    "INTEGER": "0",
    "BIGINT": "0",
    "TIMESTAMP": "TIMESTAMP 'epoch'",
}


def version(connection: Connection) -> int:
    """Return the format of the ledger that is there; its shape tells where that fact is gone."""
    row = connection.execute("SELECT v FROM templedb.meta WHERE k = 'format'").fetchone()
    if row is not None:
        return ledger_rows.form_of(row[0])
    scoped = connection.execute(
        "SELECT 1 FROM duckdb_columns() WHERE schema_name = 'templedb' AND table_name = 'meta'"
        " AND column_name = 'scope' AND database_name = current_database()"
    ).fetchone()
    return FORMAT if scoped else ledger_rows.OBJECTS


def missing(connection: Connection) -> tuple[MissingPart, ...]:
    """Return the parts of the ledger's tables that are gone, or are other ones.

    Of an earlier format, whole tables alone are looked for: it is brought to this one first.
    """
    there = {
        (what, table, name): ColumnThere(kind=kind, needed=needed, default=default or "")
        for what, table, name, kind, needed, default in connection.execute(_THERE).fetchall()
    }
    tables = {table for what, table, _ in there if what == "table"}
    views = {table for what, table, _ in there if what == "view"}
    gone = [
        MissingPart(kind=PartKind.REPLACED, table=name, told="a view")
        if name in views
        else MissingPart(kind=PartKind.TABLE, table=name)
        for name in TABLES
        if name not in tables and name not in _MADE_QUIETLY
    ]
    facts = {name for what, table, name in there if what == "column" and table == "meta"}
    if {"k", "v"} <= facts and version(connection) != FORMAT:
        return tuple(gone)
    parts = declared(_sql("ledger.sql")).tables
    for table in parts:
        if table in tables:
            columns = {n: c for (what, t, n), c in there.items() if what == "column" and t == table}
            gone += of_columns(table, parts[table], columns)
            if not any(
                what == "key" and other == table and f"PRIMARY KEY ({name})" == parts[table].key
                for what, other, name in there
            ):
                gone.append(MissingPart(kind=PartKind.KEY, table=table, name=parts[table].key))
            gone += [
                MissingPart(kind=kind, table=table, name=name)
                for what, other, name in there
                for kind in (PartKind.CONSTRAINT, PartKind.UNIQUE)
                if other == table and what == kind
            ]
    return tuple(gone)


def make(connection: Connection, *, repair_for: Own | None = None) -> None:
    """Make the tables that are not there, and bring those of an earlier format to this one.

    All of it is one transaction. DuckDB changes no primary key: a table of an earlier format is
    made again, with its rows, and so is a damaged one where a person wants its repair:
    *repair_for* is their project, with the keys of the rows that they restore themselves.
    """
    import duckdb

    connection.execute("BEGIN")
    try:
        _make(connection, repair_for)
    except duckdb.ConstraintException as error:
        connection.execute("ROLLBACK")
        told = str(error).split("\n", 1)[0].removeprefix("Constraint Error: ")
        message = f"the ledger has rows that it cannot have: {told}"
        hint = "in DuckDB: SELECT rowid, * FROM templedb.TABLE; then DELETE FROM templedb.TABLE"
        hint = f"{hint} WHERE rowid = N for the wrong one, and run this again"
        raise LedgerRefused(message, hint=hint) from None
    reach("ledger.made")
    connection.execute("COMMIT")


def _make(connection: Connection, own: Own | None) -> None:
    damaged = [each for each in missing(connection) if each.kind is not PartKind.TABLE]
    tables_of = dict.fromkeys(each.table for each in damaged) if own is not None else {}
    own = own or ("", ())
    for table in tables_of:
        _set_aside(connection, table)
    former = [name for (name,) in connection.execute(_FORMER).fetchall()]
    for name in former:
        connection.execute(f"CREATE TEMP TABLE former_{name} AS FROM templedb.{name}")
        connection.execute(f"DROP TABLE templedb.{name}")
    text = _IF_MISSING.sub(r"CREATE \1 IF NOT EXISTS ", _sql("ledger.sql"))
    tables, insert, facts = text.rpartition("INSERT INTO templedb.meta")
    connection.execute(tables)
    for name in former:
        connection.execute(f"INSERT INTO templedb.{name} BY NAME FROM former_{name}")
        connection.execute(f"DROP TABLE former_{name}")
    for table in tables_of:
        gaps = {each.name for each in damaged if each.table == table and each.kind in _GAPS}
        _copy_back(connection, table, declared(_sql("ledger.sql")).tables[table], gaps, own)
    connection.execute(f"{insert}{facts.rstrip().rstrip(';')} ON CONFLICT DO NOTHING")
    if former:
        connection.execute(_sql("upgrade.sql"))


def _set_aside(connection: Connection, table: str) -> None:
    """Keep what stands in a table's place under another name."""
    kept = f"templedb.{table}{DAMAGED}"
    there = connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'templedb' AND table_name = ?"
        " AND database_name = current_database()",
        [f"{table}{DAMAGED}"],
    ).fetchone()
    if there:
        message = f"what was kept of an earlier damage is still in the file: {kept}"
        raise LedgerRefused(message, hint="rename that table or drop it, and run this again")
    connection.execute(f"CREATE TABLE {kept} AS FROM templedb.{table}")
    view = connection.execute(
        "SELECT 1 FROM duckdb_views() WHERE schema_name = 'templedb' AND view_name = ?"
        " AND database_name = current_database()",
        [table],
    ).fetchone()
    connection.execute(f"DROP {'VIEW' if view else 'TABLE'} templedb.{table}")


def _copy_back(
    connection: Connection, table: str, parts: TableParts, gaps: set[str], own: Own
) -> None:
    """Copy the rows of a table that was set aside, as far as nothing decisive must be made up.

    A text that is lost is empty, a time is that of the epoch, and nobody saw such a command end.
    What was copied whole is not kept twice.
    """
    kept = f"templedb.{table}{DAMAGED}"
    values = _values(connection, table, parts, gaps)
    empty = _without_values(connection, table, parts, values.keys() - gaps)
    gaps |= empty & PROVING if table == "migration" else set()
    naming = NAMING if table == "migration" else DECISIVE.get(table, frozenset())
    for name in empty - naming - gaps:
        lost = "'unknown'" if (table, name) == ("command", "state") else ""
        values[name] = f"coalesce({values[name]}, {lost or _STAND_INS[_kind(parts, name)]})"
    named = " AND ".join(["true", *(f'"{name}" IS NOT NULL' for name in sorted(empty & naming))])
    if gaps and table == "migration" and NAMING.isdisjoint(gaps):
        _copy_migrations(connection, parts, gaps, values, named, own)
    if gaps and (table not in DECISIVE or not DECISIVE[table].isdisjoint(gaps)):
        return
    if table == "command" and "state" in gaps:
        values["state"] = "'unknown'"
    names, taken = ", ".join(f'"{each}"' for each in values), ", ".join(values.values())
    connection.execute(  # DISTINCT: a row that somebody wrote twice, while there was no key
        f"INSERT INTO templedb.{table} ({names}) SELECT DISTINCT {taken} FROM {kept} WHERE {named}"
    )
    if not gaps and not empty:
        connection.execute(f"DROP TABLE {kept}")


def _kind(parts: TableParts, name: str) -> str:
    return column_type(parts.columns[name])


def _values(
    connection: Connection, table: str, parts: TableParts, gaps: set[str]
) -> dict[str, str]:
    """Return what is copied into each column of *table*; *gaps* becomes those that are lost."""
    kept, values = f"templedb.{table}{DAMAGED}", {}
    columns = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'templedb'"
        " AND table_name = ? AND database_name = current_database()",
        [f"{table}{DAMAGED}"],
    ).fetchall()
    there = {name for (name,) in columns}
    for name, definition in parts.columns.items():
        kind = column_type(definition)
        cast = f'TRY_CAST("{name}" AS {kind})'
        if name in there and not (name in gaps and _fails(connection, kept, name, cast)):
            values[name] = cast
            gaps.discard(name)
            continue
        gaps.add(name)
        if "NOT NULL" in definition and name != "id":
            values[name] = _STAND_INS[kind]
    return values


def _without_values(
    connection: Connection, table: str, parts: TableParts, columns: Collection[str]
) -> set[str]:
    """Return in which of *columns* a row has no value, although each must have one.

    Of the tables that are copied as far as possible: in others, a person must look at such a row.
    """
    if table != "migration" and table not in DECISIVE:
        return set()
    query = f'SELECT 1 FROM templedb.{table}{DAMAGED} WHERE "{{}}" IS NULL LIMIT 1'
    return {
        name
        for name in columns
        if "NOT NULL" in parts.columns[name] and connection.execute(query.format(name)).fetchone()
    }


def _copy_migrations(
    connection: Connection,
    parts: TableParts,
    gaps: set[str],
    there: Mapping[str, str],
    named: str,
    own: Own,
) -> None:
    """Copy the rows of migrations but for those of *own*: no copy may know the others.

    A row that lost what proves its state is in doubt; missing, its migration would run again.
    """
    values = stands_for(gaps, _STAND_INS, parts.columns)
    values |= {n: there[n] for n, taken in values.items() if n == taken}
    names = ", ".join(f'"{each}"' for each in values)
    connection.execute(
        f"INSERT INTO templedb.migration ({names}) SELECT DISTINCT {', '.join(values.values())}"
        f" FROM templedb.migration{DAMAGED} WHERE {named}"
        " AND NOT (project = ? AND list_contains(?, key))",
        [own[0], list(own[1])],
    )


def _fails(connection: Connection, table: str, name: str, cast: str) -> bool:
    """Return whether a value of the column is none of the type that it must have."""
    query = f'SELECT 1 FROM {table} WHERE "{name}" IS NOT NULL AND {cast} IS NULL LIMIT 1'
    return connection.execute(query).fetchone() is not None


def upgrade(connection: Connection, locked: Callable[[str], bool], own: str = "") -> None:
    """Bring a ledger that an earlier templedb made to this format.

    Raises `Busy` while a run of another project than *own* goes on: an earlier templedb would take
    it for damage.
    """
    if version(connection) >= FORMAT:
        return
    rows = connection.execute("SELECT project, owner, reason FROM templedb.lock").fetchall()
    for project, owner, reason in rows:
        if project != own and locked(project):
            message = "the ledger has an earlier format, and cannot change now: it is in use by"
            hint = "wait for that run to end, then run this again"
            raise Busy(f"{message} {owner}: {reason}", hint=hint)
    make(connection)


def _sql(name: str) -> str:
    return (resources.files("templedb_nb.targets.duckdb") / "sql" / name).read_text("utf-8")
