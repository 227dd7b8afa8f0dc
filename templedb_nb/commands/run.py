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
    """Watch and cancel runs, unblock them, and record what became of those that died."""


@commands.command(effect=Effect.CHANGES)
@click.argument("run_id", metavar="RUN", shell_complete=completion.runs)
@click.option(
    "--project", metavar="PROJECT", help="The project, if this state does not know the run."
)
@on_target
@click.option(
    "--reason", default="", metavar="TEXT", help="The reason; shown in the run's history."
)
@click.option("--after-step", is_flag=True, help="Let the current step finish first.")
@click.option(
    "--rollback", "back", is_flag=True, help="Then roll back, by the rollback that its plan names."
)
@pass_call
def cancel(
    call: Call, run_id: str, project: str | None, target: str | None, reason: str,
    *, after_step: bool, back: bool,
) -> CommandOutcome:  # fmt: skip
    """Cancel a run, from another terminal or another machine."""
    from templedb_nb.errors import TempleError

    found, run_id = None, call.run(run_id, call.choice(project, target))
    try:
        meant, chosen = call.app.selections.of_run(run_id) or call.app.selections.named(
            call.choice(project, target)
        )
        found = (meant, chosen or call.app.targets.pick(meant, None, None))
    except TempleError:
        if project or target:
            raise
    return call.app.locks.cancel(run_id, found, reason, drain=after_step, back=back)


@commands.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=completion.runs)
@pass_call
def attach(call: Call, run_id: str | None) -> Result:
    """Watch a run of another process on this machine, from its beginning to its end.

    Command output is in the run's log: `templedb deploy logs RUN`. Ctrl-C ends the watching, not
    the run.
    """
    from templedb_nb.model.event import RunId

    meant = call.run(run_id, call.choice(None))
    found = call.app.follower.one(meant, call.project, call.target)
    return call.app.follower.follow(RunId(found.run), call.followers.observers)


@commands.command()
@words("[PROJECT] [TARGET]")
@pass_call
def blockers(call: Call, slug: str | None, target: str | None) -> BlockerList:
    """Show the sessions that block the run on a target: they hold a lock that it needs."""
    project, found = call.app.selections.named(call.choice(slug, target))
    return call.app.locks.blockers(project, found or call.app.targets.pick(project, None, None))


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] PID")
@on_target
@click.option("--terminate", is_flag=True, help="End the session, not only its statement.")
@click.option("--reason", required=True, metavar="TEXT", help="The reason; recorded for good.")
@pass_call
def unblock(
    call: Call, slug: str | None, pid: str, target: str | None, reason: str, *, terminate: bool
) -> CommandOutcome:
    """Cancel the statement of session PID, or end the session, if it blocks the target's run."""
    if not str(pid).isdecimal():
        raise click.UsageError(f"PID must be a number, as in `templedb run blockers`: {pid}")
    project, found = call.app.selections.named(call.choice(slug, target))
    meant = found or call.app.targets.pick(project, None, None)
    return call.app.locks.unblock(project, meant, int(str(pid)), reason, terminate=terminate)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] RUN")
@on_target
@click.option("--healthy", is_flag=True,
              help="The target is healthy, though the run could not measure it.")  # fmt: skip
@click.option("--unhealthy", is_flag=True,
              help="It is not; the run has failed.")  # fmt: skip
@click.option("--reason", required=True, metavar="TEXT", help="What you saw; recorded for good.")
@pass_call
def resolve(
    call: Call, slug: str | None, run: str, target: str | None, reason: str,
    *, healthy: bool, unhealthy: bool,
) -> CommandOutcome:  # fmt: skip
    """Record what you saw of a run: what a command did whose process died, or how the target is.

    --healthy and --unhealthy settle health checks that the run could not measure. Then a healthy
    run has succeeded, unless steps are left: `templedb deploy resume` runs them.
    """
    from templedb_nb.model.health import Health
    from templedb_nb.model.selection import Selection

    if healthy and unhealthy:
        raise click.UsageError("--healthy and --unhealthy exclude each other")
    choice = call.choice(slug, target)
    named = call.run(str(run), choice)
    if healthy or unhealthy:
        health = Health.HEALTHY if healthy else Health.UNHEALTHY
        meant = Selection(project=slug, target=target)
        return call.app.resolutions.decide_health(meant, named, health, reason)
    return call.app.resolutions.resolve(choice, named, reason)
