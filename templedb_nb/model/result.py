"""What a run came to: nothing but a fold over its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, assert_never

from templedb_nb.model.event import (
    HealthDecided,
    HealthMeasured,
    LockAwaited,
    Log,
    MessageReceived,
    MessagesOmitted,
    Outcome,
    OutputWritten,
    RunFinished,
    RunStarted,
    Stamped,
    StatementBlocked,
    StatementRan,
    StepFailed,
    StepFinished,
    StepLabel,
    StepRecorded,
    StepRetried,
    StepSkipped,
    StepStarted,
    StepWarned,
    TransactionRetried,
)
from templedb_nb.model.health import Health, Measured
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.server_message import MessageLevel
from templedb_nb.model.step import BY_KIND, Apply

APPLIED_BEFORE = "an earlier run of this plan applied it"
"""Why a migration is skipped that is done."""


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
    """One step of a run; times are milliseconds since the run began.

    `rows` is how many its queries gave, `messages` what the server said beside its answers; so many
    warnings and others more are not kept. `recorded` is what its last attempt wrote down of its
    row in the ledger.
    """

    label: StepLabel
    state: StepState = StepState.PENDING
    attempts: int = 0
    attempt_id: str = ""
    recorded: StepRecorded | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    statements: int = 0
    exit_status: int | None = None
    message: str = ""
    tail: str = ""
    log: Log | None = None
    rows: int | None = None
    messages: tuple[MessageReceived, ...] = ()
    more_warnings: int = 0
    more_messages: int = 0
    tries: tuple[HealthMeasured, ...] = ()
    health: Health | None = None
    """What a health check came to; None of other steps, and of one that was not settled."""

    @property
    def warnings(self) -> int:
        """Return how many warnings there were: the server's, and one of a hook that failed."""
        said = sum(each.level is MessageLevel.WARNING for each in self.messages)
        return said + self.more_warnings + (self.state is StepState.WARNED)

    @property
    def notices(self) -> int:
        """Return how many messages of the server were no warnings."""
        said = sum(each.level is not MessageLevel.WARNING for each in self.messages)
        return said + self.more_messages

    @property
    def duration_ms(self) -> int | None:
        """Return how long the step took, over all attempts."""
        if self.started_ms is None or self.ended_ms is None:
            return None
        return self.ended_ms - self.started_ms


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

    @classmethod
    def of(cls, entries: Iterable[Stamped]) -> Result:
        """Return what *entries* add up to."""
        progress = Progress()
        for entry in entries:
            progress.add(entry)
        return progress.result

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
        """Return whether it brings a release into effect: no way back, no word on the ledger."""
        kinds = (BY_KIND.get(step.label.kind) for step in self.steps)
        return all(kind is None or kind.deploys for kind in kinds)

    @property
    def changed(self) -> bool:
        """Return whether the target changed, or may have, also by the run that is resumed."""
        by_failure = self.failure is not None and self.failure.changed
        touched = (StepState.DONE, StepState.UNKNOWN, StepState.WARNED)
        return by_failure or any(
            step.label.mutates and (step.state in touched or self._resumed(number))
            for number, step in enumerate(self.steps)
        )


