"""The probe from outside: started with its question, heard, and killed when its time is up."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Any, Self

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import Cause

_PROBE = Path(__file__).with_name("probe.py")
_START_S = 30.0
"""How long a loaded machine may take to start the probe; no part of the try."""
_SLACK_S = 5.0
_CHUNK = 1 << 16
_LATE = {
    "ready": Cause.NOT_MEASURED,
    "name": Cause.NAME_TIMEOUT,
    "connect": Cause.CONNECT_TIMEOUT,
    "proxy": Cause.PROXY,
    "tls": Cause.TLS_TIMEOUT,
    "answer": Cause.ANSWER_TIMEOUT,
    "body": Cause.BODY_TIMEOUT,
    "judge": Cause.NOT_MEASURED,
    "session": Cause.QUERY_TIMEOUT,
    "hosts": Cause.DATABASE,
    "file": Cause.DATABASE,
    "query": Cause.QUERY_TIMEOUT,
}
"""What it means that the time was up in a phase."""
_WAITED = {
    "name": "the host's name did not resolve",
    "connect": "the connection attempt got no reply",
    "proxy": "the proxy did not answer",
    "tls": "TLS was not ready",
    "answer": "connected, but the response head was incomplete",
    "body": "the body did not end",
    "session": "connected, but the database opened no session",
    "hosts": "no host of the database opened a session",
    "file": "the file of the database could not be opened",
    "query": "the query was not answered",
    "judge": "the answer could not be evaluated; the patterns may be too slow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the probe found; `answer` is what came of one, as plain JSON."""

    cause: Cause
    message: str
    latency_ms: int
    answer: Mapping[str, Any] | None = field(default=None, repr=False)
    evidence: str = ""


def asked(
    program: str, request: Mapping[str, Any], within_s: float, environment: Mapping[str, str]
) -> Found:
    """Return what the module *program* found, within *within_s* once its process had started."""
    try:
        probe = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", str(_PROBE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,
            bufsize=0,
        )
    except OSError as error:
        message = f"no process can be started: {error}"
        return Found(cause=Cause.NOT_MEASURED, message=message, latency_ms=0)
    try:
        _give(probe, {**request, "program": program, "within_s": within_s} | _start(within_s))
        return _heard(probe, within_s)
    finally:
        probe.kill()
        for pipe in (probe.stdin, probe.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        probe.wait()


def _start(within_s: float) -> dict[str, Any]:
    path = [each for each in sys.path if each and os.path.isabs(each)]  # noqa: PTH117 - texts
    return {"path": path, "alarm_s": _START_S + within_s + _SLACK_S}


def _give(probe: subprocess.Popen[bytes], request: Mapping[str, Any]) -> None:
    """Write the question; secrets go by no other way."""
    assert probe.stdin is not None  # noqa: S101 - it was asked for
    view = memoryview(json.dumps(request).encode() + b"\n")
    with suppress(OSError):
        while view:
            view = view[probe.stdin.write(view) or 0 :]


def _heard(probe: subprocess.Popen[bytes], within_s: float) -> Found:
    """Take in what the probe tells until it is done, is gone, or its time is up."""
    phase, answer = "", None
    due = time.monotonic() + _START_S
    with _Facts(probe) as facts:
        while (fact := facts.following(due)) is not None:
            if "cause" in fact:
                return _done(fact, phase, answer, within_s)
            phase, answer = fact["phase"], fact.get("answer", answer)
            if phase == "ready":
                due = time.monotonic() + within_s
    if not phase or time.monotonic() < due:
        message = "the process that measures could not be started, or was killed"
        return Found(cause=Cause.NOT_MEASURED, message=message, latency_ms=0)
    return _late(phase, within_s, answer)


def _done(
    fact: Mapping[str, Any], phase: str, answer: Mapping[str, Any] | None, within_s: float
) -> Found:
    """Return what the probe found, unless it took longer than it may have."""
    if fact["latency_ms"] > within_s * 1000:
        return _late(phase, within_s, answer)
    return Found(
        cause=Cause(fact["cause"]),
        message=fact["message"],
        latency_ms=fact["latency_ms"],
        answer=fact.get("answer", answer),
        evidence=fact.get("evidence", ""),
    )


def _late(phase: str, within_s: float, answer: Mapping[str, Any] | None) -> Found:
    message = f"{_WAITED.get(phase, 'nothing came')} within {within_s:g} s"
    return Found(
        cause=_LATE.get(phase, Cause.NOT_MEASURED),
        message=message,
        latency_ms=round(within_s * 1000),
        answer=answer,
    )


class _Facts:
    """The lines that a probe writes, as they come."""

    def __init__(self, probe: subprocess.Popen[bytes]) -> None:
        assert probe.stdout is not None  # noqa: S101 - it was asked for
        self._pipe = probe.stdout.fileno()
        self._held = bytearray()
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        self._selector.register(self._pipe, selectors.EVENT_READ)
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def following(self, due: float) -> dict[str, Any] | None:
        """Return the next fact; None where no whole one comes until *due*."""
        while (end := self._held.find(b"\n")) < 0:
            if not self._selector.select(max(0.0, due - time.monotonic())):
                return None
            raw = os.read(self._pipe, _CHUNK)
            if not raw:
                return None
            self._held += raw
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        found: dict[str, Any] = json.loads(line)
        return found
