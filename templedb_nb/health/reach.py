"""From a name to a connection, with the cause of a failure; it runs in the probe."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from templedb_nb.model.health import Cause

Tell = Callable[[dict[str, Any]], None]

_NO_WAY = frozenset({
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL,
    errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT,
})  # fmt: skip
_CLOSED = frozenset({errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN})
_TELLING = (
    Cause.REFUSED, Cause.RESET, Cause.CONNECT_TIMEOUT, Cause.NO_ROUTE, Cause.NOT_MEASURED
)  # fmt: skip
"""Of several addresses, the one that says most of the target comes first."""


class ProbeStopped(Exception):
    """Why there is no answer."""

    def __init__(self, cause: Cause, message: str) -> None:
        """Keep the cause."""
        super().__init__(message)
        self.cause = cause
        self.message = message


def ask(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Return whether a port accepts a connection."""
    host, port = request["reach"]
    try:
        connect(host, port, request["within_s"], tell).close()
    except ProbeStopped as stopped:
        return {"cause": stopped.cause, "message": stopped.message}
    return {"cause": Cause.MET, "message": f"port {port} accepts connections"}


def connect(host: str, port: int, within_s: float, tell: Tell) -> socket.socket:
    """Return a connection to the first address of *host* that accepts one."""
    tell({"phase": "name"})
    places = _addresses(host, port)
    tell({"phase": "connect"})
    due = time.monotonic() + within_s
    failed: list[ProbeStopped] = []
    for number, place in enumerate(places):
        left = max(0.05, (due - time.monotonic()) / (len(places) - number))
        try:
            return _connected(place, left)
        except OSError as error:
            failed.append(_stopped(error, place[-1], port))
    raise min(failed, key=lambda each: _TELLING.index(each.cause))


Place = tuple[Any, Any, Any, str, Any]


def _addresses(host: str, port: int) -> Sequence[Place]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ProbeStopped(
            Cause.NAME_UNKNOWN, f"{host} does not resolve: {error.strerror}"
        ) from None
    except (UnicodeError, ValueError, OverflowError) as error:
        raise ProbeStopped(Cause.NOT_SENT, f"{host!r} is not a host name: {error}") from None
    return list(dict.fromkeys(found))


def _connected(place: Place, within_s: float) -> socket.socket:
    family, kind, protocol, _, address = place
    made = socket.socket(family, kind, protocol)
    try:
        made.settimeout(within_s)
        made.connect(address)
    except BaseException:
        made.close()
        raise
    made.settimeout(None)
    return made


def _stopped(error: OSError, address: tuple[Any, ...], port: int) -> ProbeStopped:
    where = f"{address[0]} port {port}"
    return ProbeStopped(cause_of(error), f"{where}: {error.strerror or error}")


def cause_of(error: OSError) -> Cause:
    """Return what an error of a connection attempt says."""
    if isinstance(error, TimeoutError):
        return Cause.CONNECT_TIMEOUT
    if error.errno == errno.ECONNREFUSED:
        return Cause.REFUSED
    if error.errno in _CLOSED:
        return Cause.RESET
    return Cause.NO_ROUTE if error.errno in _NO_WAY else Cause.NOT_MEASURED
