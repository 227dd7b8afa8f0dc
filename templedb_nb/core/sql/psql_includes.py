r"""What leads a file of psql's that begins with ``\i``: its transaction is asked there, too."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Protocol

from templedb_nb.core.sql.execution_units import too_late
from templedb_nb.core.sql.lexer import split
from templedb_nb.core.sql.tokens import Meta, Statement
from templedb_nb.core.sql.transaction_settings import Opening, goes_before, opening
from templedb_nb.model.dataclass import dataclass

Read = Callable[[str], str | None]
"""Returns the text of a file by its path below the release, or None where it cannot be read."""

READ_ONLY = "a read-only transaction cannot record its step"
_INCLUDE = re.compile(r"\\(?P<how>i|include|ir|include_relative)\s++(?P<rest>\S.*)")
_SETS_NOTHING = re.compile(r"\\(?:set|unset|echo|qecho|warn|timing|pset|encoding|conninfo|x|t|a)\b")
_VARIABLE = re.compile(r"(?<!:):\w")
_ENDS = frozenset({"COMMIT", "END", "ROLLBACK", "ABORT"})
_MODE = re.compile(r"\bread\s++only\b", re.IGNORECASE)
_IF = re.compile(r"\\(?:if|quit|q)\b")
"""What makes psql read no further, or not everything: what follows, it alone knows."""


class Including(Protocol):
    """A script that may include others: its text, and which of its statements lead it."""

    @property
    def text(self) -> str:
        """Return the whole file."""

    @property
    def leading(self) -> tuple[int, ...]:
        """Return which statements go into its BEGIN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncludedOpening:
    """A statement about the transaction that another file holds, in front of every query."""

    file: str
    statement: Statement
    asks: Opening

    @property
    def has_variable(self) -> bool:
        """Return whether only psql knows what it says."""
        return bool(_VARIABLE.search(self.statement.text))


def included_openings(text: str, file: str, read: Read) -> tuple[IncludedOpening, ...]:
    """Return what leads the transaction of *file* in the files that it includes."""
    if "\\i" not in text:
        return ()
    return tuple(each for each in _walked(text, file, read) if each.file != file)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncludedRefusal:
    """A statement of an included file that cannot run there, and what to do about it."""

    file: str
    line: int
    message: str
    mend: str


def included(text: str, file: str, read: Read) -> dict[str, str]:
    """Return every file of the release that *file* includes, also by others, and which one does."""
    by: dict[str, str] = {}
    waiting = [(file, text)] if "\\i" in text else []
    while waiting:
        at, script = waiting.pop()
        for piece in split(script).pieces:
            path = _included(piece, at) if isinstance(piece, Meta) else ""
            found = read(path) if path and path != file and path not in by else None
            if found is not None:
                by[path] = at
                waiting.append((path, found))
    return by


def refusals(script: Including, file: str, read: Read) -> Iterator[IncludedRefusal]:
    """Yield the statements about the transaction that cannot run in a file that *file* includes.

    psql hears what leads its transaction a second time, in its place: only one isolation level may
    be repeated.
    """
    if "\\i" not in script.text:
        return
    for at, statement in _statements(script.text, file, read, (file,)):
        if _makes_read_only(statement):
            yield IncludedRefusal(file=at, line=statement.line, message=READ_ONLY, mend="remove it")
    found = included_openings(script.text, file, read)
    for each in found:
        alone = len(script.leading) + len(found) == 1
        if each.asks.read_only or (alone and not each.asks.once and not each.has_variable):
            continue
        what = " ".join(each.statement.text.split())
        message = f"psql takes this {what} in the migration's own file alone"
        mend = f"write it into {file}, in front of \\i"
        yield IncludedRefusal(file=each.file, line=each.statement.line, message=message, mend=mend)


def warnings(text: str, file: str, read: Read) -> Iterator[IncludedRefusal]:
    """Yield what works otherwise than it looks in files that *file* includes.

    A setting for later transactions, of which there are none, and what ends the one that there is.
    """
    if "\\i" not in text:
        return
    found = tuple(_statements(text, file, read, (file,)))
    ends = tuple((at, each) for at, each in found if _ends(each))
    for at, each in ends:
        what = each.tokens[0].upper
        message = f"{what} ends the transaction that holds the migration and its ledger row"
        message = f"{message}: if psql is cut off behind it, a part may be in effect"
        yield IncludedRefusal(file=at, line=each.line, message=message, mend="remove it")
    for at, each in () if ends else found:
        for told in too_late([each]):
            yield IncludedRefusal(file=at, line=told.line, message=told.message, mend=told.mend)


def _ends(statement: Statement) -> bool:
    words = [token.upper for token in statement.tokens[:3]]
    prepares = words[:2] == ["PREPARE", "TRANSACTION"]
    return prepares or (words[0] in _ENDS and "TO" not in words and words[1:2] != ["PREPARED"])


def _statements(
    text: str, file: str, read: Read, inside: tuple[str, ...]
) -> Iterator[tuple[str, Statement]]:
    """Yield the statements of the files that are included, with their files."""
    for piece in split(text).pieces:
        if isinstance(piece, Statement):
            if len(inside) > 1:
                yield file, piece
        elif isinstance(piece, Meta):
            if _IF.match(piece.text):
                return
            path = _included(piece, file)
            found = read(path) if path and path not in inside else None
            if found is not None:
                yield from _statements(found, path, read, (*inside, path))


def _makes_read_only(statement: Statement) -> bool:
    asks = opening(statement)
    begins = statement.tokens[0].upper in {"BEGIN", "START"}
    return (asks is not None and asks.read_only) or (begins and bool(_MODE.search(statement.text)))


def _walked(text: str, file: str, read: Read) -> Iterator[IncludedOpening]:
    """Go through a file and what it includes, as psql does, up to the first query.

    A file that is included again asks for the same: it is read once.
    """
    inside = {file: iter(split(text).pieces)}
    seen = {file}
    while inside:
        at = next(reversed(inside))
        piece = next(inside[at], None)
        if piece is None:
            del inside[at]
        elif isinstance(piece, Statement):
            if asks := opening(piece):
                yield IncludedOpening(file=at, statement=piece, asks=asks)
            elif not goes_before(piece):
                return
        elif isinstance(piece, Meta) and not _SETS_NOTHING.match(piece.text):
            path = _included(piece, at)
            if path in seen and path not in inside:
                continue
            found = read(path) if path and path not in inside else None
            if found is None:
                return  # what it does, psql alone knows
            seen.add(path)
            inside[path] = iter(split(found).pieces)


def _included(meta: Meta, file: str) -> str:
    found = _INCLUDE.fullmatch(meta.text)
    return _path(found["how"], found["rest"], file) if found else ""


def _path(how: str, rest: str, file: str) -> str:
    """Return which file psql reads, or nothing where only psql can tell."""
    quoted = re.fullmatch(r"'((?:[^'\\]|'')*+)'\s*+", rest)
    name = quoted[1].replace("''", "'") if quoted else rest.split(maxsplit=1)[0]
    if not quoted and set(name) & set("'\"`:\\"):
        return ""
    base = posixpath.dirname(file) if how in {"ir", "include_relative"} else ""
    found = posixpath.normpath(posixpath.join(base, name))
    return "" if found.startswith(("/", "..")) else found
