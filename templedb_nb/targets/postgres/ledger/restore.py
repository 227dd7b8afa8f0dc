"""Rows of migrations that a ledger in PostgreSQL lost, written again."""

from __future__ import annotations

from templedb_nb.core.migrations.kept_text import kept_text
from templedb_nb.model.ledger import FORMAT, TEXT_CHECKSUM, TOKEN_CHECKSUM
from templedb_nb.model.serialization import to_plain
from templedb_nb.model.step import Restore
from templedb_nb.ports.claim import Claim
from templedb_nb.targets.postgres.connection.connect import Connection
from templedb_nb.targets.postgres.ledger.guard import number
from templedb_nb.targets.postgres.ledger.records import record

EVENT = "restore-ledger"
_COLUMNS = (
    "project", "key", "kind", "file", "layout", "checksum", "checksum_alg", "token_checksum",
    "token_alg", "sql", "state", "mode", "steps", "step_done", "step_started", "attempt_id", "run",
    "plan", "xid", "applied_by", "client", "version", "started_at", "finished_at", "run_seq",
    "error",
)  # fmt: skip


def restore(connection: Connection, step: Restore, claim: Claim, attempt: str, text: str) -> None:
    """Write a row again as the ledger had it, with an event that keeps what stood there instead."""
    with connection.transaction():
        was = connection.execute(
            "SELECT pg_catalog.to_jsonb(m) - 'sql' FROM templedb.migration m"
            " WHERE project = %s AND scope = '' AND key = %s",
            [claim.project, step.key],
        ).fetchone()
        kept = kept_text(text, step.reading, step.entry.checksums.text)
        if was is None or not step.absent:
            _write(connection, step, claim.project, kept)
        _identify(connection, step)
        number(connection, "migration_seq", step.entry.run_seq)
        detail = to_plain(step)
        assert isinstance(detail, dict)  # noqa: S101 - a dataclass is an object
        told = {"by": claim.owner, "client": claim.client, "was": was[0] if was else None}
        record(connection, claim, step.key, attempt, EVENT, detail | told)


def _write(connection: Connection, step: Restore, project: str, text: str) -> None:
    entry = step.entry
    began = entry.started_at or entry.finished_at or "now"
    values = [
        project, entry.key, entry.kind.value, entry.file, step.layout, entry.checksums.text,
        TEXT_CHECKSUM, entry.checksums.tokens, TOKEN_CHECKSUM, text, entry.state.value, entry.mode,
        entry.steps, entry.step_done, entry.step_started, entry.attempt, "", entry.plan, "",
        entry.applied_by, entry.client, entry.version, began, entry.finished_at,
        entry.run_seq, entry.error,
    ]  # fmt: skip
    names, marks = ", ".join(_COLUMNS), ", ".join(["%s"] * len(_COLUMNS))
    kept = ("sql",) if not text else ()
    anew = ", ".join(f"{c} = excluded.{c}" for c in _COLUMNS[2:] if c not in kept)
    connection.execute(
        f"INSERT INTO templedb.migration ({names}) VALUES ({marks})"  # noqa: S608 - names of ours
        f" ON CONFLICT (project, scope, key) DO UPDATE SET {anew}".encode(),
        values,
    )


def _identify(connection: Connection, step: Restore) -> None:
    """Give the ledger the identity that it had, and its format where that fact is gone."""
    connection.execute(
        "INSERT INTO templedb.meta (k, v) VALUES ('format', %s) ON CONFLICT DO NOTHING",
        [str(FORMAT)],
    )
    if step.uuid:
        connection.execute(
            "INSERT INTO templedb.meta (k, v) VALUES ('target_uuid', %s)"
            " ON CONFLICT (k, scope) DO UPDATE SET v = excluded.v",
            [step.uuid],
        )
