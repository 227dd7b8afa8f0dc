"""The rows of migrations in the ledger of PostgreSQL, as attempts write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from templedb_nb.core.migrations.kept_text import kept_text
from templedb_nb.core.migrations.script import Script
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.ledger import TEXT_CHECKSUM, TOKEN_CHECKSUM, State
from templedb_nb.model.step import Migration, Revert
from templedb_nb.model.trace import APPLIED, BEGUN
from templedb_nb.ports.claim import Claim
from templedb_nb.targets.postgres.connection.connect import Connection
from templedb_nb.targets.postgres.ledger.records import record

_COLUMNS = """
  (project, key, kind, file, layout, checksum, checksum_alg, token_checksum, token_alg, sql, state,
   mode, steps, step_done, step_started, attempt_id, run, plan, xid, client, version, finished_at,
   error)
"""
_ANEW = """
  kind = excluded.kind, file = excluded.file, layout = excluded.layout,
  checksum = excluded.checksum,
  checksum_alg = excluded.checksum_alg, token_checksum = excluded.token_checksum,
  token_alg = excluded.token_alg, sql = excluded.sql, state = excluded.state,
  mode = excluded.mode, steps = excluded.steps, step_done = excluded.step_done,
  step_started = excluded.step_started, attempt_id = excluded.attempt_id, run = excluded.run,
  plan = excluded.plan, xid = excluded.xid, applied_by = session_user, client = excluded.client,
  version = excluded.version, error = excluded.error,
  started_at = pg_catalog.clock_timestamp(), finished_at = excluded.finished_at,
  run_seq = pg_catalog.nextval('templedb.migration_seq')
"""
_FREE = "(m.state IN ('failed', 'reverted', 'running') AND m.step_done = 0 AND m.step_started = 0)"
_APPLIED = """
SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'applied', %s, %s, %s, %s, %s, %s, %s,
       pg_catalog.pg_current_xact_id()::text, %s, %s, pg_catalog.clock_timestamp(), ''
"""
_CONFLICT = f"""
ON CONFLICT (project, scope, key) DO UPDATE SET {_ANEW}
WHERE {_FREE} OR (m.state = 'applied' AND excluded.kind = 'repeatable'
                  AND m.checksum <> excluded.checksum)
