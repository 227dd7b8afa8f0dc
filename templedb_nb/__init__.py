"""Deployment runbooks in Jupyter: plan, review, approve and carry out deployments.

``%load_ext templedb_nb`` gives a notebook ``%templedb``; `Temple` is the same from Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from templedb_nb.version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from templedb_nb.api import Temple, frame
    from templedb_nb.errors import TempleError

__all__ = [
    "Temple",
    "TempleError",
    "__version__",
    "frame",
    "load_ipython_extension",
    "unload_ipython_extension",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Give *shell* the magic ``%templedb``."""
    from templedb_nb.magics import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Remove everything that loading gave."""
    from templedb_nb.magics import unload

    unload(shell)


def __getattr__(name: str) -> Any:
    """Import the public names at their first use, so that importing the package costs little."""
    if name in {"Temple", "frame"}:
        from templedb_nb import api

        return getattr(api, name)
    if name == "TempleError":
        from templedb_nb.errors import TempleError

        return TempleError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
