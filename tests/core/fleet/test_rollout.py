"""What a rollout does next, whatever its targets come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.core.fleet.rollout import Positions, RolloutLimits, decide
from templedb_nb.model.fleet import (
    FleetMember,
    FleetPlan,
    MemberState,
    OnFailure,
    PlannedState,
    RolloutRules,
    RolloutState,
    RolloutWish,
    Wave,
)
from templedb_nb.model.project import Slug
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName

USUAL = RolloutRules()


def plan(*waves: int, rules: RolloutRules = USUAL, servers: int = 1) -> FleetPlan:
    names = [TargetName(f"t{n:03}") for n in range(sum(waves))]
    left, made = list(names), []
    for number, size in enumerate(waves):
        made.append(Wave(name=str(number), targets=tuple(left[:size])))
        del left[:size]
    return FleetPlan(
        id=Digest("0" * 64), slug=Slug("shop"), fleet="all", where="region=eu", release=1,
        tree=Digest("1" * 64), rules=rules,
        members=tuple(
            FleetMember(target=n, state=PlannedState.READY, plan=n, server=f"s{i % servers}")
            for i, n in enumerate(names)
        ),
        cohorts=(), waves=tuple(made), made_at=datetime(2026, 1, 1, tzinfo=UTC), made_by="rosa",
    )  # fmt: skip


def limits(parallel: int, **more: object) -> RolloutLimits:
    return replace(RolloutLimits(parallel=parallel), **more)  # type: ignore[arg-type]  # by name


ENDS = st.sampled_from([
    MemberState.SUCCEEDED, MemberState.SUCCEEDED, MemberState.SUCCEEDED, MemberState.CURRENT,
    MemberState.FAILED, MemberState.STALE, MemberState.REFUSED, MemberState.UNKNOWN,
])  # fmt: skip


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(0, 3),
    st.integers(0, 2),
    st.sampled_from(OnFailure),
    st.data(),
)
def test_rollout_keeps_its_limits_whatever_targets_come_to(
    waves: list[int],
    parallel: int,
    most: int,
    per_server: int,
    then: OnFailure,
    data: st.DataObject,
) -> None:
    rules = RolloutRules(
        parallel=parallel, max_failures=most, on_failure=then, parallel_per_server=per_server
    )
    made = plan(*waves, rules=rules, servers=2)
    server = {each.target: each.server for each in made.members}
    wave_of = {name: n for n, wave in enumerate(made.waves) for name in wave.targets}
    states: dict[TargetName, MemberState] = {}
    begun: list[TargetName] = []
    for _ in range(200):
        found = decide(made, Positions(states=states), limits(parallel))
        running = [n for n, s in states.items() if s is MemberState.RUNNING]
        for each in found.begin:
            assert each not in states, "no target begins twice"
            begun.append(each)
            states[each] = MemberState.RUNNING
            running.append(each)
            earlier = [n for n in wave_of if wave_of[n] < wave_of[each]]
            assert all(states.get(n) not in {None, MemberState.RUNNING} for n in earlier)
        assert len(running) <= parallel
        if per_server:
            on = [server[each] for each in running]
            assert all(on.count(each) <= per_server for each in on)
        if found.end is not None:
            break
        assert running, "it either begins, waits for something that runs, or ends"
        ended = data.draw(st.sampled_from(sorted(running)))
        states[ended] = data.draw(ENDS)
    else:
        raise AssertionError("it has no end")
    good = {MemberState.SUCCEEDED, MemberState.CURRENT}
    bad = [n for n, s in states.items() if s not in good]
    if then is not OnFailure.CONTINUE:
        assert len(bad) <= most + parallel, "those that ran beside the last failure, and no more"
    else:
        assert set(begun) == set(wave_of)
    if found.end is RolloutState.SUCCEEDED:
        assert not bad
        assert set(begun) == set(wave_of)


def test_target_that_is_not_ready_never_begins() -> None:
    made = plan(3)
    members = (replace(made.members[0], state=PlannedState.UNREACHABLE), *made.members[1:])
    found = decide(replace(made, members=members), Positions(), limits(8))
    assert found.begin == ("t001", "t002")


def test_next_wave_waits_for_its_time_behind_the_one_before() -> None:
    made = plan(1, 2, rules=RolloutRules(soak_ms=1000))
    done = Positions(states={TargetName("t000"): MemberState.SUCCEEDED})
    assert decide(made, done, limits(8)).soak_behind == "0"
    assert decide(made, done, limits(8, soaked=frozenset({"0"}))).begin == ("t001", "t002")


def test_wish_lets_nothing_begin_and_waits_for_what_runs() -> None:
    made = plan(3)
    wish = limits(8, wish=RolloutWish.PAUSE)
    assert decide(made, Positions(), wish).end is RolloutState.PAUSED
    one = Positions(states={TargetName("t000"): MemberState.RUNNING})
    found = decide(made, one, wish)
    assert (found.begin, found.end, found.why) == ((), None, "it was paused")


def test_failures_of_an_earlier_rollout_do_not_count_again() -> None:
    made = plan(2, 1)
    states = {TargetName("t000"): MemberState.FAILED}
    assert decide(made, Positions(states=states), limits(8)).end is RolloutState.PAUSED
    earlier = limits(8, earlier_failures=frozenset(states))
    assert decide(made, Positions(states=states), earlier).begin == ("t001",)
