"""An output that replaces itself, and above it the widgets that act on it.

A front end draws a widget in place of everything else that its output says, and an error where the
widget is gone: in a file that was saved meanwhile, on a page that is loaded again. So the picture
has an output of its own, without a widget. It stands below: only the newest output of a cell may
change, because the second page of a shared notebook puts a changed one at the cell's end. The
widgets' own output changes once, when all is over, and is empty from then on.

Before a command shows something newer in the same cell, its live outputs are passed: each changes
a last time, and what is drawn later is drawn by a widget, above it.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from threading import RLock
from typing import Any

NOTHING: dict[str, Any] = {}
INSTEAD = "Buttons need the kernel that ran this cell, and a notebook that was trusted before: File > Trust Notebook, or in JupyterLab's palette (Ctrl+Shift+C)."  # noqa: E501 - one line
"""What stands in place of the widgets where widgets are not drawn at all.

JupyterLab 4.6 has the command in its palette only, Notebook 7 in its menu. A page of a shared
notebook that becomes trusted while a cell waits makes JupyterLab lose later updates of that cell.
"""


STILL = "this card no longer changes, because this cell shows something newer below. The buttons above it still work; what they show stands below them."  # noqa: E501 - one line
"""Under the card of a board or a picker that is not the newest output of its cell."""

_LIVE = "_templedb_live"


def pass_outputs() -> None:
    """Let no live output of the running cell change any more: something newer is to be shown."""
    shell, cell = _cell()
    if shell is None:
        return
    shown: list[LiveOutput] = shell.__dict__.get(_LIVE, [])
    shell.__dict__[_LIVE] = []
    for each in shown:
        if each.cell == cell:
            each.passed()


def _cell() -> tuple[Any, str]:
    """Return the shell, and the execution whose outputs this thread shows."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    header = getattr(getattr(shell, "display_pub", None), "parent_header", None) or {}
    return shell, header.get("msg_id", "")


class LiveOutput:
    """A picture, and the widgets above it, if there are any."""

    def __init__(self, box: Any = None) -> None:
        """Have the widget *box* above the picture; nothing is shown yet."""
        self.cell = ""
        self._box = box
        self._frame: Any = None
        self._beside: Any = None
        self._above: Any = None
        self._picture: Any = None
        self._last: dict[str, Any] = {}
        self._passed = False
        self._turn = RLock()

    @property
    def shown(self) -> bool:
        """Return whether the picture stands in the cell."""
        return self._picture is not None

    def show(self, picture: dict[str, Any]) -> None:
        """Display the widgets, and *picture* below them."""
        pass_outputs()
        if self._box is not None:
            from ipywidgets import VBox

            self._frame = VBox([self._box])
        self._last = picture
        self.show_again()
        shell, self.cell = _cell()
        if shell is not None:
            shell.__dict__.setdefault(_LIVE, []).append(self)

    def show_again(self) -> None:
        """Display both anew, where the page has cleared them."""
        from IPython.display import display

        with self._turn:
            if self._frame is not None:
                widgets = {**self._frame._repr_mimebundle_(), "text/plain": INSTEAD}
                self._above = display(widgets, raw=True, display_id=True)
            self._picture = display(self._last, raw=True, display_id=True)

    def draw(self, picture: dict[str, Any]) -> None:
        """Show *picture* in place of the last one."""
        with self._turn:
            if self._picture is None:
                return
            if not self._passed:
                self._last = picture
                self._picture.update(picture, raw=True)
            elif self._frame is not None:
                self._draw_beside(picture)

    def passed(self) -> None:
        """Change a last time: something newer will stand below."""
        with self._turn:
            if self._picture is None or self._passed:
                return
            self._picture.update(still(self._last, datetime.now(UTC)), raw=True)
            self._passed = True

    def close(self, last: dict[str, Any] | None = None) -> None:
        """Leave the picture *last*, if there is one, and no widget; it is the newest output."""
        from IPython.display import display

        with self._turn:
            if last is not None and self._passed:
                display(last, raw=True)
            elif last is not None:
                self.draw(last)
            if self._above is not None:
                self._above.update(NOTHING, raw=True)
                for each in (self._beside, self._frame):
                    if each is not None:
                        each.close()
            self._above = self._frame = self._beside = None
            self._passed = True

    def _draw_beside(self, picture: dict[str, Any]) -> None:
        from ipywidgets import HTML

        if self._beside is None:
            self._beside = HTML()
            self._frame.children = [self._box, self._beside]
        self._beside.value = picture["text/html"]


def still(picture: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return *picture* as one that changes no more."""
    from templedb_nb.views.html.card import Tone, card
    from templedb_nb.views.html.markup import tag

    told = f"As of {now:%H:%M:%SZ}: {STILL}"
    return {
        "text/plain": f"{picture.get('text/plain', '')}\n{told}",
        "text/html": f"{picture.get('text/html', '')}{card(Tone.QUIET, tag('p', told))}",
    }
