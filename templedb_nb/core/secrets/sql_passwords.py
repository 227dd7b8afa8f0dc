"""Passwords that stand in SQL: where they are, and the text without them.

What a statement needs to run is never changed: the redacted text is what is kept and shown.
A literal is read as what it may hold: a connection's parameters, or SQL that a block runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from templedb_nb.core.secrets.masking import Masker
from templedb_nb.core.secrets.sql_expressions import computed
from templedb_nb.core.secrets.sql_names import ASSIGNED, HINTS, PARAMETERS, hinted, is_secret
from templedb_nb.core.secrets.url_passwords import without_url_passwords
from templedb_nb.core.secrets.weak_values import is_common
from templedb_nb.core.secrets.written_forms import MINIMUM
from templedb_nb.core.sql.lexer import split
from templedb_nb.core.sql.tokens import Statement, Token, TokenKind
from templedb_nb.model.dataclass import dataclass

REDACTED = "***"
_SPOKEN = re.compile(
    r"password\s++(?:(?:[eE]|[uU]&)?(?P<quotes>'++)(?P<quoted>[^']++)'"
    r"|\$[a-z_0-9]{0,60}\$(?P<dollar>[^$]++)\$)",
    re.IGNORECASE,
)
"""SQL in a comment, or in a literal in a literal that nobody reads any deeper."""
_CONNECTION = re.compile(r"\s*+[A-Za-z_]\w*+\s*+=(?!=)")
_DOLLAR = re.compile(r"\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*+)?\$")
_JOINT = re.compile(r"''|'[^']*+'")
_JOINT_OR_ESCAPE = re.compile(r"\\.|''|'[^']*+'", re.DOTALL)
_DEEPEST = 5
_SHORT = 1 << 20
_REPEATED = 50
"""So many passwords of a file are looked for in the rest of it."""
_MEANT = re.compile(r"''|\\.", re.DOTALL)
Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A text, and where in the file each of its characters stands, and its end."""

    text: str
    places: Sequence[int]

    def span(self, start: int, end: int) -> Span:
        return self.places[start], self.places[end]


def passwords_in(statement: Statement) -> tuple[Span, ...]:
    """Return where passwords stand in a statement, as offsets of its file; quotes are outside."""
    end = statement.start + len(statement.text)
    return tuple(_in_tokens(statement.tokens, range(end + 1), _DEEPEST))


def redacted(text: str, *, asked_again: bool = False) -> str:
    """Return SQL with ``***`` for each password that stands in it; nothing else is changed.

    What is *asked again*, as every migration of a file that holds several does, is remembered.
    """
    return _kept(text) if asked_again or len(text) <= _SHORT else _redacted(text)


@lru_cache(maxsize=2)
def _kept(text: str) -> str:
    """Return the redacted text, and remember it."""
    return _redacted(text)


def _redacted(text: str) -> str:
    if not hinted(text):  # most files: nothing in them is read again
        return text
    kept, at = list[str](), 0
    for start, end in _spans(text):
        if start >= at:
            kept += [text[at:start], REDACTED]
            at = end
    told = "".join([*kept, text[at:]])
    for value in sorted(literal_passwords(text), key=len, reverse=True)[:_REPEATED]:
        told = told.replace(value, REDACTED)
    return without_url_passwords(told)


def literal_passwords(text: str) -> frozenset[str]:
    """Return the passwords that stand in SQL, as they are meant; not those of innocent text."""
    if not hinted(text):
        return frozenset()
    found = {text[start:end] for start, end in _spans(text)}
    meant = {_MEANT.sub(lambda two: two[0][1], each) for each in found}
    return frozenset(
        each for each in found | meant if len(each) >= MINIMUM and not is_common(each)
    ) - {REDACTED}


def learn(masker: Masker, text: str) -> None:
    """Tell *masker* the passwords in SQL: servers and programs repeat what they were sent."""
    for value in sorted(literal_passwords(text)):
        masker.add("PASSWORD", value)


def _spans(text: str) -> list[Span]:
    return sorted(_in_sql(_Text(text=text, places=range(len(text) + 1)), _DEEPEST))


