"""Tables of the ledger that are gone, or that somebody changed, made again as they were."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress

import psycopg

from templedb_nb.errors import LedgerRefused
from templedb_nb.model.ledger_part import MissingPart, PartKind
from templedb_nb.targets.ledger_ddl import (
    DECISIVE,
    NAMING,
    LedgerParts,
    TableParts,
    column_type,
    declared,
    stands_for,
)
from templedb_nb.targets.postgres.connection.connect import Connection, first_line
from templedb_nb.targets.postgres.ledger import missing_parts
from templedb_nb.targets.postgres.ledger import snapshot as ledger_sql

DAMAGED = "_damaged"
"""What the name of a table ends with that lost a column; nothing of it is dropped."""
_STAND_INS = {
    "text": "''",
    "jsonb": "'{}'",
    "integer": "0",
    "bigint": "0",
    "timestamp with time zone": "'epoch'::timestamptz",
}
_NAMES = """
SELECT 'INDEX', c.relname FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ('templedb.' || %s)::regclass
UNION ALL
SELECT 'SEQUENCE', c.relname FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
WHERE d.refobjid = ('templedb.' || %s)::regclass AND d.deptype = 'i'
UNION ALL
SELECT 'TABLE', %s::text
"""
_STRAY = """
SELECT c.relname, x.relname FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace AND n.nspname = 'templedb'
WHERE i.indisprimary AND x.relname <> c.relname || '_pkey' AND c.relname <> ALL
    ('{meta,migration,event,run,command,approval,lock,object,slot}'::name[])
"""
_NUMBERS = b"""
SELECT pg_catalog.setval('templedb.migration_seq', max(run_seq)) FROM templedb.migration
HAVING max(run_seq)
  > (SELECT coalesce(pg_catalog.pg_sequence_last_value('templedb.migration_seq'), 0));
SELECT pg_catalog.setval(s, max(id)) FROM templedb.event,
pg_catalog.pg_get_serial_sequence('templedb.event', 'id') s GROUP BY s
HAVING max(id) > coalesce(pg_catalog.pg_sequence_last_value(s::regclass), 0)
"""
"""Let no sequence that was made again give a number that a row has."""
_SCOPED = ";".join(
    f"ALTER TABLE IF EXISTS templedb.{name} ADD COLUMN IF NOT EXISTS scope text NOT NULL DEFAULT ''"
    for name in ("meta", "migration", "event", "run", "command", "approval", "lock")
)
"""What indexes of tables that are made need of those that are left."""
_DOUBLED = """
DELETE FROM templedb.{table} a USING templedb.{table} b
WHERE a.ctid > b.ctid AND a IS NOT DISTINCT FROM b
"""
"""Rows that somebody wrote twice, while there was no key: each stays once."""
_IF_MISSING = re.compile(r"^CREATE (TABLE|SEQUENCE|SCHEMA|INDEX) ", re.MULTILINE)


def _created(text: str) -> list[str]:
    """Return each statement of our own text that creates something; one ends with its line."""
    found = (f"\n{each}".partition("\nCREATE ") for each in text.split(";\n"))
    return [f"CREATE {statement}" for _, create, statement in found if create]


def create_what_is_missing(connection: Connection) -> None:
    """Create the tables of the ledger that are gone, in the transaction that is open.

    Those that are left may be of an earlier format: then they are brought to this one.
    """
    text = _IF_MISSING.sub(r"CREATE \1 IF NOT EXISTS ", ledger_sql.ddl())
    head, insert, values = text.rpartition("INSERT INTO templedb.meta")
    wanted = values.rstrip().rstrip(";")
    try:
        for each in missing_parts.replaced(connection):
            _rename(connection, each.table)
        _free_names(connection)
        connection.execute(";".join([_SCOPED, *_created(text)]).encode())
        ledger_sql.upgrade(connection)
        connection.execute(f"{head}{insert}{wanted} ON CONFLICT DO NOTHING".encode())
    except psycopg.errors.InsufficientPrivilege:
        message = f"role {connection.info.user!r} may not make the missing tables of the ledger"
        hint = "run this command with the address of the role that owns the ledger"
        raise LedgerRefused(message, hint=hint) from None
    if here := ledger_sql.system(connection):
        connection.execute(
            "INSERT INTO templedb.meta (k, v) VALUES ('system', %s) ON CONFLICT DO NOTHING",
            [here],
        )


def _free_names(connection: Connection) -> None:
    """Give keys of tables that somebody renamed other names: those of the ledger's are wanted."""
    for table, index in connection.execute(_STRAY).fetchall():
        move = f'ALTER INDEX templedb."{index}" RENAME TO "{index[:40]}_of_{table[:10]}"'
        connection.execute(move.encode())


def make_whole(connection: Connection, own: str, restores: Collection[str]) -> None:
    """Make the parts of the ledger's tables again that are gone, in the transaction that is open.

    A column that had values of its own cannot be made up: its table gets another name, with all
    that is left in it, and is made again. The rows of the keys that project *own* then
    *restores* come from its copy.
    """
    gone = ledger_sql.missing(connection)
    if gone:
        with _refusals(connection):
            _make_whole(connection, gone, declared(ledger_sql.ddl()), (own, restores))


