"""Lines that begin the way back in a file of a tool that is not read: run as it stands, it undoes.

What follows such a line must be SQL: a comment that only tells of a way back is none. The directive
``no-down`` says that no line of the file begins a way back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from templedb_nb.core.migrations.layouts.placing import ToolMark
from templedb_nb.core.sql.lexer import split

MEND = (
    "write -- templedb:down in place of that line: what follows is then its way back; or, if all of"
    " the file is to run, -- templedb:no-down on top"
)
NO_SQL = ", and -- in place of each # that begins a comment"
ANY = "a tool that has both ways in one file"
_FLAGS = re.MULTILINE | re.IGNORECASE
_DOWNS = (
    ("node-pg-migrate", re.compile(r"^--[ \t-]*+down[ \t]++migration\b[^\r\n]*+", _FLAGS)),
    ("MyBatis Migrations", re.compile(r"^--[ \t]*+//[ \t]*+@undo\b[^\r\n]*+", _FLAGS)),
    ("Play", re.compile(r"^(?:--|#)[ \t-]*+!downs\b[^\r\n]*+", _FLAGS)),
    ("shmig", re.compile(r"^--[ \t]*+====[ \t]*+down[ \t]*+====", _FLAGS)),
    ("rambler", re.compile(r"^--[ \t]*+rambler[ \t]++down\b", _FLAGS)),
    ("micrate", re.compile(r"^--[ \t]*+\+micrate[ \t]++down\b", _FLAGS)),
    ("rockhopper", re.compile(r"^--[ \t]*+\+down\b", _FLAGS)),
)
_BETWEEN = r"[ \t=*@:/+#-]*+(?:migrate[ \t]++)?"


def _word(word: str) -> re.Pattern[str]:
    """Return what finds a line that is a comment of this word alone, or begins with one."""
    alone, closed = r"[ \t=*:#-]*+$", r"[ \t=:#-]*+\*++/"
    return re.compile(rf"^(?:--{_BETWEEN}{word}{alone}|/\*{_BETWEEN}{word}{closed})", _FLAGS)


_UP, _DOWN = _word("up"), _word("down")
_SETTLED = re.compile(r"^--[ \t]*+templedb:[ \t]*+(?:no-)?down\b", _FLAGS)
TOOLS = frozenset({*(tool for tool, _ in _DOWNS), ANY})


def is_settled(text: str) -> bool:
    """Return whether a directive says where the way back begins, or that there is none."""
    return _SETTLED.search(text) is not None


def marks(text: str) -> Iterator[ToolMark]:
    """Yield the first line that begins a way back which would run with the rest."""
    small = text.lower()
    if ("down" not in small and "@undo" not in small) or is_settled(text):
        return
    found = ((tool, line) for tool, line in _lines(text) if split(text[line.end() :]).statements)
    for tool, line in found:
        number = text.count("\n", 0, line.start()) + 1
        yield ToolMark(tool=tool, line=number, words=line[0].strip())
        return


def _lines(text: str) -> Iterator[tuple[str, re.Match[str]]]:
    for tool, pattern in _DOWNS:
        if line := pattern.search(text):
            yield tool, line
    above = _UP.search(text)
    if above and (line := _DOWN.search(text, above.end())):
        yield ANY, line
