"""The ledger's tables in PostgreSQL: read whole, written row by row, always schema-qualified."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any

import psycopg

from templedb_nb.core.script import Script
from templedb_nb.errors import LedgerRefused, TargetError
from templedb_nb.model.approval import Approval
from templedb_nb.model.event import Outcome
from templedb_nb.model.ledger import (
    FORMAT,
    TEXT_CHECKSUM,
    TOKEN_CHECKSUM,
    Checksums,
    Elsewhere,
    Entry,
    EntryKind,
    FinishedRun,
    Holder,
    Ledger,
    OpenCommand,
    State,
)
from templedb_nb.model.plain import Digest, from_plain, to_plain
from templedb_nb.model.plan import Amend, Apply, Verb
from templedb_nb.model.target import OrderPolicy, Policy
from templedb_nb.ports import Claim
from templedb_nb.targets.postgres_connection import Connection

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
_ENTRIES = """
SELECT key, file, kind, state, checksum, token_checksum, mode, plan, attempt_id, applied_by,
       client, version, started_at, finished_at, run_seq, error
FROM templedb.migration WHERE project = %s ORDER BY run_seq
"""
_CLAIM_ROW = """
INSERT INTO templedb.migration AS m
  (project, key, kind, file, checksum, checksum_alg, token_checksum, token_alg, sql, state, mode,
   steps, step_done, attempt_id, run, plan, xid, client, version, finished_at)
VALUES (%s, %s, 'run', %s, %s, %s, %s, %s, %s, 'applied', %s, %s, %s, %s, %s, %s,
        pg_catalog.pg_current_xact_id()::text, %s, %s, pg_catalog.clock_timestamp())
ON CONFLICT (project, key) DO UPDATE SET
  kind = 'run', file = excluded.file, checksum = excluded.checksum,
  checksum_alg = excluded.checksum_alg, token_checksum = excluded.token_checksum,
  token_alg = excluded.token_alg, sql = excluded.sql, state = 'applied', mode = excluded.mode,
  steps = excluded.steps, step_done = excluded.step_done, attempt_id = excluded.attempt_id,
  run = excluded.run, plan = excluded.plan, xid = excluded.xid, applied_by = session_user,
  client = excluded.client, version = excluded.version, error = '',
  started_at = pg_catalog.clock_timestamp(), finished_at = pg_catalog.clock_timestamp(),
  run_seq = pg_catalog.nextval('templedb.migration_seq')
WHERE m.state IN ('failed', 'reverted')
RETURNING xid
"""
_FAILED_ROW = """
INSERT INTO templedb.migration AS m
  (project, key, kind, file, checksum, checksum_alg, token_checksum, token_alg, sql, state, mode,
   steps, step_done, attempt_id, run, plan, xid, client, version, finished_at, error)
VALUES (%s, %s, 'run', %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s, %s, '', %s, %s,
        pg_catalog.clock_timestamp(), %s)
ON CONFLICT (project, key) DO UPDATE SET
  state = excluded.state, error = excluded.error, attempt_id = excluded.attempt_id,
  run = excluded.run, plan = excluded.plan, checksum = excluded.checksum,
  token_checksum = excluded.token_checksum, sql = excluded.sql, client = excluded.client,
  version = excluded.version, finished_at = excluded.finished_at
WHERE m.state IN ('failed', 'reverted') OR m.attempt_id = excluded.attempt_id
"""
_MARKED_ROW = """
INSERT INTO templedb.migration AS m
  (project, key, kind, file, checksum, checksum_alg, token_checksum, token_alg, sql, state, mode,
   steps, step_done, attempt_id, run, plan, xid, client, version, finished_at)
VALUES (%s, %s, 'marked', %s, %s, %s, %s, %s, '', 'applied', 'transaction', 0, 0, %s, %s, %s,
        pg_catalog.pg_current_xact_id()::text, %s, %s, pg_catalog.clock_timestamp())
ON CONFLICT (project, key) DO UPDATE SET
  kind = 'marked', state = 'applied', checksum = excluded.checksum,
  token_checksum = excluded.token_checksum, attempt_id = excluded.attempt_id, run = excluded.run,
  plan = excluded.plan, xid = excluded.xid, client = excluded.client, error = '',
  version = excluded.version, finished_at = excluded.finished_at
WHERE m.state IN ('failed', 'reverted')
RETURNING 1
"""


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


def create(connection: Connection) -> None:
    """Create the ledger's tables, in the transaction that is open."""
    try:
        connection.execute(ddl().encode())
    except psycopg.errors.InsufficientPrivilege:
        message = f"role {connection.info.user!r} may not create the ledger (schema templedb)"
        hint = "templedb target ledger-sql prints it for a role that may, with the GRANTs"
        raise LedgerRefused(message, hint=hint) from None


