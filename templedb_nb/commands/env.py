"""Variables of projects and targets; secret unless said otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Command, Effect, group, on_target, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.listings import CommandOutcome, VariableList


@group("env")
def commands() -> None:
    """Store the values that deployments need: sealed, plain, or as references."""


VALUE_HINT = "give the value on standard input: templedb env set NAME < FILE"


class SecretWords(Command):
    """A command that takes a secret: what it does not know is never repeated, nor taken for one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse an option that is none, by its name alone."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name.split()[0]
            name = name if name.startswith("--") else "of that letter"
            also = "put a value that begins with a dash after --"
            message = f"there is no option {name}: {VALUE_HINT}; {also}"
            raise click.UsageError(message, ctx) from None


@commands.command("set", cls=SecretWords, effect=Effect.CHANGES, repeatable=True)
@words("[PROJECT] NAME [VALUE]", VALUE_HINT)
@on_target
@click.option("--plain", is_flag=True, help="Store the value unsealed: it is not a secret.")
@pass_call
def set_(
    call: Call, slug: str | None, name: str, value: str | None, target: str | None, *, plain: bool
) -> CommandOutcome:
    """Set a variable of a target, or of the whole project.

    Without VALUE, the value is read from standard input or asked for, so that it stays out of the
    shell's history. A reference (env:NAME, file:PATH) is stored as it is and read at each run. A
    template (template:TEXT) is filled for each target: {slug} is a label, {DB_PASSWORD} a variable.

    \b
    Examples:
      templedb env set shop DATABASE_URL --target production < url.txt
      templedb env set shop DATABASE_URL env:PROD_URL --target production
      templedb env set shop NODE_ENV production --plain
      templedb env set shop DATABASE_URL 'template:postgresql://app:{DB_PASSWORD}@{host}/{slug}'
    """
    from templedb_nb.core.config.environ import is_reference
    from templedb_nb.core.fleet.url_template import is_template
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.model.variable import Keeping

    bare, equals, _ = str(name).partition("=")
    _named(bare)
    if value is None and equals:
        raise click.UsageError(f"put a space between name and value: env set {bare} VALUE")
    open_ = value is not None and (plain or is_reference(value) or is_template(value))
    if value is not None and call.notebook and not open_:
        message = "a secret in a cell is saved with the notebook and its history"
        raise click.UsageError(
            f"{message}: leave out the value to be asked for it, or give a reference"
        )
    if value is None:
        value = call.ask_secret(str(name))
        if not value.strip():
            how = f"templedb env set {name} < FILE, or a reference: env:NAME, file:PATH"
            raise click.UsageError(f"the value of {name} on standard input is empty: {how}")
    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        where = call.app.targets.pick(project, None, target).name if target else None
        keeping = Keeping.PLAIN if plain else Keeping.SEALED
        doubts = call.app.addresses.checked(project, {str(name): value})
        (kept,) = call.app.variables.set(project, where, {str(name): value}, keeping)
    place = f"target {where}" if where else "all targets"
    text = f"{kept.name} is set for {place} of {project.slug} ({kept.keeping})"
    how = call.app.next_steps.after(project, where)
    return CommandOutcome(text=text, also=(*doubts, f"next: {how}"))


def _named(name: str) -> None:
    """Refuse what is not a name, without repeating it: it may be the value."""
    if not (name.isidentifier() and name.isascii()):
        raise click.UsageError(f"NAME is not a variable name: {VALUE_HINT}")


@commands.command(effect=Effect.CHANGES)
@words("[PROJECT] NAME", VALUE_HINT)
@on_target
@pass_call
def unset(call: Call, slug: str | None, name: str, target: str | None) -> CommandOutcome:
    """Remove a variable."""
    from templedb_nb.errors import UnknownName
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.model.target import TargetName

    _named(str(name))
    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        where = TargetName(target) if target else None
        if not call.app.settings.remove_variable(project.slug, where, str(name)):
            place = f"target {target}" if target else "the project itself"
            hint = f"templedb env list {project.slug}"
            raise UnknownName(f"{place} has no variable {name}", hint=hint)
    return CommandOutcome(text=f"{name} is removed")


@commands.command("list")
@words("[PROJECT]", VALUE_HINT)
@on_target
@pass_call
def list_(call: Call, slug: str | None, target: str | None) -> VariableList:
    """List the variables; secret values are never shown."""
    from templedb_nb.model.selection import Selection

    return call.app.overview.variable_list(
        Selection(project=call.choice(slug).project, target=target)
    )


@commands.command()
@words("[PROJECT]", VALUE_HINT)
@on_target
@pass_call
def check(call: Call, slug: str | None, target: str | None) -> CommandOutcome:
    """List the secret values that are too short or too common to be masked well; none is shown.

    \b
    Examples:
      templedb env check shop
      templedb env check shop --target production
    """
    from pathlib import Path

    from templedb_nb.model.listings import CommandOutcome

    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        where = call.app.targets.pick(project, None, target).name if target else None
        root = Path(project.root) if project.root else None
        told, count = call.app.variables.weak(project, where, root)
    text = f"{count - len(told)} of {count} secret values of {project.slug} are masked well"
    return CommandOutcome(text=text, also=tuple(f"warning: {each}" for each in told))


@commands.command("import", effect=Effect.CHANGES, repeatable=True)
@words("[PROJECT] FILE", VALUE_HINT)
@on_target
@click.option("--plain", is_flag=True, help="Store the values unsealed: they are not secrets.")
@pass_call
def import_(
    call: Call, slug: str | None, file: str, target: str | None, *, plain: bool
) -> CommandOutcome:
    """Set the variables of a .env file, all or none."""
    from templedb_nb.files.document import parse_env, read_text
    from templedb_nb.model.listings import CommandOutcome
    from templedb_nb.model.variable import Keeping

    pairs = parse_env(read_text(str(file), call.stdin), str(file))
    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        where = call.app.targets.pick(project, None, target).name if target else None
        keeping = Keeping.PLAIN if plain else Keeping.SEALED
        doubts = call.app.addresses.checked(project, pairs)
        kept = call.app.variables.set(project, where, pairs, keeping)
    names = ", ".join(each.name for each in kept)
    text = f"{len(kept)} variables are set for {where or project.slug}"
    return CommandOutcome(text=text, also=(names, *doubts))
