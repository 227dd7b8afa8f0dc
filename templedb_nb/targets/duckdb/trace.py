"""What the ledger in a DuckDB file holds of a run whose process died."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from templedb_nb.model.trace import APPLIED, Lookup, Trace
from templedb_nb.targets.duckdb.ledger import NOW, fitted, present
from templedb_nb.targets.traces import trace_of

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

_KNOWN = "SELECT 1 FROM templedb.run WHERE id = $run AND scope = ''"
_ROW = """
SELECT attempt_id, state, steps, step_done, step_started FROM templedb.migration
WHERE project = $project AND scope = '' AND (attempt_id = $attempt OR key = $key)
ORDER BY attempt_id <> $attempt LIMIT 1
"""
_NOTED = """
SELECT what, attempt_id = $attempt FROM templedb.event
WHERE project = $project AND scope = ''
  AND (attempt_id = $attempt OR detail->>'$.applied_attempt' = $attempt)
ORDER BY id
"""
_RESTORED = """
SELECT 1 FROM templedb.event e JOIN templedb.run r ON r.id = $run
WHERE e.project = $project AND e.scope = '' AND r.scope = '' AND e.what = 'restore-ledger'
  AND e.happened_at > r.started_at LIMIT 1
"""
_COMMAND = (
    "SELECT state, exit_status FROM templedb.command WHERE attempt_id = $attempt AND scope = ''"
)
_SIGN = f"""
SELECT epoch({NOW} - max(sign)) FROM (
  SELECT started_at AS sign FROM templedb.run WHERE id = $run AND scope = ''
  UNION ALL
  SELECT greatest(started_at, finished_at) FROM templedb.migration
  WHERE project = $project AND scope = '' AND run = $run
  UNION ALL
  SELECT happened_at FROM templedb.event
  WHERE project = $project AND scope = '' AND attempt_id = $attempt
  UNION ALL
  SELECT CASE WHEN state = 'resolved' THEN started_at ELSE greatest(started_at, finished_at) END
  FROM templedb.command WHERE run = $run AND scope = ''
)
"""


def trace(connection: Connection, lookup: Lookup) -> Trace:
    """Return what the ledger holds of the attempt that *lookup* names."""
    if not present(connection):
        return Trace()
    return trace_of(
        lookup,
        known=_rows(connection, _KNOWN, lookup).fetchone(),
        migration=_rows(connection, _ROW, lookup).fetchone(),
        noted=_rows(connection, _NOTED, lookup).fetchall(),
        command=_rows(connection, _COMMAND, lookup).fetchone(),
        restored=_rows(connection, _RESTORED, lookup).fetchone(),
        sign=_rows(connection, _SIGN, lookup).fetchone(),
    )


def _rows(connection: Connection, sql: str, lookup: Lookup) -> Connection:
    """Return what *sql* finds, given the values that it names: DuckDB refuses others."""
    values = {name: value for name, value in asdict(lookup).items() if f"${name}" in sql}
    return connection.execute(fitted(connection, sql), values)


def applied_attempts(connection: Connection, project: str) -> frozenset[str]:
    """Return the attempts of which an event says that they took effect, in their transaction."""
    if not present(connection):
        return frozenset()
    query = "SELECT attempt_id FROM templedb.event WHERE project = ? AND scope = '' AND what = ?"
    rows = connection.execute(fitted(connection, query), [project, APPLIED]).fetchall()
    return frozenset(attempt for (attempt,) in rows)
