"""Runs: a plan that may run, its tools, and what is left to do after a process died."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from templedb_nb.app.approval.used import use_approvals
from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.refusals import refuse, stale
from templedb_nb.app.deploy.script_reader import script_reader
from templedb_nb.app.deploy.workspace import Workspace
from templedb_nb.app.environment import Environment
from templedb_nb.app.findings.foreseen_waits import tell_waits
from templedb_nb.app.findings.plan_findings import drifts
from templedb_nb.app.health.surroundings import HealthSurroundings
from templedb_nb.app.recovery.broken_journal import tell_the_end
from templedb_nb.app.recovery.reconcile import Reconciler
from templedb_nb.app.rehearsal import arm
from templedb_nb.app.rollback.overtaken import refuse_overtaken
from templedb_nb.app.rollback.owed import owes, pending, refuse_settled, settling, undone
from templedb_nb.app.slots.observer import SlotObserver
from templedb_nb.app.windows.clocks import Admission
from templedb_nb.core.approval.policy import Approved, merged
from templedb_nb.core.catalog.drift import on_drift
from templedb_nb.core.config.document import document
from templedb_nb.core.plan import planner, staleness
from templedb_nb.core.plan.findings import on_suspicions
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.core.secrets.masking import Masker
from templedb_nb.engine import reconcile
from templedb_nb.engine.broadcast import Broadcast
from templedb_nb.engine.execute import Origin, execute
from templedb_nb.engine.interrupts import Interrupts
from templedb_nb.engine.tools import Tools
from templedb_nb.errors import Busy, ConfigError, JournalFailed, Stale, StoreError, TempleError
from templedb_nb.exit_code import ExitCode
from templedb_nb.failpoints import reach
from templedb_nb.model.approval import Approval, Proofs
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome, RunFinished, RunId
from templedb_nb.model.finding import Topic
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.plan import Plan, Preview
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import digest, short
from templedb_nb.model.step import Restore
from templedb_nb.model.switch_step import NO_GO_AHEAD, GoAhead
from templedb_nb.model.target import DatabaseName, FindingLevel, Policy
from templedb_nb.model.window import NO_OVERRIDE, PassReason, WindowOverride
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.run import Observer
from templedb_nb.ports.target import Decide
from templedb_nb.store import cancel_requests
from templedb_nb.store.journal import RunJournal
from templedb_nb.store.logs import FileLog
from templedb_nb.version import __version__

Watchers = Callable[[str, Claim], tuple[Observer, ...]]
"""Returns who else watches a run that is about to begin: of the project of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is to be carried out."""

    options: PlanOptions = PlanOptions()
    observers: tuple[Observer, ...] = ()
    child_observers: tuple[Observer, ...] = ()
    """Who watches the rollback that follows a failure; nobody named: those who watch the run."""
    planned: Callable[[Preview], None] | None = None
    lock_wait_s: float = 10.0
    approval_wait_s: float = 0.0
    approvals: tuple[Path, ...] = ()
    offered: tuple[Path, ...] = ()
    gate: Callable[[Preview], None] | None = None
    attach: Callable[[Result], bool] | None = None  # whether a run's end was not seen; see attach
    resumed: int = 0
    finished: frozenset[int] = frozenset()
    resumes: str = ""
    """The run that is gone on with."""
    begun: bool = False
    """Whether that run, or one before it of the same plan, had begun a step."""
    override: WindowOverride = NO_OVERRIDE
    go: GoAhead = NO_GO_AHEAD
    parent: str = ""
    """The run that a rollback undoes, where its plan does not say it."""
    after_failure: bool = False
    """Whether that run had failed."""
    interactive: bool = False
    tell: Callable[[str], None] = lambda _: None
    reason: str = "deploy run"


class Runs:
    """Use cases that change targets."""

    def __init__(
        self,
        plans: Plans,
        records: RecordStore,
        folder: Path,
        workplace: Workspace,
        surroundings: HealthSurroundings,
        slots: SlotObserver,
        masker: Masker,
        system: Environment,
    ) -> None:
        """Carry out what *plans* makes; journals and logs are kept in *folder*."""
        self.watchers: Watchers = lambda *_: ()
        self._surroundings = surroundings
        self._slots = slots
        self._plans = plans
        self._records = records
        self._folder = folder
        self._workplace = workplace
        self._masker = masker
        self._system = system

    @property
    def journals(self) -> Path:
        """Return where the journals of live runs are."""
        return self._folder / "journal"

    @property
    def logs(self) -> Path:
        """Return where the output of steps is kept."""
        return self._folder / "logs"

    def run(self, opened: OpenTarget, preview: Preview, wish: RunOptions) -> Result:
        """Execute *preview*'s plan, or raise before anything is touched."""
        plan = preview.plan
        if wish.planned:
            wish.planned(preview)
        refuse(preview.findings, plan)
        admit = self._admission(opened, plan, wish)
        tell_waits(preview, opened.sessions, self._system.clock.now(), wish.tell)
        admit(opened.ledgers)  # refused now, it waits neither for people nor for the lock
        check = self._check(opened, preview, wish)
        known = {name: opened.ledgers[name] for name in plan.databases}
        if any(not ledger.exists for ledger in known.values()):
            check(known)  # the lock would create the ledger, also of a run that is refused then
        arm(self._system.environ, plan, counting_on=wish.after_failure)
        planner = self._records.planner(plan.content_hash) or preview.made_by
        # A mark alone covers nothing: whoever may write the ledger could have set it.
        covered = wish.after_failure or bool(wish.resumes and owes(opened, plan))
        proofs = self._plans.signatures.proofs(plan.policy, preview.approvals)
        decide = self._decide(plan, planner, proofs, covered=covered)
        approved = Approved(
            plan=plan,
            approvals=preview.approvals,
            planner=planner,
            now=self._system.clock.now(),
            proofs=proofs,
            covered=covered,
        )
        run = RunId(self._system.new_id())
        journal = RunJournal(self.journals, run, self._records.fold)
        clock, mask = self._system.clock, self._masker.mask
        claim = self._claim(run, opened, preview, approved, wish)
        emit = Broadcast(
            run, journal, (*wish.observers, *self.watchers(preview.slug, claim)), clock, mask
        )
        origin = Origin(slug=preview.slug, release=preview.release)
        alive, kept = partial(journal.alive, clock.now), False
        interrupts = Interrupts(
            interactive=wish.interactive, tell=wish.tell, warns=plan.rollback is not None
        )
        try:
            with ExitStack() as held:
                held.enter_context(interrupts.heard())
                held.enter_context(
                    cancel_requests.heard(self.journals, run, interrupts.asked, alive)
                )
                tools = replace(
                    self._tools(opened, preview, run, held, wish),
                    interrupts=interrupts,
                    decide=decide,
                    admit=admit,
                    resumed=wish.resumed,
                    finished=wish.finished,
                    settle=settling(plan, journal, self._records),
                )
                execute(approved, claim, origin, tools, check, emit)
                reach("run.told")
            kept = self._remember(opened, plan, run, journal.result, wish)
        except JournalFailed as error:
            entries, now = journal.lines().entries, self._system.clock.now()
            tell_the_end(error, opened.sessions, entries, now, self._active(opened, plan))
            raise
        except TempleError as error:
            self._end(error, opened, plan, journal, emit)
            # What the state refused, the journal still tells.
            refused = isinstance(error, StoreError)
            kept = not refused and self._plans.copies.follow(opened, plan, journal.result)
            raise
        finally:
            # Behind the copies and approvals, which whoever folds a journal brings up to date:
            # without either nothing would miss a row that the ledger loses.
            with suppress(StoreError):  # it stays then, and the next command folds it
                journal.close(keep=not kept)
        return journal.result

    def _admission(self, opened: OpenTarget, plan: Plan, wish: RunOptions) -> Admission:
        """Return what asks the windows of the target, now and under the lock."""
        back = PassReason.ROLLBACK if wish.after_failure else None
        return Admission(
            plan=plan,
            target=opened.case.target,
            clock=self._system.clock,
            mask=self._masker.mask,
            override=wish.override,
            waits_not=back or (PassReason.RESUME if wish.begun else None),
        )

    def _end(
        self,
        error: TempleError,
        opened: OpenTarget,
        plan: Plan,
        journal: RunJournal,
        emit: Broadcast,
    ) -> None:
        """Write how a run ended that broke within a step, by what the ledgers say of it.

        What is set up wrong or in use keeps its code where the ledgers say that nothing changed.
        """
        if journal.result.outcome is not None:
            return
        why = f"the run was interrupted ({error.message})"
        active = self._active(opened, plan)
        for event in reconcile.ends(journal.result, opened.sessions, why, active):
            if isinstance(event, RunFinished) and event.exit_code == ExitCode.UNCHANGED:
                own = (
                    error.exit_code if isinstance(error, ConfigError | Busy) else ExitCode.UNCHANGED
                )
                emit(replace(event, exit_code=own))
            else:
                emit(event)
        error.exit_code = journal.result.exit_code or ExitCode.UNRESOLVED

    def _active(self, opened: OpenTarget, plan: Plan) -> reconcile.Active:
        return lambda result: self._slots.active(opened, plan, result)

    def _remember(
        self, opened: OpenTarget, plan: Plan, run: RunId, result: Result, wish: RunOptions
    ) -> bool:
        """Bring copies and approvals up to date with a run that ended; return whether they are."""
        kept = self._plans.copies.follow(opened, plan, result)
        if result.outcome is Outcome.SUCCEEDED:
            kept = use_approvals(plan, run, self._records, self.journals, wish.tell) and kept
        return kept

    def _claim(
        self,
        run: RunId,
        opened: OpenTarget,
        preview: Preview,
        approved: Approved,
        wish: RunOptions,
    ) -> Claim:
        user, host, plan = self._system.user(), self._system.host, approved.plan
        back = None
        if plan.rollback:
            back = pending(opened, preview, run, wish.parent, failed=wish.after_failure)
        return Claim(
            run=run,
            project=plan.project,
            target=plan.target,
            owner=user,
            host=host,
            pid=self._system.pid,
            reason=f"{wish.reason} of {opened.case.project.slug} to {plan.target}",
            client=f"{user} on {host}",
            version=__version__,
            plan=plan.id,
            content_hash=plan.content_hash,
            wait_s=wish.lock_wait_s,
            approved_by=approved.counted,
            repair=plan.repairs,
            restores=plan.restores,
            kind=plan.run_kind,
            parent_run=back.parent if back else plan.promotion.run if plan.promotion else "",
            pending=back,
            tree=preview.tree,
            config_hash=digest(document(opened.case.current.config)),
        )

    def _tools(
        self, opened: OpenTarget, preview: Preview, run: RunId, held: ExitStack, wish: RunOptions
    ) -> Tools:
        plan = preview.plan
        place = self._workplace.prepare(opened, plan, run, held, wish.resumes)
        return Tools(
            sessions={name: opened.sessions[name] for name in plan.databases},
            script=script_reader(opened, plan, self._masker),
            mask=self._masker.mask,
            invocation=place.invocation,
            shell=place.shell,
            psql=place.psql,
            log=lambda step: FileLog(self.logs, run, step),
            clock=self._system.clock,
            new_id=self._system.new_id,
            policy=Policy.of(opened.case.target),
            checker=self._surroundings.checker(opened.case, plan.steps, held, place.check),
            artifacts=place.artifacts,
            **self._slots.tools(opened, plan.steps, held, place.check),
            go=wish.go,
            release=preview.release,
        )

    def _check(
        self, opened: OpenTarget, preview: Preview, wish: RunOptions
    ) -> Callable[[Mapping[DatabaseName, Ledger]], staleness.Done]:
        """Return what decides, under the lock, whether the plan still holds."""
        plan, options = preview.plan, wish.options
        parent = undone(opened, preview, wish.parent)

        def check(known: Mapping[DatabaseName, Ledger]) -> staleness.Done:
            if wish.after_failure:
                refuse_settled(wish.parent, plan, known)
            self._refuse_drift(opened, plan)
            self._slots.refuse_moved(opened, plan, {*wish.finished, *range(wish.resumed)})
            over = {"parent": parent, "resumes": wish.resumes}
            refuse_overtaken(plan, opened, self._records, known, **over)
            case, sessions = opened.case, opened.sessions
            memory = self._plans.copies.recalled(case)
            if not any(isinstance(step, Restore) for step in plan.steps):
                found = self._plans.copies.suspicions(case, sessions, known, memory)
                refuse(on_suspicions(found, plan.target), plan)
            ledgers = self._plans.with_store(plan.databases, known, sessions, memory.here)
            own = Policy.of(opened.case.target).planned
            stricter = plan.policy.stricter(own) != plan.policy
            if staleness.unmoved(plan, ledgers) and not stricter:
                return frozenset()
            fresh = planner.plan(self._plans.situation(opened, options, ledgers))
            grave = {Topic.FROZEN} if options.amend else {Topic.FROZEN, Topic.UNRESOLVED}
            grave |= {Topic.ROLLBACK, Topic.PROMOTION} | (set() if wish.resumes else {Topic.SLOTS})
            refuse([each for each in fresh.findings if each.topic in grave], plan)
            if fresh.plan.content_hash == plan.content_hash:
                return frozenset()
            if staleness.moved_by_itself(plan, ledgers) and not stricter:
                return staleness.done(plan, ledgers)
            raise stale(plan, fresh.plan)

        return check

    def _refuse_drift(self, opened: OpenTarget, plan: Plan) -> None:
        """Raise, under the lock, if somebody changed what the target lets nobody change."""
        if plan.policy.drift is FindingLevel.BLOCK:
            found = drifts(opened.sessions, plan.policy)
            refuse(on_drift(found, plan.target, plan.policy.drift), plan)

    def _decide(self, plan: Plan, planner: str, proofs: Proofs, *, covered: bool) -> Decide:
        """Return what counts people's words when a run is about to begin.

        A signature that is not among *proofs* came after they were made: it proves nothing here.
        """

        def decide(there: Sequence[Approval]) -> tuple[Approval, ...]:
            found = merged(there, self._records.approvals(plan.content_hash))
            now = self._system.clock.now()
            Approved(
                plan=plan,
                approvals=found,
                planner=planner,
                now=now,
                proofs=proofs,
                covered=covered,
            )
            return found

        return decide

    def refuse_repeated(self, plan: Plan) -> None:
        """Raise if a plan that somebody names has succeeded; one that is made anew may run."""
        if plan.steps and (run := self._records.succeeded(plan.id)):
            message = f"plan {short(plan.id)} succeeded already, in run {run}"
            raise Stale(message, hint="templedb deploy run makes a new plan")

    def reconcile(self, *, anew: bool = False) -> tuple[str, ...]:
        """Fold the journals of runs whose processes died; see `Reconciler`."""
        return self._reconciling.reconcile(anew=anew)

    @property
    def _reconciling(self) -> Reconciler:
        return Reconciler(
            planning=self._plans,
            memory=self._records,
            slots=self._slots,
            system=self._system,
            journals=self.journals,
        )
