"""What a CHECK on one new column says of the value that older inserts leave in it.

Only comparisons of that column with literals are understood, joined by AND and OR. Whatever else
a CHECK holds may refuse any row.
"""

from __future__ import annotations

from collections.abc import Sequence

from templedb_nb.core.sql.cursor import Cursor, Name, parts, words
from templedb_nb.core.sql.tokens import Token, TokenKind

_COMPARES = frozenset("<>=!~*")
_LITERALS = frozenset({TokenKind.STRING, TokenKind.NUMBER})
_JOINS = words("AND OR")


def admits_null(check: Sequence[Token], column: Name) -> bool:
    """Return whether NULL in *column* certainly passes: each comparison with it gives NULL."""
    at = Cursor(check)
    if not _comparison(at, column):
        return False
    while at.word in _JOINS:
        at.at += 1
        if not _comparison(at, column):
            return False
    return at.done


def admits(check: Sequence[Token], column: Name, default: Sequence[Token]) -> bool:
    """Return whether a literal default certainly passes: it is in the list that is asked for."""
    at = Cursor(check)
    if not default or default[0].kind not in _LITERALS or not _bare(default[1:]):
        return False
    if at.name().key != column.key[-1:] or not at.take("IN"):
        return False
    listed = [Cursor(each).tokens for each in parts(at.group())]
    literal = [each for each in listed if each and each[0].text == default[0].text]
    return at.done and any(_bare(each[1:]) for each in literal)


def _comparison(at: Cursor, column: Name) -> bool:
    """Go behind one comparison of the column with literals."""
    if at.word == "(":
        return admits_null(at.group(), column)
    if at.name().key != column.key[-1:]:
        return False
    if at.take("IN"):
        return all(_literal(Cursor(each), alone=True) for each in parts(at.group()))
    if at.take("BETWEEN"):
        return _literal(at) and at.take("AND") and _literal(at)
    if at.take("LIKE") or at.take("ILIKE"):
        return _literal(at)
    start = at.at
    while not at.done and at.word and set(at.word) <= _COMPARES:
        at.at += 1
    return at.at > start and _literal(at)


def _literal(at: Cursor, *, alone: bool = False) -> bool:
    at.take("-")
    if at.done or at.tokens[at.at].kind not in _LITERALS:
        return False
    at.at += 1
    if at.take(":", ":"):
        at.name()
        at.group()
    return at.done if alone else True


def _bare(tokens: Sequence[Token]) -> bool:
    """Return whether a literal alone stands before *tokens*, or one with a cast."""
    at = Cursor(tokens)
    if at.take(":", ":"):
        at.name()
        at.group()
    return at.done
