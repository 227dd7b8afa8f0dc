"""A text without what a terminal shows as nothing: colour codes, line ends, control characters.

A second reading is also without what programs put around the end of a line, where they go on with a
value in the next one.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate

_CODE = (
    "(?<=\x1b)(?:\\[[0-?]{0,64}[ -/]{0,8}[@-~]|[()*+][0-9A-Z])|(?<=\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
)
_SHOWN_AS_NOTHING = "[\x00-\x08\x0a-\x1f\x7f-\x9f]"  # first of all: so it is found quickly
IGNORED = re.compile(f"({_SHOWN_AS_NOTHING}(?:{_CODE})?)")
"""What a terminal shows as nothing: colour codes, line ends, control characters; not what is inside
of a title or a link, where a secret may stand."""
_NEXT = "(?:[ \t]{1,64}(?:b?['\"])?|['\"]|[0-9a-f]{4}: )"
_FOLDED = re.compile(f"({_SHOWN_AS_NOTHING}(?:{_CODE}|(?<=\n){_NEXT}|(?<=\r)\n{_NEXT}?)?)")
"""The same with what stands before the rest of a value in the next line: of YAML, pprint, gettext,
JavaScript, quoted-printable, sed, curl; `_BEFORE_FOLD` is what they put behind its first part."""
_BEFORE_FOLD = re.compile("(?:['\"](?: ?\\+)?|[\\\\=])\\Z")
MAY_FOLD = re.compile("\n(?:(?=[ \t0'\"])|(?<=[\\\\=]\n)|(?<=[\\\\=]\r\n))")
"""It finds something in every text with such a place, and quickly: it begins with one character."""
_HALF_FOLD = re.compile(
    "(?:['\"] ?\\+?|[\\\\=])(?:\r|\r?\n(?:[ \t]{1,64}(?:b?['\"]?)|['\"]|[0-9a-f]{1,4}:? ?)?)?\\Z"
    "|\r?\n(?:[ \t]{1,64}(?:b?['\"]?)|['\"]|[0-9a-f]{1,4}:? ?)\\Z"
)
"""The beginning of such a place at the end of a text."""
UNFINISHED = re.compile("(?:\x1b(?:\\[[0-?]{0,64}[ -/]{0,8}|[()*+])?|\x9b[0-?]{0,64}[ -/]{0,8})\\Z")
"""The beginning of a colour code at the end of a text."""
_LONGEST_FOLD = 80
_ENDS_OF_HALVES = frozenset("'\"+\\=\r\n \tb0123456789acdef:")
_QUOTES = frozenset("'\"")
_ENDS = frozenset("'\"\\=+")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class BareText:
    """A text without what a terminal shows as nothing; offsets lead back to the whole."""

    def __init__(self, text: str, *, folds: bool = False) -> None:
        """Read *text*, with *folds* also over the places where a program goes on in a new line."""
        if folds or _CONTROL.search(text):
            pieces = (_FOLDED if folds else IGNORED).split(text)
            parts, between = pieces[::2], pieces[1::2]
            gaps = [len(each) for each in between]
            if folds:
                _unfold(parts, between, gaps)
        else:
            parts = text.split("\n")
            gaps = [1] * (len(parts) - 1)
        self.text = "".join(parts)
        self._parts, self._gaps = parts, gaps
        self._ends: list[int] = []
        self._shifts: list[int] = []

    def whole(self, offset: int) -> int:
        """Return where in the whole text the character at *offset* stands."""
        if not self._ends:
            self._ends = list(accumulate(map(len, self._parts)))
            self._shifts = [0, *accumulate(self._gaps)]
        place = min(bisect_left(self._ends, offset + 1), len(self._shifts) - 1)
        return offset + self._shifts[place]


def _unfold(parts: list[str], between: list[str], gaps: list[int]) -> None:
    """Count what a program puts before the end of a line, if it goes on behind it, to the gaps.

    A quote belongs to the text, if there is none on the other side.
    """
    for number, gap in enumerate(between):
        if gap[0] not in "\r\n":
            continue
        part, opens = parts[number], gap[-1] in _QUOTES
        found = _BEFORE_FOLD.search(part, max(0, len(part) - 3)) if part[-1:] in _ENDS else None
        closes = found is not None and found[0][0] in _QUOTES
        if found and (opens or not closes):
            parts[number] = part[: found.start()]
            gaps[number] += len(found[0])
        if opens and not closes:
            own = 2 if gap[-2] == "b" else 1
            parts[number + 1] = gap[-own:] + parts[number + 1]
            gaps[number] -= own


def before_half_fold(text: str) -> int:
    """Return where the end of *text* begins, if it may be the beginning of such a place."""
    if text[-1:] not in _ENDS_OF_HALVES:
        return len(text)
    half = _HALF_FOLD.search(text, max(0, len(text) - _LONGEST_FOLD))
    return half.start() if half else len(text)
