"""Expressions that older statements come to compute: whether they can fail, by their tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from templedb_nb.core.compatibility.judgement import Judgement, unknown
from templedb_nb.core.lint.alter import STEADY, VOLATILE
from templedb_nb.core.sql.cursor import Cursor, calls, word, words
from templedb_nb.core.sql.tokens import Token, TokenKind

_PURE = words(
    "LOWER UPPER COALESCE BTRIM TRIM LTRIM RTRIM LENGTH CHAR_LENGTH MD5 CONCAT LEFT RIGHT "
    "AND OR IN NOT"
)
"""Functions that give a value for whatever they are given."""
_BY_SESSION = words("CURRENT_SETTING")
_ARITHMETIC = frozenset("/%*+^!")
_LITERALS = frozenset({TokenKind.STRING, TokenKind.NUMBER})
_CONSTANTS = words("TRUE FALSE")
_SHORT = 4
"""So many digits fit into every type of number."""


def harmless(tokens: Sequence[Token]) -> bool:
    """Return whether an expression has a value for any row: no arithmetic, no cast but to text."""
    if calls(tokens) - _PURE:
        return False
    said = [word(each) for each in tokens]
    for place, (this, following) in enumerate(pairwise([*said, ""])):
        if this in _ARITHMETIC or (this == "-" and following != ">"):
            return False
        if this == ":" and following == ":" and said[place + 2 : place + 3] != ["TEXT"]:
            return False
    return "CAST" not in said


def literal(tokens: Sequence[Token]) -> bool:
    """Return whether a default is a literal, maybe with a sign and a cast."""
    at = Cursor(tokens)
    at.take("-")
    if at.done or not (at.tokens[at.at].kind in _LITERALS or at.word in _CONSTANTS):
        return False
    at.at += 1
    if at.take(":", ":"):
        at.name()
        at.group()
    return at.done


def is_null(tokens: Sequence[Token]) -> bool:
    """Return whether a default is none, or may be NULL."""
    return not tokens or any(word(each) == "NULL" for each in tokens)


def fits_anywhere(default: Sequence[Token]) -> bool:
    """Return whether a default fits into any column that takes its kind and has no limit."""
    if any(each.kind is TokenKind.NUMBER and len(each.text) > _SHORT for each in default):
        return False
    return literal(default) or not _computes(default)


def filling(what: str, default: Sequence[Token], *, narrow: bool) -> Iterator[Judgement]:
    """Yield what a default asks of those who insert; *narrow* columns have a limit of length.

    A server computes a new column's default at once, but one that differs from row to row.
    """
    called = calls(default)
    if "NEXTVAL" in called:
        yield unknown(what, "old inserts need the right to use its sequence")
    elif called & _BY_SESSION:
        yield unknown(what, "old inserts fail, or leave it empty, where their session lacks it")
    elif others := called - STEADY - VOLATILE:
        yield unknown(what, f"old inserts call {', '.join(sorted(others)).lower()}()")
    elif called & VOLATILE and (narrow or _computes(default)):
        yield unknown(what, "old inserts fail where its default does not fit")


def _computes(tokens: Sequence[Token]) -> bool:
    return any(each.text in _ARITHMETIC | {"-"} for each in tokens)
