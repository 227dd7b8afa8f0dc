"""How plans, runs and tables look in a notebook: registered by name, so that none is imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_LOOKS = (
    ("templedb_nb.model.plan", "Preview"),
    ("templedb_nb.model.result", "Result"),
    ("templedb_nb.model.status", "StatusTable"),
    ("templedb_nb.model.difference", "Difference"),
    ("templedb_nb.model.charts", "Timeline"),
    ("templedb_nb.model.charts", "Durations"),
    ("templedb_nb.model.charts", "Frequency"),
    ("templedb_nb.model.health_history", "HealthTries"),
    ("templedb_nb.model.promotion", "ReleaseTable"),
    ("templedb_nb.model.status", "Board"),
    ("templedb_nb.model.status", "Choices"),
    ("templedb_nb.model.status", "MigrationStatus"),
    ("templedb_nb.model.waiting", "WaitingList"),
)


def has_looks(value: Any) -> bool:
    """Return whether a notebook shows *value* as a card or a picture."""
    return (type(value).__module__, type(value).__name__) in _LOOKS


def add_looks(shell: InteractiveShell) -> Callable[[], None]:
    """Teach *shell* how plans and runs look; return what undoes that."""
    formatter = shell.display_formatter
    if formatter is None:  # a shell without displays, as in some tests
        return lambda: None
    own = formatter.mimebundle_formatter
    for module, name in _LOOKS:
        own.for_type_by_name(module, name, _bundle)

    def take_back() -> None:
        for module, name in _LOOKS:
            own.deferred_printers.pop((module, name), None)
            for kind in [
                k for k in own.type_printers if (k.__module__, k.__name__) == (module, name)
            ]:
                own.type_printers.pop(kind, None)

    return take_back


def add_looks_here() -> None:
    """Teach a running IPython how plans and runs look, once."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        add_looks(shell)


def _bundle(value: Any, include: Any = None, exclude: Any = None) -> Any:
    from templedb_nb.views.html import bundle

    del include, exclude
    return bundle(value)
