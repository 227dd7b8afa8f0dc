"""Other tools' tables in PostgreSQL: read from one snapshot, never changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from psycopg import sql

from templedb_nb.core.migrations.histories.known import Table
from templedb_nb.core.migrations.histories.noticed import NoticedTool, everybody, wanted_columns
from templedb_nb.core.migrations.histories.tool import Tool
from templedb_nb.core.migrations.kept_text import kept_text
from templedb_nb.errors import Busy
from templedb_nb.model.foreign_history import ForeignHistory
from templedb_nb.model.ledger import TEXT_CHECKSUM, TOKEN_CHECKSUM
from templedb_nb.model.step import ImportEntry
from templedb_nb.ports.claim import Claim
from templedb_nb.targets.postgres.connection.connect import Connection
from templedb_nb.targets.postgres.ledger.migration_rows import by_whom
from templedb_nb.targets.postgres.ledger.snapshot import snapshot

_TABLES = """
SELECT n.nspname, c.relname, pg_catalog.array_agg(a.attname::text),
       pg_catalog.has_schema_privilege(n.oid, 'USAGE')
       AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'templedb')
  AND n.nspname NOT LIKE 'pg\\_%'
GROUP BY n.oid, n.nspname, c.oid, c.relname
"""
_LOCKED = """
SELECT 1 FROM pg_catalog.pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid <> pg_catalog.pg_backend_pid()
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND classid::bigint = (%s::bigint >> 32) & 4294967295
  AND objid::bigint = %s::bigint & 4294967295
"""
_IMPORTED = """
INSERT INTO templedb.migration AS m
  (project, key, kind, file, layout, checksum, checksum_alg, token_checksum, token_alg, sql, state,
   mode, steps, step_done, step_started, attempt_id, run, plan, xid, applied_by, client, version,
   started_at, finished_at, error)
VALUES (%s, %s, 'imported', %s, %s, %s, %s, %s, %s, %s, %s, 'transaction', 0, 0, 0, %s, %s, %s, '',
        coalesce(%s, session_user), %s, %s, coalesce(%s, pg_catalog.clock_timestamp()), %s, %s)
ON CONFLICT (project, scope, key) DO NOTHING
RETURNING 1
"""


def read(connection: Connection) -> tuple[ForeignHistory, ...]:
    """Return every table that is another tool's, with its rows, as of one moment."""
    with snapshot(connection):
        found = connection.execute(_TABLES.encode()).fetchall()
        tables = {(schema, table): columns for schema, table, columns, _ in found}
        readable = {(schema, table) for schema, table, _, may in found if may}
        return tuple(
            _history(connection, tool, table, tables[table])
            if table in readable
            else _denied(connection, tool, table)
            for tool, table in everybody(tables)
        )


def _denied(connection: Connection, tool: Tool | NoticedTool, table: Table) -> ForeignHistory:
    schema, name = table
    denied = connection.info.user
    return ForeignHistory(tool=tool.title, schema=schema, table=name, rows=(), denied=denied)


def _history(
    connection: Connection, tool: Tool | NoticedTool, table: Table, columns: Sequence[str]
) -> ForeignHistory:
    schema, name = table
    rows = _rows(connection, table, columns, wanted_columns(tool))
    if isinstance(tool, NoticedTool):
        return ForeignHistory(tool=tool.title, schema=schema, table=name, rows=rows)
    row = connection.execute("SELECT current_database()").fetchone()
    locks = tool.locks(schema, name, str(row[0]) if row else "")
    return ForeignHistory(
        tool=tool.title,
        schema=schema,
        table=name,
        rows=rows,
        locks=locks,
        busy=_locked(connection, tool, schema)
        or any(connection.execute(_LOCKED.encode(), [key, key]).fetchone() for key in locks),
    )


def _rows(
    connection: Connection, table: Table, columns: Sequence[str], wanted: Sequence[str]
) -> tuple[dict[str, object], ...]:
    """Return the *wanted* columns of each row, which the table may write in capitals."""
    there = [sql.Identifier(each) for each in columns if each.lower() in wanted]
    query = sql.SQL("SELECT pg_catalog.to_jsonb(t)::text FROM (SELECT {} FROM {}) t").format(
        sql.SQL(", ").join(there), sql.Identifier(*table)
    )
    found = [json.loads(text) for (text,) in connection.execute(query).fetchall()]
    small = [{name.lower(): value for name, value in each.items()} for each in found]
    return tuple({column: each.get(column) for column in wanted} for each in small)


def _locked(connection: Connection, tool: Tool, schema: str) -> bool:
    """Return whether the table in which a tool says that it is at work says so."""
    if tool.lock_table is None:
        return False
    table, column = tool.lock_table
    there = "SELECT pg_catalog.to_regclass(%s) IS NOT NULL"
    name = sql.Identifier(schema, table)
    row = connection.execute(there, [name.as_string(connection)]).fetchone()
    if row != (True,):
        return False
    query = sql.SQL("SELECT pg_catalog.bool_or({}) FROM {}").format(sql.Identifier(column), name)
    return connection.execute(query).fetchone() == (True,)


def adopt(connection: Connection, step: ImportEntry, claim: Claim, attempt: str, text: str) -> bool:
    """Write one row of another tool's table into the ledger, in the transaction that is open.

    The tool's own lock is held meanwhile, so that it does not work at the same time.
    """
    for key in step.locks:
        row = connection.execute("SELECT pg_catalog.pg_try_advisory_xact_lock(%s)", [key])
        if row.fetchone() != (True,):
            raise Busy(f"{step.source} is running: its lock is held", hint="wait for its end")
    kept = kept_text(text, step.reading, step.checksums.text)
    sums = [step.checksums.text, TEXT_CHECKSUM, step.checksums.tokens, TOKEN_CHECKSUM]
    at = _moment(step.at)
    about = [claim.project, step.key, step.file, step.layout, *sums, kept, step.state.value]
    whom = by_whom(claim)
    values = [*about, attempt, *whom[:2], step.by or None, *whom[2:], at, at, step.note]
    return connection.execute(_IMPORTED, values).fetchone() is not None


def _moment(at: str) -> datetime | None:
    """Return a time whose zone is known; one without stays in the note and the event alone."""
    try:
        found = datetime.fromisoformat(at)
    except ValueError:
        return None
    return found if found.tzinfo else None
