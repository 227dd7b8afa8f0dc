"""The ledger in PostgreSQL, read whole and from one snapshot; always schema-qualified."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import resources

import psycopg

from templedb_nb.errors import LedgerRefused, TargetError
from templedb_nb.model.dual_write import DualWriteTable
from templedb_nb.model.ledger import (
    FORMAT,
    FinishedRun,
    Holder,
    Ledger,
    OpenCommand,
    OtherProjectEntry,
)
from templedb_nb.model.serialization import Digest, from_plain
from templedb_nb.targets import ledger_rows, policies
from templedb_nb.targets.postgres.connection.connect import Connection

SQL_LIMIT = 1 << 20
_LOCK_CLASS = """
SELECT 1 FROM pg_catalog.pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND classid = %s AND objid = %s
"""
_PRESENT = """
SELECT bool_and(pg_catalog.has_table_privilege(c.oid, 'SELECT'))
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'templedb' AND c.relkind = 'r'
  AND c.relname IN ('meta', 'migration', 'run', 'command', 'approval', 'lock')
HAVING count(*) = 6
"""
_USABLE = """
SELECT pg_catalog.has_schema_privilege(oid, 'USAGE')
FROM pg_catalog.pg_namespace WHERE nspname = 'templedb'
"""
_ENTRIES = (
    f"SELECT {ledger_rows.COLUMNS}"  # noqa: S608 - names of ours
    " FROM templedb.migration WHERE project = %s ORDER BY run_seq"
).encode()


def read_ledger(connection: Connection, project: str, lock: tuple[int, int]) -> Ledger:
    """Return everything that the database says of *project*, from one snapshot."""
    with snapshot(connection):
        if not present(connection):
            return Ledger()
        return _ledger(connection, project, lock)


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Read many things as of one moment."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")


def present(connection: Connection) -> bool:
    """Return whether the ledger is there; raise if it is there and may not be read."""
    usable = connection.execute(_USABLE).fetchone()
    if usable is None:
        return False
    readable = connection.execute(_PRESENT).fetchone() if usable[0] else (False,)
    if readable is None:
        return False
    if not readable[0]:
        message = f"role {connection.info.user!r} may not read the ledger (schema templedb)"
        raise LedgerRefused(
            message, hint="templedb target ledger-sql prints the GRANTs for its owner"
        )
    return True


def remains(connection: Connection) -> tuple[str, ...]:
    """Return the tables of a ledger that is not whole."""
    found = connection.execute(
        "SELECT c.relname FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'templedb' AND c.relkind = 'r' AND c.relname ="
        " ANY ('{meta,migration,event,run,command,approval,lock,object}') ORDER BY 1"
    ).fetchall()
    return tuple(name for (name,) in found)


_SYSTEM = """
SELECT s.system_identifier::text || '/' || d.oid FROM pg_catalog.pg_control_system() s,
pg_catalog.pg_database d WHERE d.datname = current_database()
"""


def system(connection: Connection) -> str:
    """Return what tells this database from its copies; nothing where the role may not know."""
    with suppress(psycopg.Error), connection.transaction():
        row = connection.execute(_SYSTEM).fetchone()
        return str(row[0]) if row else ""
    return ""


def create(connection: Connection) -> None:
    """Create the ledger's tables, in the transaction that is open."""
    try:
        connection.execute(ddl().encode())
        if here := system(connection):
            connection.execute("INSERT INTO templedb.meta (k, v) VALUES ('system', %s)", [here])
    except psycopg.errors.InsufficientPrivilege:
        message = f"role {connection.info.user!r} may not create the ledger (schema templedb)"
        hint = "templedb target ledger-sql prints it for a role that may, with the GRANTs"
        raise LedgerRefused(message, hint=hint) from None


def ddl() -> str:
    """Return the SQL that creates the ledger."""
    return _sql("ledger.sql")


def outdated(connection: Connection) -> bool:
    """Return whether an earlier templedb made the ledger."""
    row = connection.execute("SELECT v FROM templedb.meta WHERE k = 'format'").fetchone()
    return row is not None and int(row[0]) < FORMAT


def upgrade(connection: Connection) -> None:
    """Bring the ledger to the format of this templedb, in the transaction that is open."""
    try:
        connection.execute(upgrades().encode())
    except psycopg.errors.InsufficientPrivilege:
        message = f"role {connection.info.user!r} may not change the ledger, which is of an earlier"
        hint = "templedb target ledger-sql --upgrade prints what its owner has to run"
        raise LedgerRefused(f"{message} templedb", hint=hint) from None


