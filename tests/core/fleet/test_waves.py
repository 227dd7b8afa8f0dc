"""Waves: which targets begin together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templedb_nb.core.fleet.waves import checked, split
from templedb_nb.errors import UsageProblem
from templedb_nb.model.fleet import RolloutRules
from templedb_nb.model.target import Target, TargetName


def targets(count: int) -> list[Target]:
    tiers = ("free", "gold", "trial")
    return [
        Target(name=TargetName(f"t{n:03}"), labels={"tier": tiers[n % 3]}) for n in range(count)
    ]


def sizes(waves: tuple[str, ...], count: int) -> list[tuple[str, int]]:
    return [(w.name, len(w.targets)) for w in split(RolloutRules(waves=waves), targets(count))]


def test_shares_are_of_all_targets_and_rounded_up() -> None:
    assert sizes(("1", "1%", "10%"), 250) == [("1", 1), ("1%", 3), ("10%", 25), ("the rest", 221)]


def test_wave_without_targets_is_left_out() -> None:
    assert sizes((), 3) == [("all", 3)]
    assert sizes(("5", "1"), 3) == [("5", 3)]
    assert sizes(("tier=free", "tier in (free, gold)"), 5) == [
        ("tier=free", 2), ("tier in (free, gold)", 2), ("the rest", 1),
    ]  # fmt: skip


RULES = st.lists(st.sampled_from(["1", "3", "1%", "50%", "100%", "tier=free", "not tier=gold"]))


@given(RULES.map(lambda e: tuple(dict.fromkeys(e))), st.integers(1, 60))
def test_each_target_is_in_exactly_one_wave(waves: tuple[str, ...], count: int) -> None:
    found = split(RolloutRules(waves=waves), targets(count))
    names = [name for wave in found for name in wave.targets]
    assert sorted(names) == [each.name for each in targets(count)]
    assert all(wave.targets for wave in found)


def test_everything_that_is_wrong_with_rules_is_told_at_once() -> None:
    rules = RolloutRules(
        waves=("0", "101%", "tier=", "1", "1"), parallel=0, parallel_per_server=-1, max_failures=-1
    )
    with pytest.raises(UsageProblem) as caught:
        checked(rules)
    told = "\n".join([caught.value.message, *caught.value.problems])
    for each in ("wave 0:", "wave 101%:", "wave tier=:", "--parallel is", "--parallel-per-server",
                 "--max-failures", "twice"):  # fmt: skip
        assert each in told
