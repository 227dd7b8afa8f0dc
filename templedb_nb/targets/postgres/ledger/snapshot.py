"""The ledger in PostgreSQL, read whole and from one snapshot; always schema-qualified."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import resources

import psycopg

from templedb_nb.core.run.ledger_guard import TABLES
from templedb_nb.errors import Busy, LedgerRefused, TargetError
from templedb_nb.model.dual_write import DualWriteTable
from templedb_nb.model.ledger import (
    FORMAT,
    FinishedRun,
    Holder,
    Ledger,
    OpenCommand,
    OtherProjectEntry,
)
from templedb_nb.model.ledger_part import MissingPart
from templedb_nb.model.serialization import Digest, from_plain
from templedb_nb.targets import ledger_rows, policies
from templedb_nb.targets.ledger_ddl import declared
from templedb_nb.targets.postgres.connection.connect import Connection, first_line
from templedb_nb.targets.postgres.ledger import missing_parts
from templedb_nb.targets.readable_facts import fact

_READ = frozenset({"meta", "migration", "run", "command", "lock"})
"""The tables that a ledger is read from; one of them without a column is as good as gone."""
CREATE_LOCK = int.from_bytes(b"templedb")
"""The advisory lock under which the ledger is made, and upgraded; upgrade.sql has the number."""
_LOCK_CLASS = """
SELECT 1 FROM pg_catalog.pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND (classid, objid) IN ((%s, %s), (%s, %s))
"""
_HOLDER = (
    f"SELECT run, owner, host, pid, reason, since, {ledger_rows.UNTIL}"  # noqa: S608 - columns of ours
    " FROM templedb.lock l WHERE project = %s AND scope = ''"
)
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
_RUNS_READABLE = """
SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'templedb' AND c.relname = 'run' AND c.relkind = 'r'
  AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
"""
_UNUSED = """
SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'templedb' AND c.relname = 'migration_seq' AND c.relkind = 'S'
  AND pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
  AND pg_catalog.pg_sequence_last_value(c.oid) IS NULL