def ddl() -> str:
    """Return the SQL that creates the ledger."""
    return _sql("postgres_ledger.sql")


def grants() -> str:
    """Return the SQL that lets another role write it; ``:role`` stands for its name."""
    return _sql("postgres_grants.sql")


def _sql(name: str) -> str:
    return (resources.files("templedb_nb.targets") / "sql" / name).read_text(encoding="utf-8")


def _ledger(connection: Connection, project: str, lock: tuple[int, int]) -> Ledger:
    meta: dict[str, str] = dict(connection.execute("SELECT k, v FROM templedb.meta").fetchall())
    if int(meta.get("format", "0")) > FORMAT:
        message = f"a newer templedb wrote the ledger: format {meta['format']}, known is {FORMAT}"
        raise TargetError(message, hint="pip install --upgrade templedb-nb")
    entries = tuple(_entry(row) for row in connection.execute(_ENTRIES, [project]).fetchall())
    runs = connection.execute(
        "SELECT id, plan FROM templedb.run WHERE project = %s AND finished_at IS NOT NULL"
        " ORDER BY id DESC LIMIT 20",
        [project],
    ).fetchall()
    holder = read_holder(connection, project, lock)
    return Ledger(
        exists=True,
        uuid=meta.get("target_uuid", ""),
        entries=entries,
        elsewhere=() if entries else _elsewhere(connection, project),
        finished=tuple(FinishedRun(run=run, plan=plan) for run, plan in runs),
        policy=_policy(meta.get(f"policy/{project}")),
        holder=holder,
        unresolved=_unresolved(connection, project, holder),
    )


def _entry(row: Sequence[Any]) -> Entry:
    key, file, kind, state, text, tokens, mode, plan, attempt, by, client, version, *rest = row
    started, finished, seq, error = rest
    return Entry(
        key=key,
        file=file,
        kind=EntryKind(kind),
        state=State(state),
        checksums=Checksums(text=Digest(text), tokens=Digest(tokens)),
        mode=mode,
        plan=plan,
        attempt=attempt,
        applied_by=by,
        client=client,
        version=version,
        started_at=started,
        finished_at=finished,
        run_seq=seq,
        error=error,
    )


def _elsewhere(connection: Connection, project: str) -> tuple[Elsewhere, ...]:
    rows = connection.execute(
        "SELECT project, key, checksum FROM templedb.migration"
        " WHERE project <> %s AND state = 'applied'",
        [project],
    ).fetchall()
    return tuple(Elsewhere(project=p, key=k, checksum=Digest(c)) for p, k, c in rows)


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


def _policy(text: str | None) -> Policy | None:
    return from_plain(Policy, json.loads(text)) if text else None


def _unresolved(
    connection: Connection, project: str, holder: Holder | None
) -> tuple[OpenCommand, ...]:
    live = holder.run if holder and holder.live else None
    rows = connection.execute(
        "SELECT run, attempt_id, step, started_at FROM templedb.command"
        " WHERE project = %s AND state IN ('running', 'unknown') ORDER BY attempt_id",
        [project],
    ).fetchall()
    return tuple(
        OpenCommand(run=run, attempt=attempt, step=step, started_at=at)
        for run, attempt, step, at in rows
        if run != live
    )


def claim_row(
    connection: Connection, step: Apply, script: Script, attempt: str, claim: Claim
) -> str | None:
    """Write the migration's row as applied, in the open transaction; return its xid.

    None means that the row is there already: somebody else has the migration.
    """
    count = len(script.statements)
    row = connection.execute(
        _CLAIM_ROW,
        [*_about(step, script, claim), step.mode, count, count, attempt, *_by(claim)],
    ).fetchone()
    return str(row[0]) if row else None


def claim_sql(step: Apply, script: Script, attempt: str, claim: Claim) -> str:
    """Return `claim_row` as SQL text with its values quoted, for a client that is not ours."""
    from psycopg import sql

    count = len(script.statements)
    values = [*_about(step, script, claim), step.mode, count, count, attempt, *_by(claim)]
    template = sql.SQL(_CLAIM_ROW.replace("%s", "{}"))
    return template.format(*(sql.Literal(value) for value in values)).as_string()


