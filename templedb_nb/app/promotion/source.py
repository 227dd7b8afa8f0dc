"""What is true of a release where it comes from: its run, its ledgers, its health."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from templedb_nb.app.deploy.case import DeployParts, OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.health.checks import HealthChecks
from templedb_nb.app.project.targets import Targets
from templedb_nb.app.project.variables import NOTHING_GIVEN
from templedb_nb.core.health import reading
from templedb_nb.core.promotion import choice
from templedb_nb.core.promotion.choice import Promotable
from templedb_nb.core.promotion.forward import in_effect
from templedb_nb.core.promotion.gates import SourceFacts, SourceHealth
from templedb_nb.core.run.rollback_choice import follower, merged
from templedb_nb.core.secrets.url_passwords import typed
from templedb_nb.errors import Ambiguous, ConfigError, TempleError, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import Outcome
from templedb_nb.model.health import Check, Measured, Try
from templedb_nb.model.history import Filter
from templedb_nb.model.ledger import Entry
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.project import Project
from templedb_nb.model.selection import Selection
from templedb_nb.model.target import DatabaseName, Target, TargetName
from templedb_nb.ports.records import RecordStore
from templedb_nb.ports.run import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSource:
    """The run that is promoted, all runs on its target, newest first, and what is applied there."""

    run: PastRun
    target: TargetName
    place: Target
    runs: tuple[PastRun, ...]
    in_place: bool
    checks: bool
    applied: Mapping[DatabaseName, Mapping[str, Entry]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionSources:
    """Finds what is promoted, and measures how it is."""

    plans: Plans
    targets: Targets
    records: RecordStore
    health: HealthChecks
    clock: Clock

    def find(
        self, project: Project, name: str, word: str | None, *, begun: bool = False
    ) -> FoundSource:
        """Return the run to promote, or raise with why there is none.

        With *begun*, its promotion has begun: the run counts, whatever became of it since.
        """
        case = self.plans.case(project, name, sync=False)
        with self.plans.opened(case, name="promote") as opened:
            if not opened.sessions:
                _refuse_unread(opened, opened.databases)
            runs = self.runs_of(opened)
            same = next((each for each in runs if begun and each.run == word), None)
            found = Promotable(run=same) if same else _chosen(runs, word, project, name)
            assert found.run is not None  # noqa: S101 - one without a run was refused
            return FoundSource(
                run=found.run,
                target=case.target.name,
                place=case.target,
                runs=runs,
                in_place=found.in_place,
                checks=bool(reading.checks(case.current.config, case.health)),
                applied={db: in_effect(own.entries) for db, own in opened.ledgers.items()},
            )

    def with_databases(
        self, project: Project, found: FoundSource, parts: DeployParts, skip: Iterable[str]
    ) -> FoundSource:
        """Return what is applied in each database of a recipe, too: today's may have others."""
        case = self.plans.around(project, found.place, parts, NOTHING_GIVEN)
        needed = [each for each in self.plans.databases(case, skip) if each not in found.applied]
        if not needed:
            return found
        with self.plans.opened(case, skip, name="promote") as opened:
            _refuse_unread(opened, needed)
            more = {db: in_effect(own.entries) for db, own in opened.ledgers.items()}
        return replace(found, applied={**found.applied, **more})

    def runs_of(self, opened: OpenTarget) -> tuple[PastRun, ...]:
        """Return the runs on a target, newest first, as this state and the ledgers have them."""
        here = self.records.past_runs(opened.case.project.slug, opened.case.target.name)
        return merged(here, *(ledger.runs for ledger in opened.ledgers.values()))

    def left_out(self, found: FoundSource) -> frozenset[str]:
        """Return the groups that every run of the release there left out, by the plans known here.

        Nothing where the plan of a run is not known: it may have deployed them.
        """
        skipped: list[frozenset[str]] = []
        for run in found.runs:
            good = run.run_kind.deploys and run.outcome is Outcome.SUCCEEDED
            if good and run.content == found.run.content:
                try:
                    plan = self.records.plan(run.plan)
                except TempleError:
                    return frozenset()
                skipped.append(frozenset(plan.draft.skipped_groups))
        return frozenset.intersection(*skipped) if skipped else frozenset()

    def facts(self, project: Project, found: FoundSource, *, measure: bool) -> SourceFacts:
        """Return what the gates follow from; with *measure*, the target is asked how it is now."""
        asks = measure and found.checks and found.in_place
        return SourceFacts(
            run=found.run,
            source=found.target,
            in_place=found.in_place,
            checks=found.checks,
            measured=tuple(self._measured(project, found)),
            now=self._now(project, found.target) if asks else None,
            deployed_on=tuple(self._deployed_on(project, found)),
            away=choice.away(found.runs, found.run, self.clock.now()),
        )

    def _measured(self, project: Project, found: FoundSource) -> Iterator[SourceHealth]:
        """Yield what runs have found while the release was in place, oldest first."""
        rows = self.records.runs(project.slug, found.target, Filter())
        known = {each.run: each for each in found.runs}
        for row in sorted(rows, key=lambda row: row.run):
            own = known.get(row.run)
            if row.run < found.run.run or own is None:
                continue
            if own.content != found.run.content:
                if follower((own,), found.run.run, found.run.plan):
                    return
                continue
            if row.health in {Measured.HEALTHY, Measured.UNHEALTHY, Measured.INCONCLUSIVE}:
                yield SourceHealth(health=row.health, run=row.run)

    def _now(self, project: Project, target: TargetName) -> SourceHealth:
        def heard(check: Check, one: Try) -> None:
            del check, one

        wanted = Selection(project=project.slug, target=target)
        try:
            report = self.health.check(wanted, heard, given=NOTHING_GIVEN)
        except TempleError as error:
            return SourceHealth(health=Measured.INCONCLUSIVE, reason=error.message)
        bad = [f"{row.name}: {row.message}" for row in report.rows if row.message]
        return SourceHealth(health=Measured(report.outcome.value), reason="; ".join(bad))

    def _deployed_on(self, project: Project, found: FoundSource) -> Iterator[TargetName]:
        """Yield the targets on which the release succeeded, and was not rolled back."""
        for name in sorted(each.name for each in self.targets.all(project, None)):
            here = self.records.past_runs(project.slug, name)
            if deployed(found.runs if name == found.target else here, found.run):
                yield name


