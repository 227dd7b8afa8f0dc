"""Who holds a target, who froze it, and how a lock is taken from a holder that is gone."""

from __future__ import annotations

import json
import time

from templedb_nb.errors import Busy, Unresolved, UsageProblem
from templedb_nb.model.cancel_request import CancelRequest
from templedb_nb.model.event import Blocker
from templedb_nb.model.ledger import Freeze, LockHolder
from templedb_nb.model.serialization import to_plain
from templedb_nb.targets.ledger_rows import UNTIL
from templedb_nb.targets.postgres.connection.blockers import blockers
from templedb_nb.targets.postgres.connection.blockers import unblock as take_away
from templedb_nb.targets.postgres.connection.connect import Connection
from templedb_nb.targets.postgres.connection.lock import halves, places, psql_key
from templedb_nb.targets.postgres.ledger import snapshot as ledger_sql
from templedb_nb.targets.postgres.ledger.snapshot import fitted

FRESH_S = 30
"""A heartbeat as young as this belongs to somebody who lives."""
_END_S = 10.0
_HELD = """
SELECT l.run, l.owner, l.host, l.pid, l.reason, l.since,
       extract(epoch FROM pg_catalog.clock_timestamp() - l.heartbeat)::float8,
       s.pid, coalesce(s.state, ''), coalesce(s.query, ''), {until}
FROM templedb.lock l
LEFT JOIN LATERAL (
    SELECT k.pid, a.state, a.query FROM pg_catalog.pg_locks k
    LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = k.pid
    WHERE k.locktype = 'advisory' AND k.granted AND k.objsubid = 1
      AND (k.classid, k.objid) IN ((%s, %s), (%s, %s))
      AND k.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    LIMIT 1
) s ON true
WHERE l.project = %s AND l.scope = ''
""".replace("{until}", UNTIL)

_ENDED = """
SELECT pid, pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid IS NOT NULL
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND classid = %s AND objid = %s
"""


def held(connection: Connection, project: str) -> LockHolder | None:
    """Return who holds the lock, and whether the server still has their session."""
    row = connection.execute(fitted(connection, _HELD), [*places(project), project]).fetchone()
    if row is None:
        return None
    run, owner, host, pid, reason, since, age, backend, state, query, until, left = row
    return LockHolder(
        run=run,
        owner=owner,
        host=host,
        pid=pid,
        reason=reason,
        since=since,
        heartbeat_s=round(age),
        backend=backend,
        doing=query if state == "active" else state,
        until=until,
        left_s=left,
    )


def freeze(connection: Connection, project: str, wanted: Freeze) -> None:
    """Keep every run away until somebody lifts the freeze."""
    query = (
        "INSERT INTO templedb.meta (k, v) VALUES (%s, %s)"
        " ON CONFLICT (k, scope) DO UPDATE SET v = excluded.v"
    )
    with connection.transaction():
        kept = [f"freeze/{project}", json.dumps(to_plain(wanted))]
        connection.execute(fitted(connection, query), kept)
        _event(connection, project, "freeze", {"by": wanted.by, "reason": wanted.reason})


def thaw(connection: Connection, project: str, by: str, reason: str) -> bool:
    """Lift the freeze; say whether there was one."""
    with connection.transaction():
        query = "DELETE FROM templedb.meta WHERE k = %s AND scope = '' RETURNING v"
        found = connection.execute(fitted(connection, query), [f"freeze/{project}"]).fetchone()
        if found:
            detail = {"by": by, "reason": reason, "was": json.loads(found[0])}
            _event(connection, project, "thaw", detail)
    return found is not None


def ask_to_end(connection: Connection, project: str, run: str, wanted: CancelRequest) -> bool:
    """Let the holder's next heartbeat hear that somebody wants an end; say whether it holds."""
    query = (
        "UPDATE templedb.lock SET cancel = %s"
        " WHERE project = %s AND scope = '' AND run = %s RETURNING 1"
    )
    found = connection.execute(fitted(connection, query), [str(wanted), project, run])
    return found.fetchone() is not None


def whom_it_waits_for(connection: Connection, project: str) -> tuple[Blocker, ...]:
    """Return who is in the way of the session that holds the lock."""
    found = held(connection, project)
    return blockers(connection, found.backend) if found and found.backend else ()


