"""Another tool's table, written in the transaction of the ledger's own row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from templedb_nb.core.migrations.histories.known import TOOLS
from templedb_nb.core.migrations.layouts import flyway
from templedb_nb.errors import Busy, TargetError
from templedb_nb.model.dual_write import DualWrite, DualWriteTable
from templedb_nb.model.serialization import to_plain
from templedb_nb.targets.postgres.connection.connect import Connection, first_line

META = "shadow/{project}"


def keep(
    connection: Connection,
    project: str,
    into: DualWriteTable | None,
    behind: Sequence[DualWrite] = (),
) -> None:
    """Say whose table is written along from now on, and write what it lacks; nobody's, if None."""
    key = META.format(project=project)
    if into is None:
        connection.execute("DELETE FROM templedb.meta WHERE k = %s AND scope = ''", [key])
        return
    connection.execute(
        "INSERT INTO templedb.meta (k, v) VALUES (%s, %s)"
        " ON CONFLICT (k, scope) DO UPDATE SET v = excluded.v",
        [key, json.dumps(to_plain(into))],
    )
    for each in behind:
        applied(connection, each, project)


def applied(
    connection: Connection, shadow: DualWrite | None, project: str, statements: Sequence[str] = ()
) -> None:
    """Write that a migration is in effect, in the transaction that is open.

    Raises `TargetError` where the tool's table says so already, or does not take the row; `Busy`
    while the tool is at work.
    """
    if shadow is not None:
        _write(connection, shadow, project, _APPLIED[shadow.into.tool], list(statements))


def reverted(connection: Connection, shadow: DualWrite | None, project: str) -> None:
    """Take a migration out of the tool's table, in the transaction that is open."""
    if shadow is not None:
        _write(connection, shadow, project, _REVERTED[shadow.into.tool], [])


def _write(
    connection: Connection, shadow: DualWrite, project: str, work: _Work, statements: list[str]
) -> None:
    into = shadow.into
    here = connection.execute("SELECT current_database()").fetchone()
    name = str(here[0]) if here else ""
    for key in TOOLS[into.tool].locks(into.schema, into.table, name):
        row = connection.execute("SELECT pg_catalog.pg_try_advisory_xact_lock(%s)", [key])
        if row.fetchone() != (True,):
            raise Busy(f"{into.title} is running: its lock is held", hint="wait, then run again")
    try:
        work(connection, shadow, project, statements)
    except psycopg.Error as error:
        message = f"{into.title} refused the row of {shadow.key}: {first_line(error)}"
        hint = "fix that table, or stop writing it: templedb migration import --no-shadow"
        raise TargetError(message, hint=hint) from None


def _table(shadow: DualWrite) -> sql.Identifier:
    return sql.Identifier(shadow.into.schema, shadow.into.table)


def _run(connection: Connection, shadow: DualWrite, text: str, values: Sequence[Any]) -> int:
    return connection.execute(sql.SQL(text).format(_table(shadow)), values).rowcount


def _new(connection: Connection, shadow: DualWrite, text: str, values: Sequence[Any]) -> None:
    """Run an INSERT that writes nothing where the tool has the migration already."""
    if not _run(connection, shadow, text, values):
        message = f"{shadow.into.title} says that {shadow.key} is applied: the tool ran it"
        raise TargetError(message, hint="import that first: templedb migration import")


_Work = Callable[[Connection, DualWrite, str, list[str]], None]


def _flyway(connection: Connection, shadow: DualWrite, project: str, statements: list[str]) -> None:
    del project, statements
    version = shadow.version or None
    _new(
        connection,
        shadow,
        "INSERT INTO {0} (installed_rank, version, description, type, script, checksum,"
        " installed_by, execution_time, success)"
        " SELECT coalesce((SELECT max(installed_rank) FROM {0}), 0) + 1, %s, %s, 'SQL', %s, %s,"
        " session_user, 0, true WHERE %s::text IS NULL"
        " OR NOT EXISTS (SELECT 1 FROM {0} WHERE version = %s AND success)",
        [version, shadow.name, shadow.script, int(shadow.checksum), version, version],
    )


