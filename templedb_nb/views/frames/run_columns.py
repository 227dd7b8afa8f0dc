"""The columns of tables about runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from templedb_nb.model.compatibility import Compat
from templedb_nb.model.event import Outcome
from templedb_nb.model.health import Cause, Health, Measured
from templedb_nb.model.health_history import HealthTries
from templedb_nb.model.history import DeployHistory, DeployStats, DeployStatus, MigrationHistory
from templedb_nb.model.ledger import Entry, State
from templedb_nb.model.rollback_summary import RollbackList
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.step import Mode
from templedb_nb.model.step_result import StepState
from templedb_nb.views.frames.kinds import (
    COUNTS,
    RATE,
    RATIO,
    SPANS,
    TEXT,
    TIMES,
    WORDS,
    Column,
    milliseconds,
)

_DELIVERY: Sequence[Column] = (
    ("deployments", COUNTS, lambda r: r.deployments),
    ("deployed", COUNTS, lambda r: r.deployed),
    ("per_week", RATE, lambda r: r.per_week),
    ("lead_time", SPANS, lambda r: milliseconds(r.lead_ms)),
    ("changes_failed", COUNTS, lambda r: r.changes_failed),
    ("change_failure_rate", RATE, lambda r: r.change_failure_rate),
    ("time_to_restore", SPANS, lambda r: milliseconds(r.restore_ms)),
    ("not_restored", COUNTS, lambda r: r.not_restored),
    ("rework", COUNTS, lambda r: r.rework),
    ("rework_rate", RATE, lambda r: r.rework_rate),
)

RUN_COLUMNS: dict[type, Sequence[Column]] = {
    MigrationHistory: (
        ("file", TEXT, lambda r: r.entry.file),
        ("state", State, lambda r: r.entry.state.value),
        ("how", WORDS, lambda r: r.entry.kind.value),
        ("target", WORDS, lambda r: r.target),
        ("database", WORDS, lambda r: r.database),
        ("applied_at", TIMES, lambda r: r.entry.finished_at),
        ("took", SPANS, lambda r: _took(r.entry)),
        ("client", TEXT, lambda r: r.entry.client),
        ("role", TEXT, lambda r: r.entry.applied_by),
        ("checksum", TEXT, lambda r: r.entry.checksums.text),
        ("plan", TEXT, lambda r: r.entry.plan),
        ("error", TEXT, lambda r: r.entry.error),
    ),
    DeployHistory: (
        ("run", TEXT, lambda r: r.run),
        ("target", WORDS, lambda r: r.target),
        ("outcome", Outcome, lambda r: r.outcome and r.outcome.value),
        ("started_at", TIMES, lambda r: r.started_at),
        ("finished_at", TIMES, lambda r: r.finished_at),
        ("took", SPANS, lambda r: milliseconds(r.elapsed_ms)),
        ("steps", COUNTS, lambda r: r.steps),
        ("done", COUNTS, lambda r: r.done),
        ("applied", COUNTS, lambda r: r.applied),
        ("release", COUNTS, lambda r: r.release),
        ("exit_code", COUNTS, lambda r: r.exit_code),
        ("started_by", TEXT, lambda r: r.started_by),
        ("plan", TEXT, lambda r: r.plan),
        ("message", TEXT, lambda r: r.message),
        ("warnings", COUNTS, lambda r: r.warnings),
        ("health", Measured, lambda r: r.health and r.health.value),
        ("kind", RunKind, lambda r: r.run_kind and r.run_kind.value),
        ("parent_run", TEXT, lambda r: r.parent_run),
        ("rolled_back_by", TEXT, lambda r: r.rolled_back_by),
    ),
    RollbackList: (
        ("run", TEXT, lambda r: r.run),
        ("release", COUNTS, lambda r: r.release or None),
        ("kind", RunKind, lambda r: r.run_kind.value),
        ("finished_at", TIMES, lambda r: r.finished_at),
        ("started_by", TEXT, lambda r: r.started_by),
        ("default", TEXT, lambda r: r.default),
        ("why_not", TEXT, lambda r: r.why_not),
    ),
    HealthTries: (
        ("step", COUNTS, lambda r: r.step),
        ("check_name", WORDS, lambda r: r.check),
        ("measured_at", TIMES, lambda r: r.measured_at),
        ("outcome", Health, lambda r: r.outcome.value),
        ("cause", Cause, lambda r: r.cause.value),
        ("latency", SPANS, lambda r: milliseconds(r.latency_ms)),
        ("message", TEXT, lambda r: r.message),
    ),
    DeployStatus: (
        ("target", TEXT, lambda r: r.target),
        ("live_run", TEXT, lambda r: r.live_run),
        ("live_step", TEXT, lambda r: r.live_step),
        ("live_since", TIMES, lambda r: r.live_since),
        ("last_run", TEXT, lambda r: r.last_run),
        ("last_outcome", Outcome, lambda r: r.last_outcome and r.last_outcome.value),
        ("last_at", TIMES, lambda r: r.last_at),
        ("unresolved", TEXT, lambda r: r.unresolved),
        ("message", TEXT, lambda r: r.message),
        ("last_health", Measured, lambda r: r.last_health and r.last_health.value),
        ("last_kind", RunKind, lambda r: r.last_kind and r.last_kind.value),
        ("rollback", TEXT, lambda r: r.rollback.note if r.rollback else ""),
    ),
    DeployStats: (
        ("target", WORDS, lambda r: r.target),
        ("span", TEXT, lambda r: r.span),
        ("runs", COUNTS, lambda r: r.runs),
        ("succeeded", COUNTS, lambda r: r.succeeded),
        ("failed", COUNTS, lambda r: r.failed),
        ("cancelled", COUNTS, lambda r: r.cancelled),
        ("timed_out", COUNTS, lambda r: r.timed_out),
        ("unknown", COUNTS, lambda r: r.unknown),
        ("failure_rate", RATIO, lambda r: r.failure_rate),
        ("applied", COUNTS, lambda r: r.applied),
        ("median", SPANS, lambda r: milliseconds(r.median_ms)),
        ("p90", SPANS, lambda r: milliseconds(r.p90_ms)),
        *_DELIVERY,
    ),
}

PLANNED: Sequence[Column] = (
    ("step", COUNTS, lambda r: r[0]),
    ("group", WORDS, lambda r: r[1].group),
    ("phase", WORDS, lambda r: r[1].phase.value),
    ("kind", WORDS, lambda r: r[1].kind),
    ("title", TEXT, lambda r: r[1].title),
    ("compat", Compat, lambda r: r[2] and r[2].word.value),
    ("compat_reason", TEXT, lambda r: r[2] and r[2].reason),
)
RAN: Sequence[Column] = (
    ("step", COUNTS, lambda r: r[0]),
    ("group", WORDS, lambda r: r[1].label.group),
    ("phase", WORDS, lambda r: r[1].label.phase),
    ("kind", WORDS, lambda r: r[1].label.kind),
    ("title", TEXT, lambda r: r[1].label.title),
    ("state", StepState, lambda r: r[1].state.value),
    ("attempts", COUNTS, lambda r: r[1].attempts),
    ("started_at", TIMES, lambda r: _at(r[2], r[1].started_ms)),
    ("finished_at", TIMES, lambda r: _at(r[2], r[1].ended_ms)),
    ("took", SPANS, lambda r: milliseconds(r[1].duration_ms)),
    ("exit_status", COUNTS, lambda r: r[1].exit_status),
    ("message", TEXT, lambda r: r[1].message),
    ("log", TEXT, lambda r: r[1].log and r[1].log.path),
    ("warnings", COUNTS, lambda r: r[1].warnings),
    ("notices", COUNTS, lambda r: r[1].notices),
    ("rows", COUNTS, lambda r: r[1].rows),
)


def _at(began: datetime | None, after_ms: int | None) -> datetime | None:
    return began + timedelta(milliseconds=after_ms) if began and after_ms is not None else None


def _took(entry: Entry) -> timedelta | None:
    """Return how long the migration took, where its row knows more than one moment.

    The row of a transaction has that of its claim alone; one that was rolled back tells of neither.
    """
    start, end = entry.started_at, entry.finished_at
    told = entry.mode == Mode.STATEMENTS and entry.state is not State.REVERTED
    return end - start if start and end and told else None
