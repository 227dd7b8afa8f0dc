"""Targets: where projects are deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Effect, group, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.listings import CommandOutcome, Document, TargetList, TargetShown
    from templedb_nb.model.result import Result
    from templedb_nb.model.target import Probe

TYPES = ("database", "edge_function", "static_site", "service")
LEVELS = ("block", "warn", "off")
ORDERS = ("non-linear", "linear", "linear-skip")
FIELDS = (
    click.option("--type", type=click.Choice(TYPES), help="What the target is; a label."),
    click.option("--provider", metavar="NAME", help="Who runs it."),
    click.option(
        "--host", metavar="HOST", help="Where it is; a label: DATABASE_URL is what counts."
    ),
    click.option("--region", metavar="NAME", help="Where that is."),
    click.option("--url", metavar="URL", help="Where people reach it."),
    click.option(
        "--protected/--no-protected", default=None, help="Run only plans that have an approval."
    ),
    click.option(
        "--approvals",
        type=click.IntRange(1),
        metavar="N",
        help="How many people must approve a plan; 1 on a protected target.",
    ),
    click.option("--approvers", metavar="A,B", help="Who may approve; '' means anybody."),
    click.option(
        "--self-approval/--no-self-approval",
        default=None,
        help="Whether who made a plan may approve it; not on a protected target.",
    ),
    click.option(
        "--expires", metavar="TIME", help="How long an approval counts: 4h; 0 is for good."
    ),
    click.option(
        "--signers",
        metavar="FILE",
        help="Who may sign: an allowed_signers file, taken in as it is now; '' takes it away.",
    ),
    click.option(
        "--signed/--no-signed", default=None, help="Count approvals only if they are signed."
    ),
    click.option(
        "--order-policy", type=click.Choice(ORDERS), help="What a migration out of order does."
    ),
    click.option(
        "--lint", type=click.Choice(LEVELS), help="What risky statements do to a plan; warn."
    ),
    click.option(
        "--drift",
        type=click.Choice(LEVELS),
        help="What changes of the database that no run made do to a plan; warn.",
    ),
)


def fields(function: Any) -> Any:
    """Declare what is said of a target."""
    for option in reversed(FIELDS):
        function = option(function)
    return function


@group("target")
def commands() -> None:
    """Say where a project is deployed, and test whether it can be."""


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
    how = f"templedb env set {project.slug} DATABASE_URL --target {made.name}"
    return CommandOutcome(
        text=f"target {made.name} of {project.slug} is added", also=(f"next: {how}",)
    )


@commands.command("list")
@words("[PROJECT]")
@pass_call
def list_(call: Call, slug: str | None) -> TargetList:
    """List the targets of a project."""
    from templedb_nb.model.listings import TargetList

    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        return TargetList(slug=project.slug, rows=call.app.targets.all(project))


@commands.command()
@words("[PROJECT] [NAME]")
@pass_call
def show(call: Call, slug: str | None, name: str | None) -> TargetShown:
    """Show a target and the names of its variables."""
    return call.app.overview.show(call.choice(slug, name))


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] [NAME]")
@fields
@click.option("--reason", default="", help="Why, where this lowers what target or ledger demand.")
@pass_call
def update(
    call: Call, /, slug: str | None, name: str | None, reason: str, **given: Any
) -> CommandOutcome:
    """Change what is said of a target; what is not named stays."""
    from templedb_nb.model.listings import CommandOutcome

    changed = _typed(given)
    if not changed:
        raise click.UsageError("name what is to change, such as --protected")
    made = call.app.policies.update(call.choice(slug, name), changed, reason)
    what = f"target {made.target.name} is changed: {', '.join(changed)}"
    return CommandOutcome(text=what, also=made.also)


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] [NAME]")
@click.option(
    "--from", "others", multiple=True, metavar="PROJECT", help="Whose policy; else everybody's."
)
@click.option("--ends", is_flag=True, help="End an exemption: the policy holds again.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept for good.")
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
    """Let a project off the policy of another one that has the same database.

    A run obeys the strictest policy that the ledger holds for any project. An exemption is a plan
    of its own, approved as the other project's policy demands, and an event in the ledger. It
    covers that policy as it stands; once that gets stricter, it holds again.

    \b
    Example:
      templedb target exempt reports production --from shop --reason "its own schema"
    """
    from templedb_nb.app.deploy.runs import RunOptions

    if not reason.strip():
        raise click.UsageError("--reason must say something")
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
    """Forget a target and its variables; its ledger and its history stay."""
    from templedb_nb.model.listings import CommandOutcome

    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        found = call.app.targets.pick(project, None, name)
        call.app.targets.remove(project, found)
    return CommandOutcome(text=f"target {found.name} of {project.slug} is forgotten")


@commands.command()
@words("[PROJECT] [NAME]")
@pass_call
def test(call: Call, slug: str | None, name: str | None) -> Probe:
    """Connect for real: server, role, latency, ledger, what stands in the way."""
    return call.app.overview.probe(call.choice(slug, name))


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] [NAME]")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept for good.")
@pass_call
def rebind(call: Call, slug: str | None, name: str | None, reason: str) -> CommandOutcome:
    """Say that a restored, cloned or exchanged database is the right one."""
    project, found = call.app.selections.named(call.choice(slug, name))
    meant = found or call.app.targets.pick(project, None, None)
    call.app.runs.reconcile(anew=True)  # what died before is forgotten, too
    return call.app.locks.rebind(project, meant, reason)


@commands.command("ledger-sql")
@click.option("--role", metavar="ROLE", help="Print the GRANTs for this role, too.")
@click.option("--upgrade", is_flag=True, help="Print what brings an earlier ledger up to date.")
@pass_call
def ledger_sql(call: Call, role: str | None, *, upgrade: bool) -> Document:
    """Print the SQL that creates the ledger, for a role that may."""
    from templedb_nb.model.listings import Document
    from templedb_nb.targets.postgres.ledger.snapshot import ddl, grants, upgrades

    del call
    quoted = '"' + (role or "").replace('"', '""') + '"'
    made = upgrades() if upgrade else ddl()
    text = made + ("\n" + grants().replace(":role", quoted) if role else "")
    return Document(document=text)


def _typed(given: dict[str, Any]) -> dict[str, Any]:
    from templedb_nb.app.deploy.signatures import read_signers
    from templedb_nb.core.values.points_in_time import wait_s
    from templedb_nb.model.target import FindingLevel, OrderPolicy, TargetType

    kinds: dict[str, Any] = {"type": TargetType, "order_policy": OrderPolicy}
    kinds |= {"lint": FindingLevel, "drift": FindingLevel}
    kept = {key: value for key, value in given.items() if value is not None}
    if (expires := kept.pop("expires", None)) is not None:
        kept["approval_expires_s"] = int(wait_s(expires))
    if (named := kept.pop("approvers", None)) is not None:
        kept["approvers"] = tuple(each.strip() for each in named.split(",") if each.strip())
    if (file := kept.get("signers")) is not None:
        kept["signers"] = read_signers(file) if file else ()
    return {key: kinds[key](value) if key in kinds else value for key, value in kept.items()}
