"""Names that complete a word, read from the state; never slow, never an error.

What is told of a name has no comma: fish takes what follows one for something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from templedb_nb.commands.context import Call
from templedb_nb.model.selection import LAST

if TYPE_CHECKING:
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
    return found or files(ctx, _, incomplete)


def migrations(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the migrations of the project that is meant."""
    return _items(ctx, incomplete, _migrations)


def releases(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the releases of the project that is meant, the newest first."""
    return _items(ctx, incomplete, _releases)


def variables(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the variables of the project that is meant."""
    return _items(ctx, incomplete, _variables)


def receivers(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the receivers of notifications."""
    return _items(ctx, incomplete, _receivers)


def files(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave the names of files to the shell, or to the notebook."""
    return [CompletionItem(incomplete, type="file")]


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
        for each in call.app.targets.all(project):
            protected = "protected " if each.protected else ""
            yield each.name, f"{protected}{each.type} of {project.slug}"


def _groups(call: Call, ctx: click.Context) -> Named:
    for project in _chosen(call, ctx):
        release = call.app.projects.release(project, None)
        for each in call.app.configs.current(project, release).config.groups:
            yield each.name, f"{each.kind} group of {project.slug}"


def _migrations(call: Call, ctx: click.Context) -> Named:
    from templedb_nb.core.migrations.status import migrations

    for project in _chosen(call, ctx):
        release = call.app.projects.release(project, None)
        config = call.app.configs.current(project, release).config
        for group in migrations(config, release.files):
            for each in group.files:
                yield each.path, f"migration of {project.slug}"


def _variables(call: Call, ctx: click.Context) -> Named:
    for project in _chosen(call, ctx):
        own = call.app.settings.variables(project.slug)
        file = call.app.targets.current(project).file
        kept = {(each.target, each.name) for each in own}
        there = [e for e in (file.variables if file else ()) if (e.target, e.name) not in kept]
        for each in (*own, *there):
            yield each.name, f"{each.keeping} of {each.target or project.slug}"


def _receivers(call: Call, _: click.Context) -> Named:
    return [(each.name, each.kind.value) for each in call.app.notices.receivers()]


def _releases(call: Call, ctx: click.Context) -> Named:
    for project in _chosen(call, ctx):
        for number, _, files, _, made_at, _ in call.app.content.releases(project.slug)[:RECENT]:
            yield str(number), f"{project.slug}: {files} files; {_ago(call, made_at)}"


def _runs(call: Call, _: click.Context) -> Named:
    from templedb_nb.model.history import Filter

    yield LAST, "the newest run"
    for project in call.app.projects.all():
        for each in call.app.records.runs(project.slug, None, Filter(last=RECENT)):
            outcome = each.outcome.value if each.outcome else "running"
            when = f"{each.started_at:%d %b %H:%M}"
            yield each.run, f"{outcome}: {each.slug} to {each.target} on {when}"


def _plans(call: Call, _: click.Context) -> Named:
    return [
        (each[:12], f"{slug} to {target}; planned {_ago(call, at)}")
        for each, slug, target, at in call.app.records.recent_plans(RECENT)
    ]


def _databases(call: Call, ctx: click.Context) -> Named:
    from templedb_nb.core.config.groups import databases

    for project in _chosen(call, ctx):
        release = call.app.projects.release(project, None)
        for each in databases(call.app.configs.current(project, release).config):
            yield each, f"database of {project.slug}"


def _ago(call: Call, at: datetime) -> str:
    seconds = max(0, int((call.app.system.clock.now() - at).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return "just now"


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


# --- options whose own words say what fits ------------------------------------------------------

MEANT = {
    "succeeded": "every step took effect",
    "failed": "a step failed",
    "cancelled": "somebody cancelled it",
    "timed_out": "a step took too long",
    "unknown": "its outcome is not known",
    "running": "it has not ended",
    "applied": "it is in effect",
    "reverted": "it was rolled back",
    "in_doubt": "a person must look at it",
    "database": "migrations are applied to it",
    "edge_function": "code that others run",
    "static_site": "files that others serve",
    "service": "a program that runs",
    "non-linear": "apply a late file and say so",
    "linear": "refuse a late file",
    "linear-skip": "leave a late file and say so",
    "all": "one row a target",
    "day": "one row a day",
    "week": "one row a week",
    "month": "one row a month",
    "json": "as JSON",
    "yaml": "as YAML",
    "bash": "for ~/.bashrc",
    "zsh": "for a folder of $fpath",
    "fish": "for ~/.config/fish/completions",
}
"""What the words of fixed sets mean."""

_WHEN = (
    ("1h", "the last hour"),
    ("24h", "the last day"),
    ("7d", "the last week"),
    ("30d", "the last thirty days"),
)
_TIME = (("30s", "30 seconds"), ("5m", "5 minutes"), ("15m", "15 minutes"), ("1h", "an hour"))


class MeaningChoice(click.Choice[str]):
    """A word of a fixed set, which completes with what it means."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete the words that begin so."""
        del ctx, param
        words = [each for each in self.choices if each.startswith(incomplete)]
        return [CompletionItem(each, help=MEANT.get(each, "")) for each in words]


class DescribedText(click.types.StringParamType):
    """A text that completes by what its option calls it."""

    def __init__(self, source: Callable[..., list[CompletionItem]]) -> None:
        """Complete from *source*."""
        self._source = source

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete what begins so."""
        return self._source(ctx, param, incomplete)


def _fixed(said: Named) -> Callable[..., list[CompletionItem]]:
    def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(n, help=told) for n, told in said if n.startswith(incomplete)]

    return complete


def attach(command: click.Command) -> None:
    """Let every option complete that takes words of a set, files, moments or names."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            attach(each)
        return
    for option in command.params:
        source = _BY_METAVAR.get(option.metavar or "")
        if isinstance(option.type, click.Choice):
            option.type = MeaningChoice(option.type.choices)
        elif source and option.type is click.STRING:
            option.type = DescribedText(source)


_BY_METAVAR: dict[str, Callable[..., list[CompletionItem]]] = {
    "FILE": files,
    "RUN": runs,
    "PROJECT": projects,
    "NAME[=VALUE]": variables,
    "WHEN": _fixed(_WHEN),
    "TIME": _fixed(_TIME),
}
