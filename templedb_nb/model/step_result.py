"""One step of a run: nothing but a fold over its events."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import assert_never

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import (
    HealthMeasured,
    MessageReceived,
    MessagesOmitted,
    OutputWritten,
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
from templedb_nb.model.health import Health
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.server_message import MessageLevel
from templedb_nb.model.step_log import Log
from templedb_nb.model.switch_event import SwitchDone, SwitchIntended
from templedb_nb.model.switch_step import SwitchSlot


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

    `rows` counts the rows of its queries, `messages` are what the server said beside its answers;
    `more_warnings` and `more_messages` count those that are not kept. `recorded` is what its last
    attempt recorded of its row in the ledger.
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
    switching: tuple[SwitchIntended | SwitchDone, ...] = ()
    """How far the last attempt at a switch of traffic got."""
    health: Health | None = None
    """What a health check came to; None of other steps, and of one that was not settled."""

    @property
    def intended(self) -> bool:
        """Return whether a switch of traffic got as far as the router."""
        return bool(self.switching)

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


StepEvent = (
    StepStarted
    | StepRecorded
    | HealthMeasured
    | StatementRan
    | MessageReceived
    | MessagesOmitted
    | TransactionRetried
    | OutputWritten
    | SwitchIntended
    | SwitchDone
    | StepRetried
    | StepFinished
    | StepWarned
    | StepFailed
    | StepSkipped
)


def moved(step: StepResult, now: int, event: StepEvent) -> StepResult:
    """Return where a step stands after *event*, *now* milliseconds after the run began."""
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
                switching=(),
            )
        case StatementRan(statement=statement):
            return replace(step, statements=statement + 1)
        case OutputWritten():
            return step
        case SwitchIntended() | SwitchDone():
            return _switching(step, event)
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


def _switching(step: StepResult, event: SwitchIntended | SwitchDone) -> StepResult:
    told = replace(step, switching=(*step.switching, event))
    if isinstance(event, SwitchIntended):
        return replace(told, message=f"traffic is to go to {event.to}")
    return replace(told, message=f"{event.to} serves")


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
    if step.label.kind == SwitchSlot.kind:
        good = isinstance(event, StepFinished | StepWarned)
        return Health.HEALTHY if step.tries and good else None
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
