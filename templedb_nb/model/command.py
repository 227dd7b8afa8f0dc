"""A command as it is started, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A program, its words, its folder and its whole environment, which no repr shows.

    `timeout_s` is in seconds, None for none. `grace_ms` is how long each of SIGINT and SIGTERM is
    given before the next harder signal, in milliseconds.
    """

    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str] = field(repr=False)
    timeout_s: float | None = None
    grace_ms: int = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandExit:
    """How a command ended: with an exit status, or by a signal.

    `left_open` says that a process which the command left behind still held its output, of which
    nothing more was read.
    """

    status: int | None
    signal: int | None = None
    timed_out: bool = False
    left_open: bool = False

    @property
    def ok(self) -> bool:
        """Return whether the command did what it was asked to."""
        return self.status == 0 and not self.timed_out
