"""What people say of migrations, written into the ledger in PostgreSQL, each with an event."""

from __future__ import annotations

from templedb_nb.errors import TargetError
from templedb_nb.model.ledger import TEXT_CHECKSUM, TOKEN_CHECKSUM
from templedb_nb.model.step import Amendment, ImportEntry, Verb
from templedb_nb.ports.claim import Claim
from templedb_nb.targets import policies
from templedb_nb.targets.postgres.connection.connect import Connection
from templedb_nb.targets.postgres.ledger import dual_write
from templedb_nb.targets.postgres.ledger.foreign_histories import adopt
from templedb_nb.targets.postgres.ledger.migration_rows import by_whom
from templedb_nb.targets.postgres.ledger.records import exempt, record

_MARKED_ROW = """
INSERT INTO templedb.migration AS m
  (project, key, kind, file, checksum, checksum_alg, token_checksum, token_alg, sql, state, mode,
   steps, step_done, step_started, attempt_id, run, plan, xid, client, version, finished_at)
VALUES (%s, %s, 'marked', %s, %s, %s, %s, %s, '', 'applied', 'transaction', 0, 0, 0, %s, %s, %s,
        pg_catalog.pg_current_xact_id()::text, %s, %s, pg_catalog.clock_timestamp())
ON CONFLICT (project, scope, key) DO UPDATE SET
  kind = 'marked', state = 'applied', checksum = excluded.checksum,
  token_checksum = excluded.token_checksum, attempt_id = excluded.attempt_id, run = excluded.run,
  plan = excluded.plan, xid = excluded.xid, client = excluded.client, error = '',
  version = excluded.version, finished_at = excluded.finished_at, steps = 0, step_done = 0,
  step_started = 0, run_seq = pg_catalog.nextval('templedb.migration_seq')
WHERE m.state <> 'applied'
RETURNING 1
"""


def amend(
    connection: Connection, step: Amendment, claim: Claim, attempt: str, text: str = ""
) -> None:
    """Change the ledger on a person's word, with an event, in one transaction."""
    with connection.transaction():
        if not _changed(connection, step, claim, attempt, text):
            raise TargetError(f"{step.file}: the ledger no longer allows {step.verb}")
        _shadowed(connection, step, claim)
        record(connection, claim, step.key, attempt, step.verb, policies.noted(step, claim))


def _changed(
    connection: Connection, step: Amendment, claim: Claim, attempt: str, text: str
) -> bool:
    """Return whether the ledger allows the change, which is made then."""
    match step.verb:
        case Verb.MARK_APPLIED:
            return _mark(connection, step, claim, attempt)
        case Verb.MARK_REVERTED:
            return _unmark(connection, step, claim, attempt)
        case Verb.ACCEPT_CHECKSUM:
            return _accept(connection, step, claim)
        case Verb.RENAME:
            return _rename(connection, step, claim)
        case Verb.RESOLVE_APPLIED | Verb.RESOLVE_NOT_APPLIED:
            return _resolve(connection, step, claim)
        case Verb.IMPORT:
            return isinstance(step, ImportEntry) and adopt(connection, step, claim, attempt, text)
        case Verb.SHADOW | Verb.NO_SHADOW:
            dual_write.keep(connection, claim.project, step.into, step.behind)
            return True
        case Verb.EXEMPT | Verb.NO_EXEMPT:
            given = policies.exemption(step, claim)
            exempt(connection, claim.project, step.key, given)
            return True
        case Verb.MAKE_TABLES:
            return True  # they were made when the lock was taken


def _shadowed(connection: Connection, step: Amendment, claim: Claim) -> None:
    """Write another tool's table along, where the word puts a migration in or out of effect."""
    if step.verb is Verb.MARK_REVERTED:
        dual_write.reverted(connection, step.shadow, claim.project)
        return
    now = step.verb in {Verb.MARK_APPLIED, Verb.RESOLVE_APPLIED}
    if now and _applied(connection, step, claim):
        dual_write.applied(connection, step.shadow, claim.project)


def _applied(connection: Connection, step: Amendment, claim: Claim) -> bool:
    row = connection.execute(
        "SELECT 1 FROM templedb.migration WHERE project = %s AND scope = '' AND key = %s"
        " AND state = 'applied'",
        [claim.project, step.key],
    ).fetchone()
    return row is not None


def _mark(connection: Connection, step: Amendment, claim: Claim, attempt: str) -> bool:
    sums = [step.checksums.text, TEXT_CHECKSUM, step.checksums.tokens, TOKEN_CHECKSUM]
    values = [claim.project, step.key, step.file, *sums, attempt, *by_whom(claim)]
    return connection.execute(_MARKED_ROW, values).fetchone() is not None


def _unmark(connection: Connection, step: Amendment, claim: Claim, attempt: str) -> bool:
    found = connection.execute(
        "UPDATE templedb.migration SET state = 'reverted', step_done = 0, step_started = 0,"
        " attempt_id = %s, run = %s, plan = %s, client = %s, version = %s,"
        " finished_at = pg_catalog.clock_timestamp(),"
        " run_seq = pg_catalog.nextval('templedb.migration_seq')"
        " WHERE project = %s AND scope = '' AND key = %s"
        " AND state IN ('applied', 'running', 'failed')"
        " RETURNING 1",
        [attempt, *by_whom(claim), claim.project, step.key],
    )
    return found.fetchone() is not None


def _accept(connection: Connection, step: Amendment, claim: Claim) -> bool:
    found = connection.execute(
        "UPDATE templedb.migration SET checksum = %s, token_checksum = %s"
        " WHERE project = %s AND scope = '' AND key = %s AND checksum = %s"
        " AND state = 'applied' RETURNING 1",
        [step.checksums.text, step.checksums.tokens, claim.project, step.key, step.old_checksum],
    )
    return found.fetchone() is not None


def _resolve(connection: Connection, step: Amendment, claim: Claim) -> bool:
    """Settle the step in doubt.

    What ran in one transaction is settled as a whole, and so is a migration of which nobody knows
    how many steps it has: its row was lost, and restored as in doubt.
    """
    took_effect = step.verb is Verb.RESOLVE_APPLIED
    counts = "step_done = step_started" if took_effect else "step_started = step_done"
    whole = "applied" if took_effect else "failed"
    found = connection.execute(
        f"UPDATE templedb.migration SET {counts}, error = '', plan = %s,"  # noqa: S608 - one of two
        " state = CASE WHEN mode = 'transaction' OR steps = 0 THEN %s ELSE 'failed' END"
        " WHERE project = %s AND scope = '' AND key = %s"
        " AND state = 'in_doubt' RETURNING 1".encode(),
        [claim.plan, whole, claim.project, step.key],
    )
    return found.fetchone() is not None


def _rename(connection: Connection, step: Amendment, claim: Claim) -> bool:
    found = connection.execute(
        "UPDATE templedb.migration SET key = %s, file = %s"
        " WHERE project = %s AND scope = '' AND key = %s AND state <> 'reverted' RETURNING 1",
        [step.key, step.file, claim.project, step.old_key],
    )
    return found.fetchone() is not None
