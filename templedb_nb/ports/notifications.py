"""What use cases ask of the state, and of receivers, to notify people; a protocol a role."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Protocol, runtime_checkable

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.notification import Notification, Urgency
from templedb_nb.model.notified_record import (
    ApprovalRecord,
    PlanRecord,
    RunRecord,
    SupersededPlan,
)
from templedb_nb.model.project import Slug
from templedb_nb.model.receiver import DeadLetter, Delivery, Receiver, ReceiverState, Reply
from templedb_nb.model.secret import Secret


class ReceiverStore(Protocol):
    """Everybody who is notified."""

    def any_receivers(self) -> bool:
        """Return whether there is anybody."""
        ...

    def unread_projects(self, path: str) -> tuple[tuple[Slug, int, str, str], ...]:
        """Return the projects whose newest release was not looked at: number, tree, file at *path*.

        The file is the address of its content; empty for a release without it.
        """
        ...

    def receivers(self) -> tuple[Receiver, ...]:
        """Return every receiver, by name."""
        ...

    def keep_receiver(self, receiver: Receiver) -> None:
        """Add a receiver, or replace the one of the same name."""
        ...

    def remove_receiver(self, name: str) -> None:
        """Forget a receiver and everything that it is owed."""
        ...

    def set_state(self, name: str, state: ReceiverState, why: str) -> None:
        """Say whether a receiver gets what is owed to it."""
        ...

    def file_read(self, slug: Slug) -> tuple[str, str] | None:
        """Return the tree and the file from which a project's receivers were read last."""
        ...

    def keep_file_read(self, slug: Slug, tree: str, blob: str) -> None:
        """Record from which release's file a project's receivers were read."""
        ...


class OwedRecords(Protocol):
    """The records that were not looked at yet, as far as they are no older than a moment."""

    def new_runs(self, since: datetime, kinds: Sequence[str]) -> tuple[RunRecord, ...]:
        """Return the runs that tell more than when they were last looked at, oldest first."""
        ...

    def new_plans(self, since: datetime) -> tuple[PlanRecord, ...]:
        """Return the plans that were not looked at, oldest first."""
        ...

    def new_approvals(self, since: datetime) -> tuple[ApprovalRecord, ...]:
        """Return people's words on plans that were not looked at, oldest first."""
        ...

    def expired_approvals(self, since: datetime, now: datetime) -> tuple[ApprovalRecord, ...]:
        """Return the approvals that expired before a run used them, and were not looked at."""
        ...

    def superseded_plans(self, plans: Collection[str]) -> tuple[SupersededPlan, ...]:
        """Return the plans that waited for approvals and that one of *plans* replaced."""
        ...

    def new_observations(self) -> tuple[Notification, ...]:
        """Return what was seen of targets and was not looked at, in that order."""
        ...

    def mark_past(self, before: datetime) -> None:
        """Record that everything that is over before a moment was looked at."""
        ...

    def mark_collected(self, marks: Mapping[str, str]) -> None:
        """Record that records were looked at, and what they said."""
        ...


class RecordAgain(Protocol):
    """Records that are read again: for another attempt, or to be sent once more."""

    def run_records(self, runs: Collection[str], kinds: Sequence[str]) -> tuple[RunRecord, ...]:
        """Return those runs."""
        ...

    def plan_records(self, plans: Collection[str]) -> tuple[PlanRecord, ...]:
        """Return those plans."""
        ...

    def approval_records(self, approvals: Collection[str]) -> tuple[ApprovalRecord, ...]:
        """Return those words on plans."""
        ...

    def expiry_records(self, approvals: Collection[str]) -> tuple[ApprovalRecord, ...]:
        """Return those approvals as they expired."""
        ...

    def observed(self, ids: Collection[str]) -> tuple[Notification, ...]:
        """Return those that were seen."""
        ...

    def recent_records(self, since: datetime, now: datetime) -> tuple[str, ...]:
        """Return the names of all records that tell of something since a moment."""
        ...

    def keep_observations(self, seen: Iterable[Notification], at: datetime) -> None:
        """Keep what was seen of targets; what was seen before stays as it was."""
        ...


class DeliveryStore(Protocol):
    """How far each notification has come to each receiver."""

    def known_deliveries(self, events: Collection[str]) -> frozenset[tuple[str, str]]:
        """Return which of *events* which receivers are owed, were given, or will not get."""
        ...

    def owed(self, limit: int) -> tuple[Delivery, ...]:
        """Return what waits for the active receivers, in order, and no more of each than that."""
        ...

    def settle_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Record how far deliveries have come, whether they are known or new."""
        ...

    def delivered_of(self, receiver: str, stream: str) -> tuple[Delivery, ...]:
        """Return what a receiver was given of a stream or a thread, in order."""
        ...

    def delivery_counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many deliveries of each receiver are in each state."""
        ...

    def last_and_next(self) -> Mapping[str, tuple[datetime | None, datetime | None]]:
        """Return when each receiver was given something last, and when it is tried next."""
        ...

    def dead_letters(self, last: int) -> tuple[DeadLetter, ...]:
        """Return the newest dead letters, newest first."""
        ...


class NotificationStore(ReceiverStore, OwedRecords, RecordAgain, DeliveryStore, Protocol):
    """Everything that the state has for notifications. Who needs less takes a role."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A notification in the form of one receiver: masked, and ready to go.

    `body` is what is sent, or given on standard input. `settings` are the receiver's own.
    `reference` is what the receiver calls the message that this one is to replace, if it may.
    """

    event: str
    kind: str
    sent_at: datetime
    title: str
    text: str
    urgency: Urgency
    body: bytes = field(repr=False)
    settings: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""


class Courier(Protocol):
    """Brings parcels to one receiver."""

    def deliver(self, parcel: Parcel, secrets: Mapping[str, Secret], within_s: float) -> Reply:
        """Try once, for no longer than so many seconds; never raise for what a receiver does."""
        ...


@runtime_checkable
class Endable(Protocol):
    """A courier whose work outlives this process."""

    def end(self) -> None:
        """End what it began."""
        ...
