"""Runs that need a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands.base import Call, group, on_target, pass_call, take

if TYPE_CHECKING:
    from templedb_nb.model.shown import Said


@group("run")
def commands() -> None:
    """Settle runs that nobody saw end."""


@commands.command()
@take("[PROJECT] RUN")
@on_target
@click.option("--reason", required=True, metavar="TEXT", help="What you saw; kept for good.")
@pass_call
def resolve(call: Call, words: tuple[str, ...], target: str | None, reason: str) -> Said:
    """Say that you looked what a run did whose process died in a command."""
    name, run = call.split(words, "RUN")
    return call.app.resolve(call.choice(name, target), str(run), reason)
