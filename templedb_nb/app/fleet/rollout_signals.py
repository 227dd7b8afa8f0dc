"""What an interrupt means while a rollout goes on; it is kept until the rollout looks for it.

An interrupt raised anywhere could lose the end of a target, or break a session of the state.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class RolloutSignals:
    """Counts SIGINT and SIGTERM, and wakes up who waits."""

    def __init__(self, wake: Callable[[], None]) -> None:
        """Call *wake* at each signal; it must be safe within a handler."""
        self._wake = wake
        self._interrupts = 0
        self._ending: Callable[[], object] | None = None

    @property
    def terminated(self) -> bool:
        """Return whether the process was asked to end."""
        return self._ending is not None

    def take(self) -> bool:
        """Return whether there was an interrupt that nobody took yet."""
        if not self._interrupts:
            return False
        self._interrupts -= 1
        return True

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear both while the block runs, if this is the thread that hears signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before, ending = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        if callable(before):
            signal.signal(signal.SIGINT, self._interrupt)
        if callable(ending):
            signal.signal(signal.SIGTERM, self._terminate(ending))
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
            signal.signal(signal.SIGTERM, ending)

    def end(self) -> None:
        """End as the process would have at SIGTERM, if it came."""
        if self._ending is not None:
            self._ending()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._interrupts += 1
        self._wake()

    def _terminate(self, ending: Callable[..., object]) -> Callable[..., None]:
        def terminate(*about: object) -> None:
            self._ending = lambda: ending(*about)
            self._wake()

        return terminate
