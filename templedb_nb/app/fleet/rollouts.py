"""A fleet's plan, carried out: target beside target, wave after wave, until it may not go on.

What a target has come to is what its own ledger says: a run that broke off is gone on with, and
what is done is never done again. So a rollout that died is begun once more, and that is all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime

from templedb_nb.app.fleet.member_runs import MemberRuns
from templedb_nb.app.fleet.rollout_process import RolloutOptions, RolloutProcess
from templedb_nb.app.fleet.workers import Workers
from templedb_nb.core.fleet.rollout import (
    Positions,
    RolloutDecision,
    ended,
    progress,
)
from templedb_nb.errors import Busy, PlanRefused, UsageProblem
from templedb_nb.failpoints import arm, reach
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.fleet import (
    FleetPlan,
    FleetStatus,
    MemberResult,
    MemberState,
    PlannedState,
    RolloutRow,
    RolloutState,
    RolloutWish,
)
from templedb_nb.model.project import Slug
from templedb_nb.model.serialization import short
from templedb_nb.model.target import TargetName
from templedb_nb.ports.fleets import FleetStore
from templedb_nb.store.journal import going_on


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts:
    """Carries out plans of fleets, and tells how far they have come."""

    workers: Workers
    store: FleetStore

    def results(self, plan: FleetPlan) -> dict[TargetName, MemberResult]:
        """Return how far each target has come, by what is recorded and by the newest runs.

        A target whose rollout died, or that somebody deployed alone by the same plan, is known by
        its run. One that no run has begun is left out.
        """
        kept = {each.target: each for each in self.store.results(plan.id)}
        ready = [each for each in plan.members if each.state is PlannedState.READY]
        runs = self.store.runs_of([each.plan for each in ready])
        live = {each.plan: each.run for each in going_on(self.workers.app.runs.journals)}
        found = {}
        for each in ready:
            recorded = kept.get(each.target)
            run, outcome, code = runs.get(each.plan, ("", None, None))
            if each.plan in live:
                found[each.target] = MemberResult(
                    target=each.target, state=MemberState.RUNNING, run=live[each.plan]
                )
            elif run and (recorded is None or run > recorded.run):
                found[each.target] = MemberRuns.of_row(each.target, run, outcome, code)
            elif recorded is not None:
                found[each.target] = recorded
        return found

    def status(self, plan: FleetPlan) -> FleetStatus:
        """Return how far a plan has come; no target is asked."""
        results = self.results(plan)
        rows = self.store.rollouts(plan.slug, plan.id, 1)
        last = rows[0] if rows else None
        live = self.store.alive(plan.id)
        positions = Positions(states={name: each.state for name, each in results.items()})
        whole = ended(plan, positions)
        if live:
            state, why = RolloutState.RUNNING, ""
        elif last is None and not results and whole.end is not RolloutState.SUCCEEDED:
            state, why = RolloutState.PLANNED, ""
        elif last is not None and last.finished_at is None and not _over(whole):
            state, why = RolloutState.PAUSED, f"the process of rollout {last.rollout[:13]} died"
        elif last is not None and last.finished_at is not None and not _over(whole):
            state, why = last.state, last.why
        else:
            state, why = whole.end or RolloutState.PAUSED, whole.why
        return self.told(plan, results, state, why, last)

    def told(
        self,
        plan: FleetPlan,
        results: Mapping[TargetName, MemberResult],
        state: RolloutState,
        why: str,
        last: RolloutRow | None,
    ) -> FleetStatus:
        """Return a rollout as it is shown."""
        members = tuple(_shown(each.target, each.state, results) for each in plan.members)
        refused = {PlannedState.REFUSED, PlannedState.UNREACHABLE}
        return FleetStatus(
            plan=plan.id,
            slug=plan.slug,
            fleet=plan.fleet,
            release=plan.release,
            state=state,
            waves=tuple(progress(plan, results)),
            members=tuple(
                replace(shown, message=own.problem) if own.state in refused else shown
                for shown, own in zip(members, plan.members, strict=True)
            ),
            why=why,
            rollout=last.rollout if last else "",
            started_at=last.started_at if last else None,
            finished_at=last.finished_at if last else None,
            started_by=last.started_by if last else "",
            left_out=sum(each.state in refused for each in plan.members),
        )

    def run(self, plan: FleetPlan, wish: RolloutOptions) -> FleetStatus:
        """Carry a plan out, or go on with it: no target that is done begins again."""
        app = self.workers.app
        with self.store.held(plan.id) as ours:
            if not ours:
                message = f"plan {short(plan.id)} is being rolled out by another process"
                raise Busy(message, hint=f"templedb fleet status {plan.slug} {short(plan.id)}")
            self._refuse_unready(plan)
            before = self.settled(plan)
            tried = {n: r for n, r in before.items() if r.state in wish.again}
            only = frozenset(tried) if wish.only_again else frozenset()
            if wish.only_again and not tried:
                hint = f"templedb fleet status {plan.slug} {short(plan.id)}"
                raise UsageProblem("no target failed that could be tried again", hint=hint)
            row = RolloutRow(
                rollout=app.system.new_id(),
                plan=plan.id,
                slug=plan.slug,
                fleet=plan.fleet,
                started_at=app.system.clock.now(),
                started_by=self.workers.user,
                host=app.system.host,
                pid=app.system.pid,
                parallel=wish.parallel or plan.rules.parallel,
                only=tuple(sorted(only)),
            )
            self.store.begin_rollout(row)
            arm(app.system.environ.get("TEMPLEDB_FAILPOINT"))
            reach("rollout.begun")
            going = RolloutProcess(self, plan, wish, row, before, only)
            with going.signals.heard():
                with _always_ended(self.store, row, app.system.clock.now):
                    going.show()
                    end = going.through()
                self.store.end_rollout(
                    row.rollout, end.end or RolloutState.UNKNOWN, end.why, app.system.clock.now()
                )
        going.signals.end()
        return self.status(plan)

    def settled(self, plan: FleetPlan) -> dict[TargetName, MemberResult]:
        """Return how far each target has come, after runs that died were looked at."""
        self.workers.app.runs.reconcile(anew=True)
        return self.results(plan)

    def _refuse_unready(self, plan: FleetPlan) -> None:
        ready = [each for each in plan.members if each.state is PlannedState.READY]
        if not ready and plan.count(PlannedState.CURRENT) < len(plan.members):
            told = [f"{e.target}: {e.problem}" for e in plan.members if e.problem]
            hint = f"mend that, then: templedb fleet plan {plan.slug} {plan.fleet}".strip()
            message = f"no target of plan {short(plan.id)} can be deployed; nothing was executed"
            raise PlanRefused(message, problems=told[:10], hint=hint)

    def past(self, slug: Slug, last: int) -> tuple[RolloutRow, ...]:
        """Return the newest rollouts of a project; one that died is told so."""
        rows = self.store.rollouts(slug, None, last)
        newest = {each.plan: each.rollout for each in reversed(rows)}
        return tuple(self._now(each, newest[each.plan]) for each in rows)

    def _now(self, row: RolloutRow, newest: str) -> RolloutRow:
        """Return a row as it is: only the newest rollout of a plan can live."""
        living = row.rollout == newest and self.store.alive(row.plan)
        if row.finished_at is not None or living:
            return row
        return replace(row, state=RolloutState.UNKNOWN, why="its process died")

    def ask(self, slug: Slug, start: str | None, wish: RolloutWish, parallel: int) -> RolloutRow:
        """Leave word for a rollout that goes on: the newest one, if none is named."""
        live = [each for each in self.past(slug, 50) if each.state is RolloutState.RUNNING]
        found = [each for each in live if each.rollout.startswith(start or "")]
        if len(found) != 1:
            what = f"no rollout of {slug} goes on here" if not found else "several rollouts go on"
            names = [f"{each.rollout[:13]} of plan {short(each.plan)}" for each in found]
            hint = f"templedb fleet history {slug}"
            raise UsageProblem(what, problems=names, hint=hint)
        system = self.workers.app.system
        self.store.wish(found[0].rollout, wish, parallel, self.workers.user, system.clock.now())
        return found[0]


def _over(found: RolloutDecision) -> bool:
    return found.end is RolloutState.SUCCEEDED


def _shown(
    target: TargetName, planned: PlannedState, results: Mapping[TargetName, MemberResult]
) -> MemberResult:
    usual = {
        PlannedState.READY: MemberState.WAITING,
        PlannedState.CURRENT: MemberState.CURRENT,
        PlannedState.REFUSED: MemberState.REFUSED,
        PlannedState.UNREACHABLE: MemberState.REFUSED,
    }
    return results.get(target) or MemberResult(target=target, state=usual[planned])


@contextmanager
def _always_ended(
    store: FleetStore, row: RolloutRow, now: Callable[[], datetime]
) -> Iterator[None]:
    """Record that a rollout broke off, if an error of ours ends it."""
    try:
        yield
    except BaseException as error:
        with suppress(Exception):
            why = f"it broke off: {type(error).__name__}"
            store.end_rollout(row.rollout, RolloutState.UNKNOWN, why, now())
        raise
