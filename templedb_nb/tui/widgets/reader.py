"""A text of very many lines, of which only those are drawn that are seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

MOST = 20_000
"""Of output that grows, so many lines are kept."""


class TextReader(ScrollView, can_focus=True):
    """Lines to read: those that say `no_wrap` are moved sideways, all others are wrapped."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("g", "scroll_home", show=False),
        Binding("G", "scroll_end", show=False),
        Binding("space", "page_down", show=False),
    ]
    DEFAULT_CSS = """
    TextReader {
        background: $background; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1;
    }
    """

    def __init__(self, *, id: str) -> None:  # noqa: A002 - the word of Textual
        """Show nothing yet."""
        super().__init__(id=id)
        self._given: list[Text] = []
        self._lines: list[Text] = []
        self._widest = 0
        self._laid_at = 0

    @property
    def text(self) -> str:
        """Return all of the text, also what is not seen."""
        return "\n".join(each.plain for each in self._given)

    @property
    def follows(self) -> bool:
        """Return whether the last line is seen, so that the next ones should be, too."""
        return self.scroll_offset.y >= self.max_scroll_y

    def show(self, lines: Sequence[Text]) -> None:
        """Show another text, from its first line."""
        self._given = list(lines)
        self._lay_out()
        self.scroll_to(x=0, y=0, animate=False, force=True)

    def replace(self, lines: Sequence[Text]) -> None:
        """Show the newer form of the text; whoever reads stays where they are, or at its end."""
        at, follows = self.scroll_offset.y, self.follows and self.max_scroll_y > 0
        self._given = list(lines)
        self._lay_out()
        self._go(self.max_scroll_y if follows else min(at, self.max_scroll_y))

    def add(self, lines: Sequence[Text]) -> None:
        """Add lines at the end; whoever reads the end stays there."""
        if not lines:
            return
        follows = self.follows
        self._given += lines
        if len(self._given) > MOST:
            del self._given[: len(self._given) - MOST]
            self._lay_out()
        else:
            self._lines += self._laid(lines)
            self._fit()
        if follows:
            self._go(self.max_scroll_y)
        self.refresh()

    def _go(self, y: int) -> None:
        self.scroll_to(y=y, animate=False, force=True)

    def on_resize(self) -> None:
        """Wrap anew where the width is another."""
        if self._laid_at != self._room:
            self._lay_out()

    @property
    def _room(self) -> int:
        return max(self.size.width - 2, 10)

    def _lay_out(self) -> None:
        self._laid_at, self._widest = self._room, 0
        self._lines = list(self._laid(self._given))
        self._fit()
        self.refresh()

    def _laid(self, lines: Iterable[Text]) -> list[Text]:
        found: list[Text] = []
        for each in lines:
            if each.no_wrap:
                self._widest = max(self._widest, each.cell_len + 1)
                found.append(each)
            else:
                found += _wrapped(each, self._room, self.app.console)
        return found

    def _fit(self) -> None:
        self.virtual_size = Size(self._widest, len(self._lines))

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        left, top = self.scroll_offset
        width, base = self.scrollable_content_region.width, self.rich_style
        if top + y >= len(self._lines):
            return Strip.blank(width, base)
        line = self._lines[top + y].copy()
        line.end = ""
        strip = Strip(line.render(self.app.console)).crop_extend(left, left + width, base)
        return Strip([*strip.apply_style(base)], width)


def _wrapped(line: Text, room: int, console: Console) -> list[Text]:
    """Return a line in parts that fit; those after the first are moved in a little more."""
    if line.cell_len <= room:
        return [line]
    indent = min(len(line.plain) - len(line.plain.lstrip(" ")), room // 2)
    first, *rest = line[indent:].wrap(console, room - indent - 2)
    before = " " * indent
    return [Text.assemble(before, first), *(Text.assemble(before, "  ", part) for part in rest)]
