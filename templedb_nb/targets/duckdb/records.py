"""Runs, commands, approvals and the policy in a DuckDB file's ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC
from typing import TYPE_CHECKING

from templedb_nb.model.approval import Approval
from templedb_nb.model.decided_health import DecidedHealth
from templedb_nb.model.event import Outcome
from templedb_nb.model.ledger import LedgerEvent, Within
from templedb_nb.model.rollback import PendingRollback, RollbackMark
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import Policy
from templedb_nb.model.trace import ATTEMPTED
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.target import Decide
from templedb_nb.targets import approvals as rows
from templedb_nb.targets import policies
from templedb_nb.targets.duckdb.ledger import NOW, fitted, record
from templedb_nb.targets.duckdb.ledger_tables import version

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection


def begin_run(connection: Connection, claim: Claim, policy: Policy, decide: Decide) -> None:
    """Close the runs that died, record this one, and keep the policy, in one transaction.

    While the file is open here, nobody else can add a word on the plan; if *decide* raises, the
    file is closed, and with it the transaction is gone.
    """
    connection.execute("BEGIN")
    there = read_approvals(connection, claim.project, Digest(claim.content_hash))
    keep_approvals(connection, rows.beside(there, decide(there)))
    # Commands before runs: a dead run is unknown where one of its commands is.
    connection.execute(
        "UPDATE templedb.command SET state = 'unknown'"
        " WHERE project = ? AND scope = '' AND state = 'running'",
        [claim.project],
    )
    connection.execute(
        "UPDATE templedb.run AS r SET finished_at = greatest(r.started_at,"
        " (SELECT max(greatest(m.started_at, m.finished_at)) FROM templedb.migration m"
        " WHERE m.run = r.id AND m.scope = r.scope),"
        " (SELECT max(greatest(c.started_at, c.finished_at)) FROM templedb.command c"
        " WHERE c.run = r.id AND c.scope = r.scope)), message = 'its process died',"
        " state = CASE WHEN id IN (SELECT run FROM templedb.command"
        " WHERE scope = '' AND state = 'unknown') THEN 'unknown' ELSE 'failed' END"
        " WHERE project = ? AND scope = '' AND state = 'running'",
        [claim.project],
    )
    about = [claim.run, claim.project, claim.target, claim.plan, claim.content_hash]
    by = [claim.client, claim.version, claim.kind, claim.parent_run, claim.tree, claim.config_hash]
    connection.execute(
        "INSERT INTO templedb.run (id, project, target, plan, content_hash, state, client, version,"
        " kind, parent_run, tree, config_hash, started_at)"
        f" VALUES (?, ?, ?, ?, ?, 'running', ?, ?, ?, ?, ?, ?, {NOW})",
        [*about, *by],
    )
    if claim.pending:
        pend_rollback(connection, claim.project, claim.pending)
    held = _policy(connection, claim.project)
    for key, text in policies.changes(claim.project, held, policy.stricter(held)).items():
        _write(connection, key, text)
    for detail in policies.passed(claim):
        record(connection, claim.project, "", "", "window", detail)
    connection.execute("COMMIT")


def set_policy(connection: Connection, project: str, policy: Policy, by: str, reason: str) -> None:
    """Set the policy whatever it was, with an event that says who, why, and what was there."""
    connection.execute("BEGIN")
    was = _policy(connection, project)
    for key, text in policies.changes(project, was, policy).items():
        if text:
            _write(connection, key, text)
        else:
            query = "DELETE FROM templedb.meta WHERE k = ? AND scope = ''"
            connection.execute(fitted(connection, query), [key])
    what = {"policy": policies.told(policy), "was": policies.told(was)}
    detail = {"by": by, "reason": reason} | what
    record(connection, project, "", "", "policy", detail)
    connection.execute("COMMIT")


def _policy(connection: Connection, project: str) -> Policy | None:
    """Return what runs of the project must satisfy, whoever starts them."""
    facts = {key: _fact(connection, key) or "" for key in policies.facts(project, Policy())}
    return policies.policy(facts, project)


def _fact(connection: Connection, key: str) -> str | None:
    query = "SELECT v FROM templedb.meta WHERE k = ? AND scope = ''"
    row = connection.execute(fitted(connection, query), [key]).fetchone()
    return str(row[0]) if row else None


def _write(connection: Connection, key: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO templedb.meta (k, v) VALUES (?, ?)", [key, value])


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
    connection.execute("BEGIN")
    row = connection.execute(
        "UPDATE templedb.run SET state = ?, exit_code = ?, message = ?, manifest = ?,"
        f" finished_at = {NOW} WHERE id = ? AND scope = '' AND state = 'running'"
        " RETURNING content_hash, project",
        [outcome, exit_code, message, manifest or None, run],
    ).fetchone()
    if row and outcome is Outcome.SUCCEEDED:
        connection.execute(
            "UPDATE templedb.approval SET used_by = ?"
            " WHERE content_hash = ? AND scope = '' AND used_by = ''",
            [run, row[0]],
        )
    if mark and row:
        pend_rollback(connection, row[1], mark.pending)
    connection.execute("COMMIT")


def command_started(connection: Connection, claim: Claim, attempt: str, step: str) -> None:
    """Record a command before it starts."""
    connection.execute(
        "INSERT INTO templedb.command (attempt_id, run, project, step, state, started_at)"
        f" VALUES (?, ?, ?, ?, 'running', {NOW})",
        [attempt, claim.run, claim.project, step],
    )


def command_finished(
    connection: Connection, attempt: str, state: str, exit_status: int | None
) -> None:
    """Record how a command ended."""
    connection.execute(
        f"UPDATE templedb.command SET state = ?, exit_status = ?, finished_at = {NOW}"
        " WHERE attempt_id = ? AND scope = ''",
        [state, exit_status, attempt],
    )


def resolve(connection: Connection, project: str, run: str, by: str, reason: str) -> int:
    """Close what nobody saw end, on a person's word; return how many commands that were."""
    commands = (
        f"UPDATE templedb.command SET state = 'resolved', finished_at = {NOW} WHERE project = ?"
        " AND run = ? AND scope = '' AND state IN ('running', 'unknown') RETURNING step"
    )
    itself = (
        f"UPDATE templedb.run SET state = 'unknown', finished_at = {NOW}"
        " WHERE id = ? AND scope = '' AND state = 'running'"
    )
    connection.execute("BEGIN")
    closed = connection.execute(fitted(connection, commands), [project, run]).fetchall()
    connection.execute(fitted(connection, itself), [run])
    if policies.settles(_fact(connection, f"{policies.ROLLBACK}{project}"), run):
        pend_rollback(connection, project, None)
    detail = {"run": run, "by": by, "reason": reason, "steps": [row[0] for row in closed]}
    record(connection, project, "", "", "resolve", detail)
    connection.execute("COMMIT")
    return len(closed)