def unblock(
    connection: Connection, project: str, pid: int, by: str, reason: str, *, terminate: bool
) -> None:
    """Take a session out of the holder's way, and record who did so."""
    found = held(connection, project)
    if found is None or found.backend is None:
        raise UsageProblem("no run holds the lock, so no run waits")
    gone = take_away(connection, found.backend, pid, terminate=terminate)
    detail: dict[str, object] = {"by": by, "reason": reason, "run": found.run}
    what = "terminate" if terminate else "cancel"
    _event(connection, project, what, {**detail, "session": str(gone)})


def steal(
    connection: Connection, project: str, expect: str, by: str, reason: str, *, terminate: bool
) -> None:
    """Take the lock from a holder that is gone, and record who did so.

    Raises `Busy` while its heart beats, or while the server has its session and *terminate* does
    not say to end that.
    """
    holder = held(connection, project)
    if holder is None:
        raise UsageProblem("nobody holds the lock: there is nothing to steal")
    if not holder.run.startswith(expect):
        raise UsageProblem(f"the holder is now {holder}, not run {expect}")
    if holder.backend is not None:
        _end_session(connection, project, holder, terminate=terminate)
    with connection.transaction():
        query = "DELETE FROM templedb.lock WHERE project = %s AND scope = '' AND run = %s"
        connection.execute(fitted(connection, query), [project, holder.run])
        _event(
            connection,
            project,
            "steal",
            {"by": by, "reason": reason, "run": holder.run, "owner": holder.owner},
        )


def end_psql(connection: Connection, project: str) -> None:
    """End the session of a psql that is gone, so that nothing of it can still be committed.

    Raises `Unresolved` where it does not end: it may commit later.
    """
    end, key = time.monotonic() + _END_S, halves(psql_key(project))
    while found := connection.execute(_ENDED, key).fetchall():
        if time.monotonic() > end:
            pids = ", ".join(str(pid) for pid, _ in found)
            message = f"psql is gone, but the server still works for it (session {pids})"
            raise Unresolved(message, hint="end that session, then: templedb deploy run")
        time.sleep(0.05)


def rebind(connection: Connection, project: str, by: str, reason: str) -> str:
    """Call a copy a database of its own: a new identity, its rows inherited; return what it was.

    What the original left open (commands, its lock) does not concern the copy.
    """
    with connection.transaction():
        row = connection.execute("SELECT v FROM templedb.meta WHERE k = 'target_uuid'").fetchone()
        was = str(row[0]) if row else ""
        connection.execute(
            "UPDATE templedb.meta SET v = gen_random_uuid()::text WHERE k = 'target_uuid'"
        )
        connection.execute(
            "UPDATE templedb.meta SET v = %s WHERE k = 'system'", [ledger_sql.system(connection)]
        )
        connection.execute(
            "UPDATE templedb.migration SET kind = 'inherited' WHERE state = 'applied'"
        )
        connection.execute(
            "UPDATE templedb.command SET state = 'resolved' WHERE state IN ('running', 'unknown')"
        )
        connection.execute("DELETE FROM templedb.lock")
        _event(connection, project, "rebind", {"by": by, "reason": reason, "was": was})
    return was


def _end_session(
    connection: Connection, project: str, holder: LockHolder, *, terminate: bool
) -> None:
    if holder.heartbeat_s <= FRESH_S:
        told = f"its last heartbeat is {holder.heartbeat_s} s old"
        hint = f"ask it to stop: templedb run cancel {holder.run} --reason WHY"
        raise Busy(f"{holder} is alive: {told}", hint=hint)
    if not terminate:
        message = (
            f"{holder} has no heartbeat, but the server still has its session ({holder.backend})"
        )
        raise Busy(message, hint="end that session too: add --terminate")
    connection.execute("SELECT pg_catalog.pg_terminate_backend(%s)", [holder.backend])
    end = time.monotonic() + _END_S
    while (left := held(connection, project)) and left.backend == holder.backend:
        if time.monotonic() > end:
            raise Busy(f"session {holder.backend} does not end: {left.doing}")
        time.sleep(0.1)


def _event(connection: Connection, project: str, what: str, detail: dict[str, object]) -> None:
    connection.execute(
        "INSERT INTO templedb.event (project, what, detail) VALUES (%s, %s, %s::jsonb)",
        [project, what, json.dumps(detail)],
    )
