"""Runs one command and sees to it that nothing of it outlives its purpose.

A program of its own (standard library alone, started as ``python -I -S supervisor.py``). It reads
one line of JSON from standard input: ``{"argv", "cwd", "environment", "output", "grace_ms"}``, and
starts the command as the leader of a session of its own, its output on the inherited descriptor
``output``. After that a byte ``c`` means cancel (SIGINT, then SIGTERM, then SIGKILL), ``k`` means
kill, and the end of standard input means that whoever started us is dead, which is a cancel, too.
On standard output it writes lines of JSON: ``{"pid": n}`` once the command runs or
``{"errno": n, "place": text}``, then ``{"status": n}`` or ``{"signal": n}``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

HARDER = {signal.SIGINT: signal.SIGTERM, signal.SIGTERM: signal.SIGKILL}
POLL_S = 0.05


def main() -> None:
    """Run the one command that standard input asks for."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    request = json.loads(read_line())
    adopt_strays()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pid = start(request)
    os.close(request["output"])
    tell({"pid": pid})
    tell(ending(watch(pid, wake, request["grace_ms"] / 1000)))


def read_line() -> bytes:
    """Read the request, byte by byte: what follows it belongs to `watch`."""
    line = bytearray()
    while not line.endswith(b"\n"):
        part = os.read(0, 1)
        if not part:
            sys.exit(1)
        line += part
    return bytes(line)


def start(request: dict[str, Any]) -> int:
    """Start the command; tell why and leave, if it cannot be started."""
    failed, report = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        tell({"errno": error.errno, "place": request["argv"][0]})
        sys.exit(1)
    if pid == 0:
        become(request, report)
    os.close(report)
    with os.fdopen(failed, "rb") as pipe:
        reason = pipe.read()
    if reason:
        os.waitpid(pid, 0)
        tell(json.loads(reason))
        sys.exit(1)
    return pid


def become(request: dict[str, Any], report: int) -> None:
    """Become the command; never return."""
    place = ""
    try:
        os.setsid()
        die_with_parent()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(request["output"], 1)
        os.dup2(request["output"], 2)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        place = request["cwd"]
        os.chdir(place)
        place = request["argv"][0]
        os.execvpe(place, request["argv"], request["environment"])  # noqa: S606 - what it is for
    except OSError as error:
        os.write(report, json.dumps({"errno": error.errno, "place": place}).encode())
    finally:
        os._exit(127)


def watch(pid: int, wake: int, grace: float) -> int:
    """Wait for the command's end, urging it on when that is wanted; return its wait status."""
    urge: signal.Signals | None = None
    due = 0.0
    status: int | None = None
    listening = [0, wake]
    while True:
        ended = reap(pid)
        status = ended if status is None else status
        if status is not None and (urge is None or not remain(pid)):
            return status
        if urge is not None and time.monotonic() >= due:
            send(pid, urge)
            due, urge = time.monotonic() + grace, HARDER.get(urge, signal.SIGKILL)
        wait = POLL_S if urge is not None else None
        ready, _, _ = select.select(listening, [], [], wait)
        if wake in ready:
            os.read(wake, 512)
        if 0 in ready:
            word = os.read(0, 1)
            if not word:
                listening.remove(0)
            if word == b"k":
                urge, due = signal.SIGKILL, 0.0
            elif urge is None:
                urge, due = signal.SIGINT, 0.0


def reap(pid: int) -> int | None:
    """Bury every child that died; return the wait status of *pid* if it was among them."""
    found = None
    while True:
        try:
            dead, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if dead == 0:
            return found
        if dead == pid:
            found = status


def remain(pid: int) -> bool:
    """Return whether anything of the command is left."""
    try:
        os.killpg(pid, 0)
    except OSError:
        return bool(strays())
    return True


def send(pid: int, number: signal.Signals) -> None:
    """Signal the command's process group, and what left the group and came back to us."""
    with suppress(OSError):
        os.killpg(pid, number)
    for stray in strays():
        with suppress(OSError):
            os.kill(stray, number)


def strays() -> list[int]:
    """Return our living children; on Linux also those who fled from the command's session."""
    try:
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
        return [int(each) for each in children.split()]
    except OSError:
        return []


def adopt_strays() -> None:
    """On Linux, become the parent of orphans among our descendants (PR_SET_CHILD_SUBREAPER)."""
    control(36)


def die_with_parent() -> None:
    """On Linux, ask for SIGKILL when the supervisor dies (PR_SET_PDEATHSIG)."""
    control(1, signal.SIGKILL)


def control(option: int, value: int = 1) -> None:
    """Call prctl(2) where there is one."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def ending(status: int) -> dict[str, Any]:
    """Return a wait status as what people know."""
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return {"status": os.WEXITSTATUS(status)}


def tell(fact: dict[str, Any]) -> None:
    """Write one line to whoever started us; if nobody is left, that is not a reason to stop."""
    with suppress(OSError):
        os.write(1, json.dumps(fact).encode() + b"\n")


if __name__ == "__main__":
    main()
