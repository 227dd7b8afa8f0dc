"""SQL text as tokens and statements, by the rules of PostgreSQL and of psql.

The rules are those of PostgreSQL's own scanners (src/backend/parser/scan.l for what a token is,
src/fe_utils/psqlscan.l for where a statement ends): a semicolon ends a statement outside of
quotes, comments, parentheses and the ``BEGIN ATOMIC … END`` body of a function. What is lexed
gives back the text: ``"".join(piece.raw for piece in split(text).pieces) == text``, for any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from templedb_nb.core.sql.tokens import (
    Blank,
    Meta,
    Piece,
    Problem,
    Split,
    Statement,
    Token,
    TokenKind,
)

_SPACE = " \t\n\r\f\v"
_WORD = r"[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*"
_TAG = r"\$(?:[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*)?\$"
_DECIMAL = r"(?:[0-9][0-9_]*+(?:\.[0-9_]*+)?|\.[0-9][0-9_]*+)(?:[eE][+-]?[0-9]++)?"
_NUMBER = rf"(?:0[xX][0-9A-Fa-f_]+|0[oO][0-7_]+|0[bB][01_]+|{_DECIMAL})"
_MASTER = re.compile(
    rf"""(?P<space>[{_SPACE}]+)
    |(?P<line>--[^\n\r]*)
    |(?P<block>/\*)
    |(?P<escaped>[eE]')
    |(?P<string>(?:[uU]&|[bBxXnN])?')
    |(?P<quoted>(?:[uU]&)?")
    |(?P<dollar>{_TAG})
    |(?P<parameter>\$[0-9]+)
    |(?P<word>{_WORD})
    |(?P<number>{_NUMBER})
    |(?P<symbol>.)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_QUOTE = re.compile(r"'")
_QUOTE_OR_BACKSLASH = re.compile(r"\\.|'", re.DOTALL)
_DOUBLE_QUOTE = re.compile(r'"')
_CONTINUED = re.compile(
    rf"[ \t\f\v]*+(?:--[^\n\r]*+)?[\n\r](?:[{_SPACE}]|--[^\n\r]*+(?=[\n\r]))*+'"
)
_LINE_REST = re.compile(r"[^\n]*")
_OFF = frozenset({"off", "'off'", "false", "'false'", "0", "'0'", "no", "'no'"})


def tokens(text: str) -> Iterator[Token]:
    """Yield every token; joined, their texts give *text* back."""
    scanner = _Scanner(text)
    while scanner.at < len(text):
        yield scanner.token()


def split(text: str, line: int = 1) -> Split:
    """Return the statements, psql commands and blanks that *text* is made of.

    *line* is the line of the file on which it begins.
    """
    return _Splitter(text, line).split()


def position(text: str, offset: int) -> tuple[int, int]:
    """Return the line and column of an offset, both from 1."""
    offset = max(0, min(offset, len(text)))
    before = text.rfind("\n", 0, offset)
    return text.count("\n", 0, offset) + 1, offset - before


class _Scanner:
    """Reads one token after another."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.plain_strings = True

    def token(self) -> Token:
        """Return the token at the current place, and go behind it."""
        start = self.at
        found = _MASTER.match(self.text, start)
        assert found is not None  # noqa: S101 - the last alternative takes any character
        kind, end, whole = self._extent(found)
        self.at = end
        return Token(kind=kind, text=self.text[start:end], start=start, whole=whole)

    def _extent(self, hit: re.Match[str]) -> tuple[TokenKind, int, bool]:
        end = hit.end()
        match hit.lastgroup:
            case "space":
                return TokenKind.SPACE, end, True
            case "line":
                return TokenKind.COMMENT, end, True
            case "block":
                return TokenKind.COMMENT, *self._comment(end)
            case "escaped":
                return TokenKind.STRING, *self._string(end, escapes=True)
            case "string":
                bare = hit.group() == "'"
                return TokenKind.STRING, *self._string(end, escapes=bare and not self.plain_strings)
            case "quoted":
                return TokenKind.QUOTED, *self._doubled(end, _DOUBLE_QUOTE)
            case "dollar":
                return TokenKind.STRING, *self._dollar(hit.group(), end)
            case other:
                return TokenKind(str(other)), end, True

    def _comment(self, at: int) -> tuple[int, bool]:
        """Go behind a block comment; comments nest."""
        depth = 1
        while depth:
            edge = _COMMENT_EDGE.search(self.text, at)
            if edge is None:
                return len(self.text), False
            depth += 1 if edge.group() == "/*" else -1
            at = edge.end()
        return at, True

    def _string(self, at: int, *, escapes: bool) -> tuple[int, bool]:
        """Go behind a literal and those that continue it on a later line, read the same way."""
        while True:
            at, whole = self._doubled(at, _QUOTE_OR_BACKSLASH if escapes else _QUOTE)
            more = _CONTINUED.match(self.text, at) if whole else None
            if more is None:
                return at, whole
            at = more.end()

    def _doubled(self, at: int, edge: re.Pattern[str]) -> tuple[int, bool]:
        """Go behind the closing quote; a doubled one does not close."""
        while found := edge.search(self.text, at):
            at = found.end()
            if found.group().startswith("\\"):
                continue
            if self.text[at : at + 1] != found.group():
                return at, True
            at += 1
        return len(self.text), False

    def _dollar(self, tag: str, at: int) -> tuple[int, bool]:
        end = self.text.find(tag, at)
        return (len(self.text), False) if end < 0 else (end + len(tag), True)


class _Splitter:
    """Puts tokens together to statements."""

    def __init__(self, text: str, line: int) -> None:
        self._text = text
        self._scanner = _Scanner(text)
        self._first = line
        self._line, self._line_start, self._looked = line, 0, 0
        self._pieces: list[Piece] = []
        self._problems: list[Problem] = []
        self._begin = 0
        self._blank_begin: int | None = None
        self._reset()

    def _reset(self) -> None:
        self._tokens: list[Token] = []
        self._parens = 0
        self._blocks = 0
        self._words: list[str] = []

    def split(self) -> Split:
        """Return the pieces of the whole text."""
        while self._scanner.at < len(self._text):
            self._take(self._scanner.token())
        self._close(len(self._text), terminated=False)
        self._end_blank()
        pieces, problems = tuple(self._pieces), tuple(self._problems)
        return Split(pieces=pieces, problems=problems, line=self._first)

    def _take(self, token: Token) -> None:
        if not token.whole:
            self._problem(f"{_NAMES[token.kind]} that begins here is not closed", token.start)
        if token.kind in {TokenKind.SPACE, TokenKind.COMMENT}:
            return
        if token.kind is TokenKind.SYMBOL:
            if token.text == "\\":
                self._meta(token.start)
                return
            if token.text == ";" and not self._parens and not self._blocks:
                self._close(self._scanner.at, terminated=True)
                return
            self._parens += {"(": 1, ")": -1}.get(token.text, 0)
            self._parens = max(self._parens, 0)
        elif token.kind is TokenKind.WORD:
            self._block(token.upper)
        self._tokens.append(token)

    def _block(self, word: str) -> None:
        """Count the blocks of a function's body: within one, a semicolon ends no statement."""
        if len(self._words) < _HEAD_WORDS:
            self._words.append(word)
        if self._parens or not _makes_function(self._words):
            return
        if word == "BEGIN" or (word == "CASE" and self._blocks):
            self._blocks += 1
        elif word == "END" and self._blocks:
            self._blocks -= 1

    def _close(self, end: int, *, terminated: bool) -> None:
        """End the piece at *end*, behind its semicolon if it has one."""
        if end == self._begin:
            return
        if self._tokens:
            self._statement(end, terminated=terminated)
        elif self._blank_begin is None:
            self._blank_begin = self._begin
        self._begin = self._scanner.at
        self._reset()

    def _end_blank(self) -> None:
        """Keep what stands between statements as one piece, once it is complete: in linear time."""
        if self._blank_begin is not None:
            self._pieces.append(Blank(raw=self._text[self._blank_begin : self._begin]))
            self._blank_begin = None

    def _statement(self, end: int, *, terminated: bool) -> None:
        self._end_blank()
        first, last = self._tokens[0], self._tokens[-1]
        data = None
        if terminated and _copies_in(self._tokens):
            data, end = self._data(end)
        self._scanner.plain_strings = _strings_after(self._tokens, self._scanner.plain_strings)
        line, column = self._place(first.start)
        self._pieces.append(
            Statement(
                raw=self._text[self._begin : end],
                text=self._text[first.start : last.start + len(last.text)],
                start=first.start,
                line=line,
                column=column,
                tokens=tuple(self._tokens),
                data=data,
            )
        )

    def _data(self, end: int) -> tuple[str, int]:
        r"""Read the lines of a COPY, which begin on the next line and end with a lone ``\.``."""
        newline = self._text.find("\n", end)
        rest = self._text[end : newline if newline >= 0 else len(self._text)]
        if rest.strip(_SPACE) and not rest.lstrip(_SPACE).startswith("--"):
            self._problem("something follows a COPY FROM stdin on its line", end)
        begin = len(self._text) if newline < 0 else newline + 1
        found = _COPY_END.search(self._text, begin)
        stop, after = (found.start(), found.end()) if found else (len(self._text),) * 2
        self._scanner.at = after
        return self._text[begin:stop], after

    def _meta(self, start: int) -> None:
        """End a statement under way, and take a backslash command to the end of its line."""
        if self._tokens:
            self._scanner.at = start
            self._close(start, terminated=False)
        line_end = _LINE_REST.match(self._text, start)
        assert line_end is not None  # noqa: S101 - the pattern matches the empty text
        self._scanner.at = line_end.end()
        line, column = self._place(start)
        self._end_blank()
        self._pieces.append(
            Meta(
                raw=self._text[self._begin : line_end.end()],
                text=line_end.group().strip(),
                start=start,
                line=line,
                column=column,
            )
        )
        self._begin = self._scanner.at
        self._reset()

    def _problem(self, message: str, at: int) -> None:
        line, column = self._place(at)
        self._problems.append(Problem(message=message, line=line, column=column))

    def _place(self, at: int) -> tuple[int, int]:
        if at < self._looked:
            self._line, self._line_start, self._looked = self._first, 0, 0
        if ends := self._text.count("\n", self._looked, at):
            self._line += ends
            self._line_start = self._text.rfind("\n", self._looked, at) + 1
        self._looked = at
        return self._line, at - self._line_start + 1


_HEAD_WORDS = 4
_COPY_END = re.compile(r"^\\\.[ \t\r]*(?:\n|\Z)", re.MULTILINE)
_NAMES = {
    TokenKind.STRING: "a text",
    TokenKind.QUOTED: "a quoted name",
    TokenKind.COMMENT: "a comment",
}


def _makes_function(words: list[str]) -> bool:
    """Return whether a statement begins like one that may have a body of statements."""
    if not words or words[0] != "CREATE":
        return False
    rest = words[3:4] if words[1:3] == ["OR", "REPLACE"] else words[1:2]
    return rest in (["FUNCTION"], ["PROCEDURE"])


def _copies_in(found: list[Token]) -> bool:
    """Return whether a statement is a COPY whose data follow it: ``COPY … FROM stdin``."""
    if found[0].upper != "COPY":
        return False
    depth = 0
    for token, following in pairwise(found):
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind is TokenKind.SYMBOL else 0
        if not depth and token.upper == "FROM":
            return following.upper in {"STDIN", "PSTDIN"}
    return False


def _strings_after(found: list[Token], plain: bool) -> bool:  # noqa: FBT001 - one setting, passed on
    """Return how plain strings are read after a statement, which may set that."""
    words = [t.text.lower() for t in found if not (t.kind is TokenKind.SYMBOL and t.text == "=")]
    words = [word for word in words if word not in {"session", "local", "to"}]
    if words[:2] == ["reset", "standard_conforming_strings"]:
        return True
    if len(words) == 3 and words[:2] == ["set", "standard_conforming_strings"]:  # noqa: PLR2004 - set, name, value
        return words[2] not in _OFF
    return plain
