"""What keeps a file open between sessions that follow each other closely.

A command asks its state many small questions, mostly one right after the other. In between, and no
longer than `PAUSE_S`, the file stays open. Whoever waits for the file gets it in every such pause
(a step runs, a server answers late, a person reads), and after `MOST_S` at the latest.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING

from templedb_nb.model.dataclass import dataclass

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from filelock import BaseFileLock

PAUSE_S = 0.03
MOST_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """An open state file: the lock that keeps others away, and the connection."""

    connection: DuckDBPyConnection
    lock: BaseFileLock
    since: float = field(default_factory=time.monotonic)


_keepers: weakref.WeakSet[Keeper] = weakref.WeakSet()


def _rest() -> None:
    for each in tuple(_keepers):
        each.rest()


def _begin_anew() -> None:
    for each in tuple(_keepers):
        each.begin_anew()


os.register_at_fork(before=_rest, after_in_child=_begin_anew)


class Keeper:
    """Keeps one file open, within blocks that ask for it; *close* closes it.

    One thread at a time has a session, in its `turn`.
    """

    def __init__(self, close: Callable[[OpenFile], None]) -> None:
        """Keep nothing yet."""
        self._close = close
        self.begin_anew()
        _keepers.add(self)

    def begin_anew(self) -> None:
        """Forget everything: in a forked child, whose parent's file this is."""
        self.turn = threading.Lock()
        self._changed = threading.Condition()
        self._blocks = 0
        self._idle: OpenFile | None = None
        self._left = 0.0
        self._tired = False
        self._watched = False

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep the file open between close sessions of the block, and closed behind it."""
        with self._changed:
            self._blocks += 1
        try:
            yield
        finally:
            with self._changed:
                self._blocks -= 1
                if not self._blocks:
                    self.rest()

    def take(self) -> OpenFile | None:
        """Return the file if it is still open: the caller's, until it leaves it."""
        with self._changed:
            found, self._idle = self._idle, None
            if found is None and time.monotonic() - self._left >= PAUSE_S:
                self._tired = False
            return found

    def leave(self, opened: OpenFile) -> None:
        """Take the file back from a session that ended well: it stays open, or is closed."""
        with self._changed:
            self._left = time.monotonic()
            self._tired = self._tired or self._left - opened.since > MOST_S
            if not self._blocks or self._tired:
                self._close(opened)
                return
            self._idle = opened
            if not self._watched:
                self._watched = True
                threading.Thread(target=self._watch, daemon=True).start()

    def rest(self) -> None:
        """Close the file now, unless a session uses it."""
        with self._changed:
            found, self._idle = self._idle, None
            self._changed.notify_all()
            if found is not None:
                self._close(found)

    def _watch(self) -> None:
        """Close the file in the first long pause; end when no session left it open."""
        with self._changed:
            while self._idle is not None:
                due = self._left + PAUSE_S - time.monotonic()
                if due <= 0:
                    self.rest()
                else:
                    self._changed.wait(due)
            self._watched = False
