"""A terminal to stay in."""

from __future__ import annotations

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Command, pass_call
from templedb_nb.exit_code import ExitCode


@click.command(cls=Command)
@pass_call
def tui(call: Call) -> None:
    """Stay in a screen of targets, waiting plans, runs and history; needs a terminal.

    The screen follows runs of other processes, and plans can be approved and rejected in it. It
    needs the extra `tui`.

    \b
    Example:
      templedb tui
    """
    if call.panels.screen is None:
        raise click.UsageError("tui needs a terminal: in a notebook, use %templedb board")
    if call.output.json:
        raise click.UsageError("tui has no JSON: use templedb board --json")
    call.panels.screen()
    raise click.exceptions.Exit(ExitCode.OK)  # it was left: nothing is to be shown
