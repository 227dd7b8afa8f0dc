"""Which rollback a run owes when it ends, by the plan that was made with its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.core.plan.rollback import on_pending
from templedb_nb.core.run import rollback_decision
from templedb_nb.engine.tools import Settle
from templedb_nb.errors import Stale, UnknownName
from templedb_nb.model.event import RunFinished, RunId
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.plan import Plan, Preview
from templedb_nb.model.rollback import PendingRollback
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.records import PlanStore
from templedb_nb.store.journal import RunJournal


def owes(opened: OpenTarget, plan: Plan) -> bool:
    """Return whether a run that failed owes exactly this rollback."""
    return any(each.failed and each.content_hash == plan.content_hash for each in _marks(opened))


def pending(
    opened: OpenTarget, preview: Preview, run: RunId, parent: str, *, failed: bool
) -> PendingRollback:
    """Return what the ledgers keep of a rollback from its first moment until it has ended well.

    *parent* is the run that it undoes, if the caller knows it, and *failed* whether that failed.
    """
    return PendingRollback(
        parent=undone(opened, preview, parent),
        content_hash=preview.plan.content_hash,
        run=run,
        failed=failed or bool(_marks(opened)),
    )


def undone(opened: OpenTarget, preview: Preview, parent: str) -> str:
    """Return the run that a rollback undoes: as the caller, a ledger or its plan knows it."""
    content = preview.plan.content_hash
    own = next((each for each in _marks(opened) if each.content_hash == content), None)
    summary = preview.draft.rollback
    return parent or (own.parent if own else summary.undone if summary else "")


def _marks(opened: OpenTarget) -> tuple[PendingRollback, ...]:
    return tuple(each.rollback for each in opened.ledgers.values() if each.rollback)


def refuse_settled(parent: str, plan: Plan, ledgers: Mapping[DatabaseName, Ledger]) -> None:
    """Raise, under the lock, if *parent* does not owe the rollback any more.

    Another process, also one of another state, may have carried it out, begun it or settled it. The
    ledger of a run whose end could not be recorded has it as one that goes on: it owes it still.
    """
    found = [each.rollback for each in ledgers.values() if each.rollback]
    if any(each.parent == parent and not each.begun for each in found):
        return
    begun = next((each for each in found if each.parent == parent), None)
    if begun:
        finding = on_pending(begun, plan)
        raise Stale(f"{finding.message}; nothing was executed", hint=finding.mend)
    runs = (run for ledger in ledgers.values() for run in ledger.runs)
    if any(run.run == parent and run.outcome is not None for run in runs):
        message = (
            f"run {parent[:13]} does not need a rollback any more: it was carried out or settled"
        )
        raise Stale(f"{message}; nothing was executed", hint="templedb deploy history")


def settling(plan: Plan, journal: RunJournal, records: PlanStore) -> Settle:
    """Return what says how the run of *plan* ends, with the rollback that it owes."""
    whole = None
    if plan.if_fails:
        with suppress(UnknownName):
            whole = records.plan_with(plan.if_fails.content_hash).plan

    def settle(finished: RunFinished, half_done: Sequence[str], *, back: bool) -> RunFinished:
        result = journal.result
        return rollback_decision.decided(plan, result, finished, whole, half_done, back=back)

    return settle
