"""What SQL text consists of, as values: tokens, statements, and what stands between them."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TypeAlias

from templedb_nb.model.dataclass import dataclass


class TokenKind(StrEnum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted"
    STRING = "string"
    NUMBER = "number"
    PARAMETER = "parameter"
    SYMBOL = "symbol"
    COMMENT = "comment"
    SPACE = "space"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A piece of text that means one thing; `start` is its offset in characters."""

    kind: TokenKind
    text: str
    start: int
    whole: bool = True

    @property
    def upper(self) -> str:
        """Return a word in capitals, and nothing for what is not a bare word."""
        return self.text.upper() if self.kind is TokenKind.WORD else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement: `raw` as it stands in the file, `text` as it is sent to a server.

    `data` has the lines of a ``COPY … FROM stdin``, and is None for every other statement. `line`
    and `column` are those of `text`, from 1.
    """

    raw: str
    text: str
    start: int
    line: int
    column: int
    tokens: tuple[Token, ...] = field(repr=False)
    data: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """A command of psql: a backslash outside of quotes, to the end of its line."""

    raw: str
    text: str
    start: int
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """White space, comments and empty statements that belong to no statement."""

    raw: str


Piece: TypeAlias = Statement | Meta | Blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that psql would wait for, or read otherwise than it looks."""

    message: str
    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A text in pieces; joined, their `raw` gives it back.

    `line` is the line of its file on which it begins.
    """

    pieces: tuple[Piece, ...]
    problems: tuple[Problem, ...]
    line: int = 1

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Return the statements, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Statement))

    @property
    def metas(self) -> tuple[Meta, ...]:
        """Return the commands of psql, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Meta))
