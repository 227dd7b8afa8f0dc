"""Whether a run that did not succeed owes a rollback, and of which groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.event import Outcome, RunFinished
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.plan import Plan
from templedb_nb.model.result import Result
from templedb_nb.model.rollback import AfterFailure, IfFails, RollbackTrigger
from templedb_nb.model.step import RunCommand, RunScript
from templedb_nb.model.step_result import StepState
from templedb_nb.model.switch_step import SwitchSlot

_UNTOUCHED = (StepState.PENDING, StepState.SKIPPED)


def begun(result: Result) -> frozenset[str]:
    """Return the groups of which a run has begun a step, or an earlier run of the same plan has."""
    return frozenset(
        step.label.group
        for number, step in enumerate(result.steps)
        if step.state not in _UNTOUCHED or result.done_before(number)
    )


def child(whole: Plan, parent: Plan, result: Result) -> Plan:
    """Return the rollback of what a run of *parent* has begun; other groups are as they were.

    Groups that *parent* does not have stay: who renames a group does not leave half of it.
    """
    untouched = {group.name for group in parent.groups} - begun(result)
    kept = (g for g in whole.groups if g.name not in untouched or _asks(g.name))
    return replace(whole, groups=tuple(kept))


def _asks(group: str) -> bool:
    """Return whether a group is that of the target's own checks."""
    return group.startswith("target ")


def decided(
    parent: Plan,
    result: Result,
    finished: RunFinished,
    whole: Plan | None,
    half_done: Sequence[str],
    *,
    back: bool = False,
) -> RunFinished:
    """Return how a run ends, with the rollback that it owes.

    *whole* is the rollback plan that was made with *parent*, None where it is not known here.
    *half_done* are migrations that stand in part: nobody goes back then without having looked.
    *back* says that whoever cancelled the run wants it rolled back.
    """
    rule = parent.if_fails
    if rule is None or not _triggers(rule, result, finished, back=back) or not _changing(result):
        return finished
    if half_done:
        why = f"{', '.join(half_done)} is half done"
        return replace(finished, exit_code=ExitCode.UNRESOLVED, stays=why)
    if whole is None:
        return replace(finished, stays="the plan of its rollback is not in this state")
    part = child(whole, parent, result)
    if not any(isinstance(step, RunCommand | RunScript | SwitchSlot) for step in part.work):
        return finished
    return replace(finished, owes=part.content_hash)


def _changing(result: Result) -> bool:
    """Return whether a step that changes the target had begun."""
    return any(
        step.label.mutates and (step.state not in _UNTOUCHED or result.done_before(number))
        for number, step in enumerate(result.steps)
    )


def _triggers(rule: IfFails, result: Result, finished: RunFinished, *, back: bool) -> bool:
    """Return whether the end of a run is one that rolls back."""
    match finished.outcome:
        case Outcome.SUCCEEDED | Outcome.UNKNOWN:
            return False
        case Outcome.CANCELLED:
            return back or rule.cancel_policy is AfterFailure.ROLLBACK
        case Outcome.TIMED_OUT:
            return RollbackTrigger.TIMEOUT in rule.rollback_on
        case Outcome.FAILED:
            if finished.exit_code in {ExitCode.INCONCLUSIVE, ExitCode.APPROVAL_MISSING}:
                return False
            wanted = RollbackTrigger.HEALTH if _unhealthy(result) else RollbackTrigger.FAILURE
            return wanted in rule.rollback_on


def _unhealthy(result: Result) -> bool:
    failure = result.failure
    return failure is not None and result.steps[failure.step].label.kind == CheckHealth.kind