def failed_row(
    connection: Connection,
    step: Apply,
    script: Script,
    attempt: str,
    claim: Claim,
    state: State,
    error: str,
) -> None:
    """Write that the attempt failed, unless the migration is in effect by another."""
    about = _about(step, script, claim)
    values = [*about, state, step.mode, len(script.statements), attempt, *_by(claim), error]
    connection.execute(_FAILED_ROW, values)


def _about(step: Apply, script: Script, claim: Claim) -> list[Any]:
    text = script.text if len(script.text) <= SQL_LIMIT else f"sha256:{step.blob}"
    sums = [step.checksums.text, TEXT_CHECKSUM, step.checksums.tokens, TOKEN_CHECKSUM]
    return [claim.project, step.key, step.file, *sums, text]


def _by(claim: Claim) -> list[Any]:
    return [claim.run, claim.plan, claim.client, claim.version]


def amend(connection: Connection, step: Amend, claim: Claim, attempt: str) -> None:
    """Change the ledger on a person's word, with an event, in one transaction."""
    with connection.transaction():
        match step.verb:
            case Verb.MARK_APPLIED:
                done = _mark(connection, step, claim, attempt)
            case Verb.ACCEPT_CHECKSUM:
                done = _accept(connection, step, claim)
            case Verb.RENAME:
                done = _rename(connection, step, claim)
        if not done:
            raise TargetError(f"{step.file}: the ledger no longer fits {step.verb}")
        detail = to_plain(step)
        assert isinstance(detail, dict)  # noqa: S101 - a dataclass is an object
        record(connection, claim, step.key, attempt, step.verb, detail | {"client": claim.client})


def _mark(connection: Connection, step: Amend, claim: Claim, attempt: str) -> bool:
    sums = [step.checksums.text, TEXT_CHECKSUM, step.checksums.tokens, TOKEN_CHECKSUM]
    values = [claim.project, step.key, step.file, *sums, attempt, *_by(claim)]
    return connection.execute(_MARKED_ROW, values).fetchone() is not None


def _accept(connection: Connection, step: Amend, claim: Claim) -> bool:
    found = connection.execute(
        "UPDATE templedb.migration SET checksum = %s, token_checksum = %s"
        " WHERE project = %s AND key = %s AND checksum = %s AND state = 'applied' RETURNING 1",
        [step.checksums.text, step.checksums.tokens, claim.project, step.key, step.old_checksum],
    )
    return found.fetchone() is not None


def _rename(connection: Connection, step: Amend, claim: Claim) -> bool:
    found = connection.execute(
        "UPDATE templedb.migration SET key = %s, file = %s"
        " WHERE project = %s AND key = %s AND state = 'applied' RETURNING 1",
        [step.key, step.file, claim.project, step.old_key],
    )
    return found.fetchone() is not None


def record(
    connection: Connection, claim: Claim, key: str, attempt: str, what: str, detail: dict[str, Any]
) -> None:
    """Add to the ledger's own history."""
    connection.execute(
        "INSERT INTO templedb.event (project, key, attempt_id, what, detail)"
        " VALUES (%s, %s, %s, %s, %s::jsonb)",
        [claim.project, key, attempt, what, json.dumps(detail)],
    )


def begin_run(connection: Connection, claim: Claim, policy: Policy) -> None:
    """Close the runs that died, record this one, and keep the policy, in one transaction.

    The lock is held: whatever else still runs by the book is dead.
    """
    with connection.transaction():
        connection.execute(
            "UPDATE templedb.command SET state = 'unknown'"
            " WHERE project = %s AND state = 'running'",
            [claim.project],
        )
        connection.execute(
            "UPDATE templedb.run r SET finished_at = pg_catalog.clock_timestamp(),"
            " message = 'its process died', state = CASE WHEN EXISTS (SELECT 1 FROM"
            " templedb.command c WHERE c.run = r.id AND c.state = 'unknown')"
            " THEN 'unknown' ELSE 'failed' END WHERE project = %s AND state = 'running'",
            [claim.project],
        )
        connection.execute(
            "INSERT INTO templedb.run"
            " (id, project, target, plan, content_hash, state, client, version)"
            " VALUES (%s, %s, %s, %s, %s, 'running', %s, %s)",
            [claim.run, claim.project, claim.target, claim.plan, claim.content_hash, claim.client,
             claim.version],
        )  # fmt: skip
        keep_policy(connection, claim.project, policy)


def keep_policy(connection: Connection, project: str, policy: Policy) -> None:
    """Set what runs of the project must satisfy, whoever starts them."""
    if policy == Policy(protected=False, order_policy=OrderPolicy.NON_LINEAR):
        connection.execute("DELETE FROM templedb.meta WHERE k = %s", [f"policy/{project}"])
        return
    connection.execute(
        "INSERT INTO templedb.meta (k, v) VALUES (%s, %s)"
        " ON CONFLICT (k) DO UPDATE SET v = excluded.v",
        [f"policy/{project}", json.dumps(to_plain(policy))],
    )


