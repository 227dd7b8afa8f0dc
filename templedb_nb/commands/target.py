"""Targets: where projects are deployed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import WHERE, Effect, group, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.listings import CommandOutcome, Document, TargetList, TargetShown
    from templedb_nb.model.result import Result
    from templedb_nb.model.rollback import RollbackTrigger
    from templedb_nb.model.target import Probe
    from templedb_nb.model.window import Rules

TYPES = ("database", "edge_function", "static_site", "service")
LEVELS = ("block", "warn", "off")
AFTER_FAILURE = ("stop", "rollback")
ORDERS = ("non-linear", "linear", "linear-skip")
FIELDS = (
    click.option("--type", type=click.Choice(TYPES), help="The kind of target; a label."),
    click.option("--provider", metavar="NAME", help="Who hosts it; a label."),
    click.option("--host", metavar="HOST", help="The host; a label. Connections use DATABASE_URL."),
    click.option("--region", metavar="NAME", help="The region; a label."),
    click.option("--url", metavar="URL", help="The public URL; a label."),
    click.option(
        "--protected/--no-protected", default=None, help="Run only plans that have an approval."
    ),
    click.option(
        "--approvals",
        type=click.IntRange(1),
        metavar="N",
        help="How many people must approve a plan. Default: 1 if protected.",
    ),
    click.option("--approvers", metavar="A,B", help="Who may approve; '' for anybody."),
    click.option(
        "--self-approval/--no-self-approval",
        default=None,
        help="Whether the author of a plan may approve it. Default: no if protected.",
    ),
    click.option(
        "--expires", metavar="TIME", help="How long an approval is valid: 4h; 0 for no limit."
    ),
    click.option(
        "--signers",
        metavar="FILE",
        help="Who may sign: an allowed_signers file, stored as it is now; '' removes it.",
    ),
    click.option("--signed/--no-signed", default=None, help="Accept only signed approvals."),
    click.option(
        "--order-policy",
        type=click.Choice(ORDERS),
        help="What a plan does with a migration out of order.",
    ),
    click.option(
        "--lint",
        type=click.Choice(LEVELS),
        help="What a plan does with risky statements. Default: warn.",
    ),
    click.option(
        "--drift",
        type=click.Choice(LEVELS),
        help="What a plan does with drift. Default: warn.",
    ),
    click.option(
        "--on-failure",
        type=click.Choice(AFTER_FAILURE),
        help="What follows a run that fails. Default: what the config says.",
    ),
    click.option(
        "--rollback-on",
        metavar="ENDS",
        help="Which ends roll back, with commas between: failure, timeout, health.",
    ),
    click.option(
        "--cancel-policy",
        type=click.Choice(AFTER_FAILURE),
        help="What follows a run that a person cancels. Default: what the config says.",
    ),
    click.option(
        "--pre-approve-rollback/--no-pre-approve-rollback",
        default=None,
        help="Whether the approvals of a run count for the rollback that its plan names.",
    ),
    click.option(
        "--health-check",
        "health_checks",
        multiple=True,
        metavar="CHECK",
        help="What must hold after every deployment: https://…, tcp://HOST:PORT, @FILE, or the keys"
        " of a check as YAML. These replace the former ones; repeatable.",
    ),
    click.option("--no-health-checks", is_flag=True, help="Remove the target's health checks."),
    click.option(
        "--window",
        "windows",
        multiple=True,
        metavar="RULE",
        help="When runs may begin, or may not: [NAME:] allow|deny CRON for DURATION in ZONE because"
        " REASON, or @FILE. These replace the former ones; repeatable.",
    ),
    click.option("--no-windows", is_flag=True, help="Remove the target's deployment windows."),
)


def fields(function: Any) -> Any:
    """Declare what is said of a target."""
    for option in reversed(FIELDS):
        function = option(function)
    return function


@group("target")
def commands() -> None:
    """Define where a project is deployed, and test the connection."""


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] NAME")
@fields
@pass_call
def add(call: Call, /, slug: str | None, name: str, **given: Any) -> CommandOutcome:
    """Add a target.

    \b
    Example:
      templedb target add shop production --provider supabase --protected
      templedb env set shop DATABASE_URL --target production
    """
    from templedb_nb.model.listings import CommandOutcome

    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        made = call.app.targets.add(project, str(name), _typed(given))
    how = call.app.next_steps.after(project, made.name)
    return CommandOutcome(
        text=f"target {made.name} of {project.slug} is added", also=(f"next: {how}",)
    )


@commands.command("list")
@words("[PROJECT]")
@WHERE
@pass_call
def list_(call: Call, slug: str | None, where: str | None) -> TargetList:
    """List the targets of a project, or those that a selector selects.

    A selector compares labels, and name, type, provider, host, region, url and protected:
    KEY=VALUE, KEY!=VALUE, KEY in (A, B), KEY not in (A, B), KEY alone for "has one"; with and, or,
    not and parentheses between them. `!=` and `not in` are also true of targets without the label.

    \b
    Examples:
      templedb target list shop
      templedb target list shop --where "region=eu and not tier in (free, trial)"
    """
    from templedb_nb.model.listings import TargetList

    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        return TargetList(slug=project.slug, rows=call.app.targets.where(project, where))


@commands.command()
@words("[PROJECT] [NAME]")
@pass_call
def show(call: Call, slug: str | None, name: str | None) -> TargetShown:
    """Show a target and the names of its variables."""
    return call.app.overview.show(call.choice(slug, name))


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] [NAME]")
@fields
@click.option(
    "--reason", default="", help="The reason; required if the change lowers a requirement."
)
@pass_call
def update(
    call: Call, /, slug: str | None, name: str | None, reason: str, **given: Any
) -> CommandOutcome:
    """Change a target; what you do not name stays as it is."""
    from templedb_nb.model.listings import CommandOutcome

    changed = _typed(given)
    if not changed:
        raise click.UsageError("name what to change, such as --protected")
    made = call.app.policies.update(call.choice(slug, name), changed, reason)
    names = ", ".join("health checks" if each == "health" else each for each in changed)
    what = f"target {made.target.name} is changed: {names}"
    return CommandOutcome(text=what, also=made.also)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] [NAME]")
@click.option(
    "--from",
    "others",
    multiple=True,
    metavar="PROJECT",
    help="The project whose policy. Default: every other project's.",
)
@click.option("--ends", is_flag=True, help="End an exemption: the policy applies again.")
@click.option("--reason", required=True, metavar="TEXT", help="The reason; recorded for good.")
@pass_call
def exempt(
    call: Call,
    slug: str | None,
    name: str | None,
    others: tuple[str, ...],
    reason: str,
    *,
    ends: bool,
) -> Result:
    """Exempt a project from the policy of another project in the same database.

    A run obeys the strictest policy of all projects in the ledger. An exemption is a plan of its
    own: it needs the approvals that the other project's policy requires, and is an event
    in the ledger. It covers that policy as it is now; if the policy becomes stricter, it applies
    again.

    \b
    Example:
      templedb target exempt reports production --from shop --reason "its own schema"
    """
    from templedb_nb.app.deploy.runs import RunOptions

    if not reason.strip():
        raise click.UsageError("--reason must not be empty")
    with call.app.selections.opened(call.choice(slug, name)) as opened:
        found, wish = (
            call.app.selections.reachable(opened),
            RunOptions(observers=call.followers.observers),
        )
        return call.app.policies.exempt(found, others, reason, wish, ends=ends)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] NAME")
@pass_call
def remove(call: Call, slug: str | None, name: str) -> CommandOutcome:
    """Remove a target and its variables; its ledger and its history stay."""
    from templedb_nb.model.listings import CommandOutcome

    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        found = call.app.targets.pick(project, None, name)
        call.app.targets.remove(project, found)
    return CommandOutcome(text=f"target {found.name} of {project.slug} is removed")


@commands.command()
@words("[PROJECT] [NAME]")
@pass_call
def test(call: Call, slug: str | None, name: str | None) -> Probe:
    """Connect, and show the server, role, latency, ledger, and what would block a run."""
    return call.app.overview.probe(call.choice(slug, name))


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] [NAME]")
@click.option("--reason", required=True, metavar="TEXT", help="The reason; recorded for good.")
@pass_call
def rebind(call: Call, slug: str | None, name: str | None, reason: str) -> CommandOutcome:
    """Confirm that a restored, cloned or replaced database is the right one."""
    project, found = call.app.selections.named(call.choice(slug, name))
    meant = found or call.app.targets.pick(project, None, None)
    call.app.runs.reconcile(anew=True)  # what died before is forgotten, too
    return call.app.locks.rebind(project, meant, reason)


@commands.command("ledger-sql")
@click.option("--role", metavar="ROLE", help="Also print the GRANTs for this role.")
@click.option("--upgrade", is_flag=True, help="Print the SQL that upgrades an older ledger.")
@pass_call
def ledger_sql(call: Call, role: str | None, *, upgrade: bool) -> Document:
    """Print the SQL that creates the ledger, for a role that may run it."""
    from templedb_nb.model.listings import Document
    from templedb_nb.targets.postgres.ledger.snapshot import ddl, grants, upgrades

    del call
    quoted = '"' + (role or "").replace('"', '""') + '"'
    made = upgrades() if upgrade else ddl()
    text = made + ("\n" + grants().replace(":role", quoted) if role else "")
    return Document(document=text)


def _checks(named: tuple[str, ...]) -> str:
    """Return the checks that words stand for, as a target keeps them."""
    from templedb_nb.core.config.target_checks import expanded, kept
    from templedb_nb.files.document import parse_document, read_document

    documents: list[object] = []
    for each in named:
        found = expanded(each)
        if found is None and each.startswith("@"):
            found = read_document(each[1:], sys.stdin)
        elif found is None:
            found = parse_document(each, "health.yaml")
        documents += found if isinstance(found, list) else [found]
    return kept(documents)


def _windows(named: tuple[str, ...], *, removed: bool) -> Rules:
    """Return the rules that words stand for."""
    from templedb_nb.core.windows.rules import typed
    from templedb_nb.files.document import read_document

    if named and removed:
        raise click.UsageError("--window and --no-windows exclude one another")
    return typed(
        read_document(each[1:], sys.stdin) if each.startswith("@") else each for each in named
    )


def _triggers(named: str) -> tuple[RollbackTrigger, ...]:
    """Return the ends of runs that roll back; none of them stands for what the config says."""
    from templedb_nb.model.rollback import RollbackTrigger

    words = [each.strip() for each in named.split(",") if each.strip()]
    known = [each.value for each in RollbackTrigger]
    if strange := [each for each in words if each not in known]:
        message = f"--rollback-on takes {', '.join(known)}, not {', '.join(strange)}"
        raise click.UsageError(message)
    return tuple(RollbackTrigger(each) for each in known if each in words)


def _typed(given: dict[str, Any]) -> dict[str, Any]:
    from templedb_nb.app.deploy.signatures import read_signers
    from templedb_nb.core.values.points_in_time import wait_s
    from templedb_nb.model.rollback import AfterFailure
    from templedb_nb.model.target import FindingLevel, OrderPolicy, TargetType

    kinds: dict[str, Any] = {"type": TargetType, "order_policy": OrderPolicy}
    kinds |= {"lint": FindingLevel, "drift": FindingLevel}
    kinds |= {"on_failure": AfterFailure, "cancel_policy": AfterFailure}
    kept = {key: value for key, value in given.items() if value is not None}
    if (expires := kept.pop("expires", None)) is not None:
        kept["approval_expires_s"] = int(wait_s(expires))
    if (named := kept.pop("approvers", None)) is not None:
        kept["approvers"] = tuple(each.strip() for each in named.split(",") if each.strip())
    if (named := kept.pop("rollback_on", None)) is not None:
        kept["rollback_on"] = _triggers(named)
    named, removed = kept.pop("health_checks", ()), kept.pop("no_health_checks", False)
    if named or removed:
        kept["health"] = _checks(named) if named else ""
    named, removed = kept.pop("windows", ()), kept.pop("no_windows", False)
    if named or removed:
        kept["windows"] = _windows(named, removed=removed)
    if (file := kept.get("signers")) is not None:
        kept["signers"] = read_signers(file) if file else ()
    return {key: kinds[key](value) if key in kinds else value for key, value in kept.items()}
