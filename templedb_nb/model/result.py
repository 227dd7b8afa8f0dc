"""What a run came to: nothing but a fold over its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from templedb_nb.exit_code import ExitCode
from templedb_nb.model.artifact import ArtifactsKept
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import (
    HealthDecided,
    LockAwaited,
    Outcome,
    OutputWritten,
    RunFinished,
    RunStarted,
    Stamped,
    StatementBlocked,
    StepFailed,
)
from templedb_nb.model.health import Health, Measured
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.step import BY_KIND, Apply
from templedb_nb.model.step_result import StepResult, StepState, moved
from templedb_nb.model.window import WindowPassed

APPLIED_BEFORE = "an earlier run of this plan applied it"
"""Why a migration is skipped that is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The state of a run so far; live views, history and tests share it."""

    json_kind: ClassVar[str] = "Result"

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
    found_at: datetime | None = None
    elapsed_ms: int = 0
    steps: tuple[StepResult, ...] = ()
    failure: StepFailed | None = None
    outcome: Outcome | None = None
    exit_code: int | None = None
    message: str = ""
    resumed: int = 0
    finished: tuple[int, ...] = ()
    health: Measured = Measured.NO_GATE
    run_kind: RunKind = RunKind.DEPLOY
    parent_run: str = ""
    tree: str = ""
    config_hash: str = ""
    manifest: str = ""
    """The record of the artifacts that it has kept or placed."""
    owes: str = ""
    """The content of a rollback that has to follow."""
    rollback: Result | None = None
    """The run that rolled this one back, or has tried to."""
    rollback_missing: str = ""
    """Why a rollback that the plan names has not begun, or does not follow."""
    passed: tuple[WindowPassed, ...] = ()
    """Windows that were closed when it began."""

    @classmethod
    def of(cls, entries: Iterable[Stamped]) -> Result:
        """Return what *entries* add up to."""
        progress = Progress()
        for entry in entries:
            progress.add(entry)
        return progress.result

    @property
    def waiting(self) -> StepResult | None:
        """Return the step at which a person must send the run on, if it waits for one."""
        return self.steps[self.failure.step] if self.failure and self.failure.waits else None

    def count(self, state: StepState) -> int:
        """Return how many steps stand there."""
        return sum(step.state is state for step in self.steps)

    def applied(self) -> int:
        """Return how many migrations the run brought into effect."""
        done = (s for s in self.steps if s.state is StepState.DONE)
        return sum(step.label.kind == Apply.kind for step in done)

    @property
    def warnings(self) -> int:
        """Return how many warnings there were, over all steps."""
        return sum(step.warnings for step in self.steps)

    @property
    def notices(self) -> int:
        """Return how many messages of servers were no warnings, over all steps."""
        return sum(step.notices for step in self.steps)

    def done_before(self, number: int) -> bool:
        """Return whether an earlier run of the same plan had done the step."""
        return self._resumed(number) or self.steps[number].message == APPLIED_BEFORE

    def _resumed(self, number: int) -> bool:
        return number < self.resumed or number in self.finished

    @property
    def deploys(self) -> bool:
        """Return whether it deploys a release; `migration down` and amendments do not."""
        kinds = (BY_KIND.get(step.label.kind) for step in self.steps)
        return all(kind is None or kind.deploys for kind in kinds)

    @property
    def begun(self) -> bool:
        """Return whether it had begun a step."""
        return any(step.started_ms is not None for step in self.steps)

    @property
    def half_back(self) -> bool:
        """Return whether it is a rollback that failed, so that a person must look at the target."""
        failed = self.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}
        unchanged = self.exit_code == ExitCode.UNCHANGED
        return self.run_kind is RunKind.ROLLBACK and failed and self.begun and not unchanged

    @property
    def final_exit_code(self) -> int | None:
        """Return the exit code with the rollback: 11 if it succeeded, 13 if it did not."""
        if self.half_back:
            return ExitCode.UNRESOLVED
        if self.rollback is None or self.outcome is Outcome.SUCCEEDED:
            return self.exit_code
        good = self.rollback.outcome is Outcome.SUCCEEDED
        return ExitCode.ROLLED_BACK if good else ExitCode.UNRESOLVED

    @property
    def changed(self) -> bool:
        """Return whether the target changed, or may have, also by the run that is resumed."""
        by_failure = self.failure is not None and self.failure.changed
        return by_failure or self._any_in(StepState.DONE, StepState.UNKNOWN, StepState.WARNED)

    @property
    def in_doubt(self) -> bool:
        """Return whether a step in doubt is all that may have changed the target."""
        unknown = self.failure is not None and self.failure.unknown
        return unknown and not self._any_in(StepState.DONE, StepState.WARNED)

    def _any_in(self, *states: StepState) -> bool:
        """Return whether a step that changes the target is in one of *states*, or was before."""
        return any(
            step.label.mutates and (step.state in states or self._resumed(number))
            for number, step in enumerate(self.steps)
        )


class Progress:
    """Follows a run, event by event, at a cost that does not grow with its steps."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self._run = Result()
        self._elapsed_ms = 0
        self.steps: list[StepResult] = []
        self.running: int | None = None

    @property
    def result(self) -> Result:
        """Return what the run has come to so far."""
        now = replace(self._run, elapsed_ms=self._elapsed_ms, steps=tuple(self.steps))
        return replace(now, health=_measured(now))

    def add(self, entry: Stamped) -> None:
        """Take in what happened next."""
        self._elapsed_ms = entry.elapsed_ms
        match event := entry.event:
            case RunStarted():
                self._run = _started(self._run, entry, event)
                self.steps = [StepResult(label=label) for label in event.steps]
            case RunFinished():
                self._run = _finished(self._run, entry, event)
                self._close_steps()
            case LockAwaited() | StatementBlocked() | WindowPassed():
                self._run = _meanwhile(self._run, event)
            case OutputWritten():
                pass
            case HealthDecided():
                self._run = _decided(self._run, event)
                for number in event.steps:
                    self.steps[number] = _settled(self.steps[number], event)
            case ArtifactsKept(manifest=manifest):
                self._run = replace(self._run, manifest=manifest)
            case _:
                if isinstance(event, StepFailed) and _graver(event, self._run.failure):
                    self._run = replace(self._run, failure=event)
                step = moved(self.steps[event.step], entry.elapsed_ms, event)
                self.steps[event.step] = step
                self.running = event.step if step.state is StepState.RUNNING else None

    def _close_steps(self) -> None:
        """Say of each step that did not end what it counts as."""
        ends = {StepState.RUNNING: StepState.UNKNOWN, StepState.PENDING: StepState.SKIPPED}
        open_ones = [(n, ends[s.state]) for n, s in enumerate(self.steps) if s.state in ends]
        for number, state in open_ones:
            self.steps[number] = replace(self.steps[number], state=state)
        self.running = None


