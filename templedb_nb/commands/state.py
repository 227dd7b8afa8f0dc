"""The state file itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Effect, group, pass_call

if TYPE_CHECKING:
    from templedb_nb.model.listings import Coded, CommandOutcome


@group("state")
def commands() -> None:
    """Show, check, create and back up the state."""


@commands.command(effect=Effect.CHANGES)
@click.argument("file", type=click.Path(path_type=Path))
@pass_call
def backup(call: Call, file: Path) -> CommandOutcome:
    """Write a complete, consistent copy of the state to FILE."""
    from templedb_nb.core.config.home_folder import expanded
    from templedb_nb.model.listings import CommandOutcome

    size = call.app.state.backup(expanded(file).absolute())
    return CommandOutcome(text=f"the state is backed up to {file}", also=(f"{size} bytes",))


@commands.command()
@pass_call
def check(call: Call) -> Coded:
    """Read the whole state, even if damaged, and report how to go on; change nothing.

    Every block of every table and the journals of runs are read, and sealed values are opened with
    the key. The exit code is 69 if something is wrong.
    """
    from templedb_nb.app.history.state_check import check
    from templedb_nb.exit_code import ExitCode
    from templedb_nb.model.listings import Coded

    found = check(call.app.inspection, call.app.seal.trouble)
    return Coded(value=found, exit_code=ExitCode.OK if found.sound else ExitCode.UNAVAILABLE)


@commands.command()
@pass_call
def show(call: Call) -> CommandOutcome:
    """Show where the state is."""
    from templedb_nb.model.listings import CommandOutcome

    path = call.app.state.path
    try:
        about = f"{path.stat().st_size} bytes"
    except FileNotFoundError:
        about = "does not exist yet"
    except OSError as error:
        about = f"{error.strerror}: templedb state check"
    return CommandOutcome(text=str(path), also=(about,))


@commands.command(effect=Effect.CHANGES)
@pass_call
def init(call: Call) -> CommandOutcome:
    """Create a .templedb folder here, for the state of this folder and those below."""
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.store.duckdb.state_file import FILE, FOLDER, StateFile

    path = call.app.system.folder / FOLDER / FILE
    with StateFile(path).transaction():
        pass
    return CommandOutcome(text=f"the state of this folder is {path}")
