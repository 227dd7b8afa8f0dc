"""Releases by targets: what is where, since when, by whom, and what could go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import Runs
from templedb_nb.app.project.configs import Configs
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.targets import Targets
from templedb_nb.app.promotion.source import PromotionSources
from templedb_nb.core.promotion import choice
from templedb_nb.core.run.rollback_choice import rolled_back
from templedb_nb.errors import TempleError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome
from templedb_nb.model.health import Measured
from templedb_nb.model.history import Filter
from templedb_nb.model.lifecycle import Lifecycle
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.project import Project, Release
from templedb_nb.model.promotion import ReleasePlace, ReleaseTable
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import Target
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.store import ReleaseStore, Transactions

DIGITS = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRuns:
    """The runs on one target, newest first; `trouble` is why its databases could not be asked."""

    target: Target
    runs: tuple[PastRun, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownReleases:
    """What is known of a project's releases: its runs by target, its releases, its measurements."""

    here: Sequence[TargetRuns]
    lifecycle: Lifecycle
    made: Mapping[str, Release]
    health: Mapping[str, Measured | None] = field(default_factory=dict)

    def in_place(self, content: tuple[str, str]) -> frozenset[str]:
        """Return the targets that have that content in place."""
        found = ((each.target.name, choice.in_place(each.runs)) for each in self.here)
        return frozenset(name for name, place in found if place and place.content == content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """Asks each target which releases it had."""

    state: Transactions
    projects: Projects
    targets: Targets
    configs: Configs
    content: ReleaseStore
    plans: Plans
    runs: Runs
    sources: PromotionSources
    records: RecordStore

    def table(self, slug: str | None, last: int) -> ReleaseTable:
        """Return the newest *last* releases of a project, and all that are in place."""
        with self.state.transaction():
            project = self.projects.pick(slug)
            release = self.projects.release(project, None)
            lifecycle = self.configs.current(project, release).config.lifecycle
            targets = self.targets.all(project, None)
        self.runs.reconcile(anew=True)
        order = {name: place for place, name in enumerate(lifecycle.names)}
        ranked = sorted(targets, key=lambda each: (order.get(each.name, len(order)), each.name))
        here = [self._asked(project, each) for each in ranked]
        rows = self.records.runs(project.slug, None, Filter())
        known = KnownReleases(
            here=here,
            lifecycle=lifecycle,
            made=self._made(project),
            health={row.run: row.health for row in rows},
        )
        places = [place for each in here for place in _places(each, known)]
        return ReleaseTable(
            slug=project.slug,
            targets=tuple(each.name for each in ranked),
            rows=tuple(_ordered(places, known, last)),
            notes=tuple(f"{each.target.name}: {each.trouble}" for each in here if each.trouble),
        )

    def _asked(self, project: Project, target: Target) -> TargetRuns:
        """Return the runs on a target, by its ledgers too if they answer."""
        try:
            case = self.plans.case(project, target.name, sync=False)
            with self.plans.opened(case, name="releases") as opened:
                return TargetRuns(target=target, runs=self.sources.runs_of(opened))
        except TempleError as error:
            runs = self.records.past_runs(project.slug, target.name)
            told = f"known from this state only: {error.message}"
            return TargetRuns(target=target, runs=runs, trouble=told)

    def _made(self, project: Project) -> Mapping[str, Release]:
        """Return the newest release of each tree."""
        found: dict[str, Release] = {}
        for number, tree, *_ in self.content.releases(project.slug):
            if tree not in found:
                found[tree] = self.content.release(project.slug, number)
        return found


def _places(each: TargetRuns, known: KnownReleases) -> Iterator[ReleasePlace]:
    """Yield each release that a target had, by the run that brought it there last."""
    place, seen = choice.in_place(each.runs), set()
    for stay in choice.stays(each.runs):
        first, last = stay[-1], stay[0]
        if first.content in seen:
            continue
        seen.add(first.content)
        there = place is not None and place.content == first.content
        own = known.made.get(first.tree)
        yield ReleasePlace(
            release=own.number if own else first.release,
            tree=Digest(first.tree),
            made_at=own.made_at if own else None,
            target=each.target.name,
            run=first.run,
            run_kind=first.run_kind,
            since=first.finished_at or first.started_at,
            started_by=first.started_by,
            in_place=there,
            health=known.health.get(last.run),
            note=_note(last, each.runs),
            next_to=tuple(_next(last, each, known)) if there else (),
        )


def _note(run: PastRun, runs: Sequence[PastRun]) -> str:
    if back := rolled_back(run.run, runs):
        return f"rolled back by run {back.run[:DIGITS]}"
    if run.outcome is None:
        return "its run has not ended"
    return "" if run.outcome is Outcome.SUCCEEDED else f"its run did not succeed: {run.outcome}"


def _next(run: PastRun, each: TargetRuns, known: KnownReleases) -> Iterator[str]:
    """Yield where a release could be promoted that is in place: by the lifecycle, and not there."""
    name = each.target.name
    if choice.fit(run, each.runs, name).run is None:
        return
    there = known.in_place(run.content)
    yield from (to for to in known.lifecycle.after(name) if to not in there)


def _ordered(
    places: Sequence[ReleasePlace], known: KnownReleases, last: int
) -> Iterator[ReleasePlace]:
    """Yield the newest releases, newest first; one that was deployed nowhere has a row, too."""
    nowhere = [
        ReleasePlace(release=own.number, tree=own.tree, made_at=own.made_at)
        for tree, own in known.made.items()
        if tree not in {each.tree for each in places}
    ]
    trees = sorted({(each.release, each.tree) for each in (*places, *nowhere)}, reverse=True)
    newest = set(trees[:last])
    for key in trees:
        own = [each for each in (*places, *nowhere) if (each.release, each.tree) == key]
        if key in newest or any(each.in_place for each in own):
            yield from own
