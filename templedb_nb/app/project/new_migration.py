"""New migrations: checked, then written into the project's folder under the next free name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from templedb_nb.app.environment import Environment
from templedb_nb.app.project.configs import Configs
from templedb_nb.app.project.projects import Projects
from templedb_nb.core.migrations import status
from templedb_nb.core.migrations.layouts import recognise
from templedb_nb.core.migrations.layouts.liquibase import changesets
from templedb_nb.core.migrations.naming import NewPaths, in_manner, manner, named
from templedb_nb.core.migrations.script import Script, read_script
from templedb_nb.core.migrations.status import GroupMigrations
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.core.values.schema import nearest
from templedb_nb.engine.observe import Reader
from templedb_nb.errors import Ambiguous, ConfigError, FilesError, UnknownName, writing
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.layout import Reading
from templedb_nb.model.listings import CommandOutcome
from templedb_nb.model.project import Project

DOWN = "-- templedb:down\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMigration:
    """A migration that is to be written; an empty `body` is a template to fill in."""

    name: str
    body: str = ""
    group: str | None = None
    folder: str | None = None
    down: bool = False


class NewMigrations:
    """Use cases that write files of a project."""

    def __init__(
        self, projects: Projects, configs: Configs, reader: Reader, system: Environment
    ) -> None:
        """Write into the folders of *projects*."""
        self._projects = projects
        self._configs = configs
        self._reader = reader
        self._system = system

    def new(self, project: Project, wanted: NewMigration) -> CommandOutcome:
        """Write a migration behind all others of its group; what is there is never replaced."""
        self._projects.sync(project)  # a number that was given by hand since counts, too
        release = self._projects.release(project, None)
        config = self._configs.current(project, release).config
        found = self._reader.observe(config, release.files, status.NO_LEDGERS).migrations
        group = _group(project, found, wanted.group)
        self._refuse_foreign(group, release.paths)
        name, texts = self._drafted(group, wanted)
        root = Path(project.root or "")
        for path, text in texts:
            _write(root, path, text)
        script = read_script(texts[0][1].encode())
        also = [f"line {each.line}: {each.message}" for each in script.warnings]
        if name is not None and name.before:
            also.append(f"it sorts before {name.before}: rename it so that it comes last")
        also.append(f"next: templedb deploy run {project.slug} --dry-run")
        paths = [path for path, _ in texts]
        data = {"path": paths[0], "down": "".join(paths[1:]), "group": group.group.name}
        return CommandOutcome(text=f"{' and '.join(paths)} written", also=tuple(also), data=data)

    def _drafted(
        self, group: GroupMigrations, wanted: NewMigration
    ) -> tuple[NewPaths | None, list[tuple[str, str]]]:
        """Return the files, in the style of the tool whose folder it is, or in the plain one."""
        now, reading = self._system.clock.now(), manner(group)
        if reading is None:
            name = named(group, wanted.name, wanted.folder, now)
            return name, _texts(wanted, name, group)
        asked = (wanted.name, _body(wanted), wanted.down)
        texts = in_manner(group, reading.layout, asked, wanted.folder, now)
        if reading.part:
            part = next(each.part for each in changesets(texts[0][1]))
            reading = replace(reading, part=part, repeatable=False, opaque="")
        _refuse(texts[0][0], read_script(texts[0][1].encode(), reading), group, reading)
        return None, texts

    def _refuse_foreign(self, group: GroupMigrations, paths: Sequence[str]) -> None:
        """Refuse to add to a folder that another tool keeps."""
        for placed, each in list(group.placed)[-1:]:
            if placed.reading is not None:
                return
            text = self._reader.scripts([each.blob])[each.blob].text
            if dialect := recognise.not_read(each.path, frozenset(paths), {each.path: text}, None):
                message = f"{each.path} is in the style of {dialect.tool} ({dialect.evidence})"
                raise FilesError(message, hint=f"create the new migration with {dialect.tool}")


def _group(
    project: Project, candidates: Sequence[GroupMigrations], wanted: str | None
) -> GroupMigrations:
    names = [each.group.name for each in candidates]
    if wanted is not None:
        if wanted not in names:
            asked = f"{typed(wanted)!r}{nearest(wanted, names)}"
            message = f"{project.slug} has no group of migrations {asked}"
            raise UnknownName(message, problems=names)
        return candidates[names.index(wanted)]
    if not candidates:
        hint = f"templedb deploy init {project.slug}"
        raise ConfigError(f"project {project.slug} has no group of migrations", hint=hint)
    if len(candidates) > 1:
        message = f"project {project.slug} has several groups of migrations"
        raise Ambiguous(message, problems=names, hint=f"name one: --group {names[0]}")
    return candidates[0]


def _texts(wanted: NewMigration, name: NewPaths, group: GroupMigrations) -> list[tuple[str, str]]:
    """Return the paths and texts of the files, after a look at every statement."""
    text = _body(wanted)
    script = read_script(text.encode())
    apart = bool(wanted.down and name.down)
    if wanted.down and not apart and script.down is None:
        text = f"{text}\n{DOWN}\n"
        script = read_script(text.encode())
    _refuse(name.path, script, group)
    down = f"-- rolls back {name.path}\n\n"
    return [(name.path, text), *([(name.down, down)] if apart else [])]


def _body(wanted: NewMigration) -> str:
    text = wanted.body.replace("\r\n", "\n").strip("\n")
    return f"{text}\n" if text.strip() else f"-- {wanted.name}: what it changes, and why\n\n"


def _refuse(
    path: str, script: Script, group: GroupMigrations, reading: Reading | None = None
) -> None:
    problems = [
        f"line {each.line}: {each.message}{f' ({each.mend})' if each.mend else ''}"
        for each in script.problems_for(group.group.executor)
    ]
    if reading is None and (dialect := recognise.by_text(script.text)):
        problems.append(f"{dialect.evidence}: a mark of {dialect.tool}, which is not read here")
    if problems:
        message = f"{path} was not written: its SQL cannot run"
        raise FilesError(message, problems=problems, hint="correct the text; nothing was written")


def _write(root: Path, path: str, text: str) -> None:
    """Write a file that is not there, below *root* and through no link that leads out of it."""
    whole = root / path
    with writing(whole):
        base = root.resolve(strict=True)
        if not whole.parent.resolve().is_relative_to(base):
            message = f"{path} would stand outside of {root}"
            raise FilesError(message, hint="a folder of the project is a link; name another one")
        whole.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            handle = os.open(whole, flags, 0o666)
        except FileExistsError:
            message = f"{path} exists already; it was not changed"
            raise FilesError(message, hint="choose another name") from None
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
