"""Whether another run has followed on the target, so that a plan means something else by now."""

from __future__ import annotations

from collections.abc import Mapping

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.core.run.rollback_choice import follower, merged
from templedb_nb.errors import Stale
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.plan import Plan
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.records import RunHistory


def refuse_overtaken(
    plan: Plan,
    opened: OpenTarget,
    records: RunHistory,
    ledgers: Mapping[DatabaseName, Ledger],
    *,
    parent: str = "",
    resumes: str = "",
) -> None:
    """Raise `Stale` where a run of another plan came in between.

    A rollback undoes *parent*, and nothing that came later. A plan whose failure rolls back goes to
    what was in place when it was made. A run that *resumes* another goes on where that one stopped.
    """
    if not (plan.rollback or plan.if_fails or resumes):
        return
    case = opened.case
    here = records.past_runs(case.project.slug, case.target.name)
    runs = merged(here, *(each.runs for each in ledgers.values()))
    if plan.rollback and parent:
        _refuse(
            follower(runs, parent, plan.id),
            "the rollback of what is in place now is a different one",
        )
    if plan.if_fails and plan.if_fails.goal:
        later = follower(runs, plan.if_fails.goal, plan.id, succeeded=True)
        _refuse(later, "a failure would now roll back too far")
    if resumes:
        _refuse(follower(runs, resumes, plan.id), "what the earlier run did may have changed since")


def _refuse(found: PastRun | None, why: str) -> None:
    if found is None:
        return
    message = f"run {found.run[:13]} ({found.run_kind}) has followed on {found.target}: {why}"
    raise Stale(f"{message}; nothing was executed", hint="make a new plan: templedb deploy plan")
