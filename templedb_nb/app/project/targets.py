"""Targets: the rows that people added and those of the checked-in file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from templedb_nb.app.project.configs import Configs, CurrentConfig
from templedb_nb.app.project.projects import Projects
from templedb_nb.core.fleet.labels import changed
from templedb_nb.core.fleet.selector import selected, selector
from templedb_nb.core.secrets.url_passwords import typed, without_url_passwords
from templedb_nb.core.values.schema import NAME, nearest
from templedb_nb.errors import Ambiguous, ConfigError, UnknownName, UsageProblem
from templedb_nb.model.project import Project
from templedb_nb.model.target import Target, TargetName
from templedb_nb.ports.store import ReleaseStore, TargetStore


class Targets:
    """Use cases around the targets of a project."""

    def __init__(
        self, settings: TargetStore, content: ReleaseStore, projects: Projects, configs: Configs
    ) -> None:
        """Keep targets in *settings*."""
        self._settings = settings
        self._content = content
        self._projects = projects
        self._configs = configs

    def current(self, project: Project) -> CurrentConfig:
        """Return the config of the newest release, or an empty one."""
        release = self._content.newest(project.slug)
        if release is None:
            release = self._projects.release(project, None)
        return self._configs.current(project, release)

    def all(self, project: Project, current: CurrentConfig | None = None) -> tuple[Target, ...]:
        """Return the targets by name; the checked-in file's word holds for those that it names."""
        current = current or self.current(project)
        found = {each.name: each for each in self._settings.targets(project.slug)}
        found |= {each.name: each for each in (current.file.targets if current.file else ())}
        return tuple(found[name] for name in sorted(found))

    def where(self, project: Project, where: str | None) -> tuple[Target, ...]:
        """Return the targets that a selector selects, by name; without one all of them."""
        targets = self.all(project)
        return selected(selector(where), targets) if where is not None else targets

    def label(self, project: Project, target: Target, words: Sequence[str]) -> Target:
        """Change labels: ``key=value`` sets one, ``key-`` removes one; all of them or none."""
        self.refuse_file(target)
        made = changed(target, words)
        return self.update(project, target, {"labels": made.labels, **made.fields})

    def pick(self, project: Project, current: CurrentConfig | None, named: str | None) -> Target:
        """Return the target of that name, or the only one there is; never a guess."""
        targets = self.all(project, current)
        names = [each.name for each in targets]
        if named is not None:
            found = next((each for each in targets if each.name == named), None)
            if found is None:
                message = (
                    f"project {project.slug} has no target {typed(named)!r}{nearest(named, names)}"
                )
                known = f"templedb target list {project.slug}"
                hint = known if names else f"templedb target add {project.slug} {typed(named)}"
                raise UnknownName(message, hint=hint, problems=names)
            return found
        if len(targets) == 1:
            return targets[0]
        if not targets:
            hint = f"templedb target add {project.slug} NAME"
            raise UnknownName(f"project {project.slug} has no target yet", hint=hint)
        hint = "name one with --target, or set TEMPLEDB_TARGET"
        raise Ambiguous(f"which target of {project.slug}?", hint=hint, problems=names)

    def with_windows_of_today(self, project: Project, target: Target) -> Target:
        """Return a target as an earlier release's file has it, but with the windows of the newest.

        A plan may wait long for its approvals; when it may run is a matter of the day it does.
        """
        newest = next((each for each in self.all(project) if each.name == target.name), None)
        return replace(target, windows=newest.windows) if newest else target

    def add(self, project: Project, name: str, fields: Mapping[str, Any]) -> Target:
        """Add a target; one of the same name is an error."""
        complaints: list[str] = []
        NAME.read(name, "target", lambda _, message: complaints.append(message))
        if complaints:
            raise UsageProblem(f"{name!r} is not a target name: {complaints[0]}")
        if any(each.name == name for each in self.all(project)):
            hint = f"templedb target update {project.slug} {name} …"
            raise ConfigError(f"project {project.slug} has a target {name} already", hint=hint)
        target = coherent(replace(Target(name=TargetName(name)), **fields))
        self._settings.keep_targets(project.slug, [target])
        return target

    def update(self, project: Project, target: Target, fields: Mapping[str, Any]) -> Target:
        """Change what is said of a target."""
        self.refuse_file(target)
        made = coherent(replace(target, **fields))
        self._settings.keep_targets(project.slug, [made])
        return made

    def remove(self, project: Project, target: Target) -> None:
        """Forget a target and its variables; its ledger and its history stay."""
        self.refuse_file(target)
        self._settings.remove_targets(project.slug, [target.name])

    def refuse_file(self, target: Target) -> None:
        """Raise if the checked-in file says what the target is."""
        if target.from_file:
            message = f"target {target.name} is defined in templedb.yaml"
            hint = "edit templedb.yaml, then deploy; if that lowers what the ledger requires, say"
            raise ConfigError(message, hint=f"{hint} the same here, too, with --reason")


def coherent(target: Target) -> Target:
    """Return *target*, or raise if it wants signatures that nobody could give, or has a password.

    Its labels are kept and shown as they are.
    """
    labels = {"provider": target.provider, "host": target.host, "region": target.region}
    for name, text in (labels | {"url": target.url}).items():
        if without_url_passwords(text) != text:
            message = f"--{name} of target {target.name} contains a password, but is only a label"
            setting = f"templedb env set DATABASE_URL --target {target.name}"
            hint = f"leave the password out; for a database: {setting}"
            raise UsageProblem(message, hint=hint)
    if target.signed and not target.signers:
        message = f"target {target.name} requires signed approvals but names nobody who may sign"
        raise UsageProblem(message, hint="also name an allowed_signers file: --signers FILE")
    return target
