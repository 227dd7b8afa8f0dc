"""Going back to an earlier release: where to, and what is left of one that did not succeed."""

from __future__ import annotations

from enum import StrEnum

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.serialization import Digest

RUN_DIGITS = 13
"""So many characters of a run's id are shown."""


class AfterFailure(StrEnum):
    """What follows a run that did not succeed."""

    STOP = "stop"
    ROLLBACK = "rollback"


class RollbackTrigger(StrEnum):
    """What of a run's end makes it roll back, where it may."""

    FAILURE = "failure"
    TIMEOUT = "timeout"
    HEALTH = "health"


ALL_TRIGGERS = tuple(RollbackTrigger)


@dataclass(frozen=True, slots=True, kw_only=True)
class IfFails:
    """What a plan does where its run does not succeed; part of its content.

    `content_hash` addresses a whole rollback plan that was made with this one; it goes back to what
    the run `goal` deployed.
    """

    content_hash: Digest
    goal: str = ""
    rollback_on: tuple[RollbackTrigger, ...] = ALL_TRIGGERS
    cancel_policy: AfterFailure = AfterFailure.STOP


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackGoal:
    """The run whose release and config a plan brings back; part of the plan's content."""

    run: str
    tree: Digest
    config_hash: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRollback:
    """A rollback that is owed, or that did not succeed; a ledger keeps one for each project.

    `parent` is the run that is undone, `content_hash` addresses the plan. `run` is the rollback's
    own run; it is empty as long as none has begun. `failed` says that the parent had failed.
    """

    parent: str
    content_hash: str
    run: str = ""
    failed: bool = False

    @property
    def begun(self) -> bool:
        """Return whether a run of it has begun, and the target may be half rolled back."""
        return bool(self.run)

    @property
    def note(self) -> str:
        """Return what a status says of the target, with the command that goes on."""
        if self.begun:
            run = self.run[:RUN_DIGITS]
            return f"rollback {run} did not succeed: templedb deploy resume {run}"
        parent = self.parent[:RUN_DIGITS]
        return f"the rollback of run {parent} is owed: templedb deploy resume {parent}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackMark:
    """What the end of a run makes of the mark of a rollback in a ledger: set anew, or removed."""

    pending: PendingRollback | None = None
