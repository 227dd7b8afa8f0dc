"""What the ledger in PostgreSQL records beside migrations: runs, commands, approvals, policy."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psycopg

from templedb_nb.errors import LedgerRefused, TargetError
from templedb_nb.model.approval import Approval
from templedb_nb.model.decided_health import DecidedHealth
from templedb_nb.model.event import Outcome
from templedb_nb.model.ledger import Exemption, LedgerEvent, Within
from templedb_nb.model.rollback import PendingRollback, RollbackMark
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import Policy
from templedb_nb.model.trace import ATTEMPTED
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.target import Decide
from templedb_nb.targets import approvals as rows
from templedb_nb.targets import policies
from templedb_nb.targets.postgres.connection.connect import Connection
from templedb_nb.targets.postgres.ledger.snapshot import fitted, version


def record(
    connection: Connection, claim: Claim, key: str, attempt: str, what: str, detail: dict[str, Any]
) -> None:
    """Add to the ledger's own history."""
    connection.execute(
        "INSERT INTO templedb.event (project, key, attempt_id, what, detail)"
        " VALUES (%s, %s, %s, %s, %s::jsonb)",
        [claim.project, key, attempt, what, json.dumps(detail)],
    )


def begin_run(connection: Connection, claim: Claim, policy: Policy, decide: Decide) -> None:
    """Close the runs that died, record this one, and keep the policy, in one transaction.

    The lock is held: whatever else still runs by the book is dead, and ended when the ledger last
    heard of it. Nobody can add a word on the
    plan between the count of approvals and the start.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE templedb.approval IN SHARE ROW EXCLUSIVE MODE")
        there = read_approvals(connection, claim.project, Digest(claim.content_hash))
        keep_approvals(connection, rows.beside(there, decide(there)))
        # Commands before runs: a dead run is unknown where one of its commands is.
        connection.execute(
            "UPDATE templedb.command SET state = 'unknown'"
            " WHERE project = %s AND scope = '' AND state = 'running'",
            [claim.project],
        )
        connection.execute(
            "UPDATE templedb.run r SET finished_at = greatest(r.started_at,"
            " (SELECT max(greatest(m.started_at, m.finished_at)) FROM templedb.migration m"
            " WHERE m.run = r.id AND m.scope = r.scope),"
            " (SELECT max(greatest(c.started_at, c.finished_at)) FROM templedb.command c"
            " WHERE c.run = r.id AND c.scope = r.scope)),"
            " message = 'its process died', state = CASE WHEN EXISTS (SELECT 1 FROM"
            " templedb.command c WHERE c.run = r.id AND c.scope = r.scope AND c.state = 'unknown')"
            " THEN 'unknown' ELSE 'failed' END WHERE project = %s AND scope = ''"
            " AND state = 'running'",
            [claim.project],
        )
        connection.execute(
            "INSERT INTO templedb.run"
            " (id, project, target, plan, content_hash, state, client, version, kind, parent_run,"
            " tree, config_hash) VALUES (%s, %s, %s, %s, %s, 'running', %s, %s, %s, %s, %s, %s)",
            [claim.run, claim.project, claim.target, claim.plan, claim.content_hash, claim.client,
             claim.version, claim.kind, claim.parent_run, claim.tree, claim.config_hash],
        )  # fmt: skip
        if claim.pending:
            pend_rollback(connection, claim.project, claim.pending)
        held = read_policy(connection, claim.project)
        for key, text in policies.changes(claim.project, held, policy.stricter(held)).items():
            # Windows are the owner's alone: what they demand holds for this state, and the plan
            # says that the ledger does not have them.
            with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
                _write(connection, key, text)
        for detail in policies.passed(claim):
            record(connection, claim, "", "", "window", detail)


def read_policy(connection: Connection, project: str) -> Policy | None:
    """Return what runs of the project must satisfy, whoever starts them."""
    keys = list(policies.facts(project, Policy()))
    query = fitted(connection, "SELECT k, v FROM templedb.meta WHERE k = ANY(%s) AND scope = ''")
    return policies.policy(dict(connection.execute(query, [keys]).fetchall()), project)


def set_policy(connection: Connection, project: str, policy: Policy, by: str, reason: str) -> None:
    """Set the policy whatever it was, with an event that says who, why, and what was there."""
    with connection.transaction():
        was = read_policy(connection, project)
        try:
            for key, text in policies.changes(project, was, policy).items():
                if text:
                    _write(connection, key, text)
                else:
                    query = "DELETE FROM templedb.meta WHERE k = %s AND scope = ''"
                    connection.execute(fitted(connection, query), [key])
        except psycopg.errors.InsufficientPrivilege:
            raise _may_not_lower(connection, project) from None
        if (read_policy(connection, project) or Policy()) != policy:
            raise _may_not_lower(connection, project)
        record_policy(connection, project, policy, was, by, reason)


def exempt(connection: Connection, project: str, other: str, exemption: Exemption | None) -> None:
    """Let the project off the policy of another, or no longer, in the transaction that is open."""
    key = f"{policies.EXEMPT}{project}"
    row = connection.execute(
        "SELECT v FROM templedb.meta WHERE k = %s AND scope = '' FOR UPDATE", [key]
    ).fetchone()
    found = policies.changed(policies.exemptions(row[0] if row else None), other, exemption)
    try:
        _write(connection, key, policies.written(found))
    except psycopg.errors.InsufficientPrivilege:
        raise _may_not_lower(connection, project) from None


def _write(connection: Connection, key: str, value: str) -> None:
    query = (
        "INSERT INTO templedb.meta (k, v) VALUES (%s, %s)"
        " ON CONFLICT (k, scope) DO UPDATE SET v = excluded.v"
    )
    connection.execute(fitted(connection, query), [key, value])


def _may_not_lower(connection: Connection, project: str) -> LedgerRefused:
    who = f"role {connection.info.user!r}"
    message = f"{who} may not lower the policy of project {project}, nor change its windows"
    hint = "the owner of the ledger may: for this command, set DATABASE_URL to that role's address"
    return LedgerRefused(f"{message}: only the owner of the ledger may", hint=hint)


def pend_rollback(connection: Connection, project: str, pending: PendingRollback | None) -> None:
    """Let the ledger have that rollback as owed or begun; None for none."""
    _write(connection, f"{policies.ROLLBACK}{project}", policies.rollback_fact(pending))


def end_run(
    connection: Connection,
    run: str,
    outcome: Outcome,
    exit_code: int,
    message: str,
    mark: RollbackMark | None = None,
    manifest: str = "",
) -> None:
    """Record how the run ended; a success uses up the approvals of its content."""
    with connection.transaction():
        row = connection.execute(
            "UPDATE templedb.run SET state = %s, exit_code = %s, message = %s, manifest = %s,"
            " finished_at = pg_catalog.clock_timestamp() WHERE id = %s AND scope = ''"
            " AND state = 'running' RETURNING project",
            [outcome, exit_code, message, manifest or None, run],
        ).fetchone()
        if mark and row:
            pend_rollback(connection, row[0], mark.pending)
        if outcome is Outcome.SUCCEEDED:
            _use_approvals(connection, run)


def refuse_closed(connection: Connection, run: str, outcome: Outcome) -> None:
    """Raise where the ledger has another end of the run than *outcome*."""
    row = connection.execute(
        "SELECT state FROM templedb.run WHERE id = %s AND scope = ''", [run]
    ).fetchone()
    if row is None or row[0] != outcome.value:
        state = row[0] if row else "nothing"
        raise TargetError(f"another run has closed this one meanwhile: the ledger says {state}")


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
        " finished_at = pg_catalog.clock_timestamp() WHERE attempt_id = %s AND scope = ''",
        [state, exit_status, attempt],
    )


def resolve(connection: Connection, project: str, run: str, by: str, reason: str) -> int:
    """Close what nobody saw end, on a person's word; return how many commands that were."""
    commands = (
        "UPDATE templedb.command SET state = 'resolved',"
        " finished_at = pg_catalog.clock_timestamp() WHERE project = %s AND run = %s"
        " AND scope = '' AND state IN ('running', 'unknown') RETURNING step"
    )
    itself = (
        "UPDATE templedb.run SET state = 'unknown', finished_at = pg_catalog.clock_timestamp()"
        " WHERE id = %s AND scope = '' AND state = 'running'"
    )
    with connection.transaction():
        closed = connection.execute(fitted(connection, commands), [project, run]).fetchall()
        connection.execute(fitted(connection, itself), [run])
        query = fitted(connection, "SELECT v FROM templedb.meta WHERE k = %s AND scope = ''")
        row = connection.execute(query, [f"{policies.ROLLBACK}{project}"]).fetchone()
        if row and policies.settles(row[0], run):
            pend_rollback(connection, project, None)
        detail = {"run": run, "by": by, "reason": reason, "steps": [row[0] for row in closed]}
        connection.execute(
            "INSERT INTO templedb.event (project, what, detail) VALUES (%s, 'resolve', %s::jsonb)",
            [project, json.dumps(detail)],
        )
    return len(closed)


