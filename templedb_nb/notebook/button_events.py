"""Clicks that arrive while a cell is busy, where front end and kernel can bring them.

A front end sends a click as a comm message. Whether a busy kernel takes it depends on both: from
ipykernel 7.0 on, JupyterLab sends it to a subshell, a thread of its own. ipykernel 7.4 gives it
back to the shell that made the widget, which is the busy one; `answer_where_asked` undoes that.
Nobody can tell beforehand, so a hidden widget shows whether anything arrives at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any

PATIENCE_S = 10.0
"""How long a front end may take until its first sign; then a question is asked instead."""

URGE_S = 0.4
"""How often the front end is asked for that sign."""


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
        self.pulse.observe(lambda _: self._alive.set(), "value")
        self._queue: SimpleQueue[str] = SimpleQueue()
        self._handle: Callable[[str], None] = self._queue.put
        self._urged_s = -URGE_S

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


def answer_where_asked(widget: Any) -> None:
    """Let a widget's messages run in the subshell that the front end chose for them."""
    comm = widget.comm
    if hasattr(comm, "_reply_subshell_for"):  # ipykernel 7.4 and later
        comm._reply_subshell_for = lambda _, default: default  # noqa: SLF001 - there is no other way
