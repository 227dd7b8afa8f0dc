"""Fleets, their plans and rollouts: as text, as cards that stay small, as DataFrames."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from templedb_nb.core.fleet.rollout import progress
from templedb_nb.exit_code import ExitCode
from templedb_nb.exits import exit_code, failure_of
from templedb_nb.model.fleet import (
    Cohort,
    FleetMember,
    FleetPlan,
    FleetStatus,
    MemberResult,
    MemberState,
    PlannedState,
    RolloutRules,
    RolloutState,
    Wave,
)
from templedb_nb.model.project import Slug
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName
from templedb_nb.views.frames import frame
from templedb_nb.views.html import bundle
from templedb_nb.views.reports.junit import junit
from templedb_nb.views.reports.summary import summary
from templedb_nb.views.text import text

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
BIG = 10_000


def fleet(count: int) -> FleetPlan:
    names = tuple(TargetName(f"t{n:05}") for n in range(count))
    ready = Cohort(
        id="1", state=PlannedState.READY, targets=names, migrations=1,
        steps=("migrations/002_<b>.sql",), plan="a" * 64,
    )  # fmt: skip
    return FleetPlan(
        id=Digest("c" * 64), slug=Slug("shop"), fleet="all", where="region=eu", release=2,
        tree=Digest("d" * 64), rules=RolloutRules(waves=("1",), parallel=4),
        members=tuple(
            FleetMember(target=each, state=PlannedState.READY, plan=each) for each in names
        ),
        cohorts=(ready,), waves=(Wave(name="1", targets=names[:1]),
                                 Wave(name="the rest", targets=names[1:])),
        made_at=AT, made_by="rosa",
    )  # fmt: skip


def rollout(plan: FleetPlan, *states: MemberState) -> FleetStatus:
    results = {
        member.target: MemberResult(
            target=member.target, state=state, exit_code=_CODES.get(state, 0),
            message="no <table>" if state is MemberState.FAILED else "",
            file="migrations/002_b.sql" if state is MemberState.FAILED else "", line=3,
        )
        for member, state in zip(plan.members, states, strict=False)
    }  # fmt: skip
    waits = MemberState.WAITING
    return FleetStatus(
        plan=plan.id, slug=plan.slug, fleet=plan.fleet, release=plan.release,
        state=RolloutState.PAUSED, why="1 failed, and none may fail", started_at=AT,
        waves=tuple(progress(plan, results)), started_by="rosa",
        members=tuple(
            results.get(e.target) or MemberResult(target=e.target, state=waits)
            for e in plan.members
        ),
    )  # fmt: skip


_CODES = {
    MemberState.FAILED: 10, MemberState.STALE: 22, MemberState.REFUSED: 20, MemberState.UNKNOWN: 13,
}  # fmt: skip
GOOD, BAD, STALE = MemberState.SUCCEEDED, MemberState.FAILED, MemberState.STALE


def test_cards_stay_small_when_a_fleet_has_ten_thousand_targets() -> None:
    plan = fleet(BIG)
    states = [STALE if n % 50 == 0 else GOOD for n in range(BIG)]
    for value in (plan, rollout(plan, *states)):
        made = bundle(value)
        assert made is not None
        assert len(made["text/html"].encode()) < 300_000
        assert "9999" in made["text/html"] or "10000" in made["text/html"]


def test_failures_come_first_and_their_words_are_no_markup() -> None:
    value = rollout(fleet(3), GOOD, BAD)
    made = bundle(value)
    assert made is not None
    html = made["text/html"]
    assert html.index("t00001") < html.index("Waves")
    assert "no &lt;table&gt;" in html
    assert "migrations/002_b.sql, line 3: no <table>" in text(value)
    table = frame(value)
    assert table is not None
    assert list(table["target"]) == ["t00001", "t00000", "t00002"]
    assert str(table["state"].dtype) == "category"


def test_every_sign_has_its_word_so_that_colour_tells_nothing_alone() -> None:
    made = bundle(rollout(fleet(9), *(each for each in MemberState if each.value != "waiting")))
    assert made is not None
    for each in MemberState:
        if each is not MemberState.WAITING:
            assert f"1 {each.value}" in made["text/html"]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((GOOD, GOOD), ExitCode.OK),
        ((GOOD, MemberState.CURRENT), ExitCode.OK),
        ((GOOD,), ExitCode.CHANGED),
        ((), ExitCode.UNCHANGED),
        ((GOOD, BAD), ExitCode.CHANGED),
        ((BAD, BAD), ExitCode.UNCHANGED),
        ((STALE, STALE), ExitCode.STALE),
        ((STALE, BAD), ExitCode.UNCHANGED),
        ((GOOD, STALE), ExitCode.CHANGED),
        ((MemberState.UNKNOWN, GOOD), ExitCode.UNRESOLVED),
        ((MemberState.REFUSED, MemberState.REFUSED), ExitCode.APPROVAL_MISSING),
    ],
)
def test_exit_code_is_zero_only_when_every_target_is_there(
    states: tuple[MemberState, ...], code: ExitCode
) -> None:
    value = rollout(fleet(2), *states)
    assert exit_code(value) == code
    failed = failure_of(value)
    assert (failed is None) == (code == ExitCode.OK)
    if failed is not None:
        assert failed.exit_code == code


def test_targets_that_the_plan_left_out_are_no_success() -> None:
    value = replace(rollout(fleet(1), GOOD), left_out=1)
    assert exit_code(value) == ExitCode.CHANGED


def test_reports_have_a_case_a_target_and_a_row_a_failure() -> None:
    value = rollout(fleet(4), GOOD, BAD, MemberState.UNKNOWN)
    root = ET.fromstring(junit(value))
    assert [root.get(each) for each in ("tests", "failures", "errors", "skipped")] == [
        "5", "2", "1", "1",
    ]  # fmt: skip
    cases = {each.get("name"): [mark.tag for mark in each] for each in root.iter("testcase")}
    assert cases["t00000"] == []
    assert cases["t00001"] == ["failure"]
    assert cases["t00002"] == ["error"]
    assert cases["t00003"] == ["skipped"]
    running = ET.fromstring(junit(value, done=False))
    assert running.get("errors") == "2", "a job that dies leaves no report of success"
    told = summary(value, 60_000)
    assert "| the rest | 3 | 0 | 2 | 1 |" in told
    assert "| t00001 | failed: migrations/002\\_b.sql, line 3: no \\<table\\> |" in told
    assert "| 4 | to do | migrations/002\\_\\<b\\>.sql |" in summary(fleet(4), 60_000)
