"""How a step ended, as the event that tells it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from templedb_nb.core.approval.policy import RUN_DIGITS
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.run.ledger_guard import GONE, HINT, TOUCHED
from templedb_nb.core.run.sql_excerpt import excerpt
from templedb_nb.errors import StatementFailed, TempleError, Unresolved
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.command import CommandExit
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import (
    Event,
    HealthMeasured,
    Outcome,
    StepFailed,
    StepFinished,
    StepWarned,
)
from templedb_nb.model.health import Check, CheckAnswer, Health, HealthRole, Try
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.phase import Phase
from templedb_nb.model.step import Command, Migration, RunScript, Step
from templedb_nb.model.step_log import Log


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Why a run does not go on as planned."""

    outcome: Outcome
    message: str
    exit_code: int | None = None


def changes(step: Step, event: Event) -> bool:
    """Return whether the target is not, or may not be, as it was after *event*."""
    if isinstance(event, StepFailed):
        return event.changed
    return step.mutates


def ended(step: Step, event: Event) -> Ended | None:
    """Return why the run ends with *event*, if it does."""
    if not isinstance(event, StepFailed):
        return None
    message = f"{step.group}: {event.message}"
    if event.timed_out:
        return Ended(outcome=Outcome.TIMED_OUT, message=message)
    if event.unknown:
        return Ended(outcome=Outcome.UNKNOWN, message=message)
    if event.waits:
        code = ExitCode.APPROVAL_MISSING
        return Ended(outcome=Outcome.FAILED, message=message, exit_code=code)
    if event.inconclusive:
        code = ExitCode.INCONCLUSIVE
        return Ended(outcome=Outcome.FAILED, message=message, exit_code=code)
    return Ended(outcome=Outcome.FAILED, message=message)


def may_fail(step: Command) -> bool:
    """Return whether the run goes on where *step* fails."""
    if isinstance(step, RunScript):
        return False
    return not step.critical and step.phase in {Phase.POST_DEPLOY, Phase.ON_FAILURE}


def not_started(number: int, step: Command, error: TempleError) -> Event:
    """Tell of a command of which nothing ran."""
    if may_fail(step):
        message = f"{error.message}; the hook is not critical"
        return StepWarned(step=number, message=message)
    return broken(number, error, changed=False)


def how(ended: CommandExit) -> str:
    """Return how a command ended, in words."""
    if ended.timed_out:
        return "took longer than its timeout and was ended"
    if ended.signal is not None:
        return f"was killed by signal {ended.signal}"
    return f"exited with {ended.status}"


def statement_failed(
    number: int, step: Migration, error: StatementFailed, script: Script, mask: Callable[[str], str]
) -> StepFailed:
    """Return the event of a migration that the server refused."""
    place = f"{step.file}:{error.line}:{error.column}" if error.line else step.file
    named = error.message.startswith(f"{step.file} ")
    return StepFailed(
        step=number,
        message=error.message if named else f"{place}: {error.message}",
        changed=error.changed,
        hint=error.hint,
        detail=error.detail,
        statement=error.statement + 1 if error.statement >= 0 else None,
        line=error.line or None,
        column=error.column or None,
        sqlstate=error.sqlstate,
        excerpt=excerpt(script.up, script.line, error.line, error.column, mask),
    )


def broken(number: int, error: TempleError, *, changed: bool) -> StepFailed:
    """Return the event of a step that an error of ours ended."""
    unknown = isinstance(error, Unresolved)
    return StepFailed(
        step=number,
        message=error.message,
        changed=unknown or changed,
        hint=error.hint,
        unknown=unknown,
    )


def cancelled(number: int, what: str, *, changed: bool = False) -> StepFailed:
    """Return the event of a step that somebody cancelled."""
    message = f"cancelled; {what}"
    return StepFailed(step=number, message=message, changed=changed, cancelled=True)


