"""A notification as one receiver gets it: masked, then put into the receiver's form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from templedb_nb.app.environment import Environment
from templedb_nb.core.notifications.kinds import KINDS
from templedb_nb.core.notifications.parts import BOT
from templedb_nb.engine import broadcast
from templedb_nb.errors import TempleError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import RunId, Stamped
from templedb_nb.model.notification import Notification, NotificationKind
from templedb_nb.model.plan import Preview
from templedb_nb.model.receiver import Delivery, Receiver, ReceiverKind
from templedb_nb.model.result import Result
from templedb_nb.ports.notifications import Parcel
from templedb_nb.views.format import encodable
from templedb_nb.views.notices.cloud_event import cloud_event
from templedb_nb.views.notices.plain import plain

Mask = Callable[[str], str]
Wrap = Callable[[Notification, Delivery], Parcel]


class CardRecords(Protocol):
    """What cards are made of."""

    def events(self, run: RunId) -> tuple[Stamped, ...]:
        """Return a run's events, in order."""
        ...

    def plan(self, start: str) -> Preview:
        """Return the one plan whose id begins with *start*."""
        ...


class GivenDeliveries(Protocol):
    """What earlier messages say that later ones follow or replace."""

    def delivered_of(self, receiver: str, stream: str) -> tuple[Delivery, ...]:
        """Return what a receiver was given of a stream, in order."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapping:
    """Puts notifications into the forms of receivers."""

    mask: Mask
    store: GivenDeliveries
    cards: CardRecords
    facts: Callable[[Sequence[str]], tuple[Notification, ...]]
    """Reads everything again that records of those names tell."""
    system: Environment

    def of(self, receiver: Receiver, *, bot: bool = False) -> Wrap:
        """Return what makes the parcels of *receiver*; a *bot* of Slack changes its messages."""
        threads: dict[str, tuple[str, str]] = {}

        def wrap(told: Notification, delivery: Delivery) -> Parcel:
            linked = replace(told, link=delivery.link or told.link)
            clean = masked(linked, self.mask)
            made = Parcel(
                event=clean.id,
                kind=clean.kind,
                sent_at=self.system.clock.now(),
                title=clean.title,
                text=plain(clean),
                urgency=clean.urgency,
                body=b"",
                settings=dict(receiver.settings),
            )
            match receiver.kind:
                case ReceiverKind.WEBHOOK | ReceiverKind.COMMAND:
                    return replace(made, body=cloud_event(clean))
                case ReceiverKind.EMAIL:
                    return replace(made, body=self._mail(clean, receiver, threads))
                case ReceiverKind.SLACK:
                    return self._slack(made, clean, delivery, bot=bot)
                case ReceiverKind.APPRISE:
                    return made

        return wrap

    def _mail(
        self, told: Notification, receiver: Receiver, threads: dict[str, tuple[str, str]]
    ) -> bytes:
        """Return an e-mail; *threads* has the first one of each thread, as far as it is known."""
        from templedb_nb.views.notices.mail import Envelope, mail

        thread = told.thread or told.stream
        if thread not in threads:
            given = (
                self.store.delivered_of(receiver.name, each)
                for each in dict.fromkeys((thread, told.stream))
            )
            earlier = next((some[0] for some in given if some), None)
            own = (earlier.stream, earlier.event) if earlier else (told.stream, told.id)
            threads[thread] = own
        envelope = Envelope(
            sender=receiver.setting("from"),
            to=receiver.setting("to"),
            date=self.system.clock.now(),
            follows=threads[thread],
        )
        return mail(told, envelope, self._value(told))

    def _value(self, told: Notification) -> Result | Preview | None:
        """Return what the card shows: the run as it was then, or the plan."""
        value: Any = None
        with suppress(TempleError):
            if told.run:
                entries = self.cards.events(RunId(told.run))
                then = [each for each in entries if each.seq <= told.place]
                value = Result.of(then) if then else None
            elif told.plan:
                value = self.cards.plan(told.plan)
        found: Result | Preview | None = broadcast.masked(value, self.mask)
        return found

    def _slack(self, made: Parcel, told: Notification, delivery: Delivery, *, bot: bool) -> Parcel:
        from templedb_nb.views.notices.slack import slack_message

        if not bot or not told.run:
            return replace(made, body=slack_message(told))
        written = self.store.delivered_of(delivery.receiver, told.stream)
        reference = next((each.reference for each in written[::-1] if each.reference), "")
        earlier = [
            masked(each, self.mask) for each in self.facts([told.record]) if each.place < told.place
        ]
        return replace(made, body=slack_message(told, earlier), reference=reference)

    def test_message(self, receiver: Receiver, now: datetime) -> Notification:
        """Return a message that says that it is a test."""
        kind = NotificationKind.TEST
        key = self.system.new_id()
        return Notification(
            id=key,
            kind=kind,
            urgency=KINDS[kind].urgency,
            at=now,
            record="",
            stream=key,
            place=0,
            what=f"templedb: this is a test of receiver {receiver.name}",
            thread=key,
            message=f"{self.system.user()} asked for it on {self.system.host}",
            command="templedb notify list",
        )


def is_bot(address: str) -> bool:
    """Return whether the address of a Slack receiver is a bot's token."""
    return address.startswith(BOT)


def masked(told: Notification, mask: Mask) -> Notification:
    """Return a notification without the secrets that are known, fit to be sent; ids stay."""

    def clean(text: str) -> str:
        return encodable(mask(text))

    return replace(
        told,
        what=clean(told.what),
        message=clean(told.message),
        facts=tuple((name, clean(value)) for name, value in told.facts),
        command=clean(told.command),
        link=clean(told.link),
    )
