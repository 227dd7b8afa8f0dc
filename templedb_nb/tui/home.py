"""The lists: targets, plans that wait, runs that go on, and the history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Input, Static, TabbedContent, TabPane

from templedb_nb.app.environment import Environment
from templedb_nb.model.history import RunRow
from templedb_nb.model.result import Result
from templedb_nb.model.waiting import WaitingPlan
from templedb_nb.tui import cells, details, lists, timeline
from templedb_nb.tui.desk import Desk
from templedb_nb.tui.pages.plan import PlanPage
from templedb_nb.tui.pages.run import RunPage
from templedb_nb.tui.values import TargetLine
from templedb_nb.tui.widgets.listing import RowList
from templedb_nb.views.format import many

T = TypeVar("T")
TABS = ("targets", "waiting", "running", "history")
NAMES = {"targets": "Targets", "waiting": "Waiting", "running": "Running", "history": "History"}
RECENT = 200
"""The longest of so many runs has a full bar."""
NO_PROJECT = "no target yet: templedb project import FOLDER, templedb target add PROJECT NAME"


class HomeScreen(Screen[None]):
    """The lists side by side, each behind its tab; below is what the chosen row is about."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(n), f"tab('{name}')", NAMES[name], show=False)
            for n, name in enumerate(TABS, 1)
        ),
        Binding("slash", "filter", "Filter"),
        Binding("w", "wanting", "Attention"),
        Binding("p", "plan", "Plan"),
        Binding("escape", "no_filter", "No filter", show=False),
    ]

    def __init__(self, desk: Desk, system: Environment) -> None:
        """Show what *desk* knows."""
        super().__init__()
        self._desk, self._system = desk, system
        self._wanting = False
        self._words: tuple[str, ...] = ()
        self._lists = lists.HomeLists(desk.masker.mask, system)
        self._ready = False
        self._basis: dict[str, tuple[object, ...]] = {}

    def compose(self) -> ComposeResult:
        """Lay out the lists."""
        yield Static(id="head", markup=False)
        with TabbedContent(initial="targets", id="tabs"):
            for n, (name, rows) in enumerate(self._lists.all(), 1):
                with TabPane(f"{n} {NAMES[name]}", id=name):
                    if name == "history":
                        yield Static(id="days", markup=False)
                    yield rows
        yield Static(id="details", markup=False)
        yield Input(placeholder="words that a row must have; Escape shows all", id="filter")
        yield Static(id="status", markup=False)
        yield Footer()

    # --- what is shown ----------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Begin with the targets."""
        self._ready = True
        self.query_one("#filter", Input).display = False
        self.set_interval(1.0, self._second)
        self._list("targets").focus()
        self.refresh_lists()

    def _second(self) -> None:
        """Draw the clocks."""
        if self._ready and self.app.screen is self:
            self._list("running").refresh()
            self._head()

    def _list(self, name: str) -> RowList[Any]:
        return self.query_one(f"#{name}-list", RowList)

    @property
    def _tab(self) -> str:
        return self.query_one("#tabs", TabbedContent).active or "targets"

    def refresh_lists(self) -> None:
        """Show what is known now; a list whose values are the same is left as it is."""
        if not self._ready:
            return
        found = self._desk.overlook
        if found.remembered.at is not None:
            self._list("targets").empty = self._none if found.remembered.targets else NO_PROJECT
            self._list("history").empty = self._none if found.remembered.runs else "no run yet"
        if found.looked_at is not None:
            self._list("running").empty = self._none if found.live else "no run goes on"
        if found.waiting is not None:
            none = self._none if found.waiting.rows else "no plan waits for approvals"
            self._list("waiting").empty = none
        waiting = found.waiting.rows if found.waiting else ()
        words, known = self._words, found.remembered
        if self._new(
            "targets", known, found.asked, found.live, waiting, found.drift, words, self._wanting
        ):
            lines = [line for line in found.lines() if line.wants or not self._wanting]
            self._show("targets", lines, lists.of_target)
        if self._new("waiting", waiting, words, found.waiting is None):
            self._show("waiting", waiting, lists.of_plan)
            self._label("waiting", len(waiting) if found.waiting else None)
        if self._new("running", found.live, words):
            self._show("running", found.live, lists.of_live)
            self._label("running", len(found.live))
        if self._new("history", known.runs, words):
            runs = self._show("history", known.runs, lists.of_run)
            self._lists.longest_ms = max((row.elapsed_ms for row in runs[:RECENT]), default=0)
            wide = max(self.size.width - 2, 20)
            told = timeline.days(runs, self._system.clock.now(), wide)
            self.query_one("#days", Static).update(told)
        self._tell()

    def _new(self, name: str, *values: object) -> bool:
        """Return whether a list is to show other *values* than it does."""
        before, self._basis[name] = self._basis.get(name), values
        return before is None or any(a is not b for a, b in zip(before, values, strict=True))

    def _show(self, name: str, rows: Sequence[T], text: Callable[[T], str]) -> Sequence[T]:
        """Show the rows that have all words."""
        if self._words:
            rows = [row for row in rows if self._has(text(row))]
        self._list(name).show(rows)
        return rows

    @property
    def _none(self) -> str:
        return (
            "nothing has all of these words"
            if self._words
            else "no target needs attention: w shows all"
        )

    def _label(self, name: str, count: int | None) -> None:
        told = f"{TABS.index(name) + 1} {NAMES[name]}"
        label = f"{told} ({count})" if count else told
        tab = self.query_one("#tabs", TabbedContent).get_tab(name)
        if tab.label_text != label:
            tab.label = label

    def _has(self, text: str) -> bool:
        return all(word in text.lower() for word in self._words)

    def _tell(self) -> None:
        """Show the head, what the chosen row is about, and what is being asked."""
        self._head()
        found, room = self._desk.overlook, max(self.size.width - 2, 20)
        mask = self._desk.masker.mask
        chosen = self._list(self._tab).chosen
        told = details.of(chosen, found) if chosen is not None else []
        lines = [
            line
            for n, each in enumerate(told)
            for line in details.fitted(mask(each), room, 2 if n == len(told) - 2 else 1)
        ]
        self.query_one("#details", Static).update(Text("\n".join(lines), no_wrap=True))
        self.refresh_status()

    def _head(self) -> None:
        found = self._desk.overlook
        waits = len(found.waiting.rows) if found.waiting else 0
        parts = [
            many(len(found.remembered.targets), "target"),
            f"▸ {len(found.live)} running",
            f"◷ {waits} waiting",
        ]
        looked = found.looked_at if found.remembered.at else None
        at = f"as of {looked:%H:%M:%S}Z" if looked else "reading the state"
        room = max(self.size.width - 2, 20)
        head = Text.assemble(("templedb", "bold"), f"  {'  '.join(parts)}  ", (at, "dim"))
        path = found.remembered.path
        if len(path) + head.cell_len + 2 <= room:
            head.append(f"  {path}", "dim")
        self.query_one("#head", Static).update(head)

    def refresh_status(self) -> None:
        """Show the newest trouble, else what is being asked."""
        if not self._ready:
            return
        found = self._desk.overlook
        told = getattr(self.app, "status", "")
        if not told and found.asking:
            told = f"asking the targets: {found.asking} of {len(found.remembered.targets)} to go"
        if not told and self._tab == "waiting" and found.waiting and found.waiting.notes:
            told = f"! {self._desk.masker.mask('; '.join(found.waiting.notes))}"
        if not told and self._wanting:
            told = "only targets that need attention; w shows all"
        if not told and self._words:
            told = f"only rows with: {' '.join(self._words)}; Escape shows all"
        for each in self.query("#status").results(Static):  # none, while the screen goes
            each.update(Text(told))

    # --- what people do ---------------------------------------------------------------------------

    def on_tabbed_content_tab_activated(self) -> None:
        """Let the list of the tab hear the keys."""
        if self.focused is not self.query_one("#filter", Input):
            self._list(self._tab).focus()
        self._tell()

    def on_row_list_moved(self) -> None:
        """Show what another row is about."""
        self._tell()

    def on_row_list_end_seen(self, event: RowList.EndSeen) -> None:
        """Read older runs."""
        if event.rows.id == "history-list":
            self._desk.older()

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        """Open what the row is about."""
        match event.rows.chosen:
            case TargetLine() as line:
                self._open_target(line)
            case WaitingPlan(plan=plan):
                self._open_plan(plan)
            case Result(run=run) | RunRow(run=run):
                self._open_run(run)
            case _:
                pass

    def _open_target(self, line: TargetLine) -> None:
        """Open the run that goes on there, else the plan that waits, else the last run."""
        asked = line.asked.status.last_run if line.asked else ""
        if line.live:
            self._open_run(line.live.run)
        elif line.waiting:
            self._open_plan(line.waiting[-1].plan)
        elif run := (line.last.run if line.last else asked):
            self._open_run(run)
        else:
            self.notify(
                f"{cells.where(line.slug, line.target.name)} was never deployed", markup=False
            )

    def _open_run(self, run: str) -> None:
        self.app.push_screen(RunPage(self._desk, self._system, run))

    def _open_plan(self, plan: str) -> None:
        self.app.push_screen(PlanPage(self._desk, self._system, plan))

    def action_plan(self) -> None:
        """Open the plan that waits on the chosen target."""
        match self._list(self._tab).chosen:
            case TargetLine(waiting=(*_, last)):
                self._open_plan(last.plan)
            case WaitingPlan(plan=plan) | Result(plan=plan) | RunRow(plan=plan) if plan:
                self._open_plan(plan)
            case _:
                self.notify("no plan waits there", markup=False)

    def action_tab(self, name: str) -> None:
        """Show another list."""
        self.query_one("#tabs", TabbedContent).active = name

    def action_wanting(self) -> None:
        """Show only targets that need attention, or all again."""
        self._wanting = not self._wanting
        self.action_tab("targets")
        self.refresh_lists()

    def action_filter(self) -> None:
        """Let words be typed."""
        field = self.query_one("#filter", Input)
        field.display = True
        field.focus()

    def action_no_filter(self) -> None:
        """Show all rows again."""
        field = self.query_one("#filter", Input)
        field.value, field.display = "", False
        self._list(self._tab).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the rows that have the words."""
        self._words = tuple(event.value.lower().split())
        self.refresh_lists()

    def on_input_submitted(self) -> None:
        """Go to the rows."""
        self.query_one("#filter", Input).display = bool(self._words)
        self._list(self._tab).focus()
