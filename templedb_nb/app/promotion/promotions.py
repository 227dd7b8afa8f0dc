"""Promotion: the release of a run on one target, planned for the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from templedb_nb.app.artifacts.artifacts import Artifacts
from templedb_nb.app.artifacts.bundled import BundledArtifacts
from templedb_nb.app.deploy.approvals import Approvals
from templedb_nb.app.deploy.bundles import write_bundle
from templedb_nb.app.deploy.case import DeployContext, DeployParts, OpenTarget, refuse_empty
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.refusals import refuse, stale
from templedb_nb.app.deploy.runs import RunOptions, Runs
from templedb_nb.app.environment import Environment
from templedb_nb.app.project.configs import Configs, CurrentConfig
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.variables import NOTHING_GIVEN, GivenValues
from templedb_nb.app.promotion.source import FoundSource, PromotionSources
from templedb_nb.app.promotion.stages import refuse_wrong_stages, stages
from templedb_nb.app.rollback.older_release import FoundRelease, OlderReleases
from templedb_nb.app.rollback.rollbacks import KeptOfGroups, Rollbacks
from templedb_nb.core.config.document import document, problem
from templedb_nb.core.config.overlay import NO_OVERLAY
from templedb_nb.core.plan import planner
from templedb_nb.core.plan.rollback import WayBack
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.core.plan.slots.steps import unslotted
from templedb_nb.core.promotion import choice, recipe
from templedb_nb.core.promotion.forward import WayForward, built_anew, never_there
from templedb_nb.core.promotion.gates import gates, on_gates
from templedb_nb.errors import Stale, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.plan import Plan, Preview
from templedb_nb.model.promotion import PromotionGoal, PromotionSummary
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.serialization import digest
from templedb_nb.ports.store import Transactions

DIGITS = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionWish:
    """What to promote, and what of it is accepted.

    `source` and the target may be left open where the lifecycle leaves one choice. `run` is a run
    on `source` or the number of a release; nothing stands for what is in place there. `only_in_to`
    are migrations, or patterns of them, that only the target has. `bundle` has the release's files
    where this state does not.
    """

    source: str | None = None
    run: str | None = None
    accept_recipe_change: bool = False
    keep_recipe: bool = False
    only_in_to: tuple[str, ...] = ()
    reason: str = ""
    downgrade: bool = False
    discard_old: bool = False
    """Whether a slot may be overwritten that keeps what served before."""
    bundle: Path | None = None
    skip_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The config that a promotion follows, and how the one of the run and today's differ."""

    parts: DeployParts
    differs: tuple[str, ...] = ()
    used: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotions:
    """Use cases around promotion."""

    state: Transactions
    projects: Projects
    plans: Plans
    runs: Runs
    approvals: Approvals
    rollbacks: Rollbacks
    older: OlderReleases
    configs: Configs
    sources: PromotionSources
    artifacts: Artifacts
    system: Environment
    mask: Callable[[str], str]

    def plan(
        self,
        choice_: Selection,
        wish: PromotionWish,
        given: GivenValues = NOTHING_GIVEN,
        out: Path | None = None,
        *,
        with_artifacts: bool = False,
    ) -> Preview:
        """Return what a promotion would do; with *out*, also as a bundle that travels.

        *with_artifacts* puts in what the plan places.
        """
        with self._opened(choice_, wish, given) as (opened, options):
            preview = self.plans.preview(opened, options)
            if out:
                store = opened.case.current.config.artifacts_store
                places = self.artifacts.sources(store, opened.case.root)
                write_bundle(out, preview, opened.case, places if with_artifacts else ())
            return preview

    def run(
        self,
        choice_: Selection,
        wish: PromotionWish,
        how: RunOptions = RunOptions(),
        given: GivenValues = NOTHING_GIVEN,
    ) -> Result:
        """Plan a promotion, and carry it out."""
        with self._opened(choice_, wish, given) as (opened, options):
            preview = self.plans.preview(opened, options)
            if files := self.approvals.meant(how.approvals, how.offered, preview.plan):
                preview = self.approvals.admit(files, preview, opened.sessions)
            return self.runs.run(opened, preview, replace(how, options=options))

    def case_of(
        self,
        preview: Preview,
        given: GivenValues,
        bundle: Path | None = None,
        *,
        begun: bool = False,
    ) -> tuple[DeployContext, PlanOptions]:
        """Return what a promotion that was planned before is carried out with, as things stand.

        One that had *begun* is brought to its end: the gates are not asked again.
        """
        goal = preview.plan.promotion
        assert goal is not None  # noqa: S101 - the caller asked
        project = self.projects.pick(preview.slug)
        with self.state.transaction():
            now = self.plans.case(project, preview.plan.target, sync=False)
        wish = PromotionWish(
            source=goal.source,
            run=goal.run,
            accept_recipe_change=goal.recipe_changed,
            keep_recipe=True,
            only_in_to=goal.only_in_to,
            reason=goal.reason,
            downgrade=preview.plan.rollback is not None,
            bundle=bundle,
            skip_groups=preview.draft.skipped_groups,
        )
        found = self.sources.find(project, goal.source, goal.run, begun=begun)
        case, way, kept = self._way(now, found, wish, given, preview.plan)
        if begun:
            way = replace(way, findings=())
        back = preview.plan.rollback
        older = self._back(case, found, way) if back else None
        return case, PlanOptions(promotion=way, rollback=older, artifacts=kept)

    def refuse_changed(self, opened: OpenTarget, preview: Preview, options: PlanOptions) -> None:
        """Raise where the targets have moved so that a plan may not be carried out any more."""
        self._refuse_newer(opened, preview, options)
        fresh = planner.plan(self.plans.situation(opened, options, opened.ledgers))
        refuse((e for e in fresh.findings if e.topic is Topic.PROMOTION), preview.plan)
        if fresh.plan.promotion != preview.plan.promotion:
            raise stale(preview.plan, fresh.plan)

    def _refuse_newer(self, opened: OpenTarget, preview: Preview, options: PlanOptions) -> None:
        """Raise where a newer release came since to the target of a plan that is no downgrade."""
        way = options.promotion
        if way is None or preview.plan.rollback is not None:
            return
        here = self.sources.runs_of(opened)
        run = next(each for each in way.there if each.run == way.goal.run)
        if newer := choice.newer(here, way.there, run):
            refuse([_older(newer, opened.case.target.name)], preview.plan)

    @contextmanager
    def _opened(
        self, choice_: Selection, wish: PromotionWish, given: GivenValues
    ) -> Iterator[tuple[OpenTarget, PlanOptions]]:
        _refuse_unclear(wish)
        with self.state.transaction():
            project = self.projects.pick(choice_.project)
            if project.root and Path(project.root).is_dir():
                self.projects.sync(project)
            release = self.projects.release(project, None)
            current = self.configs.current(project, release)
            refuse_wrong_stages(current.findings)
            lifecycle = current.config.lifecycle
            source, target = stages(lifecycle, wish.source, choice_.target)
            now = self.plans.case(project, target, sync=False)
        self.runs.reconcile(anew=True)
        found = self.sources.find(project, source, wish.run)
        case, way, kept = self._way(now, found, wish, given)
        refuse_empty(case)
        with self.plans.opened(case, wish.skip_groups, name="promote") as opened:
            options = replace(self._options(opened, now, found, way, wish), artifacts=kept)
            yield opened, self.rollbacks.with_fallback(opened, options)

    def _options(
        self,
        opened: OpenTarget,
        now: DeployContext,
        found: FoundSource,
        way: WayForward,
        wish: PromotionWish,
    ) -> PlanOptions:
        """Return the options of the plan, by what is in place on the target."""
        here = self.sources.runs_of(opened)
        target = now.target.name
        newer = choice.newer(here, found.runs, found.run)
        findings: list[Finding] = list(way.findings)
        if newer is None and wish.downgrade:
            message = f"nothing newer than run {found.run.run[:DIGITS]} is in place on {target}"
            raise UsageProblem(message, hint="leave out --downgrade")
        if newer:
            told = _newer(newer, target)
            way = replace(way, summary=replace(way.summary, downgrade=told))
            if not wish.downgrade:
                findings.append(_older(newer, target))
        if newer is None and (other := choice.unordered(here, found.runs, found.run)):
            findings.append(_unordered(other, found.target, target))
        if there := choice.in_place_already(here, found.run):
            message = f"this release is in place already, by run {there.run[:DIGITS]}"
            note = Finding(severity=Severity.NOTE, topic=Topic.PROMOTION, message=message,
                           where=target)  # fmt: skip
            findings.append(note)
        way = replace(way, findings=tuple(findings))
        undone = choice.in_place(here)
        back = self._back(opened.case, found, way, undone) if newer and wish.downgrade else None
        skip, discard = wish.skip_groups, wish.discard_old
        return PlanOptions(promotion=way, rollback=back, skip_groups=skip, discard_old=discard)

    def _back(
        self,
        case: DeployContext,
        found: FoundSource,
        way: WayForward,
        undone: PastRun | None = None,
    ) -> WayBack:
        """Return the way back of a downgrade: an older release is deployed again."""
        return WayBack(
            to=replace(
                found.run,
                release=way.summary.release,
                tree=way.goal.tree,
                config_hash=way.goal.config_hash,
            ),
            undone=undone,
            groups=tuple(group.name for group in case.current.config.groups),
            unslotted=unslotted(case.current.config),
            origin=way.summary.origin,
        )

    def _way(
        self,
        now: DeployContext,
        found: FoundSource,
        wish: PromotionWish,
        given: GivenValues,
        made: Plan | None = None,
    ) -> tuple[DeployContext, WayForward, KeptOfGroups]:
        """Return the promoted release's case, what was found of it, and its artifacts by group.

        *made* is the plan that was made before, if there is one: it names recipe and artifacts.
        """
        project, run = now.project, found.run
        release = self.older.find(project, run, wish.bundle)
        planned = made.promotion.config_hash if made and made.promotion else ""
        used = self._recipe(now, release, wish, planned)
        found = self.sources.with_databases(project, found, used.parts, wish.skip_groups)
        case = self.plans.around(project, now.target, used.parts, given)
        if wish.bundle:
            case = replace(case, artifacts=BundledArtifacts(path=wish.bundle))
        target, kept = now.target.name, made.placed if made else self._kept(case, run)
        wanted = now.current.config.gates(target)
        wanted = wanted.stricter(release.parts.current.config.gates(target))
        facts = self.sources.facts(project, found, measure=wanted.healthy)
        results = gates(wanted, facts, self.system.clock.now())
        results = tuple(replace(each, reason=self.mask(each.reason)) for each in results)
        config = digest(document(used.parts.current.config))
        goal = PromotionGoal(
            run=run.run,
            source=found.target,
            tree=release.parts.release.tree,
            config_hash=config,
            manifest=run.manifest,
            recipe_changed=wish.accept_recipe_change and bool(used.differs),
            only_in_to=tuple(sorted(wish.only_in_to)),
            reason=wish.reason,
        )
        summary = PromotionSummary(
            run=run.run,
            source=found.target,
            release=run.release or release.parts.release.number,
            since=run.finished_at,
            gates=results,
            recipe=used.differs,
            used=used.used,
            accepted=goal.only_in_to,
            origin=release.origin,
        )
        findings = [*on_gates(results, target)]
        left = self.sources.left_out(found) - set(wish.skip_groups)
        findings += never_there(used.parts.current.config, left, found.target)
        findings += built_anew(used.parts.current.config, kept, found.target, target)
        if used.differs and not (wish.accept_recipe_change or wish.keep_recipe):
            findings.append(_changed_recipe(run))
        way = WayForward(
            goal=goal,
            summary=summary,
            applied=found.applied,
            findings=tuple(findings),
            there=found.runs,
        )
        return case, way, kept

    def _kept(self, case: DeployContext, run: PastRun) -> KeptOfGroups:
        """Return what the run has kept, by group; raise if some of it is not here."""
        store = case.current.config.artifacts_store
        kept = self.artifacts.of_run(case.project, run, store=store, bundle=case.artifacts)
        return {each.group: each.artifacts for each in kept.groups} if kept else {}

    def _recipe(
        self, now: DeployContext, release: FoundRelease, wish: PromotionWish, config_hash: str
    ) -> Recipe:
        """Return the run's own recipe, or today's where a change of it is accepted."""
        parts = release.parts
        differs = recipe.differences(parts.current.config, now.current.config, self.mask)
        if not differs:
            return Recipe(parts=parts)
        if not wish.accept_recipe_change:
            return Recipe(parts=parts, differs=differs, used="the run's recipe")
        current = self._accepted(now, config_hash)
        parts = replace(parts, current=current, overlay=NO_OVERLAY)
        return Recipe(parts=parts, differs=differs, used="today's recipe")

    def _accepted(self, now: DeployContext, config_hash: str) -> CurrentConfig:
        """Return today's config, which must be the one that a plan made before has accepted."""
        if config_hash and digest(document(now.current.config)) != config_hash:
            found = self.configs.of_hash(now.project, now.release, config_hash)
            if found is None:
                message = "the recipe that this promotion accepted is no longer here"
                hint = "make a new plan: templedb promote"
                raise Stale(f"{message}; nothing was executed", hint=hint)
            return found[0]
        return now.current


