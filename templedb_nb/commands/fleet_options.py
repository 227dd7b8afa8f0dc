"""The options of fleets: in which waves and how fast a rollout goes, and how it goes on."""

from __future__ import annotations

from typing import Any

import click

from templedb_nb.commands.options import VALUES
from templedb_nb.commands.reports import reported

RULES = (
    click.option("--wave", "waves", multiple=True, metavar="WAVE",
                 help="The next wave: a number, a share (5%) or a selector (tier=free)."),
    click.option("--parallel", type=int, metavar="N", help="Targets at a time. Default: 8."),
    click.option("--parallel-per-server", type=int, metavar="N",
                 help="So many of them on one database server. Default: no limit."),
    click.option("--max-failures", type=int, metavar="N",
                 help="If more targets fail, no further one begins. Default: 0."),
    click.option("--on-failure", type=click.Choice(["pause", "stop", "continue"]),
                 help="What the rollout does then. Default: pause."),
    click.option("--soak", metavar="TIME", help="Wait so long between two waves: 90s, 15m."),
)  # fmt: skip


def rules(function: Any) -> Any:
    """Declare how a fleet is rolled out."""
    for option in reversed(RULES):
        function = option(function)
    return function


def given_rules(how: dict[str, Any]) -> dict[str, Any]:
    """Return the rules of a rollout among the words of a command."""
    from templedb_nb.core.values.points_in_time import wait_s
    from templedb_nb.model.fleet import OnFailure

    names = ("waves", "parallel", "parallel_per_server", "max_failures")
    found: dict[str, Any] = {name: how[name] for name in names}
    found["on_failure"] = OnFailure(how["on_failure"]) if how["on_failure"] else None
    found["soak_ms"] = int(wait_s(how["soak"]) * 1000) if how["soak"] else None
    return found


def refuse_rules(how: dict[str, Any]) -> None:
    """Refuse rules beside a plan: waves and limits are part of what was planned and approved."""
    from templedb_nb.core.fleet.waves import MOST_PARALLEL

    names = ("waves", "parallel_per_server", "max_failures", "on_failure", "soak")
    options = {each: f"--{each.replace('_', '-')}" for each in names} | {"waves": "--wave"}
    if how["parallel"] is not None and not 1 <= how["parallel"] <= MOST_PARALLEL:
        raise click.UsageError(f"--parallel is from 1 to {MOST_PARALLEL}")
    said = [option for key, option in options.items() if how[key] not in {None, ()}]
    if said:
        message = f"{', '.join(said)}: the plan has these rules already; make another plan"
        raise click.UsageError(message)


GO_ON = (
    click.option("--parallel", type=click.IntRange(1, 256), metavar="N",
                 help="So many targets at a time; the plan stays as it is."),
    click.option("--lock-wait", default="10s", metavar="TIME", show_default=True,
                 help="How long to wait for another run on a target: 90s, 15m."),
    VALUES,
    reported,
)  # fmt: skip


def going_on(function: Any) -> Any:
    """Declare how a rollout goes on."""
    for option in reversed(GO_ON):
        function = option(function)
    return function
