"""Literals that become a password: assigned to a name, joined, or put into a format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from templedb_nb.core.secrets.sql_names import is_secret
from templedb_nb.core.sql.tokens import Token, TokenKind

_OPEN = re.compile(r"password\s*+(?:=\s*+)?(?:[eE]?'+)?\Z", re.IGNORECASE)
"""What a text ends with whose next part is a password."""
_PLACE = re.compile(r"%(?:(?P<at>[0-9]{1,3})\$)?-?[0-9]{0,6}(?P<kind>[sIL%])")
_AHEAD = 200
"""So many tokens of an expression are looked at."""
_BACK = 8
_JOINS = frozenset("|,(.")


def computed(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the literals of a statement that an assignment or an expression makes a secret."""
    updates = next((n for n, each in enumerate(tokens) if each.upper == "UPDATE"), len(tokens))
    for n, token in enumerate(tokens):
        if token.kind is not TokenKind.STRING:
            continue
        if _declared(tokens, n) or (n < updates and _set(tokens, n)) or _configured(tokens, n):
            yield token
        text = token.text.rstrip("'")
        if _OPEN.search(text[-80:]):
            yield from _joined(tokens, n)
        elif "%" in text and n > 1 and tokens[n - 2].upper == "FORMAT":
            yield from _formatted(tokens, n)


def _declared(tokens: Sequence[Token], n: int) -> bool:
    """Return whether a literal is given to a variable with a secret's name."""
    before = tokens[max(0, n - _BACK) : n]
    assigned = "".join(each.text for each in before[-2:]) == ":="
    defaults = bool(before) and before[-1].upper == "DEFAULT" and _declares(tokens)
    named = (each.kind is TokenKind.WORD and is_secret(each.text) for each in before)
    return (assigned or defaults) and any(named)


def _declares(tokens: Sequence[Token]) -> bool:
    first = tokens[0]
    return first.upper == "DECLARE" or (first.kind is TokenKind.WORD and is_secret(first.text))


def _set(tokens: Sequence[Token], n: int) -> bool:
    """Return whether a literal is given to a setting with a secret's name."""
    before = tokens[max(0, n - _BACK) : n]
    given = len(before) > 1 and (before[-1].text == "=" or before[-1].upper == "TO")
    sets = given and any(each.upper == "SET" for each in before)
    return sets and is_secret(before[-2].text.strip('"'))


def _configured(tokens: Sequence[Token], n: int) -> bool:
    """Return whether a literal is what ``set_config`` sets."""
    head = tokens[max(0, n - 4) : n]
    return (
        [each.text.lower() for each in head[:2]] == ["set_config", "("]
        and len(head) == 4  # noqa: PLR2004 - name, parenthesis, setting, comma
        and head[2].kind is TokenKind.STRING
        and is_secret(head[2].text.strip("'"))
    )


def _joined(tokens: Sequence[Token], n: int) -> Iterator[Token]:
    """Yield the literal that is joined to one whose end opens a password, also by a function."""
    ahead = tokens[n + 1 : n + _BACK]
    for token, following in pairwise(ahead):
        if token.kind is TokenKind.STRING:
            yield token
            return
        calls = token.kind is TokenKind.WORD and following.text in {"(", "."}
        if not calls and token.text not in _JOINS:
            return


def _formatted(tokens: Sequence[Token], n: int) -> Iterator[Token]:
    """Yield the literals of a format's arguments that stand where a password is."""
    text, wanted, following = tokens[n].text, set[int](), 0
    for found in _PLACE.finditer(text):
        if found["kind"] == "%":
            continue
        following = int(found["at"]) if found["at"] else following + 1
        if _OPEN.search(text[max(0, found.start() - 80) : found.start()]):
            wanted.add(following)
    argument, depth = 0, 0
    for token in tokens[n + 1 : n + _AHEAD] if wanted else ():
        if token.kind is TokenKind.SYMBOL:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            argument += token.text == "," and not depth
        elif token.kind is TokenKind.STRING and argument in wanted:
            yield token
        if depth < 0:
            return
