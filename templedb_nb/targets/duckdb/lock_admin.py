"""Who holds a DuckDB target, and who froze it. Its lock file ends with its process."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from templedb_nb.model.ledger import Freeze, Ledger, LockHolder
from templedb_nb.model.serialization import to_plain
from templedb_nb.targets.duckdb.ledger import NOW, fitted

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection


def held(ledger: Ledger) -> LockHolder | None:
    """Return who holds the lock, as its row says; a row whose lock file is free holds nothing."""
    holder = ledger.holder
    if holder is None or not holder.live or holder.since is None:
        return None
    return LockHolder(
        run=holder.run,
        owner=holder.owner,
        host=holder.host,
        pid=holder.pid,
        reason=holder.reason,
        since=holder.since,
        heartbeat_s=0,
        backend=None,
        doing="",
        until=holder.until,
        left_s=holder.left_s,
    )


def freeze(connection: Connection, project: str, wanted: Freeze) -> None:
    """Keep every run away until somebody lifts the freeze."""
    connection.execute(
        "INSERT OR REPLACE INTO templedb.meta (k, v) VALUES (?, ?)",
        [f"freeze/{project}", json.dumps(to_plain(wanted))],
    )
    _event(connection, project, "freeze", {"by": wanted.by, "reason": wanted.reason})


def thaw(connection: Connection, project: str, by: str, reason: str) -> bool:
    """Lift the freeze; say whether there was one."""
    query = "DELETE FROM templedb.meta WHERE k = ? AND scope = '' RETURNING v"
    found = connection.execute(fitted(connection, query), [f"freeze/{project}"]).fetchone()
    if found:
        detail = {"by": by, "reason": reason, "was": json.loads(found[0])}
        _event(connection, project, "thaw", detail)
    return found is not None


def _event(connection: Connection, project: str, what: str, detail: dict[str, object]) -> None:
    connection.execute(
        f"INSERT INTO templedb.event (happened_at, project, what, detail) VALUES ({NOW}, ?, ?, ?)",
        [project, what, json.dumps(detail)],
    )