def end_run(
    connection: Connection, run: str, outcome: Outcome, exit_code: int, message: str
) -> None:
    """Record how the run ended; a success uses up the approvals of its content."""
    with connection.transaction():
        connection.execute(
            "UPDATE templedb.run SET state = %s, exit_code = %s, message = %s,"
            " finished_at = pg_catalog.clock_timestamp() WHERE id = %s AND state = 'running'",
            [outcome, exit_code, message, run],
        )
        if outcome is Outcome.SUCCEEDED:
            connection.execute(
                "UPDATE templedb.approval a SET used_by = %s FROM templedb.run r WHERE r.id = %s"
                " AND a.content_hash = r.content_hash AND a.used_by = ''",
                [run, run],
            )


def command_started(connection: Connection, claim: Claim, attempt: str, step: str) -> None:
    """Record a command before it starts."""
    connection.execute(
        "INSERT INTO templedb.command (attempt_id, run, project, step, state)"
        " VALUES (%s, %s, %s, %s, 'running')",
        [attempt, claim.run, claim.project, step],
    )


def command_finished(
    connection: Connection, attempt: str, state: str, exit_status: int | None
) -> None:
    """Record how a command ended."""
    connection.execute(
        "UPDATE templedb.command SET state = %s, exit_status = %s,"
        " finished_at = pg_catalog.clock_timestamp() WHERE attempt_id = %s",
        [state, exit_status, attempt],
    )


def resolve(connection: Connection, project: str, run: str, by: str, reason: str) -> int:
    """Close what nobody saw end, on a person's word; return how many commands that were."""
    with connection.transaction():
        closed = connection.execute(
            "UPDATE templedb.command SET state = 'resolved',"
            " finished_at = pg_catalog.clock_timestamp()"
            " WHERE project = %s AND run = %s AND state IN ('running', 'unknown') RETURNING step",
            [project, run],
        ).fetchall()
        connection.execute(
            "UPDATE templedb.run SET state = 'unknown', finished_at = pg_catalog.clock_timestamp()"
            " WHERE id = %s AND state = 'running'",
            [run],
        )
        detail = {"run": run, "by": by, "reason": reason, "steps": [row[0] for row in closed]}
        connection.execute(
            "INSERT INTO templedb.event (project, what, detail) VALUES (%s, 'resolve', %s::jsonb)",
            [project, json.dumps(detail)],
        )
    return len(closed)


def keep_approvals(connection: Connection, approvals: Iterable[Approval]) -> None:
    """Record approvals; one that is there already stays as it is."""
    for each in approvals:
        connection.execute(
            "INSERT INTO templedb.approval (id, plan, content_hash, project, target, given_by,"
            " given_at, reason, through, used_by)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [each.id, each.plan, each.content_hash, each.project, each.target, each.given_by,
             each.given_at, each.reason, each.through, each.used_by],
        )  # fmt: skip


def read_approvals(
    connection: Connection, project: str, content_hash: Digest
) -> tuple[Approval, ...]:
    """Return every approval of that content, oldest first."""
    rows = connection.execute(
        "SELECT id, plan, content_hash, project, target, given_by, given_at, reason, through,"
        " used_by FROM templedb.approval WHERE project = %s AND content_hash = %s"
        " ORDER BY given_at",
        [project, content_hash],
    ).fetchall()
    names = ("id", "plan", "content_hash", "project", "target", "given_by", "given_at", "reason",
             "through", "used_by")  # fmt: skip
    return tuple(Approval(**dict(zip(names, row, strict=True))) for row in rows)


def applied_sql(connection: Connection, project: str, keys: Sequence[str]) -> dict[str, str]:
    """Return the text that ran for each of *keys*."""
    rows = connection.execute(
        "SELECT key, sql FROM templedb.migration WHERE project = %s AND key = ANY(%s)",
        [project, list(keys)],
    ).fetchall()
    return dict(rows)


def record_policy(
    connection: Connection, project: str, policy: Policy, by: str, reason: str
) -> None:
    """Record who set the policy, and why."""
    plain = to_plain(policy)
    detail = {"by": by, "reason": reason, "policy": plain}
    connection.execute(
        "INSERT INTO templedb.event (project, what, detail) VALUES (%s, 'policy', %s::jsonb)",
        [project, json.dumps(detail)],
    )