RETURNING project, key, attempt_id, xid
"""
_NOTED = "INSERT INTO templedb.event (project, key, attempt_id, what)"
_IF_FREE = "ON CONFLICT DO NOTHING"
"""No migration fails since somebody set the sequence of events back."""
_WITH_WORD = f"""
), noted AS (
  {_NOTED} SELECT project, key, attempt_id, '{APPLIED}' FROM claimed {_IF_FREE}
) SELECT xid FROM claimed
"""  # noqa: S608 - constants
"""The row's second witness: who takes away the row alone is found out by it."""
_CLAIM = f"""
WITH claimed AS (INSERT INTO templedb.migration AS m {_COLUMNS} {_APPLIED}
FROM (SELECT pg_catalog.pg_try_advisory_xact_lock(%s) AS held) AS lock WHERE held {_CONFLICT}
{_WITH_WORD}
"""
CUT_OFF = "psql did not reach its end, and a COMMIT that it hides had committed a part of it"
_BY_PSQL = f"""
WITH claimed AS (INSERT INTO templedb.migration AS m {_COLUMNS}
SELECT {{values}}, 'in_doubt', {{mode}}, {{steps}}, 0, {{steps}}, {{attempt}}, {{whom}},
       pg_catalog.pg_current_xact_id()::text, {{client}}, pg_catalog.clock_timestamp(), {{told}}
{_CONFLICT}), noted AS (
  {_NOTED} SELECT project, key, attempt_id, '{BEGUN}' FROM claimed {_IF_FREE}
) SELECT xid FROM claimed
"""  # noqa: S608 - constants
_PSQL_ENDED = f"""
WITH ended AS (UPDATE templedb.migration
  SET state = 'applied', error = '', step_done = step_started,
  xid = pg_catalog.pg_current_xact_id()::text, finished_at = pg_catalog.clock_timestamp()
  WHERE project = {{}} AND scope = '' AND key = {{}} AND attempt_id = {{}}
  RETURNING project, key, attempt_id
), noted AS (
  {_NOTED} SELECT project, key, attempt_id, '{APPLIED}' FROM ended {_IF_FREE}
) SELECT pg_catalog.count(*) = 1 AS {{}} FROM ended
"""  # noqa: S608 - constants
"""Written last, so that the row says applied only where psql has reached the end of the file."""
_REVERTED = """
INSERT INTO templedb.event (project, key, attempt_id, what, detail)
SELECT m.project, m.key, %s, 'reverted', pg_catalog.jsonb_build_object(
  'reason', %s::text, 'client', %s::text, 'by', session_user, 'kind', m.kind,
  'checksum', m.checksum, 'applied_at', m.finished_at, 'applied_by', m.applied_by,
  'applied_run', m.run, 'applied_attempt', m.attempt_id)
FROM templedb.migration m WHERE m.project = %s AND m.scope = '' AND m.key = %s
  AND m.state = 'applied';
UPDATE templedb.migration m SET
  state = 'reverted', step_done = 0, step_started = 0, attempt_id = %s, run = %s, plan = %s,
  client = %s, version = %s, xid = pg_catalog.pg_current_xact_id()::text, error = '',
  applied_by = session_user, finished_at = pg_catalog.clock_timestamp(),
  run_seq = pg_catalog.nextval('templedb.migration_seq')
FROM (SELECT pg_catalog.pg_try_advisory_xact_lock(%s) AS held) AS lock
WHERE lock.held AND m.project = %s AND m.scope = '' AND m.key = %s AND m.state = 'applied'
  AND m.checksum = %s
RETURNING m.xid
"""
_FAILED = f"""
INSERT INTO templedb.migration AS m {_COLUMNS}
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0, %s, %s, %s, '', %s, %s,
        pg_catalog.clock_timestamp(), %s)
ON CONFLICT (project, scope, key) DO UPDATE SET
  state = excluded.state, error = excluded.error, attempt_id = excluded.attempt_id,
  run = excluded.run, plan = excluded.plan, checksum = excluded.checksum,
  token_checksum = excluded.token_checksum, sql = excluded.sql, client = excluded.client,
  version = excluded.version, finished_at = excluded.finished_at, mode = excluded.mode,
  steps = excluded.steps, started_at = CASE WHEN m.attempt_id = excluded.attempt_id
    THEN m.started_at ELSE excluded.started_at END
WHERE {_FREE} OR m.attempt_id = excluded.attempt_id
"""  # noqa: S608 - constants
_BEGUN = f"""
INSERT INTO templedb.migration AS m {_COLUMNS}
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'running', %s, %s, %s, %s, %s, %s, %s, '', %s, %s,
        NULL, '')
ON CONFLICT (project, scope, key) DO UPDATE SET {_ANEW}
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptProgress:
    """How far the attempts before this one came."""

    state: State
    checksum: str
    sql: str
    step_done: int
    step_started: int
    attempt: str


def claim_statement(step: Migration) -> str:
    """Return the statements that take the lock of the transaction and the row.

    The last one returns no row where either is somebody else's.
    """
    return _REVERTED if isinstance(step, Revert) else _CLAIM


def claim_values(
    step: Migration, script: Script, attempt: str, claim: Claim, key: int | None = None
) -> list[Any]:
    """Return the values of `claim_statement`; *key* is the advisory lock's."""
    if isinstance(step, Revert):
        told = [attempt, step.reason, claim.client, claim.project, step.key]
        where = [claim.project, step.key, step.checksums.text]
        return [*told, attempt, *by_whom(claim), key, *where]
    count = script.steps
    counts = [step.mode.value, count, count, count, attempt]
    values = [*about(step, script, claim), *counts, *by_whom(claim)]
    return values if key is None else [*values, key]


def psql_claim(step: Migration, script: Script, attempt: str, claim: Claim) -> str:
    """Return the row's INSERT with its values quoted, for psql.

    It says that the attempt is in doubt, until `psql_ended`: where the file hides a COMMIT, the row
    is committed with the first part of it, whatever becomes of the rest.
    """
    from psycopg import sql

    def quoted(*values: object) -> sql.Composed:
        return sql.SQL(", ").join(sql.Literal(value) for value in values)

    run, plan, client, version = by_whom(claim)
    return (
        sql.SQL(_BY_PSQL)
        .format(
            values=quoted(*about(step, script, claim)),
            mode=quoted(step.mode.value),
            steps=quoted(script.steps),
            attempt=quoted(attempt),
            whom=quoted(run, plan),
            client=quoted(client, version),
            told=quoted(f"{step.file}: {CUT_OFF}"),
        )
        .as_string()
    )


def psql_ended(step: Migration, attempt: str, claim: Claim, name: str) -> str:
    """Return what says that psql has run all of the file; *name* is true where the row is there."""
    from psycopg import sql

    which = (sql.Literal(value) for value in (claim.project, step.key, attempt))
    return sql.SQL(_PSQL_ENDED).format(*which, sql.SQL(name)).as_string()


def failed_row(
    connection: Connection,
    step: Migration,
    script: Script,
    attempt: str,
    claim: Claim,
    state: State,
    error: str,
) -> None:
    """Write that the attempt failed, unless the migration is in effect by another."""
    values = [*about(step, script, claim), state.value, step.mode.value, script.steps, attempt]
    connection.execute(_FAILED, [*values, *by_whom(claim), error])


