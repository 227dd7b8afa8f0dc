"""Which line of a file is shown where a server refused a statement, and where the caret stands."""

from __future__ import annotations

from collections.abc import Callable

from templedb_nb.core.secrets.sql_passwords import redacted
from templedb_nb.model.sql_excerpt import SqlExcerpt

BEFORE = 72
"""So many characters of a long line are shown before the place."""
AFTER = 40


def excerpt(
    text: str, first: int, line: int, column: int, mask: Callable[[str], str]
) -> SqlExcerpt | None:
    """Return *line* of the file of which *text* begins at line *first*; None if it is not there.

    Whoever shows SQL redacts it before anything is cut: half of a secret is not found any more.
    """
    lines, number = text.split("\n"), line - first
    if not (0 <= number < len(lines) and column):
        return None
    kept = redacted(text).split("\n")
    raw = lines[number]
    shown = mask(kept[number] if len(kept) == len(lines) else "***")
    at = _moved(raw, shown, column - 1)
    part, caret = _around(shown, at)
    return SqlExcerpt(line=line, column=column, text=part.replace("\t", " "), caret=caret)


def _moved(raw: str, shown: str, at: int) -> int | None:
    """Return where a place of *raw* is in what is shown of it; None if it is not shown."""
    if raw == shown:
        return min(at, len(raw))
    if at <= _same(raw, shown):
        return at
    behind = len(raw) - at
    same = _same(raw[::-1], shown[::-1])
    return len(shown) - behind if 0 <= behind <= same else None


def _same(one: str, other: str) -> int:
    """Return how many characters two texts begin with that are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _around(text: str, at: int | None) -> tuple[str, int | None]:
    """Return the part of a long line around a place, and where the place is in it."""
    text = text.rstrip()
    start = max((at or 0) - BEFORE, 0)
    end = max(at or 0, start + BEFORE) + AFTER
    part = text[start:end]
    begins, ends = "…" if start else "", "…" if end < len(text) else ""
    caret = None if at is None else at - start + len(begins)
    return f"{begins}{part}{ends}", caret
