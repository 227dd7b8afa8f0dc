"""What people are notified of: one fact of the records, in the form that every receiver gets."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass


class NotificationKind(StrEnum):
    """What happened; the words that filters, webhooks and scripts use."""

    PLAN_CREATED = "plan.created"
    PLAN_SUPERSEDED = "plan.superseded"
    APPROVAL_REQUESTED = "approval.requested"
    APPROVAL_GIVEN = "approval.given"
    APPROVAL_REJECTED = "approval.rejected"
    APPROVAL_EXPIRED = "approval.expired"
    RUN_STARTED = "run.started"
    STEP_FAILED = "step.failed"
    HEALTH_FAILED = "health.failed"
    RUN_SUCCEEDED = "run.succeeded"
    RUN_FAILED = "run.failed"
    RUN_CANCELLED = "run.cancelled"
    RUN_TIMED_OUT = "run.timed_out"
    RUN_UNKNOWN = "run.unknown"
    ROLLBACK_STARTED = "rollback.started"
    ROLLBACK_SUCCEEDED = "rollback.succeeded"
    ROLLBACK_FAILED = "rollback.failed"
    TARGET_DEGRADED = "target.degraded"
    SWITCH_INTENDED = "switch.intent"
    SWITCH_DONE = "switch.done"
    WINDOW_OVERRIDDEN = "window.overridden"
    LOCK_STOLEN = "lock.stolen"
    DRIFT_FOUND = "drift.found"
    FILES_PENDING = "files.pending"
    TEST = "notification.test"


class Urgency(StrEnum):
    """How soon a person should look, from the least to the most."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return its place in that order, from 0."""
        return list(Urgency).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One fact, for whoever wants to know; `id` follows from the fact alone.

    `record` names the record that it was read from, `stream` what it belongs to: of one stream, a
    receiver gets the facts in the order of their `place`. `thread` is what people read together:
    a run with the rollback that follows it. `what` continues the sentence that begins with the
    project and the target.
    """

    json_kind: ClassVar[str] = "Notification"

    id: str
    kind: NotificationKind
    urgency: Urgency
    at: datetime
    record: str
    stream: str
    place: int
    what: str
    project: str = ""
    target: str = ""
    run: str = ""
    plan: str = ""
    thread: str = ""
    message: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    command: str = ""
    link: str = ""

    @property
    def title(self) -> str:
        """Return it on one line: ``[production] shop failed``."""
        where = f"[{self.target}] " if self.target else ""
        return f"{where}{self.project} {self.what}".strip()
