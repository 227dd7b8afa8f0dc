"""Locks: who holds a target, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Effect, group, on_target, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.listings import CommandOutcome, LockList
    from templedb_nb.model.project import Project
    from templedb_nb.model.target import Target

reason = click.option(
    "--reason", required=True, metavar="TEXT", help="The reason; recorded for good."
)


@group("lock")
def commands() -> None:
    """Show who holds a target, freeze it, or take a lock over."""


@commands.command()
@words("[PROJECT]")
@on_target
@pass_call
def show(call: Call, slug: str | None, target: str | None) -> LockList:
    """Show who holds the target, since when, and for what."""
    return call.app.locks.show(*_meant(call, slug, target))


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT]")
@on_target
@reason
@pass_call
def acquire(call: Call, slug: str | None, target: str | None, reason: str) -> CommandOutcome:
    """Freeze a target: no run starts there until it is released."""
    return call.app.locks.freeze(*_meant(call, slug, target), reason)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT]")
@on_target
@reason
@pass_call
def release(call: Call, slug: str | None, target: str | None, reason: str) -> CommandOutcome:
    """Lift the freeze of a target."""
    return call.app.locks.thaw(*_meant(call, slug, target), reason)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT]")
@on_target
@click.option("--expect", required=True, metavar="RUN", help="The run that holds the lock.")
@click.option("--terminate", is_flag=True, help="Also end the run's session on the server.")
@reason
@pass_call
def steal(
    call: Call, slug: str | None, target: str | None, expect: str, reason: str,
    *, terminate: bool,
) -> CommandOutcome:  # fmt: skip
    """Take the lock from a run that is gone: its heartbeat has stopped."""
    from templedb_nb.model.selection import Selection

    project, found = _meant(call, slug, target)
    expect = call.run(expect, Selection(project=project.slug, target=found.name))
    return call.app.locks.steal(project, found, expect, reason, terminate=terminate)


def _meant(call: Call, slug: str | None, target: str | None) -> tuple[Project, Target]:
    choice = call.choice(slug, target)
    project, found = call.app.selections.named(choice)
    return project, found or call.app.targets.pick(project, None, None)
