"""A person at the terminal screen: presses keys, clicks, and reads what is there."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from textual.pilot import Pilot
from textual.widget import Widget

from templedb_nb.app.container import Container
from templedb_nb.app.environment import Environment
from templedb_nb.tui.app import TerminalApp
from templedb_nb.tui.widgets.listing import RowList
from templedb_nb.tui.widgets.reader import TextReader

WAIT_S = 40.0


def threads() -> str:
    """Return where each thread stands that asks for the screen: what it waits for."""
    stacks = sys._current_frames()
    asking = [each for each in threading.enumerate() if each.name.startswith("templedb")]
    return "\n".join(
        f"{each.name}\n{''.join(traceback.format_stack(stacks[each.ident])[-8:])}"
        for each in asking
        if each.ident in stacks
    )


@dataclass
class Person:
    """Looks at one screen."""

    app: TerminalApp
    pilot: Pilot[None]

    @property
    def screen(self) -> str:
        """Return what is seen, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    @property
    def text(self) -> str:
        """Return the whole text below the steps of a page, also what is not seen of it."""
        return self.app.screen.query_one("#reader", TextReader).text

    def rows(self, name: str) -> list[Any]:
        """Return the rows of a list."""
        return list(self.app.screen.query_one(f"#{name}", RowList).rows)

    async def sees(self, *words: str) -> str:
        """Wait until all *words* are on the screen."""
        await self.until(lambda: all(each in self.screen for each in words), " ".join(words))
        return self.screen

    async def reads(self, *words: str) -> str:
        """Wait until all *words* are in the text of the page."""
        await self.until(lambda: all(each in self.text for each in words), " ".join(words))
        return self.text

    async def until(self, true: Callable[[], bool], what: str = "") -> None:
        """Wait until something is true."""
        end = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < end, f"waited for {what}\n{self.screen}\n{threads()}"
            await self.pilot.pause(0.05)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def types(self, text: str) -> None:
        names = {" ": "space", "-": "minus", "_": "underscore"}
        await self.pilot.press(*(names.get(each, each) for each in text))

    async def clicks(self, where: str | Widget, line: int = 0, column: int = 3) -> None:
        await self.pilot.click(where, offset=(column, line))

    async def answered(self) -> None:
        """Wait until every target has answered, and what waits is known."""
        found = self.app.desk
        await self.until(
            lambda: bool(
                found.overlook.remembered.targets
                and not found.overlook.asking
                and found.overlook.waiting is not None
            ),
            "answers",
        )
        await self.pilot.pause(0.3)


@asynccontextmanager
async def sitting(size: tuple[int, int] = (80, 24)) -> AsyncIterator[Person]:
    """Sit at a terminal of that size; the state is where the environment says."""
    app = TerminalApp(Container.open, Environment())
    async with app.run_test(size=size, notifications=True) as pilot:
        yield Person(app, pilot)
    assert app.desk.end(20)