def _refuse_unclear(wish: PromotionWish) -> None:
    """Raise where what is accepted is not said once, and with its reason."""
    if wish.accept_recipe_change and wish.keep_recipe:
        raise UsageProblem(
            "today's recipe cannot be accepted while the run's is kept: choose one of them"
        )
    if wish.only_in_to and not wish.reason.strip():
        raise UsageProblem("to accept a migration that only the target has, give a reason")


def _changed_recipe(run: PastRun) -> Finding:
    message = f"the recipe has changed since run {run.run[:DIGITS]}"
    mend = "to deploy by the run's recipe: --keep-recipe; by today's recipe: --accept-recipe-change"
    return problem("recipe", message, mend, topic=Topic.PROMOTION)


def _unordered(place: PastRun, source: str, target: str) -> Finding:
    message = (
        f"run {place.run[:DIGITS]} deployed a release there that was never on {source} and"
        " that this state does not know: it may be newer than the promoted one"
    )
    return Finding(severity=Severity.WARNING, topic=Topic.PROMOTION, message=message, where=target,
                   mend="templedb releases shows both")  # fmt: skip


def _older(newer: PastRun, target: str) -> Finding:
    message = f"a newer release is in place: {_newer(newer, target)}"
    mend = "to go back to the older one: templedb promote --downgrade"
    return problem(target, message, mend, topic=Topic.PROMOTION)


def _newer(place: PastRun, target: str) -> str:
    release = f"release {place.release} of " if place.release else ""
    since = f", since {place.finished_at:%Y-%m-%d %H:%M}" if place.finished_at else ""
    return f"{release}run {place.run[:DIGITS]} on {target}{since}"
