"""urllib3's connections, which tell each phase before it begins; they work in the probe."""

from __future__ import annotations

import http.client
import socket
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from templedb_nb.health.reach import ProbeStopped, Tell, connect
from templedb_nb.model.health import Cause


def pools(within_s: float, tell: Tell) -> dict[str, Any]:
    """Return the pools for each scheme, by urllib3's names of them."""
    own = {"tell": staticmethod(tell), "within_s": within_s}
    plain, secure = type("_Plain", (_PlainPhases,), own), type("_Secure", (_SecurePhases,), own)
    return {
        "http": type("_PlainPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("_SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }


class _PlainPhases(HTTPConnection):
    tell: Tell
    within_s: float

    def _new_conn(self) -> socket.socket:
        return _reached(self, self.within_s, self.tell)

    def connect(self) -> None:
        super().connect()
        self.tell({"phase": "answer"})


class _SecurePhases(HTTPSConnection):
    tell: Tell
    within_s: float

    def _new_conn(self) -> socket.socket:
        made = _reached(self, self.within_s, self.tell)
        if self.proxy is None:
            self.tell({"phase": "tls"})
        return made

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
        except (OSError, http.client.HTTPException) as error:
            raise ProbeStopped(Cause.PROXY, f"the proxy refused: {error}") from None
        self.tell({"phase": "tls"})

    def connect(self) -> None:
        super().connect()
        self.tell({"phase": "answer"})


def _reached(connection: HTTPConnection, within_s: float, tell: Tell) -> socket.socket:
    host, port = connection._dns_host, connection.port  # noqa: SLF001 - with its last dot
    if connection.proxy is None:
        return connect(host, port, within_s, tell)
    tell({"phase": "proxy"})
    try:
        return connect(host, port, within_s, lambda _: None)
    except ProbeStopped as stopped:
        message = f"the proxy cannot be reached: {stopped.message}"
        raise ProbeStopped(Cause.PROXY, message) from None