@contextmanager
def _refusals(connection: Connection) -> Iterator[None]:
    """Say what stands in the way of a repair, and what helps."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        message = f"role {connection.info.user!r} may not make what the ledger lost"
        hint = "run this command with the address of the role that owns the ledger"
        raise LedgerRefused(f"{message}: {first_line(error)}", hint=hint) from None
    except (
        psycopg.errors.UniqueViolation,
        psycopg.errors.CheckViolation,
        psycopg.errors.NotNullViolation,
    ) as error:
        message = f"the ledger has rows that it cannot have: {first_line(error)}"
        told = [error.diag.message_detail] if error.diag.message_detail else []
        hint = "as the role that owns the ledger: SELECT ctid, * FROM templedb.TABLE; then DELETE"
        hint = f"{hint} FROM templedb.TABLE WHERE ctid = '(…)' for the wrong one; run this again"
        raise LedgerRefused(message, hint=hint, problems=told) from None
    except psycopg.errors.DuplicateTable as error:
        message = (
            f"what was kept of an earlier damage is still in schema templedb: {first_line(error)}"
        )
        hint = f"rename that table (templedb.…{DAMAGED}) or drop it, and run this again"
        raise LedgerRefused(message, hint=hint) from None
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.DependentObjectsStillExist) as error:
        message = f"another object uses the ledger, so it was not repaired: {first_line(error)}"
        told = [error.diag.message_detail] if error.diag.message_detail else []
        hint = "drop that object, and run this again"
        raise LedgerRefused(message, hint=hint, problems=told) from None


def _make_whole(
    connection: Connection,
    gone: Sequence[MissingPart],
    parts: LedgerParts,
    own: tuple[str, Collection[str]],
) -> None:
    for each in gone:
        _take_away(connection, each)
    lost = {each.table for each in gone if not _may_be_added(each, parts)}
    spoiled = {
        (each.table, each.name)
        for each in gone
        if each.kind is PartKind.COLUMN
        or (each.kind is PartKind.TYPE and not _converted(connection, each, parts))
    }
    kept = {(each.table, each.name) for each in gone if each.kind is PartKind.COLUMN}
    lost |= {table for table, _ in spoiled - kept}
    for table in lost:
        _move_away(connection, table)
    # What tables need comes before them, and what their indexes need before those.
    for each in gone:
        if each.kind is PartKind.SEQUENCE:
            connection.execute(f"CREATE SEQUENCE templedb.{each.table}".encode())
        elif each.kind is PartKind.COLUMN and each.table not in lost:
            _add_column(connection, each, parts)
    text = _IF_MISSING.sub(r"CREATE \1 IF NOT EXISTS ", ledger_sql.ddl())
    connection.execute(";".join(_created(text)).encode())
    for each in ledger_sql.missing(connection):
        _make(connection, each, parts)
    for table in lost:
        gaps = {name for other, name in spoiled if other == table}
        if table == "migration":
            _copy_migrations(connection, parts.tables[table], gaps, own)
        else:
            _copy_back(connection, table, parts.tables[table], gaps)
    connection.execute(_NUMBERS)


def _take_away(connection: Connection, part: MissingPart) -> None:
    """Take away what somebody added to a table, such as a constraint; its rows stay."""
    table = f"ALTER TABLE templedb.{part.table}"
    match part.kind:
        case PartKind.HIDDEN:
            made = f"{table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY"
        case PartKind.CONSTRAINT:
            made = f"{table} DROP CONSTRAINT {_quoted(part.name)}"
        case PartKind.UNIQUE:
            made = f"DROP INDEX templedb.{_quoted(part.name)}"
        case PartKind.REQUIRED:
            made = f"{table} ALTER {_quoted(part.name)} DROP NOT NULL"
        case PartKind.UNLOGGED:
            made = f"{table} SET LOGGED"
        case PartKind.COUNTING:
            made = f"ALTER SEQUENCE templedb.{part.table} INCREMENT 1 NO MAXVALUE NO CYCLE"
        case PartKind.REPLACED:
            _rename(connection, part.table)
            return
        case _:
            return
    connection.execute(made.encode())


def _rename(connection: Connection, table: str) -> None:
    """Give what stands in a table's place, such as a view, another name."""
    move = f"ALTER TABLE templedb.{table} RENAME TO {table}{DAMAGED}"
    connection.execute(move.encode())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _converted(connection: Connection, part: MissingPart, parts: LedgerParts) -> bool:
    """Give a column its type again, and return whether each of its values has one of that type."""
    definition = parts.tables[part.table].columns[part.name]
    wanted = column_type(definition)
    table = f"ALTER TABLE templedb.{part.table}"
    plain = [] if "GENERATED " in definition else [f"{table} ALTER {part.name} DROP DEFAULT"]
    if part.told == "generated":
        plain = [f"{table} ALTER {part.name} DROP EXPRESSION IF EXISTS"]
    typed = f"{table} ALTER {part.name} TYPE {wanted} USING {part.name}::{wanted}"
    try:
        with connection.transaction():
            connection.execute(";".join([*plain, typed]).encode())
    except (
        psycopg.errors.DataError,
        psycopg.errors.CannotCoerce,
        psycopg.errors.FeatureNotSupported,  # a view uses it, or the server computes it
    ):
        return False
    return True


