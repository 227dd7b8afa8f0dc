"""Sends what is owed: a thread for each receiver, one limit on time for all of them.

The threads only talk to receivers. What came of that is recorded by whoever waits for them, so that
no thread touches the state, and one that hangs costs its time and nothing else.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from itertools import groupby

from templedb_nb.app.environment import Environment
from templedb_nb.app.notifications.attempts import ATTEMPT_S, SendAttempt, late, tried
from templedb_nb.app.notifications.beginnings import Beginnings, Key
from templedb_nb.app.notifications.couriers import courier
from templedb_nb.app.notifications.outbox import Collected, Outbox
from templedb_nb.app.notifications.parcels import Wrap, Wrapping, is_bot
from templedb_nb.app.notifications.receivers import Receivers
from templedb_nb.core.notifications.retries import after
from templedb_nb.core.notifications.turns import at_most, in_order, ready
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.errors import TempleError
from templedb_nb.failpoints import reach
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.notification import Notification
from templedb_nb.model.receiver import (
    Delivery,
    DeliveryState,
    Receiver,
    ReceiverState,
    Reply,
    ReplyKind,
)
from templedb_nb.model.secret import Secret
from templedb_nb.ports.notifications import Courier, NotificationStore, Parcel
from templedb_nb.ports.store import Transactions

AT_ONCE = 200
"""So many notifications go to each receiver in one pass."""
READ = 5_000
"""So many that wait are read of each receiver, to see which of them may go."""
_LEAST_S = 0.05
_GRACE_S = 0.2
_IN_A_ROW = 3
"""After so many failures one after the other, a receiver is left alone until the next pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one pass over the receivers came to: every delivery that was tried, as it is now.

    `waiting` is how many are still owed, whether they were tried or not. There is `more` if a
    receiver was owed more than one pass takes.
    """

    settled: tuple[Delivery, ...] = ()
    waiting: int = 0
    more: bool = False

    @property
    def goes_on(self) -> bool:
        """Return whether another pass has more to send, and this one came forward."""
        moved = any(each.state is not DeliveryState.WAITING for each in self.settled)
        return self.more and moved

    def count(self, state: DeliveryState) -> int:
        """Return how many deliveries are there now."""
        return sum(each.state is state for each in self.settled)


@dataclass(slots=True, kw_only=True)
class _Round:
    """What goes to one receiver in one pass, in order; a thread carries it out."""

    courier: Courier
    secrets: Mapping[str, Secret] = field(repr=False)
    parcels: Sequence[tuple[Delivery, Parcel]]
    end: float
    replies: queue.SimpleQueue[tuple[Delivery, Reply] | None]
    going: Mapping[Key, SendAttempt] = field(default_factory=dict)
    """What is on its way since a run began."""
    trying: Delivery | None = None

    def __call__(self) -> None:
        """Deliver one after the other; behind one that fails, nothing of its stream goes."""
        try:
            self._deliver()
        finally:
            self.replies.put(None)

    def _deliver(self) -> None:
        blocked: set[str] = set()
        references: dict[str, str] = {}
        failures = 0
        for delivery, parcel in self.parcels:
            left = self.end - time.monotonic()
            if left < _LEAST_S or failures >= _IN_A_ROW:
                return
            if delivery.stream in blocked:
                continue
            known = references.get(delivery.stream) or parcel.reference
            self.trying = delivery
            parcel = replace(parcel, reference=known)  # noqa: PLW2901 - the same, to be replaced
            reply = self._tried(delivery, parcel, min(left, ATTEMPT_S))
            self.trying = None
            self.replies.put((delivery, reply))
            failures = failures + 1 if reply.kind is ReplyKind.FAILED else 0
            match reply.kind:
                case ReplyKind.FAILED:
                    blocked.add(delivery.stream)
                case ReplyKind.ACCEPTED if reply.reference:
                    references[delivery.stream] = reply.reference
                case ReplyKind.GONE:
                    return
                case _:
                    pass

    def _tried(self, delivery: Delivery, parcel: Parcel, within_s: float) -> Reply:
        if going := self.going.get((delivery.receiver, delivery.event)):
            reply = going.reply(within_s)
            going.end()
            return reply or late(within_s)
        return tried(self.courier, parcel, self.secrets, within_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What is to be tried in a pass, and what is known before."""

    found: Collected
    begun: tuple[Delivery, ...]
    """What was sent when runs began, and recorded now."""
    rounds: Sequence[_Round] = ()
    unsent: Sequence[tuple[Delivery, Reply]] = ()
    """What cannot even be tried."""
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Sends what waits."""

    state: Transactions
    store: NotificationStore
    outbox: Outbox
    receivers: Receivers
    wrapping: Wrapping
    beginnings: Beginnings
    masker: Masker
    learn: Callable[[], None]
    """Makes every secret of the state known to the masker."""
    system: Environment

    def send(self, within_s: float, *, due: bool) -> Pass:
        """Try everything once that is owed, also by records that were not looked at before.

        With *due*, only what is meant to be tried by now. What is new is recorded with what came of
        the attempts: a process that dies before has the records tell it again.
        """
        end = time.monotonic() + within_s
        heard: queue.SimpleQueue[tuple[Delivery, Reply] | None] = queue.SimpleQueue()
        # The state is closed while receivers are waited for: others need it, too.
        with self.state.transaction():
            ready = self._prepared(end, heard, due=due)
        for each in ready.rounds:
            threading.Thread(target=each, daemon=True, name="templedb-notify").start()
        replies = [*ready.unsent, *_heard(heard, len(ready.rounds), end)]
        late_ones = (one.trying for one in ready.rounds)
        replies += [(each, late(within_s)) for each in late_ones if each is not None]
        return self._recorded(ready, replies)

    def _prepared(
        self,
        end: float,
        heard: queue.SimpleQueue[tuple[Delivery, Reply] | None],
        *,
        due: bool,
    ) -> _Prepared:
        """Return what each receiver is to get.

        A receiver that waits for more than is read gets what is new later: of a stream whose first
        events were not read here, the next ones would overtake them.
        """
        begun = self._begun()
        receivers = self.store.receivers()
        found = self.outbox.collect(receivers)
        known = {each.name: each for each in receivers}
        active = {each.name for each in receivers if each.state is ReceiverState.ACTIVE}
        owed = list(self.store.owed(READ))
        counts = Counter(each.receiver for each in owed)
        full = {name for name, count in counts.items() if count >= READ}
        owed += (e for e in found.owed if e.receiver in active - full)
        now = self.system.clock.now()
        chosen = at_most(meant := ready(in_order(owed), now, due=due), AT_ONCE)
        if not chosen:
            return _Prepared(found=found, begun=begun)
        self.learn()
        told = {each.id: each for each in found.told}
        if older := [each for each in chosen if each.event not in told]:
            told |= self.outbox.again(older)
        rounds, unsent = self._rounds(known, chosen, told, end, heard)
        more = bool(full) or len(chosen) < len(meant)
        return _Prepared(found=found, begun=begun, rounds=rounds, unsent=unsent, more=more)

    def _begun(self) -> tuple[Delivery, ...]:
        """Record what came of messages that were sent when runs began."""
        ended = self.beginnings.ended()
        if not ended:
            return ()
        self.learn()
        names = {each.name for each in self.store.receivers()}
        known = self.store.known_deliveries({each.delivery.event for each, _ in ended})
        now = self.system.clock.now()
        fresh = [
            (each.delivery, self._clean(reply), each.ended_at or now)
            for each, reply in ended
            if each.delivery.receiver in names
            and (each.delivery.receiver, each.delivery.event) not in known
        ]
        settled = tuple(after(*each) for each in fresh)
        self.store.settle_deliveries(settled)
        self._disable((delivery, reply) for delivery, reply, _ in fresh)
        return settled

    def _rounds(
        self,
        known: Mapping[str, Receiver],
        chosen: Sequence[Delivery],
        told: Mapping[str, Notification],
        end: float,
        replies: queue.SimpleQueue[tuple[Delivery, Reply] | None],
    ) -> tuple[list[_Round], list[tuple[Delivery, Reply]]]:
        """Return what each receiver is to get, and what cannot even be tried."""
        rounds, unsent = [], []
        for name, some in groupby(chosen, key=lambda each: each.receiver):
            own = list(some)
            lost = [each for each in own if each.event not in told]
            why = "its record says something else by now, which is sent in its place"
            unsent += [(each, Reply(kind=ReplyKind.REFUSED, told=why)) for each in lost]
            own = [each for each in own if each.event in told]
            try:
                secrets = self.receivers.opened(known[name])
                brings = courier(known[name].kind, self.system)
            except TempleError as error:
                failed = Reply(kind=ReplyKind.FAILED, told=error.message)
                unsent += [(each, failed) for each in own]
                continue
            wrap = self.wrapping.of(known[name], bot=is_bot(secrets["address"].reveal()))
            parcels = []
            for each in own:
                made = _made(wrap, told[each.event], each)
                if isinstance(made, Reply):
                    unsent.append((each, made))
                else:
                    parcels.append((each, made))
            rounds.append(
                _Round(
                    courier=brings,
                    secrets=secrets,
                    parcels=parcels,
                    end=end,
                    replies=replies,
                    going=self.beginnings.taken(each for each, _ in parcels),
                )
            )
        return rounds, unsent

    def _recorded(self, ready: _Prepared, replies: Sequence[tuple[Delivery, Reply]]) -> Pass:
        """Record what attempts came to; one that wants nothing any more is disabled."""
        now = self.system.clock.now()
        clean = [(each, self._clean(reply)) for each, reply in replies]
        settled = tuple(after(each, reply, now) for each, reply in clean)
        tried = {(each.receiver, each.event) for each in settled}
        rest = [each for each in ready.found.owed if (each.receiver, each.event) not in tried]
        reach("notify.taken")
        with self.state.transaction():
            self.outbox.keep(ready.found, (*settled, *rest))
            self._disable(clean)
            counts = self.store.delivery_counts().values()
        waiting = sum(each.get(DeliveryState.WAITING, 0) for each in counts)
        return Pass(settled=(*ready.begun, *settled), waiting=waiting, more=ready.more)

    def _disable(self, replies: Iterable[tuple[Delivery, Reply]]) -> None:
        for each, reply in replies:
            if reply.kind is ReplyKind.GONE:
                self.store.set_state(each.receiver, ReceiverState.DISABLED, reply.told)

    def _clean(self, reply: Reply) -> Reply:
        """Return a reply without secrets: those of variables, and the receiver's own."""
        told, answer = (
            self.receivers.masked(self.masker.mask(t)) for t in (reply.told, reply.answer)
        )
        return replace(reply, told=told, answer=answer)

    def test(self, receiver: Receiver, within_s: float) -> Reply:
        """Try a message that says that it is a test; nothing of it is recorded."""
        self.learn()
        secrets = self.receivers.opened(receiver)
        told = self.wrapping.test_message(receiver, self.system.clock.now())
        bot = is_bot(secrets["address"].reveal())
        wrap = self.wrapping.of(receiver, bot=bot)
        parcel = wrap(told, self.outbox.delivery(receiver, told))
        reply = tried(courier(receiver.kind, self.system), parcel, secrets, within_s)
        return self._clean(reply)


def _made(wrap: Wrap, told: Notification, delivery: Delivery) -> Parcel | Reply:
    """Return a message, or that it cannot be made: it must not keep all others back."""
    try:
        return wrap(told, delivery)
    except Exception as error:  # noqa: BLE001 - a defect in one form ends no other delivery
        why = f"the message cannot be made: {type(error).__name__}"
        return Reply(kind=ReplyKind.REFUSED, told=why)


def _heard(
    replies: queue.SimpleQueue[tuple[Delivery, Reply] | None], threads: int, end: float
) -> Iterator[tuple[Delivery, Reply]]:
    """Yield what the threads report until all are done, or the time is up."""
    while threads:
        left = end + _GRACE_S - time.monotonic()
        with suppress(queue.Empty):
            told = replies.get(timeout=left) if left > 0 else replies.get_nowait()
            if told is None:
                threads -= 1
            else:
                yield told
            continue
        return
