"""One process's way through a fleet's plan: what begins, what has ended, what people want of it."""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from templedb_nb.app.fleet.member_runs import MemberRuns
from templedb_nb.app.fleet.rollout_signals import RolloutSignals
from templedb_nb.app.fleet.workers import Workers
from templedb_nb.app.project.variables import NOTHING_GIVEN, GivenValues
from templedb_nb.core.fleet.rollout import Positions, RolloutDecision, RolloutLimits, decide
from templedb_nb.core.fleet.waves import MOST_PARALLEL
from templedb_nb.errors import StoreError
from templedb_nb.failpoints import reach
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
from templedb_nb.model.target import TargetName
from templedb_nb.ports.fleets import FleetStore
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


class RolloutSource(Protocol):
    """What a process asks of the use cases that it belongs to."""

    @property
    def workers(self) -> Workers:
        """Return what makes applications for single targets."""

    @property
    def store(self) -> FleetStore:
        """Return what is kept of fleets."""

    def settled(self, plan: FleetPlan) -> Mapping[TargetName, MemberResult]:
        """Return how far each target has come, after runs that died were looked at."""

    def told(
        self,
        plan: FleetPlan,
        results: Mapping[TargetName, MemberResult],
        state: RolloutState,
        why: str,
        last: RolloutRow | None,
    ) -> FleetStatus:
        """Return a rollout as it is shown."""