StepEvent = (
    StepStarted
    | StepRecorded
    | HealthMeasured
    | StatementRan
    | MessageReceived
    | MessagesOmitted
    | TransactionRetried
    | OutputWritten
    | StepRetried
    | StepFinished
    | StepWarned
    | StepFailed
    | StepSkipped
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
                ends = {StepState.RUNNING: StepState.UNKNOWN, StepState.PENDING: StepState.SKIPPED}
                steps = enumerate(self.steps)
                open_ones = [(n, ends[each.state]) for n, each in steps if each.state in ends]
                for number, state in open_ones:
                    self.steps[number] = replace(self.steps[number], state=state)
                self.running = None
            case LockAwaited(holder=holder):
                self._run = replace(self._run, message=f"waits for the lock of {holder}")
            case StatementBlocked(by=by):
                self._run = replace(self._run, message=f"waits for {by}" if by else "")
            case OutputWritten():
                pass
            case HealthDecided():
                self._run = _decided(self._run, event)
                for number in event.steps:
                    self.steps[number] = _settled(self.steps[number], event)
            case _:
                if isinstance(event, StepFailed) and _graver(event, self._run.failure):
                    self._run = replace(self._run, failure=event)
                step = _moved(self.steps[event.step], entry.elapsed_ms, event)
                self.steps[event.step] = step
                self.running = event.step if step.state is StepState.RUNNING else None


def _graver(event: StepFailed, before: StepFailed | None) -> bool:
    """Return whether a failure is what the run is judged by: the first that somebody saw."""
    return before is None or (before.inconclusive and not event.inconclusive)


def _measured(result: Result) -> Measured:
    """Return what a run knows of the target's health."""
    asked = [
        (step, result.done_before(number))
        for number, step in enumerate(result.steps)
        if step.label.kind == CheckHealth.kind
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
    )


def _finished(result: Result, entry: Stamped, event: RunFinished) -> Result:
    return replace(
        result,
        finished_at=entry.at,
        found_at=event.found_at,
        outcome=event.outcome,
        exit_code=event.exit_code,
        message=event.message,
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


def _moved(step: StepResult, now: int, event: StepEvent) -> StepResult:
    match event:
        case StepStarted(attempt=attempt, attempt_id=attempt_id):
            began = now if step.started_ms is None else step.started_ms
            return replace(
                step,
                state=StepState.RUNNING,
                started_ms=began,
                attempts=attempt,
                attempt_id=attempt_id,
                recorded=None,
            )
        case StatementRan(statement=statement):
            return replace(step, statements=statement + 1)
        case OutputWritten():
            return step
        case HealthMeasured():
            return replace(step, tries=(*step.tries, event), message=event.message)
        case MessageReceived() | MessagesOmitted() | TransactionRetried() | StepRecorded():
            return _heard(step, event)
        case StepRetried(message=message, exit_status=status):
            return replace(step, message=message, exit_status=status)
        case StepSkipped(reason=reason):
            return replace(step, state=StepState.SKIPPED, message=reason)
        case StepFinished() | StepWarned() | StepFailed():
            return _ended(replace(step, ended_ms=now), event)
        case _:
            assert_never(event)


def _ended(step: StepResult, event: StepFinished | StepWarned | StepFailed) -> StepResult:
    kept = replace(step, exit_status=event.exit_status, tail=event.tail, log=event.log)
    kept = replace(kept, health=_health(step, event))
    match event:
        case StepFinished():
            counted = step.statements if event.statements is None else event.statements
            done = replace(kept, state=StepState.DONE, message="")
            return replace(done, statements=counted, rows=event.rows)
        case StepWarned(message=message):
            return replace(kept, state=StepState.WARNED, message=message)
        case StepFailed(message=message):
            return replace(kept, state=StepState.FAILED, message=message)


def _health(step: StepResult, event: StepFinished | StepWarned | StepFailed) -> Health | None:
    """Return what a health check came to; None of other steps, and of one that was broken off."""
    if step.label.kind != CheckHealth.kind:
        return None
    match event:
        case StepFinished():
            return Health.HEALTHY
        case StepFailed(cancelled=False, unknown=False):
            return Health.INCONCLUSIVE if event.inconclusive else Health.UNHEALTHY
        case _:
            return None


def _heard(
    step: StepResult, event: MessageReceived | MessagesOmitted | TransactionRetried | StepRecorded
) -> StepResult:
    match event:
        case MessageReceived():
            return replace(step, messages=(*step.messages, event))
        case MessagesOmitted(warnings=warnings, others=others):
            return replace(step, more_warnings=warnings, more_messages=others)
        case TransactionRetried(statement=first):
            stands = (m for m in step.messages if m.statement and m.statement < first)
            return replace(step, messages=tuple(stands))
        case StepRecorded():
            return replace(step, recorded=event)
        case _:
            assert_never(event)
