"""Runs that need a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Effect, group, on_target, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.listings import BlockerList, CommandOutcome
    from templedb_nb.model.result import Result


@group("run")
def commands() -> None:
    """End runs, clear their way, and settle those that nobody saw end."""


@commands.command(effect=Effect.CHANGES)
@click.argument("run_id", metavar="RUN", shell_complete=completion.runs)
@click.option("--project", metavar="PROJECT", help="Where the state does not know the run.")
@on_target
@click.option("--reason", default="", metavar="TEXT", help="Why; the run's history shows it.")
@click.option("--after-step", is_flag=True, help="Let the step that runs finish first.")
@pass_call
def cancel(
    call: Call, run_id: str, project: str | None, target: str | None, reason: str,
    *, after_step: bool,
) -> CommandOutcome:  # fmt: skip
    """Ask a run to end, from another terminal or another machine."""
    from templedb_nb.errors import TempleError

    found = None
    try:
        meant, chosen = call.app.selections.of_run(run_id) or call.app.selections.named(
            call.choice(project, target)
        )
        found = (meant, chosen or call.app.targets.pick(meant, None, None))
    except TempleError:
        if project or target:
            raise
    return call.app.locks.cancel(run_id, found, reason, drain=after_step)


@commands.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=completion.runs)
@pass_call
def attach(call: Call, run_id: str | None) -> Result:
    """Show a run that goes on elsewhere on this machine, from its beginning to its end.

    What its commands write is in its log: `templedb deploy logs RUN`. Whoever interrupts this stops
    watching, and not the run.
    """
    from templedb_nb.model.event import RunId

    found = call.app.follower.one(run_id, call.project, call.target)
    return call.app.follower.follow(RunId(found.run), call.followers.observers)


@commands.command()
@words("[PROJECT] [TARGET]")
@pass_call
def blockers(call: Call, slug: str | None, target: str | None) -> BlockerList:
    """Show whom the run on a target waits for: sessions that hold a lock it needs."""
    project, found = call.app.selections.named(call.choice(slug, target))
    return call.app.locks.blockers(project, found or call.app.targets.pick(project, None, None))


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] PID")
@on_target
@click.option("--terminate", is_flag=True, help="End the session, not its statement alone.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept for good.")
@pass_call
def unblock(
    call: Call, slug: str | None, pid: str, target: str | None, reason: str, *, terminate: bool
) -> CommandOutcome:
    """Cancel what session PID does, if the run on the target waits for it; or end that session."""
    if not str(pid).isdecimal():
        raise click.UsageError(f"PID is a number, as `templedb run blockers` tells it: {pid}")
    project, found = call.app.selections.named(call.choice(slug, target))
    meant = found or call.app.targets.pick(project, None, None)
    return call.app.locks.unblock(project, meant, int(str(pid)), reason, terminate=terminate)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] RUN")
@on_target
@click.option("--reason", required=True, metavar="TEXT", help="What you saw; kept for good.")
@pass_call
def resolve(
    call: Call, slug: str | None, run: str, target: str | None, reason: str
) -> CommandOutcome:
    """Say that you looked what a run did whose process died in a command."""
    return call.app.resolutions.resolve(call.choice(slug, target), str(run), reason)