class RolloutProcess:
    """One process's way through a plan; everything in it belongs to the thread that waits."""

    def __init__(
        self,
        rollouts: RolloutSource,
        plan: FleetPlan,
        wish: RolloutOptions,
        row: RolloutRow,
        before: Mapping[TargetName, MemberResult],
        only: Collection[TargetName],
    ) -> None:
        """Begin where *before* leaves off; *only* are the targets that it is for, if not all."""
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
        self._elsewhere = {n for n, s in self._states.items() if s is MemberState.RUNNING}
        bad = {n for n, state in self._states.items() if state not in GOOD | OPEN}
        self._limits = RolloutLimits(
            parallel=row.parallel,
            only=frozenset(only),
            earlier_failures=frozenset(bad),
            soaked=self._done_before(),
        )
        self._unkept: list[MemberResult] = []
        self._ended: queue.SimpleQueue[MemberResult | None] = queue.SimpleQueue()
        self.signals = RolloutSignals(lambda: self._ended.put(None))
        self._why = ""
        self._looked_ms = self._soak_ms = 0
        self._soaking = ""
        self._wave = ""

    def _done_before(self) -> frozenset[str]:
        """Return the waves that had ended when this process began: nobody waits behind them."""
        ready = {e.target for e in self._plan.members if e.state is PlannedState.READY}
        open_ = {each for each in ready if self._states.get(each, MemberState.WAITING) in OPEN}
        return frozenset(w.name for w in self._plan.waves if not open_.intersection(w.targets))

    def _tell(self, text: str) -> None:
        """Say something; a reader that has gone away ends no rollout."""
        with suppress(OSError):
            self._wish.tell(text)

    def through(self) -> RolloutDecision:
        """Go on until nothing runs and nothing may begin; return what that is."""
        with ThreadPoolExecutor(MOST_PARALLEL, thread_name_prefix="rollout") as pool:
            while True:
                if self.signals.terminated:
                    self._cancelled("it was terminated")
                while self.signals.take():
                    self._interrupted()
                found = self._decided()
                if found.begin:
                    # Whoever asked for a pause was told that no further target begins.
                    self._look(always=True)
                    found = self._decided()
                for each in found.begin:
                    self._begin(pool, each)
                if found.end is not None:
                    if self._unkept:
                        self._keep(self._unkept)
                    return replace(found, why=self._why or found.why)
                self._soak(found.soak_behind)
                self._look()
                self._take()

    def _decided(self) -> RolloutDecision:
        return decide(self._plan, Positions(states=self._states), self._limits)

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
            self._tell(f"wave {wave.name}: {len(wave.targets)} of {len(self._plan.members)}")

    def _soak(self, behind: str) -> None:
        now = self._clock.monotonic_ms()
        if not behind:
            return
        if self._soaking != behind:
            self._soaking, self._soak_ms = behind, now
            self._tell(f"wave {behind} is done; waiting {duration(self._plan.rules.soak_ms)}")
        if now - self._soak_ms >= self._plan.rules.soak_ms:
            self._limits = replace(self._limits, soaked=self._limits.soaked | {behind})

    def _look(self, *, always: bool = False) -> None:
        """Look what people want of this rollout: now and then, or *always*."""
        now = self._clock.monotonic_ms()
        if not always and now - self._looked_ms < LOOK_S * 1000:
            return
        self._looked_ms = now
        wishes: tuple[tuple[RolloutWish, int], ...] = ()
        with suppress(StoreError):  # it is busy: the next look sees them
            wishes = self._store.wishes(self._row.rollout)
        for wish, parallel in wishes:
            if wish is RolloutWish.SPEED:
                self._limits = replace(self._limits, parallel=parallel)
            elif self._limits.wish is not RolloutWish.CANCEL:
                self._limits = replace(self._limits, wish=wish)
        if self._limits.wish is RolloutWish.CANCEL:
            self._runs.cancel("the rollout was cancelled")
        self._look_elsewhere()

    def _look_elsewhere(self) -> None:
        """Take what runs of other processes came to; nobody who stops waits for them."""
        if not self._elsewhere:
            return
        if self._limits.wish is not None:
            for each in self._elsewhere:
                del self._states[each]
            self._elsewhere = set()
            return
        try:
            now = self._rollouts.settled(self._plan)
        except StoreError:  # it is busy: the next look asks again
            return
        for each in sorted(self._elsewhere):
            result = now.get(each)
            if result is not None and result.state is MemberState.RUNNING:
                continue
            self._elsewhere.discard(each)
            if result is None:
                del self._states[each]
            else:
                self._ended.put(result)

    def _take(self) -> None:
        """Wait for targets that have ended, and record them together."""
        try:
            heard = [self._ended.get(timeout=LOOK_S)]
        except queue.Empty:
            return
        with suppress(queue.Empty):
            while True:
                heard.append(self._ended.get_nowait())
        found = [*self._unkept, *(each for each in heard if each is not None)]
        if not found:
            return
        reach("rollout.ended")
        for each in found:
            self._states[each.target] = each.state
            self._results[each.target] = each
        self._keep(found)
        reach("rollout.recorded")
        for each in found:
            if each.state not in GOOD:
                self._tell(f"{each.target}: {each.state.value}: {each.message}")
        if self._clock.monotonic_ms() >= self._shown_ms:
            self.show()

    def _keep(self, found: list[MemberResult]) -> None:
        """Record how far targets have come; what the state does not take now, it gets later."""
        try:
            self._store.keep_results(self._row.rollout, self._plan.id, found, self._clock.now())
        except StoreError as error:
            self._unkept = found
            self._tell(f"not recorded yet: {error.message}")
        else:
            self._unkept = []

    def show(self) -> None:
        """Say how far all have come, and show it to whoever watches."""
        began = self._clock.monotonic_ms()
        done = sum(state in GOOD for state in self._states.values())
        bad = sum(state not in GOOD | OPEN for state in self._states.values())
        failures = f", {bad} failed" if bad else ""
        self._tell(f"{done} of {len(self._plan.members)} targets are done{failures}")
        if self._wish.watch is not None:
            state = RolloutState.RUNNING
            self._wish.watch(self._rollouts.told(self._plan, self._results, state, "", self._row))
        now = self._clock.monotonic_ms()
        self._shown_ms = now + max(SHOW_MS, SHARE * (now - began))

    def _interrupted(self) -> None:
        """Let no further target begin; asked a second time, end those that run after their step."""
        if self._why:
            self._cancelled(_INTERRUPTED)
            return
        self._why = _INTERRUPTED
        self._limits = replace(self._limits, wish=RolloutWish.PAUSE)
        self._tell(
            "interrupted: no further target begins, and those that run go on to their end;"
            " interrupt again to end them after their step"
        )

    def _cancelled(self, why: str) -> None:
        """Let no further target begin, and those that run end after their step."""
        if self._why == why and self._limits.wish is RolloutWish.CANCEL:
            return
        self._why = why
        self._limits = replace(self._limits, wish=RolloutWish.CANCEL)
        self._runs.cancel(why)
        self._tell(f"{why}: no further target begins, and those that run end after their step")
