"""Measures of delivery: what counts as a deployment, as failed, as restored and as rework."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from templedb_nb.api import Temple
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.event import (
    Outcome,
    RunFinished,
    RunId,
    RunStarted,
    Stamped,
    StepFailed,
    StepFinished,
    StepLabel,
    StepStarted,
)
from templedb_nb.model.file import FileEntry
from templedb_nb.model.history import DEFINITIONS, DeployStats, StatsRow
from templedb_nb.model.project import Slug
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import TargetName
from templedb_nb.store.duckdb.content import Content
from templedb_nb.store.duckdb.query import Query
from templedb_nb.store.duckdb.records import Records
from templedb_nb.store.duckdb.state_file import StateFile
from templedb_nb.views.frames import frame
from tests.app.rollback.test_rollback import Releases
from tests.conftest import MIGRATIONS, Terminal

SHOP, PROD = Slug("shop"), TargetName("prod")
MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = MONDAY + timedelta(days=28)
HOUR, MINUTE = 3_600_000, 60_000
GOOD, FAILED, CANCELLED = Outcome.SUCCEEDED, Outcome.FAILED, Outcome.CANCELLED


@dataclass
class Past:
    """A state into which runs and releases of any time are put."""

    folder: Path

    def __post_init__(self) -> None:
        self.file = StateFile(self.folder / "state.duckdb")
        self.records, self.content = Records(self.file), Content(self.file)
        self.count = 0

    def release(self, number: int, hours: float) -> None:
        """Make release *number* so many hours after that Monday."""
        blob = Digest(f"{number:064x}")
        made, _ = self.content.keep_release(
            SHOP, [FileEntry(path="v", blob=blob, size=1)], after(hours), "rosa"
        )
        assert made.number == number

    def run(
        self,
        hours: float,
        outcome: Outcome = GOOD,
        *,
        code: int | None = None,
        release: int = 1,
        kind: RunKind = RunKind.DEPLOY,
        parent: str = "",
        target: str = PROD,
        touches: bool = True,
        done: bool = True,
    ) -> str:
        """Put a run of one step that began at *hours* and took a minute."""
        self.count += 1
        run = f"run{self.count:04d}"
        step = StepLabel(
            group="web", phase="deploy", kind="command", title="make", key="", mutates=touches
        )
        begun = RunStarted(
            plan="p", content_hash="c", project=SHOP, slug=SHOP, target=target,
            started_by="rosa", host="here", pid=1, release=release, steps=(step,), run_kind=kind,
            parent_run=parent,
        )  # fmt: skip
        codes = {GOOD: ExitCode.OK, FAILED: ExitCode.CHANGED, CANCELLED: ExitCode.INTERRUPTED}
        ends = RunFinished(outcome=outcome, exit_code=codes[outcome] if code is None else code)
        ran = StepFinished(step=0) if done else StepFailed(step=0, message="no", changed=False)
        said = [begun, StepStarted(step=0, attempt=1, attempt_id=run), ran, ends]
        entries = tuple(
            Stamped(
                run=RunId(run), seq=seq, elapsed_ms=20_000 * seq, event=event,
                at=after(hours) + timedelta(seconds=20 * seq),
            )
            for seq, event in enumerate(said)
        )  # fmt: skip
        self.records.fold(entries, Result.of(entries))
        return run

    def stats(
        self, by: str = "all", since: float | None = None, target: TargetName | None = None
    ) -> dict[str, StatsRow]:
        moment = None if since is None else after(since)
        rows = self.records.stats(SHOP, target, by, moment, NOW)
        return {f"{each.target} {each.span}": each for each in rows}

    @property
    def whole(self) -> StatsRow:
        (row,) = self.stats().values()
        return row

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        return list(Query(self.file).answer(query).rows)


def after(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


# --- what a deployment is ---------------------------------------------------------------------


def test_run_is_not_counted_as_a_deployment_when_it_is_of_another_kind(past: Past) -> None:
    past.run(0)
    for kind in set(RunKind) - {RunKind.DEPLOY, RunKind.PROMOTE}:
        past.run(1, kind=kind)
    past.run(2, kind=RunKind.PROMOTE)
    assert (past.whole.deployments, past.whole.deployed) == (2, 2)
    assert past.whole.runs == len(RunKind), "what was counted before counts the same"


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        ({}, True),
        ({"touches": False}, False),  # a run that measured health alone, or had nothing to do
        ({"outcome": FAILED}, True),
        ({"outcome": FAILED, "code": ExitCode.UNCHANGED}, False),
        ({"outcome": FAILED, "code": ExitCode.BUSY, "done": False}, False),
        ({"outcome": FAILED, "code": ExitCode.UNRESOLVED, "done": False}, True),
        ({"outcome": CANCELLED}, True),
        ({"outcome": CANCELLED, "done": False}, False),
        ({"outcome": CANCELLED, "touches": False}, False),
    ],
)
def test_run_is_counted_as_a_deployment_only_when_it_changed_the_target(
    past: Past, how: dict[str, Any], *, counts: bool
) -> None:
    past.run(0, **how)
    assert past.whole.deployments == counts
    failed = counts and "outcome" in how
    assert past.whole.changes_failed == failed
    assert past.whole.deployed == (counts and not failed)


def test_target_has_no_rates_when_it_has_no_deployments(past: Past) -> None:
    past.run(0, kind=RunKind.AMEND)
    row = past.whole
    assert (row.deployments, row.changes_failed, row.rework, row.not_restored) == (0, 0, 0, 0)
    assert (row.change_failure_rate, row.rework_rate, row.per_week) == (None, None, None)
    assert (row.lead_ms, row.restore_ms) == (None, None)


# --- the measures -----------------------------------------------------------------------------


def test_lead_time_ends_at_the_first_success_when_a_release_is_deployed_again(past: Past) -> None:
    past.release(1, hours=-2)
    past.run(0, release=1)  # 2 h and a minute
    past.run(5, release=1)  # again: no new lead time
    past.release(2, hours=6)
    past.run(7, FAILED, release=2)
    past.run(10, release=2)  # 4 h and a minute: with the time in which it failed
    past.run(11, release=1, kind=RunKind.ROLLBACK, parent="run0004")
    past.run(12, release=0)  # of another state
    assert past.whole.lead_ms == 3 * HOUR + MINUTE
    past.run(40, release=2, target="dev")
    dev, prod = past.stats().values()
    assert (dev.lead_ms, prod.lead_ms) == (34 * HOUR + MINUTE, 3 * HOUR + MINUTE)


def test_change_counts_as_failed_when_it_failed_or_was_rolled_back(past: Past) -> None:
    past.run(0)
    past.run(1, FAILED)
    past.run(1.5, kind=RunKind.ROLLBACK, parent="run0002")  # by itself
    bad = past.run(3)
    past.run(4, FAILED, code=ExitCode.UNCHANGED, kind=RunKind.ROLLBACK, parent=bad)
    assert past.whole.changes_failed == 1, "a rollback that changed nothing undid nothing"
    past.run(5, kind=RunKind.ROLLBACK, parent=bad)  # by hand
    row = past.whole
    assert (row.deployments, row.deployed, row.changes_failed) == (3, 2, 2)
    assert row.change_failure_rate == pytest.approx(2 / 3)


def test_time_to_restore_lasts_until_the_next_success_when_a_deployment_failed(past: Past) -> None:
    past.run(0)
    past.run(1, FAILED)
    past.run(2, FAILED)  # a try that failed restores nothing, and is a failure of its own
    past.run(3, kind=RunKind.DOWN)  # does not put a release in place
    past.run(4, target="dev")  # another target
    past.run(5, kind=RunKind.ROLLBACK, parent="run0003")
    assert past.stats()["prod all"].restore_ms == 3.5 * HOUR
    bad = past.run(10)
    past.run(14, kind=RunKind.ROLLBACK, parent=bad)  # 4 h after it came into effect
    assert past.stats()["prod all"].restore_ms == 4 * HOUR
    assert past.stats()["prod all"].not_restored == 0
    past.run(20, FAILED)
    row = past.stats()["prod all"]
    assert (row.restore_ms, row.not_restored) == (4 * HOUR, 1)


def test_deployment_counts_as_rework_when_it_follows_a_failure_or_a_rollback(past: Past) -> None:
    past.run(0)
    past.run(1)
    assert past.whole.rework == 0
    past.run(2, FAILED)
    past.run(3, FAILED, code=ExitCode.UNCHANGED)  # not a deployment
    past.run(4, kind=RunKind.DOWN)
    past.run(5)  # rework
    assert past.whole.rework == 1
    past.run(6, kind=RunKind.ROLLBACK, parent="run0006")
    past.run(7, target="dev")
    past.run(8, FAILED)  # rework, although it failed
    past.run(9)  # rework
    past.run(10)
    row = past.stats()["prod all"]
    assert (row.rework, row.deployments) == (3, 7)
    assert row.rework_rate == pytest.approx(3 / 7)


def test_frequency_is_per_week_when_deployments_span_several_weeks(past: Past) -> None:
    for day in (0, 1, 8):
        past.run(24 * day)
    past.run(24 * 8 + 1, FAILED)
    assert past.whole.per_week == 3 / 4, "28 days from the first deployment until now"
    (since,) = past.stats(since=24 * 7).values()
    assert (since.deployed, since.per_week) == (1, 1 / 3)
    (late,) = past.stats(since=24 * 8).values()
    assert late.per_week == pytest.approx(7 / 20)
    weeks = past.stats("week")
    assert {span: row.per_week for span, row in weeks.items()} == {
        "prod 2026-W10": 2.0,
        "prod 2026-W11": 1.0,
    }
    (month,) = past.stats("month").values()
    assert month.per_week == pytest.approx(3 * 7 / 31)
    assert {row.per_week for row in past.stats("day").values()} == {None}


def test_frequency_is_that_of_a_full_week_when_the_history_is_shorter(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.run(24 * 27)
    past.run(24 * 27 + 1)
    assert past.whole.per_week == 2.0


def test_failure_counts_in_the_span_of_its_deployment_when_rolled_back_in_a_later_span(
    past: Past,
) -> None:
    bad = past.run(24 * 5)
    past.run(24 * 8, kind=RunKind.ROLLBACK, parent=bad)
    past.run(24 * 9)
    first, second = past.stats("week").values()
    assert (first.changes_failed, first.restore_ms) == (1, 72 * HOUR)
    assert (second.changes_failed, second.rework) == (0, 1)
    (since,) = past.stats(since=24 * 7).values()
    assert since.rework == 1, "what was before --since is known"


def test_documented_sql_gives_the_same_measures_when_run_on_the_history(past: Past) -> None:
    past.release(1, hours=-2)
    past.run(0)
    past.release(2, hours=3)
    past.run(4, FAILED, release=2)
    past.run(6, release=2)
    past.run(8, kind=RunKind.ROLLBACK, parent="run0003")
    past.run(9, FAILED, release=2, target="dev")
    text = Path("docs/history.md").read_text()
    (query,) = re.findall(r"```sql\n(.*?)```", text.split("## Measures of delivery")[1], re.DOTALL)
    told = past.sql(query)
    assert len(told) == 2
    for row in told:
        target, deployed, lead, failing, restored, open_, rework = row
        own = past.stats()[f"{target} all"]
        assert (deployed, failing, open_, rework) == (
            own.deployed,
            own.change_failure_rate,
            own.not_restored,
            own.rework_rate,
        )
        assert [None if each is None else each / timedelta(milliseconds=1)
                for each in (lead, restored)] == [own.lead_ms, own.restore_ms]  # fmt: skip


# --- where they are shown ---------------------------------------------------------------------


def test_stats_frame_has_the_definition_of_each_measure(past: Past) -> None:
    past.release(1, hours=-1)
    past.run(0)
    past.run(1, FAILED)
    found = DeployStats(slug=SHOP, rows=tuple(past.stats().values()))
    made = frame(found)
    assert made is not None
    measures = list(made.columns)[12:]
    assert measures == list(DEFINITIONS)
    assert made.attrs["definitions"] == dict(DEFINITIONS)
    assert made.lead_time[0] == timedelta(hours=1, minutes=1)
    assert made.change_failure_rate[0] == 0.5
    assert made.time_to_restore.isna()[0]
    nothing = frame(replace(found, rows=(replace(found.rows[0], deployments=0),)))
    assert nothing is not None
    assert nothing.change_failure_rate.isna()[0]
    assert nothing.change_failure_rate.dtype == made.change_failure_rate.dtype


def test_stats_are_measured_when_real_runs_fail_and_roll_back(terminal: Terminal) -> None:
    bare = Releases(terminal)
    late = {"name": "late", "order": 9, "deploy_command": "test $(cat version.txt) != bad"}
    bare.project(bare.web(), late, on_failure="rollback")
    bare.version("v1")
    terminal("project", "import", "app")
    bare.deploy()
    bare.version("bad")
    bare.deploy(code=ExitCode.ROLLED_BACK)
    bare.version("v3")
    bare.deploy()
    bare.back()
    said = bare.terminal("deploy", "stats", "app", "--json").json[-1]
    (row,) = said["rows"]
    assert set(said["definitions"]) == set(DEFINITIONS)
    assert (row["runs"], row["deployments"], row["deployed"]) == (5, 3, 2)
    assert (row["changes_failed"], row["not_restored"], row["rework"]) == (2, 0, 1)
    rates = (row["change_failure_rate"], row["rework_rate"])
    assert rates == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert row["restore_ms"] > 0
    assert row["lead_ms"] > 0
    shown = bare.terminal("deploy", "stats", "app").out
    assert "2 of 3" in shown
    assert "1 of 3" in shown
    asked = Temple.open().sql("SELECT rolled_back FROM deployments WHERE outcome = 'failed'")
    assert list(asked.rolled_back) == [True]


def test_run_is_not_measured_when_it_changes_only_the_ledger_or_has_no_effect(
    terminal: Terminal,
) -> None:
    made = Releases(terminal)
    made.project(MIGRATIONS)
    made.version("v1", m001="CREATE TABLE a (id int);\n")
    terminal("project", "import", "app")
    dsn = f"duckdb://{terminal.home}/target.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", dsn, "--target", "prod")
    made.deploy()
    made.deploy()
    made.version("v1", m002="CREATE TABLE (;\n")
    made.deploy(code=ExitCode.UNCHANGED)
    made.version("v1", m002="CREATE TABLE b (id int);\n")
    terminal("migration", "mark-applied", "app", "migrations/m002.sql", "--reason", "by hand")
    (row,) = terminal("deploy", "stats", "app", "--json").json[-1]["rows"]
    assert row["runs"] >= 3
    assert (row["deployments"], row["changes_failed"], row["rework"]) == (1, 0, 0)
