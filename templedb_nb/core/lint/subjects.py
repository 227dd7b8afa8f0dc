"""What another linter says, with the statement that it is about, and once for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from templedb_nb.core.lint.linter import Pending
from templedb_nb.core.sql.lexer import tokens
from templedb_nb.core.sql.outline import outline
from templedb_nb.core.sql.tokens import Statement, TokenKind
from templedb_nb.model.lint import Complaint

DROPS = "ban-drop-"
"""How its rules begin that are about objects which others may use."""
_AROUND = frozenset({TokenKind.SPACE, TokenKind.COMMENT})
_KINDS = re.compile(
    r"DROP (?:FUNCTION|PROCEDURE|ROUTINE|AGGREGATE|TYPE|DOMAIN|VIEW|MATERIALIZED VIEW|SEQUENCE"
    r"|TRIGGER|TABLE|SCHEMA|INDEX|EXTENSION|POLICY|RULE|OPERATOR CLASS) (?:IF EXISTS )?",
    re.IGNORECASE,
)
_WORDS = re.compile(r'"[^"]*+"|\w++')
_NAMES = re.compile(r'("[^"]*+"|(?<!\w)\w++)(\.)?(?:\s*+\([^()]*+\))?')
"""The parts of names; a name's last part has no dot behind it, and of a function its types."""


def about(
    pending: Sequence[Pending],
    others: Iterable[Complaint],
    objects: Callable[[str], AbstractSet[str] | None],
) -> list[Complaint]:
    """Return what *others* say with its subject; what is said of one subject of a file, once.

    Nobody can use what is not there: of a drop of it nothing is said. *objects* returns the names
    of what a database has, or None where nobody knows.
    """
    by_file = {each.file: each for each in pending}
    told: dict[tuple[str, str, str], list[Complaint]] = {}
    for each in others:
        own = by_file.get(each.file)
        statement = _statement(own.script.statements, each.line) if own else None
        if own is None or statement is None:
            told.setdefault((each.file, each.rule, str(each.line)), []).append(each)
            continue
        if each.rule.startswith(DROPS) and _gone(statement, own.database, objects):
            continue
        subject = outline(statement.text)
        same = told.setdefault((each.file, each.rule, subject), [])
        same.append(replace(each, message=f"{subject}: {each.message}"))
    return [_once(same) for same in told.values()]


def names_of(catalog: Iterable[str]) -> frozenset[str]:
    """Return each word of the names of a catalog's objects, without their arguments."""
    heads = (each.partition("(")[0] for each in catalog)
    return frozenset(word.strip('"').lower() for head in heads for word in _WORDS.findall(head))


def _once(same: Sequence[Complaint]) -> Complaint:
    first, *more = same
    lines = sorted({each.line for each in more} - {first.line})
    if not lines:
        return first
    noun = "line" if len(lines) == 1 else "lines"
    again = f"{first.message} (also {noun} {', '.join(map(str, lines))})"
    return replace(first, message=again)


def _statement(statements: Sequence[Statement], line: int) -> Statement | None:
    """Return the last statement that begins on *line* or before it."""
    return next((each for each in reversed(statements) if each.line <= line), None)


def _gone(
    statement: Statement, database: str, objects: Callable[[str], AbstractSet[str] | None]
) -> bool:
    """Return whether a drop is of names alone that the database does not have."""
    kept = (" " if each.kind in _AROUND else each.text for each in tokens(statement.text))
    text = " ".join("".join(kept).split())
    found = _KINDS.match(text)
    if found is None:
        return False
    there = objects(database)  # it reads the whole catalog
    if there is None:
        return False
    names = [
        each[1].strip('"').lower() for each in _NAMES.finditer(text[found.end() :]) if not each[2]
    ]
    dropped = [each for each in names if each not in {"cascade", "restrict", "on"}]
    return bool(dropped) and there.isdisjoint(dropped)
