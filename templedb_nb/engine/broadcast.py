"""Send each event to the one who must hear it, and to those who may."""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any  # Any: each field of an event

from templedb_nb.model.event import (
    Event,
    Evidence,
    HealthDecided,
    HealthMeasured,
    LockAwaited,
    MessageReceived,
    MessagesOmitted,
    OutputWritten,
    RunFinished,
    RunId,
    RunStarted,
    Stamped,
    StatementBlocked,
    StatementRan,
    StepStarted,
    TransactionRetried,
)
from templedb_nb.model.window import WindowPassed
from templedb_nb.ports.run import Clock, Journal, Observer

log = logging.getLogger(__name__)

_IDENTITIES = frozenset(
    {"plan", "content_hash", "project", "slug", "target", "group", "phase", "kind", "key", "host"}
    | {"attempt_id", "path", "digest", "started_by", "manifest"}
)
"""Names by which things are found again; a value that equals one of them is not a secret."""


class Broadcast:
    """An `Emit` with one journal and any number of observers.

    The journal takes part in the run: if it fails, the run stops. Observers only watch: one that
    fails is dropped, and the run goes on without it. Every text passes the mask first.
    """

    def __init__(
        self,
        run: RunId,
        journal: Journal,
        observers: Iterable[Observer],
        clock: Clock,
        mask: Callable[[str], str],
    ) -> None:
        """Start the run's stopwatch."""
        self._run = run
        self._journal = journal
        self._observers = list(observers)
        self._clock = clock
        self._mask = mask
        self._start = clock.monotonic_ms()
        self._seq = 0
        self._unproven: frozenset[int] = frozenset()
        self._turn = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Stamp *event*, record it, and show it.

        What only the journal can prove is on the disk before this returns: that a command began or
        ended, and how the run did. What a ledger proves is appended and no more.
        """
        with self._turn:  # whoever watches the server tells of it from a thread of its own
            stamped = self._stamped(bounded(masked(event, self._mask)))
            # The journal first: what somebody saw must be found again after a crash.
            self._journal.append(stamped, durable=self._durable(event))
            self._show(stamped)

    def _durable(self, event: Event) -> bool:
        match event:
            case RunStarted(steps=steps):
                self._unproven = frozenset(
                    n for n, each in enumerate(steps) if each.evidence is not Evidence.LEDGER
                )
                return True
            case RunFinished() | HealthDecided() | WindowPassed():
                return True
            case (
                HealthMeasured()
                | LockAwaited()
                | StatementBlocked()
                | OutputWritten()
                | StatementRan()
            ):
                return False
            case MessageReceived() | MessagesOmitted() | TransactionRetried():
                return False
            case _:
                return event.step in self._unproven

    def _stamped(self, event: Event) -> Stamped:
        self._seq += 1
        return Stamped(
            run=self._run,
            seq=self._seq,
            at=self._clock.now(),
            elapsed_ms=self._clock.monotonic_ms() - self._start,
            event=event,
        )

    def _show(self, stamped: Stamped) -> None:
        for observer in tuple(self._observers):
            try:
                observer(stamped)
            except Exception:
                self._observers.remove(observer)
                log.exception("an observer failed, and was dropped")


LONGEST = 2000
"""So many characters of a server's message are kept, and as many of its detail and its hint."""


def bounded(event: Event) -> Event:
    """Return *event*, which is masked already, without more words of a server than are kept."""
    if not isinstance(event, MessageReceived):
        return event
    message, detail, hint = (_cut(t) for t in (event.message, event.detail, event.hint))
    return dataclasses.replace(event, message=message, detail=detail, hint=hint)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def masked(value: Any, mask: Callable[[str], str]) -> Any:
    """Return *value* with every text in it masked; output was masked as it streamed by."""
    match value:
        case StatementRan() | StepStarted() | OutputWritten():
            return value
        case str() if type(value) is str:
            return mask(value)
        case tuple():
            return tuple(masked(each, mask) for each in value)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [f.name for f in dataclasses.fields(value) if f.name not in _IDENTITIES]
            changed = {name: masked(getattr(value, name), mask) for name in names}
            return dataclasses.replace(value, **changed)
        case _:
            return value
