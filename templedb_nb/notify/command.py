"""Receivers of kind command: the event on standard input, as a webhook gets it."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.receiver import Reply, ReplyKind
from templedb_nb.model.secret import Secret
from templedb_nb.ports.notifications import Parcel

_NOT_FOUND = frozenset({126, 127})
_ANSWER = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCourier:
    """Runs a command for each notification; all of it ends when its time is up."""

    environ: Mapping[str, str] = field(repr=False)
    folder: Path
    began: list[subprocess.Popen[bytes]] = field(default_factory=list, repr=False)
    """The commands that this one runs now."""

    def end(self) -> None:
        """Kill them with all that they started."""
        for process in tuple(self.began):
            _kill(process)

    def deliver(self, parcel: Parcel, secrets: Mapping[str, Secret], within_s: float) -> Reply:
        """Run it once; a status of 0 means that it took the event."""
        environ = {
            **self.environ,
            "TEMPLEDB_EVENT_ID": parcel.event,
            "TEMPLEDB_EVENT_KIND": parcel.kind,
        }
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(parcel.body)
            given.seek(0)
            try:
                process = subprocess.Popen(  # noqa: S603 - the command that a person set
                    ["bash", "-euo", "pipefail", "-c", secrets["address"].reveal()],  # noqa: S607 - as everywhere
                    stdin=given,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env=environ,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or "it holds what no command may"
                return Reply(kind=ReplyKind.FAILED, told=f"it cannot be started: {why}")
            self.began.append(process)
            late = _late(process, within_s)
            self.began.remove(process)
            said.seek(0)
            answer = said.read(_ANSWER).decode("utf-8", "replace")
        return _judged(process.returncode, answer, within_s if late else None)


def _late(process: subprocess.Popen[bytes], within_s: float) -> bool:
    """Wait for the command; end it, and all that it started, when its time is up."""
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return True
    finally:
        _kill(process)
        process.wait()
    return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _judged(status: int, answer: str, late_s: float | None) -> Reply:
    if late_s is not None:
        told = f"it did not end within {late_s:.3g} s"
        return Reply(kind=ReplyKind.FAILED, told=told, answer=answer)
    if status == 0:
        return Reply(kind=ReplyKind.ACCEPTED, told="exit status 0", answer=answer)
    what = ": a program was not found" if status in _NOT_FOUND else ""
    told = f"exit status {status}{what}" if status > 0 else f"it was ended by signal {-status}"
    return Reply(kind=ReplyKind.FAILED, told=told, answer=answer)
