"""What a run came to: nothing but a fold over its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from templedb_nb.model.event import (
    LockAwaited,
    Log,
    Outcome,
    OutputWritten,
    RunFinished,
    RunStarted,
    Stamped,
    StatementRan,
    StepFailed,
    StepFinished,
    StepLabel,
    StepRetried,
    StepSkipped,
    StepStarted,
    StepWarned,
)


class StepState(StrEnum):
    """Where a step stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    WARNED = "warned"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """One step of a run; times are milliseconds since the run began."""

    label: StepLabel
    state: StepState = StepState.PENDING
    attempts: int = 0
    attempt_id: str = ""
    started_ms: int | None = None
    ended_ms: int | None = None
    statements: int = 0
    exit_status: int | None = None
    message: str = ""
    tail: str = ""
    log: Log | None = None

    @property
    def duration_ms(self) -> int | None:
        """Return how long the step took, over all attempts."""
        if self.started_ms is None or self.ended_ms is None:
            return None
        return self.ended_ms - self.started_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The state of a run so far; live views, history and tests share it."""

    run: str = ""
    plan: str = ""
    project: str = ""
    slug: str = ""
    target: str = ""
    release: int = 0
    started_by: str = ""
    host: str = ""
    pid: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    elapsed_ms: int = 0
    steps: tuple[StepResult, ...] = ()
    failure: StepFailed | None = None
    outcome: Outcome | None = None
    exit_code: int | None = None
    message: str = ""

    @classmethod
    def of(cls, entries: Iterable[Stamped]) -> Result:
        """Return what *entries* add up to."""
        result = cls()
        for entry in entries:
            result = result.after(entry)
        return result

    def after(self, entry: Stamped) -> Result:
        """Return the state once *entry* has happened."""
        moved = replace(self, elapsed_ms=entry.elapsed_ms)
        match event := entry.event:
            case RunStarted():
                return _started(moved, entry, event)
            case RunFinished():
                return _finished(moved, entry, event)
            case LockAwaited(holder=holder):
                return replace(moved, message=f"waits for the lock of {holder}")
            case StepFailed():
                failed = moved if moved.failure else replace(moved, failure=event)
                return _step(failed, entry, event)
            case _:
                return _step(moved, entry, event)

    def count(self, state: StepState) -> int:
        """Return how many steps stand there."""
        return sum(step.state is state for step in self.steps)

    def applied(self) -> int:
        """Return how many migrations the run brought into effect."""
        done = (s for s in self.steps if s.state is StepState.DONE)
        return sum(step.label.kind == "apply" for step in done)

    @property
    def changed(self) -> bool:
        """Return whether the target changed, or may have."""
        by_failure = self.failure is not None and self.failure.changed
        touched = (StepState.DONE, StepState.UNKNOWN, StepState.WARNED)
        return by_failure or any(s.label.mutates and s.state in touched for s in self.steps)


def _started(result: Result, entry: Stamped, event: RunStarted) -> Result:
    return replace(
        result,
        run=entry.run,
        plan=event.plan,
        project=event.project,
        slug=event.slug,
        target=event.target,
        release=event.release,
        started_by=event.started_by,
        host=event.host,
        pid=event.pid,
        started_at=entry.at,
        steps=tuple(StepResult(label=label) for label in event.steps),
    )


def _finished(result: Result, entry: Stamped, event: RunFinished) -> Result:
    ends = {StepState.RUNNING: StepState.UNKNOWN, StepState.PENDING: StepState.SKIPPED}
    steps = tuple(replace(s, state=ends.get(s.state, s.state)) for s in result.steps)
    return replace(
        result,
        steps=steps,
        finished_at=entry.at,
        outcome=event.outcome,
        exit_code=event.exit_code,
        message=event.message,
    )


StepEvent = (
    StepStarted
    | StatementRan
    | OutputWritten
    | StepRetried
    | StepFinished
    | StepWarned
    | StepFailed
    | StepSkipped
)


def _step(result: Result, entry: Stamped, event: StepEvent) -> Result:
    if isinstance(event, OutputWritten):
        return result
    step = _moved(result.steps[event.step], entry.elapsed_ms, event)
    steps = (*result.steps[: event.step], step, *result.steps[event.step + 1 :])
    return replace(result, steps=steps)


def _moved(step: StepResult, now: int, event: StepEvent) -> StepResult:
    match event:
        case StepStarted(attempt=attempt, attempt_id=attempt_id):
            began = now if step.started_ms is None else step.started_ms
            moved = replace(step, state=StepState.RUNNING, started_ms=began, attempts=attempt)
            return replace(moved, attempt_id=attempt_id)
        case StatementRan(statement=statement):
            return replace(step, statements=statement + 1)
        case OutputWritten():
            return step
        case StepRetried(message=message, exit_status=status):
            return replace(step, message=message, exit_status=status)
        case StepSkipped(reason=reason):
            return replace(step, state=StepState.SKIPPED, message=reason)
        case StepFinished():
            done = replace(step, state=StepState.DONE, ended_ms=now, message="")
            counted = step.statements if event.statements is None else event.statements
            return replace(_kept(done, event), statements=counted)
        case StepWarned(message=message):
            warned = replace(step, state=StepState.WARNED, ended_ms=now, message=message)
            return _kept(warned, event)
        case StepFailed(message=message):
            failed = replace(step, state=StepState.FAILED, ended_ms=now, message=message)
            return _kept(failed, event)
        case _:
            assert_never(event)


def _kept(step: StepResult, event: StepFinished | StepWarned | StepFailed) -> StepResult:
    return replace(step, exit_status=event.exit_status, tail=event.tail, log=event.log)
