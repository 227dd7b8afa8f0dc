"""A run in the cell that began it: one output that replaces itself, below its buttons."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from templedb_nb.errors import TempleError
from templedb_nb.model.estimate import Expected
from templedb_nb.model.event import Blocker, RunFinished, RunStarted, Stamped, StatementBlocked
from templedb_nb.notebook.live_output import LiveOutput
from templedb_nb.views.html.live import KEPT, ended_bundle, live_bundle
from templedb_nb.views.messages import outcome
from templedb_nb.views.run_log import RunLog

if TYPE_CHECKING:
    from templedb_nb.model.plan import Preview
    from templedb_nb.notebook.button_events import ButtonEvents

EVERY_S = 0.125
"""No two pictures are nearer to each other, whatever a step writes."""

STILL_S = 1.0
"""A picture that nothing changes is drawn anew as often, for the time in it."""

LONG_S = 1.0
"""Runs that are shorter have no buttons: nobody could reach them."""

HOW = (
    "The kernel's interrupt (■) stops the run after this step. A second interrupt cancels the step."
)
BACK = "Roll back now"
STOPPING = ("stopping after this step", "cancelling this step", "killing this step")
STOPS = ("Stop after this step", "Cancel this step now", "Kill this step")

Unblock = Callable[[str, str, int, bool], None]
"""Takes project, target and session out of a run's way; ends the session if the last says so."""


