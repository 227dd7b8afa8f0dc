"""Rows of what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar  # Any: cells of an answer

from templedb_nb.model.event import MessageReceived, Outcome
from templedb_nb.model.health import Measured
from templedb_nb.model.ledger import Entry
from templedb_nb.model.project import Slug
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
class DeployHistory:
    """Runs of a project, newest first."""

    json_kind: ClassVar[str] = "DeployHistory"

    slug: Slug
    rows: tuple[RunRow, ...]


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
    """One target: the run that goes on there, and the one that ended last."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployStatus:
    """What goes on, and what ended last, on every target of a project."""

    json_kind: ClassVar[str] = "DeployStatus"

    slug: Slug
    rows: tuple[RunStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatsRow:
    """The runs of one target in one span of time; durations are of the runs that succeeded."""

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

    @property
    def failure_rate(self) -> float:
        """Return the part of the runs that did not succeed, from 0 to 1."""
        return 1 - self.succeeded / self.runs


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployStats:
    """How often a project was deployed, with what success, and how long that took."""

    json_kind: ClassVar[str] = "DeployStats"

    slug: Slug
    rows: tuple[StatsRow, ...]


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
