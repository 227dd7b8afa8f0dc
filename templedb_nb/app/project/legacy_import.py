"""Take projects over from the SQLite file of the older TempleDB, which is only read."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from templedb_nb.app.environment import Environment
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.variables import Variables
from templedb_nb.core.config import document
from templedb_nb.core.config.home_folder import expanded
from templedb_nb.core.migrations import legacy_templedb
from templedb_nb.core.secrets import masking
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.errors import TempleError, UnknownName, UsageProblem
from templedb_nb.files.ignore import built_in
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome
from templedb_nb.model.file import FileEntry
from templedb_nb.model.legacy_project import (
    OlderFile,
    OlderProject,
    OlderVariable,
    TakenOver,
    TakeOver,
)
from templedb_nb.model.project import Project
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import Target, TargetName
from templedb_nb.model.variable import Keeping
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.store import ContentStore, SettingsStore, Transactions
from templedb_nb.store.legacy_sqlite import read_projects

_NOTE = "from the older TempleDB"
_IMPORTED = "imported with the history of the older TempleDB"


class _NotKept(Exception):
    """Ends a session so that nothing of it stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LegacyImport:
    """The use case; what is here already stays as it is, so that it can be done again."""

    state: Transactions
    projects: Projects
    settings: SettingsStore
    content: ContentStore
    variables: Variables
    records: RecordStore
    system: Environment

    def take_over(
        self, file: Path, root: Path | None, slug: str | None, *, dry_run: bool
    ) -> TakeOver:
        """Take every project of *file* over, or the one of that slug; all of it or nothing."""
        found = self._found(file, root, slug)
        rows: list[TakenOver] = []
        with suppress(_NotKept), self.state.transaction():
            rows += [self._one(each, root, keep=not dry_run) for each in found]
            if dry_run:
                raise _NotKept
        return TakeOver(file=file.name, rows=tuple(rows), dry_run=dry_run)

    def _found(self, file: Path, root: Path | None, slug: str | None) -> tuple[OlderProject, ...]:
        found = read_projects(file, slug)
        if not found:
            known = [each.slug for each in read_projects(file)]
            what = f"no project {typed(slug)!r}" if slug else "no project"
            raise UnknownName(f"{file} has {what}", problems=known)
        if root is not None and len(found) > 1:
            message = f"{file} has {len(found)} projects, and {root} can be the folder of one"
            hint = f"name it: --slug {found[0].slug}"
            raise UsageProblem(message, hint=hint, problems=[each.slug for each in found])
        return found

    def _one(self, each: OlderProject, root: Path | None, *, keep: bool) -> TakenOver:
        left = list(each.left_out)
        project = self._project(each, root)
        release, files = self._files(project, each.files, left)
        chosen = self._config(project, each, left)
        targets = self._targets(project, each, left)
        return TakenOver(
            slug=project.slug,
            release=release,
            files=files,
            config=chosen,
            targets=targets,
            variables=tuple(self._variables(project, each, left, keep=keep)),
            runs=self._runs(project, each),
            histories=legacy_templedb.histories_of(each),
            left_out=tuple(left),
        )

    def _project(self, each: OlderProject, root: Path | None) -> Project:
        known = next((p for p in self.projects.all() if p.slug == each.slug), None)
        if known is not None:
            return known
        folder = str(expanded(root).absolute()) if root else each.folder
        slug = self.projects.slug(each.slug)
        made = Project(
            slug=slug, known_as=slug, root=folder or None, created_at=self.system.clock.now()
        )
        self.settings.keep_project(made)
        return made

    def _files(
        self, project: Project, files: tuple[OlderFile, ...], left: list[str]
    ) -> tuple[int, int]:
        if self.content.newest_tree(project.slug) is not None:
            left.append("files: the project has releases here already")
            return 0, 0
        entries = []
        with self.content.sink() as sink:
            for each in files:
                if why := _unfit(each.path):
                    left.append(f"{each.path}: {why}")
                    continue
                blob = Digest(hashlib.sha256(each.body).hexdigest())
                sink.write(each.body)
                sink.commit(blob, len(each.body))
                entries.append(FileEntry(path=each.path, blob=blob, size=len(each.body)))
        now, user = self.system.clock.now(), self.system.user()
        release, _ = self.content.keep_release(project.slug, entries, now, user)
        return release.number, len(entries)

    def _config(self, project: Project, each: OlderProject, left: list[str]) -> str:
        found, wrong = legacy_templedb.config_of(each)
        left += wrong
        if found is None:
            return ""
        if self.settings.config(project.slug) is not None:
            left.append("config: the project has one here already")
            return ""
        now, user = self.system.clock.now(), self.system.user()
        self.settings.keep_config(project.slug, document.document(found), now, user, _NOTE)
        return ", ".join(group.name for group in found.groups)

    def _targets(self, project: Project, each: OlderProject, left: list[str]) -> tuple[str, ...]:
        found, wrong = legacy_templedb.targets_of(each)
        left += wrong
        known = {target.name for target in self.settings.targets(project.slug)}
        new: list[Target] = [target for target in found if target.name not in known]
        for target in new:
            self.settings.keep_targets(project.slug, [target])
        return tuple(str(target.name) for target in new)

    def _variables(
        self, project: Project, each: OlderProject, left: list[str], *, keep: bool
    ) -> list[str]:
        kept = {(v.target or "", v.name) for v in self.settings.variables(project.slug)}
        told = []
        for variable in each.variables:
            if (variable.target, variable.name) in kept:
                continue
            kept.add((variable.target, variable.name))
            try:
                if keep:
                    self._keep(project, variable, _keeping(each, variable))
                told.append(" of ".join(filter(None, (variable.name, variable.target))))
            except TempleError as error:
                left.append(f"variable {variable.name}: {error.message}")
        return told

    def _keep(self, project: Project, variable: OlderVariable, keeping: Keeping) -> None:
        target = TargetName(variable.target) if variable.target else None
        self.variables.set(project, target, {variable.name: variable.value.reveal()}, keeping)

    def _runs(self, project: Project, each: OlderProject) -> int:
        """Fold the deployments into the history; one that nobody saw end blocks nothing here."""
        count, now, user = 0, self.system.clock.now(), self.system.user()
        for entries in legacy_templedb.runs_of(each, project.known_as):
            if self.records.events(entries[0].run):
                continue
            result = Result.of(entries)
            self.records.fold(entries, result)
            if result.outcome is Outcome.UNKNOWN:
                self.records.resolve(entries[0].run, now, user, _IMPORTED)
            count += 1
        return count


def _keeping(each: OlderProject, variable: OlderVariable) -> Keeping:
    """Return how a value is kept: what is not a secret by its looks would be masked everywhere."""
    value = variable.value.reveal()
    names = {each.slug, *(str(row["target_name"]) for row in each.targets), variable.target}
    return Keeping.PLAIN if masking.too_short(value) or value in names else Keeping.SEALED


def _unfit(path: str) -> str:
    """Return why a path cannot be one of a release, or nothing."""
    parts = path.split("/")
    if (
        path.startswith("/")
        or "\\" in path
        or "\0" in path
        or not {"", ".", ".."}.isdisjoint(parts)
    ):
        return "is not a path below the project"
    *folders, name = parts
    if built_in(name, folder=False) or any(built_in(each, folder=True) for each in folders):
        return "is never imported: it may hold secrets, or belongs to a tool"
    return ""
