"""One project on one target: what a plan follows from, and its databases open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from templedb_nb.app.deploy.connections import Sessions
from templedb_nb.app.project.configs import CurrentConfig
from templedb_nb.app.project.variables import NOTHING_GIVEN, GivenValues
from templedb_nb.core.config import target_checks
from templedb_nb.core.config.environ import KnownNames
from templedb_nb.core.config.overlay import NO_OVERLAY, Overlay
from templedb_nb.core.plan import planner
from templedb_nb.engine.observe import Reader
from templedb_nb.errors import ConfigError, InvalidConfig
from templedb_nb.model.config import HealthCheck
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import errors
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.lost import Suspicion
from templedb_nb.model.project import Changes, Project, Release
from templedb_nb.model.secret import Secret
from templedb_nb.model.target import DatabaseName, Target
from templedb_nb.ports.artifacts import ArtifactSource


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployContext:
    """One project on one target, with everything that does not depend on the target's state."""

    project: Project
    target: Target
    current: CurrentConfig
    release: Release
    read: Reader
    known: KnownNames
    given: GivenValues = NOTHING_GIVEN
    changes: Changes = Changes()
    overlay: Overlay = NO_OVERLAY
    artifacts: ArtifactSource | None = None
    """The bundle that brought artifacts along."""

    @property
    def root(self) -> Path | None:
        """Return the project's folder, if it is there."""
        return root_of(self.project)

    @property
    def health(self) -> tuple[HealthCheck, ...]:
        """Return the target's own health checks."""
        file = self.current.file
        if file is not None and self.target.from_file:
            return file.health.get(self.target.name, ())
        return target_checks.read(self.target.health)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployParts:
    """What is deployed: a release, the config that goes with it, and where its files are read."""

    release: Release
    current: CurrentConfig
    read: Reader
    overlay: Overlay = NO_OVERLAY
    changes: Changes = Changes()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTarget:
    """A case with its databases open, and what they say."""

    case: DeployContext
    sessions: Sessions
    ledgers: Mapping[DatabaseName, Ledger]
    urls: Mapping[DatabaseName, Secret]
    databases: tuple[DatabaseName, ...]
    suspicions: Mapping[DatabaseName, Suspicion] = field(default_factory=dict)


def refuse_unfit(case: DeployContext) -> None:
    """Refuse an overlay that does not fit the config, with everything that is wrong with it."""
    if found := errors(case.overlay.findings):
        problems = [str(each) for each in found]
        message = "the overlay does not fit the config; nothing was planned"
        raise InvalidConfig(message, problems=problems, hint="templedb deploy config --show")


def root_of(project: Project) -> Path | None:
    """Return the folder of a project, if it is there."""
    root = Path(project.root) if project.root else None
    return root if root and root.is_dir() else None


def refuse_empty(case: DeployContext) -> None:
    """Refuse a project that nobody said how to deploy."""
    if case.current.origin == "none" and case.release.entry(planner.DEPLOY_SCRIPT) is None:
        hint = f"templedb deploy init {case.project.slug}"
        message = f"project {case.project.slug} has no deployment config and no deploy.sh"
        raise ConfigError(message, hint=hint)
