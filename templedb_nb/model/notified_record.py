"""What notifications are read from, beside the events of runs, as the state has it."""

from __future__ import annotations

from datetime import datetime

from templedb_nb.model.approval import Approval
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome, Stamped
from templedb_nb.model.finding import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run with those of its events that people may be notified of.

    `parent_outcome` is how the run ended that a rollback undoes, where this state knows it. `mark`
    changes with what the run has come to.
    """

    run: str
    entries: tuple[Stamped, ...]
    parent_outcome: Outcome | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """A plan without its steps; so many approvals of `needed` were `missing` when it was made."""

    plan: str
    content_hash: str
    slug: str
    target: str
    release: int
    made_at: datetime
    made_by: str
    needed: int = 0
    missing: int = 0
    wants: str = ""
    findings: tuple[Finding, ...] = ()
    steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRecord:
    """What a person said of a plan, with the project's name in this state; `expired_at` is over."""

    approval: Approval
    slug: str
    expired_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SupersededPlan:
    """A plan that waited for approvals, and the one of a newer release that replaced it."""

    plan: str
    slug: str
    target: str
    release: int
    newer: str
    newer_release: int
    at: datetime
