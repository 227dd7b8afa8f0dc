"""Runs a command under its supervisor, and gives its masked output on as it comes."""

from __future__ import annotations

import codecs
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from templedb_nb.core.secrets.masking import Masker
from templedb_nb.errors import NotStarted
from templedb_nb.model.command import CommandExit, Invocation
from templedb_nb.model.dataclass import dataclass
from templedb_nb.shell.starting import not_started, refuse_lost

CHUNK = 64 * 1024
_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_QUIET_S, _DRAIN_S = 0.5, 2.0


def bash(text: str) -> tuple[str, ...]:
    """Return how a command text is run: exactly as it stands, and strictly."""
    return ("bash", "-euo", "pipefail", "-c", text)


class SupervisedShell:
    """Runs commands, each under a supervisor of its own."""

    def __init__(self, masker: Masker) -> None:
        """Mask output by what *masker* knows."""
        self._masker = masker

    def run(self, invocation: Invocation, sink: Callable[[str], None]) -> CommandExit:
        """Run to the end, giving masked output to *sink* in pieces of at most 64 KiB.

        Whatever is raised meanwhile (an interrupt, a sink that fails) first ends the command and
        all its processes. Raise `NotStarted` if it cannot be started.
        """
        refuse_lost(invocation)
        watched = _Watched.start(invocation)
        pump = _Pump(self._masker, sink)
        try:
            return watched.wait(pump)
        except BaseException:
            watched.end(pump)
            raise
        finally:
            watched.close()


class _Pump:
    """Bytes in, masked text out."""

    def __init__(self, masker: Masker, sink: Callable[[str], None]) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stream = masker.stream()
        self._sink = sink

    def feed(self, raw: bytes) -> None:
        """Give on what may be shown."""
        self._give(self._stream.feed(self._decode.decode(raw)))

    def close(self) -> None:
        """Give on the rest."""
        rest = self._stream.feed(self._decode.decode(b"", final=True))
        self._give(rest + self._stream.close())

    def _give(self, text: str) -> None:
        for start in range(0, len(text), CHUNK):
            self._sink(text[start : start + CHUNK])


@dataclass(slots=True, kw_only=True)
class _Watched:
    """One command, its supervisor, and the pipes between us."""

    invocation: Invocation
    supervisor: subprocess.Popen[bytes]
    output: int
    pid: int | None = None
    exit: CommandExit | None = None
    timed_out: bool = False
    _facts: bytes = b""
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    @classmethod
    def start(cls, invocation: Invocation) -> _Watched:
        """Start the supervisor, and give it the command by its standard input alone."""
        output, theirs = os.pipe()
        try:
            supervisor = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", str(_SUPERVISOR)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(theirs,),
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            os.close(output)
            raise NotStarted(f"no process can be started: {error}") from None
        finally:
            os.close(theirs)
        watched = cls(invocation=invocation, supervisor=supervisor, output=output)
        request = {
            "argv": invocation.argv,
            "cwd": invocation.cwd,
            "environment": dict(invocation.environment),
            "output": theirs,
            "grace_ms": invocation.grace_ms,
        }
        watched._write(json.dumps(request).encode() + b"\n")
        return watched

    def wait(self, pump: _Pump) -> CommandExit:
        """Pump output until the command has ended, or its time is up and it was ended."""
        limit = self.invocation.timeout_s
        due = time.monotonic() + limit if limit is not None else None
        self._listen()
        open_ended = True
        while self.exit is None:
            left = None if due is None else max(0.0, due - time.monotonic())
            open_ended = self._turn(pump, left, open_ended=open_ended)
            if due is not None and time.monotonic() >= due and self.exit is None:
                self.timed_out, due = True, None
                self._write(b"c")
        left_open = open_ended and self._drain(pump)
        pump.close()
        ended = self.exit
        return CommandExit(
            status=ended.status,
            signal=ended.signal,
            timed_out=self.timed_out,
            left_open=left_open,
        )

    def end(self, pump: _Pump) -> None:
        """End the command after something else went wrong; a second interrupt kills at once."""
        self._write(b"c")
        while self.exit is None:
            try:
                self._turn(pump, None, open_ended=True)
            except KeyboardInterrupt:
                self._write(b"k")
            except Exception:  # noqa: BLE001 - the first failure is what counts
                pump = _Pump(Masker(), lambda _: None)
        with suppress(Exception):
            self._drain(pump)
            pump.close()

    def close(self) -> None:
        """Let go of the pipes and the supervisor."""
        self._selector.close()
        os.close(self.output)
        for pipe in (self.supervisor.stdin, self.supervisor.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self.supervisor.wait()

    def _listen(self) -> None:
        assert self.supervisor.stdout is not None  # noqa: S101 - it was asked for
        self._selector.register(self.output, selectors.EVENT_READ, "output")
        self._selector.register(self.supervisor.stdout, selectors.EVENT_READ, "facts")

    def _turn(self, pump: _Pump, wait: float | None, *, open_ended: bool) -> bool:
        """Take what is there; return whether the output is still open."""
        if not self._selector.get_map():
            self._listen()
        for key, _ in self._selector.select(wait):
            if key.data == "output":
                raw = os.read(self.output, CHUNK)
                pump.feed(raw)
                if not raw:
                    self._selector.unregister(self.output)
                    open_ended = False
            else:
                self._hear()
        return open_ended

    def _hear(self) -> None:
        """Take in what the supervisor tells; its silence means that it was killed."""
        assert self.supervisor.stdout is not None  # noqa: S101 - it was asked for
        raw = os.read(self.supervisor.stdout.fileno(), CHUNK)
        if not raw:
            self._bereaved()
            return
        *lines, self._facts = (self._facts + raw).split(b"\n")
        for line in lines:
            fact = json.loads(line)
            if "errno" in fact:
                self.exit = CommandExit(status=127)
                raise not_started(self.invocation, fact["place"], fact["errno"])
            self.pid = fact.get("pid", self.pid)
            if "status" in fact or "signal" in fact:
                self.exit = CommandExit(status=fact.get("status"), signal=fact.get("signal"))

    def _bereaved(self) -> None:
        if self.pid is not None:
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGKILL)
        self.exit = CommandExit(status=None, signal=int(signal.SIGKILL))

    def _drain(self, pump: _Pump) -> bool:
        """Read what is left in the pipe; say whether somebody keeps it open."""
        end = time.monotonic() + _DRAIN_S
        with selectors.DefaultSelector() as only:
            only.register(self.output, selectors.EVENT_READ)
            while time.monotonic() < end:
                if not only.select(_QUIET_S):
                    return True
                raw = os.read(self.output, CHUNK)
                if not raw:
                    return False
                pump.feed(raw)
        return True

    def _write(self, raw: bytes) -> None:
        assert self.supervisor.stdin is not None  # noqa: S101 - it was asked for
        with suppress(OSError):
            view = memoryview(raw)
            while view:
                view = view[self.supervisor.stdin.write(view) or 0 :]
