"""A ledger in a DuckDB file that was damaged, written again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from templedb_nb.core.migrations.kept_text import kept_text
from templedb_nb.model.ledger import FORMAT, TEXT_CHECKSUM, TOKEN_CHECKSUM
from templedb_nb.model.serialization import to_plain
from templedb_nb.model.step import Restore
from templedb_nb.ports.claim import Claim
from templedb_nb.targets.duckdb import ledger as ledger_sql

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

EVENT = "restore-ledger"
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
"""When a migration began of which nobody knows that any more."""
_COLUMNS = (
    "project", "key", "kind", "file", "layout", "checksum", "checksum_alg", "token_checksum",
    "token_alg", "sql", "state", "mode", "steps", "step_done", "step_started", "attempt_id", "run",
    "plan", "xid", "applied_by", "client", "version", "started_at", "finished_at", "run_seq",
    "error",
)  # fmt: skip


def restore(connection: Connection, step: Restore, claim: Claim, attempt: str, text: str) -> None:
    """Write a row again as the ledger had it, with an event that keeps what stood there instead."""
    connection.execute("BEGIN")
    was = connection.execute(
        "SELECT state, checksum, attempt_id FROM templedb.migration WHERE project = ?"
        " AND scope = '' AND key = ?",
        [claim.project, step.key],
    ).fetchone()
    kept = kept_text(text, step.reading, step.entry.checksums.text)
    if was is None or not step.absent:
        _write(connection, step, claim.project, kept)
    connection.execute(
        "INSERT OR IGNORE INTO templedb.meta (k, v) VALUES ('format', ?)", [str(FORMAT)]
    )
    if step.uuid:
        connection.execute(
            "INSERT OR REPLACE INTO templedb.meta (k, v) VALUES ('target_uuid', ?)", [step.uuid]
        )
    detail = to_plain(step)
    assert isinstance(detail, dict)  # noqa: S101 - a dataclass is an object
    told = {"by": claim.owner, "client": claim.client, "was": list(was) if was else None}
    ledger_sql.record(connection, claim.project, step.key, attempt, EVENT, detail | told)
    connection.execute("COMMIT")
    _number(connection, step.entry.run_seq)


def _write(connection: Connection, step: Restore, project: str, text: str) -> None:
    entry = step.entry
    began = _bare(entry.started_at or entry.finished_at or _UNKNOWN)
    values = [
        project, entry.key, entry.kind.value, entry.file, step.layout, entry.checksums.text,
        TEXT_CHECKSUM, entry.checksums.tokens, TOKEN_CHECKSUM, text, entry.state.value, entry.mode,
        entry.steps, entry.step_done, entry.step_started, entry.attempt, "", entry.plan, "",
        entry.applied_by, entry.client, entry.version, began, _bare(entry.finished_at),
        entry.run_seq, entry.error,
    ]  # fmt: skip
    kept = {"sql"} if not text else set()
    anew = ", ".join(f"{c} = excluded.{c}" for c in _COLUMNS[2:] if c not in kept)
    marks = ", ".join("?" * len(_COLUMNS))
    connection.execute(
        f"INSERT INTO templedb.migration ({', '.join(_COLUMNS)}) VALUES ({marks})"
        f" ON CONFLICT (project, scope, key) DO UPDATE SET {anew}",
        values,
    )


def _bare(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def _number(connection: Connection, used: int) -> None:
    """Let no later migration get a number that was given already."""
    given = 0
    while given < used:
        row = connection.execute("SELECT nextval('templedb.migration_seq')").fetchone()
        given = int(row[0]) if row else used