def failed(
    connection: Connection, step: Migration, script: Script, attempt: str, claim: Claim, error: str
) -> None:
    """Record that an attempt, there or back, failed and left nothing."""
    if isinstance(step, Revert):
        detail = {"error": error, "client": claim.client}
        record(connection, claim, step.key, attempt, "revert-failed", detail)
    else:
        failed_row(connection, step, script, attempt, claim, State.FAILED, error)


def attempted(connection: Connection, project: str, key: str) -> AttemptProgress | None:
    """Return how far earlier attempts came; the row stays locked until the transaction ends."""
    row = connection.execute(
        "SELECT state, checksum, sql, step_done, step_started, attempt_id FROM templedb.migration"
        " WHERE project = %s AND scope = '' AND key = %s FOR UPDATE",
        [project, key],
    ).fetchone()
    if row is None:
        return None
    state, checksum, sql, done, started, attempt = row
    return AttemptProgress(
        state=State(state),
        checksum=checksum,
        sql=sql,
        step_done=done,
        step_started=started,
        attempt=attempt,
    )


def begun_row(
    connection: Connection,
    step: Migration,
    script: Script,
    attempt: str,
    claim: Claim,
    counted: tuple[int, int],
) -> None:
    """Write that the attempt is running, with so many steps *counted* as proven, and as begun."""
    counts = [step.mode.value, script.steps, *counted, attempt]
    connection.execute(_BEGUN, [*about(step, script, claim), *counts, *by_whom(claim)])
    note(connection, (claim.project, step.key, attempt), BEGUN)


def note(connection: Connection, which: Sequence[str], word: str) -> None:
    """Write an event about an attempt, by project, key and attempt, in addition to its row."""
    words = f"{_NOTED} VALUES (%s, %s, %s, %s) {_IF_FREE}"
    connection.execute(words.encode(), [*which, word])


def step_statement() -> str:
    """Return the UPDATE that counts the steps of an attempt: done, started, project, attempt."""
    return (
        "UPDATE templedb.migration SET step_done = %s, step_started = %s"
        " WHERE project = %s AND scope = '' AND key = %s AND attempt_id = %s"
    )


SPARE = (
    "INSERT INTO templedb.event (project, key, attempt_id, what, detail)"
    " VALUES (%s, %s, %s, 'invalid-before', %s::jsonb)"
)
"""Keeps which indexes were invalid before a step ran: project, key, attempt, detail."""


def spare_detail(done: int, oids: Iterable[int]) -> str:
    """Return the detail of `SPARE`."""
    return json.dumps({"step": done + 1, "oids": sorted(oids)})


def spared(connection: Connection, project: str, key: str, done: int) -> frozenset[int]:
    """Return the oids of the indexes that were invalid before the step behind *done* ran."""
    row = connection.execute(
        "SELECT detail FROM templedb.event"
        " WHERE project = %s AND scope = '' AND key = %s AND what = 'invalid-before'"
        " ORDER BY id DESC LIMIT 1",
        [project, key],
    ).fetchone()
    known = row is not None and row[0].get("step") == done + 1
    return frozenset(row[0]["oids"]) if row and known else frozenset()


def ended_row(connection: Connection, which: Sequence[str], state: State, error: str = "") -> int:
    """Write how an attempt ended, by project, key and attempt; its counts stay.

    Return how many rows that was.
    """
    return connection.execute(
        "UPDATE templedb.migration SET state = %s, error = %s,"
        " finished_at = pg_catalog.clock_timestamp(),"
        " run_seq = pg_catalog.nextval('templedb.migration_seq')"
        " WHERE project = %s AND scope = '' AND key = %s AND attempt_id = %s",
        [state.value, error, *which],
    ).rowcount


def about(step: Migration, script: Script, claim: Claim) -> list[Any]:
    """Return what a row says of its file."""
    text = kept_text(script.text, step.reading, step.blob)
    kind = "repeatable" if script.asked.repeatable else "run"
    sums = [step.checksums.text, TEXT_CHECKSUM, step.checksums.tokens, TOKEN_CHECKSUM]
    return [claim.project, step.key, kind, step.file, step.layout, *sums, text]


def by_whom(claim: Claim) -> list[Any]:
    """Return what a row says of who wrote it."""
    return [claim.run, claim.plan, claim.client, claim.version]


def stands(connection: Connection, project: str, key: str) -> int:
    """Return how many steps of a migration the ledger counts as done."""
    row = connection.execute(
        "SELECT step_done FROM templedb.migration WHERE project = %s AND scope = '' AND key = %s",
        [project, key],
    ).fetchone()
    return int(row[0]) if row else 0
