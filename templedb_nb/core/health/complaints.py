"""What is wrong with a health check as it is written: every complaint, with the key it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from urllib.parse import urlsplit

from templedb_nb.core.health import variables
from templedb_nb.core.health.evaluation import number
from templedb_nb.core.sql.query import question, refuse_writing
from templedb_nb.errors import TempleError
from templedb_nb.model.config import HealthCheck, HealthType
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.health import HealthRole, JsonExpectation

_NEEDS = {
    HealthType.HTTP: ("url",),
    HealthType.TCP: ("host", "port"),
    HealthType.COMMAND: ("command",),
    HealthType.SQL: ("query",),
}
_OWN = {
    HealthType.HTTP: frozenset(
        {"url", "method", "headers", "follow_redirects", "proxy", "expect_status", "expect_body",
         "expect_json", "expect_version"}
    ),
    HealthType.TCP: frozenset({"host", "port"}),
    HealthType.COMMAND: frozenset({"command"}),
    HealthType.SQL: frozenset({"query", "expect", "database"}),
}  # fmt: skip
"""The keys that mean something for one type alone."""
_SECRETIVE = re.compile(
    r"(?i)authorization|cookie|.*(pass(word|wd|phrase)?|secret|token|credentials?|api[-_]?key|"
    r"access[-_]?key|private[-_]?key|signature|session)"
)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NO_CHECK = ("CONNECT", "TRACE")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:[^{}]*)?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """What is wrong with one key of a check, and what helps."""

    key: str
    message: str
    hint: str = ""
    forbids: bool = True


def objections(health: HealthCheck) -> Iterator[Objection]:
    """Yield everything that is wrong with a check."""
    for key in _NEEDS[health.type]:
        if not getattr(health, key):
            message = f"is missing: a check of type {health.type} needs it"
            yield Objection(key=key, message=message)
    yield from _foreign(health)
    yield from _times(health)
    yield from _role(health)
    match health.type:
        case HealthType.HTTP:
            yield from _url(health.url)
            yield from _headers(health.headers)
            yield from _method(health)
            yield from _expectations(health)
        case HealthType.TCP:
            yield from _variable("host", health.host)
            if re.search(r"[\s/@\[\]]", re.sub(r"\{var:\w+\}", "", health.host)):
                hint = "the name or the number alone, without brackets"
                message = f"{health.host!r} is not a host"
                yield Objection(key="host", message=message, hint=hint)
        case HealthType.SQL:
            yield from _query(health.query)
        case HealthType.COMMAND:
            pass


def _foreign(health: HealthCheck) -> Iterator[Objection]:
    """Tell of keys that say nothing here: an expectation that nobody asks is a false green."""
    bare = {each.name: each.default for each in fields(HealthCheck)}
    for kind, keys in _OWN.items():
        for key in sorted(keys if kind is not health.type else ()):
            if getattr(health, key) != bare[key]:
                yield Objection(
                    key=key,
                    message=f"belongs to checks of type {kind}, not {health.type}",
                    hint="leave it out, or make it a check of its own in health_checks",
                    forbids=key.startswith("expect"),
                )


def _times(health: HealthCheck) -> Iterator[Objection]:
    if health.timeout_s > health.deadline_s:
        yield Objection(key="timeout", message="is longer than the deadline")
    if health.initial_delay_s >= health.deadline_s:
        yield Objection(key="initial_delay", message="leaves no time before the deadline")
    waits = health.initial_delay_s + (health.success_threshold - 1) * health.interval_s
    if health.initial_delay_s < health.deadline_s <= waits:
        message = f"{health.success_threshold} tries do not fit before the deadline"
        yield Objection(key="success_threshold", message=message)


def _role(health: HealthCheck) -> Iterator[Objection]:
    if health.role is HealthRole.SOAK and not health.soak_s:
        hint = "such as for: 10m"
        yield Objection(key="for", message="is missing: a soak needs to know how long", hint=hint)
    if health.role is HealthRole.GATE and health.soak_s:
        hint = "leave role out to have a gate and then a soak, or write role: soak"
        yield Objection(key="for", message="means nothing for a gate", hint=hint)
    if health.soak_s and health.soak_s < health.interval_s:
        yield Objection(key="for", message="is shorter than the interval")


def _variable(key: str, text: str) -> Iterator[Objection]:
    if variables.malformed(text):
        message = "has a {var:…} that names no variable"
        yield Objection(key=key, message=message, hint="write {var:NAME}, without spaces")


def _url(url: str) -> Iterator[Objection]:
    yield from _variable("url", url)
    if url and (not re.match(r"https?://[^\s/]+|\{var:", url) or _unreadable(url)):
        yield Objection(key="url", message=f"{url!r} is not an http or https address")
    place, query = _parts(url)
    _, colon, password = place.rpartition("@")[0].partition(":")
    if colon and not password.startswith("{var:"):
        hint = 'headers: {Authorization: "{var:NAME}"}'
        yield Objection(key="url", message="has a password in plain text", hint=hint)
    for each in query.split("&"):
        name, _, value = each.partition("=")
        if _SECRETIVE.fullmatch(name) and value and not variables.names(value):
            message = f"{name} looks like a secret in plain text"
            yield Objection(key="url", message=message, hint=f"{name}={{var:NAME}}")


def _unreadable(url: str) -> bool:
    """Return whether no client could read an address: its brackets, its port, white space in it."""
    if "{var:" in url:
        return False
    try:
        found = urlsplit(url)
        return found.port == 0 or not found.hostname or re.search(r"\s", url) is not None
    except ValueError:
        return True


def _parts(url: str) -> tuple[str, str]:
    """Return the host of an address with what stands before it, and its query."""
    rest = url.partition("://")[2].partition("#")[0]
    before, _, query = rest.partition("?")
    return before.partition("/")[0], query


def _headers(headers: Sequence[tuple[str, str]]) -> Iterator[Objection]:
    for name, value in headers:
        key = f"headers.{name}"
        yield from _variable(key, value)
        if not _HEADER.fullmatch(name):
            yield Objection(key=key, message="is not a header name")
        if re.search(r"[\r\n\0]", value):
            yield Objection(key=key, message="must be one line")
        if _secretive(name) and not variables.names(value):
            hint = "put the value into a variable, and write {var:NAME}: templedb env set NAME"
            yield Objection(key=key, message="looks like a secret in plain text", hint=hint)


def _secretive(name: str) -> bool:
    parts = (name, name.removeprefix("Proxy-"), name.removeprefix("proxy-"))
    return any(_SECRETIVE.fullmatch(each) for each in parts)


def _method(health: HealthCheck) -> Iterator[Objection]:
    if health.method in _NO_CHECK:
        yield Objection(key="method", message=f"{health.method} gives no answer to check")
    if health.method == "HEAD" and (health.expect_body or health.expect_json):
        yield Objection(key="method", message="HEAD returns no body to check")
    if not health.expect_status:
        yield Objection(key="expect_status", message="must name a status")


def _expectations(health: HealthCheck) -> Iterator[Objection]:
    yield from _pattern("expect_body", health.expect_body)
    for n, each in enumerate(health.expect_json):
        yield from _json(f"expect_json[{n}]", each)
    for found in _PLACEHOLDER.finditer(health.expect_version):
        if found[0] != variables.RELEASE:
            message = f"has {found[0]}; only {variables.RELEASE} is known"
            yield Objection(key="expect_version", message=message)


def _pattern(key: str, text: str) -> Iterator[Objection]:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        yield Objection(key=key, message=f"is not a regular expression: {error}")


def _json(at: str, wanted: JsonExpectation) -> Iterator[Objection]:
    if not wanted.path.startswith("$"):
        hint = "such as $.status, or $.data.result[0].value[1]"
        yield Objection(
            key=f"{at}.path", message="is not a JSONPath: it must begin with $", hint=hint
        )
    if not (wanted.equals or wanted.matches or wanted.below or wanted.above):
        yield Objection(key=at, message="needs one of equals, matches, below and above")
    yield from _pattern(f"{at}.matches", wanted.matches)
    for key, text in (("below", wanted.below), ("above", wanted.above)):
        if text and number(text) is None:
            yield Objection(key=f"{at}.{key}", message=f"{text!r} is not a number")
    below, above = number(wanted.below), number(wanted.above)
    if below is not None and above is not None and above >= below:
        yield Objection(key=at, message=f"no number is above {above} and below {below}")


def _query(query: str) -> Iterator[Objection]:
    if not query:
        return
    try:
        refuse_writing(question(query, {}))
    except TempleError as error:
        yield Objection(key="query", message=f"cannot be sent: {error.message}", hint=error.hint)