def _in_sql(sql: _Text, depth: int) -> Iterator[Span]:
    """Look into statements, and into what stands between: comments, data, commands of psql."""
    statements, at = split(sql.text).statements, 0
    for statement in statements:
        yield from _in_tokens(statement.tokens, sql.places, depth)
    for token in (each for statement in statements for each in statement.tokens):
        yield from _in_prose(sql, at, token.start)
        at = token.start + len(token.text)
    yield from _in_prose(sql, at, len(sql.text))


def _in_tokens(tokens: Sequence[Token], places: Sequence[int], depth: int) -> Iterator[Span]:
    for token in [*_named(tokens), *computed(tokens)]:
        inside = _inside(token)
        yield places[inside[0]], places[inside[1]]
    for token in tokens:
        if token.kind is TokenKind.STRING and HINTS.search(token.text):
            yield from _in_literal(_literal(token, places), depth)


def _named(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield literals behind a name of a secret: ``PASSWORD '…'``, options, keys of a map."""
    for n, token in enumerate(tokens[1:], 1):
        if token.kind is not TokenKind.STRING:
            continue
        before = tokens[n - 1]
        if before.text == ":" and n > 1 and tokens[n - 2].kind is TokenKind.STRING:
            before = tokens[n - 2]
        if before.kind is not TokenKind.SYMBOL and is_secret(before.text.strip("'\"")):
            yield token


def _in_literal(body: _Text, depth: int) -> Iterator[Span]:
    if _CONNECTION.match(body.text):
        yield from _parameters(body)
    elif depth:
        yield from _in_sql(body, depth - 1)
    else:
        yield from _in_prose(body, 0, len(body.text))


def _in_prose(text: _Text, start: int, end: int) -> Iterator[Span]:
    """Look into what is not a token: SQL in comments, parameters, values that psql is given."""
    if not HINTS.search(text.text, start, end):
        return
    for found in _SPOKEN.finditer(text.text, start, end):
        yield text.span(*found.span("quoted" if found["quoted"] else "dollar"))
    for found in ASSIGNED.finditer(text.text, start, end):
        yield text.span(*found.span("value"))
    for found in PARAMETERS.finditer(text.text, start, end):
        if found["bare"] is None:
            yield text.span(*found.span("quoted" if found["quoted"] else "doubled"))
        elif found["apart"] == "=" and (value := found["bare"].rstrip("'\"),;")):
            yield text.span(found.start("bare"), found.start("bare") + len(value))


def _parameters(text: _Text) -> Iterator[Span]:
    for found in PARAMETERS.finditer(text.text):
        names = ("quoted", "doubled", "bare")
        yield text.span(*found.span(next(each for each in names if found[each])))


# --- literals -------------------------------------------------------------------------------------


def _inside(token: Token) -> Span:
    """Return where a literal's text stands, without its quotes."""
    mark = _DOLLAR.match(token.text)
    head = mark.end() if mark else token.text.index("'") + 1
    tail = 0 if not token.whole else len(mark[0]) if mark else 1
    return token.start + head, token.start + len(token.text) - tail


def _literal(token: Token, places: Sequence[int]) -> _Text:
    """Return what a literal says: each quote once, its parts without what is between them."""
    start, end = _inside(token)
    body = token.text[start - token.start : end - token.start]
    joints = _JOINT_OR_ESCAPE if token.text[0] in "eE" else _JOINT
    if token.text.startswith("$") or not joints.search(body):
        return _Text(text=body, places=places[start : end + 1])
    said, found, at = list[str](), list[int](), 0
    for joint in joints.finditer(body):
        one = joint[0][1] if joint[0] == "''" or joint[0][0] == "\\" else ""
        said += [body[at : joint.start()], one]
        found += [
            *places[start + at : start + joint.start()],
            *places[start + joint.start() :][: len(one)],
        ]
        at = joint.end()
    return _Text(text="".join([*said, body[at:]]), places=[*found, *places[start + at : end + 1]])
