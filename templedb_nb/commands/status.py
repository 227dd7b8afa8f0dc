"""Where projects stand on their targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Command, on_target, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.board import Board
    from templedb_nb.model.status import StatusTable


@click.command(cls=Command)
@words("[PROJECT]")
@on_target
@pass_call
def status(call: Call, slug: str | None, target: str | None) -> StatusTable:
    """Show a project on all its targets, or on the one that is named or in use."""
    from templedb_nb.model.status import StatusTable

    choice = call.choice(slug, target)
    with call.output.working("connecting to the targets"):
        rows = call.app.overview.status(choice)
    project = call.app.projects.pick(choice.project)
    return StatusTable(slug=project.slug, rows=rows)


@click.command(cls=Command)
@words("[PROJECT]")
@pass_call
def board(call: Call, slug: str | None) -> Board | None:
    """Show what is pending, waits, runs, ended and drifted on each target, and what to do next.

    In a notebook it has a filter and a refresh button, and follows runs that go on. Drift is what
    the last plan found; `drift check` looks again.

    \b
    Examples:
      templedb board
      templedb board shop
    """
    from templedb_nb.app.history import board as boards

    every = [each.slug for each in call.app.projects.all()]
    named = [call.app.projects.pick(slug).slug] if slug else every

    def load(known: Board | None = None) -> Board:
        app = call.open_app() if call.panels.board else call.app
        return boards.going_on(app, known) if known else boards.board(app, named)

    with call.output.working("connecting to the targets"):
        found = load()
    if call.panels.board is None or call.output.json:
        return found
    call.panels.board(found, load)
    return None


verbs = (status, board)
