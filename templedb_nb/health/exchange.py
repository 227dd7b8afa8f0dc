"""One HTTP exchange, by urllib3, judged where it came in; it runs in the probe.

No time is limited here: who waits for the probe kills it. Each phase is told before it begins, so
that a killed probe has said what it was waiting for.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    ProtocolError,
    ProxyError,
    ProxySchemeUnknown,
    SSLError,
)
from urllib3.util import Url, make_headers, parse_url

from templedb_nb.core.health.evaluation import HttpAnswer, evaluate
from templedb_nb.core.health.proxies import proxy_for
from templedb_nb.health.json_path import find
from templedb_nb.health.phases import pools
from templedb_nb.health.reach import ProbeStopped, Tell
from templedb_nb.model.health import BODY_LIMIT, Cause, HttpCheck
from templedb_nb.model.serialization import from_plain

_HOPS = 5
_PORTS = {"http": 80, "https": 443}
_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_PIECE = 1 << 16
_OF_A_PROXY = frozenset({403, 407, 502, 503, 504})
"""What a proxy may say itself, to a request that it forwards."""
_OURS = {
    "User-Agent": "templedb-health",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Cache-Control": "no-cache",
    "Connection": "close",
}
_UNKNOWN_CA = frozenset({2, 7, 18, 19, 20, 21, 27, 30, 31})
_EXPIRED = frozenset({9, 10})
_OTHER_NAME = frozenset({62, 63, 64})
"""Numbers of OpenSSL (X509_V_ERR_…) for what is wrong with a certificate."""


def ask(request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Return what an HTTP answer is worth, with the answer."""
    check: HttpCheck = from_plain(HttpCheck, request["check"])
    try:
        answer = answered(check, request, tell)
    except ProbeStopped as stopped:
        return {"cause": stopped.cause, "message": stopped.message}
    tell({"phase": "judge"})
    wrong = evaluate(check, answer, find)
    message = "; ".join(told for _, told in wrong) or f"status {answer.status}"
    cause = wrong[0][0] if wrong else Cause.MET
    return {"cause": cause, "message": message, "answer": plain(answer, answer.text)}


def plain(answer: HttpAnswer, text: str) -> dict[str, Any]:
    """Return an answer as plain JSON, with *text* as its body."""
    return {
        "status": answer.status,
        "reason": answer.reason,
        "headers": [list(each) for each in answer.headers],
        "text": text,
    }


def answered(check: HttpCheck, request: Mapping[str, Any], tell: Tell) -> HttpAnswer:
    """Return the answer; where the check follows redirects, the last one of them."""
    url, headers = request["url"], dict(request["headers"])
    answer = _one(check.method, url, headers, request, tell)
    for _ in range(_HOPS if check.follow_redirects and check.method in {"GET", "HEAD"} else 0):
        following = urljoin(url, answer.header("location"))
        if answer.status not in _FOLLOWED or not _may_follow(url, following):
            break
        if _origin(url) != _origin(following):
            headers = {}
        url = following
        answer = _one(check.method, url, headers, request, tell)
    return answer


def _may_follow(url: str, following: str) -> bool:
    """Refuse to leave HTTP, or TLS."""
    before, after = urlsplit(url).scheme.lower(), urlsplit(following).scheme.lower()
    return following != url and after in {before, "https"}


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = parse_url(url)
    scheme = parts.scheme or ""
    return scheme, parts.host, parts.port or _PORTS.get(scheme)


def _one(
    method: str, url: str, headers: Mapping[str, str], request: Mapping[str, Any], tell: Tell
) -> HttpAnswer:
    place = _place(url)
    proxy = _proxy(place, request["proxies"])
    manager = _manager(proxy, request["within_s"], tell)
    try:
        response = manager.request(
            method,
            place._replace(auth=None, fragment=None).url,
            headers=_headers(headers, place),
            retries=False,
            redirect=False,
            preload_content=False,
            timeout=None,
        )
        return _read(response, tell, forwarded=proxy and place.scheme == "http")
    except (HTTPError, OSError, http.client.HTTPException) as error:
        raise _stopped(error, forwarded=bool(proxy and place.scheme == "http")) from None
    except (ValueError, UnicodeError):
        message = "a header or the address holds a character that cannot be sent"
        raise ProbeStopped(Cause.NOT_SENT, message) from None


def _place(url: str) -> Url:
    """Return the parts of an address; a name of other letters in the form that DNS has."""
    try:
        host = urlsplit(url).hostname or ""
        if not host.isascii():
            url = url.replace(host, host.encode("idna").decode(), 1)
        place = parse_url(url)
    except (LocationValueError, ValueError):
        place = Url()
    if place.scheme not in {"http", "https"} or not place.host:
        raise ProbeStopped(Cause.NOT_SENT, "the url is not an http or https address")
    return place


