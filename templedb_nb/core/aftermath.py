"""How a run ended whose process died: by what its journal proves, and what the ledger says."""

from __future__ import annotations

from collections.abc import Mapping

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.event import Event, Outcome, RunFinished, StepFailed, StepFinished
from templedb_nb.model.ledger import Ledger, State
from templedb_nb.model.result import Result, StepResult, StepState
from templedb_nb.model.target import DatabaseName

_BY_LEDGER = {"apply": "applied", "revert": "taken back"}
"""Kinds of steps that a target's ledger proves, and what it then says of them."""
Ledgers = Mapping[DatabaseName, Ledger]


def awaits_ledger(result: Result) -> bool:
    """Return whether only the target can say what became of the step that was running."""
    running = _running(result)
    return running is not None and running[1].label.kind in _BY_LEDGER


def still_there(result: Result, ledgers: Ledgers) -> bool:
    """Return whether the server still works on what the dead process had sent."""
    holders = (ledger.holder for ledger in ledgers.values())
    return any(holder and holder.live and holder.run == result.run for holder in holders)


def aftermath(result: Result, ledgers: Ledgers | None) -> tuple[Event, ...]:
    """Return the events that the dead process could not write; without *ledgers*, fewer."""
    found = _running(result)
    if found is None:
        return (_between(result),)
    number, step = found
    title = f"{step.label.group}: {step.label.title}"
    if step.label.kind in _BY_LEDGER:
        return _by_ledger(number, step, title, ledgers)
    if step.label.mutates:
        message = f"its process died in {title}; nobody saw how that ended"
        return (
            RunFinished(outcome=Outcome.UNKNOWN, exit_code=ExitCode.UNRESOLVED, message=message),
        )
    return (_failed(result, f"its process died in {title}"),)


def _running(result: Result) -> tuple[int, StepResult] | None:
    steps = enumerate(result.steps)
    return next(((n, step) for n, step in steps if step.state is StepState.RUNNING), None)


def _between(result: Result) -> RunFinished:
    if result.steps and result.count(StepState.DONE) == len(result.steps):
        message = "its process died after the last step"
        return RunFinished(outcome=Outcome.SUCCEEDED, exit_code=ExitCode.OK, message=message)
    return _failed(result, "its process died between two steps")


def _by_ledger(
    number: int, step: StepResult, title: str, ledgers: Ledgers | None
) -> tuple[Event, ...]:
    done = _BY_LEDGER[step.label.kind]
    if ledgers is None:
        message = f"its process died in {title}; the ledger says whether it is {done}"
        return (RunFinished(outcome=Outcome.FAILED, exit_code=ExitCode.CHANGED, message=message),)
    entries = (e for ledger in ledgers.values() for e in ledger.entries)
    entry = next((each for each in entries if each.attempt == step.attempt_id), None)
    if entry is not None and entry.state in {State.APPLIED, State.REVERTED}:
        message = f"its process died in {title}, which is {done}: the ledger has it"
        finished = StepFinished(step=number, statements=entry.steps)
        return (
            finished,
            RunFinished(outcome=Outcome.FAILED, exit_code=ExitCode.CHANGED, message=message),
        )
    if entry is not None and entry.step_started:
        what = f"{entry.step_done} of {entry.steps} steps stand; the next run goes on from there"
    else:
        what = f"nothing of it is {done}: the ledger does not have it"
    changed = entry is not None and entry.step_started > 0
    message = f"its process died in {title}; {what}"
    broken = StepFailed(step=number, message=message, changed=changed)
    return (
        broken,
        RunFinished(outcome=Outcome.FAILED, exit_code=ExitCode.CHANGED, message=message),
    )


def _failed(result: Result, message: str) -> RunFinished:
    code = ExitCode.CHANGED if result.changed else ExitCode.UNCHANGED
    return RunFinished(outcome=Outcome.FAILED, exit_code=code, message=message)
