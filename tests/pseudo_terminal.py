"""A person at a real terminal: what a command asks there, and what is typed."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LONGEST_S = 120


@dataclass
class PseudoTerminal:
    """A command whose input and output are a terminal of its own; `shown` is all that it showed."""

    pid: int
    handle: int
    shown: str = ""
    _read: int = field(default=0)

    @classmethod
    def start(cls, words: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> PseudoTerminal:
        """Start templedb with *words* there."""
        pid, handle = pty.fork()
        if not pid:
            os.chdir(cwd)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it
            command = [sys.executable, "-m", "templedb_nb", *words]
            os.execve(sys.executable, command, {**os.environ, **environ, "TERM": "dumb"})
        return cls(pid=pid, handle=handle)

    def answers(self, question: str, line: str) -> None:
        """Wait until *question* was asked, and type *line*."""
        self.sees(question)
        os.write(self.handle, f"{line}\n".encode())

    def presses(self, question: str, keys: bytes) -> None:
        """Wait until *question* was asked, and press *keys*."""
        self.sees(question)
        os.write(self.handle, keys)

    def sees(self, text: str) -> None:
        """Wait until *text* is shown, behind what was waited for before."""
        until = time.monotonic() + LONGEST_S
        while (at := self.shown.find(text, self._read)) < 0:
            if not self._more(until):
                raise AssertionError(f"{text!r} is not shown:\n{self.shown}")
        self._read = at + len(text)

    def ends(self) -> int:
        """Read what is left, and return the exit code."""
        until = time.monotonic() + LONGEST_S
        while self._more(until):
            pass
        os.close(self.handle)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _more(self, until: float) -> bool:
        ready, _, _ = select.select([self.handle], [], [], max(0, until - time.monotonic()))
        if not ready:
            return False
        try:
            part = os.read(self.handle, 65536)
        except OSError:  # Linux says so at the other side's end
            return False
        self.shown += part.decode(errors="replace").replace("\r\n", "\n")
        return bool(part)
