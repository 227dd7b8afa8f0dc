"""Going back to an earlier release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.deploy import PLANNED, commands, run_options
from templedb_nb.commands.options import (
    VALUES,
    Effect,
    given_values,
    on_target,
    pass_call,
    running,
    words,
)
from templedb_nb.commands.override import overriding
from templedb_nb.commands.reports import Reports, reported

if TYPE_CHECKING:
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.result import Result
    from templedb_nb.model.rollback_summary import RollbackList


@commands.command("rollback", effect=Effect.DEPLOYS)
@words("[PROJECT]")
@on_target
@click.option(
    "--to",
    metavar="RUN|RELEASE",
    shell_complete=completion.runs,
    help="Go back to this run, or to release N. Default: what was in place before.",
)
@click.option("--list", "list_", is_flag=True, help="List where you can go back to; run nothing.")
@click.option("--dry-run", is_flag=True, help="Show the plan; execute nothing.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take the release from this plan bundle, if it is not in this state.",
)
@click.option("--skip-group", "skip", multiple=True, metavar="GROUP",
              shell_complete=completion.groups, help="Leave a group as it is.")  # fmt: skip
@click.option(
    "--with-down",
    is_flag=True,
    help="Also undo the migrations that the release does not have, by their down parts.",
)
@VALUES
@running
@overriding
@reported
@pass_call
def rollback(
    call: Call, /, slug: str | None, target: str | None, lock_wait: str,
    wait_approval: str | None, *, list_: bool, dry_run: bool, **how: Any,
) -> RollbackList | Preview | Result:  # fmt: skip
    """Deploy an earlier release again: its files and config, with today's values.

    Migrations stay applied: a rollback runs the commands of the groups. It is refused if the
    earlier release cannot work with what is applied. With --with-down, the plan also undoes the
    migrations that the release does not have; each down part is tried on a copy of the schema.

    \b
    Examples:
      templedb deploy rollback shop --target production --list
      templedb deploy rollback shop --target production --dry-run
      templedb deploy rollback shop --target production
      templedb deploy rollback shop --target production --to 12
    """
    from dataclasses import replace

    from templedb_nb.app.rollback.rollbacks import RollbackWish

    others = ("to", "bundle", "skip", "with_down", "approvals")
    if list_ and (dry_run or wait_approval or any(how[each] for each in others)):
        raise click.UsageError("--list runs nothing: leave out the other options")
    if how["approvals"] and (dry_run or wait_approval):
        raise click.UsageError("--approval cannot be combined with --dry-run or --wait-approval")
    choice, reports = call.choice(slug, target), Reports.of(call, how)
    rollbacks = call.app.rollbacks
    with call.output.working(PLANNED):
        if list_:
            return rollbacks.listed(choice)
        wish = RollbackWish(
            to=call.run(how["to"], choice),
            bundle=how["bundle"],
            skip_groups=tuple(how["skip"]),
            with_down=how["with_down"],
        )
        given = given_values(call, how["env"])
        if dry_run:
            preview = replace(rollbacks.plan(choice, wish, given), dry_run=True)
            reports.write(preview)
            return preview
        no_wait = how["no_wait"]
        options = run_options(call, reports, how, lock_wait, wait_approval, no_wait=no_wait)
        options = replace(options, reason="deploy rollback")
        return call.app.deployments.roll_back(choice, wish, options, given)
