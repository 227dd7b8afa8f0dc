"""Panels to look and to pick: each has a static twin, and none does what a command could not.

A panel's clicks come when its cell is over, maybe in another thread than the next cell runs in; so
each works with an application of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from templedb_nb.errors import TempleError
from templedb_nb.views.html import bundle

if TYPE_CHECKING:
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.status import Board, Choices

NEWEST = "the newest"


class BoardPanel:
    """Targets side by side, with a filter and a button that asks them again."""

    def __init__(self, board: Board, load: Callable[[], Board]) -> None:
        """Begin with *board*; *load* asks again."""
        self._board, self._load = board, load

    def show(self) -> None:
        """Display the panel."""
        from ipywidgets import HTML, Button, Checkbox, HBox, Text

        self._words = Text(placeholder="project, target", description="Filter")
        self._wanting = Checkbox(description="Only targets that need attention", indent=False)
        self._refresh = Button(description="Refresh", tooltip="Read every target again")
        self._cards = HTML()
        for each in (self._words, self._wanting):
            each.observe(lambda _: self._draw(), "value")
        self._refresh.on_click(lambda _: self._again())
        self._draw()
        _panel([HBox([self._words, self._wanting, self._refresh]), self._cards], self._board)

    def _draw(self) -> None:
        found = self._board.matching(str(self._words.value), wanting=bool(self._wanting.value))
        self._cards.value = _html(found)

    def _again(self) -> None:
        self._refresh.disabled = True
        try:
            self._board = self._load()
        except TempleError as error:
            self._cards.value = _html(error)
        else:
            self._draw()
        finally:
            self._refresh.disabled = False


class Picker:
    """A target, a release and the groups to leave out; it shows the plan and its command."""

    def __init__(
        self, choices: Choices, plan: Callable[[str, int | None, tuple[str, ...]], Preview]
    ) -> None:
        """Let people pick from *choices*; *plan* makes a plan of target, release, left groups."""
        self._choices, self._plan = choices, plan

    def show(self) -> None:
        """Display the panel."""
        from ipywidgets import HTML, Button, Checkbox, Dropdown, HBox, VBox

        choices = self._choices
        releases = [(NEWEST, None), *((f"{n}: {told}", n) for n, told in choices.releases)]
        chosen = choices.target if choices.target in choices.targets else None
        self._target = Dropdown(description="Target", options=choices.targets, value=chosen)
        self._release = Dropdown(description="Release", options=releases)
        self._groups = [Checkbox(True, description=each, indent=False) for each in choices.groups]  # noqa: FBT003 - ticked
        self._show = Button(description="Show plan", button_style="primary")
        self._command, self._card = HTML(), HTML()
        for each in (self._target, self._release, *self._groups):
            each.observe(lambda _: self._say(), "value")
        self._show.on_click(lambda _: self._shown())
        self._say()
        row = HBox([self._target, self._release])
        row.layout.flex_flow = "row wrap"
        _panel([row, VBox(self._groups), self._show, self._command, self._card], choices)

    @property
    def _left(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, box in zip(self._choices.groups, self._groups, strict=True)
            if not box.value
        )

    def _say(self) -> None:
        """Show the command that deploys what is picked; a plan of something else goes away."""
        from templedb_nb.views.html.card import Tone, card, code
        from templedb_nb.views.html.markup import tag

        words = [f"%templedb deploy run {self._choices.slug}"]
        words += [f"--target {self._target.value}"] if self._target.value else []
        words += [f"--release {self._release.value}"] if self._release.value else []
        words += [f"--skip-group {name}" for name in self._left]
        self._command.value = card(Tone.PLAIN, tag("p", "To deploy it: ", code(" ".join(words))))
        self._card.value = ""
        self._show.disabled = not self._target.value

    def _shown(self) -> None:
        self._show.disabled = True
        try:
            self._card.value = _html(
                self._plan(self._target.value, self._release.value, self._left)
            )
        except TempleError as error:
            self._card.value = _html(error)
        finally:
            self._show.disabled = False


def _html(value: Any) -> str:
    pictures = bundle(value)
    assert pictures is not None  # noqa: S101 - what a panel shows has a card
    return str(pictures["text/html"])


def _panel(children: list[Any], twin: Any) -> None:
    """Display widgets, with a static twin for whoever has none."""
    from IPython.display import display
    from ipywidgets import VBox

    box = VBox(children)
    display({**box._repr_mimebundle_(), **(bundle(twin) or {})}, raw=True)
