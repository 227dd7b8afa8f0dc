"""Schemas that statements need, and whether an earlier statement has created them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from templedb_nb.core.lint.opaque_statements import WITHOUT_SCHEMA
from templedb_nb.core.sql.tokens import Statement, Token, TokenKind

_BEFORE = frozenset(
    {"TABLE", "INTO", "VIEW", "SEQUENCE", "TYPE", "DOMAIN", "FUNCTION", "PROCEDURE", "REFERENCES"}
)
"""Words behind which a name with a schema is that of a relation or a type."""
_FIRST = frozenset({"UPDATE", "COPY"})
_MAY_CREATE = frozenset({"DO", "CALL"})
_NAMES = frozenset({TokenKind.WORD, TokenKind.QUOTED})
_OWN = frozenset({"information_schema", "templedb"})
"""Schemas of the server's, and that of the ledger, which is there when a migration runs."""
_AROUND = 3
_MOST = 2_000
"""So many tokens of a statement are looked at: the rest is data."""


def schemas_of(statement: Statement) -> Iterator[str]:
    """Yield the schemas that a statement names, where it fails if they are not there."""
    tokens = statement.tokens[:_MOST]
    words = [each.upper for each in tokens]
    if words[0] in {"DROP", "ALTER"} and "EXISTS" in words[:6]:  # then it is a notice
        return
    for place, word in enumerate(words[:-2]):
        leads = word in _BEFORE or (place == 0 and word in _FIRST)
        if leads and (name := _qualified(tokens, place + 1)):
            yield name


def _qualified(tokens: tuple[Token, ...], place: int) -> str:
    """Return the schema of the name that begins there, behind IF NOT EXISTS and ONLY."""
    while tokens[place : place + 1] and tokens[place].upper in {"IF", "NOT", "EXISTS", "ONLY"}:
        place += 1
    own = tokens[place : place + 4]
    if len(own) < _AROUND or own[1].text != "." or own[0].kind not in _NAMES:
        return ""
    if own[2].kind not in _NAMES or (len(own) > _AROUND and own[3].text == "."):
        return ""
    name = _plain(own[0])
    return "" if name.startswith("pg_") or name in _OWN else name


class Schemas:
    """The schemas that are there when statements run, one after the other."""

    def __init__(self, there: Iterable[str]) -> None:
        """Begin with those of the database."""
        self._there = set(there)
        self.unsure = False

    def missing(self, statement: Statement) -> list[str]:
        """Return the schemas that a statement needs and that are not there, each once."""
        lost = [each for each in dict.fromkeys(schemas_of(statement)) if each not in self._there]
        self._there |= set(lost)
        self._take(statement.tokens[:_MOST])
        return lost

    def _take(self, tokens: tuple[Token, ...]) -> None:
        words = [each.upper for each in tokens]
        if words[:2] == ["CREATE", "SCHEMA"]:
            self._there |= {_plain(each) for each in tokens[2:] if each.kind in _NAMES}
        elif words[:2] == ["ALTER", "SCHEMA"] and "RENAME" in words:
            self._there.add(_plain(tokens[-1]))
        elif words[0] in _MAY_CREATE or words[:2] == ["DROP", "SCHEMA"]:
            self.unsure = True
        elif words[:2] == ["CREATE", "EXTENSION"]:
            named = {_plain(each) for each in tokens[2:] if each.kind in _NAMES}
            self.unsure = self.unsure or WITHOUT_SCHEMA.isdisjoint(named)


def _plain(token: Token) -> str:
    if token.kind is TokenKind.QUOTED:
        return token.text[1:-1].replace('""', '"')
    return token.text.lower()
