"""dbmate: ``20260101120000_name.sql`` with ``-- migrate:up`` and ``-- migrate:down`` in it.

A file may have several of each; dbmate itself loses the second one silently, here all of them run.
"""

from __future__ import annotations

import re

from templedb_nb.core.migrations.layouts.placing import (
    MigrationFolder,
    Parts,
    Placements,
    by_number,
    only,
)
from templedb_nb.core.sql.directives import Remark
from templedb_nb.core.sql.lexer import split
from templedb_nb.core.sql.line_index import LineIndex
from templedb_nb.core.values.schema import nearest
from templedb_nb.model.layout import Layout

NAME = re.compile(r"(?P<version>\d++).*\.sql")
MARK = re.compile(r"^--[ \t]*+migrate:[ \t]*+(?P<way>\w*+)(?P<options>[^\r\n]*+)$", re.MULTILINE)
_OPTIONS = {"transaction:true", "transaction:false"}


def place(folder: MigrationFolder) -> Placements:
    """Return the files by name; a key is the digits that a name begins with."""
    return by_number(Layout.DBMATE, folder, NAME, by_letters=True)


def parts(text: str) -> Parts:
    """Return what stands below each mark."""
    marks, lines = list(MARK.finditer(text)), LineIndex(text)
    problems: list[Remark] = []
    ups, downs, forbidden = [], [], 0
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(text)
        line = lines.line(mark.start())
        options = mark["options"].split()
        problems += _about(mark, options, line)
        if mark["way"] == "up":
            ups.append((mark.end(), end))
            forbidden = forbidden or (line if "transaction:false" in options else 0)
        elif mark["way"] == "down":
            downs.append((mark.end(), end))
    if not ups:
        problems.append(Remark(message="has no line '-- migrate:up', which dbmate requires"))
    elif stray := split(text[: marks[0].start()]).statements:
        message = "is before the first '-- migrate:up', which dbmate refuses"
        problems.append(Remark(message=message, line=stray[0].line, mend="move it below that line"))
    return Parts(
        up=only(text, ups),
        down=only(text, downs) if downs else None,
        no_transaction=forbidden,
        words="-- migrate:up transaction:false",
        problems=tuple(problems),
    )


def _about(mark: re.Match[str], options: list[str], line: int) -> list[Remark]:
    if mark["way"] not in {"up", "down"}:
        message = f"there is no mark migrate:{mark['way']}{nearest(mark['way'], ['up', 'down'])}"
        return [Remark(message=message, line=line)]
    unknown = [each for each in options if each not in _OPTIONS]
    return [
        Remark(message=f"migrate:{mark['way']} knows no option {o}", line=line) for o in unknown
    ]
