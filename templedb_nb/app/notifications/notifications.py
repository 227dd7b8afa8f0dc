"""Notifications: sent at the end of commands that change something, and whenever somebody asks.

Nothing here changes what a command came to: whatever goes wrong is kept for the next attempt.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from itertools import chain, repeat
from pathlib import Path

from templedb_nb.app.environment import Environment
from templedb_nb.app.notifications.attempts import ATTEMPT_S
from templedb_nb.app.notifications.outbox import Outbox
from templedb_nb.app.notifications.receivers import Receivers
from templedb_nb.app.notifications.sender import Pass, Sender
from templedb_nb.core.notifications.filters import wants
from templedb_nb.core.notifications.of_targets import of_drift, of_waiting_files
from templedb_nb.core.notifications.retries import anew
from templedb_nb.core.values import points_in_time
from templedb_nb.errors import UsageProblem
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.board import Board
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.drift import DriftReport
from templedb_nb.model.listings import Coded, CommandOutcome
from templedb_nb.model.notification import Notification
from templedb_nb.model.receiver import (
    DeliveryState,
    Receiver,
    ReplyKind,
    Sent,
)
from templedb_nb.model.status import StatusTable
from templedb_nb.notify import background
from templedb_nb.ports.notifications import NotificationStore
from templedb_nb.store.sender_lock import sending

AFTER_S = 2.0
"""How long a command waits at its end for receivers, in all."""
_HARDLY_S = 0.2
"""How long a command that only reads waits for the state, to see whether anything is owed."""
_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""How long somebody who asks waits before what failed is tried again."""
_ELSEWHERE = (
    "another process is sending; what it does not take goes with the next command, or with:"
    " templedb notify send"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Use cases around notifications."""

    patient: Callable[[float], AbstractContextManager[None]]
    """Keeps the state from waiting for other processes for longer than that."""
    path: Path
    """Where the state is."""
    folder: Path
    """Where the files beside it are."""
    store: NotificationStore
    receivers: Receivers
    outbox: Outbox
    sender: Sender
    catch_up: Callable[[], None]
    """Takes in what runs have written that died, or that go on."""
    look: Callable[[], Iterable[StatusTable]]
    """Looks at every target of every project, as far as they can be reached."""
    system: Environment

    def after_command(self, value: object = None) -> Sent:
        """Send what is owed at the end of a command that changed something; wait 2 s at most."""
        end = time.monotonic() + AFTER_S
        with self.patient(AFTER_S):
            if not self.path.exists() or not self.receivers.all():
                return Sent()
            self.observe(value)
            return self._sent(end, due=True, patient=False)

    def tell(self, value: object = None) -> Sent:
        """Send as `after_command` does; nothing that goes wrong, no interrupt either, is raised."""
        try:
            return self.after_command(value)
        except (Exception, KeyboardInterrupt):  # noqa: BLE001 - it is owed still, and sent later
            return Sent()
        finally:
            self.sender.beginnings.leave()

    def begin(self, value: object = None) -> None:
        """Let another process send what is owed, if anything is; nobody waits for a receiver."""
        try:
            with self.patient(_HARDLY_S):
                if not self.path.exists() or not self.store.any_receivers():
                    return
                self.observe(value)
                waits = self.outbox.waits(self.store.receivers())
            if waits:
                background.begin(self.path, self.system.environ, self.system.folder)
        except (Exception, KeyboardInterrupt):  # noqa: BLE001 - it is owed still, and sent later
            return

    def observe(self, value: object) -> None:
        """Keep what a command saw of targets, if anybody may be told of it."""
        now = self.system.clock.now()
        seen = list(_seen(value, now))
        if seen and self.store.any_receivers():
            self.store.keep_observations(seen, now)

    def send(self, within_s: float, *, due: bool = False, look: bool = False) -> Sent:
        """Send what is owed; what fails is tried again until the time is up, unless only *due*.

        With *look*, the targets are asked first for what only they know.
        """
        self.receivers.sync()
        self.catch_up()
        for table in self.look() if look else ():
            self.observe(table)
        return self._sent(time.monotonic() + within_s, due=due, patient=not due)

    def _sent(self, end: float, *, due: bool, patient: bool) -> Sent:
        with sending(self.folder, max(0.0, end - time.monotonic())) as alone:
            if not alone:
                return self._counted([], (_ELSEWHERE,))
            passes: list[Pass] = []
            pauses = chain(_PAUSES_S, repeat(_PAUSES_S[-1]))
            while True:
                left = end - time.monotonic()
                passes.append(self.sender.send(max(0.0, left), due=due))
                last, left = passes[-1], end - time.monotonic()
                if last.goes_on and left > 0:
                    continue
                pause_s = next(pauses)
                if not patient or not last.count(DeliveryState.WAITING) or left <= pause_s:
                    break
                self.system.clock.sleep(pause_s)
        return self._counted(passes)

    def _counted(self, passes: Sequence[Pass], told: tuple[str, ...] = ()) -> Sent:
        """Return what all passes came to."""
        last = {(e.receiver, e.event): e for each in passes for e in each.settled}
        states = [each.state for each in last.values()]
        failing = {
            f"{each.receiver}: {each.told}"
            for each in last.values()
            if each.state is not DeliveryState.DELIVERED
        }
        return Sent(
            delivered=states.count(DeliveryState.DELIVERED),
            failed=states.count(DeliveryState.WAITING),
            dead=states.count(DeliveryState.DEAD),
            waiting=passes[-1].waiting if passes else 0,
            told=(*told, *sorted(failing)),
        )

    def test(self, name: str) -> Coded:
        """Send a test to one receiver, whatever it filters and even if it is paused."""
        receiver = self.receivers.named(name)
        reply = self.sender.test(receiver, ATTEMPT_S)
        good = reply.kind is ReplyKind.ACCEPTED
        also = (f"it said: {reply.answer}",) if reply.answer.strip() else ()
        text = f"{name} {'accepted' if good else 'did not accept'} the test message: {reply.told}"
        code = ExitCode.OK if good else ExitCode.UNAVAILABLE
        return Coded(value=CommandOutcome(text=text, also=also), exit_code=code)

    def replay(self, since: str, name: str | None) -> CommandOutcome:
        """Owe receivers once more what happened since a moment; the ids are the same."""
        now = self.system.clock.now()
        moment = points_in_time.since(since, now)
        meant = [self.receivers.named(name)] if name else list(self.receivers.all())
        if not meant:
            raise UsageProblem("there is no receiver", hint="templedb notify add NAME KIND")
        self.catch_up()
        found = self.outbox.collect(self.receivers.all())
        self.outbox.keep(found, found.owed)
        told = [
            each
            for each in self.outbox.named(self.store.recent_records(moment, now))
            if each.at >= moment
        ]
        count = sum(self._owed_again(each, told, moment) for each in meant)
        noun = "notification is" if count == 1 else "notifications are"
        return CommandOutcome(
            text=f"{count} {noun} owed again", also=("send them: templedb notify send",)
        )

    def _owed_again(
        self, receiver: Receiver, told: Iterable[Notification], moment: datetime
    ) -> int:
        """Owe what *receiver* wants of *told*, also what happened before it was added."""
        asked = replace(receiver, since=min(receiver.since, moment))
        again = [anew(self.outbox.delivery(asked, each)) for each in told if wants(asked, each)]
        self.store.settle_deliveries(again)
        return len(again)


def _seen(value: object, now: datetime) -> Iterable[Notification]:
    """Return what a value tells of targets that no record of the state has."""
    match value:
        case DriftReport():
            return of_drift(value, now)
        case StatusTable() | Board():
            return of_waiting_files(value.rows, now)
        case _:
            return ()
