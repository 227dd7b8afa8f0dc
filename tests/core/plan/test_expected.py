"""How long a plan will take, by what the target took before; nothing where nothing is known."""

from __future__ import annotations

from templedb_nb.core.plan.estimate import expected
from templedb_nb.model.estimate import Expected, StepEstimate
from templedb_nb.model.ledger import Checksums
from templedb_nb.model.phase import Phase
from templedb_nb.model.project import Slug
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Apply, RunCommand
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.store.duckdb.durations import took
from templedb_nb.store.duckdb.state_file import StateFile
from tests.conftest import MIGRATIONS, Shop

SUMS = Checksums(text=Digest("1"), tokens=Digest("2"))
MIGRATION = Apply(
    group="db",
    database=DatabaseName("DATABASE_URL"),
    key="9.sql",
    file="9.sql",
    blob=Digest("0"),
    checksums=SUMS,
)
COMMAND = RunCommand(group="web", phase=Phase.BUILD, command="make")


def test_expected_time_is_the_median_of_the_command_or_of_all_migrations_when_both_are_known() -> (
    None
):
    known = {
        ("web", "build", "command", "make"): StepEstimate(median_ms=70, times=3, runs=3),
        ("", "", "apply", ""): StepEstimate(median_ms=5, times=40, runs=4),
    }
    found = expected([COMMAND, MIGRATION], known)
    assert found == Expected(steps=(70, 5), runs=4, others=(0, 40))
    assert found.by_others == 40
    assert found.total_ms == 75


def test_expected_total_is_missing_when_the_time_of_a_step_is_unknown() -> None:
    found = expected(
        [COMMAND, MIGRATION], {("", "", "apply", ""): StepEstimate(median_ms=5, times=1, runs=1)}
    )
    assert found.steps == (None, 5)
    assert found.total_ms is None
    assert Expected().total_ms is None


def test_expected_time_comes_from_the_own_target_when_a_run_was_recorded(shop: Shop) -> None:
    shop.config(MIGRATIONS | {"build_command": "sleep 0.3"})
    first = shop.terminal("deploy", "plan", "app", "--target", "staging", "--json").json[-1]
    assert first["expected"]["steps"] == [None, None, None]
    shop.run()
    shop.migration("003_more.sql", "CREATE TABLE more (id int);")
    second = shop.terminal("deploy", "plan", "app", "--target", "staging", "--json").json[-1]
    build, apply = second["expected"]["steps"]
    assert build >= 300
    assert 0 <= apply < 300
    assert "expected" in shop.terminal("deploy", "plan", "app", "--target", "staging").out
    known = took(StateFile(shop.terminal.state), Slug("app"), TargetName("staging"))
    assert known[("", "", "apply", "")].times == 2
    assert took(StateFile(shop.terminal.state), Slug("app"), TargetName("elsewhere")) == {}
