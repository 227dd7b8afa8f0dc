"""The runner's end of the pipe from its kernel: secrets, events and ends of commands."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

_CHUNK = 1 << 20


class Pipe:
    """Reads whole lines as they come, and never waits for one.

    A kernel tells a secret before it shows anything of it; who reads here before each message from
    the kernel therefore knows every secret in time.
    """

    def __init__(self, heard: Callable[[dict[str, Any]], None]) -> None:
        """Open a pipe, and give each object to *heard*."""
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.reading, False)
        self._heard = heard
        self._rest = b""

    def drain(self) -> bool:
        """Read everything that was reported so far; return whether more may come."""
        while True:
            try:
                data = os.read(self.reading, _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            body = json.loads(line)
        except ValueError:
            return  # what a child of the kernel wrote there is none of ours
        if isinstance(body, dict):
            self._heard(body)

    def started(self) -> None:
        """Leave the writing end to the kernel alone."""
        os.close(self.writing)
        self.writing = -1

    def close(self) -> None:
        """Let go of what is open."""
        for handle in (self.reading, self.writing):
            if handle >= 0:
                os.close(handle)
