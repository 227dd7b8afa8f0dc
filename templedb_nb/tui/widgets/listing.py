"""A list of very many rows, of which only those are drawn that are seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from templedb_nb.model.dataclass import dataclass

T = TypeVar("T")
HERE, ELSE = "▶ ", "  "
"""What stands before the row that is chosen, and before the others."""
DOWN_TO = 10
"""Somebody is at the end of a list who is so near to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListColumn(Generic[T]):
    """A column: its head, how wide it is, and what it shows of a row.

    A `wide` one takes the room that is left. It is there where the list has `at_least` columns.
    """

    head: str
    width: int
    cell: Callable[[T], Text | str]
    wide: bool = False
    right: bool = False
    at_least: int = 0


class RowList(ScrollView, Generic[T], can_focus=True):
    """Rows below a head; the arrows move through them, Enter or a click on the row opens it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "first", "First", show=False),
        Binding("end,G", "last", "Last", show=False),
        Binding("enter", "choose", "Open"),
    ]
    DEFAULT_CSS = """
    RowList { background: $background; scrollbar-size-vertical: 1; overflow-x: hidden; }
    """

    class Moved(Message):
        """Another row is chosen."""

        def __init__(self, rows: RowList[Any], *, by_hand: bool = False) -> None:
            """Tell of *rows*, and whether somebody chose it *by_hand*."""
            super().__init__()
            self.rows, self.by_hand = rows, by_hand

        @property
        def control(self) -> RowList[Any]:
            """Return the list, for selectors of handlers."""
            return self.rows

    class Opened(Moved):
        """Somebody wants to see what the chosen row is about."""

    class EndSeen(Moved):
        """Somebody is at the end of the list."""

    def __init__(
        self,
        columns: Sequence[ListColumn[T]],
        key: Callable[[T], object],
        empty: str,
        *,
        id: str,  # noqa: A002 - the word of Textual
    ) -> None:
        """Show nothing yet, and say *empty*; *key* tells rows apart."""
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._key = key
        self._rows: Sequence[T] = ()
        self._at = 0
        self.empty = empty

    @property
    def rows(self) -> Sequence[T]:
        """Return what is listed."""
        return self._rows

    @property
    def chosen(self) -> T | None:
        """Return the row that is chosen, if there is one."""
        return self._rows[self._at] if self._rows else None

    @property
    def place(self) -> int:
        """Return the number of the row that is chosen, from 0."""
        return self._at

    def show(self, rows: Sequence[T]) -> None:
        """List *rows*; the row that was chosen stays so, wherever it is now."""
        before, moved = self.chosen, False
        if len(rows) != len(self._rows):
            self.refresh(layout=True)
        self._rows = rows
        if before is not None:
            key = self._key(before)
            if not (self._at < len(rows) and self._key(rows[self._at]) == key):
                found = next((n for n, row in enumerate(rows) if self._key(row) == key), None)
                moved = found is None
                self._at = min(self._at, max(len(rows) - 1, 0)) if found is None else found
        self._fit()
        self._into_view()
        self.refresh()
        if moved or before is None or self.chosen is not before:
            self.post_message(self.Moved(self))

    def go_to(self, place: int, *, by_hand: bool = False) -> None:
        """Choose the row of that number, or the nearest that there is."""
        place = max(0, min(place, len(self._rows) - 1))
        if place != self._at:
            self._at = place
            self.refresh()
            self.post_message(self.Moved(self, by_hand=by_hand))
        self._into_view()
        if by_hand and place >= len(self._rows) - DOWN_TO:
            self.post_message(self.EndSeen(self))

    def on_resize(self) -> None:
        """Fit the rows to the room there is."""
        self._fit()
        self._into_view()

    def _fit(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._rows) + 1)

    def _into_view(self) -> None:
        if self.size.height > 1:
            top = self.scroll_offset.y
            room = self.scrollable_content_region.height - 1
            if self._at < top:
                self.scroll_to(y=self._at, animate=False, force=True)
            elif self._at >= top + room:
                self.scroll_to(y=self._at - room + 1, animate=False, force=True)

    def action_move(self, by: int) -> None:
        """Go up or down."""
        self.go_to(self._at + by, by_hand=True)

    def action_page(self, by: int) -> None:
        """Go up or down by as many rows as are seen."""
        rows = max(self.scrollable_content_region.height - 2, 1)
        self.go_to(self._at + by * rows, by_hand=True)

    def action_first(self) -> None:
        """Go to the first row."""
        self.go_to(0, by_hand=True)

    def action_last(self) -> None:
        """Go to the last row."""
        self.go_to(len(self._rows) - 1, by_hand=True)

    def action_choose(self) -> None:
        """Open the row."""
        if self._rows:
            self.post_message(self.Opened(self))

    def on_click(self, event: events.Click) -> None:
        """Choose the row below the pointer; open it where it was chosen already."""
        place = self.scroll_offset.y + event.y - 1
        if event.y < 1 or place >= len(self._rows):
            return
        if place == self._at:
            self.action_choose()
        else:
            self.go_to(place, by_hand=True)

    def on_focus(self) -> None:
        """Draw the row that is chosen as such."""
        self.refresh()

    def on_blur(self) -> None:
        """Draw the row that is chosen as one of a list that does not hear the keys."""
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line: the head, or a row."""
        width = self.scrollable_content_region.width
        base = self.rich_style
        if y == 0 and self._rows:
            return self._strip(
                [Text(each.head) for each in self._shown(width)],
                ELSE,
                width,
                base + Style(bold=True, dim=True),
            )
        if not self._rows:
            told = Text(f"  {self.empty}") if y == 1 else Text()
            return self._drawn(told, width, base)
        place = self.scroll_offset.y + y - 1
        if place >= len(self._rows):
            return Strip.blank(width, base)
        row, here = self._rows[place], place == self._at
        cells = [each.cell(row) for each in self._shown(width)]
        style = base + Style(reverse=here and self.has_focus, bold=here or None)
        if here and self.has_focus:  # one colour, from end to end
            cells = [each.plain if isinstance(each, Text) else each for each in cells]
        return self._strip(cells, HERE if here else ELSE, width, style)

    def _shown(self, width: int) -> list[ListColumn[T]]:
        return [each for each in self._columns if width >= each.at_least]

    def _strip(self, cells: Sequence[Text | str], before: str, width: int, style: Style) -> Strip:
        columns = self._shown(width)
        fixed = sum(each.width for each in columns if not each.wide) + 2 * (len(columns) - 1)
        left = max(width - fixed - len(before), 4)
        line = Text(before)
        for n, (column, cell) in enumerate(zip(columns, cells, strict=True)):
            text = cell.copy() if isinstance(cell, Text) else Text(cell)
            text.no_wrap = True
            room = left if column.wide else column.width
            text.truncate(room, overflow="ellipsis")
            if column.right:
                text.align("right", room)
            else:
                text.pad_right(max(room - text.cell_len, 0))
            if n:
                line.append("  ")
            line.append_text(text)
        return self._drawn(line, width, style)

    def _drawn(self, line: Text, width: int, style: Style) -> Strip:
        line.end = ""
        found = Strip(line.render(self.app.console)).adjust_cell_length(width)
        return Strip([*found.apply_style(style)], width) if style else found

    def refresh_row(self, place: int) -> None:
        """Draw one row anew."""
        y = place - self.scroll_offset.y + 1
        self.refresh(Region(0, y, self.size.width, 1))
