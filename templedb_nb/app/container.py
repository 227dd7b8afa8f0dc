"""One object that holds everything together; its methods are what people can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from templedb_nb.app.deploy.approvals import Judging
from templedb_nb.app.deploy.attach import Following
from templedb_nb.app.deploy.bundles import bundled_case, read_bundle, write_bundle
from templedb_nb.app.deploy.connections import Ledgers
from templedb_nb.app.deploy.locks import Locks
from templedb_nb.app.deploy.plans import Case, Opened, Planning, refuse_empty, refuse_unfit
from templedb_nb.app.deploy.resolve import resolve
from templedb_nb.app.deploy.runs import Running, Wish
from templedb_nb.app.deploy.workspace import Workplace
from templedb_nb.app.environment import System
from templedb_nb.app.history.comparisons import Looking
from templedb_nb.app.history.history import History
from templedb_nb.app.history.overview import Overview
from templedb_nb.app.history.queries import Asking
from templedb_nb.app.migrations.down_proof import Proving
from templedb_nb.app.migrations.drift import Drifting
from templedb_nb.app.migrations.history_import import Adopting
from templedb_nb.app.migrations.ledger_restore import Restoring
from templedb_nb.app.migrations.lint_reports import Sources
from templedb_nb.app.migrations.migrations import Migrations
from templedb_nb.app.project.addresses import Addresses
from templedb_nb.app.project.configs import Configs
from templedb_nb.app.project.legacy_import import TakingOver
from templedb_nb.app.project.new_migration import Drafting
from templedb_nb.app.project.policies import Demanding
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.targets import Targets
from templedb_nb.app.project.variables import NOTHING_GIVEN, Given, Values
from templedb_nb.core.config.overlay import document_of
from templedb_nb.core.plan.planner import Options
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.errors import (
    ApprovalMissing,
    ConfigError,
    UnknownName,
    UsageProblem,
)
from templedb_nb.model.event import Outcome, RunId
from templedb_nb.model.history import DeployHistory, Filter
from templedb_nb.model.listings import Said
from templedb_nb.model.plan import Preview
from templedb_nb.model.project import Project
from templedb_nb.model.result import Result, StepState
from templedb_nb.model.selection import Choice
from templedb_nb.model.target import DATABASE_URL, Target
from templedb_nb.secrets.sealing import Seal
from templedb_nb.store.duckdb.content import Content
from templedb_nb.store.duckdb.query import Query
from templedb_nb.store.duckdb.records import Memory
from templedb_nb.store.duckdb.runbooks import Runbooks
from templedb_nb.store.duckdb.settings import Settings
from templedb_nb.store.duckdb.state_file import StateFile, discover
from templedb_nb.store.journal import going_on


@dataclass
class Temple:
    """Everything that templedb can do, over one state file."""

    state: StateFile
    system: System = field(default_factory=System)
    reserved: frozenset[str] = frozenset()

    @classmethod
    def open(cls, path: str | Path | None = None, *, system: System | None = None) -> Temple:
        """Use the state at *path*, or where TEMPLEDB_STATE, the folder or the user has it."""
        world = system or System()
        named = str(path) if path else world.environ.get("TEMPLEDB_STATE")
        return cls(state=StateFile(discover(named, world.folder, world.data_folder)), system=world)

    # --- what everything else is made of --------------------------------------------------------

    @cached_property
    def masker(self) -> Masker:
        """Return what knows every secret that this process has seen."""
        return Masker()

    @cached_property
    def settings(self) -> Settings:
        """Return projects, configs, targets and variables."""
        return Settings(self.state)

    @cached_property
    def content(self) -> Content:
        """Return files and releases."""
        return Content(self.state)

    @cached_property
    def memory(self) -> Memory:
        """Return plans, approvals and runs."""
        return Memory(self.state)

    @cached_property
    def projects(self) -> Projects:
        """Return the use cases around projects."""
        return Projects(self.state, self.settings, self.content, self.system, self.reserved)

    @cached_property
    def configs(self) -> Configs:
        """Return the use cases around configs."""
        return Configs(self.settings, self.content, self.system)

    @cached_property
    def targets(self) -> Targets:
        """Return the use cases around targets."""
        return Targets(self.settings, self.content, self.projects, self.configs)

    @cached_property
    def values(self) -> Values:
        """Return the use cases around variables."""
        return Values(self.settings, self.seal, self.masker, self.system)

    @cached_property
    def seal(self) -> Seal:
        """Return what seals values, with this user's key."""
        key = self.system.environ.get("TEMPLEDB_KEY")
        return Seal(key, self.system.config_folder / "key")

    @cached_property
    def addresses(self) -> Addresses:
        """Return the use cases around addresses of databases."""
        return Addresses(targets=self.targets, values=self.values, system=self.system)

    @cached_property
    def demanding(self) -> Demanding:
        """Return the use cases around what targets demand."""
        return Demanding(
            self.state, self.projects, self.targets, self.planning, self.running, self.system
        )

    @cached_property
    def drifting(self) -> Drifting:
        """Return the use cases around what no run of ours changed."""
        return Drifting(open=self.opened, system=self.system)

    @cached_property
    def taking_over(self) -> TakingOver:
        """Return the use case of the older TempleDB's projects."""
        return TakingOver(
            state=self.state,
            projects=self.projects,
            settings=self.settings,
            content=self.content,
            values=self.values,
            memory=self.memory,
            system=self.system,
        )

    @cached_property
    def planning(self) -> Planning:
        """Return the use cases around plans."""
        return Planning(
            self.projects,
            self.configs,
            self.targets,
            self.values,
            Ledgers(self.state.path, self.values.learn),
            self.content,
            self.memory,
            self.system,
        )

    @cached_property
    def running(self) -> Running:
        """Return the use cases that change targets."""
        place = Workplace(self.state.folder / "work", self.values, self.masker, self.system)
        return Running(self.planning, self.memory, self.state, place, self.masker, self.system)

    @cached_property
    def migrations(self) -> Migrations:
        """Return the use cases around single migrations."""
        return Migrations(self.planning, self.running, self.memory)

    @cached_property
    def restoring(self) -> Restoring:
        """Return the use case that writes a damaged ledger again."""
        return Restoring(self.planning, self.running, self.planning.copies)

    @cached_property
    def adopting(self) -> Adopting:
        """Return the use cases around other tools' histories."""
        return Adopting(self.migrations)

    @cached_property
    def drafting(self) -> Drafting:
        """Return the use cases that write files of a project."""
        return Drafting(self.projects, self.configs, self.content, self.system)

    @cached_property
    def judging(self) -> Judging:
        """Return the use cases around approvals."""
        return Judging(self.projects, self.planning, self.memory, self.system)

    @cached_property
    def proving(self) -> Proving:
        """Return the use case that tries down parts on a copy."""
        return Proving(self.migrations, Ledgers(self.state.path, self.values.learn), self.system)

    @cached_property
    def asking(self) -> Asking:
        """Return the use cases that only read what a target holds."""
        ledgers = Ledgers(self.state.path, self.values.learn)
        return Asking(self.state, self.projects, self.planning, ledgers, self.values, self.masker)

    @cached_property
    def locks(self) -> Locks:
        """Return the use cases around locks."""
        return Locks(self.planning, self.running, self.memory, self.system)

    @cached_property
    def overview(self) -> Overview:
        """Return the use cases that ask targets how they stand."""
        return Overview(
            addresses=self.addresses,
            state=self.state,
            projects=self.projects,
            targets=self.targets,
            content=self.content,
            configs=self.configs,
            settings=self.settings,
            values=self.values,
            planning=self.planning,
            migrations=self.migrations,
            running=self.running,
            memory=self.memory,
            system=self.system,
        )

    @cached_property
    def following(self) -> Following:
        """Return the use cases of those who watch."""
        return Following(self.memory, self.running, self.system)

    @cached_property
    def looking(self) -> Looking:
        """Return the use cases of those who ask what is different, and what changed."""
        return Looking(
            past=self.past,
            memory=self.memory,
            settings=self.settings,
            content=self.content,
            planning=self.planning,
        )

    @cached_property
    def runbooks(self) -> Runbooks:
        """Return what runbooks did that ran unattended."""
        return Runbooks(self.state)

    @cached_property
    def past(self) -> History:
        """Return the use cases around what happened."""
        return History(self.memory, self.running, Query(self.state), self.system)

    # --- plans and runs -------------------------------------------------------------------------

    @contextmanager
    def opened(self, choice: Choice, **how: Any) -> Iterator[Opened]:
        """Gather a case and open its databases, after closing what dead processes left."""
        skip = how.pop("skip", ())
        with self.state.session():
            project = self.projects.pick(choice.project)
            case = self.planning.case(project, choice.target, **how)
            refuse_unfit(case)
        self.running.reconcile(anew=True)
        with self.planning.opened(case, skip) as opened:
            yield opened

    def sources(self, choice: Choice) -> Sources:
        """Return the migrations of a project as its folder has them; no target is asked."""
        with self.state.session():
            project = self.projects.pick(choice.project)
            if project.root and Path(project.root).is_dir():
                self.projects.sync(project)
            release = self.projects.release(project, None)
            config = self.configs.current(project, release).config
        return Sources(
            slug=project.slug, config=config, files=release.files, read=self.content.read
        )

    def plan(
        self,
        choice: Choice,
        options: Options = Options(),
        *,
        release: int | None = None,
        sync: bool = True,
        given: Given = NOTHING_GIVEN,
        overlay: object = None,
        out: Path | None = None,
    ) -> Preview:
        """Return what a run would do; with *out*, also as a bundle that travels.

        *overlay* is a document that changes the config for this plan alone.
        """
        how = {"release": release, "sync": sync, "given": given, "overlay": overlay}
        with self.opened(choice, skip=options.skip_groups, **how) as opened:
            refuse_empty(opened.case)
            preview = self.planning.preview(opened, options)
            if out:
                write_bundle(out, preview, opened.case)
            return preview

    def run(
        self,
        choice: Choice,
        wish: Wish = Wish(),
        *,
        release: int | None = None,
        sync: bool = True,
        given: Given = NOTHING_GIVEN,
        overlay: object = None,
    ) -> Result:
        """Plan and run."""
        how = {"release": release, "sync": sync, "given": given, "overlay": overlay}
        with self.opened(choice, skip=wish.options.skip_groups, **how) as opened:
            refuse_empty(opened.case)
            if wish.attach and (there := self._going_on(opened.case)):
                wish.tell(f"run {there.run[:13]} of {there.started_by} goes on: this shows it")
                return self.following.follow(RunId(there.run), wish.observers)
            preview = self.planning.preview(opened, wish.options)
            if files := self.judging.meant(wish.approvals, wish.offered, preview.plan):
                preview = self.judging.admit(files, preview, opened.sessions)
            try:
                return self.running.run(opened, preview, wish)
            except ApprovalMissing as missing:
                waited = self._waits(preview, wish, missing)
        waited()
        return self.run_plan(preview.plan.id, replace(wish, planned=None), given)

    def _going_on(self, case: Case) -> Result | None:
        """Return the run of the very release that goes on at the target, if it is of this state."""
        found = self.following.live(case.project.slug, case.target.name)
        return next((each for each in found if each.release == case.release.number), None)

    def run_plan(self, named: str, wish: Wish = Wish(), given: Given = NOTHING_GIVEN) -> Result:
        """Run exactly the plan of that id or in that bundle, or refuse."""
        try:
            return self._run_plan(named, wish, given)
        except ApprovalMissing as missing:
            path = Path(named)
            preview = read_bundle(path)[0].preview if path.is_file() else self.memory.plan(named)
            waited = self._waits(preview, wish, missing)
        waited()
        return self._run_plan(named, replace(wish, planned=None), given)

    def _waits(self, preview: Preview, wish: Wish, missing: ApprovalMissing) -> Callable[[], None]:
        """Return what waits for people's word, with no database open, or raise what is missing."""
        if wish.approval_wait_s:
            wish.tell(f"waiting: {missing.message}; {missing.hint.split(',')[0]}")
            return lambda: self.judging.wait(preview, wish.approval_wait_s)
        gate = wish.gate
        if gate is None or wish.approvals:
            raise missing
        self.memory.keep_plan(preview)
        return lambda: gate(preview)

    def _run_plan(self, named: str, wish: Wish, given: Given) -> Result:
        path = Path(named)
        self.running.reconcile(anew=True)
        if path.is_file():
            preview, case = self._bundled(path, given)
        else:
            preview = self.memory.plan(named)
            project = self.projects.pick(preview.slug)
            laid = document_of(preview.plan.overlay)
            how: dict[str, Any] = {"release": preview.release, "given": given, "overlay": laid}
            case = self.planning.case(project, preview.plan.target, **how)
        self.running.refuse_repeated(preview.plan)
        skip = tuple(each.what.removeprefix("group ") for each in preview.draft.skips)
        options = replace(wish.options, skip_groups=(*wish.options.skip_groups, *skip))
        with self.planning.opened(case, skip) as opened:
            files = self.judging.meant(wish.approvals, wish.offered, preview.plan)
            now = self.judging.admit(files, preview, opened.sessions)
            return self.running.run(opened, now, replace(wish, options=options))

    def resume(self, choice: Choice, named: str | None, wish: Wish, given: Given) -> Result:
        """Go on with a run that broke off: the same plan, from the first step that is not done."""
        self.running.reconcile(anew=True)
        project, target = self.named(choice)
        if named is None:
            rows = self.memory.runs(project.slug, target.name if target else None, Filter(last=1))
            if not rows or rows[0].outcome is Outcome.SUCCEEDED:
                hint = "templedb deploy history shows the runs; deploy run makes a new plan"
                raise UsageProblem("the last run succeeded: there is nothing to resume", hint=hint)
            named = rows[0].run
        result = self.past.result(named)
        if result.outcome in {None, Outcome.SUCCEEDED}:
            state = "goes on" if result.outcome is None else "succeeded"
            raise UsageProblem(f"run {result.run} {state}: there is nothing to resume")
        finished = {StepState.DONE, StepState.WARNED}
        states = [each.state for each in result.steps]
        open_steps = (n for n, each in enumerate(states) if each not in finished)
        done = next((n for n in open_steps if n >= result.resumed), len(states))
        return self.run_plan(result.plan, replace(wish, resumed=done), given)

    def _bundled(self, path: Path, given: Given) -> tuple[Preview, Case]:
        bundle, blobs = read_bundle(path)
        local = next((p for p in self.projects.all() if p.slug == bundle.slug), None)
        case = bundled_case(bundle, blobs, local)
        kept = self.values.kept(case.project, case.target.name, bundle.variables)
        return bundle.preview, replace(
            case, known=self.values.known(kept, given, case.root), given=given
        )

    # --- what is true ---------------------------------------------------------------------------

    def reachable(self, opened: Opened) -> Opened:
        """Return *opened* if every database that it needs is open, or raise what is missing."""
        missing = [name for name in opened.databases if name not in opened.sessions]
        if not opened.databases or missing:
            case = opened.case
            names = missing or [DATABASE_URL]
            problems = [case.known.unreadable.get(name, f"{name} has no value") for name in names]
            hint = f"templedb env set {case.project.slug} {names[0]} --target {case.target.name}"
            message = f"target {case.target.name} has no database that could be asked"
            raise ConfigError(message, hint=hint, problems=problems)
        return opened

    def of_run(self, start: str) -> tuple[Project, Target | None] | None:
        """Return the project and target of the run whose id begins so, if it is known here."""
        live = [e for e in going_on(self.running.journals) if e.run.startswith(start)]
        try:
            result = live[0] if live else Result.of(self.memory.events(self.memory.run(start)))
        except UnknownName:
            return None
        return self.named(Choice(project=result.slug, target=result.target))

    def named(self, choice: Choice) -> tuple[Project, Target | None]:
        """Return the project that is meant, and its target if one was named."""
        with self.state.session():
            project = self.projects.pick(choice.project)
            if not choice.target:
                return project, None
            return project, self.targets.pick(project, None, choice.target)

    def history(self, choice: Choice, wanted: Filter) -> DeployHistory:
        """Return runs of a project, newest first, on one target or on all."""
        project, target = self.named(choice)
        return self.past.runs(project, target.name if target else None, wanted)

    def resolve(self, choice: Choice, named: str, reason: str) -> Said:
        """Record what a person saw of a run that nobody saw end; the ledger may know it alone."""
        return resolve(self, choice, named, reason)
