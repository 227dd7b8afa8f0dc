"""Rows of what happened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar  # Any: cells of an answer

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import MessageReceived, Outcome
from templedb_nb.model.health import Measured
from templedb_nb.model.ledger import Entry
from templedb_nb.model.project import Slug
from templedb_nb.model.rollback import PendingRollback
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.target import DatabaseName, TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run at a glance; `outcome` is None while it goes on.

    `found_at` is when a run whose process died was found dead; `finished_at` is its last sign of
    life then. `health` is None of runs that were kept before it was. `parent_run` is the run that a
    rollback undoes, `rolled_back_by` the rollback that undid this one.
    """

    run: str
    slug: Slug
    target: TargetName
    plan: str
    release: int
    started_at: datetime
    finished_at: datetime | None
    elapsed_ms: int
    outcome: Outcome | None
    exit_code: int | None
    steps: int
    done: int
    applied: int
    started_by: str
    message: str
    warnings: int = 0
    found_at: datetime | None = None
    health: Measured | None = None
    run_kind: RunKind | None = None
    parent_run: str = ""
    rolled_back_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rows of a history are wanted: the newest `last`, since a moment, in some states.

    `before` is a run: those that began before it. `within` are two moments: what went on between.
    """

    last: int | None = None
    since: datetime | None = None
    status: tuple[str, ...] = ()
    before: str = ""
    within: tuple[datetime, datetime] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryScope:
    """Which runs of a project were asked for, by words or by what ``use`` set: here, all."""

    target: TargetName | None = None
    last: int | None = None
    since: datetime | None = None
    status: tuple[str, ...] = ()


EVERYTHING = HistoryScope()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployHistory:
    """Runs of a project, newest first."""

    json_kind: ClassVar[str] = "DeployHistory"

    slug: Slug
    rows: tuple[RunRow, ...]
    scope: HistoryScope = EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRow:
    """One ledger entry, and the database that holds it."""

    target: TargetName
    database: DatabaseName
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationHistory:
    """Ledger entries of a target, newest first."""

    json_kind: ClassVar[str] = "MigrationHistory"

    slug: Slug
    rows: tuple[MigrationRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSaid:
    """What a server said while a step ran; so many warnings and others are not kept."""

    title: str
    file: str
    said: tuple[MessageReceived, ...]
    more_warnings: int = 0
    more_messages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLogs:
    """What the commands of a run wrote, as far as it is kept: title and text of each step.

    `messages` are what servers said beside that, by the titles of their steps.
    """

    json_kind: ClassVar[str] = "StepLogs"

    run: str
    steps: tuple[tuple[str, str], ...]
    gone: tuple[str, ...] = ()
    messages: tuple[StepSaid, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """One target: the run that goes on there, and the one that ended last.

    `rollback` is one that is owed, or that did not succeed, as far as this state knows.
    """

    target: TargetName
    live_run: str = ""
    live_step: str = ""
    live_since: datetime | None = None
    last_run: str = ""
    last_outcome: Outcome | None = None
    last_at: datetime | None = None
    message: str = ""
    unresolved: bool = False
    last_health: Measured | None = None
    last_kind: RunKind | None = None
    rollback: PendingRollback | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployStatus:
    """What goes on, and what ended last, on every target of a project."""

    json_kind: ClassVar[str] = "DeployStatus"

    slug: Slug
    rows: tuple[RunStatus, ...]


WEEK_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsRow:
    """The runs of one target in one span of time, and the deployments among them.

    Runs are of every kind; durations are of those that succeeded. Deployments put a release in
    place, or failed after they had changed the target; `definitions` say what is made of them.
    `span_s` is how long the span is, None for days.
    """

    target: TargetName
    span: str
    runs: int
    succeeded: int
    failed: int
    cancelled: int
    timed_out: int
    unknown: int
    applied: int
    median_ms: int | None
    p90_ms: int | None
    deployments: int = 0
    deployed: int = 0
    span_s: int | None = None
    lead_ms: int | None = None
    changes_failed: int = 0
    restore_ms: int | None = None
    not_restored: int = 0
    rework: int = 0

    @property
    def failure_rate(self) -> float:
        """Return the part of the runs that did not succeed, from 0 to 1."""
        return 1 - self.succeeded / self.runs

    @property
    def per_week(self) -> float | None:
        """Return how many deployments succeeded in a week, where the span is one at least."""
        return self.deployed * WEEK_S / self.span_s if self.span_s else None

    @property
    def change_failure_rate(self) -> float | None:
        """Return the part of the deployments that failed or were rolled back, from 0 to 1."""
        return self.changes_failed / self.deployments if self.deployments else None

    @property
    def rework_rate(self) -> float | None:
        """Return the part of the deployments that followed a failure or rollback, from 0 to 1."""
        return self.rework / self.deployments if self.deployments else None


DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "deployments": "runs of kind deploy or promote that succeeded and changed the target,"
        " or failed after they had changed it; rollbacks, downs, amendments and imports are"
        " none",
        "deployed": "deployments that succeeded, also if they were rolled back later",
        "per_week": "deployment frequency: successful deployments, divided by the weeks of the"
        " span; all runs from --since, or from the first deployment, until now, and one week at"
        " least; empty for days",
        "lead_time": "median time from when a release was made in this state until the end of the"
        " first deployment that put it on the target",
        "changes_failed": "deployments that did not succeed, or that a rollback undid, by itself"
        " or by hand",
        "change_failure_rate": "changes_failed divided by deployments",
        "time_to_restore": "median time from the end of a failed change until the end of the next"
        " deployment or rollback of the target that succeeded",
        "not_restored": "failed changes after which nothing has succeeded on the target yet",
        "rework": "deployments whose last deployment or rollback before, on the same target, had"
        " failed or was a rollback: they were not planned",
        "rework_rate": "rework divided by deployments",
    }
)
"""What each measure of delivery is, by the name of its column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployStats:
    """How often a project was deployed, with what success, and how long that took."""

    json_kind: ClassVar[str] = "DeployStats"

    slug: Slug
    rows: tuple[StatsRow, ...]
    scope: HistoryScope = EVERYTHING

    @property
    def definitions(self) -> dict[str, str]:
        """Return what each measure of delivery is, by the name of its column."""
        return dict(DEFINITIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The rows that a question gave; `kinds` are the types as the database calls them."""

    json_kind: ClassVar[str] = "Answer"

    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Csv:
    """An answer that is wanted as CSV."""

    json_kind: ClassVar[str] = "Csv"

    answer: Answer
