"""What a run asks of its surroundings: time, interrupts, a journal, logs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol, TypeAlias

from templedb_nb.model.cancel_request import CancelRequest
from templedb_nb.model.event import Event, Stamped
from templedb_nb.model.step_log import Log

Emit: TypeAlias = Callable[[Event], None]


Observer: TypeAlias = Callable[[Stamped], None]


class Interruptions(Protocol):
    """Whether somebody wants the run to end."""

    @property
    def draining(self) -> bool:
        """Return whether no further step may begin."""
        ...

    @property
    def wish(self) -> str:
        """Return who wants that and why, where they said so from elsewhere."""
        ...

    @property
    def back(self) -> bool:
        """Return whether the run is to be rolled back when it has ended."""
        ...

    def cancellable(self) -> AbstractContextManager[None]:
        """Let an interrupt break off what the block does; elsewhere it is kept until the next."""
        ...

    def asked(self, wanted: CancelRequest) -> None:
        """Hear, from any thread, that somebody wants an end."""
        ...


class StepLog(Protocol):
    """Where one step's output is kept."""

    def write(self, text: str) -> None:
        """Add *text*, which is masked already."""
        ...

    def close(self) -> tuple[Log | None, str]:
        """Return where the output is, if there was any, and its last lines."""
        ...


class Journal(Protocol):
    """A run's own record: what was written is there after a crash."""

    def append(self, entry: Stamped, *, durable: bool) -> None:
        """Add *entry*; with *durable*, it is on the disk when this returns."""
        ...


class Clock(Protocol):
    """Time, passed in, so that tests can hold it still."""

    def now(self) -> datetime:
        """Return the time of day, with its zone."""
        ...

    def monotonic_ms(self) -> int:
        """Return a reading that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...
