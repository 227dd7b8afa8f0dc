"""What the ledger in PostgreSQL holds of a run whose process died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from templedb_nb.model.trace import APPLIED, Lookup, Trace
from templedb_nb.targets import ledger_rows
from templedb_nb.targets.postgres.connection.connect import Connection
from templedb_nb.targets.postgres.ledger.snapshot import fitted, present, snapshot, version
from templedb_nb.targets.traces import trace_of

_KNOWN = "SELECT 1 FROM templedb.run WHERE id = %(run)s AND scope = ''"
_ROW = """
SELECT attempt_id, state, steps, step_done, step_started FROM templedb.migration
WHERE project = %(project)s AND scope = '' AND (attempt_id = %(attempt)s OR key = %(key)s)
ORDER BY attempt_id <> %(attempt)s LIMIT 1
"""
_NOTED = """
SELECT what, attempt_id = %(attempt)s FROM templedb.event
WHERE project = %(project)s AND scope = ''
  AND (attempt_id = %(attempt)s OR detail->>'applied_attempt' = %(attempt)s)
ORDER BY id
"""
_RESTORED = """
SELECT 1 FROM templedb.event e JOIN templedb.run r ON r.id = %(run)s
WHERE e.project = %(project)s AND e.scope = '' AND r.scope = '' AND e.what = 'restore-ledger'
  AND e.happened_at > r.started_at LIMIT 1
"""
_COMMAND = (
    "SELECT state, exit_status FROM templedb.command WHERE attempt_id = %(attempt)s AND scope = ''"
)
_SIGN = """
SELECT extract(epoch FROM pg_catalog.clock_timestamp() - max(sign))::float8 FROM (
  SELECT started_at FROM templedb.run WHERE id = %(run)s AND scope = ''
  UNION ALL
  SELECT heartbeat FROM templedb.lock
  WHERE project = %(project)s AND scope = '' AND run = %(run)s
  UNION ALL
  SELECT greatest(started_at, finished_at) FROM templedb.migration
  WHERE project = %(project)s AND scope = '' AND run = %(run)s
  UNION ALL
  SELECT happened_at FROM templedb.event
  WHERE project = %(project)s AND scope = '' AND attempt_id = %(attempt)s
  UNION ALL
  SELECT CASE WHEN state = 'resolved' THEN started_at ELSE greatest(started_at, finished_at) END
  FROM templedb.command WHERE run = %(run)s AND scope = ''
) AS signs (sign)
"""


def trace(connection: Connection, lookup: Lookup) -> Trace:
    """Return what the ledger holds of the attempt that *lookup* names, as of one moment."""
    about = asdict(lookup)
    with snapshot(connection):
        if not present(connection):
            return Trace()
        form = version(connection)
        known, row, noted, command, restored, sign = (
            connection.execute(ledger_rows.fitted(query, form).encode(), about).fetchall()
            for query in (_KNOWN, _ROW, _NOTED, _COMMAND, _RESTORED, _SIGN)
        )
    return trace_of(
        lookup,
        known=_first(known),
        migration=_first(row),
        noted=noted,
        command=_first(command),
        restored=_first(restored),
        sign=_first(sign),
    )


def _first(rows: Sequence[Sequence[Any]]) -> Sequence[Any] | None:
    return rows[0] if rows else None


def applied_attempts(connection: Connection, project: str) -> frozenset[str]:
    """Return the attempts of which an event says that they took effect, in their transaction."""
    query = "SELECT attempt_id FROM templedb.event WHERE project = %s AND scope = '' AND what = %s"
    rows = connection.execute(fitted(connection, query), [project, APPLIED])
    return frozenset(attempt for (attempt,) in rows)
