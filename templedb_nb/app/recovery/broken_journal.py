"""What can be said of a run whose journal could not be written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from templedb_nb.engine import reconcile
from templedb_nb.engine.reconcile import Active
from templedb_nb.errors import JournalFailed
from templedb_nb.model.event import Outcome, Stamped
from templedb_nb.model.step_result import StepState
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.target import Session


def tell_the_end(
    error: JournalFailed,
    sessions: Mapping[DatabaseName, Session],
    entries: Sequence[Stamped],
    now: datetime,
    active: Active,
) -> None:
    """Say in *error* how the run ended, by what stands in its journal and in the ledgers."""
    if not entries:
        return
    result = reconcile.told(entries, sessions, now, active)
    error.exit_code = result.exit_code or error.exit_code
    what = "the target changed" if result.changed else "nothing changed"
    done = f"{result.count(StepState.DONE)} of {len(result.steps)} steps are done"
    if result.outcome is Outcome.UNKNOWN:
        done += ", the outcome of the next one is not recorded"
    told = f"run {result.run[:13]}: {done}, {what}; templedb deploy show {result.run[:13]}"
    error.problems = (*error.problems, told)
