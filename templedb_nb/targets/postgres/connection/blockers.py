"""Who is in the way of a statement, and how somebody who may takes them out of it."""

from __future__ import annotations

import psycopg

from templedb_nb.core.sql.outline import outline
from templedb_nb.errors import TargetError, UsageProblem
from templedb_nb.model.event import Blocker
from templedb_nb.targets.postgres.connection.connect import Connection, first_line

DEPTH = 8
"""How far the chain of those who wait for one another is followed."""

_DENIED = "42501"
_BLOCKERS = """
WITH RECURSIVE chain (pid, depth) AS (
    SELECT pid, 1 FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(%(waiting)s)) AS first(pid)
    UNION
    SELECT next.pid, depth + 1
    FROM chain, pg_catalog.unnest(pg_catalog.pg_blocking_pids(chain.pid)) AS next(pid)
    WHERE depth < %(depth)s
)
SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.state, ''),
       coalesce(a.query, ''), a.xact_start, pg_catalog.pg_blocking_pids(a.pid),
       bool_or(chain.depth = 1)
FROM chain JOIN pg_catalog.pg_stat_activity a USING (pid)
GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 8 DESC, 1
"""


def blockers(connection: Connection, waiting: int) -> tuple[Blocker, ...]:
    """Return whom the session *waiting* waits for, and whom those wait for in turn."""
    rows = connection.execute(_BLOCKERS, {"waiting": waiting, "depth": DEPTH}).fetchall()
    return tuple(
        Blocker(
            pid=pid,
            role=str(role),
            application=application,
            state=state,
            query=outline(query),
            since=since,
            waits_for=tuple(waits_for),
            direct=direct,
        )
        for pid, role, application, state, query, since, waits_for, direct in rows
    )


def unblock(connection: Connection, waiting: int, pid: int, *, terminate: bool) -> Blocker:
    """Cancel the statement of session *pid*, or end it, if *waiting* waits for it; return who."""
    in_the_way = {each.pid: each for each in blockers(connection, waiting)}
    if pid not in in_the_way:
        others = ", ".join(map(str, in_the_way)) or "nobody"
        raise UsageProblem(f"the run does not wait for pid {pid} now; it waits for {others}")
    does = "terminate" if terminate else "cancel"
    try:
        connection.execute(f"SELECT pg_catalog.pg_{does}_backend(%s)", [pid])
    except psycopg.Error as error:
        if error.sqlstate != _DENIED:
            raise
        me, them = connection.info.user, in_the_way[pid].role
        hint = f"GRANT {them} TO {me}; or, for every session, GRANT pg_signal_backend TO {me};"
        message = f"role {me} may not {does} {in_the_way[pid]}: {first_line(error)}"
        raise TargetError(message, hint=hint) from None
    return in_the_way[pid]
