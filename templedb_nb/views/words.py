"""Times, durations, sizes and tables as people read them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime

_SECOND, _MINUTE, _HOUR = 1000, 60_000, 3_600_000


def duration(milliseconds: int | None) -> str:
    """Return a duration: ``0.04 s``, ``12.3 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if milliseconds is None:
        return ""
    if milliseconds < 10 * _SECOND:
        return f"{milliseconds / _SECOND:.2f} s"
    if milliseconds < _MINUTE:
        return f"{milliseconds / _SECOND:.1f} s"
    if milliseconds < _HOUR:
        minutes, rest = divmod(milliseconds, _MINUTE)
        return f"{minutes} min {rest // _SECOND:02d} s"
    hours, rest = divmod(milliseconds, _HOUR)
    return f"{hours} h {rest // _MINUTE:02d} min"


def moment(at: datetime | None) -> str:
    """Return a time of day in UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z" if at else ""


def size(count: int) -> str:
    """Return a number of bytes."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:  # noqa: PLR2004 - the next unit begins there
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def many(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Return aligned columns; a line break inside a cell is shown as what it is."""
    cells = [[shown(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(width(row[n]) for row in cells) for n in range(len(headers))]
    return "\n".join(
        indent
        + "  ".join(
            cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def shown(text: str) -> str:
    """Return a text on one line, its control characters made visible."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def width(text: str) -> int:
    """Return how many columns a terminal gives a text."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )


def indented(text: str, indent: str) -> str:
    """Return a text with every line moved to the right."""
    return "\n".join(f"{indent}{line}".rstrip() for line in text.splitlines())
