"""Reading the tokens of a statement from left to right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple, overload

from templedb_nb.core.sql.tokens import Token, TokenKind

NAMING = frozenset({TokenKind.WORD, TokenKind.QUOTED})


class Name(NamedTuple):
    """A name as it is written, and in the form that PostgreSQL compares."""

    text: str
    key: tuple[str, ...]


NOWHERE = Name("", ())


class _Statement:
    """All tokens of a statement, read once: their words, and where each parenthesis is closed."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.words = [word(each) for each in tokens]

    @cached_property
    def closed(self) -> dict[int, int]:
        """Return the place of the closing parenthesis of each that is closed."""
        found: dict[int, int] = {}
        opened: list[int] = []
        for place, this in enumerate(self.words):
            if this == "(":
                opened.append(place)
            elif this == ")" and opened:
                found[opened.pop()] = place
        return found


class Window(Sequence[Token]):
    """A part of a statement's tokens. Parts of it are windows too: nothing is copied.

    Nested parentheses would otherwise cost the product of their depth and their length.
    """

    __slots__ = ("end", "start", "statement")

    def __init__(self, statement: _Statement, start: int, end: int) -> None:
        """Show the tokens of *statement* from *start* to before *end*."""
        self.statement = statement
        self.start = start
        self.end = max(start, end)

    def __len__(self) -> int:
        """Return how many tokens it shows."""
        return self.end - self.start

    @overload
    def __getitem__(self, place: int) -> Token: ...
    @overload
    def __getitem__(self, place: slice) -> Window: ...
    def __getitem__(self, place: int | slice) -> Token | Window:
        """Return a token, or a window on a part."""
        if isinstance(place, slice):
            start, end, _ = place.indices(len(self))
            return Window(self.statement, self.start + start, self.start + end)
        return self.statement.tokens[range(self.start, self.end)[place]]

    def __iter__(self) -> Iterator[Token]:
        """Yield the tokens in order."""
        return (self.statement.tokens[place] for place in range(self.start, self.end))


class Cursor:
    """A place among tokens; `take` goes on where the next words are the expected ones."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        """Stand before the first token."""
        if not isinstance(tokens, Window):
            tokens = Window(_Statement(tokens), 0, len(tokens))
        self.tokens = tokens
        self._words = self.tokens.statement.words
        self._start, self._end = self.tokens.start, self.tokens.end
        self.at = 0

    @property
    def word(self) -> str:
        """Return the next token: a word in capitals, a symbol as it is, nothing for others."""
        place = self._start + self.at
        return self._words[place] if place < self._end else ""

    def ahead(self, count: int) -> str:
        """Return the token that comes after *count* others."""
        place = self._start + self.at + count
        return self._words[place] if place < self._end else ""

    @property
    def done(self) -> bool:
        """Return whether nothing is left."""
        return self._start + self.at >= self._end

    @property
    def rest(self) -> Sequence[Token]:
        """Return what is left."""
        return self.tokens[self.at :]

    def holds(self, words: frozenset[str]) -> bool:
        """Return whether one of *words* comes anywhere in what is left."""
        return not words.isdisjoint(self._words[self._start + self.at : self._end])

    def take(self, *words: str) -> bool:
        """Go behind *words*, if all of them come next."""
        start = self._start + self.at
        end = start + len(words)
        if end > self._end or self._words[start:end] != [*words]:
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
        while not self.done:
            if self.word in words:
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
        start = self.at + 1
        closed = self.tokens.statement.closed.get(self._start + self.at, self._end)
        place = min(closed, self._end) - self._start
        self.at = min(place + 1, len(self.tokens))
        return self.tokens[start:place]


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
