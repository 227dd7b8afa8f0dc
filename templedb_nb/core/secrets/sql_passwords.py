"""Passwords that stand in SQL: where they are, and the text without them.

What a statement needs to run is never changed: the redacted text is what is kept and shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from templedb_nb.core.secrets.masking import without_url_passwords
from templedb_nb.core.sql.lexer import split
from templedb_nb.core.sql.tokens import Statement, Token, TokenKind

REDACTED = "***"
_SECRETS = frozenset({"PASSWORD", "SECRET", "SESSION_TOKEN", "SSLPASSWORD", "PASSCODE"})
_OWNERS = frozenset({"ROLE", "USER", "GROUP", "SUBSCRIPTION", "SERVER", "SECRET", "DATABASE"})
_CONNINFO = re.compile(
    r"(?<!\w)(?:ssl)?password\s*+=\s*+(?:'{1,4}+(?P<quoted>(?:\\.|[^'\\])++)|(?P<bare>[^\s';]++))",
    re.IGNORECASE | re.DOTALL,
)
_WORDS = re.compile(r"(?<!\w)password\s++(?P<quotes>'++)(?P<value>[^']++)'", re.IGNORECASE)
_DOLLAR = re.compile(r"\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*+)?\$")
_HINTS = re.compile(r"password|secret|token|passcode|://", re.IGNORECASE)
_DEEPEST = 3
Span = tuple[int, int]


def passwords_in(statement: Statement) -> tuple[Span, ...]:
    """Return where passwords stand in a statement, as offsets of its file; quotes are outside."""
    return tuple(_spans(statement.tokens, 0, _DEEPEST))


def redacted(text: str, statements: Iterable[Statement] | None = None) -> str:
    """Return SQL with ``***`` for each password that stands in it; nothing else is changed."""
    if not _HINTS.search(text):  # most files: nothing in them is read again
        return text
    found = split(text).statements if statements is None else statements
    kept, at = [], 0
    for start, end in sorted(span for each in found for span in passwords_in(each)):
        if start >= at:
            kept += [text[at:start], REDACTED]
            at = end
    return without_url_passwords("".join([*kept, text[at:]]))


def _spans(tokens: Sequence[Token], shift: int, depth: int) -> Iterator[Span]:
    told = [each for each in tokens if each.kind not in {TokenKind.COMMENT, TokenKind.SPACE}]
    words = {each.text.upper() for each in told[:6]}
    owned = bool(words & {"CREATE", "ALTER", "ATTACH"}) and bool(words & (_OWNERS | {"ATTACH"}))
    for before, token in pairwise(told):
        if token.kind is not TokenKind.STRING:
            continue
        named = before.text.strip('"').upper() in _SECRETS
        if named and (owned or before.text.upper() == "PASSWORD"):
            yield _inside(token, shift)
    for token in told:
        if token.kind is TokenKind.STRING:
            yield from _in_string(token, shift, depth)


def _inside(token: Token, shift: int) -> Span:
    """Return a literal's span without its quotes."""
    if mark := _DOLLAR.match(token.text):
        size = len(mark[0])
        return shift + token.start + size, shift + token.start + len(token.text) - size
    head = token.text.index("'") + 1
    return shift + token.start + head, shift + token.start + len(token.text) - 1


def _in_string(token: Token, shift: int, depth: int) -> Iterator[Span]:
    """Look into a literal: a connection's parameters, or SQL that a block runs."""
    start, end = _inside(token, 0)
    body = token.text[start - token.start : end - token.start]
    for found in _CONNINFO.finditer(body):
        name = "quoted" if found["quoted"] else "bare"
        begin, stop = found.span(name)
        yield shift + start + begin, shift + start + stop
    for found in _WORDS.finditer(body):
        begin, stop = found.span("value")
        yield shift + start + begin, shift + start + stop
    if depth and token.text.startswith("$"):
        for inner in split(body).statements:
            yield from _spans(inner.tokens, shift + start, depth - 1)
