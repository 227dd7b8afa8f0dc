"""The options that set deployment windows aside for one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from templedb_nb.model.window import WindowOverride

OVERRIDE = click.option(
    "--override-window",
    "override",
    multiple=True,
    metavar="NAME",
    help="Run although this deployment window is closed; with --reason. Repeatable.",
)
REASON = click.option(
    "--reason", default="", metavar="TEXT", help="Why a window is overridden; recorded for good."
)


def overriding(function: Any) -> Any:
    """Declare both options."""
    return OVERRIDE(REASON(function))


def override(names: tuple[str, ...], reason: str, *, alone: bool = False) -> WindowOverride:
    """Return what is set aside; with *alone* the reason is for nothing else."""
    from templedb_nb.model.window import WindowOverride

    if names and not reason.strip():
        raise click.UsageError("--override-window requires --reason, which is recorded for good")
    if alone and reason and not names:
        raise click.UsageError("--reason goes with --override-window NAME")
    return WindowOverride(names=names, reason=reason)
