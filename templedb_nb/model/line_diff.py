"""How two texts differ, line by line, at a cost that their size says.

difflib's cost is the square of the number of edits: a text of 100,000 lines of which every second
one was edited would take ten minutes. Here, lines that stand once in each text are the anchors
(Bram Cohen's patience diff), and only short stretches between them are compared by difflib.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

Opcode: TypeAlias = tuple[str, int, int, int, int]
"""What becomes of lines of the first text, and of which lines of the second: replace, delete,
insert or equal. Each range has its first line and the one behind its last."""
_Exact: TypeAlias = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]

_COMPARED = 40_000
"""A stretch whose two lengths have a greater product is shown as removed and added, whole."""


def hunks(before: Sequence[str], after: Sequence[str], around: int) -> Iterator[list[Opcode]]:
    """Yield the changes, each with so many equal lines around it."""
    yield from _Anchored(before, after).get_grouped_opcodes(around)


def unified(
    before: Sequence[str],
    after: Sequence[str],
    names: tuple[str, str] = ("before", "after"),
    around: int = 3,
) -> Iterator[str]:
    """Yield the lines of a unified diff; nothing where the texts are equal."""
    begun = False
    for hunk in hunks(before, after, around):
        if not begun:
            yield from (f"--- {names[0]}", f"+++ {names[1]}")
            begun = True
        (_, a, _, c, _), (_, _, b, _, d) = hunk[0], hunk[-1]
        yield f"@@ -{_span(a, b)} +{_span(c, d)} @@"
        for word, i, j, k, end in hunk:
            if word == "equal":
                yield from (f" {line}" for line in before[i:j])
                continue
            yield from (f"-{line}" for line in before[i:j])
            yield from (f"+{line}" for line in after[k:end])


def _span(start: int, end: int) -> str:
    """Return a range as a unified diff writes it."""
    length = end - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


class _Anchored(SequenceMatcher[str]):
    """A comparison that begins at lines that stand once in each text."""

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        super().__init__(None, "", "")
        self._before, self._after = before, after

    def get_opcodes(self) -> list[_Exact]:
        """Return what makes the second text of the first, in order."""
        return list(_opcodes(self._before, self._after))


def _opcodes(before: Sequence[str], after: Sequence[str]) -> Iterator[_Exact]:
    at, to = 0, 0
    equal = (0, 0)
    for a, b, size in [*_matches(before, after), (len(before), len(after), 0)]:
        if (a, b) != (at, to):
            if equal != (at, to):
                yield "equal", equal[0], at, equal[1], to
            yield _change(at, a, to, b)
            equal = (a, b)
        at, to = a + size, b + size
    if equal != (at, to):
        yield "equal", equal[0], at, equal[1], to


def _change(i: int, j: int, k: int, end: int) -> _Exact:
    if i == j:
        return "insert", i, j, k, end
    return ("delete" if k == end else "replace"), i, j, k, end


def _matches(before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Yield runs of equal lines in order: where they begin in each text, and how many they are."""
    low, high = 0, 0
    shorter = min(len(before), len(after))
    while low < shorter and before[low] == after[low]:
        low += 1
    while high < shorter - low and before[-1 - high] == after[-1 - high]:
        high += 1
    yield 0, 0, low
    a, b = low, low
    ends = len(before) - high, len(after) - high
    for place, other in [*_anchors(before, after, low, high), ends]:
        yield from _between(before, after, (a, place), (b, other))
        if (place, other) != ends:
            yield place, other, 1
        a, b = place + 1, other + 1
    yield *ends, high


def _between(
    before: Sequence[str], after: Sequence[str], first: tuple[int, int], second: tuple[int, int]
) -> Iterator[tuple[int, int, int]]:
    (a, end_a), (b, end_b) = first, second
    if not 0 < (end_a - a) * (end_b - b) <= _COMPARED:
        return
    found = SequenceMatcher(None, before[a:end_a], after[b:end_b], autojunk=False)
    for match in found.get_matching_blocks():
        if match.size:
            yield a + match.a, b + match.b, match.size


def _anchors(
    before: Sequence[str], after: Sequence[str], low: int, high: int
) -> list[tuple[int, int]]:
    """Return where lines stand that are once in each text: as many as come in the same order."""
    first, second = before[low : len(before) - high], after[low : len(after) - high]
    once = {line for line, count in Counter(first).items() if count == 1}
    once &= {line for line, count in Counter(second).items() if count == 1}
    places = {line: low + place for place, line in enumerate(second) if line in once}
    pairs = [(low + n, places[line]) for n, line in enumerate(first) if line in once]
    return _longest_rising(pairs)


def _longest_rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest part of *pairs* whose second numbers rise, too."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for number, (_, other) in enumerate(pairs):
        place = bisect_left(ends, other)
        before.append(last[place - 1] if place else -1)
        ends[place : place + 1] = [other]
        last[place : place + 1] = [number]
    found: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]
