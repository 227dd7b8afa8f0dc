"""Tells people at once that a run began: in threads beside it that never touch the state.

What is needed of the state is read before the run begins. What receivers answered is recorded when
the command ends; if its process dies before, the records tell the same event again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field, replace
from datetime import datetime

from templedb_nb.app.environment import Environment
from templedb_nb.app.notifications.attempts import ATTEMPT_S, SendAttempt
from templedb_nb.app.notifications.couriers import courier, ending
from templedb_nb.app.notifications.outbox import Outbox
from templedb_nb.app.notifications.parcels import Wrapping
from templedb_nb.app.notifications.receivers import Receivers
from templedb_nb.core.notifications.filters import wanted_kinds, wants
from templedb_nb.core.notifications.of_runs import of_run
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.errors import TempleError, UnknownName
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import RunId, RunStarted, Stamped
from templedb_nb.model.notification import Notification
from templedb_nb.model.notification import NotificationKind as Kind
from templedb_nb.model.notified_record import RunRecord
from templedb_nb.model.plan import Preview
from templedb_nb.model.receiver import Delivery, Receiver, ReceiverKind, ReceiverState, Reply
from templedb_nb.model.secret import Secret
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.notifications import NotificationStore
from templedb_nb.ports.run import Observer

_HARDLY_S = 0.5
"""How long a run waits for the state, to see whether anybody is to hear of its beginning."""
_BEGINS = frozenset({Kind.RUN_STARTED, Kind.ROLLBACK_STARTED})

Key = tuple[str, str]
"""The names of a receiver and of an event."""


@dataclass(slots=True)
class Beginning:
    """What is on its way to one receiver since a run began, and when that came to something."""

    delivery: Delivery
    attempt: SendAttempt
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginnings:
    """Lets receivers hear of a run when it begins."""

    patient: Callable[[float], AbstractContextManager[None]]
    """Keeps the state from waiting for other processes for longer than that."""
    store: NotificationStore
    receivers: Receivers
    outbox: Outbox
    wrapping: Wrapping
    learn: Callable[[Masker], None]
    """Makes every secret of the state known to a masker that no run uses."""
    system: Environment
    begun: dict[Key, Beginning] = field(default_factory=dict)
    """What this process has begun to send and did not record yet."""
    untold: set[str] = field(default_factory=set)
    """Runs of this process of which only the begin was told: a rollback of one comes after them."""

    def of(self, slug: str, claim: Claim) -> tuple[Observer, ...]:
        """Return what tells of the run that is about to begin.

        Nothing that goes wrong here changes the run: it is told at its end then.
        """
        try:
            with self.patient(_HARDLY_S):
                return self._of(slug, claim.target, claim.parent_run)
        except Exception:  # noqa: BLE001 - whatever it is, it is none of the run's business
            return ()

    def _of(self, slug: str, target: str, parent: str) -> tuple[Observer, ...]:
        if parent in self.untold:
            return ()
        wanting = [each for each in self.receivers.all() if _may_want(each, slug, target)]
        if not wanting:
            return ()
        masker = Masker()
        self.learn(masker)
        known = _Known(first={e.name: self._first(e, parent) for e in wanting}, parent=parent)
        opened = [(each, secrets) for each in wanting if (secrets := self._opened(each))]
        return (_Teller(beginnings=self, opened=opened, known=known, masker=masker),)

    def ended(self) -> list[tuple[Beginning, Reply]]:
        """Return what has come to something, and forget it: the rest of the runs is told now."""
        self.untold.clear()
        found = []
        for key, each in list(self.begun.items()):
            if reply := each.attempt.reply(0):
                del self.begun[key]
                found.append((each, reply))
        return found

    def leave(self) -> None:
        """End what goes on and nobody waits for: this process may end."""
        for each in self.begun.values():
            each.attempt.end()

    def taken(self, deliveries: Iterable[Delivery]) -> dict[Key, SendAttempt]:
        """Return what of *deliveries* is on its way: who gets it waits for it, and records it."""
        keys = [(each.receiver, each.event) for each in deliveries]
        return {key: self.begun.pop(key).attempt for key in keys if key in self.begun}

    def _first(self, receiver: Receiver, parent: str) -> tuple[Delivery, ...]:
        """Return what an e-mail of a run follows that undoes another one."""
        mails = receiver.kind is ReceiverKind.EMAIL and parent
        return tuple(self.store.delivered_of(receiver.name, parent)) if mails else ()

    def _opened(self, receiver: Receiver) -> Mapping[str, Secret] | None:
        try:
            return self.receivers.opened(receiver)
        except TempleError:
            return None


def _may_want(receiver: Receiver, slug: str, target: str) -> bool:
    own = receiver.filter
    return (
        receiver.state is ReceiverState.ACTIVE
        and bool(_BEGINS & wanted_kinds(own))
        and (not own.projects or slug in own.projects)
        and (not own.targets or target in own.targets)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What a message of a beginning is made of, in the place of the state."""

    first: Mapping[str, tuple[Delivery, ...]]
    parent: str
    entries: tuple[Stamped, ...] = ()

    def delivered_of(self, receiver: str, stream: str) -> tuple[Delivery, ...]:
        """Return what a receiver was given of the run that this one follows."""
        return self.first.get(receiver, ()) if stream == self.parent else ()

    def events(self, run: RunId) -> tuple[Stamped, ...]:
        """Return the beginning."""
        del run
        return self.entries

    def plan(self, start: str) -> Preview:
        """Raise: a run is shown, and no plan."""
        raise UnknownName(start)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Teller:
    """Watches a run, and sends once it has begun."""

    beginnings: Beginnings
    opened: Sequence[tuple[Receiver, Mapping[str, Secret]]]
    known: _Known
    masker: Masker

    def __call__(self, stamped: Stamped) -> None:
        """Begin to send, and return at once."""
        if not isinstance(stamped.event, RunStarted):
            return
        own = self.beginnings
        own.untold.add(stamped.run)
        known = replace(self.known, entries=(stamped,))
        wrapping = replace(own.wrapping, store=known, cards=known, mask=self._mask)
        for told in of_run(RunRecord(run=stamped.run, entries=(stamped,))):
            for receiver, secrets in self.opened:
                if wants(receiver, told):
                    self._begin(receiver, secrets, told, wrapping)

    def _mask(self, text: str) -> str:
        return self.masker.mask(self.beginnings.wrapping.mask(text))

    def _begin(
        self,
        receiver: Receiver,
        secrets: Mapping[str, Secret],
        told: Notification,
        wrapping: Wrapping,
    ) -> None:
        own = self.beginnings
        delivery = own.outbox.delivery(receiver, told)
        made: list[Beginning] = []

        def deliver() -> Reply:
            parcel = wrapping.of(receiver)(told, delivery)
            brings = courier(receiver.kind, own.system)
            made[0].attempt.end = ending(brings) or made[0].attempt.end
            reply = brings.deliver(parcel, secrets, ATTEMPT_S)
            made[0].ended_at = own.system.clock.now()
            return reply

        made.append(Beginning(delivery, SendAttempt(deliver)))
        own.begun[receiver.name, told.id] = made[0]
        made[0].attempt.begin()
