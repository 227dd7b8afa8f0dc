"""Looking back: what ran, what it wrote, how it usually goes, and questions in SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Command, on_target, pass_call, words
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.selection import LAST

if TYPE_CHECKING:
    from templedb_nb.model.charts import Durations, Frequency, Timeline
    from templedb_nb.model.difference import Blame, Difference
    from templedb_nb.model.history import DeployHistory, DeployStats, DeployStatus, StepLogs
    from templedb_nb.model.listings import Coded

OUTCOMES = ("succeeded", "failed", "cancelled", "timed_out", "unknown", "running")
since = click.option(
    "--since", metavar="WHEN", help="Only since WHEN: 2026-11-01, 2026-11-01T10:30, 12h, 7d."
)


@click.command(cls=Command)
@words("[PROJECT]")
@on_target
@click.option(
    "--last", type=click.IntRange(1), default=20, show_default=True, help="How many runs."
)
@since
@click.option(
    "--status",
    multiple=True,
    type=click.Choice(OUTCOMES),
    help="Only with this outcome; repeatable.",
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


@click.command(cls=Command)
@words("[PROJECT] [RUN]")
@on_target
@pass_call
def show(call: Call, slug: str | None, run: str | None, target: str | None) -> Coded:
    """Show one run, step by step: RUN, or the last run. The beginning of its id is enough.

    \b
    Examples:
      templedb deploy show 01a20896-82b9
      templedb deploy show shop last --target production
    """
    from templedb_nb.model.listings import Coded

    named = call.run(run or LAST, call.choice(slug, target))
    return Coded(value=call.app.history.result(named), exit_code=ExitCode.OK)


@click.command(cls=Command)
@words("[PROJECT] [RUN]")
@on_target
@click.option("--step", type=click.IntRange(1), metavar="N", help="Only step N; the first is 1.")
@pass_call
def logs(
    call: Call, slug: str | None, run: str | None, target: str | None, step: int | None
) -> StepLogs:
    """Print the output of a run's commands, with secrets masked: of RUN, or of the last run.

    \b
    Examples:
      templedb deploy logs
      templedb deploy logs 01a20896-82b9 --step 3 | less -R
    """
    return call.app.history.logs(call.run(run or LAST, call.choice(slug, target)), step)


@click.command(cls=Command)
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


@click.command(cls=Command)
@words("[PROJECT]")
@on_target
@since
@click.option(
    "--by",
    type=click.Choice(["all", "day", "week", "month"]),
    default="all",
    help="One row per period.",
)
@pass_call
def stats(
    call: Call, slug: str | None, target: str | None, since: str | None, by: str
) -> DeployStats:
    """Count runs by target and outcome, and measure delivery: the five DORA measures.

    Lead time, deployments per week, failed changes, time to restore and rework count deployments
    alone; docs/history.md has the definition of each, and so has --json.

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
    """Show what differs between two runs, or between a run and the last success before it.

    \b
    Examples:
      templedb diff 01a20896-82b9
      templedb diff 01a20896-82b9 01a208b1-03c4
    """
    choice = call.choice(None)
    before, after = call.run(first, choice), call.run(second, choice) if second else None
    return call.app.comparisons.diff(before, after)


@click.command(cls=Command)
@words("[PROJECT] [TARGET]")
@click.option("--at", required=True, metavar="TIME",
              help="The time: 2026-11-01T10:30, or 2h for two hours ago.")  # fmt: skip
@click.option("--window", default="1h", show_default=True, metavar="TIME",
              help="How far to look before and after: 30m, 2h.")  # fmt: skip
@pass_call
def blame(call: Call, slug: str | None, target: str | None, at: str, window: str) -> Blame:
    """Show everything that changed on a target around a point in time, by anybody, from anywhere.

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
@click.option(
    "--last", type=click.IntRange(1), default=50, show_default=True, help="How many runs."
)
@since
@pass_call
def timeline(
    call: Call, slug: str | None, target: str | None, last: int, since: str | None
) -> Timeline:
    """Show runs over time: what, where, and how they ended; in a notebook, as a chart.

    \b
    Examples:
      templedb timeline shop
      templedb timeline shop --target production --since 90d
    """
    from templedb_nb.model.charts import Timeline

    found = call.app.deployments.history(
        call.choice(slug, target), call.app.history.filter(last, since)
    )
    return Timeline(slug=found.slug, rows=found.rows[::-1], scope=found.scope)


@click.command(cls=Command)
@click.argument("what", metavar="durations|frequency",
                type=click.Choice(["durations", "frequency"]))  # fmt: skip
@words("[PROJECT]")
@on_target
@click.option("--last", type=click.IntRange(1), default=200, show_default=True,
              help="For durations: how many runs.")  # fmt: skip
@click.option("--by", type=click.Choice(["hour", "day", "week", "month"]),
              help="For frequency: count runs per period; else one that fits.")  # fmt: skip
@since
@pass_call
def chart(
    call: Call, what: str, slug: str | None, target: str | None, last: int, by: str | None,
    since: str | None,
) -> Durations | Frequency:  # fmt: skip
    """Show how long runs took, or how often they ran; in a notebook, as a chart.

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
    """Query the state with SQL, read-only.

    The views are runs, deployments, steps, migrations, events, approvals, messages, health and
    runbooks (docs/history.md). Without QUERY, the query is read from standard input, or in a
    notebook from the cell.

    \b
    Examples:
      templedb sql "SELECT target, outcome, count(*) FROM runs GROUP BY ALL"
      templedb sql "SELECT title, took FROM steps ORDER BY took DESC LIMIT 10" --json
    """
    text = call.body(" ".join(query))
    if not text.strip():
        raise click.UsageError("the query is missing; an example: SELECT * FROM runs LIMIT 10")
    past = call.app.history
    return past.frame(text) if call.notebook and not call.output.json else past.answer(text)


verbs = (sql, diff, blame, timeline, chart)