def decide_health(connection: Connection, project: str, decided: DecidedHealth) -> None:
    """Record what a person said of the health that a run could not measure, and its end."""
    connection.execute("BEGIN")
    row = connection.execute(
        "UPDATE templedb.run SET state = ?, exit_code = ?, message = ?,"
        f" finished_at = coalesce(finished_at, {NOW})"
        " WHERE project = ? AND scope = '' AND id = ? AND state <> 'succeeded'"
        " RETURNING content_hash",
        [decided.outcome, decided.exit_code, decided.message, project, decided.run],
    ).fetchone()
    if row and decided.outcome is Outcome.SUCCEEDED:
        connection.execute(
            "UPDATE templedb.approval SET used_by = ?"
            " WHERE content_hash = ? AND scope = '' AND used_by = ''",
            [decided.run, row[0]],
        )
    detail = {"run": decided.run, "by": decided.by, "reason": decided.reason}
    record(connection, project, "", "", decided.health, detail)
    connection.execute("COMMIT")


def keep_approvals(connection: Connection, approvals: Iterable[Approval]) -> None:
    """Record approvals; one that is there already stays as it is."""
    there = version(connection)
    for each in approvals:
        at = each.given_at.astimezone(UTC).replace(tzinfo=None)
        row = rows.row(each, there) | {"given_at": at}
        marks = ", ".join("?" * len(row))
        connection.execute(
            f"INSERT INTO templedb.approval ({', '.join(row)}) VALUES ({marks})"
            " ON CONFLICT DO NOTHING",
            list(row.values()),
        )


def read_approvals(
    connection: Connection, project: str, content_hash: Digest
) -> tuple[Approval, ...]:
    """Return every approval of that content, oldest first."""
    query = (
        "SELECT * FROM templedb.approval WHERE project = ? AND scope = '' AND content_hash = ?"
        " ORDER BY given_at"
    )
    found = connection.execute(fitted(connection, query), [project, content_hash])
    return rows.read([name for name, *_ in found.description or ()], found.fetchall())


def events(connection: Connection, project: str, within: Within) -> tuple[LedgerEvent, ...]:
    """Return what people said of migrations, runs and policy in that time, in order."""
    span = [each.astimezone(UTC).replace(tzinfo=None) for each in within]
    query = (
        "SELECT happened_at, what, key, coalesce(detail->>'$.by', ''),"
        " coalesce(detail->>'$.reason', '') FROM templedb.event"
        " WHERE project = ? AND scope = '' AND happened_at BETWEEN ? AND ?"
        " AND NOT list_contains(?::VARCHAR[], what) ORDER BY id"
    )
    values = [project, *span, list(ATTEMPTED)]
    rows = connection.execute(fitted(connection, query), values).fetchall()
    return tuple(
        LedgerEvent(at=at.replace(tzinfo=UTC), what=what, key=key, by=by, reason=reason)
        for at, what, key, by, reason in rows
    )
