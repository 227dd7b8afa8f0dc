"""What a CHECK on one new column says of the value that older inserts leave in it.

Only comparisons of that column with literals are understood, joined by AND and OR. Whatever else
a CHECK holds may refuse any row.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from templedb_nb.core.sql.cursor import Cursor, Name, parts, words
from templedb_nb.core.sql.tokens import Token, TokenKind

_COMPARES = frozenset("<>=!~*")
_LITERALS = frozenset({TokenKind.STRING, TokenKind.NUMBER})
_JOINS = words("AND OR")
_STRICT = words("LENGTH CHAR_LENGTH OCTET_LENGTH LOWER UPPER BTRIM TRIM LTRIM RTRIM")
"""Functions that give NULL for NULL."""
_NUMERIC: dict[str, Callable[[Decimal, Decimal], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
}
_DEEPEST = 10


def compared(check: Sequence[Token]) -> Name:
    """Return the column that a CHECK compares first."""
    at = Cursor(check)
    while at.take("(") or (at.word in _STRICT and at.ahead(1) == "("):
        at.at += at.word in _STRICT
    return at.name()


def admits_null(check: Sequence[Token], column: Name, depth: int = 0) -> bool:
    """Return whether NULL in *column* certainly passes: each comparison with it gives NULL."""
    at = Cursor(check)
    if depth >= _DEEPEST or not _comparison(at, column, depth):
        return False
    while at.word in _JOINS:
        at.at += 1
        if not _comparison(at, column, depth):
            return False
    return at.done


def admits(check: Sequence[Token], column: Name, default: Sequence[Token]) -> bool:
    """Return whether a literal default certainly passes the one comparison that is asked for."""
    at, value = Cursor(check), Cursor(default)
    if not _literal(value) or not value.done or not _is(at, column):
        return False
    if at.take("IS", "NOT", "NULL"):
        return at.done
    listed = _listed(at)
    if listed is not None:
        known = [each for each in parts(listed) if _literal(Cursor(each), alone=True)]
        return at.done and any(each[0].text == default[0].text for each in known)
    return _numeric(at, default)


def _listed(at: Cursor) -> Sequence[Token] | None:
    """Go behind ``IN (…)`` or ``= ANY (ARRAY […])``, and return what is listed."""
    if at.take("IN"):
        return at.group()
    if not at.take("=", "ANY"):
        return None
    inner = Cursor(at.group())
    if not inner.take("ARRAY", "["):
        return ()
    end = next((n for n, each in enumerate(inner.rest) if each.text == "]"), 0)
    return inner.rest[:end]


def _numeric(at: Cursor, default: Sequence[Token]) -> bool:
    sign = _operator(at)
    if sign not in _NUMERIC:
        return False
    asked, given = _number(at.rest), _number(default)
    return asked is not None and given is not None and _NUMERIC[sign](given, asked)


def _number(tokens: Sequence[Token]) -> Decimal | None:
    text = "".join(each.text for each in tokens)
    try:
        return Decimal(text) if text.lstrip("-")[:1].isdigit() else None
    except InvalidOperation:
        return None


def _comparison(at: Cursor, column: Name, depth: int) -> bool:
    """Go behind one comparison of the column with literals."""
    if at.word == "(":
        return admits_null(at.group(), column, depth + 1)
    if not _is(at, column):
        return False
    if at.take("IS", "NULL"):
        return True
    if (listed := _listed(at)) is not None:
        return all(_literal(Cursor(each), alone=True) for each in parts(listed))
    at.take("NOT")
    if at.take("IN"):
        return all(_literal(Cursor(each), alone=True) for each in parts(at.group()))
    if at.take("BETWEEN"):
        return _literal(at) and at.take("AND") and _literal(at)
    if at.take("LIKE") or at.take("ILIKE") or _operator(at):
        return _literal(at)
    return False


def _is(at: Cursor, column: Name) -> bool:
    """Go behind the column, or behind a function of it that gives NULL for NULL."""
    if at.word in _STRICT and at.ahead(1) == "(":
        at.at += 1
        inner = Cursor(at.group())
        return inner.name().key == column.key[-1:] and inner.done
    return at.name().key == column.key[-1:]


def _operator(at: Cursor) -> str:
    start = at.at
    while not at.done and at.word and set(at.word) <= _COMPARES:
        at.at += 1
    return "".join(each.text for each in at.tokens[start : at.at])


def _literal(at: Cursor, *, alone: bool = False) -> bool:
    """Go behind a literal, with its sign and its cast."""
    at.take("-")
    if at.done or at.tokens[at.at].kind not in _LITERALS:
        return False
    at.at += 1
    if at.take(":", ":"):
        at.name()
        at.group()
    return at.done if alone else True
