"""How a run ended whose process died: by what its journal proves, and what the ledger says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import get_args

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import (
    Event,
    Evidence,
    Outcome,
    RunFinished,
    Stamped,
    StepFailed,
    StepFinished,
)
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.ledger import Ledger, State
from templedb_nb.model.phase import Phase
from templedb_nb.model.result import Result
from templedb_nb.model.step import BY_KIND, Migration, Restore, RunCommand
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.model.target import DatabaseName
from templedb_nb.model.trace import CommandState, Lookup, Trace

Ledgers = Mapping[DatabaseName, Ledger]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Died:
    """A run and the step in which its process died, or *why* else it got no further."""

    result: Result
    number: int
    step: StepResult
    why: str

    @property
    def where(self) -> str:
        label = self.step.label
        return f"{self.why} in {label.group}: {label.title}"

    @property
    def past(self) -> str:
        kind = BY_KIND.get(self.step.label.kind)
        return kind.past if kind else "done"

    @property
    def doubtful(self) -> bool:
        """Return whether an earlier step ended in a way that a person must look at."""
        return self.result.failure is not None and self.result.failure.unknown


def lookup(result: Result) -> Lookup | None:
    """Return what to look for in the ledgers, or None where the journal alone tells how it ended.

    Between two steps nothing was open, and what a command does that changes nothing, nobody asks.
    """
    died = _died(result)
    if died is None or not died.step.label.mutates:
        return None
    if died.step.label.evidence is Evidence.NONE:
        return None
    if _in_slot(died.step) or (_switches(died.step) and not died.step.intended):
        return None
    recorded = died.step.recorded
    return Lookup(
        project=result.project,
        run=result.run,
        attempt=died.step.attempt_id,
        key=died.step.label.key if _runs_sql(died.step) else "",
        recorded=recorded is not None,
        database=recorded.database if recorded else "",
    )


def still_there(result: Result, ledgers: Ledgers) -> bool:
    """Return whether the server still works on what the dead process had sent."""
    holders = (ledger.holder for ledger in ledgers.values())
    return any(holder and holder.live and holder.run == result.run for holder in holders)


DIED = "its process died"
_NOT_MEASURED = "deployed, not measured; measure again: templedb deploy resume"


def aftermath(result: Result, trace: Trace | None, why: str = DIED) -> tuple[Event, ...]:
    """Return the events that the dead process could not write.

    *trace* is what the ledgers hold of what `lookup` names; None where they cannot be asked. *why*
    is what happened, where the process lives on.
    """
    died = _died(result, why)
    if died is None:
        return (_between(result, why),)
    label = died.step.label
    if _is_check(died.step):
        return _unmeasured(died)
    if label.mutates:
        match label.evidence:
            case Evidence.LEDGER:
                return _by_ledger(died, trace)
            case Evidence.JOURNAL:
                return _by_journal(died, trace)
            case Evidence.ROUTER:
                return _by_router(died, trace)
            case Evidence.NONE:
                return (_unknown(f"{died.where}; its outcome is unknown"),)
    return (_failed(died.result, died.where, doubtful=died.doubtful),)


def stamped(
    entries: Sequence[Stamped], events: Sequence[Event], sign: datetime, found_at: datetime
) -> tuple[Stamped, ...]:
    """Return *events* as they follow *entries*, at the run's last sign of life.

    That is *sign*, unless a clock went back. The run was found dead at *found_at*.
    """
    last = entries[-1]
    at = max(last.at, sign)
    told = (replace(e, found_at=found_at) if isinstance(e, RunFinished) else e for e in events)
    elapsed = last.elapsed_ms + int((at - last.at) / timedelta(milliseconds=1))
    return tuple(
        Stamped(run=last.run, seq=last.seq + number, at=at, elapsed_ms=elapsed, event=event)
        for number, event in enumerate(told, start=1)
    )


def _died(result: Result, why: str = DIED) -> _Died | None:
    steps = enumerate(result.steps)
    found = ((n, step) for n, step in steps if step.state is StepState.RUNNING)
    return next((_Died(result=result, number=n, step=step, why=why) for n, step in found), None)


def _runs_sql(step: StepResult) -> bool:
    """Return whether the step runs a migration, whose row a later run may write anew."""
    return BY_KIND.get(step.label.kind) in get_args(Migration)


def switching(result: Result) -> int | None:
    """Return the switch of traffic in which a run stopped, once it had begun with the router."""
    died = _died(result)
    return died.number if died and _switches(died.step) and died.step.intended else None


def _switches(step: StepResult) -> bool:
    return step.label.evidence is Evidence.ROUTER


def _in_slot(step: StepResult) -> bool:
    """Return whether the step is a command that writes to a slot which serves nobody."""
    return step.label.kind == RunCommand.kind and bool(step.label.key)


def _unmeasured(died: _Died) -> tuple[Event, ...]:
    """Return the end of a run that measured health: what it saw so far is no outcome."""
    message = f"{died.where}; {_NOT_MEASURED}"
    failed = StepFailed(step=died.number, message=message, changed=False, inconclusive=True)
    if died.doubtful:
        return (failed, _unknown(message))
    code = ExitCode.INCONCLUSIVE
    if died.result.failure is not None:  # of a group that later ones may follow
        code = ExitCode.CHANGED if died.result.changed else ExitCode.UNCHANGED
    return (failed, RunFinished(outcome=Outcome.FAILED, exit_code=code, message=message))


def _between(result: Result, why: str) -> RunFinished:
    if result.steps and all(_is_over(step) for step in result.steps):
        message = f"{why} after the last step"
        return RunFinished(outcome=Outcome.SUCCEEDED, exit_code=ExitCode.OK, message=message)
    if _measures_alone(result):
        message = f"{why} before the health of the target was measured; {_NOT_MEASURED}"
        code = ExitCode.INCONCLUSIVE
        return RunFinished(outcome=Outcome.FAILED, exit_code=code, message=message)
    doubtful = result.failure is not None and result.failure.unknown
    begun = any(step.started_ms is not None for step in result.steps)
    where = "between two steps" if begun else "before its first step"
    return _failed(result, f"its process died {where}", doubtful=doubtful)


def _measures_alone(result: Result) -> bool:
    """Return whether all that was left to do was to measure health."""
    ends = (StepState.DONE, StepState.WARNED, StepState.SKIPPED)
    left = [s for s in result.steps if s.state not in ends and s.label.phase != Phase.ON_FAILURE]
    return result.failure is None and bool(left) and all(_is_check(each) for each in left)


def _is_over(step: StepResult) -> bool:
    """Return whether a step is done, or waits for a failure that did not come."""
    waits = step.label.phase == Phase.ON_FAILURE and step.state is not StepState.RUNNING
    return step.state is StepState.DONE or waits


def _is_check(step: StepResult) -> bool:
    return step.label.kind == CheckHealth.kind


def _by_ledger(died: _Died, trace: Trace | None) -> tuple[Event, ...]:
    if trace is None:
        why = f"its ledger, which has a row if it is {died.past}, could not be read"
        return (_unknown(f"{died.where}; {why}"),)
    if trace.done:
        return _done(died, f"which is {died.past}: the ledger has it", trace)
    if trace.state is State.IN_DOUBT:
        return (_unknown(f"{died.where}; the ledger has it as in doubt"),)
    if trace.step_started:
        done = trace.step_done
        what = f"{done} of {trace.steps} steps took effect; the next run continues"
        if trace.step_started > done:
            what = f"{done} of {trace.steps} steps took effect, and step {done + 1} had begun: the"
            what = f"{what} next run first asks the catalog what became of it"
        return _broken(died, what, changed=True)
    if trace.later:
        return _broken(died, "a later run continued it: the ledger has that one", changed=True)
    if not trace.known:
        return (_unknown(f"{died.where}; the current ledger does not know the run"),)
    if trace.damaged and died.step.label.kind != Restore.kind:
        return (_unknown(f"{died.where}; the ledger has lost rows since, so it proves nothing"),)
    if trace.taken:
        return (_unknown(f"{died.where}; the ledger had its row, and has it no more"),)
    return _broken(died, f"nothing of it is {died.past}: the ledger does not have it")


def _by_journal(died: _Died, trace: Trace | None) -> tuple[Event, ...]:
    if _in_slot(died.step):
        slot = died.step.label.key
        what = f"traffic was not switched, and slot {slot} is not clean"
        return _broken(died, f"{what}: the next deployment overwrites it", changed=True)
    again = died.step.attempts > 1
    match trace.command if trace else None:
        case CommandState.FINISHED:
            return _done(died, "which had succeeded: the ledger has it", trace)
        case CommandState.FAILED:
            status = trace.exit_status if trace else None
            how = "was interrupted" if status is None else f"had exited with {status}"
            return _broken(died, f"which {how}: the ledger has it", changed=True, status=status)
        case CommandState.NOT_STARTED:
            return _broken(died, "which could not be started", changed=again)
        case None if trace and not trace.proves_nothing:
            return _broken(died, "which had not begun: the ledger has no row of it", changed=again)
        case _:
            return (_unknown(f"{died.where}; its outcome is unknown"),)


def _by_router(died: _Died, trace: Trace | None) -> tuple[Event, ...]:
    """Return what the router says of a switch: it names one of the two slots, or a person looks."""
    if not died.step.intended:
        return _broken(died, "the router was not touched")
    to, active = died.step.label.key, trace.active if trace else None
    if active == to:
        return _done(died, f"which is done: the router names {to}", trace)
    if active is None:
        return (_unknown(f"{died.where}; the router could not be asked where traffic goes"),)
    if not active:
        return (_unknown(f"{died.where}; the router names none of the slots"),)
    what = f"the router names {active}; templedb deploy resume repeats the switch"
    return _broken(died, what, changed=True)


def _done(died: _Died, what: str, trace: Trace | None) -> tuple[Event, ...]:
    """Return that the step took effect, though its run did not come to its end."""
    steps = trace.steps if trace and died.step.label.evidence is Evidence.LEDGER else None
    status = trace.exit_status if trace else None
    finished = StepFinished(step=died.number, statements=steps, exit_status=status)
    message = f"{died.where}, {what}"
    if died.doubtful:
        return (finished, _unknown(message))
    code = ExitCode.CHANGED
    return (finished, RunFinished(outcome=Outcome.FAILED, exit_code=code, message=message))


def _broken(
    died: _Died, what: str, *, changed: bool = False, status: int | None = None
) -> tuple[Event, ...]:
    joint = ", " if what.startswith("which ") else "; "
    message = f"{died.where}{joint}{what}"
    failed = StepFailed(step=died.number, message=message, changed=changed, exit_status=status)
    return (failed, _failed(died.result, message, changed=changed, doubtful=died.doubtful))


def _failed(
    result: Result, message: str, *, changed: bool = False, doubtful: bool = False
) -> RunFinished:
    if doubtful:
        return _unknown(message)
    code = ExitCode.CHANGED if changed or result.changed else ExitCode.UNCHANGED
    return RunFinished(outcome=Outcome.FAILED, exit_code=code, message=message)


def _unknown(message: str) -> RunFinished:
    return RunFinished(outcome=Outcome.UNKNOWN, exit_code=ExitCode.UNRESOLVED, message=message)
