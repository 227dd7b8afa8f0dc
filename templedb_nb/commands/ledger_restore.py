"""migration restore-ledger: what a ledger lost, written again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Command, Effect, on_target, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.plan import Preview
    from templedb_nb.model.result import Result


@click.command("restore-ledger", cls=Command, effect=Effect.CHANGES)
@words("[PROJECT] [FILE …]")
@on_target
@click.option("--reason", default="", metavar="TEXT", help="The reason; recorded for good.")
@click.option("--dry-run", is_flag=True, help="Show the plan; execute nothing.")
@pass_call
def restore_ledger(
    call: Call,
    slug: str | None,
    files: tuple[str, ...],
    target: str | None,
    reason: str,
    *,
    dry_run: bool,
) -> Preview | Result:
    """Restore rows that the target's ledger lost, from this state's copy; no migration runs.

    For a ledger that somebody emptied, edited or dropped, while the objects of its migrations still
    exist. Each row is written as it was, with an event. The restore is a plan, and a protected
    target requires its approval. It is refused if the database is an older copy or another one: see
    target rebind. If only some migrations are still in effect, name them: FILE.

    \b
    Examples:
      templedb migration restore-ledger shop --target production --dry-run
      templedb migration restore-ledger shop --reason "002.sql truncated all tables"
    """
    from templedb_nb.app.deploy.runs import RunOptions

    if not (reason or dry_run):
        raise click.UsageError("say what damaged the ledger, with --reason")
    with call.app.selections.opened(call.choice(slug, target)) as opened:
        found = call.app.selections.reachable(opened)
        if dry_run:
            return call.app.ledger_restores.plan(found, files, reason)
        follow = call.followers
        wish = RunOptions(observers=follow.observers, planned=follow.planned)
        return call.app.ledger_restores.restore(found, files, reason, wish)
