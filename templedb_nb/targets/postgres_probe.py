"""What the catalog of PostgreSQL says of a statement that no transaction could prove."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import psycopg
from psycopg import sql

from templedb_nb.core.probes import (
    Asked,
    Detached,
    IndexBuilt,
    IndexGone,
    Probe,
    Reindexed,
    Repeated,
    Unprovable,
)
from templedb_nb.targets.postgres_connection import Connection, first_line


class Standing(StrEnum):
    """What is true of one statement's effect."""

    DONE = "done"
    ABSENT = "absent"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is true, what told so, and what mends it where it is broken.

    With `instead`, the repair does the statement's whole work.
    """

    standing: Standing
    evidence: str = ""
    repair: tuple[str, ...] = ()
    instead: bool = False


def ask(connection: Connection, probe: Probe) -> Verdict:
    """Return what the catalog says; it is asked in the session's own search path."""
    match probe:
        case IndexBuilt():
            return _built(connection, probe)
        case IndexGone(name=name):
            gone = _oid(connection, name) is None
            return Verdict(standing=Standing.DONE if gone else Standing.ABSENT)
        case Reindexed():
            left = _leftovers(connection, probe)
            return Verdict(standing=Standing.BROKEN if left else Standing.ABSENT, repair=left)
        case Detached():
            return _detached(connection, probe)
        case Repeated():
            return Verdict(standing=Standing.ABSENT)
        case Asked(sql=query):
            return _asked(connection, query)
        case Unprovable():
            told = "nothing in the catalog tells whether it took effect"
            return Verdict(standing=Standing.UNKNOWN, evidence=told)
        case _:
            assert_never(probe)


def _oid(connection: Connection, name: str) -> int | None:
    row = connection.execute("SELECT pg_catalog.to_regclass(%s)::oid", [name]).fetchone()
    return row[0] if row else None


def _built(connection: Connection, probe: IndexBuilt) -> Verdict:
    """Look for the index in its table's schema; compare it with a twin that the server builds."""
    table = _oid(connection, probe.table)
    if table is None or not probe.name:
        return _unnamed(connection, probe, table)
    row = connection.execute(
        "SELECT i.indisvalid AND i.indisready, i.indrelid,"
        " pg_catalog.pg_get_indexdef(c.oid),"
        " pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)"
        " FROM pg_catalog.pg_class t"
        " JOIN pg_catalog.pg_class c ON c.relnamespace = t.relnamespace"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid"
        " WHERE t.oid = %s AND c.relname = (pg_catalog.parse_ident(%s))[1]",
        [table, probe.name],
    ).fetchone()
    if row is None:
        return Verdict(standing=Standing.ABSENT)
    valid, on, definition, name = row
    if valid is None:
        return Verdict(standing=Standing.UNKNOWN, evidence=f"{name} is there and is no index")
    wanted = _twin(connection, probe)
    if on != table or (wanted and _shape(definition) != _shape(wanted)):
        told = f"{name} is there with another definition: {definition}"
        return Verdict(standing=Standing.UNKNOWN, evidence=told)
    if not valid:
        told = f"{name} is there and invalid"
        repair = (f"DROP INDEX CONCURRENTLY IF EXISTS {name}",)
        return Verdict(standing=Standing.BROKEN, evidence=told, repair=repair)
    if not wanted:
        told = f"{name} is there, and its definition could not be compared: {definition}"
        return Verdict(standing=Standing.UNKNOWN, evidence=told)
    return Verdict(standing=Standing.DONE, evidence=f"{name} is there, valid, as defined")


