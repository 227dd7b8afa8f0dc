"""The ledger's tables in a DuckDB file: the same words as in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from templedb_nb.core.migrations.kept_text import kept_text
from templedb_nb.core.migrations.script import Script
from templedb_nb.errors import TargetError
from templedb_nb.model.ledger import (
    FORMAT,
    TEXT_CHECKSUM,
    TOKEN_CHECKSUM,
    Entry,
    Exemption,
    FinishedRun,
    Holder,
    Ledger,
    OpenCommand,
    OtherProjectEntry,
    State,
)
from templedb_nb.model.ledger_part import MissingPart
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Amendment, Migration, Revert, Verb
from templedb_nb.model.trace import APPLIED
from templedb_nb.ports.claim import Claim
from templedb_nb.targets import ledger_rows, policies
from templedb_nb.targets.duckdb import ledger_tables

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

_TABLES = ("meta", "migration", "event", "run", "command", "approval", "lock")
NOW = "CAST(now() AT TIME ZONE 'UTC' AS TIMESTAMP)"
_COLUMNS = (
    "project, key, kind, file, layout, checksum, checksum_alg, token_checksum, token_alg, sql,"
    " state, mode, steps, step_done, step_started, attempt_id, run, plan, xid, applied_by, client,"
    " version, started_at, finished_at, error"
)
_UPSERT = f"""
INSERT INTO templedb.migration AS m ({_COLUMNS})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'transaction',
  ?, ?, 0, ?, ?, ?, '', ?, ?, ?, {NOW}, {NOW}, ?)
ON CONFLICT (project, scope, key) DO UPDATE SET
  kind = excluded.kind, file = excluded.file, layout = excluded.layout,
  checksum = excluded.checksum,
  token_checksum = excluded.token_checksum, sql = excluded.sql, state = excluded.state,
  steps = excluded.steps, step_done = excluded.step_done, attempt_id = excluded.attempt_id,
  run = excluded.run, plan = excluded.plan, applied_by = excluded.applied_by,
  client = excluded.client, version = excluded.version, started_at = excluded.started_at,
  finished_at = excluded.finished_at, error = excluded.error,
  run_seq = nextval('templedb.migration_seq')
WHERE m.state IN ('failed', 'reverted')
  OR (m.state = 'applied' AND excluded.kind = 'repeatable' AND m.checksum <> excluded.checksum)
