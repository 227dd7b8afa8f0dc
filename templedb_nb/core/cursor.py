"""Reading the tokens of a statement from left to right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from templedb_nb.core.lexer import Token, TokenKind

NAMING = frozenset({TokenKind.WORD, TokenKind.QUOTED})


class Name(NamedTuple):
    """A name as it is written, and in the form that PostgreSQL compares."""

    text: str
    key: tuple[str, ...]


NOWHERE = Name("", ())
_DEPTH = {"(": 1, ")": -1}


class Cursor:
    """A place among tokens; `take` goes on where the next words are the expected ones."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        """Stand before the first token."""
        self.tokens = tokens
        self.words = [word(each) for each in tokens]
        self.at = 0

    @property
    def word(self) -> str:
        """Return the next token: a word in capitals, a symbol as it is, nothing for others."""
        return self.words[self.at] if self.at < len(self.words) else ""

    def ahead(self, count: int) -> str:
        """Return the token that comes after *count* others."""
        place = self.at + count
        return self.words[place] if place < len(self.words) else ""

    @property
    def done(self) -> bool:
        """Return whether nothing is left."""
        return self.at >= len(self.tokens)

    @property
    def rest(self) -> Sequence[Token]:
        """Return what is left."""
        return self.tokens[self.at :]

    def take(self, *words: str) -> bool:
        """Go behind *words*, if all of them come next."""
        if tuple(self.words[self.at : self.at + len(words)]) != words:
            return False
        self.at += len(words)
        return True

    def take_any(self, words: frozenset[str]) -> None:
        """Go behind every one of *words* that comes next."""
        while self.word in words:
            self.at += 1

    def skip(self) -> None:
        """Go behind one token, or behind a whole pair of parentheses."""
        if self.word == "(":
            self.group()
        else:
            self.at += 1

    def skip_to(self, *words: str) -> bool:
        """Go before the first of *words* outside of parentheses; say whether there is one."""
        while self.at < len(self.words):
            if self.words[self.at] in words:
                return True
            self.skip()
        return False

    def name(self) -> Name:
        """Go behind a name with its qualifiers, and return it; nothing if there is none."""
        if self.done or self.tokens[self.at].kind not in NAMING:
            return NOWHERE
        parts = [self.tokens[self.at]]
        self.at += 1
        while self.word == "." and self.at + 1 < len(self.tokens):
            if self.tokens[self.at + 1].kind not in NAMING:
                break
            parts.append(self.tokens[self.at + 1])
            self.at += 2
        return Name(".".join(each.text for each in parts), tuple(_fold(each) for each in parts))

    def names(self) -> tuple[Name, ...]:
        """Go behind names between commas, each maybe after ONLY and before a star."""
        found = []
        while True:
            self.take("ONLY")
            found.append(self.name())
            self.take("*")
            if not self.take(","):
                return tuple(each for each in found if each.text)

    def group(self) -> Sequence[Token]:
        """Go behind a pair of parentheses, and return what is in it; nothing if there is none."""
        if self.word != "(":
            return ()
        depth, start = 0, self.at + 1
        for place in range(self.at, len(self.words)):
            depth += _DEPTH.get(self.words[place], 0)
            if not depth:
                self.at = place + 1
                return self.tokens[start:place]
        self.at = len(self.words)
        return self.tokens[start:]


def words(text: str) -> frozenset[str]:
    """Return the words of *text*, each once."""
    return frozenset(text.split())


def word(token: Token) -> str:
    """Return a word in capitals, a symbol as it is, nothing for names in quotes and literals."""
    if token.kind is TokenKind.WORD:
        return token.text.upper()
    return token.text if token.kind is TokenKind.SYMBOL else ""


def each_name(at: Cursor) -> Iterator[Name]:
    """Yield the names of a list, whatever else its items say: columns, a condition."""
    for item in parts(at.rest):
        inner = Cursor(item)
        inner.take("ONLY")
        name = inner.name()
        if name.text:
            yield name


def parts(tokens: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """Yield what stands between the commas that are outside of parentheses."""
    depth, start = 0, 0
    for place, token in enumerate(tokens):
        this = word(token)
        depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(this, 0)
        if this == "," and not depth:
            yield tokens[start:place]
            start = place + 1
    if start < len(tokens):
        yield tokens[start:]


def calls(tokens: Sequence[Token]) -> set[str]:
    """Return what stands before parentheses, in capitals: functions, and words like IN, too."""
    return {
        token.text.strip('"').upper()
        for token, following in pairwise(tokens)
        if following.text == "(" and token.kind in NAMING
    }


def _fold(token: Token) -> str:
    if token.kind is TokenKind.WORD:
        return token.text.lower()
    return token.text if token.text[0] != '"' else token.text[1:-1].replace('""', '"')
