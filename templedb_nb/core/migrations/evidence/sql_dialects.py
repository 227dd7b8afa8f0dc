"""SQL that another server's alone is, told by forms that PostgreSQL and DuckDB refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from templedb_nb.model.dataclass import dataclass

_OPENING = re.compile(r"--|/\*|'|\"|\$\w*+\$")
"""What begins a comment, a text or a quoted name."""
_CLOSING = {"--": "\n", "/*": "*/"}
"""What ends it, if not what began it."""
_COLUMN_END = r"\s*(?:,|\)|=|;|$|PRIMARY|UNIQUE|COMMENT|NOT|NULL)"
_FORMS = (
    ("MySQL", "auto_increment", re.compile(rf"(?i)(?<=[\w)]\s)AUTO_INCREMENT\b{_COLUMN_END}")),
    ("MySQL", "engine", re.compile(r"(?i)\bENGINE\s*+=\s*+(?:InnoDB|MyISAM)\b")),
    ("MySQL", "`", re.compile(r"(?i)\b(?:TABLE|INTO|EXISTS|UPDATE|FROM|ON)\s++`\w+`")),
    ("SQLite", "autoincrement", re.compile(r"(?i)\bPRIMARY\s++KEY\s++AUTOINCREMENT\b")),
    ("SQLite", "rowid", re.compile(r"(?i)\)\s*+WITHOUT\s++ROWID\b")),
    ("SQLite", "pragma", re.compile(r"(?im)^[ \t]*+PRAGMA[ \t]++(?:foreign_keys|journal_mode)\b")),
    ("SQL Server", "identity", re.compile(r"(?i)\bIDENTITY\s*+\(\s*+\d+\s*+,\s*+\d+\s*+\)")),
    ("SQL Server", "[dbo]", re.compile(r"(?i)\[dbo\]\s*+\.")),
    ("SQL Server", "\ngo", re.compile(r"(?m)^GO[ \t]*+\r?$")),
    ("Oracle", "varchar2", re.compile(r"(?i)\bN?VARCHAR2\s*+\(")),
    ("ClickHouse", "mergetree", re.compile(r"(?i)\bENGINE\s*+=\s*+\w*MergeTree\b")),
)  # fmt: skip
"""Whose form it is, what any text with it has in small letters, and the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSql:
    """A form that only another server's SQL has, and in how many of the files one was found."""

    server: str
    path: str
    words: str
    count: int

    def __str__(self) -> str:
        """Return it as messages show it."""
        return f"{self.path} has {self.words!r}, which is {self.server}'s"


def other_sql(paths: Sequence[str], texts: Mapping[str, str]) -> OtherSql | None:
    """Return the first form of another server's SQL among files; None if there is none."""
    found = [(path, *form) for path in paths if (form := _form(texts.get(path, "")))]
    if not found:
        return None
    path, server, words = found[0]
    return OtherSql(server=server, path=path, words=words, count=len(found))


def _form(text: str) -> tuple[str, str] | None:
    small = text.lower()
    likely = [(server, form) for server, needle, form in _FORMS if needle in small]
    if not any(form.search(text) for _, form in likely):
        return None
    bare = _bare(text)
    for server, form in likely:
        if found := form.search(bare):
            return server, " ".join(found[0].split()).rstrip(" ,;=")
    return None


def _bare(text: str) -> str:
    """Return *text* without comments, texts and quoted names; an open one goes to the end."""
    parts: list[str] = []
    at = 0
    while opening := _OPENING.search(text, at):
        parts += [text[at : opening.start()], " "]
        closing = _CLOSING.get(opening[0], opening[0])
        end = text.find(closing, opening.end())
        at = len(text) if end < 0 else end + (len(closing) if closing != "\n" else 0)
    return "".join([*parts, text[at:]])
