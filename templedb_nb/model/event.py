"""What happened: facts, in the order in which they became true.

An event holds no time and no run: the broadcaster stamps those on, so that two equal executions
produce two equal lists of events.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, NewType, TypeAlias

from templedb_nb.model.artifact import ArtifactsKept
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import Cause, Health
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.server_message import MessageLevel
from templedb_nb.model.sql_excerpt import SqlExcerpt
from templedb_nb.model.step_log import Log
from templedb_nb.model.switch_event import SwitchDone, SwitchIntended
from templedb_nb.model.window import WindowPassed

RunId = NewType("RunId", str)


class Outcome(StrEnum):
    """How a run ended; each is final."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"


class Evidence(StrEnum):
    """What proves that a step took effect where nobody saw it end."""

    LEDGER = "ledger"
    """A row or an event in the target's ledger, written in the step's own transaction."""
    JOURNAL = "journal"
    """What the run wrote down before and after it, here and in the ledger's rows of commands."""
    ROUTER = "router"
    """The router, which says where traffic goes."""
    NONE = "none"


_BEFORE_PROOFS = {
    **dict.fromkeys(("apply", "revert", "amend", "adopt"), Evidence.LEDGER),
    **dict.fromkeys(("command", "script"), Evidence.JOURNAL),
}
"""The proofs of the kinds that labels had before they said their own; no kind is added here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLabel:
    """How a step is named in every view of a run, and what proves it.

    Labels that were written before they said what proves them are told by their kind.
    """

    group: str
    phase: str
    kind: str
    title: str
    key: str = ""
    mutates: bool = False
    proof: Evidence | None = None

    @property
    def evidence(self) -> Evidence:
        """Return what proves the step."""
        return self.proof or _BEFORE_PROOFS.get(self.kind, Evidence.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The run was recorded; nothing has touched the target yet; its first `resumed` steps are done.

    An earlier run of the same plan did those, and the steps `finished` behind them. `tree` and
    `config_hash` say what it deploys; `parent_run` is the run that it undoes, or promotes.
    """

    kind: ClassVar[str] = "run_started"
    plan: str
    content_hash: str
    project: str
    slug: str
    target: str
    started_by: str
    host: str
    pid: int
    release: int
    steps: tuple[StepLabel, ...]
    resumed: int = 0
    finished: tuple[int, ...] = ()
    run_kind: RunKind = RunKind.DEPLOY
    parent_run: str = ""
    tree: str = ""
    config_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockAwaited:
    """Another run holds the lock; this run waits for it."""

    kind: ClassVar[str] = "lock_awaited"
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A session of the server that others wait for; `waits_for` are those that it waits for.

    `since` is when its transaction began. `query` is its last statement without values, or what
    the server says to a role that may not see it. `direct` says that the run itself waits for it.
    """

    pid: int
    role: str = ""
    application: str = ""
    state: str = ""
    query: str = ""
    since: datetime | None = None
    waits_for: tuple[int, ...] = ()
    direct: bool = True

    def __str__(self) -> str:
        """Name the session on one line."""
        since = f"in a transaction since {self.since:%H:%M:%S}Z" if self.since else ""
        role = f"role {self.role}" if self.role else ""
        told = (f"pid {self.pid}", role, self.application, self.state, since)
        return ", ".join(each for each in told if each)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementBlocked:
    """The running statement waits for other sessions on the server; empty: it no longer waits.

    `blockers` are all that stand in the way, also those that only others wait for.
    """

    kind: ClassVar[str] = "statement_blocked"
    by: str
    blockers: tuple[Blocker, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """Recorded before the step, so that a crash leaves evidence."""

    kind: ClassVar[str] = "step_started"
    step: int
    attempt: int
    attempt_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecorded:
    """The ledger has a row of the step, committed before the step can take effect.

    A row that is not there later was taken away. `database` is where, if the step is about one.
    """

    kind: ClassVar[str] = "step_recorded"
    step: int
    database: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRan:
    """One statement of a migration returned; its transaction is still open."""

    kind: ClassVar[str] = "statement_ran"
    step: int
    statement: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived:
    """The server sent a message while the step ran; masked and cut.

    `statement` counts from 1, and is empty for what came with the COMMIT. `in_output` says that the
    step's output has it, too.
    """

    kind: ClassVar[str] = "message_received"
    step: int
    level: MessageLevel
    message: str
    sqlstate: str = ""
    detail: str = ""
    hint: str = ""
    statement: int | None = None
    line: int | None = None
    in_output: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesOmitted:
    """The server sent more messages than are stored: so many warnings, and so many others."""

    kind: ClassVar[str] = "messages_omitted"
    step: int
    warnings: int
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRetried:
    """A transaction was rolled back because of other sessions, and begins again.

    It began with `statement`, from 1: nothing of it or behind it stands, nor what was said of that.
    """

    kind: ClassVar[str] = "transaction_retried"
    step: int
    statement: int
    message: str
    sqlstate: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputWritten:
    """A command wrote output; masked, at most 64 KiB."""

    kind: ClassVar[str] = "output_written"
    step: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthMeasured:
    """One try of a health check; its answer is kept with the end of the step.

    `at_ms` is when it began, since the step's first moment; the message is masked. `threshold`
    tries like it in a row settle the check; 0 if none do. `left_s` is left of deadline or soak.
    """

    kind: ClassVar[str] = "health_measured"
    step: int
    check: str
    outcome: Health
    cause: Cause
    message: str
    latency_ms: int
    at_ms: int
    threshold: int = 0
    left_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRetried:
    """An attempt failed and the config allows another."""

    kind: ClassVar[str] = "step_retried"
    step: int
    attempt: int
    message: str
    exit_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFinished:
    """The step took effect; `rows` is how many rows its queries returned, if it had any."""

    kind: ClassVar[str] = "step_finished"
    step: int
    exit_status: int | None = None
    statements: int | None = None
    rows: int | None = None
    log: Log | None = None
    tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWarned:
    """A step failed, but the run does not fail: a post hook that is not critical."""

    kind: ClassVar[str] = "step_warned"
    step: int
    message: str
    exit_status: int | None = None
    log: Log | None = None
    tail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """The step failed; `changed` says whether the target may have changed by it.

    `inconclusive` says that health checks were made and gave no result.
    """

    kind: ClassVar[str] = "step_failed"
    step: int
    message: str
    changed: bool
    hint: str = ""
    detail: str = ""
    statement: int | None = None
    line: int | None = None
    column: int | None = None
    sqlstate: str | None = None
    exit_status: int | None = None
    signal: int | None = None
    timed_out: bool = False
    cancelled: bool = False
    unknown: bool = False
    inconclusive: bool = False
    waits: bool = False
    log: Log | None = None
    tail: str = ""
    excerpt: SqlExcerpt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSkipped:
    """The step was not tried."""

    kind: ClassVar[str] = "step_skipped"
    step: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The last event of every run; a later process writes it for one that died.

    Then its stamp is the run's last sign of life, and `found_at` is when it was found dead. `owes`
    is the content of a rollback that has to follow; `stays` says why the plan's one does not.
    """

    kind: ClassVar[str] = "run_finished"
    outcome: Outcome
    exit_code: int
    message: str = ""
    found_at: datetime | None = None
    owes: str = ""
    stays: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthDecided:
    """A person stated the health that a run could not measure, after the run had ended.

    `steps` are the checks that this settles. `outcome` and `exit_code` are the run's new ones: it
    succeeded if nothing else was left to do.
    """

    kind: ClassVar[str] = "health_decided"
    steps: tuple[int, ...]
    health: Health
    by: str
    reason: str
    outcome: Outcome
    exit_code: int
    message: str


Event: TypeAlias = (
    RunStarted
    | LockAwaited
    | WindowPassed
    | StatementBlocked
    | StepStarted
    | StepRecorded
    | StatementRan
    | MessageReceived
    | MessagesOmitted
    | TransactionRetried
    | OutputWritten
    | HealthMeasured
    | ArtifactsKept
    | SwitchIntended
    | SwitchDone
    | StepRetried
    | StepFinished
    | StepWarned
    | StepFailed
    | StepSkipped
    | RunFinished
    | HealthDecided
)

Passing: TypeAlias = StatementRan | OutputWritten
"""Shown while it happens and kept elsewhere, if at all: output has its log, SQL its ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamped:
    """An event, with where and when it belongs."""

    json_kind: ClassVar[str] = "Stamped"

    run: RunId
    seq: int
    at: datetime
    elapsed_ms: int
    event: Event
