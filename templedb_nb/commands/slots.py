"""Slots between which traffic is switched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.deploy import PLANNED, commands, run_options
from templedb_nb.commands.options import (
    BUNDLE_OF_RUN,
    VALUES,
    Effect,
    given_values,
    on_target,
    pass_call,
    running,
    words,
)
from templedb_nb.commands.override import OVERRIDE, overriding
from templedb_nb.commands.reports import Reports, reported

if TYPE_CHECKING:
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.result import Result
    from templedb_nb.model.slots import SlotsReport

GROUP = click.option(
    "--group", "named", metavar="GROUP", shell_complete=completion.groups,
    help="Of this group, if several have slots.",
)  # fmt: skip


@commands.command("slots", effect=Effect.DEPLOYS, only_with=("--retire", "--clean"))
@words("[PROJECT]")
@on_target
@click.option("--retire", is_flag=True, help="Stop what served before and is not kept any more.")
@click.option("--clean", is_flag=True, help="Stop what a failed deployment left in a slot.")
@click.option("--slot", metavar="SLOT", help="With --retire or --clean: this slot alone.")
@click.option("--discard-old", is_flag=True, help="With --retire: also stop a slot that is kept.")
@GROUP
@VALUES
@running
@overriding
@reported
@pass_call
def slots(
    call: Call, /, slug: str | None, target: str | None, slot: str | None, *, retire: bool,
    clean: bool, discard_old: bool, **how: Any,
) -> SlotsReport | Result:  # fmt: skip
    """Show the slots of a target: which one serves, by its router, and what each holds.

    With --retire or --clean, the retire_command of the group runs for slots that serve nobody.

    \b
    Examples:
      templedb deploy slots shop --target production
      templedb deploy slots shop --target production --retire
      templedb deploy slots shop --target production --clean --slot green
    """
    from templedb_nb.model.slots import SlotState

    if retire and clean:
        raise click.UsageError("--retire and --clean exclude one another")
    if not (retire or clean) and (slot or discard_old or how["approvals"]):
        raise click.UsageError("without --retire or --clean, slots are only shown")
    if clean and discard_old:
        raise click.UsageError("--discard-old goes with --retire")
    choice, given = call.choice(slug, target), given_values(call, how["env"])
    with call.output.working("asking the routers"):
        if not (retire or clean):
            return call.app.slots.report(choice, given)
        reports = Reports.of(call, how)
        waits: tuple[str, str | None] = (how["lock_wait"], how["wait_approval"])
        wish = run_options(call, reports, how, *waits, no_wait=how["no_wait"])
        state = SlotState.WARM if retire else SlotState.DIRTY
        return call.app.slots.stop(
            choice, wish, state, slot=slot, group=how["named"], discard=discard_old, given=given
        )


@commands.command("switch", effect=Effect.DEPLOYS)
@words("[PROJECT] SLOT")
@on_target
@GROUP
@click.option("--dry-run", is_flag=True, help="Show the plan; execute nothing.")
@BUNDLE_OF_RUN
@VALUES
@running
@OVERRIDE
@click.option("--reason", default="", metavar="TEXT",
              help="Why traffic goes there; recorded for good.")  # fmt: skip
@reported
@pass_call
def switch(
    call: Call, /, slug: str | None, slot: str, target: str | None, lock_wait: str,
    wait_approval: str | None, named: str | None, *, dry_run: bool, **how: Any,
) -> Preview | Result:  # fmt: skip
    """Send traffic to SLOT, once its health checks are good.

    If a run waits for that (promote: manual), it goes on. If the router sends traffic to SLOT
    already, that is recorded. Otherwise SLOT must hold what served before.

    \b
    Examples:
      templedb deploy switch shop green --target production --reason "looked at it, go"
      templedb deploy switch blue --target production --reason "errors since the switch"
    """
    from dataclasses import replace

    reason = (how["reason"] or "").strip()
    if not reason and not dry_run:
        raise click.UsageError("--reason is needed: it is recorded for good")
    if how["bundle"] and dry_run:
        raise click.UsageError("--plan goes on with a run, and --dry-run executes nothing")
    choice, given = call.choice(slug, target), given_values(call, how["env"])
    reports = Reports.of(call, how)
    with call.output.working(PLANNED):
        if dry_run:
            made = call.app.slots.plan(choice, slot, reason, group=named, given=given)
            preview = replace(made, dry_run=True)
            reports.write(preview)
            return preview
        if not how["override"]:
            how["reason"] = ""  # the reason of the switch does not count for a window
        options = run_options(call, reports, how, lock_wait, wait_approval, no_wait=how["no_wait"])
        path = Path(how["bundle"]) if how["bundle"] else None
        result = call.app.slots.switch(
            choice, slot, options, reason, group=named, given=given, bundle=path
        )
        return reports.ended(result)
