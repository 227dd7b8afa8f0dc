"""A TCP proxy before a PostgreSQL server, which can cut a connection at a COMMIT."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

COMMITS = (b"COMMIT",)


class Proxy:
    """Passes bytes on, and cuts once where it is told: before the COMMIT is sent on, or after."""

    def __init__(self, server_port: int) -> None:
        """Listen on a port of its own."""
        self._server = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._armed = False
        self._sent = False
        self._skip = 0
        self._after = b""
        self._open: set[socket.socket] = set()
        self.cuts = 0

    def __enter__(self) -> Self:
        """Take connections until the block is left."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drop everything."""
        self._listener.close()
        with self._lock:
            for each in self._open:
                _close(each)

    def cut_at_commit(self, *, skip: int, sent: bool, after: bytes = b"") -> None:
        """Cut the connection of the COMMIT after *skip* others; *sent*: once the server has it.

        With *after*, they are counted from the message on that has it.
        """
        with self._lock:
            self._armed, self._skip, self._sent, self._after = True, skip, sent, after

    def heal(self) -> None:
        """Cut nothing any more."""
        with self._lock:
            self._armed = False

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server))
            except OSError:
                _close(client)
                continue
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._is_the_one(data):
                    self.cuts += 1
                    if self._sent:
                        _close(client)
                        server.sendall(data)
                        continue
                    break
                server.sendall(data)
        _close(client)
        _close(server)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _close(client)
        _close(server)

    def _is_the_one(self, data: bytes) -> bool:
        with self._lock:
            if self._after and self._after in data:
                self._after = b""
            if self._after or not any(word in data for word in COMMITS):
                return False
            if not self._armed:
                return False
            if self._skip:
                self._skip -= 1
                return False
            self._armed = False
            return True


def _close(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        each.close()