def _flyway_back(
    connection: Connection, shadow: DualWrite, project: str, statements: list[str]
) -> None:
    del project, statements
    query = sql.SQL("SELECT installed_rank, version FROM {} WHERE version IS NOT NULL")
    rows = connection.execute(query.format(_table(shadow))).fetchall()
    ranks = [rank for rank, version in rows if flyway.key_of(version) == shadow.key]
    _run(connection, shadow, "DELETE FROM {} WHERE installed_rank = ANY (%s)", [ranks])


def _highest(
    connection: Connection, shadow: DualWrite, project: str, statements: list[str]
) -> None:
    """Write the one version that golang-migrate keeps: the highest that is in effect."""
    del statements
    row = connection.execute(
        "SELECT max(key::numeric) FROM templedb.migration WHERE project = %s AND scope = ''"
        " AND state = 'applied' AND layout = 'golang-migrate' AND key ~ '^[0-9]+$'",
        [project],
    ).fetchone()
    _run(connection, shadow, "DELETE FROM {}", [])
    if row is not None and row[0] is not None:
        text = "INSERT INTO {} (version, dirty) VALUES (%s, false)"
        _run(connection, shadow, text, [int(row[0])])


def _dbmate(connection: Connection, shadow: DualWrite, project: str, statements: list[str]) -> None:
    del project, statements
    text = "INSERT INTO {} (version) VALUES (%s) ON CONFLICT DO NOTHING"
    _new(connection, shadow, text, [shadow.version])


def _goose(connection: Connection, shadow: DualWrite, project: str, statements: list[str]) -> None:
    del project, statements
    text = (
        "INSERT INTO {0} (version_id, is_applied) SELECT %s, true"
        " WHERE NOT EXISTS (SELECT 1 FROM {0} WHERE version_id = %s AND is_applied)"
    )
    _new(connection, shadow, text, [int(shadow.version)] * 2)


def _prisma(connection: Connection, shadow: DualWrite, project: str, statements: list[str]) -> None:
    del project, statements
    text = (
        "INSERT INTO {0} (id, checksum, migration_name, started_at, finished_at,"
        " applied_steps_count) SELECT gen_random_uuid()::text, %s, %s,"
        " pg_catalog.clock_timestamp(), pg_catalog.clock_timestamp(), 1 WHERE NOT EXISTS"
        " (SELECT 1 FROM {0} WHERE migration_name = %s AND rolled_back_at IS NULL)"
    )
    _new(connection, shadow, text, [shadow.checksum, shadow.version, shadow.version])


def _prisma_back(
    connection: Connection, shadow: DualWrite, project: str, statements: list[str]
) -> None:
    del project, statements
    text = (
        "UPDATE {} SET rolled_back_at = pg_catalog.clock_timestamp()"
        " WHERE migration_name = %s AND rolled_back_at IS NULL"
    )
    _run(connection, shadow, text, [shadow.version])


def _supabase(
    connection: Connection, shadow: DualWrite, project: str, statements: list[str]
) -> None:
    del project
    text = "INSERT INTO {} (version, name, statements) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
    _new(connection, shadow, text, [shadow.version, shadow.name, statements])


def _sqlx(connection: Connection, shadow: DualWrite, project: str, statements: list[str]) -> None:
    del project, statements
    text = (
        "INSERT INTO {} (version, description, success, checksum, execution_time)"
        " VALUES (%s, %s, true, %s, 0) ON CONFLICT DO NOTHING"
    )
    values = [int(shadow.version), shadow.name, bytes.fromhex(shadow.checksum)]
    _new(connection, shadow, text, values)


def _without(column: str, kind: type = str) -> _Work:
    def work(
        connection: Connection, shadow: DualWrite, project: str, statements: list[str]
    ) -> None:
        del project, statements
        text = f"DELETE FROM {{}} WHERE {column} = %s"  # noqa: S608 - a column of ours
        _run(connection, shadow, text, [kind(shadow.version)])

    return work


_APPLIED: Mapping[str, _Work] = {
    "flyway": _flyway,
    "golang-migrate": _highest,
    "dbmate": _dbmate,
    "goose": _goose,
    "prisma": _prisma,
    "supabase": _supabase,
    "sqlx": _sqlx,
    "diesel": _dbmate,
}
_REVERTED: Mapping[str, _Work] = {
    "flyway": _flyway_back,
    "golang-migrate": _highest,
    "dbmate": _without("version"),
    "goose": _without("version_id", int),
    "prisma": _prisma_back,
    "supabase": _without("version"),
    "sqlx": _without("version", int),
    "diesel": _without("version"),
}