def decide_health(connection: Connection, project: str, decided: DecidedHealth) -> None:
    """Record what a person said of the health that a run could not measure, and its end."""
    with connection.transaction():
        connection.execute(
            "UPDATE templedb.run SET state = %s, exit_code = %s, message = %s,"
            " finished_at = coalesce(finished_at, pg_catalog.clock_timestamp())"
            " WHERE project = %s AND scope = '' AND id = %s AND state <> 'succeeded'",
            [decided.outcome, decided.exit_code, decided.message, project, decided.run],
        )
        if decided.outcome is Outcome.SUCCEEDED:
            _use_approvals(connection, decided.run)
        detail = {"run": decided.run, "by": decided.by, "reason": decided.reason}
        connection.execute(
            "INSERT INTO templedb.event (project, what, detail) VALUES (%s, %s, %s::jsonb)",
            [project, decided.health, json.dumps(detail)],
        )


def _use_approvals(connection: Connection, run: str) -> None:
    connection.execute(
        "UPDATE templedb.approval a SET used_by = %s FROM templedb.run r WHERE r.id = %s"
        " AND r.scope = '' AND a.scope = '' AND a.content_hash = r.content_hash"
        " AND a.used_by = ''",
        [run, run],
    )


def keep_approvals(connection: Connection, approvals: Iterable[Approval]) -> None:
    """Record approvals; one that is there already stays as it is."""
    there = version(connection)
    for each in approvals:
        row = rows.row(each, there)
        marks = ", ".join(["%s"] * len(row))
        connection.execute(
            (
                f"INSERT INTO templedb.approval ({', '.join(row)}) VALUES ({marks})"  # noqa: S608 - names of ours
                " ON CONFLICT DO NOTHING"
            ).encode(),
            list(row.values()),
        )


