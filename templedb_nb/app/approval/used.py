"""Approvals that a run has used up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from templedb_nb.errors import StoreError
from templedb_nb.model.event import RunId
from templedb_nb.model.plan import Plan
from templedb_nb.ports.records import RecordStore


def use_approvals(
    plan: Plan, run: RunId, records: RecordStore, journals: Path, tell: Callable[[str], None]
) -> bool:
    """Count the approvals of a run that succeeded as used; return whether the state did.

    Where it refuses, the run's journal still tells. Raises `StoreError` if the target wants
    approvals, and else tells it.
    """
    try:
        records.use_approvals(plan.content_hash, run)
    except StoreError as error:
        message = f"run {run[:13]} succeeded, but the state could not be written"
        journal = f"its journal is in {journals}: the next command reads it"
        if plan.policy.wanted:
            problems = [*error.problems, journal]
            told = f"{message}: {error.message}"
            raise StoreError(told, hint=error.hint, problems=problems) from error
        tell(f"{message}: {error.message}\n{journal}")
        return False
    return True
