"""How plans, runs and tables look in a notebook: registered by name, so that none is imported."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from templedb_nb.app import Container
    from templedb_nb.core.secrets.masking import Masker

_LOOKS = (
    ("templedb_nb.model.plan", "Preview"),
    ("templedb_nb.model.fleet", "FleetPlan"),
    ("templedb_nb.model.fleet", "FleetStatus"),
    ("templedb_nb.model.result", "Result"),
    ("templedb_nb.model.status", "StatusTable"),
    ("templedb_nb.model.difference", "Difference"),
    ("templedb_nb.model.charts", "Timeline"),
    ("templedb_nb.model.charts", "Durations"),
    ("templedb_nb.model.charts", "Frequency"),
    ("templedb_nb.model.health_history", "HealthTries"),
    ("templedb_nb.model.promotion", "ReleaseTable"),
    ("templedb_nb.model.slots", "SlotsReport"),
    ("templedb_nb.model.board", "Board"),
    ("templedb_nb.model.status", "Choices"),
    ("templedb_nb.model.status", "MigrationStatus"),
    ("templedb_nb.model.status", "Picked"),
    ("templedb_nb.model.waiting", "WaitingList"),
)


_PANDAS = ("pandas", "pandas.core.frame")
"""The module of a DataFrame, since pandas 3 and before."""
_MASKER = "_templedb_masker"
_SHOWN = "_templedb_shown"


def has_looks(value: Any) -> bool:
    """Return whether a notebook shows *value* as a card or a picture."""
    return (type(value).__module__, type(value).__name__) in _LOOKS


def show_beside(shell: InteractiveShell, value: Any, table: Any) -> None:
    """Show *value* as a card, and remember that *table*, which the cell returns, says the same."""
    from IPython.display import display

    display(value)
    if table is not None:
        shell.__dict__[_SHOWN] = (weakref.ref(table), shell.execution_count)


def _is_shown(shell: InteractiveShell, table: Any) -> bool:
    """Return whether this cell has shown a card that says what *table* says."""
    known, cell = shell.__dict__.get(_SHOWN, (None, 0))
    return known is not None and known() is table and cell == shell.execution_count


def share_masker(shell: InteractiveShell, app: Container) -> None:
    """Let *app* know every secret that this kernel has seen, and the kernel what *app* sees."""
    app.masker = shell.__dict__.setdefault(_MASKER, app.masker)


def mask_of(shell: InteractiveShell) -> Callable[[str], str]:
    """Return what takes out of a text the secrets that this kernel has seen."""
    from templedb_nb.core.secrets.url_passwords import without_url_passwords

    def mask(text: str) -> str:
        masker: Masker | None = shell.__dict__.get(_MASKER)
        return masker.mask(text) if masker is not None else without_url_passwords(text)

    return mask


def add_looks(shell: InteractiveShell) -> Callable[[], None]:
    """Teach *shell* how plans and runs look; return what undoes that."""
    formatter = shell.display_formatter
    if formatter is None:  # a shell without displays, as in some tests
        return lambda: None
    own = formatter.mimebundle_formatter
    for module, name in _LOOKS:
        own.for_type_by_name(module, name, partial(_bundle, shell))
    plain = formatter.formatters["text/plain"]
    for module in _PANDAS:
        own.for_type_by_name(module, "DataFrame", partial(_frame, shell))
        plain.for_type_by_name(module, "DataFrame", partial(_table, shell))

    def take_back() -> None:
        for module, name in _LOOKS:
            _forget(own, module, name)
        for module in _PANDAS:
            _forget(own, module, "DataFrame")
            _forget(plain, module, "DataFrame")
        for name in (_MASKER, _SHOWN, "_templedb_live"):
            shell.__dict__.pop(name, None)

    return take_back


def _forget(printers: Any, module: str, name: str) -> None:
    printers.deferred_printers.pop((module, name), None)
    known = printers.type_printers
    for kind in [each for each in known if (each.__module__, each.__name__) == (module, name)]:
        known.pop(kind, None)


def add_looks_here(app: Container) -> None:
    """Teach a running IPython how plans and runs look, once; *app* is used in it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        add_looks(shell)
        share_masker(shell, app)


def _frame(shell: InteractiveShell, value: Any, include: Any = None, exclude: Any = None) -> Any:
    """Return how a DataFrame of ours looks; None lets IPython ask any other itself.

    A class made of DataFrame may have a bundle of its own, which IPython no longer asks for.
    """
    import pandas as pd

    from templedb_nb.views.format import masking
    from templedb_nb.views.frames.card import frame_card

    if type(value) is not pd.DataFrame:
        own = getattr(type(value), "_repr_mimebundle_", None)
        return own(value, include=include, exclude=exclude) if own is not None else None
    if not pd.get_option("display.notebook_repr_html"):
        return None
    with masking(mask_of(shell)):
        html = frame_card(value, again=_is_shown(shell, value))
    return {"text/html": html} if html is not None else None


def _table(shell: InteractiveShell, value: Any, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - as IPython calls it
    """Print a table: file names and messages in it control no terminal."""
    from templedb_nb.views import ansi
    from templedb_nb.views.format import masking
    from templedb_nb.views.frames.text import frame_text

    del cycle
    with masking(mask_of(shell)):
        told = frame_text(value, _columns(shell), again=_is_shown(shell, value))
    printer.text(ansi.safe(repr(value) if told is None else told))


def _columns(shell: InteractiveShell) -> int | None:
    """Return how wide a terminal is; the text of a notebook and of a log scrolls."""
    import shutil

    return None if hasattr(shell, "kernel") else shutil.get_terminal_size().columns


def _bundle(shell: InteractiveShell, value: Any, include: Any = None, exclude: Any = None) -> Any:
    from templedb_nb.views.format import masking
    from templedb_nb.views.html import bundle

    del include, exclude
    with masking(mask_of(shell)):
        made = bundle(value)
    if made is not None and "image/png" in made:
        from templedb_nb.views.plots import SHOWN_WIDTH

        return made, {"image/png": {"width": SHOWN_WIDTH}}
    return made
