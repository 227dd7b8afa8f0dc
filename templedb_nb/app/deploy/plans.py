"""Plans: made from config, release and ledgers; shown, kept, carried in bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from templedb_nb.app.deploy.case import DeployContext, DeployParts, OpenTarget, root_of
from templedb_nb.app.deploy.connections import Connections, names, read_all
from templedb_nb.app.deploy.signatures import Signatures
from templedb_nb.app.environment import Environment
from templedb_nb.app.findings import other_tools
from templedb_nb.app.findings.foreseen_waits import foreseen_waits
from templedb_nb.app.findings.named_locks import named_locks
from templedb_nb.app.findings.plan_findings import edits, on_databases, routes
from templedb_nb.app.findings.servers import empty_databases
from templedb_nb.app.migrations import net_effects
from templedb_nb.app.project.configs import Configs, under, with_links
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.targets import Targets
from templedb_nb.app.project.variables import NOTHING_GIVEN, GivenValues, Variables
from templedb_nb.app.recovery.ledger_copies import LedgerCopies
from templedb_nb.app.recovery.open_commands import with_open_commands
from templedb_nb.app.rollback.ahead import ahead
from templedb_nb.app.windows.clocks import on_windows
from templedb_nb.core.approval.policy import decision, demanded, identified, kept, merged
from templedb_nb.core.config import groups
from templedb_nb.core.fleet.selector import facts
from templedb_nb.core.migrations.status import GroupMigrations
from templedb_nb.core.migrations.waiting_files import changed_since
from templedb_nb.core.plan import planner, summaries
from templedb_nb.core.plan.estimate import expected
from templedb_nb.core.plan.situation import PlanOptions, Situation
from templedb_nb.engine.observe import Reader
from templedb_nb.errors import InvalidConfig
from templedb_nb.model.approval import Approval
from templedb_nb.model.estimate import Expected
from templedb_nb.model.event import Outcome
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.history import Filter
from templedb_nb.model.layout import Address
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.plan import Plan, Preview, SinceDeployed
from templedb_nb.model.project import Changes, Project, changes
from templedb_nb.model.rollback_summary import Ahead
from templedb_nb.model.secret import Secret
from templedb_nb.model.slots import GroupSlots
from templedb_nb.model.step import Apply, Revert
from templedb_nb.model.target import DATABASE_URL, DatabaseName, Policy, Target, TargetName
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.target import ApprovalRecords, HistoryReader, Session

NO_DATABASE = DatabaseName("")
"""Stands for the store, which alone knows the runs of a target without a database."""

Watch = Callable[
    [Project, TargetName, Mapping[DatabaseName, Session], Mapping[DatabaseName, Ledger]], None
]


def _nobody(*_: object) -> None:
    """Watch nothing."""


_RECENT = 20
"""So many runs are looked at for one that failed since the last success."""


class Plans:
    """Use cases around plans."""

    def __init__(
        self,
        projects: Projects,
        configs: Configs,
        targets: Targets,
        variables: Variables,
        ledgers: Connections,
        reader: Reader,
        records: RecordStore,
        system: Environment,
    ) -> None:
        """Plan from what those hold; `watch` is shown every target that is opened."""
        self.slots_of: Callable[[OpenTarget], Mapping[str, GroupSlots]] = lambda _: {}
        self._projects = projects
        self._configs = configs
        self._targets = targets
        self._variables = variables
        self._ledgers = ledgers
        self._records = records
        self._system = system
        self.watch: Watch = _nobody
        self.signatures = Signatures(system)
        self.copies = LedgerCopies(records, system)
        self.reader = reader

    def case(
        self,
        project: Project,
        target: Target | str | None,
        *,
        release: int | None = None,
        sync: bool = True,
        given: GivenValues = NOTHING_GIVEN,
        overlay: object = None,
    ) -> DeployContext:
        """Gather everything that a plan follows from; sync first, if the folder is there.

        The config is that of the project under *overlay*, which is kept nowhere but in the plan.
        """
        parts = self.parts(project, release=release, sync=sync, overlay=overlay)
        current = parts.current
        chosen = (
            target if isinstance(target, Target) else self._targets.pick(project, current, target)
        )
        if release is not None:
            chosen = self._targets.with_windows_of_today(project, chosen)
        return self.around(project, chosen, parts, given)

    def parts(
        self, project: Project, *, release: int | None, sync: bool, overlay: object = None
    ) -> DeployParts:
        """Gather what a plan follows from that is the same for every target."""
        fresh, skipped = Changes(), tuple[str, ...]()
        if sync and release is None and project.root and Path(project.root).is_dir():
            synced = self._projects.sync(project)
            fresh, skipped = synced.changes, synced.left_out
        found = self._projects.release(project, release)
        current, laid = under(self._configs.current(project, found), overlay)
        current = with_links(current, skipped)
        return DeployParts(
            release=found, current=current, overlay=laid, read=self.reader, changes=fresh
        )

    def around(
        self, project: Project, target: Target, parts: DeployParts, given: GivenValues
    ) -> DeployContext:
        """Return the case of a release and a config that are known, with its variables."""
        from_file = parts.current.file.variables if parts.current.file else ()
        kept = self._variables.kept(project, target.name, from_file)
        return DeployContext(
            project=project,
            target=target,
            current=parts.current,
            release=parts.release,
            read=parts.read,
            known=self._variables.known(kept, given, root_of(project), facts(target)),
            given=given,
            changes=parts.changes,
            overlay=parts.overlay,
        )

    @contextmanager
    def opened(
        self, case: DeployContext, skip: Iterable[str] = (), name: str = "plan"
    ) -> Iterator[OpenTarget]:
        """Open the databases of a case that have an address, and read their ledgers."""
        databases = self.databases(case, skip)
        urls = self._urls(case, databases)
        title = f"templedb:{name}:{case.project.known_as}"
        around = self._variables.around(case.known, case.given, case.root)
        with self._ledgers.open(urls, case.target.name, case.root, title, around) as sessions:
            read = read_all(sessions, case.project.known_as)
            known = self.copies.recalled(case)
            found = self.copies.suspicions(case, sessions, read, known)
            self.copies.remember(case, read, known.heads, found)
            self.watch(case.project, case.target.name, sessions, read)
            ledgers = self.with_store(databases, read, sessions, known.here)
            yield OpenTarget(
                suspicions=found,
                case=case,
                sessions=sessions,
                ledgers=ledgers,
                urls=urls,
                databases=databases,
            )

    def look_again(self, opened: OpenTarget) -> None:
        """Let what was just changed in a target's ledgers be seen by whoever watches them."""
        case, sessions = opened.case, opened.sessions
        self.watch(case.project, case.target.name, sessions, opened.ledgers)

    @contextmanager
    def of_target(self, slug: str, target: str) -> Iterator[OpenTarget]:
        """Open a target as it is, without taking in the project's folder."""
        project = self._projects.pick(slug)
        with self.opened(self.case(project, target, sync=False), name="reconcile") as opened:
            yield opened

    def with_store(
        self,
        databases: Sequence[DatabaseName],
        ledgers: Mapping[DatabaseName, Ledger],
        sessions: Mapping[DatabaseName, HistoryReader],
        here: Ledger,
    ) -> dict[DatabaseName, Ledger]:
        """Let the store tell of earlier runs where no database keeps a ledger, or one lost them."""
        if databases:
            return with_open_commands(self._records, here, sessions, ledgers)
        return {NO_DATABASE: here}

    def databases(self, case: DeployContext, skip: Iterable[str] = ()) -> tuple[DatabaseName, ...]:
        """Return the databases whose ledgers a deployment needs, in the order of their names."""
        config = case.current.config
        left = replace(config, groups=tuple(g for g in config.groups if g.name not in set(skip)))
        found = set(groups.databases(left))
        if DATABASE_URL in case.known.names:
            found.add(DATABASE_URL)
        return names(found)

    def _urls(
        self, case: DeployContext, databases: Iterable[DatabaseName]
    ) -> dict[DatabaseName, Secret]:
        found = {}
        for database in databases:
            readable = database not in case.known.unreadable
            value = self._variables.reveal(database, case.known, case.given, case.root)
            if readable and value:
                found[database] = value
        return found

    def situation(
        self, opened: OpenTarget, options: PlanOptions, ledgers: Mapping[DatabaseName, Ledger]
    ) -> Situation:
        """Return everything that the plan follows from, with the ledgers as they are given."""
        case = opened.case
        now = case.read.observe(
            case.current.config, case.release.files, ledgers, also=_rolled_back(options)
        )
        migrations, read = now.migrations, now.scripts
        if options.rollback:
            sources = {step.source for step in options.rollback.reverts}
            read = {**read, **case.read.scripts(sources)}
        for text in {script.text for script in read.values()}:
            self._variables.read_in(text)
        own = kept(Policy.of(case.target), ledgers.values())
        policy = demanded(own, ledgers.values())
        slug, name = case.project.slug, case.target.name
        return Situation(
            project=case.project.known_as,
            target=case.target.name,
            policy=policy,
            ahead=self._ahead(opened, ledgers, migrations, policy) if options.rollback else (),
            own=own,
            config=case.current.config,
            files=case.release.files,
            tree=case.release.tree,
            ledgers=ledgers,
            scripts=read,
            elsewhere=net_effects.elsewhere(self._records, slug, name, migrations, read),
            hollow=net_effects.hollow(opened.sessions, case.project.known_as, migrations, ledgers),
            known=case.known,
            options=options,
            databases=opened.databases,
            suspicions=self.copies.suspicions(
                case, opened.sessions, ledgers, self.copies.recalled(case)
            ),
            look=now.look,
            migrations=migrations,
            histories=other_tools.histories(opened, ledgers, migrations),
            overlay=case.overlay.text,
            bodies=other_tools.shadow_bodies(case, migrations, ledgers, options),
            empty=empty_databases(opened.sessions, ledgers),
            health=case.health,
            unmeasured=self._unmeasured(case, ledgers),
            slots=self.slots_of(opened),
        )

    def _ahead(
        self,
        opened: OpenTarget,
        ledgers: Mapping[DatabaseName, Ledger],
        migrations: Sequence[GroupMigrations],
        policy: Policy,
    ) -> tuple[Ahead, ...]:
        """Return what stays applied that the release does not have, read as the newest one does."""
        case = opened.case
        newest = self._projects.release(case.project, None)
        config = self._configs.current(case.project, newest).config
        seen = self.reader.observe(config, newest.files, ledgers).migrations
        readings = {
            (each.database, own.key): own.reading for each in seen for own, _ in each.placed
        }
        project, protected = case.project.known_as, policy.protected
        return ahead(opened.sessions, project, migrations, ledgers, readings, protected=protected)

    def _unmeasured(self, case: DeployContext, ledgers: Mapping[DatabaseName, Ledger]) -> bool:
        """Return whether the last run is not known here as a success, where a soak may be due."""
        written = [check for group in case.current.config.groups for check in group.checks]
        if not any(check.soak_s for check in (*written, *case.health)):
            return False
        slug, target = case.project.slug, case.target.name
        good = self._records.last_deployment(slug, target)
        since = self._records.runs(slug, target, Filter(last=_RECENT))
        known = {row.run for row in since if row.outcome is Outcome.SUCCEEDED}
        last = {each.last_run for each in ledgers.values() if each.last_run}
        failed = (row for row in since if row.run not in known)
        return good is None or bool(last - known) or any(row.run > good[0] for row in failed)

    def preview(self, opened: OpenTarget, options: PlanOptions) -> Preview:
        """Make a plan, with everything that was found, and keep it."""
        case = opened.case
        if self._variables.told_by(case.overlay.text):
            hint = "name a reference in it, env:NAME, or give the value by --env NAME"
            raise InvalidConfig("the overlay contains the value of a secret", hint=hint)
        situation = self.situation(opened, options, opened.ledgers)
        draft = planner.plan(situation)
        locks = named_locks(draft, situation, opened.sessions)
        told = tuple(summaries.masked(s, self._variables.masked) for s in locks)
        seen = on_databases(draft.plan, situation, opened.sessions, case.read, self._system.environ)
        when = on_windows(opened, draft.plan, self._system.clock)
        found = (*draft.findings, *seen, *when)
        found = (*found, *self._on_waiting(opened, draft.plan))
        findings = tuple(dict.fromkeys((*case.current.findings, *found)))
        places = routes(opened.sessions)
        draft = replace(draft, findings=findings, scripts=told)
        waits = foreseen_waits(draft, case.project.slug, opened.sessions)
        draft = replace(draft, findings=tuple(dict.fromkeys((*findings, *waits))))
        user, diffs = self._system.user(), edits(opened, draft)
        there = _approvals(draft.plan, opened.sessions)
        with self._records.transaction():  # no target is asked while the state is held
            preview = Preview(
                draft=draft,
                slug=case.project.slug,
                release=case.release.number,
                tree=case.release.tree,
                config=case.current.origin,
                made_at=self._system.clock.now(),
                made_by=user,
                changes=case.changes,
                since=self._since(case),
                diffs=diffs,
                expected=self._expected(case, draft.plan),
                overlay=case.overlay.changes,
                reached=tuple((name, place.address) for name, place in sorted(places.items())),
                planner=self._records.planner(draft.plan.content_hash) or user,
                fallback=options.fallback,
            )
            words = merged(*there, self._records.approvals(draft.plan.content_hash))
            preview = self.decided(preview, words)
            self._records.keep_plan(preview)
        return preview

    def _on_waiting(self, opened: OpenTarget, plan: Plan) -> Iterator[Finding]:
        """Yield a note on migrations that have been in the releases for too long."""
        files = [step.file for step in plan.steps if isinstance(step, Apply)]
        project, alert = opened.case.project, opened.case.current.config.pending_alert
        again = changed_since(plan, opened.ledgers)
        found = self._projects.waiting_files(project, plan.target, alert, files, again)
        if found:
            yield Finding(severity=Severity.NOTE, topic=Topic.MIGRATION, message=str(found))

    def decided(self, preview: Preview, words: tuple[Approval, ...]) -> Preview:
        """Return *preview* with what people said of it, and what that comes to now."""
        plan, now = preview.plan, self._system.clock.now()
        maker = self._records.planner(plan.content_hash) or preview.made_by
        proofs = self.signatures.proofs(plan.policy, words)
        found = decision(plan, words, maker, now, proofs)
        told = tuple(identified(each, plan.policy, proofs) for each in words)
        return replace(preview, approvals=told, decision=found)

    def _since(self, case: DeployContext) -> SinceDeployed | None:
        """Return how the release differs from what the last successful run deployed."""
        last = self._records.last_deployment(case.project.slug, case.target.name)
        if last is None:
            return None
        run, number, ended, tree = last
        if (before := self._projects.same_release(case.project, number, tree)) is None:
            return None
        differs = changes(before.files, case.release.files)
        return SinceDeployed(run=run, release=number, finished_at=ended, changes=differs)

    def approvals(
        self, plan: Plan, sessions: Mapping[DatabaseName, ApprovalRecords]
    ) -> tuple[Approval, ...]:
        """Return every approval of the plan's content, from the store and the ledgers."""
        there = _approvals(plan, sessions)
        return merged(*there, self._records.approvals(plan.content_hash))

    def _expected(self, case: DeployContext, plan: Plan) -> Expected:
        if not plan.steps:
            return Expected()
        return expected(plan.steps, self._records.took(case.project.slug, case.target.name))


def _approvals(
    plan: Plan, sessions: Mapping[DatabaseName, ApprovalRecords]
) -> list[Sequence[Approval]]:
    return [each.approvals(plan.project, plan.content_hash) for each in sessions.values()]


def _rolled_back(options: PlanOptions) -> frozenset[Address]:
    return frozenset(step.source for step in options.amend if isinstance(step, Revert))