RETURNING 1
"""


def present(connection: Connection) -> bool:
    """Return whether the ledger is there, with every table that each format has, and readable."""
    if len(_remains(connection)) != len(_TABLES):
        return False
    return not any(each.spoils(_TABLES) for each in ledger_tables.missing(connection))


def _remains(connection: Connection) -> tuple[str, ...]:
    """Return which tables of the ledger are there; what is in the slots, the routers know."""
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'templedb'"
        " AND database_name = current_database()"
    )
    there = {name for (name,) in found.fetchall()}
    return tuple(name for name in _TABLES if name in there)


def _damaged(
    connection: Connection, left: Collection[str], missing: tuple[MissingPart, ...]
) -> Ledger:
    """Return what can be said of a ledger whose migrations or facts are gone."""
    runs = connection.execute("SELECT id FROM templedb.run").fetchall() if "run" in left else []
    silent = all(
        name in left and not connection.execute(f"SELECT 1 FROM templedb.{name} LIMIT 1").fetchone()
        for name in ("migration", "command")
    )
    return Ledger(
        stepwise=False,
        table_locks=False,
        remains=tuple(left),
        begun=tuple(run for (run,) in runs),
        unused=silent and not runs,
        missing=missing,
    )


def fitted(connection: Connection, query: str) -> str:
    """Return *query* for the ledger that is there, which may be of an earlier format."""
    return ledger_rows.fitted(query, ledger_tables.version(connection))


def read_ledger(connection: Connection, project: str, *, locked: bool) -> Ledger:
    """Return everything that the file says of *project*."""
    left = _remains(connection)
    if not left:
        return Ledger(stepwise=False, table_locks=False)
    missing = ledger_tables.missing(connection)
    left = tuple(name for name in left if not any(each.spoils({name}) for each in missing))
    if not {"meta", "migration"} <= {*left}:
        return _damaged(connection, left, missing)
    # Of a newer format only that one fact is read: it may have a table meta of another shape.
    if (form := ledger_tables.version(connection)) > FORMAT:
        message = f"a newer templedb wrote the ledger: format {form}; this one reads {FORMAT}"
        raise TargetError(message, hint="pip install --upgrade templedb-nb")
    query = "SELECT k, v FROM templedb.meta WHERE true AND scope = ''"
    meta = dict(connection.execute(ledger_rows.fitted(query, form)).fetchall())
    entries, unread = _entries(connection, project, form)
    holder = _holder(connection, project, locked=locked) if "lock" in left else None
    clock = connection.execute(f"SELECT {NOW}").fetchone()
    return Ledger(
        now=zoned(clock[0]) if clock else None,
        stepwise=False,
        table_locks=False,
        exists=True,
        uuid=meta.get("target_uuid", ""),
        entries=entries,
        elsewhere=() if entries else _elsewhere(connection, project),
        missing=(*missing, *unread),
        finished=_finished(connection, project) if "run" in left else (),
        runs=_runs(connection, project, form) if "run" in left else (),
        rollback=ledger_rows.open_rollback(
            policies.rollback(meta.get(f"{policies.ROLLBACK}{project}")), holder
        ),
        frozen=policies.freeze(meta.get(f"freeze/{project}")),
        policy=policies.policy(meta, project),
        neighbours=policies.neighbours(meta, project),
        holder=holder,
        unresolved=_unresolved(connection, project, holder) if "command" in left else (),
    )


def _entries(
    connection: Connection, project: str, form: int
) -> tuple[tuple[Entry, ...], tuple[MissingPart, ...]]:
    query = (
        f"SELECT {ledger_rows.COLUMNS} FROM templedb.migration"
        " WHERE project = ? AND scope = '' ORDER BY run_seq"
    )
    rows = connection.execute(ledger_rows.fitted(query, form), [project]).fetchall()
    return ledger_rows.entries(_zoned(row) for row in rows)


def zoned(moment: datetime | None) -> datetime | None:
    """Return a moment of the file, which is in UTC, as one that says so."""
    return moment.replace(tzinfo=UTC) if moment else None


def _elsewhere(connection: Connection, project: str) -> tuple[OtherProjectEntry, ...]:
    rows = connection.execute(
        "SELECT project, key, checksum FROM templedb.migration"
        " WHERE project <> ? AND state = 'applied'",
        [project],
    ).fetchall()
    return tuple(OtherProjectEntry(project=p, key=k, checksum=Digest(c)) for p, k, c in rows)


def _finished(connection: Connection, project: str) -> tuple[FinishedRun, ...]:
    query = (
        "SELECT id, plan FROM templedb.run WHERE project = ? AND scope = ''"
        " AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 20"
    )
    rows = connection.execute(fitted(connection, query), [project]).fetchall()
    return tuple(FinishedRun(run=run, plan=plan) for run, plan in rows)


def _runs(connection: Connection, project: str, form: int) -> tuple[PastRun, ...]:
    query = ledger_rows.fitted(ledger_rows.RUNS.format(mark="?"), form)
    rows = connection.execute(query, [project]).fetchall()
    return tuple(ledger_rows.past_run(_zoned(row)) for row in rows)


def _holder(connection: Connection, project: str, *, locked: bool) -> Holder | None:
    query = (
        f"SELECT run, owner, host, pid, reason, since, {ledger_rows.UNTIL_HERE}"
        " FROM templedb.lock l WHERE project = ? AND scope = ''"
    )
    row = connection.execute(fitted(connection, query), [project]).fetchone()
    if row is None:
        return None
    run, owner, host, pid, reason, since, until, left = row
    return Holder(
        run=run,
        owner=owner,
        host=host,
        pid=pid,
        reason=reason,
        since=zoned(since),
        live=locked,
        until=zoned(until),
        left_s=left,
    )


def _unresolved(
    connection: Connection, project: str, holder: Holder | None
) -> tuple[OpenCommand, ...]:
    query = (
        "SELECT run, attempt_id, step, started_at FROM templedb.command WHERE project = ?"
        " AND scope = '' AND state IN ('running', 'unknown') ORDER BY attempt_id"
    )
    rows = connection.execute(fitted(connection, query), [project]).fetchall()
    return ledger_rows.open_commands((_zoned(row) for row in rows), holder)


def _zoned(row: Sequence[Any]) -> tuple[Any, ...]:
    """Return a row of which every moment says that it is in UTC."""
    return tuple(zoned(each) if isinstance(each, datetime) else each for each in row)


def claim_row(
    connection: Connection, step: Migration, script: Script, attempt: str, claim: Claim
) -> bool:
    """Write the migration's row as applied, in the open transaction; say whether it was free."""
    if isinstance(step, Revert):
        return _rolled_back(connection, step, attempt, claim)
    values = _row(step, script, attempt, claim, State.APPLIED, len(script.statements), "")
    free = connection.execute(_UPSERT, values).fetchone() is not None
    if free:
        record(connection, claim.project, step.key, attempt, APPLIED, {})
    return free


