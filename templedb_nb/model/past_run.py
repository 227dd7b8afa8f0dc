"""A run as a ledger or a state remembers it: what it was for, what it deployed, how it ended."""

from __future__ import annotations

from datetime import datetime

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome
from templedb_nb.model.run_kind import RunKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """One run on a target; `outcome` is None while it goes on, or while nobody closed it.

    `tree` and `config_hash` say what it deployed; they are empty in runs of earlier versions.
    `release` is its number in this state, 0 for a run of another state. `begun` is whether it began
    a step: one that was refused under the lock, or cancelled before its first step, did nothing.
    """

    run: str
    target: str
    run_kind: RunKind = RunKind.DEPLOY
    parent_run: str = ""
    plan: str = ""
    tree: str = ""
    config_hash: str = ""
    outcome: Outcome | None = None
    exit_code: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    started_by: str = ""
    release: int = 0
    manifest: str = ""
    """The address of the record of its artifacts; nothing for a run without any."""
    begun: bool = True

    @property
    def content(self) -> tuple[str, str]:
        """Return what it deployed: files and config."""
        return self.tree, self.config_hash
