"""What a run does for each migration does not grow with how many the plan has."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from templedb_nb.model.plan import Plan, PlannedGroup
from templedb_nb.model.serialization import Digest, from_plain, to_plain
from templedb_nb.model.target import Policy, TargetName
from tests.ledger_targets import a_step


def calls(work: Callable[[], object]) -> int:
    """Return how many functions of Python a work calls."""
    found = 0

    def count(frame: object, event: str, about: object) -> None:
        nonlocal found
        del frame, about
        found += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found


def a_plan(count: int) -> Plan:
    steps = tuple(a_step(f"SELECT {n};", f"{n}.sql")[0] for n in range(count))
    return Plan(
        project="app",
        target=TargetName("t"),
        groups=(PlannedGroup(name="g", steps=steps),),
        policy=Policy(),
        databases=(),
        variables=(),
        base=Digest("b"),
    )


def test_address_of_a_plan_costs_the_same_when_it_is_asked_for_again() -> None:
    few, many = (a_plan(count) for count in (10, 400))
    assert len({few.id, many.id}) == 2
    assert calls(lambda: many.id) == calls(lambda: few.id)


def test_changed_plan_has_another_address_and_an_equal_one_has_the_same() -> None:
    plan = a_plan(3)
    address = plan.id
    assert replace(plan, project="other").id != address
    assert from_plain(Plan, to_plain(plan)).id == address
    assert plan == a_plan(3)
