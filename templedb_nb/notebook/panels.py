"""Panels to look and to pick: what they show is static, and none does what a command could not.

A panel's clicks come when its cell is over, maybe in another thread than the next cell runs in; so
each works with an application of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from templedb_nb.errors import TempleError
from templedb_nb.model.status import Picked
from templedb_nb.notebook.live_output import LiveOutput
from templedb_nb.views.html import bundle

if TYPE_CHECKING:
    from templedb_nb.model.board import Board
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.status import Choices

NEWEST = "the newest"
EVERY_S = 1.0
"""How often a board looks at the runs that go on."""


class BoardPanel:
    """Targets side by side, below a filter and a button that asks them again.

    The newest board of a kernel looks for runs that go on, and asks all again when one has ended.
    """

    def __init__(self, board: Board, load: Callable[[Board | None], Board]) -> None:
        """Begin with *board*; *load* asks again, or only for the runs where a board is given."""
        self._board, self._load = board, load
        self._paint = _painter()
        self._context = copy_context()  # what a thread draws belongs to this cell
        self._turn = Lock()

    def show(self, newer: Event) -> None:
        """Display the panel; *newer* is set when there is a newer one."""
        from ipywidgets import Button, Checkbox, Text

        from templedb_nb.notebook.button_events import answer_where_asked

        self._words = Text(placeholder="project, target", description="Filter")
        self._wanting = Checkbox(description="Only targets that need attention", indent=False)
        self._refresh = Button(description="Refresh", tooltip="Read every target again")
        for each in (self._words, self._wanting):
            each.observe(lambda _: self._draw(), "value")
        self._refresh.on_click(lambda _: self._again())
        self._output = LiveOutput(_row([self._words, self._wanting, self._refresh]))
        self._output.show(self._paint(self._board))
        for each in (self._words, self._wanting, self._refresh):
            answer_where_asked(each)
        Thread(target=self._context.run, args=[self._follow, newer], daemon=True).start()

    def _draw(self) -> None:
        with self._turn:
            found = self._board.matching(str(self._words.value), wanting=bool(self._wanting.value))
            self._output.draw(self._paint(found))

    def _again(self) -> None:
        self._refresh.disabled = True
        try:
            self._board = self._load(None)
        except TempleError as error:
            self._output.draw(self._paint(error))
        else:
            self._draw()
        finally:
            self._refresh.disabled = False

    def _follow(self, newer: Event) -> None:
        """Draw the runs that go on, until there is a newer board, or an error to read."""
        while not newer.wait(EVERY_S):
            before = self._board
            try:
                now = self._load(before)
                if before.running - now.running:
                    now = self._load(None)
            except TempleError as error:
                self._output.draw(self._paint(error))
                return
            if now.running or before.running:
                self._board = now
                self._draw()


class Picker:
    """A target, a release and the groups to leave out; it shows the plan and its command."""

    def __init__(
        self, choices: Choices, plan: Callable[[str, int | None, tuple[str, ...]], Preview]
    ) -> None:
        """Let people pick from *choices*; *plan* makes a plan of target, release, left groups."""
        self._choices, self._plan = choices, plan
        self._paint = _painter()

    def show(self) -> None:
        """Display the panel."""
        from ipywidgets import Button, Checkbox, Dropdown, VBox

        choices = self._choices
        releases = [(NEWEST, None), *((f"{n}: {told}", n) for n, told in choices.releases)]
        chosen = choices.target if choices.target in choices.targets else None
        self._target = Dropdown(description="Target", options=choices.targets, value=chosen)
        self._release = Dropdown(description="Release", options=releases, index=0)
        self._groups = [Checkbox(True, description=each, indent=False) for each in choices.groups]  # noqa: FBT003 - ticked
        self._show = Button(description="Show plan", button_style="primary")
        for each in (self._target, self._release, *self._groups):
            each.observe(lambda _: self._say(), "value")
        self._show.on_click(lambda _: self._shown())
        groups = VBox([*self._groups])
        self._output = LiveOutput(VBox([_row([self._target, self._release]), groups, self._show]))
        self._show.disabled = not chosen
        self._output.show(self._paint(self._picked))

    @property
    def _left(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, box in zip(self._choices.groups, self._groups, strict=True)
            if not box.value
        )

    @property
    def _picked(self) -> Picked:
        return Picked(
            choices=self._choices,
            target=self._target.value or "",
            release=self._release.value,
            left=self._left,
        )

    def _say(self) -> None:
        """Show the command that deploys what is picked; a plan of something else goes away."""
        self._show.disabled = not self._target.value
        self._output.draw(self._paint(self._picked))

    def _shown(self) -> None:
        self._show.disabled = True
        try:
            made = self._plan(self._target.value, self._release.value, self._left)
            self._output.draw(_beside(self._paint(made), self._paint(self._picked)))
        except TempleError as error:
            self._output.draw(_beside(self._paint(error), self._paint(self._picked)))
        finally:
            self._show.disabled = False


def _painter() -> Callable[[Any], dict[str, Any]]:
    """Return what makes cards, masked as in the cell that shows the panel."""
    here = copy_context()

    def paint(value: Any) -> dict[str, Any]:
        pictures = here.copy().run(bundle, value)  # threads cannot share one
        assert pictures is not None  # noqa: S101 - what a panel shows has a card
        return pictures

    return paint


def _beside(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return two cards as one picture; of the values for programs none."""
    return {
        "text/plain": f"{first['text/plain']}\n\n{second['text/plain']}",
        "text/html": first["text/html"] + second["text/html"],
    }


def _row(children: list[Any]) -> Any:
    from ipywidgets import HBox

    row = HBox(children)
    row.layout.flex_flow = "row wrap"
    return row
