"""What an interrupt means while a run goes on: finish the step, cancel it, kill it.

At a terminal, and in a kernel whose front end lets it ask, the first interrupt lets the step end;
the second cancels it; the third kills its processes. Elsewhere (CI, a notebook that a program runs)
the first one cancels: such a job has about ten seconds in all.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

TOLD = "finishing the step that runs; once more cancels it"


class Interrupts:
    """Counts interrupts, and says what the next step may do."""

    def __init__(self, *, interactive: bool, tell: Callable[[str], None]) -> None:
        """Drain at first where *interactive*; *tell* somebody so."""
        self._interactive = interactive
        self._tell = tell
        self._installed = False
        self._forced = False
        self.draining = False
        self.wish = ""

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear SIGINT while the block runs, if this is the thread that hears signals."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._handle)
        self._installed = True
        try:
            yield
        finally:
            self._installed = False
            signal.signal(signal.SIGINT, before)

    def asked(self, wish: str) -> None:
        """Cancel the step that runs, because somebody elsewhere wants that; from any thread."""
        self.wish = wish
        self.draining = True
        if self._installed:
            self._forced = True
            os.kill(os.getpid(), signal.SIGINT)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._interactive and not self._forced and not self.draining:
            self.draining = True
            self._tell(TOLD)
            return
        self.draining = True
        raise KeyboardInterrupt
