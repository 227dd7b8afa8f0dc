"""Plans that wait for approvals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar

from templedb_nb.model.approval import Approval, Decision
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.person import folded
from templedb_nb.model.plan import Preview
from templedb_nb.model.project import Slug
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName
from templedb_nb.model.waiting_files import WaitingFiles

MOVING = frozenset({RunKind.DEPLOY, RunKind.ROLLBACK, RunKind.PROMOTE})
"""The kinds of runs whose success makes earlier plans stale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPlan:
    """A plan as the state keeps it: when its content was first planned, by whom, and when last."""

    preview: Preview
    since: datetime
    asked_at: datetime
    planner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPlan:
    """A plan that no run has overtaken, with what people said of it."""

    kept: KeptPlan
    words: tuple[Approval, ...]
    decision: Decision

    @property
    def waits(self) -> bool:
        """Return whether approvals are missing, and nobody rejected it."""
        return self.decision.veto is None and self.decision.missing > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPlan:
    """A plan that waits for approvals: for whose, since when, and until when they count.

    `missing` is how many of `needed` are not there. `approvers` are the people who may approve;
    empty stands for everybody. `not_by` is who may not, for they made the plan. `expires_at` is
    when the first of the approvals that it has expires. `supersedes` are ids of other
    plans in the list. A plan that is `superseded_by` another cannot be approved any more; the other
    is not in the list if it waits for nothing. `alert` tells of
    files in it that have waited for long.
    """

    plan: str
    content_hash: Digest
    slug: Slug
    target: TargetName
    release: int
    run_kind: RunKind
    since: datetime
    planned_by: str
    needed: int
    missing: int
    approvers: tuple[str, ...] = ()
    not_by: str = ""
    signed: bool = False
    approved_by: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    expires_at: datetime | None = None
    supersedes: tuple[str, ...] = ()
    superseded_by: str = ""
    alert: WaitingFiles | None = None

    @property
    def waits_for(self) -> str:
        """Return whose approvals are missing, in words."""
        noun = "approval" if self.missing == 1 else "approvals"
        signed = "signed " if self.signed else ""
        out = {
            folded(each) for each in (*self.approved_by, *([self.not_by] if self.not_by else []))
        }
        left = [each for each in self.approvers if folded(each) not in out]
        if self.approvers and len(left) < self.missing:
            return f"{self.missing} {signed}{noun}, but too few people may give them: {_few(left)}"
        who = f" by {', '.join(left)}" if left else ""
        but = f", not by {self.not_by}" if self.not_by and not left else ""
        return f"{self.missing} {signed}{noun}{who}{but}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) or "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingList:
    """Every plan that waits for approvals and could still run, oldest first.

    `rejected` plans are left out; `ready` ones have their approvals and only wait to be run.
    `notes` say what could not be asked, and what was not looked at.
    """

    json_kind: ClassVar[str] = "WaitingList"

    rows: tuple[WaitingPlan, ...]
    rejected: int = 0
    ready: int = 0
    notes: tuple[str, ...] = ()
