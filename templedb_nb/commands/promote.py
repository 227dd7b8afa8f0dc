"""Promotion: a release moves from one target to the next; and where each release is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.deploy import PLANNED, gone_on, run_options
from templedb_nb.commands.options import (
    VALUES,
    Command,
    Effect,
    given_values,
    pass_call,
    running,
    words,
)
from templedb_nb.commands.override import OVERRIDE
from templedb_nb.commands.reports import Reports, reported

if TYPE_CHECKING:
    from templedb_nb.app.promotion.promotions import PromotionWish
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.promotion import ReleaseTable
    from templedb_nb.model.result import Result


@click.command(cls=Command, effect=Effect.DEPLOYS)
@words("[PROJECT]")
@click.option("--from", "source", metavar="TARGET", shell_complete=completion.targets,
              help="Where the release comes from. Default: by the lifecycle.")  # fmt: skip
@click.option("--to", "target", metavar="TARGET", shell_complete=completion.targets,
              help="Where it goes. Default: by the lifecycle.")  # fmt: skip
@click.option("--run", "named", metavar="RUN|RELEASE", shell_complete=completion.runs,
              help="Promote what this run deployed there. Default: what is in place.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show the plan; execute nothing.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE",
              help="Also write the plan as a bundle, and execute nothing.")  # fmt: skip
@click.option("--with-artifacts", is_flag=True,
              help="With --out: also write the artifacts that the plan places.")  # fmt: skip
@click.option("--accept-recipe-change", is_flag=True,
              help="Deploy by today's recipe, where it differs from that of the run.")  # fmt: skip
@click.option("--keep-recipe", is_flag=True,
              help="Deploy by the recipe of the run, where today's differs.")  # fmt: skip
@click.option("--accept-only-in-to", "only_in_to", multiple=True, metavar="MIGRATION",
              help="Accept a migration, or a pattern, that only --to has applied.")  # fmt: skip
@click.option("--reason", default="", metavar="TEXT",
              help="Why a migration is accepted, or a window overridden.")  # fmt: skip
@click.option("--downgrade", is_flag=True, help="Promote it although --to has a newer release.")
@click.option(
    "--discard-old", is_flag=True, help="Overwrite a slot that keeps the previous release."
)
@click.option("--bundle", type=click.Path(path_type=Path), metavar="FILE",
              help="Take the release from this bundle, if it is not in this state.")  # fmt: skip
@click.option("--skip-group", "skip", multiple=True, metavar="GROUP",
              shell_complete=completion.groups, help="Skip a group.")  # fmt: skip
@VALUES
@running
@OVERRIDE
@reported
@pass_call
def promote(
    call: Call, /, slug: str | None, target: str | None, lock_wait: str,
    wait_approval: str | None, out: Path | None, *, dry_run: bool, **how: Any,
) -> Preview | Result:  # fmt: skip
    """Deploy to a target what a run has deployed to another: the same files by the same recipe.

    The run must have succeeded, and must not have been rolled back. Migrations that it did not
    apply are not promoted. The gates of the config, and the target's approvals, must be met.

    \b
    Examples:
      templedb promote shop --from staging --to production --dry-run
      templedb promote shop --from staging --to production
      templedb promote shop --to production --run 12
      templedb promote shop --to production --accept-only-in-to 031_hotfix.sql --reason "same fix"
    """
    from dataclasses import replace
    from functools import partial

    from templedb_nb.model.selection import Selection

    _refuse_mixed(how, dry_run=dry_run or out is not None, waits=bool(wait_approval))
    reports = Reports.of(call, how)
    choice = Selection(project=call.choice(slug, None).project, target=target)
    how["named"] = call.run(how["named"], Selection(project=choice.project, target=how["source"]))
    wish = _wish(how)
    with call.output.working(PLANNED):
        given = given_values(call, how["env"])
        if dry_run or out:
            take = how["with_artifacts"]
            made = call.app.promotions.plan(choice, wish, given, out, with_artifacts=take)
            preview = replace(made, dry_run=dry_run)
            reports.write(preview)
            return preview
        how["reason"] = how["reason"] if how["override"] else ""  # the plan has the other one
        options = run_options(call, reports, how, lock_wait, wait_approval, no_wait=how["no_wait"])
        options = replace(options, reason="promotion")
        if call.runner.found is not None:
            plan = partial(call.app.promotions.plan, choice, wish, given)
            done = gone_on(call, plan, options, given)
            if done is not None:
                return done
        return reports.ended(call.app.deployments.promote(choice, wish, options, given))


def _refuse_mixed(how: dict[str, Any], *, dry_run: bool, waits: bool) -> None:
    if how["accept_recipe_change"] and how["keep_recipe"]:
        raise click.UsageError("--accept-recipe-change and --keep-recipe exclude one another")
    if how["with_artifacts"] and not dry_run:
        raise click.UsageError("--with-artifacts goes with --out")
    if how["only_in_to"] and not how["reason"].strip():
        raise click.UsageError("--accept-only-in-to needs --reason: it is a part of the plan")
    if how["reason"] and not (how["only_in_to"] or how["override"]):
        raise click.UsageError("--reason goes with --accept-only-in-to or --override-window")
    if how["approvals"] and (dry_run or waits):
        raise click.UsageError("--approval cannot be combined with --dry-run or --wait-approval")


def _wish(how: dict[str, Any]) -> PromotionWish:
    from templedb_nb.app.promotion.promotions import PromotionWish

    return PromotionWish(
        source=how["source"],
        run=how["named"] or None,
        accept_recipe_change=how["accept_recipe_change"],
        keep_recipe=how["keep_recipe"],
        only_in_to=tuple(how["only_in_to"]),
        reason=how["reason"].strip() if how["only_in_to"] else "",
        downgrade=how["downgrade"],
        discard_old=how["discard_old"],
        bundle=how["bundle"],
        skip_groups=tuple(how["skip"]),
    )


@click.command(cls=Command)
@words("[PROJECT]")
@click.option("--last", type=click.IntRange(1), default=10, metavar="N", show_default=True,
              help="Show the newest N releases, and those in place.")  # fmt: skip
@pass_call
def releases(call: Call, slug: str | None, last: int) -> ReleaseTable:
    """Show which release is on which target, since when, by whom, and what can be promoted.

    \b
    Examples:
      templedb releases shop
      templedb releases shop --last 3 --json
    """
    with call.output.working("connecting to the targets"):
        return call.app.releases.table(call.choice(slug, None).project, last)


verbs = (promote, releases)
