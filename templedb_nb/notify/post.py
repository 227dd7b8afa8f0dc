"""One HTTP request that carries a notification: no redirects, one limit on time, a short answer.

The standard library's client is enough for that, and is there in every installation. Its timeouts
are for single pieces; so a timer ends the connection when the time for the whole is up.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from templedb_nb.core.health.proxies import proxy_for
from templedb_nb.model.dataclass import dataclass
from templedb_nb.notify.addresses import PrivateAddress, reached

ANSWER = 1024
"""So many bytes of an answer are read where it decides nothing."""
_ANSWER_S = 0.5
"""How long an answer's text is waited for that decides nothing."""
_PORTS = {"http": 80, "https": 443}
_LONGEST_WAIT_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What is sent where; the address is a secret, and stands in no message."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    public_only: bool = False
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    longest: int = ANSWER
    whole: bool = False
    """Whether the answer's text decides something, and is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """What came back: a status, the beginning of the text, how long to wait; or what went wrong."""

    status: int = 0
    text: str = ""
    wait_s: int | None = None
    trouble: str = ""


class Unsendable(ValueError):
    """The address or a header cannot be used, whatever the receiver does."""


def post(sent: Post, within_s: float, now: datetime) -> HttpReply:
    """Send once, and return what came back within *within_s*."""
    due = time.monotonic() + within_s
    try:
        connection, path, extra = _prepared(sent, within_s)
    except PrivateAddress as error:
        return HttpReply(trouble=str(error))
    except OSError as error:
        return HttpReply(trouble=_why(error, within_s))
    head = {"User-Agent": "templedb", "Connection": "close", **extra, **sent.headers}
    with _ended_at(connection, due) as late:
        try:
            connection.request("POST", path, body=sent.body, headers=head)
            response = connection.getresponse()
        except (ValueError, UnicodeError):
            raise Unsendable(
                "its address or a header holds a character that cannot be sent"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            return HttpReply(trouble=_why(error, within_s, late=late.is_set()))
        if late.is_set():  # what is read of a connection that ends is the end of a head
            return HttpReply(trouble=_why(TimeoutError(), within_s))
        text = _text(connection, response, sent, due)
        return HttpReply(status=response.status, text=text, wait_s=_wait_s(response.headers, now))


def _prepared(
    sent: Post, within_s: float
) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Return a connection that is not open yet, the path to ask, and headers of the way."""
    try:
        parts = urlsplit(sent.url)
        scheme, host = parts.scheme.lower(), parts.hostname or ""
        port = parts.port or _PORTS.get(scheme, 0)
    except ValueError:
        raise Unsendable("its address is not an http or https address") from None
    if scheme not in _PORTS or not host:
        raise Unsendable("its address is not an http or https address")
    host = host if host.isascii() else host.encode("idna").decode()
    path = parts.path or "/"
    path = f"{path}?{parts.query}" if parts.query else path
    extra: dict[str, str] = {}
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        extra["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    proxy = "" if sent.public_only else proxy_for(scheme, host, port, sent.environ)
    if proxy:
        return _proxied(proxy, scheme, host, port, path, extra, within_s)
    connection = _connection(scheme, host, port, within_s)
    if sent.public_only:
        place = reached(host, port)
        _pin(connection, place)
    return connection, path, extra


def _connection(scheme: str, host: str, port: int, within_s: float) -> http.client.HTTPConnection:
    made = _unbound(scheme, host, port, within_s)
    _pin(made, (host.encode("ascii"), port))  # a name in letters would load the tables of IDNA
    return made


def _unbound(scheme: str, host: str, port: int, within_s: float) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=within_s, context=context)
    return http.client.HTTPConnection(host, port, timeout=within_s)


def _pin(connection: http.client.HTTPConnection, place: tuple[Any, ...]) -> None:
    """Connect to that address, whatever the name means a moment later."""

    def create(_: Any, timeout: Any, source: Any = None) -> socket.socket:
        return socket.create_connection(place[:2], timeout, source)

    connection._create_connection = create  # type: ignore[attr-defined]  # noqa: SLF001 - http.client has no other way


def _proxied(
    proxy: str, scheme: str, host: str, port: int, path: str, extra: dict[str, str], within_s: float
) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Return a connection through a proxy: a tunnel for https, the whole address for http."""
    parts = urlsplit(proxy)
    if parts.scheme != "http" or not parts.hostname:
        raise Unsendable("the proxy's address is not an http address")
    through: dict[str, str] = {}
    if parts.username:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        through["Proxy-Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    where = parts.hostname, parts.port or 80
    if scheme == "https":
        context = ssl.create_default_context()
        tunnel = http.client.HTTPSConnection(*where, timeout=within_s, context=context)
        tunnel.set_tunnel(host, port, headers=through)
        return tunnel, path, extra
    name = f"[{host}]" if ":" in host else host
    plain = http.client.HTTPConnection(*where, timeout=within_s)
    own = {"Host": f"{name}:{port}" if port != _PORTS["http"] else name}
    return plain, f"http://{name}:{port}{path}", {**extra, **through, **own}


@contextmanager
def _ended_at(connection: http.client.HTTPConnection, due: float) -> Iterator[threading.Event]:
    """Break the connection off when the time is up, whatever it is doing; say if that happened."""
    late = threading.Event()

    def end() -> None:
        late.set()
        if (own := connection.sock) is not None:
            with suppress(OSError):
                own.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.01, due - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        connection.close()


def _text(
    connection: http.client.HTTPConnection,
    response: http.client.HTTPResponse,
    sent: Post,
    due: float,
) -> str:
    """Return the beginning of an answer's text, as far as it comes in time."""
    left = due - time.monotonic()
    end = time.monotonic() + (left if sent.whole else min(left, _ANSWER_S))
    found = b""
    with suppress(OSError, http.client.HTTPException, ValueError):
        while len(found) < sent.longest and (left := end - time.monotonic()) > 0:
            if connection.sock is not None:
                connection.sock.settimeout(left)
            piece = response.read1(sent.longest - len(found))
            if not piece:
                break
            found += piece
    return found.decode("utf-8", "replace")


def _wait_s(headers: http.client.HTTPMessage, now: datetime) -> int | None:
    """Return how many seconds the receiver wants to be left alone."""
    text = (headers.get("Retry-After") or "").strip()
    if not text:
        return None
    if text.isdigit():
        return min(int(text[:9]), _LONGEST_WAIT_S)
    with suppress(ValueError, TypeError, OverflowError):
        return min(
            max(0, round((parsedate_to_datetime(text) - now).total_seconds())), _LONGEST_WAIT_S
        )
    return None


def _why(error: Exception, within_s: float, *, late: bool = False) -> str:
    """Return what went wrong, without the address."""
    if late or isinstance(error, TimeoutError):
        return f"no whole answer within {within_s:.3g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"no TLS: {error.reason or 'the handshake failed'}"
    if isinstance(error, socket.gaierror):
        return f"its host does not resolve: {error.strerror}"
    if isinstance(error, ConnectionRefusedError):
        return "its host refuses the connection"
    if isinstance(error, http.client.HTTPException | ConnectionError):
        return "the connection was closed before an answer had come"
    return f"no connection: {getattr(error, 'strerror', None) or 'it broke'}"
