"""A run: its steps and their output as they come, and its SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Static

from templedb_nb.app.environment import Environment
from templedb_nb.model.result import Result
from templedb_nb.model.step_result import StepState
from templedb_nb.store.logs import LogTail
from templedb_nb.tui import cells, looks, source
from templedb_nb.tui.desk import Desk
from templedb_nb.tui.pages import told
from templedb_nb.tui.pages.plan import PlanPage
from templedb_nb.tui.pages.steps import NO_PLAN, StepsPage
from templedb_nb.tui.values import ReadRun
from templedb_nb.tui.widgets.listing import RowList
from templedb_nb.tui.widgets.reader import MOST

if TYPE_CHECKING:
    from templedb_nb.app.container import Container

LOOK_TURNS = 2
"""The output is read at every second turn."""
AGAIN_TURNS = 8
"""What a run came to whose process died is asked at every eighth turn, until it is known."""
LONGEST = 16_384
"""A line that is longer is shown in parts."""


class RunPage(StepsPage):
    """A run of this machine is followed while it goes on; any other is shown as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sql", "SQL/output"),
        Binding("f", "follow", "Follow"),
        Binding("p", "plan", "Plan"),
    ]

    def __init__(self, desk: Desk, system: Environment, run: str) -> None:
        """Show the run *run*."""
        super().__init__(desk, system)
        self._run = run
        self._read: ReadRun | None = None
        self._result: Result | None = None
        self._live = False
        self._follows = True
        self._followed = 0
        self._turns = 0
        self._shown: tuple[str, int] = ("", -1)
        self._said = self._partial = ""
        self._tail: LogTail | None = None
        self._output: list[Text] = []

    def reload(self) -> None:
        """Read the run anew."""
        self._ask()
        self.turn()

    def _ask(self) -> None:
        key = f"run {self._run[:13]}"
        self._desk.ask("pages", key, lambda app: source.run(app, self._run), self._came)

    def _came(self, found: ReadRun) -> None:
        if not self.is_attached:
            return
        first, self._read = self._read is None, found
        if self._going() is None:
            self._take(found.result)
        if first and found.result.outcome is not None and found.result.failure is not None:
            self._steps.go_to(found.result.failure.step + 1)

    def _going(self) -> Result | None:
        """Return the run as its journal says, while it goes on."""
        return next((r for r in self._desk.overlook.live if r.run == self._run), None)

    def turn(self) -> None:
        """Follow the run, while it goes on."""
        if not self._ready:
            return
        self._turns += 1
        going = self._going()
        if going is not None:
            self._live = True
            self._take(going)
        elif self._live:
            self._live = False
            self._read_output()
            self._ask()
        elif self._open_end and self._turns % AGAIN_TURNS == 0:
            self._ask()
        if going is not None and not self._sql and self._turns % LOOK_TURNS == 0:
            self._read_output()

    @property
    def _open_end(self) -> bool:
        """Return whether its process died, and nobody has said yet what it came to."""
        return self._result is not None and self._result.outcome is None

    def _now_ms(self, result: Result) -> int:
        if result.started_at is None or result.outcome is not None:
            return result.elapsed_ms
        return max(int((self._system.clock.now() - result.started_at).total_seconds() * 1000), 0)

    def _take(self, result: Result) -> None:
        """Show where the run stands; go along with its step, unless somebody looks elsewhere."""
        self._result = result
        now_ms = self._now_ms(result)
        mask = self._desk.masker.mask
        about = cells.about_run(result, now_ms)
        plain = about.plain
        self.query_one("#about", Static).update(
            about if mask(plain) == plain else Text(mask(plain))
        )
        self._steps.show(cells.of_run(result, now_ms))
        if self._follows and result.outcome is None:
            running = [n for n, s in enumerate(result.steps, 1) if s.state is StepState.RUNNING]
            if running and running[-1] != self._followed:
                # Once for each step: a key that was just pressed is not undone.
                self._followed = running[-1]
                self._steps.go_to(running[-1])
        self.draw()

    def draw(self) -> None:
        """Show the output of the chosen step, its SQL, or what the whole run came to."""
        number = self._step
        if self._result is None or number > len(self._result.steps):
            return
        if self._sql:
            if self._shown != ("sql", number):
                self._shown = ("sql", number)
                self.show_sql(self._read.preview if self._read else None)
            return
        lines = self._facts(self._result, number)
        if self._shown != ("output", number):
            self._shown, self._said = ("output", number), lines
            self._tail, self._output, self._partial = None, [], ""
            self.say(self._head(self._result, number), looks.prose(lines))
            self._read_output()
        elif lines != self._said:
            self._said = lines
            self.head(self._head(self._result, number))
            self._reader.replace([*looks.prose(lines), *self._output])

    def _head(self, result: Result, number: int) -> str:
        if not number:
            return "what the run came to" if result.outcome else "what the run has come to so far"
        title = result.steps[number - 1].label.title
        return f"output of step {number}: {self._desk.masker.mask(title)}"

    def _facts(self, result: Result, number: int) -> str:
        found = told.step(result, number - 1) if number else told.run(result)
        return self._desk.masker.mask(found)

    def _read_output(self) -> None:
        """Read what the chosen step has written since the last time."""
        number = self._step
        if not number or self._desk.pending("pages", "output"):
            return
        tail = self._tail

        def work(app: Container) -> tuple[LogTail, str]:
            own = tail or app.follower.output(self._run, number - 1)
            return own, app.masker.mask(own.more())

        def came(found: tuple[LogTail, str]) -> None:
            if self._shown == ("output", number) and self._tail is tail:
                self._tail = found[0]
                self._add(found[1])

        self._desk.ask("pages", "output", work, came)

    def _add(self, text: str) -> None:
        """Show more output; a line that has no end yet is shown when it has."""
        if not text:
            return
        *whole, self._partial = (self._partial + text).split("\n")
        if len(self._partial) > LONGEST:
            whole, self._partial = [*whole, self._partial], ""
        lines = [looks.written(each) for each in whole]
        if lines and not self._output:
            lines.insert(0, Text(""))
        self._output = [*self._output, *lines][-MOST:]
        self._reader.add(lines)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        """Show what another step is about; whoever chose it looks at that one from now on."""
        if event.by_hand and self._result is not None:
            chosen = self._result.steps[self._step - 1] if self._step else None
            self._follows = bool(chosen and chosen.state is StepState.RUNNING)
        self.draw()

    def action_follow(self) -> None:
        """Follow the step that runs."""
        self._follows, self._followed, self._sql = True, 0, False
        self.turn()

    def action_sql(self) -> None:
        """Show the SQL of a step, or its output; the first step that has SQL, if none is chosen."""
        preview = self._read.preview if self._read else None
        if not self._step and preview and not self._sql:
            self.to_sql(preview)
        super().action_sql()

    def action_plan(self) -> None:
        """Open the plan that the run carried out."""
        if self._read and self._read.preview:
            self.app.push_screen(PlanPage(self._desk, self._system, self._read.preview.plan.id))
        else:
            self.tell(NO_PLAN)
