"""The columns of every table that becomes a DataFrame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from templedb_nb.model.approval import ApprovalList, Verdict
from templedb_nb.model.board import Board
from templedb_nb.model.compatibility import Compat
from templedb_nb.model.difference import Blame
from templedb_nb.model.drift import ChangeKind, DriftReport, TargetsDiffer
from templedb_nb.model.event import Outcome
from templedb_nb.model.foreign_history import Adoption, ImportConfidence
from templedb_nb.model.health import Measured
from templedb_nb.model.lint import LintReport
from templedb_nb.model.listings import (
    ConfigHistory,
    FileList,
    ProjectList,
    TargetList,
    VariableList,
)
from templedb_nb.model.promotion import ReleaseTable
from templedb_nb.model.receiver import ReceiverKind, ReceiverList, ReceiverState
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.slots import RouterState, SlotsReport, SlotState
from templedb_nb.model.status import FileState, MigrationStatus, StatusTable
from templedb_nb.model.target_import import TargetChange, TargetImport
from templedb_nb.model.variable import Keeping
from templedb_nb.model.waiting import WaitingList
from templedb_nb.views.format import labels_told
from templedb_nb.views.frames.fleet_columns import FLEET_COLUMNS
from templedb_nb.views.frames.kinds import COUNTS, TEXT, TIMES, WORDS, Column
from templedb_nb.views.frames.run_columns import PLANNED, RAN, RUN_COLUMNS
from templedb_nb.views.slots import note, recorded

_STATUS: Sequence[Column] = (
    ("target", TEXT, lambda r: r.target),
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
    ("slots", TEXT, lambda r: recorded(r.slots)),
)

APPROVALS: Sequence[Column] = (
    ("given_at", TIMES, lambda r: r.given_at),
    ("verdict", Verdict, lambda r: r.verdict.value),
    ("plan", TEXT, lambda r: r.plan),
    ("target", WORDS, lambda r: r.target),
    ("given_by", TEXT, lambda r: r.given_by),
    ("identity", TEXT, lambda r: r.identity),
    ("through", WORDS, lambda r: r.through),
    ("used_by", TEXT, lambda r: r.used_by),
    ("reason", TEXT, lambda r: r.reason),
    ("bundle", TEXT, lambda r: r.bundle.content_hash if r.bundle else ""),
)
WAITING_PLANS: Sequence[Column] = (
    ("plan", TEXT, lambda r: r.plan),
    ("project", WORDS, lambda r: r.slug),
    ("target", WORDS, lambda r: r.target),
    ("release", COUNTS, lambda r: r.release or None),
    ("kind", RunKind, lambda r: r.run_kind.value),
    ("since", TIMES, lambda r: r.since),
    ("planned_by", TEXT, lambda r: r.planned_by),
    ("needed", COUNTS, lambda r: r.needed),
    ("missing", COUNTS, lambda r: r.missing),
    ("waits_for", TEXT, lambda r: r.waits_for),
    ("approved_by", TEXT, lambda r: ", ".join(r.approved_by)),
    ("expires_at", TIMES, lambda r: r.expires_at),
    ("supersedes", TEXT, lambda r: ", ".join(r.supersedes)),
    ("superseded_by", TEXT, lambda r: r.superseded_by),
    ("files_waiting", COUNTS, lambda r: r.alert.files if r.alert else 0),
    ("waiting_days", COUNTS, lambda r: r.alert.days if r.alert else None),
)

CHANGES: Sequence[Column] = (
    ("database", WORDS, lambda r: r.database),
    ("object", TEXT, lambda r: r.change.name),
    ("change", ChangeKind, lambda r: r.change.kind.value),
    ("before", TEXT, lambda r: r.change.before),
    ("after", TEXT, lambda r: r.change.after),
)
RECEIVERS: Sequence[Column] = (
    ("receiver", TEXT, lambda r: r.name),
    ("kind", ReceiverKind, lambda r: r.kind.value),
    ("state", ReceiverState, lambda r: r.state.value),
    ("events", TEXT, lambda r: ", ".join(r.events)),
    ("projects", TEXT, lambda r: ", ".join(r.projects)),
    ("targets", TEXT, lambda r: ", ".join(r.targets)),
    ("severity", WORDS, lambda r: r.urgency.value),
    ("since", TIMES, lambda r: r.since),
    ("delivered", COUNTS, lambda r: r.delivered),
    ("waiting", COUNTS, lambda r: r.waiting),
    ("dead", COUNTS, lambda r: r.dead),
    ("last_at", TIMES, lambda r: r.last_at),
    ("next_at", TIMES, lambda r: r.next_at),
    ("note", TEXT, lambda r: r.note),
)
SLOTS: Sequence[Column] = (
    ("group", WORDS, lambda r: r[0].group),
    ("slot", TEXT, lambda r: r[1].slot),
    ("serves", TEXT, lambda r: r[1].slot == r[0].live),
    ("state", SlotState, lambda r: r[1].state.value),
    ("release", COUNTS, lambda r: r[1].release or None),
    ("run", TEXT, lambda r: r[1].run),
    ("since", TIMES, lambda r: r[1].since),
    ("kept_until", TIMES, lambda r: r[1].keep_until if r[1].slot in r[0].kept else None),
    ("note", TEXT, lambda r: note(r[0], r[1])),
    ("router", RouterState, lambda r: r[0].reading.state.value),
    ("recorded_live", TEXT, lambda r: r[0].recorded),
    ("healthy_at", TIMES, lambda r: r[1].healthy_at),
    ("tree", TEXT, lambda r: r[1].tree),
)

COLUMNS: dict[type, Sequence[Column]] = {
    **RUN_COLUMNS,
    ApprovalList: APPROVALS,
    WaitingList: WAITING_PLANS,
    ReceiverList: RECEIVERS,
    SlotsReport: SLOTS,
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
    DriftReport: CHANGES,
    TargetsDiffer: CHANGES,
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
    TargetList: (
        ("target", TEXT, lambda r: r.name),
        ("type", WORDS, lambda r: r.type.value),
        ("provider", TEXT, lambda r: r.provider),
        ("host", TEXT, lambda r: r.host),
        ("region", TEXT, lambda r: r.region),
        ("protected", TEXT, lambda r: r.protected),
        ("labels", TEXT, lambda r: labels_told(r.labels)),
    ),
    TargetImport: (
        ("target", TEXT, lambda r: r.target),
        ("change", TargetChange, lambda r: r.change.value),
        ("line", COUNTS, lambda r: r.line),
        ("what", TEXT, lambda r: "; ".join(r.what)),
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
    **FLEET_COLUMNS,
}

MARK = "templedb"
"""The name in a DataFrame's ``attrs`` that says which table it is."""
PLAN_STEPS, RUN_STEPS = "PlanSteps", "RunSteps"
SCHEMAS: Mapping[str, Sequence[Column]] = {
    **{kind.json_kind: columns for kind, columns in COLUMNS.items()},  # type: ignore[attr-defined]  # every table has one
    PLAN_STEPS: PLANNED,
    RUN_STEPS: RAN,
}
"""The columns by the word that MARK has."""
