"""Times, durations, sizes and tables as people read them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

_SECOND, _MINUTE, _HOUR = 1000, 60_000, 3_600_000
_DAYS = 48
"""From so many hours on, days are easier to read."""


def duration(milliseconds: int | None) -> str:
    """Return a duration: ``0.04 s``, ``12.3 s``, ``2 min 05 s``, ``1 h 02 min``, ``3 d 04 h``."""
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
    if hours >= _DAYS:
        return f"{hours // 24} d {hours % 24:02d} h"
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
    """Return aligned columns; a line break inside a cell is shown as what it is.

    Where `fitted` says how wide the reader's window is, the widest columns give way; where even
    that is too narrow, each row becomes a few lines.
    """
    cells = [[shown(cell) for cell in row] for row in (headers, *rows)]
    limit = _limit.get()
    if limit is not None and rows:
        cells = _without_empty(cells)
    widths = [max(width(row[n]) for row in cells) for n in range(len(cells[0]))]
    if limit is not None:
        cap = _cap(widths, limit - width(indent) - 2 * (len(widths) - 1))
        if cap is None:
            return _records(cells, indent)
        widths = [wide if wide <= _KEPT else min(wide, cap) for wide in widths]
        cells = [[cut(cell, wide) for cell, wide in zip(row, widths, strict=True)] for row in cells]
    return "\n".join(
        indent
        + "  ".join(
            cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


_limit: ContextVar[int | None] = ContextVar("limit", default=None)
_KEPT = 20
"""A column as narrow as this is never cut: a time, a count, an outcome."""
_NARROWEST = 10


@contextmanager
def fitted(columns: int | None) -> Iterator[None]:
    """Let tables fit a window of so many columns while the block runs; None lets them be."""
    token = _limit.set(columns)
    try:
        yield
    finally:
        _limit.reset(token)


_mask: ContextVar[Callable[[str], str]] = ContextVar("mask", default=str)


@contextmanager
def masking(mask: Callable[[str], str]) -> Iterator[None]:
    """Let every text pass *mask* before it is shown in a notebook, while the block runs."""
    token = _mask.set(mask)
    try:
        yield
    finally:
        _mask.reset(token)


def masked(text: str) -> str:
    """Return a whole text as it may be shown; whoever cuts one up asks for this first."""
    return _mask.get()(text)


def _without_empty(cells: Sequence[Sequence[str]]) -> list[list[str]]:
    """Leave out columns that have nothing but their head."""
    kept = [n for n in range(len(cells[0])) if any(row[n] for row in cells[1:])]
    return [[row[n] for n in kept] for row in cells]


def _cap(widths: Sequence[int], room: int) -> int | None:
    """Return how wide the wide columns may be so that all have room; None if that is too narrow."""
    room -= sum(wide for wide in widths if wide <= _KEPT)
    left = sorted(wide for wide in widths if wide > _KEPT)
    while left and left[0] * len(left) <= room:
        room -= left.pop(0)
    if not left:
        return max(widths, default=0) if room >= 0 else None
    cap = room // len(left)
    return cap if cap >= _NARROWEST else None


def cut(text: str, columns: int) -> str:
    """Return a text that takes no more than so many columns; a path keeps its end."""
    if width(text) <= columns:
        return text
    end = "/" in text and " " not in text
    kept = (text[::-1] if end else text)[: 2 * max(columns, 1)]  # a column holds few characters
    while kept and width(kept) > columns - 1:
        kept = kept[:-1]
    return f"…{kept[::-1]}" if end else f"{kept}…"


def middle_out(text: str, how: str) -> str:
    """Return a text that people can read: of a long one its beginning and its end.

    *how* says what shows all. It is cut between lines, or between words where a line is long.
    """
    text = text.rstrip("\n")
    if len(text) <= _HEAD[0] + _TAIL[0] and text.count("\n") < _HEAD[1] + _TAIL[1]:
        return text
    head = "\n".join(text[: _HEAD[0]].split("\n")[: _HEAD[1]])
    tail = "\n".join(text[-_TAIL[0] :].split("\n")[-_TAIL[1] :])
    if not text[len(head)].isspace():
        head = "".join(_WORDS.findall(head)[:-1]) or head
    if not text[-len(tail) - 1].isspace():
        tail = "".join(_WORDS.findall(tail)[1:]) or tail
    between = text[len(head) : len(text) - len(tail)]
    lines = many(between.strip("\n").count("\n") + 1, "line")
    told = f"[… {lines}, {size(len(between.encode()))}, not shown: {how} …]"
    return "\n".join([head.rstrip("\n"), told, tail.lstrip("\n")])


_HEAD, _TAIL = (32_000, 400), (8_000, 100)
"""So many characters and lines of a long text are shown."""
_WORDS = re.compile(r"\s++|\S++")


def _records(cells: Sequence[Sequence[str]], indent: str) -> str:
    """Return each row as lines of a name and a value, where a window is too narrow for columns."""
    heads, *rows = cells
    wide = max((width(head) for head in heads), default=0)
    return f"\n{indent}\n".join(
        "\n".join(
            f"{indent}{head}{' ' * (wide - width(head))}  {cell}".rstrip()
            for head, cell in zip(heads, row, strict=True)
            if cell
        )
        for row in rows
    )


def shown(text: str) -> str:
    """Return a text on one line, its control characters made visible."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def encodable(text: str) -> str:
    """Return a text that can be sent: half of a surrogate pair is written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def width(text: str) -> int:
    """Return how many columns a terminal gives a text."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return max(int(wcswidth(text)), 0)


def indented(text: str, indent: str) -> str:
    """Return a text with every line moved to the right."""
    return "\n".join(f"{indent}{line}".rstrip() for line in text.splitlines())


def labels_told(labels: Mapping[str, str]) -> str:
    """Return the labels of a target, as they are written."""
    return ", ".join(f"{key}={value}" for key, value in labels.items())