"""
"""The sequence that numbers migrations gave no number yet: no row of one was ever written."""
_SCOPED = """
SELECT 1 FROM pg_catalog.pg_attribute
WHERE attrelid = 'templedb.meta'::regclass AND attname = 'scope' AND NOT attisdropped
"""
_META = """
SELECT k, v FROM templedb.meta m
WHERE coalesce(pg_catalog.to_jsonb(m) OPERATOR(pg_catalog.->>) 'scope', '') = ''
"""
_FINISHED = (
    "SELECT id, plan FROM templedb.run WHERE project = %s AND scope = ''"
    " AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 20"
)
_RUNS = ledger_rows.RUNS.format(mark="%s")
_ENTRIES = (
    f"SELECT {ledger_rows.COLUMNS}"  # noqa: S608 - names of ours
    " FROM templedb.migration WHERE project = %s AND scope = '' ORDER BY run_seq"
)


def read_ledger(connection: Connection, project: str, lock: tuple[int, int, int, int]) -> Ledger:
    """Return everything that the database says of *project*, from one snapshot."""
    with snapshot(connection):
        there = present(connection)
        gone = missing(connection) if there else missing_parts.replaced(connection)
        whole = there and not any(each.spoils(_READ) for each in gone)
        found = _ledger(connection, project, lock) if whole else _remaining(connection, gone)
        found = replace(found, missing=(*gone, *found.missing))
        now = connection.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
        return replace(found, now=now[0] if now else None)


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Read many things as of one moment."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")


def readable(connection: Connection, *tables: str) -> bool:
    """Return whether the ledger is there, and can be read, with those of its *tables* as well."""
    if not present(connection):
        return False
    return not any(each.spoils(_READ | {*tables}) for each in missing(connection))


def missing(connection: Connection) -> tuple[MissingPart, ...]:
    """Return the parts of the ledger's tables that somebody took away.

    One of another format has other parts: an earlier one is brought to this format first.
    """
    gone = missing_parts.missing(connection, declared(ddl()))
    facts = {each.name for each in gone if each.spoils({"meta"})}
    if gone and not facts & {"k", "v"} and version(connection) != FORMAT:
        return ()
    return gone


def _remaining(connection: Connection, gone: Sequence[MissingPart] = ()) -> Ledger:
    """Return what is left of a ledger of which tables are gone: nothing, where it never was.

    A table without one of its columns is as good as *gone*.
    """
    broken = {each.table for each in gone if each.spoils(_READ)}
    left = tuple(name for name in remains(connection) if name not in broken)
    readable = connection.execute(_RUNS_READABLE).fetchone() if "run" in left else None
    rows = connection.execute("SELECT id FROM templedb.run").fetchall() if readable else []
    silent = not rows if readable else _no_command(connection, left)
    unused = bool(left and silent and connection.execute(_UNUSED).fetchone())
    return Ledger(remains=left, begun=tuple(run for (run,) in rows), unused=unused)


def _no_command(connection: Connection, left: Sequence[str]) -> bool:
    """Return whether no command is recorded; False where that cannot be told."""
    if "command" not in left:
        return False
    try:
        return connection.execute("SELECT FROM templedb.command LIMIT 1").fetchone() is None
    except psycopg.errors.InsufficientPrivilege:
        connection.execute("ROLLBACK")
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return False


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


def ready(connection: Connection) -> bool:
    """Return whether the ledger is there, and of the format of this templedb.

    The table slot holds nothing that the router does not know: it is made again where it is gone.
    """
    if not present(connection) or outdated(connection):
        return False
    return "slot" in remains(connection)


def remains(connection: Connection) -> tuple[str, ...]:
    """Return which tables of the ledger are there, whole or not."""
    found = connection.execute(
        "SELECT c.relname FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'templedb' AND c.relkind = 'r' AND c.relname = ANY (%s) ORDER BY 1",
        [list(TABLES)],
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
        hint = "templedb target ledger-sql prints the SQL and the GRANTs for a role that may"
        raise LedgerRefused(message, hint=hint) from None


def ddl() -> str:
    """Return the SQL that creates the ledger."""
    return _sql("ledger.sql")


def version(connection: Connection) -> int:
    """Return the format of the ledger that is there; its shape tells where that fact is gone."""
    if row := connection.execute("SELECT v FROM templedb.meta WHERE k = 'format'").fetchone():
        return ledger_rows.form_of(row[0])
    scoped = connection.execute(_SCOPED).fetchone()
    return FORMAT if scoped else ledger_rows.OBJECTS


def fitted(connection: Connection, query: str) -> bytes:
    """Return *query* for the ledger that is there, which may be of an earlier format."""
    return _fit(query, version(connection))


def _fit(query: str, form: int) -> bytes:
    return ledger_rows.fitted(query, form).encode()


def outdated(connection: Connection) -> bool:
    """Return whether an earlier templedb made the ledger."""
    return version(connection) < FORMAT


def upgrade(connection: Connection) -> None:
    """Bring the ledger to the format of this templedb, in the transaction that is open.

    Raises `Busy` while a run of an earlier templedb goes on, which would take it for damage.
    """
    try:
        connection.execute(upgrades().encode())
    except psycopg.errors.InsufficientPrivilege as error:
        message = (
            f"the ledger has an earlier format, and role {connection.info.user!r} may not bring"
            f" it to format {FORMAT}: it does not own the tables of schema templedb"
        )
        hint = "give their owner the SQL to run: templedb target ledger-sql --upgrade"
        raise LedgerRefused(f"{message} ({first_line(error)})", hint=hint) from None
    except psycopg.errors.ObjectInUse as error:
        message = f"the ledger has an earlier format, and cannot change now: {first_line(error)}"
        raise Busy(message, hint="wait for that run to end, then run this again") from None


def upgrades() -> str:
    """Return the SQL that brings an earlier ledger to this format, all of it or nothing."""
    return _sql("upgrade.sql")


def grants() -> str:
    """Return the SQL that lets another role write it; ``:role`` stands for its name."""
    return _sql("grants.sql")


def _sql(name: str) -> str:
    return (resources.files("templedb_nb.targets.postgres") / "sql" / name).read_text(
        encoding="utf-8"
    )


def _ledger(connection: Connection, project: str, lock: tuple[int, int, int, int]) -> Ledger:
    meta: dict[str, str] = dict(connection.execute(_META).fetchall())
    form = ledger_rows.form_of(meta["format"]) if "format" in meta else version(connection)
    if form > FORMAT:
        message = f"a newer templedb wrote the ledger: format {form}; this one reads {FORMAT}"
        raise TargetError(message, hint="pip install --upgrade templedb-nb")
    found = connection.execute(_fit(_ENTRIES, form), [project]).fetchall()
    entries, unread = ledger_rows.entries(found)
    ended = connection.execute(_fit(_FINISHED, form), [project]).fetchall()
    runs = connection.execute(_fit(_RUNS, form), [project]).fetchall()
    holder = _holder(connection, project, lock, form)
    return Ledger(
        exists=True,
        cloned="system" in meta and system(connection) not in {"", meta["system"]},
        uuid=meta.get("target_uuid", ""),
        entries=entries,
        missing=unread,
        elsewhere=() if entries else _elsewhere(connection, project),
        finished=tuple(FinishedRun(run=run, plan=plan) for run, plan in ended),
        runs=tuple(ledger_rows.past_run(row) for row in runs),
        rollback=ledger_rows.open_rollback(
            policies.rollback(meta.get(f"{policies.ROLLBACK}{project}")), holder
        ),
        policy=policies.policy(meta, project),
        frozen=policies.freeze(meta.get(f"freeze/{project}")),
        neighbours=policies.neighbours(meta, project),
        holder=holder,
        unresolved=_unresolved(connection, project, holder, form),
        shadow=_shadow(meta.get(f"shadow/{project}")),
    )


def _elsewhere(connection: Connection, project: str) -> tuple[OtherProjectEntry, ...]:
    rows = connection.execute(
        "SELECT project, key, checksum FROM templedb.migration"
        " WHERE project <> %s AND state = 'applied'",
        [project],
    ).fetchall()
    return tuple(OtherProjectEntry(project=p, key=k, checksum=Digest(c)) for p, k, c in rows)


def read_holder(
    connection: Connection, project: str, lock: tuple[int, int, int, int]
) -> Holder | None:
    """Return who holds the project's lock, or held it when it died."""
    return _holder(connection, project, lock, version(connection))