def _unnamed(connection: Connection, probe: IndexBuilt, table: int | None) -> Verdict:
    """Compare an index whose name the server chose with every index of its table."""
    if table is None:
        return Verdict(standing=Standing.ABSENT)
    wanted = _twin(connection, probe)
    found = connection.execute(
        "SELECT indisvalid, pg_catalog.pg_get_indexdef(indexrelid), indexrelid::regclass::text"
        " FROM pg_catalog.pg_index WHERE indrelid = %s",
        [table],
    ).fetchall()
    same = [(valid, name) for valid, shape, name in found if _shape(shape) == _shape(wanted)]
    if not same:
        return Verdict(standing=Standing.ABSENT)
    if any(valid for valid, _ in same):
        return Verdict(standing=Standing.DONE, evidence=f"{same[0][1]} is there, valid")
    repair = tuple(f"DROP INDEX CONCURRENTLY IF EXISTS {name}" for _, name in same)
    return Verdict(standing=Standing.BROKEN, evidence=f"{same[0][1]} is invalid", repair=repair)


def _twin(connection: Connection, probe: IndexBuilt) -> str:
    """Return the definition of the same index on an empty copy of its table, or nothing."""
    name, table = "templedb_twin_index", "pg_temp.templedb_twin"
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL lock_timeout = '2s'")
            connection.execute(
                f"CREATE TEMP TABLE templedb_twin (LIKE {probe.table}) ON COMMIT DROP".encode()
            )
            connection.execute(probe.twin.format(name=name, table=table).encode())
            row = connection.execute(
                "SELECT pg_catalog.pg_get_indexdef(pg_catalog.to_regclass(%s))",
                [f"pg_temp.{name}"],
            ).fetchone()
    except psycopg.Error:
        return ""
    return str(row[0]) if row and row[0] else ""


def _shape(definition: str) -> str:
    """Return what an index is, without its name and its table: uniqueness, columns, conditions."""
    head, using, rest = definition.partition(" USING ")
    return f"{'UNIQUE' if head.startswith('CREATE UNIQUE') else ''}{using}{rest}"


def _leftovers(connection: Connection, probe: Reindexed) -> tuple[str, ...]:
    """Return what drops the invalid indexes that an interrupted REINDEX CONCURRENTLY left."""
    found = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_catalog.pg_index i"
        " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'"
        " AND CASE %s WHEN 'INDEX' THEN i.indrelid = (SELECT indrelid FROM pg_catalog.pg_index"
        "  WHERE indexrelid = pg_catalog.to_regclass(%s))"
        " WHEN 'TABLE' THEN i.indrelid = pg_catalog.to_regclass(%s)"
        " WHEN 'SCHEMA' THEN n.nspname = (pg_catalog.parse_ident(%s))[1] ELSE true END",
        [probe.kind, probe.name, probe.name, probe.name or "x"],
    ).fetchall()
    return tuple(
        sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(*names)).as_string()
        for names in found
    )


def _detached(connection: Connection, probe: Detached) -> Verdict:
    pending = "false"
    if connection.info.server_version >= _PENDING_SINCE:
        pending = "inhdetachpending"
    row = connection.execute(
        f"SELECT {pending} FROM pg_catalog.pg_inherits"  # noqa: S608 - one of two constants
        " WHERE inhparent = pg_catalog.to_regclass(%s)"
        " AND inhrelid = pg_catalog.to_regclass(%s)".encode(),
        [probe.parent, probe.partition],
    ).fetchone()
    if row is None:
        return Verdict(standing=Standing.DONE, evidence=f"{probe.partition} is no partition")
    if not row[0]:
        return Verdict(standing=Standing.ABSENT)
    finish = f"ALTER TABLE {probe.parent} DETACH PARTITION {probe.partition} FINALIZE"
    told = f"the detachment of {probe.partition} is half done"
    return Verdict(standing=Standing.BROKEN, evidence=told, repair=(finish,), instead=True)


_PENDING_SINCE = 140000


def _asked(connection: Connection, query: str) -> Verdict:
    try:
        row = connection.execute(query.encode()).fetchone()
    except psycopg.Error as error:
        told = f"its templedb:probe failed: {first_line(error)}"
        return Verdict(standing=Standing.UNKNOWN, evidence=told)
    if row == (True,):
        return Verdict(standing=Standing.DONE, evidence="its templedb:probe is true")
    return Verdict(standing=Standing.ABSENT, evidence="its templedb:probe is not true")
