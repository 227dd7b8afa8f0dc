"""What a terminal would have shown of a line that a command wrote.

Colours are the SGR sequences of ECMA-48 (ESC [ … m); of a line that was written over (a carriage
return) the last writing counts; every other control sequence is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from templedb_nb.model.dataclass import dataclass

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
class TextStyle:
    """How a piece of text is drawn: a colour of `COLOURS`, or none."""

    colour: str = ""
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underlined: bool = False


def pieces(line: str) -> Iterator[tuple[TextStyle, str]]:
    """Yield each piece of *line* with its look; nothing in it controls a terminal."""
    look, at = TextStyle(), 0
    text = overwritten(line)
    for found in _SEQUENCE.finditer(text):
        if found.start() > at:
            yield look, safe(text[at : found.start()])
        if found["sgr"] is not None:
            look = _after(look, found["sgr"].replace(":", ";").split(";"))
        at = found.end()
    if at < len(text):
        yield look, safe(text[at:])


def plain(line: str) -> str:
    """Return *line* without colours, and without what controls a terminal."""
    return "".join(text for _, text in pieces(line))


_LINK = r"(?:\x1b\]|\x9d)8;[!-:<-~]{0,200};(?:https?://[!-~]{0,2000})?(?:\x07|\x1b\\|\x9c)"
_CONTROL = re.compile(
    rf"(?P<kept>\x1b\[[0-9;:]{{0,64}}m|{_LINK})"
    r"|(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]{1,4}[0-~]|\x1b[0-Z\\^-~]?"
    r"|(?P<hidden>[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)
"""Colours and links to web pages, which may stay; all other sequences that a terminal obeys; marks
that turn the direction of writing; control characters."""


def safe(text: str, *, progress: bool = False) -> str:
    """Return *text* without what a terminal would obey, but for colours and links to the web.

    Marks of direction are shown as what they are. A carriage return before anything but a line end
    stays only with *progress*: elsewhere it would write over what stands before it.
    """
    if not text.isascii() or not text.isprintable():
        text = _CONTROL.sub(_kept, text)
        if not progress and "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\\r")
    return text


def _kept(found: re.Match[str]) -> str:
    if found["hidden"] is not None:
        return f"<U+{ord(found['hidden']):04X}>"
    return found["kept"] or ""


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


def _after(look: TextStyle, codes: list[str]) -> TextStyle:
    waiting = iter(codes)
    for given in waiting:
        code = given.lstrip("0")
        if not code:
            look = TextStyle()
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
