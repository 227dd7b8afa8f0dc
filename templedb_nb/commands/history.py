"""Looking back: what ran, what it wrote, how it usually goes, and questions in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.deploy import commands as deploy
from templedb_nb.commands.options import Command, on_target, pass_call, words
from templedb_nb.exit_code import ExitCode

if TYPE_CHECKING:
    from templedb_nb.model.charts import Durations, Frequency, Timeline
    from templedb_nb.model.difference import Blame, Difference
    from templedb_nb.model.history import DeployHistory, DeployStats, DeployStatus, StepLogs
    from templedb_nb.model.listings import Coded

OUTCOMES = ("succeeded", "failed", "cancelled", "timed_out", "unknown", "running")
since = click.option(
    "--since", metavar="WHEN", help="Since then: 2026-11-01, 2026-11-01T10:30, 12h, 7d."
)


@deploy.command()
@words("[PROJECT]")
@on_target
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@since
@click.option(
    "--status", multiple=True, type=click.Choice(OUTCOMES), help="With that outcome; repeatable."
)
@pass_call
def history(
    call: Call, /, slug: str | None, target: str | None, last: int, since: str | None,
    status: tuple[str, ...],
) -> DeployHistory:  # fmt: skip
    """List the runs of a project, newest first.

    \b
    Examples:
      templedb deploy history shop --target production --last 5
      templedb deploy history shop --since 7d --status failed --status unknown
    """
    return call.app.deployments.history(
        call.choice(slug, target), call.app.history.filter(last, since, tuple(status))
    )


@deploy.command("show")
@click.argument("run_id", metavar="RUN", shell_complete=completion.runs)
@pass_call
def show(call: Call, run_id: str) -> Coded:
    """Show one run, step by step; the beginning of its id is enough.

    \b
    Example:
      templedb deploy show 01a20896-82b9
    """
    from templedb_nb.model.listings import Coded

    return Coded(value=call.app.history.result(run_id), exit_code=ExitCode.OK)


@deploy.command()
@click.argument("run_id", metavar="RUN", shell_complete=completion.runs)
@click.option("--step", type=click.IntRange(1), metavar="N", help="That step alone, from 1.")
@pass_call
def logs(call: Call, run_id: str, step: int | None) -> StepLogs:
    """Print what the commands of a run wrote, masked as it was kept.

    \b
    Examples:
      templedb deploy logs 01a20896-82b9
      templedb deploy logs 01a20896-82b9 --step 3 | less -R
    """
    return call.app.history.logs(run_id, step)


@deploy.command()
@words("[PROJECT]")
@on_target
@pass_call
def status(call: Call, slug: str | None, target: str | None) -> DeployStatus:
    """Show what runs now on each target, and how the last run ended.

    \b
    Example:
      templedb deploy status shop
    """
    project, found = call.app.selections.named(call.choice(slug, target))
    targets = [found] if found else call.app.targets.all(project)
    return call.app.history.status(project, tuple(each.name for each in targets))


@deploy.command()
@words("[PROJECT]")
@on_target
@since
@click.option(
    "--by",
    type=click.Choice(["all", "day", "week", "month"]),
    default="all",
    help="A row for each.",
)
@pass_call
def stats(
    call: Call, slug: str | None, target: str | None, since: str | None, by: str
) -> DeployStats:
    """Count runs by target and outcome, with their usual durations.

    \b
    Examples:
      templedb deploy stats shop --since 90d
      templedb deploy stats shop --target production --by week
    """
    project, found = call.app.selections.named(call.choice(slug, target))
    past = call.app.history
    return past.stats(project, found.name if found else None, by, past.filter(since=since))


@click.command(cls=Command)
@click.argument("first", metavar="RUN", shell_complete=completion.runs)
@click.argument("second", metavar="[RUN]", required=False, shell_complete=completion.runs)
@pass_call
def diff(call: Call, first: str, second: str | None) -> Difference:
    """Show what differs between two runs; one alone is compared with the success before it.

    \b
    Examples:
      templedb diff 01a20896-82b9
      templedb diff 01a20896-82b9 01a208b1-03c4
    """
    return call.app.comparisons.diff(first, second)


@click.command(cls=Command)
@words("[PROJECT] [TARGET]")
@click.option("--at", required=True, metavar="TIME",
              help="Around then: 2026-11-01T10:30, or 2h for two hours ago.")  # fmt: skip
@click.option("--window", default="1h", show_default=True, metavar="TIME",
              help="So long before and after: 30m, 2h.")  # fmt: skip
@pass_call
def blame(call: Call, slug: str | None, target: str | None, at: str, window: str) -> Blame:
    """Show everything that changed on a target around a moment, whoever did it from wherever.

    \b
    Examples:
      templedb blame shop production --at 2026-11-01T10:30
      templedb blame shop production --at 2h --window 30m
    """
    from datetime import timedelta

    from templedb_nb.core.values.points_in_time import since, wait_s

    project, found = call.app.selections.named(call.choice(slug, target))
    meant = found or call.app.targets.pick(project, None, None)
    moment = since(at, call.app.system.clock.now())
    return call.app.comparisons.blame(project, meant, moment, timedelta(seconds=wait_s(window)))


@click.command(cls=Command)
@words("[PROJECT]")
@on_target
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@since
@pass_call
def timeline(
    call: Call, slug: str | None, target: str | None, last: int, since: str | None
) -> Timeline:
    """Show when what was deployed where, and how that ended; in a notebook as a picture.

    \b
    Examples:
      templedb timeline shop
      templedb timeline shop --target production --since 90d
    """
    from templedb_nb.model.charts import Timeline

    found = call.app.deployments.history(
        call.choice(slug, target), call.app.history.filter(last, since)
    )
    return Timeline(slug=found.slug, rows=found.rows[::-1])


@click.command(cls=Command)
@click.argument("what", metavar="durations|frequency",
                type=click.Choice(["durations", "frequency"]))  # fmt: skip
@words("[PROJECT]")
@on_target
@click.option("--last", type=click.IntRange(1), default=200, show_default=True,
              help="Of durations: how many runs.")  # fmt: skip
@click.option("--by", type=click.Choice(["day", "week", "month"]), default="week",
              show_default=True, help="Of frequency: what runs are counted by.")  # fmt: skip
@since
@pass_call
def chart(
    call: Call, what: str, slug: str | None, target: str | None, last: int, by: str,
    since: str | None,
) -> Durations | Frequency:  # fmt: skip
    """Show how long runs took, or how often there were any; in a notebook as a picture.

    \b
    Examples:
      templedb chart durations shop --target production
      templedb chart frequency shop --by month --since 365d
    """
    project, on = call.app.selections.named(call.choice(slug, target))
    return call.app.history.chart(what, project, on.name if on else None, by, last, since)


@click.command(cls=Command, takes_cell=True)
@click.argument("query", nargs=-1, metavar="[QUERY]")
@pass_call
def sql(call: Call, query: tuple[str, ...]) -> Any:
    """Ask the state in SQL; it is only read.

    The views are runs, steps, migrations, events, approvals, messages and runbooks
    (docs/history.md); without QUERY it is read from standard input, in a notebook from the cell.

    \b
    Examples:
      templedb sql "SELECT target, outcome, count(*) FROM runs GROUP BY ALL"
      templedb sql "SELECT title, took FROM steps ORDER BY took DESC LIMIT 10" --json
    """
    text = call.body(" ".join(query))
    if not text.strip():
        raise click.UsageError("there is no query: SELECT * FROM runs LIMIT 10, for one")
    past = call.app.history
    return past.frame(text) if call.notebook and not call.output.json else past.answer(text)


verbs = (sql, diff, blame, timeline, chart)
