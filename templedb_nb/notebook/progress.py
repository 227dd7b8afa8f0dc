"""A run in the cell that began it: one output that replaces itself, with buttons below."""

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
from templedb_nb.views.html.live import live_bundle
from templedb_nb.views.messages import outcome
from templedb_nb.views.run_log import RunLog

if TYPE_CHECKING:
    from templedb_nb.model.plan import Preview
    from templedb_nb.notebook.button_events import ButtonEvents

EVERY_S = 0.125
"""No two pictures are nearer to each other, whatever a step writes."""

STILL_S = 1.0
"""A picture that nothing changes is drawn anew as often, for the time in it."""

LAST = 12
LONG_S = 1.0
"""Runs that are shorter have no buttons: nobody could reach them."""

HOW = (
    "The kernel's interrupt (■) stops the run after this step. A second interrupt cancels the step."
)
BACK = "Roll back now"
STOPS = ("Stop after this step", "Cancel this step now", "Kill this step")
NOTHING: dict[str, Any] = {}

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
        self._watch = RunLog(self._written.append)
        self._blockers: tuple[Blocker, ...] = ()
        self._expected = Expected()
        self._began = time.monotonic()
        self._changed = False
        self._handle: Any = None
        self._below: Any = None
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
            del self._written[:-LAST]
            if isinstance(entry.event, StatementBlocked):
                self._blockers = entry.event.blockers
            self._changed = True
        if self._handle is None:
            self._begin(entry)
        if isinstance(entry.event, RunFinished):
            self._end(f"run {entry.run[:13]} has ended: {outcome(self._watch.result)}")

    def _again(self) -> None:
        """Begin anew: another run has begun in this cell, which rolls the first one back."""
        self._over = threading.Event()
        self._written.clear()
        self._watch = RunLog(self._written.append)
        self._blockers, self._expected, self._note = (), Expected(), ""
        self._goes_back = False
        self._handle = self._below = self._thread = self._panel = None

    def close(self) -> None:
        """Stop drawing, if the run came to no end of its own."""
        if not self._over.is_set():
            self._end("the run is no longer watched")

    def _begin(self, entry: Stamped) -> None:
        from IPython.display import display

        self._began = time.monotonic() - entry.elapsed_ms / 1000
        self._handle = display(self._picture(), raw=True, display_id=True)
        if self._unblock is not None:
            self._below = display(NOTHING, raw=True, display_id=True)
        context = contextvars.copy_context()  # what the thread shows belongs to this cell
        self._thread = threading.Thread(target=context.run, args=[self._go_on], daemon=True)
        self._thread.start()

    def _end(self, last: str) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._handle is not None:
            self._handle.update({"text/plain": last}, raw=True)
        if self._below is not None:
            self._below.update(NOTHING, raw=True)
        if self._panel is not None:
            self._panel.close()

    def _go_on(self) -> None:
        """Draw while the run goes on, and do what is clicked."""
        drawn = time.monotonic()
        while not self._over.wait(EVERY_S):
            now = time.monotonic()
            if self._changed or now - drawn >= STILL_S:
                drawn = now
                self._handle.update(self._picture(), raw=True)
            if now - self._began > LONG_S:
                self._tend(now - self._began)

    def _picture(self) -> dict[str, Any]:
        with self._lock:
            self._changed = False
            elapsed_ms = round((time.monotonic() - self._began) * 1000)
            result = self._watch.result
            shown = replace(result, elapsed_ms=max(elapsed_ms, result.elapsed_ms))
            written = list(self._written)
        return live_bundle(shown, written, self._blockers, self._expected, self._note)

    def _tend(self, waited_s: float) -> None:
        """Show the buttons that make sense now, and do what was clicked."""
        if self._unblock is None or self._note == HOW:
            return
        if self._panel is None:
            self._panel = Buttons(goes_back=self._goes_back)
            self._below.update(self._panel.picture(), raw=True)
            self._panel.clicks.listen(self._panel.widgets)
        if self._panel.clicks.arrive(waited_s - LONG_S) is False:
            self._below.update(NOTHING, raw=True)
            self._note, self._changed = HOW, True
            return
        self._panel.offer(self._blockers)
        if click := self._panel.clicks.take(0.001):
            self._do(click)

    def _do(self, click: str) -> None:
        what, _, pid = click.partition(" ")
        assert self._panel is not None  # noqa: S101 - nobody clicks on what is not there
        if what == "stop":
            self._panel.stopped()
            self._interrupt()
        elif what == "back":
            if self._panel.sure(click):
                self._go_back()
        elif self._panel.sure(click):
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
        self._box = HBox([self._stop, self.clicks.pulse])
        self._box.layout.flex_flow = "row wrap"
        self._fixed: dict[str, Any] = {}
        if goes_back:
            self._fixed = {"back": self.clicks.button(BACK, "back", "danger")}
        self._box.children = [self._stop, *self._fixed.values(), self.clicks.pulse]
        self._offered: dict[str, Any] = {}
        self._asked: set[str] = set()

    @property
    def widgets(self) -> Sequence[Any]:
        """Return every button."""
        return [self._stop, *self._fixed.values(), *self._offered.values()]

    def picture(self) -> dict[str, Any]:
        """Return the buttons, with a twin for whoever has none."""
        return {**self._box._repr_mimebundle_(), "text/plain": HOW, "text/html": f"<p>{HOW}</p>"}

    def stopped(self) -> None:
        """Offer what the next interrupt does."""
        self._stops += 1
        self._stop.description = STOPS[min(self._stops, len(STOPS) - 1)]

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
        self._box.children = [*self.widgets, self.clicks.pulse]
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
        for each in (*self.widgets, self.clicks.pulse, self._box):
            each.close()
