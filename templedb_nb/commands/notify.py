"""Notifications: who is told of deployments, and what waits to be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.env import SecretWords
from templedb_nb.commands.options import Effect, group, pass_call

if TYPE_CHECKING:
    from templedb_nb.model.listings import Coded, CommandOutcome
    from templedb_nb.model.receiver import ReceiverList, Sent

KINDS = ("webhook", "email", "slack", "apprise", "command")
SEVERITIES = ("info", "warning", "error", "critical")
IN_A_CELL = "a secret in a cell is saved with the notebook and its history"
named = click.argument("name", metavar="NAME", shell_complete=completion.receivers)


@group("notify")
def commands() -> None:
    """Notify people and programs of plans, approvals, runs and targets."""


@commands.command(cls=SecretWords, effect=Effect.CHANGES)
@click.argument("name", metavar="NAME")
@click.argument("kind", metavar="KIND", type=click.Choice(KINDS))
@click.argument("address", metavar="[ADDRESS]", required=False)
@click.option("--key", "keys", multiple=True, metavar="KEY",
              help="A signing key of a webhook: whsec_…, a reference, or new.")  # fmt: skip
@click.option("--from", "sender", metavar="ADDRESS", default="", help="The sender of e-mails.")
@click.option("--to", multiple=True, metavar="ADDRESS",
              help="Who gets the e-mails.")  # fmt: skip
@click.option("--channel", metavar="ID", default="",
              help="The Slack channel, if the address is a bot's token.")  # fmt: skip
@click.option("--public-only", is_flag=True,
              help="Refuse a webhook's host that has a private address.")  # fmt: skip
@click.option("--event", "events", multiple=True, metavar="KIND",
              help="A kind of event or a pattern: run.failed, rollback.*, *.")  # fmt: skip
@click.option("--project", "projects", multiple=True, metavar="PROJECT",
              shell_complete=completion.projects, help="Only this project.")  # fmt: skip
@click.option("-t", "--target", "targets", multiple=True, metavar="TARGET",
              shell_complete=completion.targets, help="Only this target.")  # fmt: skip
@click.option("--severity", type=click.Choice(SEVERITIES), default="info", show_default=True,
              help="The least severity that is sent.")  # fmt: skip
@pass_call
def add(  # noqa: PLR0913 - each is an option of the command, by name
    call: Call, name: str, kind: str, address: str | None, *, keys: tuple[str, ...], sender: str,
    to: tuple[str, ...], channel: str, public_only: bool, events: tuple[str, ...],
    projects: tuple[str, ...], targets: tuple[str, ...], severity: str,
) -> CommandOutcome:  # fmt: skip
    """Add a receiver, or replace the one of that name; it gets what happens from now on.

    ADDRESS is a secret. Without it, it is read from standard input or asked for. A reference
    (env:NAME, file:PATH) is stored as it is and read at each sending. What it must be: for webhook
    an http or https URL; for email smtp://USER:PASSWORD@HOST:587; for slack an incoming webhook
    or the token of a bot; for apprise one of its URLs; for command a command for bash.

    Without --event, a receiver gets requests for approval, begins and ends of runs, and every
    failure.

    \b
    Examples:
      templedb notify add ops webhook env:OPS_HOOK --key new
      templedb notify add team slack env:SLACK_TOKEN --channel C0123456789
      templedb notify add oncall email env:SMTP --from cd@example.com --to ops@example.com
      templedb notify add log command 'cat >> events.jsonl' --event '*'
    """
    from templedb_nb.app.notifications.receivers import ReceiverWish
    from templedb_nb.core.config.environ import is_reference
    from templedb_nb.core.notifications.parts import settings_of
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.model.notification import Urgency
    from templedb_nb.model.receiver import ReceiverFilter, ReceiverKind

    given = [each for each in (address, *keys) if each and each != "new"]
    if call.notebook and any(not is_reference(each) for each in given):
        raise click.UsageError(f"{IN_A_CELL}: leave it out to be asked, or give a reference")
    if call.notebook and "new" in keys:
        raise click.UsageError(
            "a key that is shown in a notebook is saved with it: make it in a terminal"
        )
    text = address or call.ask_secret(f"the address of {name}")
    if not text.strip():
        how = f"templedb notify add {name} {kind} < FILE, or a reference: env:NAME, file:PATH"
        raise click.UsageError(f"standard input has no address: {how}")
    wish = ReceiverWish(
        name=name,
        kind=ReceiverKind(kind),
        address=text.strip() if kind != "command" else text,
        keys=keys,
        settings=settings_of(sender=sender, to=to, channel=channel, public_only=public_only),
        filter=ReceiverFilter(
            events=events, projects=projects, targets=targets, urgency=Urgency(severity)
        ),
    )
    receiver, made = call.app.receivers.add(wish)
    also = [f"signing key, shown only now: {each}" for each in made]
    also += [f"try it: templedb notify test {receiver.name}"]
    return CommandOutcome(text=f"receiver {receiver.name} ({kind}) is added", also=tuple(also))


@commands.command("list")
@pass_call
def list_(call: Call) -> ReceiverList:
    """Show every receiver, what waits for it, and the newest dead letters."""
    return call.app.receivers.list()


@commands.command()
@named
@pass_call
def test(call: Call, name: str) -> Coded:
    """Send a test message to a receiver; the exit code is 69 if it is not accepted."""
    with call.output.working(f"sending to {name}"):
        return call.app.notifications.test(name)


@commands.command()
@click.option("--for", "within", default="30s", metavar="TIME", show_default=True,
              help="How long to try again what fails.")  # fmt: skip
@click.option("--due", is_flag=True,
              help="Try once, and only what is due after earlier failures: for cron.")  # fmt: skip
@click.option("--look", is_flag=True,
              help="First ask each target: runs that died elsewhere, old files.")  # fmt: skip
@pass_call
def send(call: Call, within: str, *, due: bool, look: bool) -> Sent:
    """Send everything that is owed: for cron, and as the last step of a CI job.

    The exit code is 0 also if receivers fail: what was not sent stays owed.
    """
    from templedb_nb.core.values.points_in_time import wait_s

    with call.output.working("sending"):
        return call.app.notifications.send(wait_s(within), due=due, look=look)


@commands.command(effect=Effect.CHANGES)
@click.argument("name", metavar="[NAME]", required=False, shell_complete=completion.receivers)
@click.option("--since", required=True, metavar="TIME",
              help="From when on: 2h, 7d, or a time such as 2026-11-01T10:00.")  # fmt: skip
@pass_call
def replay(call: Call, name: str | None, since: str) -> CommandOutcome:
    """Send again what happened since a moment, to one receiver or to all; the ids are the same."""
    return call.app.notifications.replay(since, name)


@commands.command(effect=Effect.CHANGES)
@named
@click.option("--resume", is_flag=True, help="Send again, first what was kept back.")
@pass_call
def pause(call: Call, name: str, *, resume: bool) -> CommandOutcome:
    """Keep back what a receiver is owed, until --resume; that also enables a disabled one."""
    from templedb_nb.model.listings import CommandOutcome

    receiver = call.app.receivers.pause(name, resume=resume)
    told = "gets what it is owed" if resume else "is paused; what happens is kept for it"
    return CommandOutcome(text=f"receiver {receiver.name} {told}")


@commands.command(effect=Effect.CHANGES)
@named
@pass_call
def remove(call: Call, name: str) -> CommandOutcome:
    """Remove a receiver, and what it is owed."""
    from templedb_nb.model.listings import CommandOutcome

    receiver = call.app.receivers.remove(name)
    return CommandOutcome(text=f"receiver {receiver.name} is removed")
