"""Names that complete a word, read from the state; never slow, never an error.

What is told of a name has no comma: fish takes what follows one for something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from templedb_nb.commands.base import Call
    from templedb_nb.model.project import Project

Named = Iterable[tuple[str, str]]
RECENT = 30


def targets(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the targets of every project, or of the one that is meant."""
    return _items(ctx, incomplete, _targets)


def projects(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the projects."""
    return _items(ctx, incomplete, _projects)


def groups(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the groups of the project that is meant."""
    return _items(ctx, incomplete, _groups)


def runs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete recent runs, the newest first."""
    return _items(ctx, incomplete, _runs)


def plans(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete recent plans, the newest first, and the names of files."""
    found = _items(ctx, incomplete, _plans)
    return found or [CompletionItem(incomplete, type="file")]


def databases(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the variables that hold addresses of the project's databases."""
    return _items(ctx, incomplete, _databases)


def expectations(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete what an answer may be expected to be."""
    return [CompletionItem(n, help=told) for n, told in _EXPECTED if n.startswith(incomplete)]


def words(metavar: str) -> Callable[..., list[CompletionItem]]:
    """Return what completes the bare words of a command: its project, then what *metavar* says."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        given = [word for word in ctx.params.get("words") or () if word != incomplete]
        found = [] if given else _items(ctx, incomplete, _projects)
        named = metavar.replace("[", "").replace("]", "").split()
        for word in named:
            if source := _SOURCES.get(word):
                found += _items(ctx, incomplete, source)
            elif word == "NAME":
                named_by = {"target": _targets, "env": _variables}.get(_noun(ctx))
                found += _items(ctx, incomplete, named_by) if named_by else []
            elif word == "FILE" and "VALUE" not in named and _noun(ctx) == "migration":
                found += _items(ctx, incomplete, _migrations)
            elif word == "FILE":
                found.append(CompletionItem(incomplete, type="file"))
        return found

    return complete


def _noun(ctx: click.Context) -> str:
    return (ctx.parent.info_name or "") if ctx.parent else ""


def _items(
    ctx: click.Context, incomplete: str, source: Callable[[Call, click.Context], Named]
) -> list[CompletionItem]:
    from templedb_nb.commands.base import Call

    call = ctx.find_object(Call)
    found: list[tuple[str, str]] = []
    with suppress(Exception):
        if call is not None and call.app.state.path.exists():
            found = list(source(call, ctx))
    return [CompletionItem(name, help=told) for name, told in found if name.startswith(incomplete)]


def _chosen(call: Call, ctx: click.Context) -> list[Project]:
    """Return the projects that may be meant: the one that was named, or in use, or all."""
    given = set(ctx.params.get("words") or ())
    every = list(call.app.projects.all())
    named = [each for each in every if each.slug in given]
    used = [each for each in every if each.slug == call.project]
    return named or used or every


def _projects(call: Call, _: click.Context) -> Named:
    return [(each.slug, each.root or "without a folder") for each in call.app.projects.all()]


def _targets(call: Call, ctx: click.Context) -> Named:
    for project in _chosen(call, ctx):
        for each in call.app.settings.targets(project.slug):
            protected = "protected " if each.protected else ""
            yield each.name, f"{protected}{each.type} of {project.slug}"


def _groups(call: Call, ctx: click.Context) -> Named:
    for project in _chosen(call, ctx):
        release = call.app.projects.release(project, None)
        for each in call.app.configs.current(project, release).config.groups:
            yield each.name, f"group of {project.slug}"


def _migrations(call: Call, ctx: click.Context) -> Named:
    from templedb_nb.core.tracking import migrations

    for project in _chosen(call, ctx):
        release = call.app.projects.release(project, None)
        config = call.app.configs.current(project, release).config
        for group in migrations(config, release.files):
            for each in group.files:
                yield each.path, f"migration of {project.slug}"


def _variables(call: Call, ctx: click.Context) -> Named:
    for project in _chosen(call, ctx):
        for each in call.app.settings.variables(project.slug):
            yield each.name, f"{each.keeping} of {each.target or project.slug}"


def _runs(call: Call, _: click.Context) -> Named:
    from templedb_nb.model.history import Filter

    for project in call.app.projects.all():
        for each in call.app.memory.runs(project.slug, None, Filter(last=RECENT)):
            outcome = each.outcome.value if each.outcome else "running"
            when = f"{each.started_at:%d %b %H:%M}"
            yield each.run, f"{outcome}: {each.slug} to {each.target} on {when}"


def _plans(call: Call, _: click.Context) -> Named:
    return [
        (each[:12], f"{slug} to {target} on {at:%d %b %H:%M}")
        for each, slug, target, at in call.app.memory.recent_plans(RECENT)
    ]


def _databases(call: Call, ctx: click.Context) -> Named:
    from templedb_nb.core.groups import databases

    for project in _chosen(call, ctx):
        release = call.app.projects.release(project, None)
        for each in databases(call.app.configs.current(project, release).config):
            yield each, f"database of {project.slug}"


_EXPECTED = (
    ("true", "one row with one value that is true"),
    ("false", "one row with one value that is false"),
    ("empty", "no row"),
    ("rows", "one row or more"),
    ("rows=1", "so many rows; also >= > < <= !="),
    ("0", "one row with that value; any text may stand here"),
)
_SOURCES: dict[str, Callable[[Call, click.Context], Named]] = {
    "RUN": _runs,
    "PLAN": _plans,
    "OLD": _migrations,
    "NEW": _migrations,
}
