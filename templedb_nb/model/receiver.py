"""Who is notified, and how far each delivery has come."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.notification import NotificationKind, Urgency
from templedb_nb.model.variable import Variable


class ReceiverKind(StrEnum):
    """How a receiver is reached."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    SLACK = "slack"
    APPRISE = "apprise"
    COMMAND = "command"


class ReceiverState(StrEnum):
    """Whether a receiver gets what is owed to it."""

    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverFilter:
    """Which notifications a receiver wants; what is empty leaves nothing out.

    `events` are kinds, or patterns such as ``rollback.*``; empty stands for the default set.
    """

    events: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    urgency: Urgency = Urgency.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Somebody who is notified; `secrets` are its address and its keys, sealed or references.

    `settings` are what is no secret. `origin` is the project whose file names it; empty where a
    person added it. It gets what happened from `since` on.
    """

    name: str
    kind: ReceiverKind
    secrets: tuple[Variable, ...]
    since: datetime
    added_by: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    filter: ReceiverFilter = ReceiverFilter()
    origin: str = ""
    state: ReceiverState = ReceiverState.ACTIVE
    why: str = ""

    def setting(self, name: str) -> str:
        """Return a setting, or nothing."""
        return dict(self.settings).get(name, "")


class ReplyKind(StrEnum):
    """What an attempt to deliver came to."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a receiver said to one attempt; `answer` is the beginning of that, masked later.

    FAILED is tried again, not before `wait_s` if that is set; REFUSED is not; GONE wants nothing
    any more. `reference` is what the receiver calls the message.
    """

    kind: ReplyKind
    told: str
    answer: str = ""
    wait_s: int | None = None
    reference: str = ""


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One notification on its way to one receiver.

    `failing_since` is the first of the failed attempts in a row, `due_at` when the next one is
    meant; before `not_before` the receiver wants none. `told` says what the last attempt came to,
    `answer` is the beginning of what the receiver said to it.
    """

    receiver: str
    event: str
    kind: NotificationKind
    record: str
    stream: str
    place: int
    happened_at: datetime
    project: str = ""
    target: str = ""
    what: str = ""
    state: DeliveryState = DeliveryState.WAITING
    attempts: int = 0
    failing_since: datetime | None = None
    tried_at: datetime | None = None
    due_at: datetime | None = None
    not_before: datetime | None = None
    delivered_at: datetime | None = None
    told: str = ""
    answer: str = ""
    reference: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverRow:
    """One receiver at a glance; nothing of its address."""

    name: str
    kind: ReceiverKind
    state: ReceiverState
    events: tuple[str, ...]
    projects: tuple[str, ...]
    targets: tuple[str, ...]
    urgency: Urgency
    origin: str
    since: datetime
    waiting: int = 0
    dead: int = 0
    delivered: int = 0
    last_at: datetime | None = None
    next_at: datetime | None = None
    note: str = ""

    @property
    def stands(self) -> str:
        """Return what somebody should know of it: ``2 waiting, 1 dead, paused``; often nothing."""
        parts = [f"{self.waiting} waiting"] if self.waiting else []
        parts += [f"{self.dead} dead"] if self.dead else []
        parts += [self.state.value] if self.state is not ReceiverState.ACTIVE else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A notification that will not be delivered any more, and why."""

    receiver: str
    event: str
    kind: NotificationKind
    project: str
    target: str
    what: str
    happened_at: datetime
    attempts: int
    told: str
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverList:
    """Everybody who is notified, with what waits for them, and the newest dead letters."""

    json_kind: ClassVar[str] = "ReceiverList"

    rows: tuple[ReceiverRow, ...]
    dead: tuple[DeadLetter, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one pass of sending came to; `waiting` is what is still owed."""

    json_kind: ClassVar[str] = "Sent"

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    waiting: int = 0
    told: tuple[str, ...] = ()
