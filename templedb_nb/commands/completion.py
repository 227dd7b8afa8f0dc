"""Names that complete a word, read from the state; never slow, never an error."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    import click

    from templedb_nb.commands.base import Call
    from templedb_nb.model.target import Target


def targets(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the targets of every project, or of the one in use."""
    call = _call(ctx)
    found: list[Target] = []
    with suppress(Exception):
        if call is not None:
            for project in call.app.projects.all():
                if call.project in {None, project.slug}:
                    found += call.app.settings.targets(project.slug)
    return [
        CompletionItem(each.name, help=f"{each.type}{', protected' * each.protected}")
        for each in found
        if each.name.startswith(incomplete)
    ]


def projects(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the projects."""
    call = _call(ctx)
    found = []
    with suppress(Exception):
        found = list(call.app.projects.all()) if call is not None else []
    return [
        CompletionItem(each.slug, help=each.root or "")
        for each in found
        if each.slug.startswith(incomplete)
    ]


def _call(ctx: click.Context) -> Call | None:
    from templedb_nb.commands.base import Call

    return ctx.find_object(Call)