def _graver(event: StepFailed, before: StepFailed | None) -> bool:
    """Return whether a failure is what the run is judged by.

    That is the first of which a person must find out the outcome, else the first that somebody saw.
    """
    if before is None or (event.unknown and not before.unknown):
        return True
    return before.inconclusive and not event.inconclusive and not before.unknown


def _meanwhile(result: Result, event: LockAwaited | StatementBlocked | WindowPassed) -> Result:
    """Return a run with what is about no step of it."""
    match event:
        case LockAwaited(holder=holder):
            return replace(result, message=f"waits for the lock of {holder}")
        case StatementBlocked(by=by):
            return replace(result, message=f"waits for {by}" if by else "")
        case WindowPassed():
            return replace(result, passed=(*result.passed, event))


def _measured(result: Result) -> Measured:
    """Return what a run knows of the target's health."""
    asked = [
        (step, result.done_before(number))
        for number, step in enumerate(result.steps)
        if step.label.kind == CheckHealth.kind or step.health is not None
    ]
    if not asked:
        return Measured.NO_GATE
    found = {step.health for step, _ in asked}
    for outcome in (Health.UNHEALTHY, Health.INCONCLUSIVE):
        if outcome in found:
            return Measured(outcome.value)
    every = all(step.health is Health.HEALTHY or before for step, before in asked)
    return Measured.HEALTHY if every else Measured.NOT_MEASURED


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
        resumed=event.resumed,
        finished=event.finished,
        run_kind=event.run_kind,
        parent_run=event.parent_run,
        tree=event.tree,
        config_hash=event.config_hash,
    )


def _finished(result: Result, entry: Stamped, event: RunFinished) -> Result:
    return replace(
        result,
        finished_at=entry.at,
        found_at=event.found_at,
        outcome=event.outcome,
        exit_code=event.exit_code,
        message=event.message,
        owes=event.owes,
        rollback_missing=event.stays,
    )


def _decided(result: Result, event: HealthDecided) -> Result:
    told = replace(result, outcome=event.outcome, exit_code=event.exit_code, message=event.message)
    failure = result.failure
    if event.health is Health.HEALTHY:
        settled = failure is not None and failure.step in event.steps
        return replace(told, failure=None) if settled else told
    number = failure.step if failure else event.steps[0]
    said = StepFailed(step=number, message=event.message, changed=False)
    return replace(told, failure=said)


def _settled(step: StepResult, event: HealthDecided) -> StepResult:
    healthy = event.health is Health.HEALTHY
    return replace(
        step,
        state=StepState.DONE if healthy else StepState.FAILED,
        health=event.health,
        message=f"{event.by} says that it is {event.health}: {event.reason}",
    )
