"""A rollout, decided: which targets may begin now, and when none may any more.

Everything follows from the plan, from how far each target has come, and from what somebody wants.
Nothing here waits, and nothing is remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.fleet import (
    GOOD,
    OPEN,
    FleetPlan,
    MemberResult,
    MemberState,
    OnFailure,
    PlannedState,
    RolloutState,
    RolloutWish,
    Wave,
    WaveProgress,
)
from templedb_nb.model.target import TargetName


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutLimits:
    """What holds for this process: how many at a time, which targets, what somebody wants.

    `soaked` are the waves behind which the rollout has waited already.
    """

    parallel: int
    only: frozenset[TargetName] = frozenset()
    wish: RolloutWish | None = None
    soaked: frozenset[str] = frozenset()
    earlier_failures: frozenset[TargetName] = frozenset()
    """Targets that failed before this process began, and are not tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutDecision:
    """What happens next: these targets begin, or it waits, or it has come to its end."""

    begin: tuple[TargetName, ...] = ()
    soak_behind: str = ""
    """The wave behind which the rollout waits now, before the next one begins."""
    end: RolloutState | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """How far each target has come; one that is not in it waits."""

    states: Mapping[TargetName, MemberState] = field(default_factory=dict)

    def of(self, target: TargetName) -> MemberState:
        """Return how far a target has come."""
        return self.states.get(target, MemberState.WAITING)


def decide(plan: FleetPlan, now: Positions, limits: RolloutLimits) -> RolloutDecision:
    """Return what happens next.

    At most as many targets fail as may, and those that run at that moment beside the last of them.
    """
    members = {each.target: each for each in plan.members}
    running = [each for each in members if now.of(each) is MemberState.RUNNING]
    halted = _halted(plan, now, limits)
    if halted.end is not None:
        return RolloutDecision(why=halted.why) if running else halted
    before: Wave | None = None
    for wave in plan.waves:
        own = _taking_part(wave, plan, limits)
        waiting = [each for each in own if now.of(each) is MemberState.WAITING]
        if waiting:
            if before and plan.rules.soak_ms and before.name not in limits.soaked:
                return RolloutDecision(soak_behind=before.name)
            servers = {each: members[each].server for each in (*running, *waiting)}
            return RolloutDecision(begin=_room(plan, waiting, running, servers, limits))
        if any(now.of(each) is MemberState.RUNNING for each in own):
            return RolloutDecision()  # the next wave waits for the end of this one
        if own:
            before = wave
    return RolloutDecision() if running else ended(plan, now)


def _halted(plan: FleetPlan, now: Positions, limits: RolloutLimits) -> RolloutDecision:
    """Return why no further target begins, if none does."""
    if limits.wish is RolloutWish.CANCEL:
        return RolloutDecision(end=RolloutState.CANCELLED, why="it was cancelled")
    if limits.wish is RolloutWish.PAUSE:
        return RolloutDecision(end=RolloutState.PAUSED, why="it was paused")
    waiting = any(
        now.of(each) is MemberState.WAITING
        for wave in plan.waves
        for each in _taking_part(wave, plan, limits)
    )
    failed = [
        each
        for each, state in now.states.items()
        if state not in GOOD | OPEN and each not in limits.earlier_failures
    ]
    rules = plan.rules
    if not waiting or len(failed) <= rules.max_failures or rules.on_failure is OnFailure.CONTINUE:
        return RolloutDecision()
    most = rules.max_failures
    allowed = "none may fail" if most == 0 else f"at most {most} may fail"
    stops = rules.on_failure is OnFailure.STOP
    end = RolloutState.STOPPED if stops else RolloutState.PAUSED
    return RolloutDecision(end=end, why=f"{len(failed)} failed, and {allowed}")


def _taking_part(wave: Wave, plan: FleetPlan, limits: RolloutLimits) -> tuple[TargetName, ...]:
    ready = {each.target for each in plan.members if each.state is PlannedState.READY}
    return tuple(
        each for each in wave.targets if each in ready and (not limits.only or each in limits.only)
    )


def _room(
    plan: FleetPlan,
    waiting: Iterable[TargetName],
    running: Collection[TargetName],
    servers: Mapping[TargetName, str],
    limits: RolloutLimits,
) -> tuple[TargetName, ...]:
    """Return which of *waiting* have room beside those that are *running*."""
    room = max(limits.parallel - len(running), 0)
    per_server = plan.rules.parallel_per_server
    busy = Counter(servers[each] for each in running)
    chosen: list[TargetName] = []
    for each in waiting:
        if len(chosen) == room:
            break
        server = servers[each]
        if per_server and server and busy[server] >= per_server:
            continue
        busy[server] += 1
        chosen.append(each)
    return tuple(chosen)


def ended(plan: FleetPlan, now: Positions) -> RolloutDecision:
    """Return what a rollout has come to in which nothing waits and nothing runs."""
    states = [now.of(e.target) for e in plan.members if e.state is PlannedState.READY]
    if MemberState.UNKNOWN in states:
        return RolloutDecision(end=RolloutState.UNKNOWN, why="nobody saw how some targets ended")
    bad = sum(each not in GOOD | OPEN for each in states)
    if bad:
        return RolloutDecision(end=RolloutState.FAILED, why=f"{bad} failed")
    left = sum(each in OPEN for each in states)
    if left:  # it was for some targets alone
        return RolloutDecision(end=RolloutState.PAUSED, why=f"{left} have not begun")
    return RolloutDecision(end=RolloutState.SUCCEEDED)


def progress(plan: FleetPlan, results: Mapping[TargetName, MemberResult]) -> list[WaveProgress]:
    """Return how many targets of each wave stand where."""
    current = {e.target for e in plan.members if e.state is PlannedState.CURRENT}
    ready = {e.target for e in plan.members if e.state is PlannedState.READY}
    made = []
    for wave in plan.waves:
        counts: Counter[MemberState] = Counter()
        for each in wave.targets:
            if each in results:
                counts[results[each].state] += 1
            elif each in current:
                counts[MemberState.CURRENT] += 1
            else:
                counts[MemberState.WAITING if each in ready else MemberState.REFUSED] += 1
        made.append(WaveProgress(name=wave.name, counts=tuple(sorted(counts.items()))))
    return made
