"""What an interrupt means while a run goes on: finish the step, cancel it, kill it.

At a terminal, and in a kernel whose front end lets it ask, the first interrupt lets the step end;
the second cancels it; the third kills its processes. Elsewhere (CI, a notebook that a program runs)
the first one cancels: such a job has about ten seconds in all.

An interrupt is raised only where something waits that can be cancelled. Between such places, where
a run writes down what it did, it is kept until the next one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from templedb_nb.model.cancel_request import CancelRequest

AGAIN_S = 0.005
TOLD = "finishing the current step, unless it measures health; interrupt again to cancel it"


WARNED = (
    "this is a rollback: if it is cancelled, the target stays half rolled back;"
    " interrupt again to cancel it"
)


class Interrupts:
    """Counts interrupts, and says what the next step may do."""

    def __init__(
        self, *, interactive: bool, tell: Callable[[str], None], warns: bool = False
    ) -> None:
        """Drain at first where *interactive*; *tell* somebody so.

        A run that *warns* does not even drain at first: half a rollback is worse than none.
        """
        self._warns = warns
        self._interactive = interactive
        self._tell = tell
        self._installed = False
        self._forced = False
        self._cancellable = 0
        self._kept: Callable[[], None] | None = None
        self._swallowed: BaseException | None = None
        self._in_hook = False
        self._turn = threading.Lock()
        self.draining = False
        self.wish = ""
        self.back = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear SIGINT while the block runs, if this is the thread that hears signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        unraised, sys.unraisablehook = sys.unraisablehook, self._lost
        before = signal.signal(signal.SIGINT, self._handle)
        ending = signal.getsignal(signal.SIGTERM)
        if callable(ending):
            signal.signal(signal.SIGTERM, lambda *about: self._cancel(lambda: ending(*about)))
        self._installed = True
        try:
            yield
        finally:
            self._installed = False
            with self._turn:
                self._swallowed = None
            sys.unraisablehook = unraised
            signal.signal(signal.SIGINT, before)
            signal.signal(signal.SIGTERM, ending)

    @contextmanager
    def cancellable(self) -> Iterator[None]:
        """Let an interrupt break off what the block does; raise one that was kept."""
        self._cancellable += 1
        try:
            if self._kept:
                raised, self._kept = self._kept, None
                raised()
            yield
        finally:
            self._cancellable -= 1

    def asked(self, wanted: CancelRequest) -> None:
        """Let no further step begin, because somebody elsewhere wants that; from any thread.

        Without `drain` the step that runs is cancelled, if it runs in the thread that hears
        signals.
        """
        self.wish, self.back = wanted.wish, wanted.back
        self.draining = True
        if self._installed and not wanted.drain:
            self._forced = True
            os.kill(os.getpid(), signal.SIGINT)

    def _lost(self, lost: sys.UnraisableHookArgs) -> None:
        """Keep an interrupt that was raised in a driver's callback, which swallows it.

        A server that sends notices without end calls back all the time.
        """
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            sys.__unraisablehook__(lost)
            return
        self._in_hook = True
        first, self._swallowed = self._swallowed is None, lost.exc_value
        if first:
            threading.Thread(target=self._raise_again, daemon=True).start()
        self._in_hook = False

    def _raise_again(self) -> None:
        """Interrupt until it is heard outside of a callback."""
        while True:
            time.sleep(AGAIN_S)
            with self._turn:
                if self._swallowed is None:
                    return
                os.kill(os.getpid(), signal.SIGINT)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._in_hook:
            return
        if self._swallowed is not None:
            swallowed, self._swallowed = self._swallowed, None
            self._cancel(lambda: _raise(swallowed))
            return
        if self._warns and not self._forced:
            self._warns = False
            self._tell(WARNED)
            return
        if self._interactive and not self._forced and not self.draining:
            self.draining = True
            self._tell(TOLD)
            return
        self._cancel(_interrupt)

    def _cancel(self, raised: Callable[[], None]) -> None:
        self.draining = True
        if self._cancellable:
            raised()
        else:
            self._kept = raised


def _interrupt() -> None:
    raise KeyboardInterrupt


def _raise(error: BaseException) -> None:
    raise error
