"""What the words of a command select: a project, a target, its databases open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from templedb_nb.app.deploy.case import OpenTarget, refuse_unfit
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import Runs
from templedb_nb.app.migrations.lint_reports import Sources
from templedb_nb.app.project.configs import Configs
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.targets import Targets
from templedb_nb.engine.observe import Reader
from templedb_nb.errors import (
    ConfigError,
    UnknownName,
)
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.project import Project
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.target import DATABASE_URL, Target
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.store import Transactions
from templedb_nb.store.journal import going_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Selections:
    """Finds what is meant, in this state and on its targets."""

    state: Transactions
    projects: Projects
    targets: Targets
    configs: Configs
    plans: Plans
    runs: Runs
    records: RecordStore
    reader: Reader

    @contextmanager
    def opened(self, choice: Selection, **how: Any) -> Iterator[OpenTarget]:
        """Gather a case and open its databases, after closing what dead processes left."""
        skip = how.pop("skip", ())
        with self.state.transaction():
            project = self.projects.pick(choice.project)
            case = self.plans.case(project, choice.target, **how)
            refuse_unfit(case)
        self.runs.reconcile(anew=True)
        with self.plans.opened(case, skip) as opened:
            yield opened

    def reachable(self, opened: OpenTarget) -> OpenTarget:
        """Return *opened* if every database that it needs is open, or raise what is missing."""
        missing = [name for name in opened.databases if name not in opened.sessions]
        if not opened.databases or missing:
            case = opened.case
            names = missing or [DATABASE_URL]
            problems = [case.known.unreadable.get(name, f"{name} has no value") for name in names]
            hint = f"templedb env set {case.project.slug} {names[0]} --target {case.target.name}"
            message = f"target {case.target.name} has no database to connect to"
            raise ConfigError(message, hint=hint, problems=problems)
        return opened

    def sources(self, choice: Selection) -> Sources:
        """Return the migrations of a project as its folder has them; no target is asked."""
        with self.state.transaction():
            project = self.projects.pick(choice.project)
            if project.root and Path(project.root).is_dir():
                self.projects.sync(project)
            release = self.projects.release(project, None)
            config = self.configs.current(project, release).config
        return Sources(slug=project.slug, config=config, files=release.files, read=self.reader)

    def named(self, choice: Selection) -> tuple[Project, Target | None]:
        """Return the project that is meant, and its target if one was named."""
        with self.state.transaction():
            project = self.projects.pick(choice.project)
            if not choice.target:
                return project, None
            return project, self.targets.pick(project, None, choice.target)

    def of_run(self, start: str) -> tuple[Project, Target | None] | None:
        """Return the project and target of the run whose id begins so, if it is known here."""
        live = [e for e in going_on(self.runs.journals) if e.run.startswith(start)]
        try:
            result = live[0] if live else Result.of(self.records.events(self.records.run(start)))
        except UnknownName:
            return None
        return self.named(Selection(project=result.slug, target=result.target))
