"""Somebody's word that one exact plan may run, or may not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from templedb_nb.model.plain import Digest
from templedb_nb.model.target import TargetName


class Verdict(StrEnum):
    """What somebody said of a plan."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Binds to a plan's content; the run that succeeds under it uses it up.

    `given_by` is what the person's environment says, and nobody checked it.
    """

    id: str
    plan: str
    content_hash: Digest
    project: str
    target: TargetName
    given_by: str
    given_at: datetime
    reason: str
    through: str
    used_by: str = ""
    verdict: Verdict = Verdict.APPROVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What people's words on a plan come to.

    `counted` are the approvals that count, of `needed`; `veto` forbids the run; `left_out` says
    whose word does not count, and why; `wants` is the rule, as people say it.
    """

    needed: int = 0
    wants: str = ""
    counted: tuple[Approval, ...] = ()
    veto: Approval | None = None
    left_out: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """Return how many approvals are not there yet."""
        return max(0, self.needed - len(self.counted))

    @property
    def problems(self) -> tuple[str, ...]:
        """Return whose word does not count, and the rule where it is more than one approval."""
        rule = (f"it wants {self.wants}",) if self.wants != "1 approval" else ()
        return (*self.left_out, *rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a plan stands with those who may approve it, as *me* sees it.

    `mine` says why an approval of *me* would not count; it is empty where it would.
    """

    me: str
    decision: Decision
    mine: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalList:
    """What people said of plans, newest first; `note` says what may be missing, and why."""

    rows: tuple[Approval, ...]
    note: str = ""