def _may_be_added(part: MissingPart, parts: LedgerParts) -> bool:
    """Return whether nothing would be made up; of approvals, everything would be."""
    if part.kind is not PartKind.COLUMN:
        return True
    definition = parts.tables[part.table].columns[part.name]
    empty = "NOT NULL" not in definition or definition.endswith("DEFAULT ''")
    return empty and part.table != "approval"


def _move_away(connection: Connection, table: str) -> None:
    """Give the table, its indexes and its sequences other names: the first ones are wanted."""
    for kind, name in connection.execute(_NAMES, [table, table, table]).fetchall():
        move = f'ALTER {kind} templedb."{name}" RENAME TO "{name[:50]}{DAMAGED}"'
        connection.execute(move.encode())


def _add_column(connection: Connection, part: MissingPart, parts: LedgerParts) -> None:
    definition = parts.tables[part.table].columns[part.name]
    added = f"ADD COLUMN IF NOT EXISTS {part.name} {definition}"
    connection.execute(f"ALTER TABLE templedb.{part.table} {added}".encode())


def _make(connection: Connection, part: MissingPart, parts: LedgerParts) -> None:
    """Make a part of a table again, that is there with all its columns."""
    table = f"ALTER TABLE templedb.{part.table}"
    definition = parts.tables[part.table].columns.get(part.name, "") if part.name else ""
    match part.kind:
        case PartKind.DEFAULT if "GENERATED " in definition:
            made = f"{table} ALTER {part.name} ADD {definition[definition.index('GENERATED ') :]}"
        case PartKind.DEFAULT:
            made = f"{table} ALTER {part.name} SET {definition[definition.index('DEFAULT ') :]}"
        case PartKind.KEY:
            connection.execute(_DOUBLED.format(table=part.table).encode())
            own = f"{table} DROP CONSTRAINT IF EXISTS {part.table}_pkey"
            made = f"{own}, ADD CONSTRAINT {part.table}_pkey {part.name}"
        case PartKind.CHECK:
            made = f"{table} ADD {dict(parts.tables[part.table].checked)[part.name]}"
        case PartKind.NULLABLE:
            _never_empty(connection, part)
            return
        case _:
            return
    connection.execute(made.encode())


def _never_empty(connection: Connection, part: MissingPart) -> None:
    """Let a column be empty no longer; where one is, its row must be written again first."""
    made = f"ALTER TABLE templedb.{part.table} ALTER {part.name} SET NOT NULL"
    with suppress(psycopg.errors.NotNullViolation), connection.transaction():
        connection.execute(made.encode())


def _copy_back(
    connection: Connection, table: str, parts: TableParts, gaps: AbstractSet[str]
) -> None:
    """Copy the rows of a table that was moved away, as far as nothing decisive has to be made up.

    A text that is lost is empty, a time is that of the epoch, and nobody saw such a command end.
    """
    if table not in DECISIVE or not DECISIVE[table].isdisjoint(gaps):
        return
    values = {name: name for name in parts.columns if name not in gaps}
    for name in gaps - {"id"}:
        definition = parts.columns[name]
        if "NOT NULL" in definition:
            values[name] = _STAND_INS[column_type(definition)]
    if table == "command" and "state" in gaps:
        values["state"] = "'unknown'"
    first = "happened_at" if table == "event" and "id" in gaps else next(iter(parts.columns))
    order = "" if first in gaps else f" ORDER BY {first}"
    connection.execute(
        f"INSERT INTO templedb.{table} ({', '.join(values)}) OVERRIDING SYSTEM VALUE"  # noqa: S608 - names of ours
        f" SELECT {', '.join(values.values())} FROM templedb.{table}{DAMAGED}{order}"
        " ON CONFLICT DO NOTHING".encode()
    )


def _copy_migrations(
    connection: Connection,
    parts: TableParts,
    gaps: AbstractSet[str],
    own: tuple[str, Collection[str]],
) -> None:
    """Copy the rows of migrations but for those of *own*: no copy may know the others.

    A row that lost what proves its state is in doubt; missing, its migration would run again.
    """
    if not NAMING.isdisjoint(gaps):
        return
    values = stands_for(gaps, _STAND_INS, parts.columns)
    order = " ORDER BY started_at" if "run_seq" in gaps - {"started_at"} else ""
    connection.execute(
        f"INSERT INTO templedb.migration ({', '.join(values)})"  # noqa: S608 - names of ours
        f" SELECT {', '.join(values.values())} FROM templedb.migration{DAMAGED}"
        f" WHERE NOT (project = %s AND key = ANY(%s)){order} ON CONFLICT DO NOTHING".encode(),
        [own[0], list(own[1])],
    )
