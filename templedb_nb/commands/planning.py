"""The options that change a plan."""

from __future__ import annotations

from typing import Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.options import VALUES

PLANNING = (
    click.option(
        "--release",
        type=int,
        metavar="N",
        shell_complete=completion.releases,
        help="Deploy release N. Default: the newest.",
    ),
    click.option("--no-sync", is_flag=True, help="Deploy the newest stored release; do not sync."),
    click.option(
        "--skip-group",
        "skip",
        multiple=True,
        metavar="GROUP",
        shell_complete=completion.groups,
        help="Skip a group.",
    ),
    click.option(
        "--skip-validation", is_flag=True, help="Plan even if required variables are missing."
    ),
    click.option(
        "--discard-old", is_flag=True, help="Overwrite a slot that keeps the previous release."
    ),
    VALUES,
    click.option("--overlay", metavar="FILE", help="Changes to the config, for this plan only."),
)


def planning(function: Any) -> Any:
    """Declare the options that change a plan."""
    for option in reversed(PLANNING):
        function = option(function)
    return function