def read_approvals(
    connection: Connection, project: str, content_hash: Digest
) -> tuple[Approval, ...]:
    """Return every approval of that content, oldest first."""
    query = (
        "SELECT * FROM templedb.approval WHERE project = %s AND scope = ''"
        " AND content_hash = %s ORDER BY given_at"
    )
    found = connection.execute(fitted(connection, query), [project, content_hash])
    return rows.read([each.name for each in found.description or ()], found.fetchall())


def record_policy(
    connection: Connection, project: str, policy: Policy, was: Policy | None, by: str, reason: str
) -> None:
    """Record who set the policy, why, and what it was."""
    detail = {
        "by": by,
        "reason": reason,
        "policy": policies.told(policy),
        "was": policies.told(was),
    }
    connection.execute(
        "INSERT INTO templedb.event (project, what, detail) VALUES (%s, 'policy', %s::jsonb)",
        [project, json.dumps(detail)],
    )


def events(connection: Connection, project: str, within: Within) -> tuple[LedgerEvent, ...]:
    """Return what people said of migrations, runs and policy in that time, in order."""
    query = (
        "SELECT happened_at, what, key, coalesce(detail->>'by', ''),"
        " coalesce(detail->>'reason', '') FROM templedb.event"
        " WHERE project = %s AND scope = '' AND happened_at BETWEEN %s AND %s"
        " AND what <> ALL (%s) ORDER BY id"
    )
    values = [project, *within, list(ATTEMPTED)]
    rows = connection.execute(fitted(connection, query), values).fetchall()
    return tuple(
        LedgerEvent(at=at, what=what, key=key, by=by, reason=reason)
        for at, what, key, by, reason in rows
    )
