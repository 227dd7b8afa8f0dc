"""The page of a run or of a plan: its steps, and below them what the chosen one is about."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Static

from templedb_nb.app.environment import Environment
from templedb_nb.model.plan import Preview
from templedb_nb.model.step import Migration
from templedb_nb.tui import looks, source
from templedb_nb.tui.cells import StepLine
from templedb_nb.tui.desk import Desk
from templedb_nb.tui.widgets.listing import ListColumn, RowList
from templedb_nb.tui.widgets.reader import TextReader

if TYPE_CHECKING:
    from templedb_nb.app.container import Container

NO_SQL = "this step is no migration: it has no SQL of its own"
NO_PLAN = "this state does not have the plan of the run: it came by a bundle"


class StepsPage(Screen[None]):
    """Steps above, a text below; each page says what both are."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "app.pop_screen", "Back"),
        Binding("s", "sql", "SQL"),
    ]

    TAKES: ClassVar[bool] = True
    """Whether steps have taken time."""

    def __init__(self, desk: Desk, system: Environment) -> None:
        """Ask *desk* for what is shown."""
        super().__init__()
        self._desk, self._system = desk, system
        self._sql = self._ready = False
        self._texts: dict[int, list[Text]] = {}

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        took: ListColumn[StepLine] = ListColumn(
            head="TOOK", width=11, cell=lambda row: row.took, right=True
        )
        yield Static("reading …", id="about", markup=False)
        yield RowList[StepLine](
            (
                ListColumn(head="#", width=4, cell=_number, right=True),
                ListColumn(head="STATE", width=14, cell=lambda row: row.state),
                ListColumn(head="GROUP", width=14, cell=lambda row: row.group, at_least=100),
                ListColumn(head="PHASE", width=10, cell=lambda row: row.phase, at_least=70),
                ListColumn(head="STEP", width=20, cell=self._title, wide=True),
                *([took] if self.TAKES else []),
            ),
            lambda row: row.number,
            "reading …",
            id="steps",
        )
        yield Static(id="what", markup=False)
        yield TextReader(id="reader")
        yield Static(id="status", markup=False)
        yield Footer()

    def _title(self, row: StepLine) -> str:
        return self._desk.masker.mask(row.title)

    def on_mount(self) -> None:
        """Let the steps hear the keys, and read what is to be shown."""
        self._ready = True
        self._steps.focus()
        self.refresh_status()
        self.reload()

    @property
    def _steps(self) -> RowList[StepLine]:
        return self.query_one("#steps", RowList)

    @property
    def _reader(self) -> TextReader:
        return self.query_one("#reader", TextReader)

    @property
    def _step(self) -> int:
        """Return the number of the chosen step, 0 for all of them."""
        chosen = self._steps.chosen
        return chosen.number if chosen else 0

    @property
    def reads_sql(self) -> bool:
        """Return whether the text below is SQL."""
        return self._sql

    @abstractmethod
    def reload(self) -> None:
        """Read anew what is shown."""

    @abstractmethod
    def turn(self) -> None:
        """Draw what has changed; called several times a second."""

    @abstractmethod
    def draw(self) -> None:
        """Show what the chosen step is about."""

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Show what another step is about."""
        del event
        self.draw()

    def on_row_list_opened(self) -> None:
        """Let the text hear the keys."""
        self._reader.focus()

    def action_sql(self) -> None:
        """Show the SQL of a step, or what it wrote, by turns."""
        self._sql = not self._sql
        self.draw()

    def to_sql(self, preview: Preview) -> None:
        """Choose the first step that has SQL, if there is one."""
        steps = preview.plan.steps
        first = next((n for n, each in enumerate(steps, 1) if isinstance(each, Migration)), 0)
        self._steps.go_to(first)

    def head(self, head: str) -> None:
        """Say what the text below is."""
        told = Text(head, style="bold", no_wrap=True, overflow="ellipsis")
        self.query_one("#what", Static).update(told)

    def say(self, head: str, lines: Sequence[Text]) -> None:
        """Show other lines, from the first."""
        self.head(head)
        self._reader.show(lines)

    def show_sql(self, preview: Preview | None) -> None:
        """Show the SQL of the chosen step of *preview*; read it first, if it was not read yet."""
        number = self._step
        if preview is None:
            self.say("SQL", looks.prose(NO_PLAN))
            return
        steps = preview.plan.steps
        if not 1 <= number <= len(steps):
            self.say("SQL", looks.prose("choose a step: ↑ and ↓"))
            return
        head = f"SQL of step {number}: {self._desk.masker.mask(steps[number - 1].title)}"
        if number in self._texts:
            self.say(head, self._texts[number])
            return
        self.say(head, looks.prose("reading …"))

        def read(found: list[Text] | None) -> None:
            if found is None:
                title = self._desk.masker.mask(steps[number - 1].title)
                found = looks.prose(f"{title}\n\n{NO_SQL}")
            self._texts[number] = found
            if self.is_attached and self.reads_sql and self._step == number:
                self.show_sql(preview)

        def work(app: Container) -> list[Text] | None:
            text = source.sql(app, preview, number - 1)
            return None if text is None else looks.sql(text)

        self._desk.ask("pages", "SQL", work, read)

    def refresh_status(self) -> None:
        """Show the newest trouble."""
        told = getattr(self.app, "status", "")
        for each in self.query("#status").results(Static):  # none, while the page goes
            each.update(Text(told))

    def tell(self, line: str) -> None:
        """Show a line for a moment."""
        self.notify(self._desk.masker.mask(line), markup=False)


def _number(row: StepLine) -> str:
    return str(row.number) if row.number else ""
