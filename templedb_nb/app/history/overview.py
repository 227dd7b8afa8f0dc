"""What targets are and how they stand; and what is demanded of those who deploy to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from templedb_nb.app.deploy.case import DeployContext, OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import Runs
from templedb_nb.app.environment import Environment
from templedb_nb.app.findings.config_findings import KnownTarget, on_files
from templedb_nb.app.migrations.migrations import Migrations
from templedb_nb.app.project.addresses import Addresses
from templedb_nb.app.project.configs import Configs, on_links
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.targets import Targets
from templedb_nb.app.project.variables import Variables
from templedb_nb.app.slots.observer import SlotObserver
from templedb_nb.app.windows.clocks import glance
from templedb_nb.core.address.route import told
from templedb_nb.core.config import groups
from templedb_nb.core.config.environ import KnownNames
from templedb_nb.core.health import reading
from templedb_nb.core.plan.findings import on_variables
from templedb_nb.core.windows.told import at_a_glance
from templedb_nb.errors import TempleError, UsageProblem
from templedb_nb.model.config import DeployConfig
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic, errors
from templedb_nb.model.history import Filter
from templedb_nb.model.ledger import Ledger, State
from templedb_nb.model.listings import TargetShown, Validation, VariableList
from templedb_nb.model.project import Project, Release
from templedb_nb.model.rollback import PendingRollback
from templedb_nb.model.selection import Selection
from templedb_nb.model.status import (
    WAITING,
    Choices,
    FileState,
    MigrationStatus,
    StatusTable,
    TargetStatus,
)
from templedb_nb.model.target import (
    DATABASE_URL,
    DatabaseName,
    Policy,
    Probe,
    Target,
    TargetName,
)
from templedb_nb.model.variable import Scope, Variable
from templedb_nb.model.window import WindowState
from templedb_nb.ports.records import LedgerCopyStore, ResolutionStore, RunHistory
from templedb_nb.ports.store import ReleaseStore, Transactions, VariableStore
from templedb_nb.store.journal import going_on

RECENT = 30
"""Releases that are listed to pick from."""

ATTENTION = frozenset(
    {FileState.CHANGED, FileState.MOVED, FileState.MISSING, FileState.IN_DOUBT, FileState.FAILED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Use cases around targets that ask the databases which *plans* opens."""

    addresses: Addresses
    state: Transactions
    projects: Projects
    targets: Targets
    content: ReleaseStore
    configs: Configs
    settings: VariableStore
    variables: Variables
    plans: Plans
    migrations: Migrations
    runs: Runs
    records: RunHistory
    resolutions: ResolutionStore
    copies: LedgerCopyStore
    system: Environment
    slots: SlotObserver

    def status(self, choice: Selection) -> tuple[TargetStatus, ...]:
        """Return a project's targets at a glance: all of them, or the one that was chosen."""
        return tuple(self.each(choice))

    def each(
        self, choice: Selection, wanted: Callable[[TargetName], bool] = lambda _: True
    ) -> Iterator[TargetStatus]:
        """Yield them one by one, as each target answers: those of the names that are *wanted*."""
        with self.state.transaction():
            project = self.projects.pick(choice.project)
            found = self.targets.all(project)
            chosen = [self.targets.pick(project, None, choice.target)] if choice.target else found
        self.runs.reconcile(anew=True)
        for target in chosen:
            if wanted(target.name):
                yield self._glance(project, target)

    def everywhere(self) -> Iterator[StatusTable]:
        """Yield every project on its targets, as far as they can be reached."""
        for each in self.projects.all():
            with suppress(TempleError):
                yield StatusTable(slug=each.slug, rows=self.status(Selection(project=each.slug)))

    def _glance(self, project: Project, target: Target) -> TargetStatus:
        with self.state.transaction():
            last = self.records.runs(project.slug, target.name, Filter(last=1))
            case = self.plans.case(project, target, sync=False)
            known = self.resolutions.ledger(project.slug, target.name).rollback
        row = TargetStatus(
            slug=project.slug,
            target=target.name,
            protected=target.protected,
            release=case.release.number,
            last_outcome=last[0].outcome if last else None,
            last_health=last[0].health if last else None,
            last_kind=last[0].run_kind if last else None,
            last_run=last[0].run if last else "",
            last_at=last[0].started_at if last else None,
        )
        live = {(each.slug, each.target) for each in going_on(self.runs.journals)}
        pending = None if (project.slug, target.name) in live else known
        if not self.plans.databases(case):
            alone = glance(target, {}, self.system.clock)
            row = replace(row, slots=self.slots.recorded(case, {}))
            return _with_rollback(_with_windows(row, alone), pending)
        try:
            with self.plans.opened(case, name="status") as opened:
                return self._counted(row, opened)
        except TempleError as error:
            return _with_rollback(replace(row, note=error.message), pending)

    def _counted(self, row: TargetStatus, opened: OpenTarget) -> TargetStatus:
        missing = [name for name in opened.databases if name not in opened.sessions]
        if missing:
            return replace(row, note=f"{', '.join(missing)} has no value")
        status = self.migrations.status(opened)
        notes = [f"locked by {x.holder}" for x in opened.ledgers.values() if _held(x)]
        notes += [
            f"run {x.unresolved[0].run} unresolved" for x in opened.ledgers.values() if x.unresolved
        ]
        counted = replace(
            row,
            applied=status.applied,
            pending=status.pending,
            attention=sum(status.count(state) for state in ATTENTION),
            note="; ".join(notes),
            slots=self.slots.recorded(opened.case, opened.sessions),
        )
        counted = self._with_waiting(counted, opened.case, status)
        counted = _with_windows(
            counted, glance(opened.case.target, opened.ledgers, self.system.clock)
        )
        free = [each for each in opened.ledgers.values() if not _held(each)]
        return _with_rollback(counted, next((x.rollback for x in free if x.rollback), None))

    def _with_waiting(
        self, row: TargetStatus, case: DeployContext, status: MigrationStatus
    ) -> TargetStatus:
        """Return a target with its pending files that have waited for too long."""
        waiting = [each for each in status.rows if each.state in WAITING]
        pending = [each.file for each in waiting]
        again = [e.file for e in waiting if e.entry and e.entry.state is State.APPLIED]
        alert, name = case.current.config.pending_alert, case.target.name
        found = self.projects.waiting_files(case.project, name, alert, pending, again)
        if not found:
            return row
        return replace(row, waiting=found, note="; ".join(filter(None, (row.note, str(found)))))

    def choices(self, choice: Selection) -> Choices:
        """Return what a deployment of a project may be made of, from the state alone."""
        with self.state.transaction():
            project = self.projects.pick(choice.project)
            current = self.targets.current(project)
            made = self.content.releases(project.slug)[:RECENT]
        releases = [(number, f"{at:%Y-%m-%d %H:%M}Z by {by}") for number, _, _, _, at, by in made]
        return Choices(
            slug=project.slug,
            targets=tuple(str(each.name) for each in self.targets.all(project)),
            releases=tuple(releases),
            groups=tuple(each.name for each in current.config.groups),
            target=choice.target or "",
        )

    def show(self, choice: Selection) -> TargetShown:
        """Return a target with the names of its variables."""
        with self.state.transaction():
            project = self.projects.pick(choice.project)
            case = self.plans.case(project, choice.target, sync=False)
        places = {name: self._place(case, name) for name in self.plans.databases(case)}
        notes = (note for _, own in places.values() for note in own)
        others = [(str(n), place) for n, (place, _) in places.items() if n != DATABASE_URL]
        if case.health:
            others.append(("health", ", ".join(reading.names(case.health))))
        return TargetShown(
            slug=project.slug,
            target=case.target,
            variables=case.known.kept,
            address=places.get(DATABASE_URL, ("", ()))[0],
            others=tuple(others),
            notes=tuple(dict.fromkeys(notes)),
        )

    def _place(self, case: DeployContext, name: DatabaseName) -> tuple[str, tuple[str, ...]]:
        """Return where a database is, without its password, and who decided what of it."""
        try:
            url = self.variables.reveal(name, case.known, case.given, case.root)
            if url is None or url.reveal().startswith("duckdb:"):
                return (url.reveal() if url else "", ())
            from templedb_nb.targets.postgres.connection.route import route

            found = route(url, self.variables.around(case.known, case.given, case.root))
            return found.address, tuple(told(found))
        except TempleError as error:
            return error.message, ()

    def probe(self, choice: Selection) -> Probe:
        """Connect for real and report what is there."""
        with self.state.transaction():
            project = self.projects.pick(choice.project)
            case = self.plans.case(project, choice.target, sync=False)
        with self.plans.opened(case, name="test") as opened:
            if not opened.sessions:
                hint = f"templedb env set {project.slug} DATABASE_URL --target {case.target.name}"
                message = f"target {case.target.name} has no DATABASE_URL"
                raise UsageProblem(message, hint=hint)
            first, *more = (session.probe() for session in opened.sessions.values())
            return replace(first, others=tuple(more))

    def config(self, project: Project, target: str | None) -> Validation:
        """Take in the folder, and return every problem of the config that holds.

        That is also what a plan would say of the files, and the variables without a value: errors
        for a named target, notes without one.
        """
        links = self.projects.seen(project)
        release = self.projects.release(project, None)
        found = self.configs.validate(project, release)
        config = self.configs.current(project, release).config
        found = self._with_files(project, release, found, config, links, target)
        if target is None:
            notes = self._unset(project, config)
            return replace(found, findings=(*found.findings, *notes))
        case = self.plans.case(project, target, sync=False)
        missing = _missing(config, case.known)
        wrong = self.addresses.findings(case, self.plans.databases(case))
        return replace(found, findings=(*found.findings, *missing, *wrong))

    def document(
        self, project: Project, document: object, origin: str, target: str | None
    ) -> Validation:
        """Return every problem of a document that is not kept yet, with what a plan would say."""
        links = self.projects.seen(project)
        release = self.projects.release(project, None)
        found, config = self.configs.validate_document(project, release, document, origin)
        if errors(found.findings):
            return found
        return self._with_files(project, release, found, config, links, target)

    def _with_files(
        self,
        project: Project,
        release: Release,
        found: Validation,
        config: DeployConfig,
        skipped: Sequence[str],
        target: str | None,
    ) -> Validation:
        known = self._known(project, config, target)
        files = on_files(project.known_as, config, release, self.plans.reader, known)
        told = {(each.where, each.message) for each in found.findings}
        more = (each for each in files if (each.where, each.message) not in told)
        return replace(found, findings=(*found.findings, *more, *on_links(config, skipped)))

    def _known(
        self, project: Project, config: DeployConfig, target: str | None
    ) -> list[KnownTarget]:
        """Return the named target, or all of them, with what is kept of their ledgers."""

        def kept(each: Target, name: DatabaseName) -> Ledger:
            entries = self.copies.ledger_copy(project.slug, each.name, name)
            case = self.plans.case(project, each, sync=False)
            server = not self.addresses.of_file(case, name)
            return Ledger(exists=True, entries=entries, stepwise=server, table_locks=server)

        return [
            KnownTarget(
                name=each.name,
                policy=Policy.of(each),
                ledgers={name: kept(each, name) for name in groups.databases(config)},
            )
            for each in self.targets.all(project)
            if target in {None, each.name}
        ]

    def _unset(self, project: Project, config: DeployConfig) -> Iterator[Finding]:
        """Yield a note for each variable that has no value for some target of the project."""
        targets = self.targets.all(project)
        if not targets:
            own = self.settings.variables(project.slug)
            known = KnownNames(kept=tuple(each for each in own if each.scope is Scope.PROJECT))
            yield from (replace(each, severity=Severity.NOTE) for each in _missing(config, known))
        at: dict[tuple[str, str, str], list[TargetName]] = {}
        for each in targets:
            for lack in _missing(config, self.plans.case(project, each, sync=False).known):
                at.setdefault((lack.where, lack.message, lack.mend), []).append(each.name)
        for (name, message, mend), names in at.items():
            every = len(names) == len(targets)
            told = message if every else f"{message} (target {', '.join(names)})"
            yield Finding(
                severity=Severity.NOTE,
                topic=Topic.VARIABLE,
                message=told,
                where=name,
                mend=mend.replace("TARGET", names[0]),
            )

    def variable_list(self, choice: Selection) -> VariableList:
        """Return the names of a project's variables, of one target or of all."""
        with self.state.transaction():
            project = self.projects.pick(choice.project)
            current = self.targets.current(project)
            name = TargetName(choice.target) if choice.target else None
            from_file: Sequence[Variable] = current.file.variables if current.file else ()
            kept = self.variables.kept(project, name, from_file)
            if name is None:
                own = self.settings.variables(project.slug)
                kept = (*own, *(v for v in from_file if v not in own))
        return VariableList(slug=project.slug, rows=tuple(kept))


def _missing(config: DeployConfig, known: KnownNames) -> list[Finding]:
    return on_variables(config.groups, groups.databases(config), known, may_miss=False)


def _with_rollback(row: TargetStatus, pending: PendingRollback | None) -> TargetStatus:
    """Return a target with the rollback that it owes, or that did not succeed there."""
    if pending is None:
        return row
    note = "; ".join(filter(None, (pending.note, row.note)))
    return replace(row, attention=(row.attention or 0) + 1, note=note)


def _with_windows(row: TargetStatus, windows: WindowState | None) -> TargetStatus:
    """Return a target with what its deployment windows say now."""
    if windows is None or windows.open:
        return replace(row, windows=windows)
    note = "; ".join(filter(None, (row.note, at_a_glance(windows))))
    return replace(row, windows=windows, note=note)


def _held(ledger: Any) -> bool:
    return bool(ledger.holder and ledger.holder.live)