def upgrades() -> str:
    """Return the SQL that brings an earlier ledger to this format."""
    return _sql("upgrade.sql")


def grants() -> str:
    """Return the SQL that lets another role write it; ``:role`` stands for its name."""
    return _sql("grants.sql")


def _sql(name: str) -> str:
    return (resources.files("templedb_nb.targets.postgres") / "sql" / name).read_text(
        encoding="utf-8"
    )


def _ledger(connection: Connection, project: str, lock: tuple[int, int]) -> Ledger:
    meta: dict[str, str] = dict(connection.execute("SELECT k, v FROM templedb.meta").fetchall())
    if int(meta.get("format", "0")) > FORMAT:
        message = f"a newer templedb wrote the ledger: format {meta['format']}, known is {FORMAT}"
        raise TargetError(message, hint="pip install --upgrade templedb-nb")
    entries = tuple(
        ledger_rows.entry(row) for row in connection.execute(_ENTRIES, [project]).fetchall()
    )
    runs = connection.execute(
        "SELECT id, plan FROM templedb.run WHERE project = %s AND finished_at IS NOT NULL"
        " ORDER BY id DESC LIMIT 20",
        [project],
    ).fetchall()
    holder = read_holder(connection, project, lock)
    return Ledger(
        exists=True,
        cloned="system" in meta and system(connection) not in {"", meta["system"]},
        uuid=meta.get("target_uuid", ""),
        entries=entries,
        elsewhere=() if entries else _elsewhere(connection, project),
        finished=tuple(FinishedRun(run=run, plan=plan) for run, plan in runs),
        policy=policies.policy(meta.get(f"policy/{project}")),
        frozen=policies.freeze(meta.get(f"freeze/{project}")),
        neighbours=policies.neighbours(meta, project),
        holder=holder,
        unresolved=_unresolved(connection, project, holder),
        shadow=_shadow(meta.get(f"shadow/{project}")),
    )


def _elsewhere(connection: Connection, project: str) -> tuple[OtherProjectEntry, ...]:
    rows = connection.execute(
        "SELECT project, key, checksum FROM templedb.migration"
        " WHERE project <> %s AND state = 'applied'",
        [project],
    ).fetchall()
    return tuple(OtherProjectEntry(project=p, key=k, checksum=Digest(c)) for p, k, c in rows)


def read_holder(connection: Connection, project: str, lock: tuple[int, int]) -> Holder | None:
    """Return who holds the project's lock, or held it when it died."""
    row = connection.execute(
        "SELECT run, owner, host, pid, reason, since FROM templedb.lock WHERE project = %s",
        [project],
    ).fetchone()
    if row is None:
        return None
    live = connection.execute(_LOCK_CLASS, list(lock)).fetchone() is not None
    run, owner, host, pid, reason, since = row
    return Holder(run=run, owner=owner, host=host, pid=pid, reason=reason, since=since, live=live)


def usual_duration_s(connection: Connection, project: str) -> float | None:
    """Return the median of how long the last runs took, in seconds, if there were any."""
    row = connection.execute(
        "SELECT pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FROM (SELECT"
        " extract(epoch FROM finished_at - started_at)::float8 AS took FROM templedb.run"
        " WHERE project = %s AND state = 'succeeded' ORDER BY id DESC LIMIT 20) AS last",
        [project],
    ).fetchone()
    return row[0] if row else None


def _shadow(text: str | None) -> DualWriteTable | None:
    return from_plain(DualWriteTable, json.loads(text)) if text else None


def _unresolved(
    connection: Connection, project: str, holder: Holder | None
) -> tuple[OpenCommand, ...]:
    rows = connection.execute(
        "SELECT run, attempt_id, step, started_at FROM templedb.command"
        " WHERE project = %s AND state IN ('running', 'unknown') ORDER BY attempt_id",
        [project],
    ).fetchall()
    return ledger_rows.open_commands(rows, holder)


def applied_sql(connection: Connection, project: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the text that ran for each of *keys*."""
    rows = connection.execute(
        "SELECT key, sql FROM templedb.migration WHERE project = %s AND key = ANY(%s)",
        [project, list(keys)],
    ).fetchall()
    return dict(rows)
