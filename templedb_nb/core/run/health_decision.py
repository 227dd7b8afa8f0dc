"""What a person may say of the health that a run could not measure, and what follows from it."""

from __future__ import annotations

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.decided_health import DecidedHealth
from templedb_nb.model.event import HealthDecided, Outcome, RunId
from templedb_nb.model.health import Health
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.phase import Phase
from templedb_nb.model.result import Result
from templedb_nb.model.step import RunCommand
from templedb_nb.model.step_result import StepResult, StepState

_ENDS = frozenset({StepState.DONE, StepState.WARNED})
_TRIED = frozenset(StepState) - {StepState.PENDING, StepState.SKIPPED}


def left(result: Result) -> tuple[int, ...]:
    """Return the steps that a resumed run still has to do, in order.

    All steps of a group are among them whose failure hooks ran: those may have undone what its
    commands did. A migration that is applied is not run again for that. What had nothing to stop
    before a deployment into a slot must not stop that deployment.
    """
    needless = _needless(result)
    undone = {s.label.group for s in result.steps if _is_hook(s) and s.state in _TRIED}
    steps = [(n, s) for n, s in enumerate(result.steps) if not _is_hook(s)]
    return tuple(
        n
        for n, each in steps
        if each.label.group in undone
        or (each.state not in _ENDS and not result.done_before(n) and n not in needless)
    )


def _needless(result: Result) -> frozenset[int]:
    """Return the commands in slots that were skipped although their group went on."""
    found, went_on = set(), set[str]()
    for number, step in reversed([*enumerate(result.steps)]):
        if _is_hook(step):
            continue
        in_slot = step.label.kind == RunCommand.kind and step.label.key
        if in_slot and step.state is StepState.SKIPPED and step.label.group in went_on:
            found.add(number)
        if step.started_ms is not None:
            went_on.add(step.label.group)
    return frozenset(found)


def _is_hook(step: StepResult) -> bool:
    return step.label.phase == Phase.ON_FAILURE


def undecided(result: Result) -> tuple[int, ...]:
    """Return the checks that a run asked in vain, where they are what is left to do first.

    One that was measured as unhealthy is not among them, nor one that was never asked.
    """
    found: list[int] = []
    for number in left(result):
        step = result.steps[number]
        asked = step.label.kind == CheckHealth.kind and step.started_ms is not None
        if not asked or step.health is Health.UNHEALTHY:
            break
        found.append(number)
    return tuple(found)


def known(result: Result) -> str:
    """Return what is known of a run of which nobody has to decide the health."""
    first = next(iter(left(result)), None)
    if first is not None and result.steps[first].health is not Health.UNHEALTHY:
        return f"first {result.steps[first].label.title} has to run: templedb deploy resume"
    return f"its health is {result.health}"


def decided(
    result: Result, checks: tuple[int, ...], health: Health, by: str, reason: str
) -> HealthDecided:
    """Return the event of a decision, with what the run has come to by it."""
    rest = [number for number in left(result) if number not in checks]
    names = ", ".join(result.steps[number].label.title.partition(":")[0] for number in checks)
    told = f"{names} {health}, says {by}: {reason}"
    outcome, code = Outcome.FAILED, ExitCode.CHANGED if result.changed else ExitCode.UNCHANGED
    if health is Health.HEALTHY and not rest:
        outcome, code = Outcome.SUCCEEDED, ExitCode.OK
    elif health is Health.HEALTHY:
        count = f"{len(rest)} step{'' if len(rest) == 1 else 's'}"
        told = f"{told}; {count} left: templedb deploy resume"
    return HealthDecided(
        steps=checks,
        health=health,
        by=by,
        reason=reason,
        outcome=outcome,
        exit_code=code,
        message=told,
    )


def of_ledger(run: RunId, event: HealthDecided) -> DecidedHealth:
    """Return what the ledger keeps of a decision."""
    return DecidedHealth(
        run=run,
        health=event.health,
        by=event.by,
        reason=event.reason,
        outcome=event.outcome,
        exit_code=event.exit_code,
        message=event.message,
    )
