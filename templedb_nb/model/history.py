"""Rows of what happened."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from templedb_nb.model.event import Outcome
from templedb_nb.model.ledger import Entry
from templedb_nb.model.project import Slug
from templedb_nb.model.target import DatabaseName, TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run at a glance; `outcome` is None while it goes on."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployHistory:
    """Runs of a project, newest first."""

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

    slug: Slug
    rows: tuple[MigrationRow, ...]