def exited(
    number: int,
    ended: CommandExit,
    message: str,
    *,
    changed: bool = False,
    log: Log | None = None,
    tail: str = "",
) -> StepFailed:
    """Return the event of a command that ended."""
    return StepFailed(
        step=number,
        message=message,
        changed=changed,
        exit_status=ended.status,
        signal=ended.signal,
        timed_out=ended.timed_out,
        log=log,
        tail=tail,
    )


INTERRUPTED = CommandExit(status=None, signal=2)
"""How psql ended that somebody interrupted."""


def psql_failed(
    number: int, file: str, ended: CommandExit, log: Log | None, tail: str, *, in_part: bool
) -> StepFailed:
    """Return the event of a file that psql did not bring to its end.

    With *in_part*, its row is committed all the same: a COMMIT within the file has done that, and
    what came before it stands.
    """
    if in_part:
        message = f"psql {how(ended)}, but {file}, or a file that it reads, had committed before"
        message = f"{message} it reached its end"
        hint = "complete it by hand, or undo it, and remove its COMMIT; then: templedb migration"
        hint = f"{hint} resolve {file} --applied (or --not-applied) --reason WHY"
        failed = exited(number, ended, message, changed=True, log=log, tail=tail)
        return replace(failed, unknown=True, hint=hint)
    if ended.ok or GONE in tail:
        message = f"{file}, or a file that it reads, {_ROLLED_BACK}"
        failed = exited(number, ended, message, changed=True, log=log, tail=tail)
        return replace(failed, unknown=True, hint=_LOOK)
    if TOUCHED in tail:
        message = f"{file} {TOUCHED}; nothing of it was applied"
        return replace(exited(number, ended, message, log=log, tail=tail), hint=HINT)
    message = f"psql {how(ended)}; nothing of {file} was applied"
    return exited(number, ended, message, log=log, tail=tail)


_ROLLED_BACK = "rolled back its transaction; statements after that may have taken effect"
_LOOK = "check what took effect, undo it, and remove BEGIN and ROLLBACK from the file"


def measured(number: int, step: CheckHealth, check: Check, one: Try) -> HealthMeasured:
    """Return the event of one try, with what is left until the check is settled."""
    timing, soaks = check.timing, step.role is HealthRole.SOAK
    settles = {
        Health.HEALTHY: 0 if soaks else timing.success_threshold,
        Health.UNHEALTHY: timing.failure_threshold,
        Health.INCONCLUSIVE: timing.failure_threshold if soaks else 0,
    }
    ends_s = timing.soak_s if soaks else timing.deadline_s
    left_s = ends_s - (one.at_ms + one.latency_ms) // 1000
    return HealthMeasured(
        step=number,
        check=check.name,
        outcome=one.outcome,
        cause=one.cause,
        message=one.message,
        latency_ms=one.latency_ms,
        at_ms=one.at_ms,
        threshold=settles[one.outcome],
        left_s=max(0, left_s),
    )


def health_settled(number: int, run: str, answers: Sequence[CheckAnswer]) -> Event:
    """Return the event of checks that are settled; a bad one weighs more than an unknown one."""
    for outcome in (Health.UNHEALTHY, Health.INCONCLUSIVE):
        for each in answers:
            if each.outcome is outcome:
                return _unfit(number, run, each)
    return StepFinished(step=number, tail="".join(each.evidence for each in answers[-1:]))


def _unfit(number: int, run: str, answer: CheckAnswer) -> StepFailed:
    inconclusive = answer.outcome is Health.INCONCLUSIVE
    what = "could not be measured" if inconclusive else "is unhealthy"
    again = "measure again: templedb deploy resume"
    decide = f"templedb run resolve {run[:RUN_DIGITS]} --healthy --reason WHAT-YOU-SAW"
    return StepFailed(
        step=number,
        message=f"{answer.name} {what}: {answer.message}",
        changed=False,
        inconclusive=inconclusive,
        hint=f"{again}; or decide it by hand: {decide}" if inconclusive else again,
        tail=answer.evidence,
    )
