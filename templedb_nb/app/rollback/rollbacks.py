"""Going back: to which run, by which plan, and the run that carries it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from templedb_nb.app.artifacts.artifacts import Artifacts
from templedb_nb.app.deploy.approvals import Approvals
from templedb_nb.app.deploy.case import DeployContext, OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import RunOptions, Runs
from templedb_nb.app.environment import Environment
from templedb_nb.app.migrations.down_proof import DownProofs
from templedb_nb.app.migrations.migrations import Migrations, RevertRequest
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.variables import NOTHING_GIVEN, GivenValues
from templedb_nb.app.rollback.ahead import left
from templedb_nb.app.rollback.goals import goal
from templedb_nb.app.rollback.older_release import OlderReleases
from templedb_nb.core.config.document import document
from templedb_nb.core.config.failure_rule import FailureRule, failure_rule
from templedb_nb.core.plan.rollback import WayBack
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.core.plan.slots.steps import unslotted
from templedb_nb.core.run import rollback_choice, rollback_decision
from templedb_nb.core.run.rollback_choice import EarlierRun, RollbackChoices
from templedb_nb.errors import (
    PlanRefused,
    Stale,
    TempleError,
    UnavailableRelease,
    UnknownName,
    UsageProblem,
)
from templedb_nb.model.artifact import Artifact
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.down_proof import DownVerdict
from templedb_nb.model.event import Outcome
from templedb_nb.model.finding import errors
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.rollback import AfterFailure, IfFails
from templedb_nb.model.rollback_summary import Fallback, RollbackList, RollbackRow
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.selection import Selection
from templedb_nb.model.serialization import digest
from templedb_nb.model.step import Revert
from templedb_nb.model.variable import ValueSource
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.store import Transactions

_NEXT = "~"
"""Stands for the run that is planned: it sorts behind the ids of all others."""


KeptOfGroups: TypeAlias = Mapping[str, tuple[Artifact, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackWish:
    """Where to go back to, and what to leave out.

    `to` is a run or the number of a release; nothing stands for what was in place before. `bundle`
    has the files where this state does not. `with_down` also undoes the migrations that the release
    does not have, each by its down part.
    """

    to: str | None = None
    bundle: Path | None = None
    skip_groups: tuple[str, ...] = ()
    with_down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollbacks:
    """Use cases around going back to an earlier release."""

    state: Transactions
    projects: Projects
    plans: Plans
    runs: Runs
    approvals: Approvals
    older: OlderReleases
    artifacts: Artifacts
    migrations: Migrations
    down_proofs: DownProofs
    records: RecordStore
    system: Environment
    mask: Callable[[str], str]

    def listed(self, choice: Selection) -> RollbackList:
        """Return every run that one can go back to, and why the others cannot be."""
        with self._today(choice) as today:
            found = self._choices(today)
            project = today.case.project
            rows = tuple(self._row(today, found, each) for each in found.rows)
            place = found.in_place
            return RollbackList(
                slug=project.slug,
                target=today.case.target.name,
                in_place=place.run if place else "",
                release=self._release(today, place) if place else 0,
                rows=rows,
            )

    def plan(
        self, choice: Selection, wish: RollbackWish, given: GivenValues = NOTHING_GIVEN
    ) -> Preview:
        """Return what a rollback would do."""
        with self._opened(choice, wish, given) as (opened, options):
            return self.plans.preview(opened, options)

    def run(
        self,
        choice: Selection,
        wish: RollbackWish,
        how: RunOptions = RunOptions(),
        given: GivenValues = NOTHING_GIVEN,
    ) -> Result:
        """Plan a rollback, and carry it out."""
        with self._opened(choice, wish, given) as (opened, options):
            preview = self.plans.preview(opened, options)
            if files := self.approvals.meant(how.approvals, how.offered, preview.plan):
                preview = self.approvals.admit(files, preview, opened.sessions)
            return self.runs.run(opened, preview, replace(how, options=options))

    def case_of(
        self, preview: Preview, given: GivenValues, bundle: Path | None = None
    ) -> tuple[DeployContext, PlanOptions]:
        """Return what a rollback plan that was made before is carried out with."""
        project = self.projects.pick(preview.slug)
        with self.state.transaction():
            now = self.plans.case(project, preview.plan.target, sync=False)
        to = self._goal(preview)
        case, back, _ = self._way_back(now, to, None, RollbackWish(bundle=bundle), given)
        only = frozenset(group.name for group in preview.plan.groups)
        reverts = tuple(step for step in preview.plan.steps if isinstance(step, Revert))
        back = replace(back, only=only, reverts=reverts)
        return case, PlanOptions(rollback=back, artifacts=preview.plan.placed)

    def with_fallback(self, opened: OpenTarget, options: PlanOptions) -> PlanOptions:
        """Return the options with the rollback that follows a failure, where the config asks."""
        case = opened.case
        rule = failure_rule(case.target, case.current.config)
        if rule.on_failure is not AfterFailure.ROLLBACK or options.amend or options.rollback:
            return options
        found = self._fallback(opened, rule, options.skip_groups)
        return replace(options, fallback=found)

    def remade(self, opened: OpenTarget, preview: Preview) -> str:
        """Make the rollback of a plan from elsewhere again; return why it cannot follow here."""
        rule = preview.plan.if_fails
        if rule is None:
            return ""
        try:
            self.records.plan_with(rule.content_hash)
        except UnknownName:
            skip = preview.draft.skipped_groups
            found = self.with_fallback(opened, PlanOptions(skip_groups=skip)).fallback
            if found is None or found.if_fails != rule:
                why = found.why_not if found else "the config does not ask for it any more"
                return why or "it would now roll back to another release"
        return ""

    def _fallback(self, opened: OpenTarget, rule: FailureRule, skip: tuple[str, ...]) -> Fallback:
        case = opened.case
        config_hash = digest(document(case.current.config))
        next_run = PastRun(
            run=_NEXT, target=case.target.name, tree=case.release.tree, config_hash=config_hash
        )
        runs = self._runs_of(opened)
        good = next(
            (r for r in runs if r.run_kind.deploys and r.outcome is Outcome.SUCCEEDED), None
        )
        if good is not None and good.content == next_run.content:
            return Fallback(why_not="the release that is deployed is in place already", idle=True)
        to = rollback_choice.choices((next_run, *runs)).default
        if to is None:
            return Fallback(why_not="no earlier run of other content has succeeded", idle=True)
        try:
            older, back, kept = self._way_back(case, to, None, RollbackWish(), case.given)
            known = {group.name for group in older.current.config.groups}
            out = tuple(each for each in skip if each in known)
            options = PlanOptions(rollback=back, skip_groups=out, artifacts=kept)
            preview = self.plans.preview(self._on(opened, older), options)
        except TempleError as error:
            return Fallback(why_not=self.mask(error.message))
        if wrong := errors(preview.findings):
            return Fallback(why_not="; ".join(str(each) for each in wrong))
        plan = preview.plan
        what = IfFails(
            content_hash=plan.content_hash,
            goal=to.run,
            rollback_on=rule.rollback_on,
            cancel_policy=rule.cancel_policy,
        )
        return Fallback(if_fails=what, summary=preview.draft.rollback, plan=plan.id)

    def _on(self, opened: OpenTarget, case: DeployContext) -> OpenTarget:
        """Return the older case on the databases that are open already."""
        wanted = self.plans.databases(case)
        if missing := set(wanted) - set(opened.databases):
            message = f"the release before works on {', '.join(sorted(missing))}, too"
            raise UnavailableRelease(message)
        kept = {name: ledger for name, ledger in opened.ledgers.items() if name in wanted}
        return replace(opened, case=case, databases=wanted, ledgers=kept or opened.ledgers)

    def owing(self, result: Result) -> Result:
        """Return a run with the rollback that it owes now, or raise if it was rolled back.

        Its target says so, not its history: a process may have died between the two, and somebody
        else may have rolled it back or settled it since.
        """
        if result.outcome in {None, Outcome.SUCCEEDED}:
            return result
        with self.plans.of_target(result.slug, result.target) as opened:
            marks = [each.rollback for each in opened.ledgers.values() if each.rollback]
            runs = self._runs_of(opened)
        undone = result.parent_run if result.run_kind is RunKind.ROLLBACK else result.run
        if back := rollback_choice.rolled_back(undone, runs):
            message = f"run {undone[:13]} was rolled back by run {back.run[:13]}"
            message = f"{message}: there is nothing to resume"
            raise UsageProblem(message, hint=f"templedb deploy run {result.slug}")
        own = (each for each in marks if each.parent == result.run and not each.begun)
        return replace(result, owes=next((each.content_hash for each in own), ""))

    def owed(self, parent: Result) -> Preview:
        """Return the rollback that a failed run owes: the groups that it had begun."""
        plan = self.records.plan(parent.plan).plan
        assert plan.if_fails is not None  # noqa: S101 - else it owes none
        whole = self.records.plan_with(plan.if_fails.content_hash)
        part = rollback_decision.child(whole.plan, plan, parent)
        if part.content_hash != parent.owes:
            message = f"run {parent.run[:13]} now owes a different rollback"
            raise Stale(message, hint=f"templedb deploy rollback {parent.slug}")
        now, user = self.system.clock.now(), self.system.user()
        made = replace(whole, draft=replace(whole.draft, plan=part), made_at=now, made_by=user)
        self.records.keep_plan(made)
        return made

    def carry_out(self, parent: Result, wish: RunOptions, given: GivenValues) -> Result:
        """Roll back what a failed run owes, and return the rollback's own run."""
        preview = self.owed(parent)
        case, options = self.case_of(preview, given)
        how = replace(
            wish,
            options=options,
            parent=parent.run,
            after_failure=True,
            resumed=0,
            finished=frozenset(),
            resumes="",
            reason=f"rollback of run {parent.run[:13]}",
        )
        with self.plans.opened(case, name="rollback") as opened:
            files = self.approvals.meant(how.approvals, how.offered, preview.plan)
            now = self.approvals.admit(files, preview, opened.sessions)
            return self.runs.run(opened, now, how)

    def _goal(self, preview: Preview) -> PastRun:
        """Return the run that a plan goes back to, as the plan and this state know it."""
        goal, known = preview.plan.rollback, None
        assert goal is not None  # noqa: S101 - the caller asked
        rows = self.records.past_runs(preview.slug, preview.plan.target)
        known = next((each for each in rows if each.run == goal.run), None)
        bare = PastRun(run=goal.run, target=preview.plan.target)
        return replace(known or bare, tree=goal.tree, config_hash=goal.config_hash)

    @contextmanager
    def _today(self, choice: Selection) -> Iterator[OpenTarget]:
        """Open the target as it is deployed now."""
        with self.state.transaction():
            project = self.projects.pick(choice.project)
            now = self.plans.case(project, choice.target, sync=False)
        self.runs.reconcile(anew=True)
        with self.plans.opened(now, name="rollback") as today:
            yield today

    @contextmanager
    def _opened(
        self, choice: Selection, wish: RollbackWish, given: GivenValues
    ) -> Iterator[tuple[OpenTarget, PlanOptions]]:
        with self._today(choice) as today:
            found = self._choices(today)
            to = goal(found, wish.to, wish.bundle, today.case)
            case, back, kept = self._way_back(today.case, to, found.in_place, wish, given)
            if wish.with_down:
                back = replace(back, reverts=self._reverts(today, case))
        options = PlanOptions(rollback=back, skip_groups=wish.skip_groups, artifacts=kept)
        with self.plans.opened(case, wish.skip_groups, name="rollback") as opened:
            yield opened, options

    def _reverts(self, today: OpenTarget, case: DeployContext) -> tuple[Revert, ...]:
        """Return the down parts of what the older release does not have, each proven on a copy."""
        seen = case.read.observe(case.current.config, case.release.files, today.ledgers)
        keys = frozenset(
            entry.key for _, own in left(seen.migrations, today.ledgers) for entry in own
        )
        if not keys:
            return ()
        reason = f"rollback to release {case.release.number}"
        request = RevertRequest(only=keys, reason=reason)
        steps = self.migrations.way_back(today, request)
        if len({step.database for step in steps}) > 1:
            message = "--with-down undoes migrations of one database, and these are in several"
            raise UsageProblem(message, hint="templedb migration down undoes them one by one")
        proof = self.down_proofs.prove(today, request)
        if not proof.holds:
            rows = [each for each in proof.rows if each.verdict is not DownVerdict.HOLDS]
            problems = [f"{e.file}: its down part {e.verdict}: {e.told or e.diff}" for e in rows]
            message = "a down part does not lead back, on a copy of the schema; nothing was planned"
            hint = "templedb migration down --check shows it; leave out --with-down"
            raise PlanRefused(message, problems=problems, hint=hint)
        return steps

    def _choices(self, today: OpenTarget) -> RollbackChoices:
        return rollback_choice.choices(self._runs_of(today))

    def _runs_of(self, opened: OpenTarget) -> tuple[PastRun, ...]:
        """Return the runs on the target, newest first, as this state and the ledgers have them."""
        case = opened.case
        here = self.records.past_runs(case.project.slug, case.target.name)
        there = [ledger.runs for ledger in opened.ledgers.values()]
        return rollback_choice.merged(here, *there)

    def _way_back(
        self,
        now: DeployContext,
        to: PastRun,
        undone: PastRun | None,
        wish: RollbackWish,
        given: GivenValues,
    ) -> tuple[DeployContext, WayBack, KeptOfGroups]:
        """Return the case of the older release on today's target, and what was built of it."""
        found = self.older.find(now.project, to, wish.bundle)
        number = found.parts.release.number
        case = self.plans.around(now.project, now.target, found.parts, given)
        kept, not_kept = self._kept(case, to)
        back = WayBack(
            to=replace(to, release=to.release or number),
            undone=undone,
            groups=tuple(group.name for group in now.current.config.groups),
            unslotted=unslotted(now.current.config),
            sources=self._sources(to),
            origin=found.origin,
            not_kept=not_kept,
        )
        return case, back, kept

    def _kept(self, case: DeployContext, to: PastRun) -> tuple[KeptOfGroups, str]:
        """Return what a run has kept, by group, or why it has to be built again."""
        store = case.current.config.artifacts_store
        try:
            kept = self.artifacts.of_run(case.project, to, store=store)
        except TempleError as error:
            return {}, self.mask("; ".join((error.message, *error.problems)))
        return ({each.group: each.artifacts for each in kept.groups} if kept else {}), ""

    def _sources(self, to: PastRun) -> tuple[ValueSource, ...] | None:
        try:
            return self.records.plan(to.plan).draft.sources if to.plan else None
        except TempleError:
            return None

    def _row(self, today: OpenTarget, found: RollbackChoices, each: EarlierRun) -> RollbackRow:
        run = each.run
        why_not = each.why_not or self._missing(today, run)
        return RollbackRow(
            run=run.run,
            release=self._release(today, run),
            run_kind=run.run_kind,
            finished_at=run.finished_at,
            started_by=run.started_by,
            default=found.default is not None and found.default.run == run.run,
            why_not=why_not,
        )

    def _release(self, today: OpenTarget, run: PastRun) -> int:
        return run.release or self.older.number(today.case.project, run)

    def _missing(self, today: OpenTarget, run: PastRun) -> str:
        """Return what of a run is not in this state."""
        number = self.older.number(today.case.project, run)
        if not number:
            return (
                "its files are not in this state: they come from the folder's git, or --bundle FILE"
            )
        if not self.older.has_config(today.case.project, run, number):
            return "its config is not in this state: --bundle FILE"
        return ""
