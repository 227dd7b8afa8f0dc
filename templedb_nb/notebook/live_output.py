"""An output that replaces itself, and above it the widgets that act on it.

A front end draws a widget in place of everything else that its output says, and an error where the
widget is gone: in a file that was saved meanwhile, on a page that is loaded again. So the picture
has an output of its own, without a widget. It stands below: only the newest output of a cell may
change, because the second page of a shared notebook puts a changed one at the cell's end. The
widgets' own output changes once, when all is over, and is empty from then on.
"""

from __future__ import annotations

from typing import Any

NOTHING: dict[str, Any] = {}
INSTEAD = "Buttons need the kernel that ran this cell, and a notebook that was trusted before: File > Trust Notebook, or in JupyterLab's palette (Ctrl+Shift+C)."  # noqa: E501 - one line
"""What stands in place of the widgets where widgets are not drawn at all.

JupyterLab 4.6 has the command in its palette only, Notebook 7 in its menu. A page of a shared
notebook that becomes trusted while a cell waits makes JupyterLab lose later updates of that cell.
"""


class LiveOutput:
    """A picture, and the widgets above it, if there are any."""

    def __init__(self, box: Any = None) -> None:
        """Have the widget *box* above the picture; nothing is shown yet."""
        self._box = box
        self._above: Any = None
        self._picture: Any = None

    @property
    def shown(self) -> bool:
        """Return whether the picture stands in the cell."""
        return self._picture is not None

    def show(self, picture: dict[str, Any]) -> None:
        """Display the widgets, and *picture* below them."""
        from IPython.display import display

        if self._box is not None:
            widgets = {**self._box._repr_mimebundle_(), "text/plain": INSTEAD}
            self._above = display(widgets, raw=True, display_id=True)
        self._picture = display(picture, raw=True, display_id=True)

    def draw(self, picture: dict[str, Any]) -> None:
        """Show *picture* in place of the last one."""
        if self._picture is not None:
            self._picture.update(picture, raw=True)

    def close(self, last: dict[str, Any] | None = None) -> None:
        """Leave the picture *last*, if there is one, and no widget."""
        if last is not None:
            self.draw(last)
        if self._above is not None:
            self._above.update(NOTHING, raw=True)
        self._above = None
