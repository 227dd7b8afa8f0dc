"""A command that says which slot a router sends traffic to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from signal import Signals

from templedb_nb.core.slots.answers import last_line, piece
from templedb_nb.errors import TempleError
from templedb_nb.model.blue_green import RouterStatus
from templedb_nb.model.command import CommandExit, Invocation
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import CommandCheck, Timing
from templedb_nb.model.phase import Phase
from templedb_nb.model.router_status import NoStatus, StatusAnswer, StatusReply
from templedb_nb.model.switch_step import RoutedGroup
from templedb_nb.ports.shell import Shell
from templedb_nb.shell.runner import bash

_GRACE_MS = 100
_APART = 'said="$(bash -euo pipefail -c "$1")" || code=$?; printf "\\0%s" "$said"; exit ${code:-0}'
"""Tells standard output last, behind a NUL: whatever else was said came before."""
_KEPT = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusCommand:
    """Runs a group's status command, with its variables, in its folder.

    `invocation` says how a command of the group is started. `shell` does not mask: a slot may be
    called as a secret is; `mask` masks what is told of an answer.
    """

    shell: Shell
    invocation: Callable[[CommandCheck], Invocation]
    mask: Callable[[str], str]

    def ask(self, routed: RoutedGroup, status: RouterStatus) -> StatusReply:
        """Return the last line that the command wrote to its standard output."""
        said = _Output()
        try:
            prepared = self.invocation(_as_check(routed, status))
            asked = replace(
                prepared,
                environment={**prepared.environment, "TEMPLEDB_STEP": Phase.SWITCH.value},
                argv=(*bash(_APART), "status", status.command),
                timeout_s=status.timeout_s,
                grace_ms=_GRACE_MS,
            )
            ended = self.shell.run(asked, said.hear)
        except TempleError as error:
            return NoStatus(message=f"the status command: {error.message}")
        errors, _, output = said.text.rpartition("\0")
        if not ended.ok:
            why = _why(ended, status.timeout_s)
            told = piece(last_line(self.mask(errors or output)))
            return NoStatus(message=f"the status command: {why}" + (f": {told}" if told else ""))
        line = last_line(output)
        if not line:
            return StatusAnswer(names=(), message="the status command wrote nothing")
        told = piece(self.mask(line))
        return StatusAnswer(names=(line,), message=f"the status command wrote {told!r}")


class _Output:
    """The end of what a command said."""

    def __init__(self) -> None:
        self.text = ""

    def hear(self, text: str) -> None:
        """Keep no more than is needed."""
        self.text = (self.text + text)[-_KEPT:]


def _as_check(routed: RoutedGroup, status: RouterStatus) -> CommandCheck:
    return CommandCheck(
        name="status",
        group=routed.group,
        timing=Timing(),
        command=status.command,
        environment=routed.environment,
        allow_dangerous_env=routed.allow_dangerous_env,
        workdir=routed.workdir,
    )


def _why(ended: CommandExit, within_s: float) -> str:
    if ended.timed_out:
        return f"it did not end within {within_s:g} s"
    if ended.status is None:
        name = Signals(ended.signal).name if ended.signal else "a signal"
        return f"it was ended by {name}"
    return f"exit status {ended.status}"
