"""The script that makes a shell complete the words of templedb."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from templedb_nb.commands.options import Command

if TYPE_CHECKING:
    from templedb_nb.model.listings import Document


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def complete(context: click.Context, shell: str) -> Document:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from templedb_nb.model.listings import Document

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click knows the three shells
    return Document(
        document=found(context.find_root().command, {}, "templedb", "_TEMPLEDB_COMPLETE").source()
    )
