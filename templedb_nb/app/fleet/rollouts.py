"""A fleet's plan, carried out: target beside target, wave after wave, until it may not go on.

What a target has come to is what its own ledger says: a run that broke off is gone on with, and
what is done is never done again. So a rollout that died is begun once more, and that is all.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace

from templedb_nb.app.fleet.member_runs import MemberRuns
from templedb_nb.app.fleet.workers import Workers
from templedb_nb.app.project.variables import NOTHING_GIVEN, GivenValues
from templedb_nb.core.fleet.rollout import (
    Positions,
    RolloutDecision,
    RolloutLimits,
    decide,
    ended,
    progress,
)
from templedb_nb.core.fleet.waves import MOST_PARALLEL
from templedb_nb.errors import Busy, PlanRefused, UsageProblem
from templedb_nb.failpoints import arm, reach
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.fleet import (
    GOOD,
    OPEN,
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
from templedb_nb.views.format import duration

LOOK_S = 0.5
"""How often a rollout looks what people want of it."""
SHOW_MS, SHARE = 2_000, 20
"""It is shown no more often, and for no more than one part of so many of its time."""
_INTERRUPTED = "it was interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOptions:
    """How a plan is carried out: which targets, at which speed, who hears of it.

    `again` are the states of targets that are tried once more.
    """

    again: frozenset[MemberState] = frozenset(MemberState) - GOOD - OPEN
    only_again: bool = False
    """Whether targets that have not begun stay as they are."""
    parallel: int | None = None
    lock_wait_s: float = 10.0
    given: GivenValues = NOTHING_GIVEN
    tell: Callable[[str], None] = lambda _: None
    watch: Callable[[FleetStatus], None] | None = None
    """Is shown how far all have come, now and then while it goes on."""


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
            app.runs.reconcile(anew=True)
            self._refuse_unapproved(plan)
            before = self.results(plan)
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
            going = _Going(self, plan, wish, row, before, only)
            going.show()
            with _always_ended(self.store, row, app.system.clock.now):
                end = going.through()
            self.store.end_rollout(
                row.rollout, end.end or RolloutState.UNKNOWN, end.why, app.system.clock.now()
            )
        return self.status(plan)

    def _refuse_unapproved(self, plan: FleetPlan) -> None:
        ready = [each for each in plan.members if each.state is PlannedState.READY]
        if not ready and plan.count(PlannedState.CURRENT) < len(plan.members):
            problems = [f"{each.target}: {each.problem}" for each in plan.members][:10]
            hint = f"mend that, then: templedb fleet plan {plan.slug} {plan.fleet}".strip()
            message = f"no target of plan {short(plan.id)} can be deployed; nothing was executed"
            raise PlanRefused(message, problems=problems, hint=hint)

    def past(self, slug: Slug, last: int) -> tuple[RolloutRow, ...]:
        """Return the newest rollouts of a project; one that died is told so."""
        rows = self.store.rollouts(slug, None, last)
        return tuple(self._now(each) for each in rows)

    def _now(self, row: RolloutRow) -> RolloutRow:
        if row.finished_at is not None or self.store.alive(row.plan):
            return row
        return replace(row, state=RolloutState.UNKNOWN, why="its process died")

    def ask(self, slug: Slug, start: str | None, wish: RolloutWish, parallel: int) -> RolloutRow:
        """Leave word for a rollout that goes on: the newest one, if none is named."""
        rows = self.store.rollouts(slug, None, 50)
        live = [each for each in rows if each.finished_at is None and self.store.alive(each.plan)]
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
def _always_ended(store: FleetStore, row: RolloutRow, now: Callable[[], object]) -> Iterator[None]:
    """Record that a rollout broke off, if an error of ours ends it."""
    del now
    try:
        yield
    except BaseException as error:
        with suppress(Exception):
            why = f"it broke off: {type(error).__name__}"
            store.end_rollout(row.rollout, RolloutState.UNKNOWN, why, row.started_at)
        raise


class _Going:
    """One process's way through a plan; everything in it belongs to the thread that waits."""

    def __init__(
        self,
        rollouts: Rollouts,
        plan: FleetPlan,
        wish: RolloutOptions,
        row: RolloutRow,
        before: Mapping[TargetName, MemberResult],
        only: Collection[TargetName],
    ) -> None:
        self._rollouts, self._store = rollouts, rollouts.store
        self._results = dict(before)
        self._shown_ms = 0
        self._plan, self._wish, self._row = plan, wish, row
        self._runs = MemberRuns(
            workers=rollouts.workers,
            slug=plan.slug,
            given=wish.given,
            lock_wait_s=wish.lock_wait_s,
        )
        self._clock = rollouts.workers.app.system.clock
        self._plans = {each.target: each.plan for each in plan.members}
        self._broken = {n: r.run for n, r in before.items() if r.state in wish.again and r.run}
        again = {n for n, r in before.items() if r.state in wish.again}
        if only:
            again &= set(only)
        self._states = {n: r.state for n, r in before.items() if n not in again}
        bad = {n for n, state in self._states.items() if state not in GOOD | OPEN}
        self._limits = RolloutLimits(
            parallel=row.parallel, only=frozenset(only), earlier_failures=frozenset(bad)
        )
        self._ended: queue.SimpleQueue[MemberResult] = queue.SimpleQueue()
        self._why = ""
        self._looked_ms = self._soak_ms = 0
        self._soaking = ""
        self._wave = ""

    def through(self) -> RolloutDecision:
        """Go on until nothing runs and nothing may begin; return what that is."""
        with ThreadPoolExecutor(MOST_PARALLEL, thread_name_prefix="rollout") as pool:
            while True:
                try:
                    found = decide(self._plan, Positions(states=self._states), self._limits)
                    for each in found.begin:
                        self._begin(pool, each)
                    if found.end is not None:
                        return replace(found, why=self._why or found.why)
                    self._soak(found.soak_behind)
                    self._look()
                    self._take()
                except KeyboardInterrupt:
                    self._interrupted()

    def _begin(self, pool: ThreadPoolExecutor, target: TargetName) -> None:
        self._tell_wave(target)
        self._states[target] = MemberState.RUNNING
        self._results[target] = MemberResult(target=target, state=MemberState.RUNNING)
        earlier, plan = self._broken.get(target, ""), self._plans[target]

        def work() -> None:
            self._ended.put(self._runs.carry_out(target, plan, earlier))

        pool.submit(work)

    def _tell_wave(self, target: TargetName) -> None:
        wave = next(each for each in self._plan.waves if target in each.targets)
        if wave.name != self._wave:
            self._wave = wave.name
            self._wish.tell(f"wave {wave.name}: {len(wave.targets)} of {len(self._plan.members)}")

    def _soak(self, behind: str) -> None:
        now = self._clock.monotonic_ms()
        if not behind:
            return
        if self._soaking != behind:
            self._soaking, self._soak_ms = behind, now
            self._wish.tell(f"wave {behind} is done; waiting {duration(self._plan.rules.soak_ms)}")
        if now - self._soak_ms >= self._plan.rules.soak_ms:
            self._limits = replace(self._limits, soaked=self._limits.soaked | {behind})

    def _look(self) -> None:
        """Look what people want of this rollout."""
        now = self._clock.monotonic_ms()
        if now - self._looked_ms < LOOK_S * 1000:
            return
        self._looked_ms = now
        for wish, parallel in self._store.wishes(self._row.rollout):
            if wish is RolloutWish.SPEED:
                self._limits = replace(self._limits, parallel=parallel)
            elif self._limits.wish is not RolloutWish.CANCEL:
                self._limits = replace(self._limits, wish=wish)
        if self._limits.wish is RolloutWish.CANCEL:
            self._runs.cancel("the rollout was cancelled")

    def _take(self) -> None:
        """Wait for targets that have ended, and record them together."""
        try:
            found = [self._ended.get(timeout=LOOK_S)]
        except queue.Empty:
            return
        with suppress(queue.Empty):
            while True:
                found.append(self._ended.get_nowait())
        reach("rollout.ended")
        for each in found:
            self._states[each.target] = each.state
            self._results[each.target] = each
        self._store.keep_results(self._row.rollout, self._plan.id, found, self._clock.now())
        reach("rollout.recorded")
        for each in found:
            if each.state not in GOOD:
                self._wish.tell(f"{each.target}: {each.state.value}: {each.message}")
        if self._clock.monotonic_ms() >= self._shown_ms:
            self.show()

    def show(self) -> None:
        """Say how far all have come, and show it to whoever watches."""
        began = self._clock.monotonic_ms()
        done = sum(state in GOOD for state in self._states.values())
        bad = sum(state not in GOOD | OPEN for state in self._states.values())
        failures = f", {bad} failed" if bad else ""
        self._wish.tell(f"{done} of {len(self._plan.members)} targets are done{failures}")
        if self._wish.watch is not None:
            state = RolloutState.RUNNING
            self._wish.watch(self._rollouts.told(self._plan, self._results, state, "", self._row))
        now = self._clock.monotonic_ms()
        self._shown_ms = now + max(SHOW_MS, SHARE * (now - began))

    def _interrupted(self) -> None:
        """Let no further target begin; asked a second time, cancel those that run."""
        if self._why:
            self._limits = replace(self._limits, wish=RolloutWish.CANCEL)
            self._runs.cancel(_INTERRUPTED)
            return
        self._why = _INTERRUPTED
        self._limits = replace(self._limits, wish=RolloutWish.PAUSE)
        self._wish.tell(
            "interrupted: no further target begins, and those that run go on to their end;"
            " interrupt again to end them after their step"
        )
