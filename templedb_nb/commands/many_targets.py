"""Targets in numbers: their labels, and files of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Command, Effect, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.model.target_import import TargetImport


@click.command(cls=Command, effect=Effect.CHANGES)
@words("[PROJECT] NAME [LABEL …]")
@pass_call
def label(call: Call, slug: str | None, name: str, labels: tuple[str, ...]) -> CommandOutcome:
    """Set labels of a target (KEY=VALUE), or remove them (KEY-); the others stay.

    A key begins with a lower-case letter, then has lower-case letters, digits and _ . -. The keys
    provider, host, region and url are the fields of the target.

    \b
    Examples:
      templedb target label shop acme tier=gold region=eu
      templedb target label shop acme trial-
    """
    from templedb_nb.model.listings import CommandOutcome

    if not labels:
        raise click.UsageError("LABEL is missing: KEY=VALUE sets one, KEY- removes one")
    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        target = call.app.targets.pick(project, None, str(name))
        made = call.app.targets.label(project, target, labels)
    told = ", ".join(f"{key}={value}" for key, value in made.labels.items())
    text = f"the labels of target {made.name} are changed"
    return CommandOutcome(text=text, also=(told,) if told else ())


@click.command("import", cls=Command, effect=Effect.CHANGES, repeatable=True)
@words("[PROJECT] FILE")
@click.option("--dry-run", is_flag=True, help="Show what would change; store nothing.")
@click.option(
    "--remove-gone", is_flag=True,
    help="Remove the targets that an earlier file added and FILE does not name.",
)  # fmt: skip
@click.option(
    "--where", metavar="SELECTOR",
    help="Which targets FILE speaks for: others are not gone if it does not name them.",
)  # fmt: skip
@pass_call
def import_(
    call: Call,
    /,
    slug: str | None,
    file: str,
    where: str | None,
    *,
    dry_run: bool,
    remove_gone: bool,
) -> TargetImport:
    """Add and change targets by a file: CSV with a header, or JSON; all of them or none.

    The column `name` is required. The columns type, provider, host, region, url and protected set
    these fields; a column in upper case, such as DATABASE_URL, is a variable and has references
    (env:NAME, file:PATH); every other column is a label. An empty cell removes a label. What the
    file has no column for stays as it is. FILE may be - for standard input.

    \b
    Examples:
      templedb target import shop tenants.csv --dry-run
      templedb target import shop eu.csv --where region=eu --remove-gone
    """
    from templedb_nb.app.fleet.target_imports import ImportOptions
    from templedb_nb.files.document import STDIN, read_text

    text = read_text(str(file), call.stdin)
    options = ImportOptions(dry_run=dry_run, remove_gone=remove_gone, where=where)
    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        shown = "standard input" if file == STDIN else str(file)
        return call.app.target_imports.carry_out(project, text, shown, options)
