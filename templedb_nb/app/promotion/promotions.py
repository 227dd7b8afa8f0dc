"""Promotion: the release of a run on one target, planned for the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

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
from templedb_nb.app.rollback.older_release import FoundRelease, OlderReleases
from templedb_nb.app.rollback.rollbacks import Rollbacks
from templedb_nb.core.config.document import document, problem
from templedb_nb.core.config.overlay import NO_OVERLAY
from templedb_nb.core.plan import planner
from templedb_nb.core.plan.rollback import WayBack
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.core.promotion import choice, recipe
from templedb_nb.core.promotion.forward import WayForward
from templedb_nb.core.promotion.gates import gates, on_gates
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.errors import Stale, UsageProblem
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.lifecycle import Lifecycle
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.plan import Preview
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
    system: Environment
    mask: Callable[[str], str]

    def plan(
        self,
        choice_: Selection,
        wish: PromotionWish,
        given: GivenValues = NOTHING_GIVEN,
        out: Path | None = None,
    ) -> Preview:
        """Return what a promotion would do; with *out*, also as a bundle that travels."""
        with self._opened(choice_, wish, given) as (opened, options):
            preview = self.plans.preview(opened, options)
            if out:
                write_bundle(out, preview, opened.case)
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
        self, preview: Preview, given: GivenValues, bundle: Path | None = None
    ) -> tuple[DeployContext, PlanOptions]:
        """Return what a promotion that was planned before is carried out with, as things stand."""
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
        )
        found = self.sources.find(project, goal.source, goal.run)
        case, way = self._way(now, found, wish, given, config_hash=goal.config_hash)
        back = preview.plan.rollback
        older = self._back(now, found, way) if back else None
        return case, PlanOptions(promotion=way, rollback=older)

    def refuse_changed(self, opened: OpenTarget, preview: Preview, options: PlanOptions) -> None:
        """Raise where the targets have moved so that a plan may not be carried out any more."""
        fresh = planner.plan(self.plans.situation(opened, options, opened.ledgers))
        refuse((e for e in fresh.findings if e.topic is Topic.PROMOTION), preview.plan)
        if fresh.plan.promotion != preview.plan.promotion:
            raise stale(preview.plan, fresh.plan)

    @contextmanager
    def _opened(
        self, choice_: Selection, wish: PromotionWish, given: GivenValues
    ) -> Iterator[tuple[OpenTarget, PlanOptions]]:
        with self.state.transaction():
            project = self.projects.pick(choice_.project)
            if project.root and Path(project.root).is_dir():
                self.projects.sync(project)
            release = self.projects.release(project, None)
            lifecycle = self.configs.current(project, release).config.lifecycle
            source, target = stages(lifecycle, wish.source, choice_.target)
            now = self.plans.case(project, target, sync=False)
        self.runs.reconcile(anew=True)
        found = self.sources.find(project, source, wish.run)
        case, way = self._way(now, found, wish, given)
        refuse_empty(case)
        with self.plans.opened(case, wish.skip_groups, name="promote") as opened:
            options = self._options(opened, now, found, way, wish)
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
                message = f"a newer release is in place: {told}"
                mend = "to go back to the older one: --downgrade"
                findings.append(problem(target, message, mend, topic=Topic.PROMOTION))
        if there := choice.in_place_already(here, found.run):
            message = f"this release is in place already, by run {there.run[:DIGITS]}"
            note = Finding(severity=Severity.NOTE, topic=Topic.PROMOTION, message=message,
                           where=target)  # fmt: skip
            findings.append(note)
        way = replace(way, findings=tuple(findings))
        undone = choice.in_place(here)
        back = self._back(now, found, way, undone) if newer and wish.downgrade else None
        return PlanOptions(promotion=way, rollback=back, skip_groups=wish.skip_groups)

    def _back(
        self,
        now: DeployContext,
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
            groups=tuple(group.name for group in now.current.config.groups),
            origin=way.summary.origin,
        )

    def _way(
        self,
        now: DeployContext,
        found: FoundSource,
        wish: PromotionWish,
        given: GivenValues,
        config_hash: str = "",
    ) -> tuple[DeployContext, WayForward]:
        """Return the case of the promoted release on the target, and what was found of it."""
        project, run = now.project, found.run
        release = self.older.find(project, run, wish.bundle)
        used = self._recipe(now, release, wish, config_hash)
        case = self.plans.around(project, now.target, used.parts, given)
        target = now.target.name
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
            recipe=tuple(self.mask(line) for line in used.differs),
            used=used.used,
            accepted=goal.only_in_to,
            origin=release.origin,
        )
        findings = [*on_gates(results, target)]
        if used.differs and not (wish.accept_recipe_change or wish.keep_recipe):
            findings.append(_changed_recipe(run))
        way = WayForward(
            goal=goal, summary=summary, applied=found.applied, findings=tuple(findings)
        )
        return case, way

    def _recipe(
        self, now: DeployContext, release: FoundRelease, wish: PromotionWish, config_hash: str
    ) -> Recipe:
        """Return the run's own recipe, or today's where a change of it is accepted."""
        parts = release.parts
        differs = recipe.differences(parts.current.config, now.current.config)
        if not differs:
            return Recipe(parts=parts)
        if not wish.accept_recipe_change:
            return Recipe(parts=parts, differs=differs, used="the recipe of the run")
        current = self._accepted(now, config_hash)
        parts = replace(parts, current=current, overlay=NO_OVERLAY)
        return Recipe(parts=parts, differs=differs, used="the recipe of today")

    def _accepted(self, now: DeployContext, config_hash: str) -> CurrentConfig:
        """Return today's config, which must be the one that a plan made before has accepted."""
        if config_hash and digest(document(now.current.config)) != config_hash:
            found = self.configs.of_hash(now.project, now.release, config_hash)
            if found is None:
                message = "the recipe that this promotion accepted is not here any more"
                hint = "make a new plan: templedb promote"
                raise Stale(f"{message}; nothing was executed", hint=hint)
            return found[0]
        return now.current