def deployed(runs: Sequence[PastRun], release: PastRun) -> bool:
    """Return whether runs on a target brought a release into place, and nobody rolled it back."""
    same = [
        each
        for each in runs
        if each.content == release.content
        and each.outcome is Outcome.SUCCEEDED
        and each.run_kind.deploys
    ]
    return any(choice.fit(each, runs, each.target).run for each in same)


def _refuse_unread(opened: OpenTarget, needed: Sequence[DatabaseName]) -> None:
    """Raise where a database that is needed has no address."""
    case = opened.case
    if missing := [each for each in needed if each not in opened.sessions]:
        name = case.target.name
        hint = f"templedb env set {case.project.slug} {missing[0]} --target {name}"
        why = case.known.unreadable.get(missing[0], f"{missing[0]} has no value")
        raise ConfigError(f"target {name} cannot be read: {why}", hint=hint)


def _chosen(runs: Sequence[PastRun], word: str | None, project: Project, name: str) -> Promotable:
    hint = f"templedb deploy history {project.slug} --target {name}"
    if word is None:
        found = choice.newest(runs, name)
        if found.run is None:
            hint = f"promote another run: --run RUN; {hint}"
            raise UsageProblem(f"nothing to promote: {found.why_not}", hint=hint)
        return found
    rows = choice.named(runs, word, name)
    if not rows:
        raise UsageProblem(
            f"no deployment on {name} has the run or release {typed(word)!r}", hint=hint
        )
    if len(rows) > 1:
        problems = [each.run.run if each.run else each.why_not for each in rows]
        raise Ambiguous(f"{typed(word)!r} begins more than one run", problems=problems)
    if rows[0].run is None:
        raise UsageProblem(f"cannot promote it: {rows[0].why_not}", hint=hint)
    return rows[0]
