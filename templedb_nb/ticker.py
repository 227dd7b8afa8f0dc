"""What a terminal shows while something takes long: what, and for how long already."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from templedb_nb.views.format import duration

AFTER_S, EVERY_S, PLAIN_EVERY_S = 0.7, 0.2, 15.0
_CLEAR = "\r\x1b[K"


class Ticker:
    """One line that says what goes on; where nobody watches, a plain line now and then."""

    def __init__(self, stream: TextIO, *, terminal: bool) -> None:
        """Write to *stream*; on a *terminal* the line is replaced, elsewhere another follows."""
        self._stream = stream
        self._terminal = terminal
        self._lock = threading.Lock()
        self._what = ""
        self._since = 0.0
        self._shown = False
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Watch the clock until the block is left."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            self.clear()

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Say *what* while the block takes long."""
        before = self._what, self._since
        self.say(what)
        try:
            yield
        finally:
            self._what, self._since = before
            self.clear()

    def say(self, what: str) -> None:
        """Go over to *what*; nothing ends the line."""
        self._what, self._since = what, time.monotonic()

    def clear(self) -> None:
        """Take the line away, so that others may write."""
        with self._lock:
            if self._shown and self._terminal:
                self._stream.write(_CLEAR)
                self._stream.flush()
            self._shown = False

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._over.wait(EVERY_S):
            now = time.monotonic()
            if not self._what or now - self._since < AFTER_S:
                continue
            if self._terminal:
                self._show(now)
            elif now - last >= PLAIN_EVERY_S and now - self._since >= PLAIN_EVERY_S:
                last = now
                self._stream.write(f"still {self._told(now)}\n")
                self._stream.flush()

    def _show(self, now: float) -> None:
        with self._lock:
            self._stream.write(f"{_CLEAR}{self._told(now)}")
            self._stream.flush()
            self._shown = True

    def _told(self, now: float) -> str:
        return f"{self._what}, {duration(round((now - self._since) * 1000))}"