def _headers(given: Mapping[str, str], place: Url) -> dict[str, str]:
    """Return what is sent; the check's own word holds, whatever letters it is written in."""
    made = dict(_OURS)
    if place.auth:
        made |= {"Authorization": make_headers(basic_auth=unquote(place.auth))["authorization"]}
    named = {name.lower() for name in given}
    return {name: value for name, value in made.items() if name.lower() not in named} | dict(given)


def _proxy(place: Url, environ: Mapping[str, str]) -> str:
    scheme, host = place.scheme or "", place.host or ""
    return proxy_for(scheme, host, place.port or _PORTS[scheme], environ)


def _manager(proxy: str, within_s: float, tell: Tell) -> urllib3.PoolManager:
    context = ssl.create_default_context()
    made = _proxied(proxy, context) if proxy else urllib3.PoolManager(ssl_context=context)
    made.pool_classes_by_scheme = pools(within_s, tell)
    return made


def _proxied(proxy: str, context: ssl.SSLContext) -> urllib3.PoolManager:
    try:
        auth = parse_url(proxy).auth
        headers = make_headers(proxy_basic_auth=unquote(auth)) if auth else None
        return urllib3.ProxyManager(proxy, proxy_headers=headers, ssl_context=context)
    except (ProxySchemeUnknown, LocationValueError, ValueError):
        message = "the proxy's address is not an http or https address"
        raise ProbeStopped(Cause.PROXY, message) from None


def _read(response: Any, tell: Tell, *, forwarded: object) -> HttpAnswer:
    """Return the answer with its whole body, or with one byte more than an answer may have."""
    if forwarded and response.status in _OF_A_PROXY:
        said = f"{response.status} {response.reason or ''}".strip()
        raise ProbeStopped(Cause.PROXY, f"status {said}, which may come from the proxy itself")
    headers = tuple((str(name), str(value)) for name, value in response.headers.iteritems())
    reason = response.reason or ""
    head = HttpAnswer(status=response.status, reason=reason, headers=headers)
    tell({"phase": "body", "answer": plain(head, "")})
    body = b""
    while len(body) <= BODY_LIMIT and (piece := response.read(_PIECE)):
        body += piece
    return HttpAnswer(
        status=head.status, reason=reason, headers=headers, body=body[: BODY_LIMIT + 1]
    )


def _stopped(error: Exception, *, forwarded: bool) -> ProbeStopped:
    """Return the cause of what the client raised."""
    inner = _inner(error)
    if isinstance(error, ProxyError):
        return ProbeStopped(Cause.PROXY, f"the proxy failed: {inner}")
    if isinstance(inner, ssl.SSLCertVerificationError):
        return _certificate(inner)
    if isinstance(inner, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError):
        cause, message = Cause.RESET, "the connection was closed before the whole answer had come"
    elif isinstance(inner, ssl.SSLError):
        return ProbeStopped(Cause.TLS_FAILED, f"no TLS: {inner.reason or inner}")
    elif isinstance(inner, http.client.IncompleteRead):
        cause, message = Cause.RESET, "the body ended before it was complete"
    elif isinstance(error, SSLError):
        return ProbeStopped(Cause.TLS_FAILED, f"no TLS: {inner}")
    elif isinstance(error, HTTPError | http.client.HTTPException):
        cause, message = Cause.NO_HTTP, f"the answer is not HTTP: {inner}"
    else:
        cause, message = Cause.RESET, f"the connection broke: {inner}"
    return ProbeStopped(Cause.PROXY if forwarded else cause, message)


def _inner(error: BaseException) -> BaseException:
    """Return the error at the bottom of what the client wrapped."""
    found = error
    while True:
        under = [each for each in found.args if isinstance(each, BaseException)]
        if isinstance(found, ProxyError):
            under = [found.original_error]
        if not under:
            cause = found.__cause__
            return cause if isinstance(found, ProtocolError) and cause else found
        found = under[-1]


def _certificate(error: ssl.SSLCertVerificationError) -> ProbeStopped:
    said = error.verify_message
    if error.verify_code in _UNKNOWN_CA:
        hint = "SSL_CERT_FILE may name the certificates to trust"
        return ProbeStopped(
            Cause.UNKNOWN_CA, f"the certificate's signer is unknown: {said}; {hint}"
        )
    if error.verify_code in _EXPIRED:
        return ProbeStopped(Cause.CERTIFICATE_EXPIRED, f"the certificate: {said}")
    if error.verify_code in _OTHER_NAME:
        return ProbeStopped(Cause.CERTIFICATE_NAME, f"the certificate: {said}")
    return ProbeStopped(Cause.CERTIFICATE_REFUSED, f"the certificate: {said}")
