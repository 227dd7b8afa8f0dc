from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from rich.text import Text
from textual.app import App, ComposeResult

from templedb_nb.app.container import Container
from templedb_nb.app.environment import Environment
from templedb_nb.tui import looks
from templedb_nb.tui.app import TerminalApp
from templedb_nb.tui.details import fitted
from templedb_nb.tui.lanes import SharedByLanes
from templedb_nb.tui.widgets.listing import ListColumn, RowList
from templedb_nb.tui.widgets.reader import MOST, TextReader
from tests.conftest import Terminal


class Shown(App[None]):
    """A list above a text."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: Counter[int] = Counter()
        self.ends = 0

    def compose(self) -> ComposeResult:
        column: ListColumn[int] = ListColumn(head="N", width=10, cell=self.cell, wide=True)
        yield RowList[int]((column,), lambda row: row, "nothing", id="rows")
        yield TextReader(id="reader")

    def cell(self, row: int) -> str:
        self.drawn[row] += 1
        return f"row {row}"

    def on_row_list_end_seen(self) -> None:
        self.ends += 1

    @property
    def rows(self) -> RowList[int]:
        return self.query_one("#rows", RowList)

    @property
    def reader(self) -> TextReader:
        return self.query_one("#reader", TextReader)


def test_list_draws_only_rows_that_are_seen_when_there_are_very_many() -> None:
    async def look() -> None:
        app = Shown()
        async with app.run_test(size=(80, 24)) as pilot:
            app.rows.focus()
            app.rows.show(range(1_000_000))
            await pilot.pause()
            await pilot.press("end")
            assert app.rows.chosen == 999_999
            assert app.ends == 1
            await pilot.press("pageup", "home", "down", "down")
            assert app.rows.chosen == 2
            assert len(app.drawn) < 150

    asyncio.run(look())


def test_list_stays_at_its_row_when_others_come_and_go() -> None:
    async def look() -> None:
        app = Shown()
        async with app.run_test(size=(80, 24)) as pilot:
            app.rows.focus()
            app.rows.show([3, 2, 1])
            await pilot.press("down")
            app.rows.show([5, 4, 3, 2, 1])
            assert app.rows.chosen == 2
            app.rows.show([5, 1])  # it is gone: the nearest one
            assert app.rows.chosen == 1
            app.rows.show([])
            assert app.rows.chosen is None
            await pilot.press("enter", "down", "end")
            app.rows.show([7])
            assert app.rows.chosen == 7

    asyncio.run(look())


def test_text_stays_where_one_reads_when_lines_are_added() -> None:
    async def look() -> None:
        app = Shown()
        async with app.run_test(size=(80, 24)) as pilot:
            reader = app.reader
            reader.focus()
            reader.show([Text(f"line {n}", no_wrap=True) for n in range(50_000)])
            await pilot.pause()
            assert not reader.follows
            await pilot.press("pagedown")
            at = reader.scroll_offset.y
            reader.add([Text("more")])
            assert reader.scroll_offset.y <= at
            await pilot.press("end")
            await pilot.pause()
            assert reader.follows
            reader.add([Text(f"new {n}") for n in range(100)])
            await pilot.pause()
            assert reader.follows
            assert len(reader.text.splitlines()) == MOST

    asyncio.run(look())


def test_long_prose_is_wrapped_and_sql_is_not() -> None:
    async def look() -> None:
        app = Shown()
        async with app.run_test(size=(40, 24)) as pilot:
            app.reader.show(looks.prose("  hint: " + "word " * 40))
            await pilot.pause()
            assert app.reader.virtual_size.height > 4
            app.reader.show(looks.sql("SELECT " + "1, " * 100 + "2;"))
            await pilot.pause()
            assert app.reader.virtual_size.height == 1
            assert app.reader.virtual_size.width > 300

    asyncio.run(look())


def test_sql_keeps_every_line_and_its_number_when_it_has_thousands() -> None:
    text = "".join(f"INSERT INTO t VALUES ({n}, 'x'); -- {n}\n" for n in range(2000))
    lines = looks.sql(f"/* many\nlines */\n{text}")
    assert len(lines) == 2002
    assert lines[0].plain == "   1  /* many"
    assert lines[2001].plain == "2002  INSERT INTO t VALUES (1999, 'x'); -- 1999"
    assert looks.sql("a\x1b[31mb")[0].plain == "1  a\\x1b[31mb"


def test_output_controls_no_terminal_when_it_tries_to() -> None:
    shown = looks.written("\x1b[2Jone\x1b]0;title\x07 \x1b[31mred\x1b[0m\x1b[5;5Hend")
    assert shown.plain == "one redend"
    assert looks.written("10%\r100%").plain == "100%"


def test_details_take_no_more_lines_than_there_are() -> None:
    assert fitted("", 20, 1) == [""]
    assert fitted("a word " * 20, 20, 2)[1].endswith("…")
    assert len(fitted("x" * 500, 20, 2)) == 2


def test_secret_is_masked_by_all_threads_when_one_has_learned_it() -> None:
    shared = SharedByLanes()
    first, second = shared.masker(), shared.masker()
    first.add("TOKEN", "sesame-open-now")
    assert second.mask("say sesame-open-now") == "say ***[TOKEN]"
    third = shared.masker()
    second.add("OTHER", "another-long-one")
    assert first.mask("another-long-one") == "***[OTHER]"
    assert "sesame" not in third.mask("sesame-open-now")


def test_values_of_variables_are_not_printed_when_the_screen_crashes(duck: Terminal) -> None:
    assert duck.state.exists()

    class Crashing(TerminalApp):
        def on_key(self) -> None:
            password = "sesame-open-now"
            raise RuntimeError(str(len(password)))

    app = Crashing(Container.open, Environment())

    async def look() -> None:
        async with app.run_test() as pilot:
            await pilot.press("z")

    with pytest.raises(RuntimeError, match="15"):
        asyncio.run(look())
    app.desk.end(20)
    assert isinstance(app.failure, RuntimeError)
    assert app._exit_renderables == []
