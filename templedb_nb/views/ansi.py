"""What a terminal would have shown of a line that a command wrote.

Colours are the SGR sequences of ECMA-48 (ESC [ … m); of a line that was written over (a carriage
return) the last writing counts; every other control sequence is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

_SEQUENCE = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"  # colours
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # every other control sequence
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links and the like
    r"|\x1b[ -/]*[0-~]?"
)
COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_EXTENDED = {"5": 2, "2": 4}
"""How many numbers follow 38 and 48: an index, or red, green and blue."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a piece of text is drawn: a colour of `COLOURS`, or none."""

    colour: str = ""
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underlined: bool = False


def pieces(line: str) -> Iterator[tuple[Look, str]]:
    """Yield each piece of *line* with its look; nothing in it controls a terminal."""
    look, at = Look(), 0
    text = overwritten(line)
    for found in _SEQUENCE.finditer(text):
        if found.start() > at:
            yield look, text[at : found.start()]
        if found["sgr"] is not None:
            look = _after(look, found["sgr"].replace(":", ";").split(";"))
        at = found.end()
    if at < len(text):
        yield look, text[at:]


def plain(line: str) -> str:
    """Return *line* without colours, and without what controls a terminal."""
    return _SEQUENCE.sub("", overwritten(line))


def overwritten(line: str) -> str:
    """Return the last writing of a line that was written over, as progress bars do."""
    return next((each for each in reversed(line.split("\r")) if each), "")


_CHANGES: dict[str, dict[str, Any]] = {
    "1": {"bold": True},
    "2": {"faint": True},
    "3": {"italic": True},
    "4": {"underlined": True},
    "22": {"bold": False, "faint": False},
    "23": {"italic": False},
    "24": {"underlined": False},
    "39": {"colour": ""},
    **{f"{tens}{n}": {"colour": name} for tens in (3, 9) for n, name in enumerate(COLOURS)},
}


def _after(look: Look, codes: list[str]) -> Look:
    waiting = iter(codes)
    for given in waiting:
        code = given.lstrip("0")
        if not code:
            look = Look()
        elif code in {"38", "48"}:
            index = _extended(waiting)
            look = replace(look, colour=index) if code == "38" else look
        else:
            look = replace(look, **_CHANGES.get(code, {}))
    return look


def _extended(waiting: Iterator[str]) -> str:
    """Take what follows 38 or 48; of 256 colours the first sixteen have a name."""
    kind = next(waiting, "")
    rest = [next(waiting, "") for _ in range(_EXTENDED.get(kind, 1) - 1)]
    if kind == "5" and rest[0].isdecimal() and int(rest[0]) < 2 * len(COLOURS):
        return COLOURS[int(rest[0]) % len(COLOURS)]
    return ""
