"""The state file itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from templedb_nb.commands.base import Call, group, pass_call

if TYPE_CHECKING:
    from templedb_nb.model.shown import Said


@group("state")
def commands() -> None:
    """See where the state is, begin one here, back it up."""


@commands.command()
@click.argument("file", type=click.Path(path_type=Path))
@pass_call
def backup(call: Call, file: Path) -> Said:
    """Copy the state, whole and at rest, to FILE."""
    from templedb_nb.model.shown import Said

    size = call.app.state.backup(file.expanduser().absolute())
    return Said(text=f"the state is backed up to {file}", also=(f"{size} bytes",))


@commands.command()
@pass_call
def show(call: Call) -> Said:
    """Say where the state is."""
    from templedb_nb.model.shown import Said

    path = call.app.state.path
    size = path.stat().st_size if path.exists() else 0
    return Said(text=str(path), also=(f"{size} bytes" if size else "not there yet",))


@commands.command()
@pass_call
def init(call: Call) -> Said:
    """Keep the state of this folder, and of those below, in a .templedb of its own."""
    from templedb_nb.model.shown import Said
    from templedb_nb.store.file import FILE, FOLDER, StateFile

    path = call.app.system.folder / FOLDER / FILE
    with StateFile(path).session():
        pass
    return Said(text=f"the state of this folder is {path}")