def failed_row(
    connection: Connection, step: Migration, script: Script, attempt: str, claim: Claim, error: str
) -> None:
    """Write that the attempt failed and left nothing."""
    if isinstance(step, Revert):
        detail = {"error": error, "client": claim.client}
        record(connection, claim.project, step.key, attempt, "revert-failed", detail)
        return
    connection.execute(_UPSERT, _row(step, script, attempt, claim, State.FAILED, 0, error))


def _rolled_back(connection: Connection, step: Revert, attempt: str, claim: Claim) -> bool:
    """Write that the migration is reverted, and keep what the row said until now."""
    was = connection.execute(
        "SELECT kind, checksum, finished_at, applied_by, run, attempt_id FROM templedb.migration"
        " WHERE project = ? AND scope = '' AND key = ? AND state = 'applied' AND checksum = ?",
        [claim.project, step.key, step.checksums.text],
    ).fetchone()
    if was is None or not _unmark(connection, step.key, claim, attempt):
        return False
    kind, checksum, at, by, run, former = was
    detail = {"reason": step.reason, "client": claim.client, "by": claim.owner, "kind": kind,
              "checksum": checksum, "applied_at": at and at.isoformat(), "applied_by": by,
              "applied_run": run, "applied_attempt": former}  # fmt: skip
    record(connection, claim.project, step.key, attempt, "reverted", detail)
    return True


def _unmark(connection: Connection, key: str, claim: Claim, attempt: str) -> bool:
    by = [attempt, claim.run, claim.plan, claim.client, claim.version]
    found = connection.execute(
        "UPDATE templedb.migration SET state = 'reverted', step_done = 0, attempt_id = ?, run = ?,"
        f" plan = ?, client = ?, version = ?, finished_at = {NOW}, error = '',"
        " run_seq = nextval('templedb.migration_seq')"
        " WHERE project = ? AND scope = '' AND key = ? AND state = 'applied' RETURNING 1",
        [*by, claim.project, key],
    )
    return found.fetchone() is not None


def _row(
    step: Migration, script: Script, attempt: str, claim: Claim, state: State, done: int, error: str
) -> list[Any]:
    text = kept_text(script.text, step.reading, step.blob)
    sums = [step.checksums.text, TEXT_CHECKSUM, step.checksums.tokens, TOKEN_CHECKSUM]
    kind = "repeatable" if script.asked.repeatable else "run"
    about = [claim.project, step.key, kind, step.file, step.layout, *sums, text, state]
    counts = [len(script.statements), done]
    by = [attempt, claim.run, claim.plan, claim.owner, claim.client, claim.version]
    return [*about, *counts, *by, error]


