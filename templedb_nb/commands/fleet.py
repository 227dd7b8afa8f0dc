"""Fleets: many targets of one project, planned, approved and rolled out together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.fleet_options import given_rules, going_on, refuse_rules, rules
from templedb_nb.commands.options import (
    VALUES,
    WHERE,
    Effect,
    given_values,
    group,
    pass_call,
    words,
)
from templedb_nb.commands.reports import Reports, reported

if TYPE_CHECKING:
    from templedb_nb.app.fleet.rollout_process import RolloutOptions
    from templedb_nb.app.fleet.wiring import FleetCases
    from templedb_nb.model.fleet import (
        FleetDrift,
        FleetList,
        FleetPlan,
        FleetStatus,
        RolloutHistory,
    )
    from templedb_nb.model.listings import Coded, CommandOutcome
    from templedb_nb.model.project import Project


@group("fleet")
def commands() -> None:
    """Plan, approve and roll out a release to many targets, wave after wave."""


def _cases(call: Call, slug: str | None) -> tuple[FleetCases, Project]:
    from templedb_nb.app.fleet.wiring import FleetCases

    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
    return FleetCases(app=call.app), project


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] NAME")
@WHERE
@rules
@pass_call
def define(call: Call, /, slug: str | None, name: str, where: str | None, **how: Any) -> FleetList:
    """Define a fleet: the targets that a selector selects, and how a release reaches them.

    Which targets that are is asked whenever the fleet is planned. What is not said stays as it was.

    \b
    Examples:
      templedb fleet define shop tenants --where "region=eu and tier!=free"
      templedb fleet define shop tenants --wave 1 --wave 5% --parallel 8 --max-failures 2
    """
    cases, project = _cases(call, slug)
    with call.app.state.transaction():
        cases.fleets.define(project, str(name), where or "", given_rules(how))
    return cases.fleets.list(project)


@commands.command("list")
@words("[PROJECT]")
@pass_call
def list_(call: Call, slug: str | None) -> FleetList:
    """List the fleets of a project, with their selectors and rules."""
    cases, project = _cases(call, slug)
    return cases.fleets.list(project)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] NAME")
@pass_call
def remove(call: Call, slug: str | None, name: str) -> CommandOutcome:
    """Remove a fleet; its targets, plans and rollouts stay."""
    from templedb_nb.model.listings import CommandOutcome

    cases, project = _cases(call, slug)
    cases.fleets.remove(project, str(name))
    return CommandOutcome(text=f"fleet {name} of {project.slug} is removed; its targets stay")


@commands.command()
@words("[PROJECT] [NAME]")
@WHERE
@rules
@VALUES
@pass_call
def plan(
    call: Call, /, slug: str | None, name: str | None, where: str | None, **how: Any
) -> FleetPlan:
    """Read the ledger of every target, and show who needs what; equal needs are told once.

    NAME is a fleet; without one, --where selects the targets. Nothing is executed.

    \b
    Examples:
      templedb fleet plan shop tenants
      templedb fleet plan shop --where region=eu --wave 1 --wave 10%
    """
    cases, project = _cases(call, slug)
    return _planned(call, cases, project, name, where, how)


def _planned(
    call: Call,
    cases: FleetCases,
    project: Project,
    name: str | None,
    where: str | None,
    how: dict[str, Any],
) -> FleetPlan:
    choice = cases.fleets.chosen(project, name, where, given_rules(how))
    with call.output.working("reading the ledgers of the fleet"):
        given = given_values(call, how["env"])
        return cases.planning.plan(project, choice, given, call.output.progress)


@commands.command(effect=Effect.DEPLOYS)
@words("[PROJECT] [NAME]")
@WHERE
@rules
@click.option("--dry-run", is_flag=True, help="Show the plan; execute nothing.")
@click.option("--lock-wait", default="10s", metavar="TIME", show_default=True,
              help="How long to wait for another run on a target: 90s, 15m.")  # fmt: skip
@VALUES
@reported
@pass_call
def run(
    call: Call, /, slug: str | None, name: str | None, where: str | None, lock_wait: str,
    *, dry_run: bool, **how: Any,
) -> FleetPlan | FleetStatus:  # fmt: skip
    """Roll a release out to a fleet: plan and run, or run exactly the plan that NAME is.

    A target that is done is not done again: a rollout that broke off is run again by its plan.

    \b
    Examples:
      templedb fleet run shop tenants
      templedb fleet run shop 3f2a9c81d0b4
      templedb fleet run shop --where region=eu --wave 1 --max-failures 2
    """
    reports = Reports.of(call, how)
    cases, project = _cases(call, slug)
    named = name is not None and not cases.fleets.is_fleet(project, name)
    if named and not where and _is_id(str(name)):
        refuse_rules(how)
        made = cases.store.fleet_plan(project.slug, str(name))
    else:
        made = _planned(call, cases, project, name, where, how)
    if dry_run:
        reports.write(made)
        return made
    return _carried_out(call, cases, made, _options(call, how, lock_wait), reports)


def _is_id(name: str) -> bool:
    return len(name) > 3 and not set(name) - set("0123456789abcdef")  # noqa: PLR2004 - be: a name


def _options(call: Call, how: dict[str, Any], lock_wait: str) -> RolloutOptions:
    from templedb_nb.app.fleet.rollout_process import RolloutOptions
    from templedb_nb.core.values.points_in_time import wait_s

    return RolloutOptions(
        parallel=how["parallel"],
        lock_wait_s=wait_s(lock_wait),
        given=given_values(call, how["env"]),
        tell=call.output.progress,
    )


def _carried_out(
    call: Call, cases: FleetCases, plan: FleetPlan, wish: RolloutOptions, reports: Reports
) -> FleetStatus:
    from dataclasses import replace
    from functools import partial

    if reports.wanted:
        wish = replace(wish, watch=partial(reports.write, done=False))
    with call.output.working("rolling out"):
        ended = cases.rollouts.run(plan, wish)
    reports.write(ended)
    return ended


@commands.command(effect=Effect.DEPLOYS)
@words("[PROJECT] [NAME]")
@going_on
@pass_call
def resume(
    call: Call, /, slug: str | None, name: str | None, lock_wait: str, **how: Any
) -> FleetStatus:
    """Go on with a rollout that was paused, failed or died: what is not done, nothing else.

    NAME is a fleet or a plan; without one, it is the newest plan.

    \b
    Examples:
      templedb fleet resume shop
      templedb fleet resume shop tenants --parallel 16
    """
    reports = Reports.of(call, how)
    cases, project = _cases(call, slug)
    made = cases.plan_named(project, name)
    return _carried_out(call, cases, made, _options(call, how, lock_wait), reports)


@commands.command(effect=Effect.DEPLOYS)
@words("[PROJECT] [NAME]")
@click.option("--failed", is_flag=True, help="Those that failed; that is what it does anyway.")
@going_on
@pass_call
def retry(
    call: Call, /, slug: str | None, name: str | None, lock_wait: str, *, failed: bool, **how: Any
) -> FleetStatus:
    """Try the targets again that failed, and no others.

    \b
    Examples:
      templedb fleet retry shop --failed
      templedb fleet retry shop tenants
    """
    from dataclasses import replace

    del failed
    reports = Reports.of(call, how)
    cases, project = _cases(call, slug)
    made = cases.plan_named(project, name)
    options = replace(_options(call, how, lock_wait), only_again=True)
    return _carried_out(call, cases, made, options, reports)


@commands.command()
@words("[PROJECT] [NAME]")
@pass_call
def status(call: Call, slug: str | None, name: str | None) -> Coded:
    """Show how far a plan has come: waves, then each target that failed; no target is asked.

    \b
    Examples:
      templedb fleet status shop
      templedb fleet status shop tenants --json
    """
    from templedb_nb.exit_code import ExitCode
    from templedb_nb.model.listings import Coded

    cases, project = _cases(call, slug)
    found = cases.rollouts.status(cases.plan_named(project, name))
    return Coded(value=found, exit_code=ExitCode.OK)


@commands.command()
@words("[PROJECT] [NAME]")
@WHERE
@click.option("--parallel", type=int, metavar="N", help="Targets at a time. Default: 8.")
@click.option("--strict", is_flag=True, help="Exit with an error if any target differs.")
@pass_call
def drift(
    call: Call, /, slug: str | None, name: str | None, where: str | None, parallel: int | None,
    *, strict: bool,
) -> FleetDrift:  # fmt: skip
    """Ask every target what was changed there outside of migrations; equal answers are told once.

    \b
    Examples:
      templedb fleet drift shop tenants
      templedb fleet drift shop --where region=eu --strict
    """
    cases, project = _cases(call, slug)
    choice = cases.fleets.chosen(project, name, where, {"parallel": parallel})
    with call.output.working("asking the targets of the fleet"):
        return cases.drift.check(project, choice, strict=strict, tell=call.output.progress)


@commands.command()
@words("[PROJECT]")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, metavar="N",
              help="How many rollouts.")  # fmt: skip
@pass_call
def history(call: Call, slug: str | None, last: int) -> RolloutHistory:
    """List rollouts, newest first: of which plan, how they ended, who began them."""
    from templedb_nb.model.fleet import RolloutHistory

    cases, project = _cases(call, slug)
    rows = cases.rollouts.past(project.slug, last)
    return RolloutHistory(slug=project.slug, rows=rows)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] [NAME]")
@click.option("--reason", required=True, metavar="TEXT", help="Why it may run; recorded for good.")
@click.option("--sign", metavar="[KEYFILE]", is_flag=False, flag_value="",
              help="Sign with this SSH key (a .pub for ssh-agent). Default: git's.")  # fmt: skip
@pass_call
def approve(
    call: Call, slug: str | None, name: str | None, reason: str, sign: str | None
) -> CommandOutcome:
    """Approve a fleet's plan: exactly the plans of the targets that want an approval.

    A target that moves afterwards, and one that is new, is not covered.

    \b
    Examples:
      templedb fleet approve shop 3f2a9c81d0b4 --reason "reviewed with the canary"
    """
    from templedb_nb.app.deploy.signatures import SigningKey
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.model.serialization import short

    if not reason.strip():
        raise click.UsageError("--reason must not be empty")
    cases, project = _cases(call, slug)
    made = cases.plan_named(project, name)
    wanted = [each.plan for each in made.unapproved]
    if not wanted:
        return CommandOutcome(text=f"no target of plan {short(made.id)} waits for an approval")
    asks = call.interactive and not call.notebook
    key = None if sign is None else SigningKey(file=sign, prompts=asks)
    given = call.app.bundled_approvals.approve(wanted, reason, call.through, key)
    by = given[0].approval.given_by
    doubts = sorted({each.told for each in given if each.uncounted})
    return CommandOutcome(
        text=f"{by} approves plan {short(made.id)}: {len(given)} targets",
        also=(*doubts, f"next: templedb fleet run {project.slug} {short(made.id)}"),
    )


def _wished(
    call: Call, slug: str | None, named: str | None, wish: str, parallel: int = 0
) -> CommandOutcome:
    """Leave word for a rollout that goes on."""
    from templedb_nb.model.fleet import RolloutWish
    from templedb_nb.model.listings import CommandOutcome

    cases, project = _cases(call, slug)
    row = cases.rollouts.ask(project.slug, named, RolloutWish(wish), parallel)
    told = {
        "pause": "no further target begins, and those that run go on to their end",
        "cancel": "no further target begins, and those that run end after their step",
        "speed": f"{parallel} targets at a time",
    }
    return CommandOutcome(text=f"rollout {row.rollout[:13]}: {told[wish]}")


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] [ROLLOUT]")
@pass_call
def pause(call: Call, slug: str | None, rollout: str | None) -> CommandOutcome:
    """Let no further target begin; `fleet resume` goes on, without a new approval."""
    return _wished(call, slug, rollout, "pause")


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] [ROLLOUT]")
@pass_call
def cancel(call: Call, slug: str | None, rollout: str | None) -> CommandOutcome:
    """Let no further target begin, and end the runs that go on after their step."""
    return _wished(call, slug, rollout, "cancel")


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] [ROLLOUT]")
@click.option("--parallel", type=click.IntRange(1, 256), required=True, metavar="N",
              help="So many targets at a time.")  # fmt: skip
@pass_call
def speed(call: Call, slug: str | None, rollout: str | None, parallel: int) -> CommandOutcome:
    """Change how many targets a rollout deploys at a time, while it goes on."""
    return _wished(call, slug, rollout, "speed", parallel)
