"""Receivers of notifications: HTTP servers that take, drop, reset, redirect, wait or never end."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Got:
    """A request as it came: its head, and its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


Talk = Callable[[socket.socket, Got, int], None]
"""Answers a request, of which the number says how many came before it."""


@dataclass
class Hook:
    """A server that programs post to, and what it got."""

    port: int
    got: list[Got] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    came: threading.Condition = field(default_factory=threading.Condition)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook?token=very-secret-token"

    def wait(self, count: int) -> None:
        """Return once so many requests have come, or fail."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.got) >= count, timeout=120), self.got

    def kinds(self) -> list[str]:
        return [each.event["data"]["kind"] for each in self.got]

    def ids(self) -> list[str]:
        return [each.headers["webhook-id"] for each in self.got]


def status(line: str, body: bytes = b"", *headers: str) -> Talk:
    """Answer every request like that."""
    more = "".join(f"{each}\r\n" for each in headers)
    head = f"HTTP/1.1 {line}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode()
    return lambda connection, _, __: connection.sendall(head + body)


def reset(connection: socket.socket, _: Got, __: int) -> None:
    """Break the connection off so that the client sees a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drop(_: socket.socket, __: Got, ___: int) -> None:
    """Close the connection without an answer."""


def in_turn(*talks: Talk) -> Talk:
    """Answer one after the other; the last one answers all that follow."""

    def talk(connection: socket.socket, got: Got, number: int) -> None:
        talks[min(number, len(talks) - 1)](connection, got, number)

    return talk


@contextmanager
def hook(talk: Talk | None = None, tls: ssl.SSLContext | None = None) -> Iterator[Hook]:
    """Serve until the block ends; a `talk` that lasts looks at `stop`."""
    talk = talk or status("200 OK", b"ok")
    listening = socket.create_server(("127.0.0.1", 0))
    server = Hook(port=listening.getsockname()[1], scheme="https" if tls else "http")
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with suppress(OSError):
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            got = _request(connection)
            if got is not None:
                number = len(server.got)
                with server.came:
                    server.got.append(got)
                    server.came.notify_all()
                talk(connection, got, number)
        with suppress(OSError):
            connection.close()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threads.append(threading.Thread(target=one, args=(connection,)))
                threads[-1].start()

    threads.append(threading.Thread(target=accept))
    threads[0].start()
    try:
        yield server
    finally:
        server.stop.set()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for each in threads:
            each.join()


def _request(connection: socket.socket) -> Got | None:
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = connection.recv(65536)
        if not piece:
            return None
        raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        piece = connection.recv(65536)
        if not piece:
            return None
        body += piece
    return Got(path=first.split(" ")[1], headers=headers, body=body)
