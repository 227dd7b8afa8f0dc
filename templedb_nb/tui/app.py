"""The terminal to stay in: its screens, its timers, and how one leaves."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.filter import LineFilter
from textual.message import Message

from templedb_nb.app.environment import Environment
from templedb_nb.tui.desk import Desk
from templedb_nb.tui.dialogs import KeysDialog
from templedb_nb.tui.home import HomeScreen
from templedb_nb.tui.lanes import Asked
from templedb_nb.tui.pages.steps import StepsPage
from templedb_nb.tui.source import line_of
from templedb_nb.tui.themes import DARK, LIGHT, legible

if TYPE_CHECKING:
    from templedb_nb.app.container import Container

TURN_S = 0.25
"""So often what has changed is drawn."""


SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Arrived(Message):
    """A lane has an answer."""

    def __init__(self, take: Callable[[Asked], None], asked: Asked) -> None:
        """Let the thread that draws *take* what was *asked*."""
        super().__init__()
        self.take, self.asked = take, asked


class TerminalApp(App[None]):
    """Targets, plans, runs and history, kept up to date while they are looked at."""

    CSS_PATH = Path(__file__).with_name("terminal.tcss")
    TITLE = "templedb"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Ask again"),
        Binding("question_mark", "keys", "Keys"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("ctrl+q", "quit", show=False, priority=True),
    ]

    def __init__(self, opening: Callable[[], Container], system: Environment) -> None:
        """Show what applications of *opening* tell; *system* has the clock."""
        super().__init__()
        self.animation_level = "none"
        self.ansi_theme_dark, self.ansi_theme_light = DARK, LIGHT
        self.system = system
        self.hears_signals = False
        self.stopped_by = 0
        self.troubles: dict[str, str] = {}
        self.desk = Desk(opening, self._later, self.trouble)
        self._home = HomeScreen(self.desk, system)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what is done to colours; faint words stay legible."""
        return [legible(each, self.ansi_theme) for each in super().get_line_filters()]

    def on_mount(self) -> None:
        """Show the lists, and start to look."""
        self.push_screen(self._home)
        if self.hears_signals:
            loop = asyncio.get_running_loop()
            for number in SIGNALS:
                loop.add_signal_handler(number, self._stop, number)
        self.desk.begin()
        self.set_interval(TURN_S, self._turn)

    def _stop(self, number: int) -> None:
        """Leave, because a signal wants that; the terminal is given back first."""
        self.stopped_by = number
        self.exit()

    def _later(self, take: Callable[[Asked], None], asked: Asked) -> None:
        """Let the thread that draws take an answer; called by lanes."""
        self.post_message(Arrived(take, asked))

    def on_arrived(self, event: Arrived) -> None:
        """Take an answer; what goes wrong with it is told in a line."""
        try:
            event.take(event.asked)
        except Exception as error:  # noqa: BLE001 - a defect of ours, told without a traceback
            self.trouble(event.asked.key, line_of(error))

    def _turn(self) -> None:
        self.desk.tick()
        try:
            dirty, self.desk.dirty = self.desk.dirty, False
            for screen in self.screen_stack:
                if isinstance(screen, HomeScreen) and dirty:
                    screen.refresh_lists()
                elif isinstance(screen, StepsPage):
                    screen.turn()
        except Exception as error:  # noqa: BLE001 - a defect of ours, told without a traceback
            self.trouble("screen", line_of(error))
        else:
            if "screen" in self.troubles:
                self.trouble("screen", "")

    def trouble(self, key: str, line: str) -> None:
        """Show what could not be read, until it can be."""
        self.troubles.pop(key, None)
        if line:
            at = f"{self.system.clock.now():%H:%M:%S}Z"
            self.troubles[key] = f"! {at} {self.desk.masker.mask(line)}"
        for screen in self.screen_stack:
            if isinstance(screen, HomeScreen | StepsPage):
                screen.refresh_status()

    @property
    def status(self) -> str:
        """Return the newest trouble, if there is one."""
        return next(reversed(self.troubles.values()), "")

    @property
    def failure(self) -> Exception | None:
        """Return the error that has ended it, if one has."""
        return self._exception

    def action_again(self) -> None:
        """Ask every target again."""
        self.troubles.clear()
        self.desk.again()
        if isinstance(self.screen, StepsPage):
            self.screen.reload()

    def action_keys(self) -> None:
        """Show the keys."""
        self.push_screen(KeysDialog())

    def _fatal_error(self) -> None:
        """End; Textual's own traceback has the values of variables, and so maybe a secret."""
        self._close_messages_no_wait()
