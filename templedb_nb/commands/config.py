"""The deployment config under its own name, for cells that hold one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.deploy import document
from templedb_nb.commands.options import Effect, group, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.listings import ConfigVersion


@group("config")
def commands() -> None:
    """Set the deployment config; `deploy config` shows, checks and lists it."""


@commands.command("set", effect=Effect.CHANGES, takes_cell=True, repeatable=True)
@words("[PROJECT] [FILE]")
@click.option("--note", default="", help="The reason; stored with the version.")
@pass_call
def set_(call: Call, slug: str | None, file: str | None, note: str) -> ConfigVersion:
    """Store FILE (JSON, YAML or TOML; - for stdin) as the new version, like deploy config --set.

    In a notebook, the cell's body is the new version. A version with errors is refused, and every
    error is shown.
    """
    body = bool((call.cell or "").strip())
    if body == (file is not None):
        raise click.UsageError("name one FILE" + (": the cell has a body" if body else ""))
    app = call.app
    with app.state.transaction():
        project = app.projects.pick(call.choice(slug).project)
        release = app.projects.release(project, None)
        return app.configs.set(project, release, document(call, file), note)
