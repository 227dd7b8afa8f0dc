"""Health: how a target is, measured now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.options import given_values, group, on_target, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.health import HealthReport
    from templedb_nb.model.health_history import HealthTries


@group("health", default="show")
def commands() -> None:
    """Measure whether a target is healthy, and show what runs have measured."""


@commands.command()
@words("[PROJECT]")
@on_target
@click.option("--once", is_flag=True, help="Try each check only once.")
@click.option("--release", type=click.IntRange(1), metavar="N",
              help="The value of {release}. Default: the release last deployed here.")  # fmt: skip
@click.option("--env", "env", multiple=True, metavar="NAME[=VALUE]",
              help="Set a variable for this check only.")  # fmt: skip
@pass_call
def check(
    call: Call,
    slug: str | None,
    target: str | None,
    release: int | None,
    env: tuple[str, ...],
    *,
    once: bool,
) -> HealthReport:
    """Run every health check of a target; nothing is changed, and no lock is taken.

    A check is repeated until its thresholds or its deadline decide; initial_delay is skipped. The
    exit code is 0 for healthy, 10 for unhealthy, and 14 if a check could not be made.

    \b
    Examples:
      templedb health check shop --target production
      templedb health check --once --json
    """
    from templedb_nb.views.text.health import tried

    return call.app.health.check(
        call.choice(slug, target),
        lambda asked, one: call.output.progress(tried(asked.name, one)),
        given=given_values(call, env),
        release=release,
        once=once,
    )


@commands.command()
@click.argument("run_id", metavar="[RUN]", required=False, shell_complete=completion.runs)
@click.option("--project", metavar="PROJECT", help="Without RUN: the project of the newest run.")
@on_target
@pass_call
def show(call: Call, run_id: str | None, project: str | None, target: str | None) -> HealthTries:
    """Show each try of a run's health checks; without RUN, of the newest run.

    \b
    Examples:
      templedb health
      templedb health 01a20896-82b9
      templedb health show --project shop --target production
    """
    if named := call.run(run_id, call.choice(project, target)):
        return call.app.history.health(named, None, None)
    found, on = call.app.selections.named(call.choice(project, target))
    return call.app.history.health(None, found, on.name if on else None)
