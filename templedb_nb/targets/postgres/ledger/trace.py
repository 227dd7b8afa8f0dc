"""What the ledger in PostgreSQL holds of a run whose process died."""

from __future__ import annotations

from dataclasses import asdict

from templedb_nb.model.trace import Lookup, Trace
from templedb_nb.targets.postgres.connection.connect import Connection
from templedb_nb.targets.postgres.ledger.snapshot import present, snapshot
from templedb_nb.targets.traces import trace_of

_KNOWN = "SELECT 1 FROM templedb.run WHERE id = %(run)s"
_ROW = """
SELECT attempt_id, state, steps, step_done, step_started FROM templedb.migration
WHERE project = %(project)s AND (attempt_id = %(attempt)s OR key = %(key)s)
ORDER BY attempt_id <> %(attempt)s LIMIT 1
"""
_NOTED = """
SELECT what, attempt_id = %(attempt)s FROM templedb.event
WHERE project = %(project)s
  AND (attempt_id = %(attempt)s OR detail->>'applied_attempt' = %(attempt)s)
ORDER BY id
"""
_RESTORED = """
SELECT 1 FROM templedb.event e JOIN templedb.run r ON r.id = %(run)s
WHERE e.project = %(project)s AND e.what = 'restore-ledger' AND e.happened_at > r.started_at LIMIT 1
"""
_COMMAND = "SELECT state, exit_status FROM templedb.command WHERE attempt_id = %(attempt)s"
_SIGN = """
SELECT extract(epoch FROM pg_catalog.clock_timestamp() - max(sign))::float8 FROM (
  SELECT started_at FROM templedb.run WHERE id = %(run)s
  UNION ALL
  SELECT heartbeat FROM templedb.lock WHERE project = %(project)s AND run = %(run)s
  UNION ALL
  SELECT greatest(started_at, finished_at) FROM templedb.migration
  WHERE project = %(project)s AND run = %(run)s
  UNION ALL
  SELECT happened_at FROM templedb.event
  WHERE project = %(project)s AND attempt_id = %(attempt)s
  UNION ALL
  SELECT CASE WHEN state = 'resolved' THEN started_at ELSE greatest(started_at, finished_at) END
  FROM templedb.command WHERE run = %(run)s
) AS signs (sign)
"""


def trace(connection: Connection, lookup: Lookup) -> Trace:
    """Return what the ledger holds of the attempt that *lookup* names, as of one moment."""
    about = asdict(lookup)
    with snapshot(connection):
        if not present(connection):
            return Trace()
        return trace_of(
            lookup,
            known=connection.execute(_KNOWN, about).fetchone(),
            migration=connection.execute(_ROW, about).fetchone(),
            noted=connection.execute(_NOTED, about).fetchall(),
            command=connection.execute(_COMMAND, about).fetchone(),
            restored=connection.execute(_RESTORED, about).fetchone(),
            sign=connection.execute(_SIGN, about).fetchone(),
        )
