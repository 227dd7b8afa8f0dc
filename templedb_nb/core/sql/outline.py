"""A statement without its values: fit to be shown to somebody who waits for it."""

from __future__ import annotations

from templedb_nb.core.sql.lexer import tokens
from templedb_nb.core.sql.tokens import TokenKind

LONGEST = 80
_VALUES = frozenset({TokenKind.STRING, TokenKind.NUMBER})


def outline(sql: str) -> str:
    """Return *sql* on one short line, with ``?`` in place of every value, and no comment."""
    parts: list[str] = []
    for token in tokens(sql):
        if token.kind in {TokenKind.SPACE, TokenKind.COMMENT}:
            parts.append(" ")
        else:
            parts.append("?" if token.kind in _VALUES else token.text)
    line = " ".join("".join(parts).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
