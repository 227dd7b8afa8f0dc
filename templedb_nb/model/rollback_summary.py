"""What a rollback does and leaves, and where one could go back to, as people read it."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Slug
from templedb_nb.model.rollback import IfFails
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.target import TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """A migration that stays in effect although the release that comes back does not have it.

    `word` and `reason` say what it means to code of earlier releases; `breaks` if that fails.
    """

    file: str
    word: str
    reason: str = ""
    breaks: bool = False
    key: str = ""

    def __str__(self) -> str:
        """Return it as people read it."""
        why = f": {self.reason}" if self.reason else ""
        return f"{self.file} ({self.word}{why})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackSummary:
    """What a rollback will do, and what it will not, as people read it.

    `undone` is the run whose release goes; `since` is when the goal was deployed. `differs` says
    which variables have other sources now than they had then.
    """

    goal: str
    release: int
    since: datetime | None
    undone: str
    undone_release: int
    undoes: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRow:
    """A run that one can go back to, or `why_not`; `default` is where a rollback goes by itself."""

    run: str
    release: int
    run_kind: RunKind
    finished_at: datetime | None
    started_by: str
    default: bool = False
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackList:
    """What is in place on a target, and the runs before it, newest first."""

    json_kind: ClassVar[str] = "RollbackList"

    slug: Slug
    target: TargetName
    in_place: str
    release: int
    rows: tuple[RollbackRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What follows where the run of a plan fails: a rollback that is planned already, or `why_not`.

    `plan` is the id of the rollback's plan. `idle` says that there is nothing to go back to.
    """

    if_fails: IfFails | None = None
    summary: RollbackSummary | None = None
    plan: str = ""
    why_not: str = ""
    idle: bool = False
