"""Which plans wait for approvals: not those that ran, were overtaken or rejected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from templedb_nb.model.approval import Decision
from templedb_nb.model.event import Outcome
from templedb_nb.model.ledger import EntryKind, Ledger, State
from templedb_nb.model.plan import Plan
from templedb_nb.model.step import Apply
from templedb_nb.model.target import DatabaseName, Policy
from templedb_nb.model.waiting import MOVING, JudgedPlan, WaitingList, WaitingPlan
from templedb_nb.model.waiting_files import WaitingFiles

_DIGITS = 13


def overtaken(
    plan: Plan,
    asked_at: datetime,
    ledgers: Mapping[DatabaseName, Ledger],
    made: Mapping[str, datetime],
    demands: Policy | None = None,
) -> str:
    """Return why a plan cannot run any more, by the ledgers of its target; nothing if it may.

    A plan that was made when the target demanded less is stale by now.

    It was last made at *asked_at*; *made* says when the plans of runs were, if this state has them:
    of others the begin of the run stands for it.
    """
    if demands is not None and plan.policy.stricter(demands) != plan.policy:
        return f"{plan.target} requires more now: make a new plan"
    for run in (run for ledger in ledgers.values() for run in ledger.runs):
        if run.outcome is not Outcome.SUCCEEDED or run.target != plan.target:
            continue
        name = run.run[:_DIGITS]
        if run.plan == plan.id:
            return f"run {name} has succeeded with it"
        when = made.get(run.plan) or run.started_at
        if run.run_kind in MOVING and when and when > asked_at:
            return f"run {name} of a newer plan for {plan.target} has succeeded"
    return _applied(plan, ledgers)


def _applied(plan: Plan, ledgers: Mapping[DatabaseName, Ledger]) -> str:
    """Return which of its migrations another plan has applied meanwhile.

    What can run again, because its text changed, is applied once that text is.
    """
    done = {
        (name, entry.key): entry
        for name, ledger in ledgers.items()
        for entry in ledger.entries
        if entry.state is State.APPLIED and entry.plan != plan.id
    }
    for step in (each for each in plan.steps if isinstance(each, Apply)):
        entry = done.get((step.database, step.key))
        once = entry is not None and entry.kind is EntryKind.RUN
        if entry and (once or entry.checksums.text == step.checksums.text):
            return f"{step.file} is applied already"
    return ""


def waiting(
    judged: Sequence[JudgedPlan],
    superseded: Mapping[str, str],
    alerts: Mapping[str, WaitingFiles],
    notes: Iterable[str] = (),
) -> WaitingList:
    """Return the plans that wait, oldest first; *superseded* says which of them by what."""
    rows = [_row(each, superseded, alerts) for each in judged if each.waits]
    older: dict[str, list[str]] = {}
    for row in rows:
        older.setdefault(row.superseded_by, []).append(row.plan)
    linked = (replace(row, supersedes=tuple(older.get(row.plan, ()))) for row in rows)
    return WaitingList(
        rows=tuple(sorted(linked, key=lambda row: (row.since, row.plan))),
        rejected=sum(each.decision.veto is not None for each in judged),
        ready=sum(each.decision.veto is None and not each.waits for each in judged),
        notes=tuple(notes),
    )


def _row(
    each: JudgedPlan, superseded: Mapping[str, str], alerts: Mapping[str, WaitingFiles]
) -> WaitingPlan:
    preview, found = each.kept.preview, each.decision
    plan, policy = preview.plan, preview.plan.policy
    return WaitingPlan(
        plan=plan.id,
        content_hash=plan.content_hash,
        slug=preview.slug,
        target=plan.target,
        release=preview.release,
        run_kind=plan.run_kind,
        since=each.kept.since,
        planned_by=each.kept.planner,
        needed=found.needed,
        missing=found.missing,
        approvers=policy.approvers,
        not_by="" if policy.self_approval else each.kept.planner,
        signed=policy.signed,
        approved_by=tuple(word.given_by for word in found.counted),
        left_out=found.left_out,
        expires_at=expires_at(found, policy.approval_expires_s),
        superseded_by=superseded.get(plan.id, ""),
        alert=alerts.get(plan.id),
    )


def expires_at(found: Decision, after_s: int) -> datetime | None:
    """Return when the first of the approvals that count expires, if any does."""
    if not after_s or not found.counted:
        return None
    return min(word.given_at for word in found.counted) + timedelta(seconds=after_s)
