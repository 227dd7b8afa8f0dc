"""The state file itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Effect, group, pass_call

if TYPE_CHECKING:
    from templedb_nb.model.collected import CollectedArtifacts
    from templedb_nb.model.listings import Coded, CommandOutcome


@group("state")
def commands() -> None:
    """Show, check, create, back up and tidy the state."""


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


@commands.command(effect=Effect.CHANGES)
@click.option("--keep-runs", type=click.IntRange(0), default=10, show_default=True, metavar="N",
              help="Keep the artifacts of the newest N runs of each target.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be removed; remove nothing.")
@pass_call
def gc(call: Call, keep_runs: int, *, dry_run: bool) -> CollectedArtifacts:
    """Remove artifacts beside the state that no run needs any more.

    For each target, it keeps those of the release in place, of the run that a rollback would go
    back to, of the newest N runs, and what a plan of the last 30 days places. It keeps files
    younger than an hour. It does not touch a folder of `artifacts_store`: others may need it.
    """
    call.app.runs.reconcile()
    return call.app.artifact_collection.collect(keep_runs, dry_run=dry_run)


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
