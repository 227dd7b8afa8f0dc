"""Checks of type command."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from signal import Signals

from templedb_nb.errors import NotStarted
from templedb_nb.health import evidence
from templedb_nb.model.command import CommandExit, Invocation
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import EVIDENCE, Cause, CommandCheck, Measurement
from templedb_nb.ports.shell import Shell

_GRACE_MS = 100
_NOT_RUN = frozenset({126, 127})


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandChecker:
    """Runs a command under the supervisor, which ends all of it when its time is up.

    `invocation` says how a check's command is started; `shell` masks what it says.
    """

    shell: Shell
    invocation: Callable[[CommandCheck], Invocation]

    def measure(self, check: CommandCheck, within_s: float) -> Measurement:
        """Run it once."""
        said = _Tail()
        begun = time.monotonic()
        try:
            asked = replace(self.invocation(check), timeout_s=within_s, grace_ms=_GRACE_MS)
            cause, message = _meaning(self.shell.run(asked, said.hear), within_s)
        except NotStarted as error:
            cause, message = Cause.COMMAND_NOT_FOUND, error.message
        return Measurement(
            cause=cause,
            message=message,
            latency_ms=round((time.monotonic() - begun) * 1000),
            evidence=evidence.kept(said.text, str, last=True),
        )


class _Tail:
    """The end of what a command said, masked already."""

    def __init__(self) -> None:
        self.text = ""

    def hear(self, text: str) -> None:
        """Keep no more than is needed."""
        self.text = (self.text + text)[-2 * EVIDENCE :]


def _meaning(ended: CommandExit, within_s: float) -> tuple[Cause, str]:
    if ended.timed_out:
        return Cause.COMMAND_TIMEOUT, f"the command did not end within {within_s:g} s"
    if ended.status is None:
        name = Signals(ended.signal).name if ended.signal else "a signal"
        return Cause.COMMAND_KILLED, f"the command was ended by {name}"
    if ended.status in _NOT_RUN:
        return Cause.COMMAND_NOT_FOUND, f"exit status {ended.status}: a program was not found"
    if ended.status:
        return Cause.EXIT_STATUS, f"exit status {ended.status}"
    return Cause.MET, "exit status 0"
