"""Tables as pandas DataFrames, with proper types: times in UTC, durations, categories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from templedb_nb.model.approval import ApprovalList
from templedb_nb.model.compatibility import Compat
from templedb_nb.model.difference import Blame
from templedb_nb.model.drift import ChangeKind, DriftReport, TargetsDiffer
from templedb_nb.model.event import Outcome
from templedb_nb.model.foreign_history import Adoption, ImportConfidence
from templedb_nb.model.health import Cause, Health, Measured
from templedb_nb.model.health_history import HealthTries
from templedb_nb.model.history import (
    Answer,
    DeployHistory,
    DeployStats,
    DeployStatus,
    MigrationHistory,
)
from templedb_nb.model.ledger import Entry, State
from templedb_nb.model.lint import LintReport
from templedb_nb.model.listings import (
    ConfigHistory,
    FileList,
    ProjectList,
    TargetList,
    VariableList,
)
from templedb_nb.model.plan import Preview
from templedb_nb.model.promotion import ReleaseTable
from templedb_nb.model.result import Result
from templedb_nb.model.rollback_summary import RollbackList
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.status import Board, FileState, MigrationStatus, StatusTable
from templedb_nb.model.step import Apply
from templedb_nb.model.step_result import StepState
from templedb_nb.model.variable import Keeping
from templedb_nb.model.waiting import WaitingList
from templedb_nb.views.cells import (
    APPROVALS,
    COUNTS,
    RATE,
    SPANS,
    TEXT,
    TIMES,
    WAITING_PLANS,
    WORDS,
    Column,
    answer_frame,
)

if TYPE_CHECKING:
    import pandas as pd


def _target(row: Any) -> Any:
    return row.target


_STATUS: Sequence[Column] = (
    ("target", TEXT, _target),
    ("protected", TEXT, lambda r: r.protected),
    ("applied", COUNTS, lambda r: r.applied),
    ("pending", COUNTS, lambda r: r.pending),
    ("attention", COUNTS, lambda r: r.attention),
    ("last_outcome", Outcome, lambda r: r.last_outcome and r.last_outcome.value),
    ("last_run", TEXT, lambda r: r.last_run),
    ("last_at", TIMES, lambda r: r.last_at),
    ("release", COUNTS, lambda r: r.release),
    ("note", TEXT, lambda r: r.note),
    ("last_health", Measured, lambda r: r.last_health and r.last_health.value),
    ("last_kind", RunKind, lambda r: r.last_kind and r.last_kind.value),
)

_CHANGES: Sequence[Column] = (
    ("database", WORDS, lambda r: r.database),
    ("object", TEXT, lambda r: r.change.name),
    ("change", ChangeKind, lambda r: r.change.kind.value),
    ("before", TEXT, lambda r: r.change.before),
    ("after", TEXT, lambda r: r.change.after),
)

_DELIVERY: Sequence[Column] = (
    ("deployments", COUNTS, lambda r: r.deployments),
    ("deployed", COUNTS, lambda r: r.deployed),
    ("per_week", RATE, lambda r: r.per_week),
    ("lead_time", SPANS, lambda r: _milliseconds(r.lead_ms)),
    ("changes_failed", COUNTS, lambda r: r.changes_failed),
    ("change_failure_rate", RATE, lambda r: r.change_failure_rate),
    ("time_to_restore", SPANS, lambda r: _milliseconds(r.restore_ms)),
    ("not_restored", COUNTS, lambda r: r.not_restored),
    ("rework", COUNTS, lambda r: r.rework),
    ("rework_rate", RATE, lambda r: r.rework_rate),
)

COLUMNS: dict[type, Sequence[Column]] = {
    ApprovalList: APPROVALS,
    WaitingList: WAITING_PLANS,
    MigrationStatus: (
        ("file", TEXT, lambda r: r.file),
        ("state", FileState, lambda r: r.state.value),
        ("group", WORDS, lambda r: r.group),
        ("database", WORDS, lambda r: r.database),
        ("applied_at", TIMES, lambda r: r.entry and r.entry.finished_at),
        ("applied_by", TEXT, lambda r: r.entry and r.entry.client),
        ("checksum", TEXT, lambda r: r.entry and r.entry.checksums.text),
        ("note", TEXT, lambda r: r.note),
        ("mend", TEXT, lambda r: r.mend),
        ("compat", Compat, lambda r: r.compatibility and r.compatibility.word.value),
        ("compat_reason", TEXT, lambda r: r.compatibility and r.compatibility.reason),
    ),
    Adoption: (
        ("key", TEXT, lambda r: r.key),
        ("file", TEXT, lambda r: r.file),
        ("verdict", ImportConfidence, lambda r: r.verdict.value),
        ("known", TEXT, lambda r: r.known),
        ("at", TEXT, lambda r: r.at),
        ("note", TEXT, lambda r: r.note),
    ),
    DriftReport: _CHANGES,
    TargetsDiffer: _CHANGES,
    LintReport: (
        ("file", TEXT, lambda r: r.file),
        ("line", COUNTS, lambda r: r.line),
        ("rule", WORDS, lambda r: r.rule),
        ("source", WORDS, lambda r: r.source),
        ("message", TEXT, lambda r: r.message),
        ("safer", TEXT, lambda r: r.mend),
    ),
    Board: (
        ("project", TEXT, lambda r: r.slug),
        *_STATUS,
    ),
    StatusTable: _STATUS,
    Blame: (
        ("at", TIMES, lambda r: r.at),
        ("what", TEXT, lambda r: r.what),
        ("by", TEXT, lambda r: r.by),
        ("about", TEXT, lambda r: r.about),
    ),
    MigrationHistory: (
        ("file", TEXT, lambda r: r.entry.file),
        ("state", State, lambda r: r.entry.state.value),
        ("how", WORDS, lambda r: r.entry.kind.value),
        ("target", WORDS, _target),
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
        ("target", WORDS, _target),
        ("outcome", Outcome, lambda r: r.outcome and r.outcome.value),
        ("started_at", TIMES, lambda r: r.started_at),
        ("finished_at", TIMES, lambda r: r.finished_at),
        ("took", SPANS, lambda r: _milliseconds(r.elapsed_ms)),
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
    ReleaseTable: (
        ("release", COUNTS, lambda r: r.release or None),
        ("target", WORDS, lambda r: r.target or None),
        ("in_place", TEXT, lambda r: r.in_place),
        ("since", TIMES, lambda r: r.since),
        ("started_by", TEXT, lambda r: r.started_by),
        ("run", TEXT, lambda r: r.run),
        ("kind", RunKind, lambda r: r.run_kind and r.run_kind.value),
        ("health", Measured, lambda r: r.health and r.health.value),
        ("note", TEXT, lambda r: r.note),
        ("next_to", TEXT, lambda r: ", ".join(r.next_to)),
        ("made_at", TIMES, lambda r: r.made_at),
        ("tree", TEXT, lambda r: r.tree),
    ),
    HealthTries: (
        ("step", COUNTS, lambda r: r.step),
        ("check_name", WORDS, lambda r: r.check),
        ("measured_at", TIMES, lambda r: r.measured_at),
        ("outcome", Health, lambda r: r.outcome.value),
        ("cause", Cause, lambda r: r.cause.value),
        ("latency", SPANS, lambda r: _milliseconds(r.latency_ms)),
        ("message", TEXT, lambda r: r.message),
    ),
    DeployStatus: (
        ("target", TEXT, _target),
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
        ("target", WORDS, _target),
        ("span", TEXT, lambda r: r.span),
        ("runs", COUNTS, lambda r: r.runs),
        ("succeeded", COUNTS, lambda r: r.succeeded),
        ("failed", COUNTS, lambda r: r.failed),
        ("cancelled", COUNTS, lambda r: r.cancelled),
        ("timed_out", COUNTS, lambda r: r.timed_out),
        ("unknown", COUNTS, lambda r: r.unknown),
        ("failure_rate", TEXT, lambda r: r.failure_rate),
        ("applied", COUNTS, lambda r: r.applied),
        ("median", SPANS, lambda r: _milliseconds(r.median_ms)),
        ("p90", SPANS, lambda r: _milliseconds(r.p90_ms)),
        *_DELIVERY,
    ),
    TargetList: (
        ("target", TEXT, lambda r: r.name),
        ("type", WORDS, lambda r: r.type.value),
        ("provider", TEXT, lambda r: r.provider),
        ("host", TEXT, lambda r: r.host),
        ("region", TEXT, lambda r: r.region),
        ("protected", TEXT, lambda r: r.protected),
    ),
    ProjectList: (
        ("project", TEXT, lambda r: r.project.slug),
        ("release", COUNTS, lambda r: r.release),
        ("files", COUNTS, lambda r: r.files),
        ("size", COUNTS, lambda r: r.size),
        ("synced_at", TIMES, lambda r: r.synced_at),
        ("targets", COUNTS, lambda r: r.targets),
        ("folder", TEXT, lambda r: r.project.root),
    ),
    FileList: (
        ("path", TEXT, lambda r: r.path),
        ("size", COUNTS, lambda r: r.size),
        ("executable", TEXT, lambda r: r.executable),
        ("content", TEXT, lambda r: r.blob),
    ),
    VariableList: (
        ("variable", TEXT, lambda r: r.name),
        ("target", TEXT, lambda r: r.target or ""),
        ("kept", WORDS, lambda r: r.keeping.value),
        ("value", TEXT, lambda r: "***" if r.keeping is Keeping.SEALED else r.text),
        ("set_at", TIMES, lambda r: r.set_at),
        ("set_by", TEXT, lambda r: r.set_by),
    ),
    ConfigHistory: (
        ("version", COUNTS, lambda r: r.version),
        ("set_at", TIMES, lambda r: r.set_at),
        ("set_by", TEXT, lambda r: r.set_by),
        ("groups", TEXT, lambda r: ", ".join(r.groups)),
        ("note", TEXT, lambda r: r.note),
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
    ("took", SPANS, lambda r: _milliseconds(r[1].duration_ms)),
    ("exit_status", COUNTS, lambda r: r[1].exit_status),
    ("message", TEXT, lambda r: r[1].message),
    ("log", TEXT, lambda r: r[1].log and r[1].log.path),
    ("warnings", COUNTS, lambda r: r[1].warnings),
    ("notices", COUNTS, lambda r: r[1].notices),
    ("rows", COUNTS, lambda r: r[1].rows),
)


def frame(value: Any) -> pd.DataFrame | None:
    """Return a table as a DataFrame, or None for a value that is none.

    Times are ``datetime64[us, UTC]``, durations ``timedelta64``, words of a fixed set categories,
    counts nullable ``Int64``, rates nullable ``Float64``. A `MigrationStatus` has its counts in
    ``attrs``, a `DeployStats` what its columns mean.
    """
    if isinstance(value, Answer):
        return answer_frame(value)
    columns = COLUMNS.get(type(value))
    if columns is None:
        return None
    made = _table(columns, value.shown if isinstance(value, MigrationStatus) else value.rows)
    if isinstance(value, ApprovalList) and value.note:
        made.attrs.update(note=value.note)
    if isinstance(value, WaitingList):
        made.attrs.update(rejected=value.rejected, ready=value.ready, notes=value.notes)
    if isinstance(value, ReleaseTable):
        made.attrs.update(project=value.slug, notes=value.notes)
    if isinstance(value, DeployStats):
        made.attrs.update(project=value.slug, definitions=value.definitions)
    if isinstance(value, HealthTries):
        made.attrs.update(run=value.run, project=value.slug, target=value.target)
        made.attrs.update(health=value.health.value)
    if isinstance(value, MigrationStatus):
        made.attrs.update(project=value.slug, target=value.target)
        made.attrs.update(applied=value.applied, pending=value.pending)
    return made


def steps(value: Result | Preview) -> pd.DataFrame:
    """Return the steps of a run or of a plan, a row each; `step` counts from 1.

    Those of a run have the columns of the view ``steps``, but for what is the same in all: that is
    in ``attrs``.
    """
    if isinstance(value, Preview):
        found = {each.file: each.compatibility for each in value.draft.scripts}
        planned = enumerate(value.plan.steps, start=1)
        rows = [(n, s, found.get(s.file) if isinstance(s, Apply) else None) for n, s in planned]
        made = _table(PLANNED, rows)
        made.attrs.update(plan=value.plan.id, project=value.slug, target=value.plan.target)
        return made
    began = value.started_at
    made = _table(RAN, [(n, step, began) for n, step in enumerate(value.steps, start=1)])
    made.attrs.update(run=value.run, project=value.slug, target=value.target)
    return made


def _table(columns: Sequence[Column], rows: Sequence[Any]) -> pd.DataFrame:
    import pandas as pd

    series = {name: _series([pick(row) for row in rows], kind) for name, kind, pick in columns}
    return pd.DataFrame(series, columns=[name for name, _, _ in columns])


def _at(began: datetime | None, after_ms: int | None) -> datetime | None:
    return began + timedelta(milliseconds=after_ms) if began and after_ms is not None else None


def _series(values: list[Any], kind: str | type[StrEnum]) -> pd.Series[Any]:
    import pandas as pd

    if isinstance(kind, type):  # the same categories in every table, so that two can be compared
        return pd.Series(pd.Categorical(values, categories=[each.value for each in kind]))
    match kind:
        case "time":
            return pd.Series(pd.to_datetime(pd.Series(values, dtype=object), utc=True)).dt.as_unit(
                "us"
            )
        case "span":
            return pd.Series(values, dtype="timedelta64[ms]")
        case "word":
            return pd.Series(values, dtype="category")
        case "count":
            return pd.Series(values, dtype="Int64")
        case "rate":
            return pd.Series(values, dtype="Float64")
        case _:
            return pd.Series(values)


def _took(entry: Entry) -> timedelta | None:
    """Return how long the migration took; a row that says it was rolled back tells of neither."""
    start, end = entry.started_at, entry.finished_at
    return end - start if start and end and entry.state is not State.REVERTED else None


def _milliseconds(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(milliseconds=count)