def _holder(
    connection: Connection, project: str, lock: tuple[int, int, int, int], form: int
) -> Holder | None:
    row = connection.execute(_fit(_HOLDER, form), [project]).fetchone()
    if row is None:
        return None
    live = connection.execute(_LOCK_CLASS, list(lock)).fetchone() is not None
    run, owner, host, pid, reason, since, until, left = row
    return Holder(
        run=run,
        owner=owner,
        host=host,
        pid=pid,
        reason=reason,
        since=since,
        live=live,
        until=until,
        left_s=left,
    )


def usual_duration_s(connection: Connection, project: str) -> float | None:
    """Return the median of how long the last runs took, in seconds, if there were any."""
    query = (
        "SELECT pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY took) FROM (SELECT"
        " extract(epoch FROM finished_at - started_at)::float8 AS took FROM templedb.run"
        " WHERE project = %s AND scope = '' AND state = 'succeeded' ORDER BY id DESC LIMIT 20)"
        " AS last"
    )
    row = connection.execute(fitted(connection, query), [project]).fetchone()
    return row[0] if row else None


def _shadow(text: str | None) -> DualWriteTable | None:
    with fact("shadow/…"):
        return from_plain(DualWriteTable, json.loads(text)) if text else None


def _unresolved(
    connection: Connection, project: str, holder: Holder | None, form: int
) -> tuple[OpenCommand, ...]:
    query = (
        "SELECT run, attempt_id, step, started_at FROM templedb.command WHERE project = %s"
        " AND scope = '' AND state IN ('running', 'unknown') ORDER BY attempt_id"
    )
    rows = connection.execute(_fit(query, form), [project]).fetchall()
    return ledger_rows.open_commands(rows, holder)


def applied_sql(connection: Connection, project: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the text that ran for each of *keys*."""
    query = (
        "SELECT key, sql FROM templedb.migration"
        " WHERE project = %s AND scope = '' AND key = ANY(%s)"
    )
    rows = connection.execute(fitted(connection, query), [project, list(keys)]).fetchall()
    return dict(rows)
