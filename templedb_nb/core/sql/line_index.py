"""Lines of a text by offset, counted once: many questions cost no more than the text is long."""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate


class LineIndex:
    """Tells on which line, from 1, an offset of a text stands."""

    def __init__(self, text: str) -> None:
        """Find the line ends of *text*."""
        ends = accumulate(len(line) + 1 for line in text.split("\n"))
        self._ends = [end - 1 for end in ends]

    def line(self, offset: int) -> int:
        """Return the line of the character at *offset*; a line end belongs to its line."""
        return bisect_left(self._ends, offset) + 1


class Spans:
    """Tells whether an offset lies in one of many parts of a text that do not overlap."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        """Take *spans*, each from its first offset to before its last."""
        self._spans = sorted(spans)

    def __contains__(self, offset: int) -> bool:
        """Return whether *offset* lies in a span."""
        before = bisect_right(self._spans, (offset, sys.maxsize))
        return before > 0 and offset < self._spans[before - 1][1]
