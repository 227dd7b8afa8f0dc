"""Deployments: planned, run, gone on with; each a story of a few lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from templedb_nb.app.artifacts.artifacts import Artifacts
from templedb_nb.app.artifacts.bundled import BundledArtifacts
from templedb_nb.app.deploy.approvals import Approvals
from templedb_nb.app.deploy.attach import RunFollower
from templedb_nb.app.deploy.bundles import bundled_case, read_bundle, write_bundle
from templedb_nb.app.deploy.case import DeployContext, refuse_empty
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import RunOptions, Runs
from templedb_nb.app.deploy.selections import Selections
from templedb_nb.app.environment import Environment
from templedb_nb.app.history.history import History
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.variables import NOTHING_GIVEN, GivenValues, Variables
from templedb_nb.app.promotion.promotions import Promotions, PromotionWish
from templedb_nb.app.rollback.rollbacks import Rollbacks, RollbackWish
from templedb_nb.core.config.overlay import document_of
from templedb_nb.core.fleet.selector import facts
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.core.plan.slots.steps import stored_options
from templedb_nb.core.run.health_decision import left
from templedb_nb.core.slots.ends import go_ahead
from templedb_nb.errors import ApprovalMissing, Stale, TempleError, UnknownName, UsageProblem
from templedb_nb.failpoints import reach
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome
from templedb_nb.model.history import DeployHistory, Filter
from templedb_nb.model.plan import Preview
from templedb_nb.model.project import Slug
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.serialization import short
from templedb_nb.model.target import TargetName
from templedb_nb.ports.records import RecordStore

_RECENT = 50
"""So many runs are looked at for earlier ones of a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployments:
    """Carries plans out, or says why not."""

    artifacts: Artifacts
    selections: Selections
    projects: Projects
    variables: Variables
    plans: Plans
    runs: Runs
    approvals: Approvals
    follower: RunFollower
    rollbacks: Rollbacks
    promotions: Promotions
    run_history: History
    records: RecordStore
    system: Environment
    notify: Callable[[], object]
    """Tells people what is owed to them, before somebody is waited for."""

    def plan(
        self,
        choice: Selection,
        options: PlanOptions = PlanOptions(),
        *,
        release: int | None = None,
        sync: bool = True,
        given: GivenValues = NOTHING_GIVEN,
        overlay: object = None,
        out: Path | None = None,
        with_artifacts: bool = False,
    ) -> Preview:
        """Return what a run would do; with *out*, also as a bundle that travels.

        *with_artifacts* puts in what the plan places.

        *overlay* is a document that changes the config for this plan alone.
        """
        how = {"release": release, "sync": sync, "given": given, "overlay": overlay}
        with self.selections.opened(choice, skip=options.skip_groups, **how) as opened:
            refuse_empty(opened.case)
            options = self.rollbacks.with_fallback(opened, options)
            preview = self.plans.preview(opened, options)
            if out:
                self.write_bundle(out, preview, opened.case, with_artifacts=with_artifacts)
            return preview

    def write_bundle(
        self, out: Path, preview: Preview, case: DeployContext, *, with_artifacts: bool
    ) -> None:
        """Write a plan as a bundle that travels, with the artifacts that it places or without."""
        store = case.current.config.artifacts_store
        sources = self.artifacts.sources(store, case.root) if with_artifacts else ()
        write_bundle(out, preview, case, sources)

    def run(
        self,
        choice: Selection,
        wish: RunOptions = RunOptions(),
        *,
        release: int | None = None,
        sync: bool = True,
        given: GivenValues = NOTHING_GIVEN,
        overlay: object = None,
    ) -> Result:
        """Plan and run."""
        how = {"release": release, "sync": sync, "given": given, "overlay": overlay}
        with self.selections.opened(choice, skip=wish.options.skip_groups, **how) as opened:
            refuse_empty(opened.case)
            if there := self.follower.again(opened.case, wish):
                return there
            wish = replace(wish, options=self.rollbacks.with_fallback(opened, wish.options))
            preview = self.plans.preview(opened, wish.options)
            if files := self.approvals.meant(wish.approvals, wish.offered, preview.plan):
                preview = self.approvals.admit(files, preview, opened.sessions)
            waited = None
            try:
                result = self.runs.run(opened, preview, wish)
            except ApprovalMissing as missing:
                waited = self._waits(preview, wish, missing)
        if waited is None:
            return self._followed(result, wish, given)
        waited()
        return self.run_plan(preview.plan.id, replace(wish, planned=None), given)

    def run_plan(
        self,
        named: str,
        wish: RunOptions = RunOptions(),
        given: GivenValues = NOTHING_GIVEN,
        bundle: Path | None = None,
    ) -> Result:
        """Run exactly the plan of that id or in that bundle, or refuse.

        A rollback takes its release from *bundle*, if that is given.
        """
        try:
            return self._run_plan(named, wish, given, bundle)
        except ApprovalMissing as missing:
            path = Path(named)
            preview = read_bundle(path)[0].preview if path.is_file() else self.records.plan(named)
            waited = self._waits(preview, wish, missing)
        waited()
        return self._run_plan(named, replace(wish, planned=None), given, bundle)

    def roll_back(
        self,
        choice: Selection,
        back: RollbackWish,
        wish: RunOptions = RunOptions(),
        given: GivenValues = NOTHING_GIVEN,
    ) -> Result:
        """Plan a rollback, and carry it out."""
        made = _LastPlan(wish)
        try:
            return self.rollbacks.run(choice, back, replace(wish, planned=made.keep), given)
        except ApprovalMissing as missing:
            preview = made.preview
            assert preview is not None  # noqa: S101 - approvals are counted of a plan
            waited = self._waits(preview, wish, missing)
        waited()
        return self.run_plan(preview.plan.id, replace(wish, planned=None), given, back.bundle)

    def promote(
        self,
        choice: Selection,
        what: PromotionWish,
        wish: RunOptions = RunOptions(),
        given: GivenValues = NOTHING_GIVEN,
    ) -> Result:
        """Plan a promotion, and carry it out."""
        made = _LastPlan(wish)
        how = replace(wish, planned=made.keep)
        try:
            result = self.promotions.run(choice, what, how, given)
        except ApprovalMissing as missing:
            preview = made.preview
            assert preview is not None  # noqa: S101 - approvals are counted of a plan
            waited = self._waits(preview, wish, missing)
        else:
            return self._followed(result, wish, given)
        waited()
        return self.run_plan(preview.plan.id, replace(wish, planned=None), given, what.bundle)

    def resume(
        self,
        choice: Selection,
        named: str | None,
        wish: RunOptions,
        given: GivenValues,
        bundle: Path | None = None,
    ) -> Result:
        """Go on with a run that broke off: the same plan, from the first step that is not done.

        *bundle* is the one that the run carried out, if it did: nothing of it is kept here.
        """
        self.runs.reconcile(anew=True)
        project, target = self.selections.named(choice)
        if named is None:
            rows = self.records.runs(project.slug, target.name if target else None, Filter(last=1))
            if not rows:
                raise UsageProblem(
                    f"{project.slug} has no run here: there is nothing to resume",
                    hint=f"templedb deploy run {project.slug}",
                )
            pending = self.records.ledger(project.slug, rows[0].target).rollback
            if pending is None and rows[0].outcome is Outcome.SUCCEEDED:
                hint = "templedb deploy history shows the runs; deploy run makes a new plan"
                raise UsageProblem("there is nothing to resume: the last run succeeded", hint=hint)
            named = pending.run or pending.parent if pending else rows[0].run
        result = self._named(project.slug, named)
        if (back := result.rollback) and back.outcome is None:
            message = f"run {result.run[:13]} is being rolled back by run {back.run[:13]}"
            raise UsageProblem(message, hint=f"templedb run attach {back.run[:13]}")
        result = self.rollbacks.owing(result)
        if result.owes:
            return replace(result, rollback=self.rollbacks.carry_out(result, wish, given))
        if result.outcome in {None, Outcome.SUCCEEDED}:
            state = "is still running" if result.outcome is None else "succeeded"
            raise UsageProblem(f"run {result.run} {state}: there is nothing to resume")
        to_do, count = left(result), len(result.steps)
        first = to_do[0] if to_do else count
        beyond = frozenset(range(first, count)) - {*to_do}
        how = replace(wish, resumed=first, finished=beyond, resumes=result.run)
        how = replace(how, begun=self._begun(result))
        return self.run_plan(self._carried_out(result, bundle), how, given)

    def _carried_out(self, result: Result, bundle: Path | None) -> str:
        """Return the plan that a run carried out: its id or, if it came in one, its *bundle*."""
        run, plan = result.run[:13], result.plan
        if bundle is not None:
            held = read_bundle(bundle)[0].preview.plan.id
            if held != plan:
                message = f"{bundle} has plan {short(held)}; run {run} carried out {short(plan)}"
                raise Stale(message, hint="name the bundle that the run carried out")
            return str(bundle)
        try:
            preview = self.records.plan(plan)
            here = bool(preview.plan.promotion or preview.plan.rollback)  # they look elsewhere, too
            if not here:
                project = self.projects.pick(preview.slug)
                here = self.projects.release(project, preview.release).tree == preview.tree
        except UnknownName:
            here = False
        if not here:
            message = f"run {run} cannot go on: its plan, or the files of it, are not in this state"
            raise UnknownName(message, hint=_with_bundle(result))
        return plan

    def _begun(self, result: Result) -> bool:
        """Return whether the run, or an earlier one of its plan, had begun a step."""
        slug, target = Slug(result.slug), TargetName(result.target)
        rows = self.records.runs(slug, target, Filter(last=_RECENT))
        earlier = (self.run_history.result(r.run) for r in rows if r.plan == result.plan)
        return result.begun or any(each.begun for each in earlier)

    def _named(self, slug: str, named: str) -> Result:
        """Return a run of this state, or raise with what can be done about one of another."""
        try:
            return self.run_history.result(named)
        except UnknownName as error:
            hint = (
                f"if it began on another machine: resume it there; templedb deploy rollback {slug}"
            )
            hint = f"{hint} rolls back what failed; templedb run resolve {slug} RUN settles it"
            raise UnknownName(error.message, hint=hint, problems=error.problems) from None

    def history(self, choice: Selection, wanted: Filter) -> DeployHistory:
        """Return runs of a project, newest first, on one target or on all."""
        project, target = self.selections.named(choice)
        return self.run_history.runs(project, target.name if target else None, wanted)

    def _run_plan(
        self, named: str, wish: RunOptions, given: GivenValues, bundle: Path | None
    ) -> Result:
        path, plain = Path(named), wish.options
        self.runs.reconcile(anew=True)
        if path.is_file():
            preview, case = self._bundled(path, given)
            if preview.plan.if_fails:  # its rollback needs it
                self.records.keep_plan(preview)
            if preview.plan.promotion:
                case, plain = self.promotions.case_of(preview, given, path, begun=wish.begun)
        elif (preview := self.records.plan(named)).plan.promotion:
            case, plain = self.promotions.case_of(preview, given, bundle, begun=wish.begun)
        elif preview.plan.rollback:
            case, plain = self.rollbacks.case_of(preview, given, bundle)
        else:
            project = self.projects.pick(preview.slug)
            laid = document_of(preview.plan.overlay)
            how: dict[str, Any] = {"release": preview.release, "given": given, "overlay": laid}
            case = self.plans.case(project, preview.plan.target, **how)
            _refuse_other_release(preview, case)
        self.runs.refuse_repeated(preview.plan)
        skip = preview.draft.skipped_groups
        options = replace(plain, skip_groups=(*plain.skip_groups, *skip), fallback=preview.fallback)
        options = replace(options, artifacts=preview.plan.placed)
        options = replace(options, **stored_options(preview.plan))
        with self.plans.opened(case, skip) as opened:
            if options.promotion and not wish.begun:
                self.promotions.refuse_changed(opened, preview, options)
            if why := self.rollbacks.remade(opened, preview):
                wish.tell(f"if this fails, it cannot be rolled back from here: {why}")
            files = self.approvals.meant(wish.approvals, wish.offered, preview.plan)
            now = self.approvals.admit(files, preview, opened.sessions)
            result = self.runs.run(opened, now, replace(wish, options=options))
        if path.is_file():
            result = _naming(result, path)
        return self._followed(result, wish, given)

    def _followed(self, result: Result, wish: RunOptions, given: GivenValues) -> Result:
        """Roll back what a run owes that failed; its own failure stays the first thing to know."""
        if not result.owes:
            return result
        how = replace(wish, observers=wish.child_observers or wish.observers)
        try:
            reach("rollback.owed")
            wish.tell(f"run {result.run[:13]} did not succeed: rolling it back")
            return replace(result, rollback=self.rollbacks.carry_out(result, how, given))
        except TempleError as error:
            begun = self.run_history.result(result.run).rollback
            told = self.rollbacks.mask(f"{error.message}; {error.hint}".rstrip("; "))
            missing = "" if begun else told
            return replace(result, rollback=begun, rollback_missing=missing)

    def _bundled(self, path: Path, given: GivenValues) -> tuple[Preview, DeployContext]:
        bundle, blobs = read_bundle(path)
        local = next((p for p in self.projects.all() if p.slug == bundle.slug), None)
        case = bundled_case(bundle, blobs, local)
        kept = self.variables.kept(case.project, case.target.name, bundle.variables)
        case = replace(case, artifacts=BundledArtifacts(path=path))
        known = self.variables.known(kept, given, case.root, facts(case.target))
        return bundle.preview, replace(case, known=known, given=given)

    def _waits(
        self, preview: Preview, wish: RunOptions, missing: ApprovalMissing
    ) -> Callable[[], None]:
        """Return what waits for people's word, with no database open, or raise what is missing."""
        if wish.approval_wait_s:
            self.notify()
            wish.tell(f"waiting: {missing.message}; {missing.hint.split(',')[0]}")
            return lambda: self.approvals.wait(preview, wish.approval_wait_s)
        gate = wish.gate
        if gate is None or wish.approvals:
            raise missing
        self.records.keep_plan(preview)
        self.notify()
        return lambda: gate(preview)


