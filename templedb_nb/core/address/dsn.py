"""The address of a PostgreSQL database, read as libpq reads it: a URL, or KEY=VALUE pairs.

A fault never repeats what stands in the address: it may be a piece of a password.
"""

from __future__ import annotations

import re
from typing import TypeAlias
from urllib.parse import unquote

from templedb_nb.model.dataclass import dataclass

FORM = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
ESCAPES = "in a password, write @ / : % ? # as %40 %2F %3A %25 %3F %23"
PREFIXES = ("postgresql://", "postgres://")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressProblem:
    """What is wrong with an address, and what to write in its place."""

    what: str
    mend: str = FORM


Given: TypeAlias = dict[str, str]


def read(text: str) -> Given | AddressProblem:
    """Return the parameters that an address says, by libpq's names."""
    if text.startswith(PREFIXES):
        return _url(text.split("://", 1)[1])
    return _pairs(text)


_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_USERINFO = re.compile(r"([^:@/]*)(?::([^@/]*))?@")
_HOST = re.compile(r"(?:\[([^\]]+)\]|([^:/?,]*))(?::([^/?,]*))?")


def _url(rest: str) -> Given | AddressProblem:
    if fault := _unescaped(rest):
        return fault
    given: Given = {}
    at = 0
    if who := _USERINFO.match(rest):
        given |= {"user": who[1], "password": who[2] or ""}
        at = who.end()
    hosts, ports, at = _hosts(rest, at)
    given |= {"host": hosts, "port": ports}
    path, question, query = rest[at:].partition("?")
    if "[" in hosts:
        return AddressProblem(what="a bracket of its host is empty or not closed", mend=_brackets())
    if path and not path.startswith("/"):
        return AddressProblem(
            what="there is extra text between its host and its database", mend=_brackets()
        )
    given["dbname"] = path.removeprefix("/")
    found = {key: unquote(value) for key, value in given.items() if value}
    return _queried(found, query) if question else found


def _hosts(rest: str, at: int) -> tuple[str, str, int]:
    hosts, ports = [], []
    while (found := _HOST.match(rest, at)) is not None:
        hosts.append(found[1] or found[2] or "")
        ports.append(found[3] or "")
        at = found.end()
        if rest[at : at + 1] != ",":
            break
        at += 1
    return ",".join(hosts), ",".join(ports), at


def _unescaped(rest: str) -> AddressProblem | None:
    """Return what a URL holds that must be escaped, which is a password's most times."""
    if _ESCAPE.search(rest):
        return AddressProblem(what="a % in it is not a valid escape", mend=f"{FORM}; {ESCAPES}")
    if re.search(r"\s", rest):
        return AddressProblem(what="it contains a space", mend="write a space as %20")
    authority, path = _parted(rest)
    if authority.count("@") > 1 or "@" in path:
        return AddressProblem(what="it contains an unescaped @ or /", mend=f"{FORM}; {ESCAPES}")
    who, at, _ = authority.rpartition("@")
    if at and re.search(r"[?#\[\]]", who):
        mend = f"{ESCAPES}; write a / before the ? of the parameters"
        return AddressProblem(what="there is an unescaped character before its host", mend=mend)
    return None


def _parted(rest: str) -> tuple[str, str]:
    """Return what stands before the first /, and what from there to the parameters."""
    authority, _, path = rest.partition("/")
    if "@" not in authority and "?" in authority:
        return authority.partition("?")[0], ""
    return authority, path.partition("?")[0]


def _queried(given: Given, query: str) -> Given | AddressProblem:
    for each in query.removesuffix("&").split("&") if query else ():
        key, equals, value = each.partition("=")
        if not equals or "=" in value:
            what = "a parameter's value contains a bare =" if equals else "a parameter has no ="
            return AddressProblem(
                what=what, mend="?NAME=VALUE&NAME=VALUE, with & = in a value as %26 %3D"
            )
        key, value = unquote(key), unquote(value)
        key, value = ("sslmode", "require") if (key, value) == ("ssl", "true") else (key, value)
        given[key] = value
    return given


_PAIR = re.compile(
    r"\s*([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*|))"
)


def _pairs(text: str) -> Given | AddressProblem:
    given: Given = {}
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _PAIR.match(text, at)
        if found is None or (found.end() < end and not text[found.end()].isspace()):
            mend = f"host=HOST dbname=DATABASE user=USER password='…', or {FORM}"
            return AddressProblem(what="it is neither a URL nor KEY=VALUE pairs", mend=mend)
        value = found[2] if found[2] is not None else found[3]
        given[found[1]] = re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)
        at = found.end()
    return given


def _brackets() -> str:
    return f"{FORM}, an IPv6 address in brackets: [::1]"
