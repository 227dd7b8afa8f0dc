"""Projects: what is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from templedb_nb.commands import completion
from templedb_nb.commands.context import Call
from templedb_nb.commands.options import Effect, group, pass_call, words

if TYPE_CHECKING:
    from templedb_nb.model.legacy_project import TakeOver
    from templedb_nb.model.listings import (
        CommandOutcome,
        FileList,
        ProjectList,
        ProjectRow,
        ProjectShown,
    )
    from templedb_nb.model.project import Project, Synced


@group("project")
def commands() -> None:
    """Import projects, sync them with their folders, show them."""


@commands.command("import", effect=Effect.CHANGES, repeatable=True)
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--slug", metavar="NAME", help="The project's name. Default: the folder's name.")
@click.option("--known-as", metavar="NAME", help="The project's name in existing ledgers.")
@click.option("--from-templedb", "older", metavar="FILE",
              type=click.Path(path_type=Path, dir_okay=False),
              help="Import from this SQLite file of the older TempleDB.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="With --from-templedb: show what would be imported.")
@pass_call
def import_(
    call: Call,
    /,
    path: Path | None,
    slug: str | None,
    known_as: str | None,
    *,
    older: Path | None,
    dry_run: bool,
) -> Synced | TakeOver:
    """Import the folder PATH as a project.

    .gitignore and .templedbignore are honoured; .env files are left out. Importing a folder again
    stores what changed.

    --from-templedb imports projects, configs, targets, variables and deployment history from that
    file, for all its projects or the one that --slug names. PATH is where the project's files are
    now. To import what a target has applied: templedb migration import --from templedb --file FILE.

    \b
    Examples:
      templedb project import ./woofs --slug woofs_projects
      templedb project import --from-templedb ~/.local/share/templedb/templedb.sqlite --dry-run
    """
    from dataclasses import replace

    if older is not None:
        with call.output.working(f"importing {older}"):
            return call.app.legacy_import.take_over(older, path, slug, dry_run=dry_run)
    if path is None or dry_run:
        raise click.UsageError("name the project's folder, PATH, or --from-templedb FILE")
    with call.output.working(f"importing the files of {path}"):
        synced = call.app.projects.import_(path, slug, known_as)
    return replace(synced, next=call.app.next_steps.after(synced.project))


@commands.command(effect=Effect.CHANGES, repeatable=True)
@words("[PROJECT]")
@click.option("--known-as", metavar="NAME", help="The project's name in existing ledgers.")
@pass_call
def sync(call: Call, slug: str | None, known_as: str | None) -> Synced:
    """Store what changed in the project's folder as a new release."""
    project = call.app.projects.pick(call.choice(slug).project)
    with call.output.working(f"syncing {project.slug}"):
        return call.app.projects.sync(project, known_as)


@commands.command("list")
@pass_call
def list_(call: Call) -> ProjectList:
    """List the projects."""
    from templedb_nb.model.listings import ProjectList

    with call.app.state.transaction():
        return ProjectList(rows=tuple(_row(call, each) for each in call.app.projects.all()))


@commands.command()
@words("[PROJECT]")
@pass_call
def show(call: Call, slug: str | None) -> ProjectShown:
    """Show a project, its newest releases and its targets."""
    from templedb_nb.model.listings import ProjectShown, ReleaseRow

    app = call.app
    with app.state.transaction():
        project = app.projects.pick(call.choice(slug).project)
        releases = [
            ReleaseRow(number=n, tree=tree, files=files, size=size, made_at=at, made_by=by)
            for n, tree, files, size, at, by in app.content.releases(project.slug)[:10]
        ]
        current = app.targets.current(project)
        return ProjectShown(
            row=_row(call, project),
            config=current.origin,
            releases=tuple(releases),
            targets=app.targets.all(project, current),
        )


@commands.command()
@words("[PROJECT]")
@click.option("--release", type=int, metavar="N", shell_complete=completion.releases,
              help="The release. Default: the newest.")  # fmt: skip
@pass_call
def files(call: Call, slug: str | None, release: int | None) -> FileList:
    """List the files of a release."""
    from templedb_nb.model.listings import FileList, FileRow

    with call.app.state.transaction():
        project = call.app.projects.pick(call.choice(slug).project)
        found = call.app.projects.release(project, release)
    rows = [
        FileRow(path=f.path, size=f.size, executable=f.executable, blob=f.blob) for f in found.files
    ]
    return FileList(slug=project.slug, release=found.number, rows=tuple(rows))


@commands.command(effect=Effect.CHANGES)
@words("PROJECT")
@click.option("--yes", is_flag=True, help="Also remove its targets and variables.")
@pass_call
def remove(call: Call, slug: str, *, yes: bool) -> CommandOutcome:
    """Remove a project; its history and its targets' ledgers stay."""
    from templedb_nb.model.listings import CommandOutcome

    with call.app.state.transaction():
        removed = call.app.projects.remove(call.app.projects.pick(slug), sure=yes)
    also = ("its history and the ledgers of its targets stay",)
    return CommandOutcome(text=f"project {removed.slug} is removed", also=also)


def _row(call: Call, project: Project) -> ProjectRow:
    from templedb_nb.model.listings import ProjectRow

    releases = call.app.content.releases(project.slug)
    newest = releases[0] if releases else None
    return ProjectRow(
        project=project,
        release=newest[0] if newest else None,
        files=newest[2] if newest else 0,
        size=newest[3] if newest else 0,
        synced_at=newest[4] if newest else None,
        targets=len(call.app.settings.targets(project.slug)),
    )
