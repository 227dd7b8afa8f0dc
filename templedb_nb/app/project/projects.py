"""Projects: imported once, synced at every plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from templedb_nb.app.environment import Environment
from templedb_nb.core.config.home_folder import expanded
from templedb_nb.core.migrations.layouts import overlooked
from templedb_nb.core.migrations.waiting_files import waiting_files
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.core.values.schema import nearest
from templedb_nb.errors import Ambiguous, ConfigError, FilesError, UnknownName, UsageProblem
from templedb_nb.model.config import PendingAlert
from templedb_nb.model.file import FileStamp
from templedb_nb.model.project import Changes, Project, Release, Slug, Synced
from templedb_nb.model.waiting_files import WaitingFiles
from templedb_nb.ports.store import BlobSink, ContentStore, SettingsStore, Transactions

if TYPE_CHECKING:
    from templedb_nb.files.scan import Scan

SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Projects:
    """Use cases around a project and its releases."""

    def __init__(
        self,
        state: Transactions,
        settings: SettingsStore,
        content: ContentStore,
        system: Environment,
        reserved: Callable[[], frozenset[str]],
    ) -> None:
        """Keep projects in *state*; no slug may be one of the *reserved* words."""
        self._state = state
        self._settings = settings
        self._content = content
        self._system = system
        self._reserved = reserved

    def all(self) -> tuple[Project, ...]:
        """Return every project, by slug."""
        return self._settings.projects()

    def pick(self, named: str | None) -> Project:
        """Return the project of that slug, or the only one there is."""
        projects = self.all()
        slugs = [project.slug for project in projects]
        if named is not None:
            found = next((each for each in projects if each.slug == named), None)
            if found is None:
                message = f"there is no project {typed(named)!r}{nearest(named, slugs)}"
                hint = (
                    "templedb project list" if slugs else "templedb project import PATH --slug NAME"
                )
                raise UnknownName(message, hint=hint, problems=slugs)
            return found
        if len(projects) == 1:
            return projects[0]
        if not projects:
            raise UnknownName("there is no project yet", hint="templedb project import PATH")
        hint = "name one of them, or set TEMPLEDB_PROJECT"
        raise Ambiguous("which project?", hint=hint, problems=slugs)

    def import_(self, path: Path, slug: str | None, known_as: str | None) -> Synced:
        """Take a folder's files in, under *slug*; importing it again syncs it."""
        root = expanded(path).absolute()
        if not root.is_dir():
            raise FilesError(f"{root} is not a folder", hint="name the project's root folder")
        chosen = self.slug(slug or root.name)
        old = next((each for each in self.all() if each.slug == chosen), None)
        if old and old.root and Path(old.root) != root and Path(old.root).is_dir():
            message = f"project {chosen} is imported already, from {old.root}"
            raise ConfigError(message, hint=f"templedb project import {path} --slug ANOTHER")
        project = Project(
            slug=chosen,
            known_as=known_as or (old.known_as if old else chosen),
            root=str(root),
            created_at=old.created_at if old else self._system.clock.now(),
        )
        return self._sync(project)

    def sync(self, project: Project, known_as: str | None = None) -> Synced:
        """Take in what changed in the project's folder."""
        if known_as:
            project = replace(project, known_as=known_as)
        if project.root is None or not Path(project.root).is_dir():
            hint = f"templedb project import PATH --slug {project.slug}, or deploy with --no-sync"
            raise FilesError(f"the folder of {project.slug} is gone: {project.root}", hint=hint)
        return self._sync(project)

    def seen(self, project: Project) -> tuple[str, ...]:
        """Sync a project whose folder is here, and return what was not read, with the reasons."""
        here = project.root is not None and Path(project.root).is_dir()
        return self.sync(project).left_out if here else ()

    def release(self, project: Project, number: int | None) -> Release:
        """Return a stored release: that of *number*, or the newest."""
        if number is not None:
            return self._content.release(project.slug, number)
        newest = self._content.newest(project.slug)
        if newest is None:
            hint = f"templedb project sync {project.slug}"
            raise UnknownName(f"project {project.slug} has no release yet", hint=hint)
        return newest

    def same_release(self, project: Project, number: int, tree: str) -> Release | None:
        """Return the release of that number, unless it is another one here, or none.

        A bundle comes from a state that counts releases of its own. An empty *tree* is not known.
        """
        try:
            found = self.release(project, number)
        except UnknownName:
            return None
        return found if tree in {"", found.tree} else None

    def waiting_files(
        self,
        project: Project,
        target: str,
        alert: PendingAlert,
        pending: Sequence[str],
        changed: Sequence[str] = (),
    ) -> WaitingFiles | None:
        """Return those of a target's *pending* files that have waited for too long, if any.

        Those that *changed* since they were applied, and run again, wait since they have this text.
        """
        after_s = alert.of(target)
        if not pending or not after_s:
            return None
        first = self._content.first_releases(project.slug, pending, changed)
        return waiting_files(pending, first, after_s, self._system.clock.now())

    def remove(self, project: Project, *, sure: bool) -> Project:
        """Forget a project; its history and the ledgers of its targets stay."""
        if not sure and (self._settings.targets(project.slug) or self._has_variables(project)):
            message = (
                f"project {project.slug} has targets or variables; removing it would delete them"
            )
            raise UsageProblem(message, hint=f"templedb project remove {project.slug} --yes")
        self._settings.remove_project(project.slug)
        return project

    def _has_variables(self, project: Project) -> bool:
        return bool(self._settings.variables(project.slug))

    def slug(self, text: str) -> Slug:
        """Return *text* as a slug, or raise `UsageProblem` with why it is none."""
        if text in self._reserved():
            raise UsageProblem(f"{text!r} is a command's name", hint="choose another with --slug")
        if not SLUG.fullmatch(text):
            hint = "a slug may hold only letters, digits, _ . -; choose one with --slug"
            raise UsageProblem(f"{text!r} is not a slug", hint=hint)
        return Slug(text)

    def _sync(self, project: Project) -> Synced:
        root = Path(project.root or "")
        with self._state.transaction():
            known, known_at = self._content.known(project.slug)
            began = int(self._system.clock.now().timestamp() * 1e9)
            with self._content.sink() as sink:
                scan = _scanned(root, known, sink, known_at)
            self._settings.keep_project(project)
            newest = self._content.newest_tree(project.slug)
            differs = Changes()
            if newest is None or scan.fresh or len(scan.files) != len(known):
                self._content.keep_scan(project.slug, known, scan.files, began)
                files = [seen.entry for seen in scan.files]
                now, user = self._system.clock.now(), self._system.user()
                release, differs = self._content.keep_release(project.slug, files, now, user)
                newest = release.number, release.tree
        return Synced(
            project=project,
            release=newest[0],
            tree=newest[1],
            files=len(scan.files),
            size=sum(each.size for each in scan.files),
            changes=differs,
            left_out=tuple(f"{each.path}: {each.reason}" for each in scan.skipped),
            overlooked=overlooked.by_letters(each.path for each in scan.files),
        )


def _scanned(root: Path, known: Mapping[str, FileStamp], sink: BlobSink, known_at: int) -> Scan:
    from templedb_nb.files.scan import Unreadable, scan

    try:
        return scan(root, known, sink, known_at_ns=known_at)
    except Unreadable as error:
        problems = [f"{each.path}: {each.reason}" for each in error.problems]
        message = f"{len(problems)} of the files below {root} cannot be stored; nothing was stored"
        hint = "make them readable, or name them in .templedbignore"
        raise FilesError(message, hint=hint, problems=problems) from None