def _with_bundle(result: Result) -> str:
    """Return how a run goes on that carried out a bundle."""
    again, more = f"deploy resume {result.slug} {result.run[:13]}", ""
    if (failure := result.failure) and failure.waits:
        again = f"deploy switch {result.slug} {result.steps[failure.step].label.key}"
        more = " --reason WHY"
    told = f"templedb {again} --target {result.target} --plan FILE{more}"
    return f"if it carried out a plan bundle, name that: {told}"


def _naming(result: Result, bundle: Path) -> Result:
    """Return a run of a bundle; if it waits for a person, its hint names the bundle."""
    failure = result.failure
    if failure is None or not failure.waits:
        return result
    slot = result.steps[failure.step].label.key
    hint = go_ahead(slot, result.target, str(bundle))
    return replace(result, failure=replace(failure, hint=hint))


@dataclass(slots=True)
class _LastPlan:
    """Keeps the plan of a run that then waits for approvals."""

    wish: RunOptions
    preview: Preview | None = None

    def keep(self, made: Preview) -> None:
        """Keep a plan, and tell whoever wants to know."""
        self.preview = made
        if self.wish.planned:
            self.wish.planned(made)


def _refuse_other_release(preview: Preview, case: DeployContext) -> None:
    """Raise where the release of that number is another one: the plan came here in a bundle."""
    if case.release.tree != preview.tree:
        message = f"plan {short(preview.plan.id)} came in a bundle, and its files are not here"
        raise Stale(message, hint="run the bundle again: templedb deploy run --plan FILE")
