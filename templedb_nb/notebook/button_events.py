"""Clicks that arrive while a cell is busy, where front end and kernel can bring them.

A front end sends a click as a comm message. Whether a busy kernel takes it depends on both: from
ipykernel 7.0 on, JupyterLab sends it to a subshell, a thread of its own. ipykernel 7.4 gives it
back to the shell that made the widget, which is the busy one; `answer_where_asked` undoes that.
Nobody can tell beforehand, so a hidden widget shows whether anything arrives at all.

Which pages are there, the kernel is not told either: `PageEcho` asks them.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable
from contextvars import copy_context
from datetime import datetime
from queue import Empty, SimpleQueue
from threading import Condition, Event, Lock, Thread
from typing import Any

PATIENCE_S = 10.0
"""How long a front end may take until its first sign; then a question is asked instead."""

URGE_S = 0.4
"""How often the front end is asked for that sign."""

BEGUN, ENDED = "begun", "ended"
"""What pages are asked to echo: when a run begins, and when their cell has shown its end."""

CHECK_S = 3.0
"""How often a page that is there is asked whether it shows the widgets."""

TWICE = 2
"""A page that does not show them so many times in a row has cleared the outputs."""

TURN_S = 0.1
LOOK_S = 1.0
"""How often a question looks whether it still needs an answer."""


class ButtonEvents:
    """Widgets of one panel, and the clicks on its buttons, in order.

    Clicks wait in a queue for the thread that takes them; once `after` is called they are handled
    in the thread that brings them.
    """

    def __init__(self) -> None:
        """Make the widget that shows whether anything arrives."""
        from ipywidgets import Play

        self._alive = Event()
        self.pulse = Play(min=0, max=10**6, interval=300)
        self.pulse.layout.display = "none"
        self.pulse.observe(lambda _: self._ticked(), "value")
        self._queue: SimpleQueue[str] = SimpleQueue()
        self._handle: Callable[[str], None] = self._queue.put
        self._urged_s = -URGE_S
        self._drawn = Event()
        self._echo: PageEcho | None = None
        self._checks, self._blind, self._checked_s = 0, 0, 0.0

    def button(self, words: str, meaning: str, style: str = "", hint: str = "") -> Any:
        """Return a button that stands for *meaning*."""
        from ipywidgets import Button

        made = Button(description=words, button_style=style, tooltip=hint)
        made.layout.width = "auto"
        made.on_click(lambda _: self._clicked(meaning))
        return made

    def _clicked(self, meaning: str) -> None:
        self._alive.set()
        self._handle(meaning)

    def _ticked(self) -> None:
        self._drawn.set()
        self._alive.set()

    def listen(self, widgets: Iterable[Any]) -> None:
        """Take what these widgets say while the cell is busy."""
        for each in (self.pulse, *widgets):
            answer_where_asked(each)

    def hear(self, field: Any) -> Any:
        """Take what people type into *field* as a sign, too; return it."""
        field.observe(lambda _: self._alive.set(), "value")
        return field

    def take(self, wait_s: float) -> str | None:
        """Return the next click, or None if none comes in time."""
        try:
            return self._queue.get(timeout=wait_s)
        except Empty:
            return None

    def after(self, handle: Callable[[str], None]) -> None:
        """Handle clicks in the thread that brings them, from now on."""
        self._handle = handle

    def arrive(self, waited_s: float) -> bool | None:
        """Return whether clicks arrive: None as long as nobody knows, *waited_s* after the start.

        `Play` counts only when it changes in a page that is open, so it is urged again and again.
        """
        if self._alive.is_set():
            if self.pulse.playing:
                self.pulse.playing = False
            return True
        if waited_s - self._urged_s >= URGE_S:
            self._urged_s = waited_s
            self.pulse.playing = not self.pulse.playing
        return None if waited_s < PATIENCE_S else False

    def cleared(self, waited_s: float) -> bool:
        """Return whether pages are there and none draws these widgets any more: once, each time.

        The pulse changes only where it is drawn, and at once; an echo comes from every page.
        """
        if not self._alive.is_set() or waited_s - self._checked_s < CHECK_S:
            return False
        # Not earlier: what a page says before it has a subshell waits for the end of the cell, and
        # holds back all that the widget says later.
        self._echo = self._echo or PageEcho()
        gone = self._echo.anywhere(f"check {self._checks}") and not self._drawn.is_set()
        self._blind = self._blind + 1 if gone else 0
        self._checks, self._checked_s = self._checks + 1, waited_s
        self._drawn.clear()
        self.pulse.playing = False
        self._echo.ask(f"check {self._checks}")
        self.pulse.playing = True
        return self._blind == TWICE

    def close(self) -> None:
        """Ask no page any more."""
        self.pulse.close()
        if self._echo is not None:
            self._echo.close()


class PageEcho:
    """Asks all open pages to send a word back; each answers with its session, and its own time.

    A page handles the kernel's messages in their order: when its echo comes, it has taken in all
    that was sent to it before. No view is needed: a page links two widgets by itself.
    """

    def __init__(self) -> None:
        """Ask for the first word, `BEGUN`."""
        from ipywidgets import Layout, jsdlink

        # The smallest widgets that hold a text.
        self._asked, self._answer = Layout(grid_area=BEGUN), Layout()
        for each in (self._asked, self._answer):
            answer_where_asked(each)
        self._news = Condition()
        self._heard: dict[tuple[str, str], datetime | None] = {}
        self._answer.comm.on_msg(self._hear)
        self._link = jsdlink((self._asked, "grid_area"), (self._answer, "grid_area"))

    def ask(self, word: str) -> None:
        """Let every page echo *word*."""
        self._asked.grid_area = word

    def heard(self, session: str, word: str) -> bool:
        """Return whether the page of *session* has echoed *word*."""
        return (session, word) in self._heard

    def heard_at(self, session: str, word: str) -> datetime | None:
        """Return when that page did, by its own clock."""
        return self._heard.get((session, word))

    def anywhere(self, word: str) -> bool:
        """Return whether any page has echoed *word*."""
        return any(said == word for _, said in tuple(self._heard))

    def wait(self, session: str, word: str, until_s: float) -> bool:
        """Wait for that echo, at most until *until_s* of the monotonic clock."""
        with self._news:
            return self._news.wait_for(
                lambda: self.heard(session, word), max(until_s - time.monotonic(), 0)
            )

    def close(self) -> None:
        """Ask no page any more."""
        for each in (self._link, self._asked, self._answer):
            each.close()

    def _hear(self, message: dict[str, Any]) -> None:
        header = message.get("header", {})
        word = message["content"].get("data", {}).get("state", {}).get("grid_area")
        if not isinstance(word, str):
            return
        at = header.get("date")
        with self._news:
            known = at if isinstance(at, datetime) else None
            self._heard.setdefault((header.get("session", ""), word), known)
            self._news.notify_all()


class PolledQuestion:
    """A question in a cell, which ends by itself as soon as no answer is needed any more.

    `input` waits in the main thread, also where nobody can answer, and only a signal ends it.
    """

    left_open = False
    """Whether one of this kernel ended without an answer: pages still show its field."""

    def __init__(self, decided: Callable[[], bool]) -> None:
        """Ask until there is an answer, or *decided* says that none is needed."""
        self._decided = decided
        self._over, self._turn = Event(), Lock()
        self._ended = False
        self._main = threading.main_thread().ident or 0

    def ask(self, prompt: str) -> str | None:
        """Return the answer, or None if none is needed. Raises `KeyboardInterrupt`."""
        if self._main != threading.get_ident():
            return input(prompt)
        here = copy_context()
        watch = Thread(target=here.run, args=[self._watch], daemon=True)
        watch.start()
        try:
            answer = input(prompt)
            with self._turn:
                self._over.set()
            while self._ended:  # the signal is on its way, and belongs here
                time.sleep(TURN_S)
        except KeyboardInterrupt:
            PolledQuestion.left_open = True
            if not self._ended:
                raise
            return None
        else:
            return answer
        finally:
            self._over.set()
            watch.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            if not self._decided():
                continue
            with self._turn:
                if not self._over.is_set():
                    self._ended = True
                    signal.pthread_kill(self._main, signal.SIGINT)
            return


def answer_where_asked(widget: Any) -> None:
    """Let a widget's messages run in the subshell that the front end chose for them."""
    comm = widget.comm
    if hasattr(comm, "_reply_subshell_for"):  # ipykernel 7.4 and later
        comm._reply_subshell_for = lambda _, default: default  # noqa: SLF001 - there is no other way
