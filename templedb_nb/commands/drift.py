"""Drift: what of a target's database no run of ours made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Effect, group, on_target, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.drift import DriftReport, TargetsDiffer
    from templedb_nb.model.listings import CommandOutcome


@group("drift")
def commands() -> None:
    """Show what was changed in a target's database outside of migrations.

    Each run ends by recording the database's objects in the target's ledger.
    """


@commands.command()
@words("[PROJECT]")
@on_target
@click.option("--strict", is_flag=True, help="Exit with an error if anything differs.")
@pass_call
def check(call: Call, slug: str | None, target: str | None, *, strict: bool) -> DriftReport:
    """List, object by object, what differs from what the last run left; nothing is written.

    To let drift block a plan: target update --drift block|warn|off.

    \b
    Examples:
      templedb drift check shop --target production
      templedb drift check --strict
    """
    with call.app.selections.opened(call.choice(slug, target)) as opened:
        return call.app.drift_checks.check(call.app.selections.reachable(opened), strict=strict)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT]")
@on_target
@click.option("--reason", required=True, metavar="TEXT", help="The reason; recorded for good.")
@pass_call
def accept(call: Call, slug: str | None, target: str | None, reason: str) -> CommandOutcome:
    """Accept the target's database as it is now; later checks compare with that.

    \b
    Example:
      templedb drift accept shop --target production --reason "support made that index"
    """
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.views.format import many

    with call.app.selections.opened(call.choice(slug, target)) as opened:
        before = call.app.drift_checks.accept(call.app.selections.reachable(opened), reason)
    told = tuple(f"{row.change.kind} {row.change.name}" for row in before.rows)
    return CommandOutcome(
        text=f"{many(len(told), 'change')} of {before.target} accepted", also=told
    )


@commands.command()
@words("[PROJECT]")
@on_target
@click.option("--against", required=True, metavar="TARGET", shell_complete=completion.targets,
              help="The target to compare with.")  # fmt: skip
@pass_call
def diff(call: Call, slug: str | None, target: str | None, against: str) -> TargetsDiffer:
    """List, object by object, what would turn a target's database into that of another.

    \b
    Example:
      templedb drift diff shop --target staging --against production
    """
    choice = call.choice(slug, target)
    with call.app.selections.opened(choice) as opened:
        other = call.choice(opened.case.project.slug, against)
        return call.app.drift_checks.between(call.app.selections.reachable(opened), other)