class LiveProgress:
    """An observer that draws; it works in a thread of its own, so that a run never waits for it."""

    def __init__(
        self,
        interrupt: Callable[[], None],
        unblock: Unblock | None,
        roll_back: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Let buttons call those; without *unblock* there are none."""
        self._interrupt, self._unblock, self._roll_back = interrupt, unblock, roll_back
        self._goes_back = False
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._written: list[str] = []
        self._count = 0
        self._watch = RunLog(self._write, blockers=False)
        self._blockers: tuple[Blocker, ...] = ()
        self._expected = Expected()
        self._began = time.monotonic()
        self._changed = False
        self._output: LiveOutput | None = None
        self._thread: threading.Thread | None = None
        self._panel: Buttons | None = None
        self._note = ""

    def planned(self, preview: Preview) -> None:
        """Know how long the plan will probably take."""
        self._expected = preview.expected
        self._goes_back = preview.plan.if_fails is not None

    def __call__(self, entry: Stamped) -> None:
        """Take in what happened; it is drawn soon."""
        if isinstance(entry.event, RunStarted) and self._over.is_set():
            self._again()
        with self._lock:
            self._watch(entry)
            del self._written[:-KEPT]
            if isinstance(entry.event, StatementBlocked):
                self._blockers = entry.event.blockers
            self._changed = True
        if self._thread is None:
            self._begin(entry)
        if isinstance(entry.event, RunFinished):
            self._end(f"run {entry.run[:13]} has ended: {outcome(self._watch.result)}")

    def tell(self, text: str) -> None:
        """Say something in the card of a run that goes on, else below the cell's last output."""
        if self._thread is None or self._over.is_set():
            print(text)
            return
        self._note = text.replace("finishing the current step", "stopping after this step")
        self._changed = True

    def _write(self, line: str) -> None:
        self._written.append(line)
        self._count += 1

    def _again(self) -> None:
        """Begin anew: another run has begun in this cell, which rolls the first one back."""
        self._over = threading.Event()
        self._written.clear()
        self._count = 0
        self._watch = RunLog(self._write, blockers=False)
        self._blockers, self._expected, self._note = (), Expected(), ""
        self._goes_back = False
        self._output = self._thread = self._panel = None

    def close(self) -> None:
        """Stop drawing, if the run came to no end of its own."""
        if not self._over.is_set():
            self._end("the run is no longer watched")

    def _begin(self, entry: Stamped) -> None:
        # A cell that attaches hears of the begin late, and of nothing while a step is silent.
        late_s = max(entry.elapsed_ms / 1000, time.time() - entry.at.timestamp())
        self._began = time.monotonic() - late_s
        context = contextvars.copy_context()  # what the thread shows belongs to this cell
        self._thread = threading.Thread(target=context.run, args=[self._go_on], daemon=True)
        self._thread.start()

    def _end(self, last: str) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._output is not None:
            run = self._watch.result.run
            self._output.close(ended_bundle(last, run, self._written, self._count))
        if self._panel is not None:
            self._panel.close()

    def _go_on(self) -> None:
        """Draw while the run goes on, and do what is clicked."""
        if self._unblock is not None:
            self._panel = Buttons(goes_back=self._goes_back)
            self._panel.clicks.listen(self._panel.widgets)  # before they are seen
        self._output = LiveOutput(self._panel.box if self._panel else None)
        self._output.show(self._picture())
        shown = drawn = time.monotonic()
        while not self._over.wait(EVERY_S):
            now = time.monotonic()
            if self._changed or now - drawn >= STILL_S:
                drawn = now
                self._output.draw(self._picture())
            if self._panel is not None and now - shown > LONG_S:
                self._tend(self._panel, now - shown - LONG_S)

    def _picture(self) -> dict[str, Any]:
        with self._lock:
            self._changed = False
            elapsed_ms = round((time.monotonic() - self._began) * 1000)
            result = self._watch.result
            shown = replace(result, elapsed_ms=max(elapsed_ms, result.elapsed_ms))
            written = list(self._written)
        return live_bundle(shown, written, self._blockers, self._expected, self._note)

    def _tend(self, panel: Buttons, waited_s: float) -> None:
        """Show the buttons that make sense now, and do what was clicked."""
        if self._note == HOW:
            return
        panel.show()
        if panel.clicks.arrive(waited_s) is False:
            panel.hide()
            self._note, self._changed = HOW, True
            return
        panel.offer(self._blockers)
        if click := panel.clicks.take(0.001):
            self._do(panel, click)

    def _do(self, panel: Buttons, click: str) -> None:
        what, _, pid = click.partition(" ")
        if what == "stop":
            self._note, self._changed = panel.stopped(), True
            self._interrupt()
        elif what == "back":
            if panel.sure(click):
                self._go_back()
        elif panel.sure(click):
            try:
                self._clear(int(pid), ends=what == "end")
            except TempleError as error:
                self._note, self._changed = f"{error.message}; {error.hint}", True

    def _go_back(self) -> None:
        try:
            self._roll_back(self._watch.result.run)
        except TempleError as error:
            self._note, self._changed = f"{error.message}; {error.hint}", True

    def _clear(self, pid: int, *, ends: bool) -> None:
        assert self._unblock is not None  # noqa: S101 - there would be no button
        result = self._watch.result
        self._unblock(result.slug, result.target, pid, ends)


class Buttons:
    """What may be done to a run that goes on."""

    def __init__(self, *, goes_back: bool = False) -> None:
        """Make the button that stops, and room for more; with *goes_back*, one that rolls back."""
        from ipywidgets import HBox

        from templedb_nb.notebook.button_events import ButtonEvents

        self.clicks: ButtonEvents = ButtonEvents()
        self._stops = 0
        self._stop = self.clicks.button(STOPS[0], "stop", "warning")
        self.box = HBox([self._stop, self.clicks.pulse])
        self.box.layout.flex_flow = "row wrap"
        self.box.layout.display = "none"
        self._hidden = True
        self._fixed: dict[str, Any] = {}
        if goes_back:
            self._fixed = {"back": self.clicks.button(BACK, "back", "danger")}
        self.box.children = [self._stop, *self._fixed.values(), self.clicks.pulse]
        self._offered: dict[str, Any] = {}
        self._asked: set[str] = set()

    @property
    def widgets(self) -> Sequence[Any]:
        """Return every button."""
        return [self._stop, *self._fixed.values(), *self._offered.values()]

    def show(self) -> None:
        """Show the buttons, from now on."""
        if self._hidden:
            self._hidden = False
            self.box.layout.display = None

    def hide(self) -> None:
        """Show no button any more: no click would arrive."""
        self.box.layout.display = "none"

    def stopped(self) -> str:
        """Offer what the next interrupt does; return what this one does."""
        said = STOPPING[min(self._stops, len(STOPPING) - 1)]
        self._stops += 1
        self._stop.description = STOPS[min(self._stops, len(STOPS) - 1)]
        return said

    def offer(self, found: Sequence[Blocker]) -> None:
        """Offer to clear the way of those sessions, and of no others."""
        wanted = {}
        for each in found:
            if each.state == "active":
                wanted[f"cancel {each.pid}"] = f"Cancel the statement of session {each.pid}"
            wanted[f"end {each.pid}"] = f"End session {each.pid}"
        if wanted.keys() == self._offered.keys():
            return
        old, self._asked = self._offered, set()
        self._offered = {
            meaning: old.get(meaning) or self.clicks.button(words, meaning, "danger")
            for meaning, words in wanted.items()
        }
        self.box.children = [*self.widgets, self.clicks.pulse]
        self.clicks.listen(self.widgets)

    def sure(self, click: str) -> bool:
        """Return whether it is the second click on that button; ask at the first."""
        button = self._fixed.get(click) or self._offered.get(click)
        if button is None:
            return False
        if click in self._asked:
            button.disabled = True
            return True
        self._asked.add(click)
        button.description = f"Really? {button.description}"
        return False

    def close(self) -> None:
        """Take everything away."""
        for each in (*self.widgets, self.clicks, self.box):
            each.close()
