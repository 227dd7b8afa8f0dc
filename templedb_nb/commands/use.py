"""The project and the target that are in use in a notebook's kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Command, on_target, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.listings import CommandOutcome


@click.command(cls=Command)
@words("[PROJECT]")
@on_target
@pass_call
def use(call: Call, slug: str | None, target: str | None) -> CommandOutcome:
    """In a notebook: set the default PROJECT and --target of this kernel."""
    from templedb_nb.model.listings import CommandOutcome

    if call.panels.use is None:
        message = "`use` lives in a notebook's kernel; a terminal has TEMPLEDB_PROJECT and"
        raise click.UsageError(f"{message} TEMPLEDB_TARGET")
    with call.app.state.transaction():
        project = call.app.projects.pick(slug or call.project)
        found = call.app.targets.pick(project, None, target) if target else None
    call.panels.use(project.slug, found.name if found else None)
    place = f" on {found.name}{' (protected)' if found.protected else ''}" if found else ""
    return CommandOutcome(text=f"in use: {project.slug}{place}")