def amend(connection: Connection, step: Amendment, claim: Claim, attempt: str) -> None:
    """Change the ledger on a person's word, with an event, in one transaction."""
    connection.execute("BEGIN")
    match step.verb:
        case Verb.MARK_APPLIED:
            done = _mark(connection, step, claim, attempt)
        case Verb.MARK_REVERTED:
            done = _unmark(connection, step.key, claim, attempt)
        case Verb.ACCEPT_CHECKSUM:
            done = _changed(
                connection,
                "checksum = ?, token_checksum = ?",
                [step.checksums.text, step.checksums.tokens],
                "checksum = ?",
                [claim.project, step.key, step.old_checksum],
            )
        case Verb.RENAME:
            done = _rename(connection, step, claim)
        case Verb.IMPORT | Verb.SHADOW | Verb.NO_SHADOW:
            connection.execute("ROLLBACK")
            hint = "templedb migration mark-applied FILE --reason WHY"
            raise TargetError("histories can be imported only into PostgreSQL", hint=hint)
        case Verb.RESOLVE_APPLIED | Verb.RESOLVE_NOT_APPLIED:
            done = _resolve(connection, step, claim)
        case Verb.EXEMPT | Verb.NO_EXEMPT:
            _exempt(connection, claim.project, step.key, policies.exemption(step, claim))
            done = True
        case Verb.MAKE_TABLES:
            done = True
    if not done:
        connection.execute("ROLLBACK")
        raise TargetError(f"{step.file}: the ledger no longer allows {step.verb}")
    record(connection, claim.project, step.key, attempt, step.verb, policies.noted(step, claim))
    connection.execute("COMMIT")


def _resolve(connection: Connection, step: Amendment, claim: Claim) -> bool:
    """Settle a migration of which the ledger lost the row: it is applied, or nothing of it is."""
    state = State.APPLIED if step.verb is Verb.RESOLVE_APPLIED else State.FAILED
    found = connection.execute(
        "UPDATE templedb.migration SET error = '', plan = ?, state = ?"
        " WHERE project = ? AND scope = '' AND key = ? AND state = 'in_doubt' RETURNING 1",
        [claim.plan, state, claim.project, step.key],
    )
    return found.fetchone() is not None


def _exempt(connection: Connection, project: str, other: str, given: Exemption | None) -> None:
    """Let the project off the policy of another, or no longer, in the transaction that is open."""
    key = f"{policies.EXEMPT}{project}"
    row = connection.execute(
        "SELECT v FROM templedb.meta WHERE k = ? AND scope = ''", [key]
    ).fetchone()
    found = policies.changed(policies.exemptions(row[0] if row else None), other, given)
    text = policies.written(found)
    connection.execute("INSERT OR REPLACE INTO templedb.meta (k, v) VALUES (?, ?)", [key, text])


def _mark(connection: Connection, step: Amendment, claim: Claim, attempt: str) -> bool:
    sums = [step.checksums.text, TEXT_CHECKSUM, step.checksums.tokens, TOKEN_CHECKSUM]
    about = [claim.project, step.key, "marked", step.file, "plain", *sums, "", State.APPLIED, 0, 0]
    by = [attempt, claim.run, claim.plan, claim.owner, claim.client, claim.version]
    return connection.execute(_UPSERT, [*about, *by, ""]).fetchone() is not None


def _changed(
    connection: Connection, setting: str, values: list[Any], condition: str, where: list[Any]
) -> bool:
    found = connection.execute(
        f"UPDATE templedb.migration SET {setting} WHERE project = ? AND scope = '' AND key = ?"
        f" AND {condition} AND state = 'applied' RETURNING 1",
        [*values, *where],
    )
    return found.fetchone() is not None


def _rename(connection: Connection, step: Amendment, claim: Claim) -> bool:
    found = connection.execute(
        "UPDATE templedb.migration SET key = ?, file = ?"
        " WHERE project = ? AND scope = '' AND key = ? AND state <> 'reverted' RETURNING 1",
        [step.key, step.file, claim.project, step.old_key],
    )
    return found.fetchone() is not None


def record(
    connection: Connection, project: str, key: str, attempt: str, what: str, detail: dict[str, Any]
) -> None:
    """Add to the ledger's own history."""
    connection.execute(
        "INSERT INTO templedb.event (happened_at, project, key, attempt_id, what, detail)"
        f" VALUES ({NOW}, ?, ?, ?, ?, ?)",
        [project, key, attempt, what, json.dumps(detail)],
    )
