"""What a project needs next until it can be deployed, as the command that does it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from templedb_nb.app.environment import Environment
from templedb_nb.app.project.configs import CurrentConfig
from templedb_nb.app.project.targets import Targets
from templedb_nb.app.project.variables import Variables
from templedb_nb.core.config import groups
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Project
from templedb_nb.model.target import Target
from templedb_nb.ports.store import ReleaseStore

SCRIPT = "deploy.sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextSteps:
    """Looks at what is there; no target is asked."""

    targets: Targets
    variables: Variables
    content: ReleaseStore
    system: Environment

    def after(self, project: Project, target: str | None = None) -> str:
        """Return the next command on the way to a deployment, to *target* if it is named."""
        slug, current = project.slug, self.targets.current(project)
        release = self.content.newest(slug)
        if not current.config.groups and not (release and release.entry(SCRIPT)):
            return f"templedb deploy init {slug}"
        every = self.targets.all(project, current)
        found = [each for each in every if target in {None, each.name}]
        if not found:
            return f"templedb target add {slug} {target or 'NAME'}"
        for each, name in self._missing(project, found, current):
            return f"templedb env set {slug} {name} --target {each.name}"
        only = f" --target {found[0].name}" if len(every) > 1 and len(found) == 1 else ""
        only = " --target NAME" if len(found) > 1 else only
        return f"templedb deploy run {slug}{only} --dry-run"

    def missing(self, project: Project, target: Target, current: CurrentConfig) -> Iterator[str]:
        """Yield the databases' variables that have no value for a target."""
        yield from (name for _, name in self._missing(project, [target], current))

    def _missing(
        self, project: Project, targets: Sequence[Target], current: CurrentConfig
    ) -> Iterator[tuple[Target, str]]:
        """Yield each target with a variable that it lacks; the variables are read once for all."""
        there = current.file.variables if current.file else ()
        only = targets[0].name if len(targets) == 1 else None
        kept = {(each.target, each.name) for each in self.variables.kept(project, only, there)}
        kept |= {(each.target, each.name) for each in there}
        needed = [n for n in groups.databases(current.config) if n not in self.system.environ]
        for each in targets:
            for name in needed:
                if (each.name, name) not in kept and (None, name) not in kept:
                    yield each, name