def _changed_recipe(run: PastRun) -> Finding:
    message = f"the recipe has changed since run {run.run[:DIGITS]}"
    mend = (
        "to deploy by the recipe of the run: --keep-recipe;"
        " by the recipe of today: --accept-recipe-change"
    )
    return problem("recipe", message, mend, topic=Topic.PROMOTION)


def _newer(place: PastRun, target: str) -> str:
    release = f"release {place.release} of " if place.release else ""
    since = f", since {place.finished_at:%Y-%m-%d %H:%M}" if place.finished_at else ""
    return f"{release}run {place.run[:DIGITS]} on {target}{since}"


def stages(lifecycle: Lifecycle, source: str | None, target: str | None) -> tuple[str, str]:
    """Return from where to where a release goes, or raise with what the lifecycle allows."""
    if source is None and target is None and len(lifecycle.next_of) == 1:
        source = lifecycle.next_of[0][0]
    if source is None and target is not None:
        source = _only(lifecycle.before(target), "--from", f"to {target}")
    elif target is None and source is not None:
        target = _only(lifecycle.after(source), "--to", f"from {source}")
    if source is None or target is None:
        hint = f"the lifecycle: {_told(lifecycle)}" if lifecycle else "templedb target list"
        raise UsageProblem("name where the release comes from, and where it goes: --from, --to",
                           hint=hint)  # fmt: skip
    if source == target:
        raise UsageProblem(f"a release cannot be promoted from {typed(source)} to itself")
    if lifecycle and target not in lifecycle.after(source):
        message = f"the lifecycle does not lead from {typed(source)} to {typed(target)}"
        raise UsageProblem(message, hint=f"the lifecycle: {_told(lifecycle)}")
    return source, target


def _only(found: Sequence[str], option: str, where: str) -> str:
    if len(found) == 1:
        return found[0]
    what = f"it may be {', '.join(found)}" if found else "the lifecycle does not say it"
    raise UsageProblem(f"name the other target, {option}, of the promotion {where}: {what}")


def _told(lifecycle: Lifecycle) -> str:
    return "; ".join(f"{origin} -> {', '.join(ends)}" for origin, ends in lifecycle.next_of)
