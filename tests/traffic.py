"""Bounded load on loopback, from a process of its own: every request is recorded, none retried.

``python -m tests.traffic PORT MODE THREADS PAUSE_S FILE [PATH]`` asks until its standard input ends. MODE is
``new`` (a connection for each request) or ``keep`` (one connection a thread, for as long as the
server keeps it). FILE gets a line for each request: when it was sent and answered (seconds of the
machine's monotonic clock), its status, the slots that the router and the service name, and what
went wrong.
"""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_TIMEOUT_S = 60


@dataclass(frozen=True)
class Request:
    """One request, as it went."""

    sent: float
    ended: float
    status: int
    router: str
    service: str
    reused: bool
    wrong: str

    @property
    def reset(self) -> bool:
        """Whether a connection that was kept was closed before a byte of the answer had come."""
        return self.reused and self.wrong in {
            "RemoteDisconnected", "ConnectionResetError", "BrokenPipeError"
        }  # fmt: skip


class _Client(threading.Thread):
    """Asks again and again, with a pause between."""

    def __init__(
        self, port: int, mode: str, pause_s: float, path: str, stop: threading.Event
    ) -> None:
        super().__init__()
        self.port, self.keep, self.pause_s, self.stop = port, mode == "keep", pause_s, stop
        self.path = path
        self.lines: list[str] = []
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not self.stop.wait(self.pause_s):
            self.lines.append(self.one())
        self._close()

    def one(self) -> str:
        reused = self.connection is not None
        status, router, service, wrong, began = 0, "", "", "", time.monotonic()
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=_TIMEOUT_S
                )
            headers = {} if self.keep else {"Connection": "close"}
            self.connection.request("GET", self.path, headers=headers)
            answer = self.connection.getresponse()
            status, router = answer.status, answer.headers.get("X-Slot", "")
            service = answer.headers.get("X-Served-By", "")
            answer.read()
            if not self.keep or answer.will_close:
                self._close()
        except (OSError, http.client.HTTPException) as error:
            wrong = type(error).__name__
            self._close()
        took = f"{began:.6f} {time.monotonic():.6f}"
        return f"{took} {status} {router or '-'} {service or '-'} {int(reused)} {wrong or '-'}\n"

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None


@dataclass
class Load:
    """Requests that go on until the block ends; then all of them are there."""

    requests: list[Request] = field(default_factory=list)

    @property
    def failed(self) -> list[Request]:
        """Those without an answer, and those that the server failed; a reset is none of them."""
        return [e for e in self.requests if (e.wrong and not e.reset) or e.status >= 500]

    @property
    def resets(self) -> list[Request]:
        return [each for each in self.requests if each.reset]

    def misled(self, settled: Sequence[tuple[float, float, str]]) -> list[Request]:
        """Return those that were sent and answered while traffic was settled on another slot.

        *settled* has from when to when a slot alone was to answer.
        """
        return [
            each
            for begin, end, slot in settled
            for each in self.requests
            if begin <= each.sent and each.ended <= end and each.service not in {slot, ""}
        ]

    def across(self, moments: Sequence[float]) -> list[Request]:
        """Return those that were under way at one of the moments."""
        return [e for e in self.requests if any(e.sent < at < e.ended for at in moments)]

    def disagreeing(self) -> list[Request]:
        """Return those whose router names another slot than the one that answered."""
        return [e for e in self.requests if e.service and e.router and e.service != e.router]

    def told(self) -> str:
        """Say it in a line."""
        served = Counter(each.service for each in self.requests if each.service)
        shares = ", ".join(f"{slot} {count}" for slot, count in sorted(served.items()))
        return (
            f"{len(self.requests)} requests ({shares}), {len(self.failed)} failed, "
            f"{len(self.resets)} resets of kept connections"
        )


@contextmanager
def load(
    port: int, mode: str, place: Path, threads: int = 4, pause_s: float = 0.01, path: str = "/"
) -> Iterator[Load]:
    """Keep a load on *port* until the block ends."""
    words = [sys.executable, "-m", "tests.traffic", str(port), mode, str(threads), str(pause_s)]
    found, root = Load(), Path(__file__).parents[1]
    words += [str(place), path]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "asks\n"
            yield found
            process.communicate()
        finally:
            process.kill()
    assert process.returncode == 0, "the load generator failed"
    found.requests.extend(_read(line) for line in place.read_text().splitlines())


def _read(line: str) -> Request:
    sent, ended, status, router, service, reused, wrong = line.split(" ")
    return Request(
        sent=float(sent),
        ended=float(ended),
        status=int(status),
        router=router.strip("-"),
        service=service.strip("-"),
        reused=reused == "1",
        wrong=wrong.strip("-"),
    )


def main() -> None:
    """Ask until standard input ends."""
    port, mode, threads, pause_s, place, path = [*sys.argv[1:], "/"][:6]
    stop = threading.Event()
    clients = [_Client(int(port), mode, float(pause_s), path, stop) for _ in range(int(threads))]
    for each in clients:
        each.start()
    print("asks", flush=True)
    with contextlib.suppress(OSError):
        sys.stdin.read()
    stop.set()
    for each in clients:
        each.join()
    Path(place).write_text("".join(line for each in clients for line in each.lines))


if __name__ == "__main__":
    main()
