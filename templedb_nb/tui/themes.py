"""Colours by their terminal names, each legible on the pages of Textual's dark and light themes.

Textual's own have a contrast of 2 to 4 there. Other themes take the nearer of both.
"""

from __future__ import annotations

from functools import cache, lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual.color import Color
from textual.filter import ANSIToTruecolor, LineFilter, dim_color

FAINT = 0.76
"""So much of a faint text's colour is left; the rest is that of the page. Textual leaves a half."""

DARK = TerminalTheme(
    (18, 18, 18),
    (224, 224, 224),
    [
        (154, 154, 154),
        (255, 123, 123),
        (127, 217, 98),
        (242, 177, 52),
        (138, 180, 255),
        (229, 155, 255),
        (102, 217, 239),
        (208, 208, 208),
    ],
)
LIGHT = TerminalTheme(
    (224, 224, 224),
    (31, 31, 31),
    [
        (0, 0, 0),
        (150, 20, 20),
        (27, 94, 32),
        (107, 72, 0),
        (26, 74, 150),
        (122, 31, 122),
        (11, 85, 99),
        (68, 68, 68),
    ],
)
"""Black, red, green, yellow, blue, magenta, cyan, white; their bright kinds look the same."""


class LegibleColours(LineFilter):
    """Turns names of colours into colours, and leaves enough of those of faint words."""

    def __init__(self, theme: TerminalTheme) -> None:
        """Take the colours of *theme*."""
        super().__init__()
        self._named = ANSIToTruecolor(theme)

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return *segments* with colours that a page of *background* shows."""
        page = background.rich_color
        return [
            Segment(text, style and self._shown(style, page), None) for text, style, _ in segments
        ]

    def _shown(self, style: Style, page: RichColor) -> Style:
        full: Style = self._named.truecolor_style(style + _NOT_FAINT if style.dim else style, page)
        return _faint(full, page) if style.dim and full.color is not None else full


_NOT_FAINT = Style(dim=False)


@lru_cache(1024)
def _faint(full: Style, page: RichColor) -> Style:
    return full + Style(color=dim_color(full.bgcolor or page, full.color or page, FAINT))


def legible(found: LineFilter, theme: TerminalTheme) -> LineFilter:
    """Return ours for Textual's own, else what was found."""
    return _filter(theme) if isinstance(found, ANSIToTruecolor) else found


@cache
def _filter(theme: TerminalTheme) -> LegibleColours:
    """Return one for each theme: it remembers what it has made of each style."""
    return LegibleColours(theme)
