"""The entries of ledgers that the events of a run prove, and those of which nobody can know."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

from templedb_nb.model.ledger import Entry, EntryKind, State
from templedb_nb.model.plan import Plan
from templedb_nb.model.result import Result
from templedb_nb.model.step import Amend, Migration, Mode, Revert, Step, Verb
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.model.target import DatabaseName

Entries = dict[DatabaseName, list[Entry]]
_MARKS = frozenset({Verb.MARK_APPLIED, Verb.MARK_REVERTED})


def written(plan: Plan, result: Result) -> Entries:
    """Return the entries that a run wrote, as its events prove them."""
    found: Entries = {}
    for step, done in zip(plan.steps, result.steps, strict=False):
        if done.state is not StepState.DONE or not _writes_an_entry(step):
            continue
        state = State.REVERTED if _goes_back(step) else State.APPLIED
        entry = _entry(step, plan, result, done, state)
        found.setdefault(step.database, []).append(entry)
    return found


def doubtful(plan: Plan, result: Result) -> Entries:
    """Return the entries that a run may have written: nobody saw how those steps ended."""
    found: Entries = {}
    failure = result.failure
    failed = failure.step if failure and failure.unknown else None
    for number, (step, done) in enumerate(zip(plan.steps, result.steps, strict=False)):
        unseen = done.state is StepState.UNKNOWN or number == failed
        if unseen and done.attempt_id and _writes_an_entry(step):
            entry = _entry(step, plan, result, done, State.IN_DOUBT)
            found.setdefault(step.database, []).append(entry)
    return found


def in_part(plan: Plan, result: Result) -> Entries:
    """Return the entries of migrations that failed behind steps that stand, as in doubt.

    Their rows say so, too. Where such a row is lost, the migration must not begin again.
    """
    found: Entries = {}
    for step, done in zip(plan.steps, result.steps, strict=False):
        stands = done.state is StepState.FAILED and done.statements > 0
        if stands and isinstance(step, Migration) and step.mode is Mode.STATEMENTS:
            entry = _entry(step, plan, result, done, State.IN_DOUBT)
            behind = done.statements
            told = f"its attempt stopped after step {behind}, and the ledger lost its row"
            told = f"{told}: complete it, or undo what it did"
            entry = replace(entry, step_done=behind, step_started=behind + 1, error=told)
            found.setdefault(step.database, []).append(entry)
    return found


def _writes_an_entry(step: Step) -> TypeGuard[Migration | Amend]:
    return isinstance(step, Migration) or (isinstance(step, Amend) and step.verb in _MARKS)


def _goes_back(step: Migration | Amend) -> bool:
    return isinstance(step, Revert) or (isinstance(step, Amend) and step.verb is Verb.MARK_REVERTED)


def _entry(
    step: Migration | Amend, plan: Plan, result: Result, done: StepResult, state: State
) -> Entry:
    ran = isinstance(step, Migration)
    counted = done.statements if state is State.APPLIED else 0
    return Entry(
        key=step.key,
        file=step.key if isinstance(step, Revert) else step.file,
        kind=EntryKind.RUN if ran else EntryKind.MARKED,
        state=state,
        checksums=step.checksums,
        mode=str(step.mode) if isinstance(step, Migration) else str(Mode.TRANSACTION),
        steps=counted,
        step_done=counted,
        step_started=counted,
        plan=plan.id,
        attempt=done.attempt_id,
        client=f"{result.started_by}",
        started_at=result.started_at,
        finished_at=result.finished_at or result.started_at,
        error=_told(step) if state is State.IN_DOUBT else "",
    )


def _told(step: Migration | Amend) -> str:
    """Return what a person must know who settles the doubt."""
    lead = "its process died, and the ledger lost what it said of the attempt"
    if _goes_back(step):
        return f"{lead} to roll it back: it is applied, or it is not"
    if isinstance(step, Migration) and step.mode is not Mode.TRANSACTION:
        return f"{lead}: none, some or all of its steps stand; bring it to its end, or undo it"
    return f"{lead}: all of it is applied, or nothing"
