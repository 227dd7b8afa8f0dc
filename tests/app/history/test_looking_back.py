"""What differs between two runs, and what changed around a moment: by the state and by the ledger."""

from __future__ import annotations

import pytest

from templedb_nb.core.run.comparison import config_lines
from templedb_nb.model.difference import StepTimes
from templedb_nb.views.text.difference import than
from tests.conftest import MIGRATIONS, Shop
from tests.notebook.test_notebook import Kernel, kernel

__all__ = ["kernel"]


def runs(shop: Shop) -> list[str]:
    rows = shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    return [each["run"] for each in rows]


@pytest.fixture
def two(shop: Shop) -> Shop:
    shop.config(MIGRATIONS)
    shop.run()
    shop.migration("003_more.sql", "CREATE TABLE more (id int);")
    shop.config(MIGRATIONS | {"build_command": "sleep 0.2", "required_env_vars": ["CHANNEL"]})
    shop.terminal("env", "set", "app", "CHANNEL", "a-value-nobody-sees", "--plain")
    shop.run()
    return shop


def test_diff_shows_release_config_variables_and_migrations_when_two_runs_are_compared(
    two: Shop,
) -> None:
    new, old = runs(two)
    said = two.terminal("diff", old, new).out
    assert f"run {old[:13]}: app to staging, release 1" in said
    assert "+ migrations/003_more.sql" in said
    assert 'migrations.build_command: not set → "sleep 0.2"' in said
    assert "+ CHANNEL" in said
    assert "a-value-nobody-sees" not in said
    assert "applied by the second\n  migrations/003_more.sql" in said
    assert "did not run" in said
    assert two.terminal("diff", new).out == said


def test_diff_is_a_card_when_shown_in_a_notebook(kernel: Kernel, two: Shop) -> None:
    shown = kernel.run(f"%templedb diff {runs(two)[0]}")["data"]
    assert "what differs between two runs" in shown["text/html"]
    assert "+ CHANNEL" in shown["text/plain"]


def test_diff_is_refused_when_no_run_succeeded_before(shop: Shop) -> None:
    shop.run()
    assert "succeeded before" in shop.terminal("diff", runs(shop)[0], code=64).err


def test_diff_says_who_approved_when_the_second_run_had_an_approval(shop: Shop) -> None:
    shop.run()
    shop.terminal("target", "update", "app", "staging", "--approvals", "1")
    shop.migration("003_more.sql", "CREATE TABLE more (id int);")
    plan = shop.terminal("deploy", "plan", "app", "--json").json[-1]["plan_id"]
    shop.approve(plan[:12], by="emil@example.com")
    shop.run()
    said = shop.terminal("diff", runs(shop)[0]).out
    assert "approved for the second\n  emil@example.com: " in said


def test_config_documents_differ_key_by_key_when_compared() -> None:
    old = {"groups": [{"name": "a", "order": 1, "timeout": 3}, {"name": "gone"}]}
    new = {"groups": [{"name": "a", "order": 2}, {"name": "new"}]}
    assert config_lines(old, new) == (
        "group gone is gone",
        "a.order: 1 → 2",
        "a.timeout: 3 → not set",
        "group new is new",
    )


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(1000, 1150, "as long"), (1000, 3000, "2.00 s slower"), (3000, 1000, "2.00 s quicker"), (None, 5, "")],
)  # fmt: skip
def test_step_is_told_slower_or_quicker_when_its_time_changes_by_more_than_a_fifth(
    before: int | None, after: int, told: str
) -> None:
    assert than(StepTimes(group="g", title="t", before_ms=before, after_ms=after)) == told


def test_blame_tells_everything_in_order_when_asked_about_a_moment(two: Shop) -> None:
    said = two.terminal("blame", "app", "staging", "--at", "0m").out
    for each in (
        "app on staging around",
        "release 1 taken in",
        "config version 2",
        "migrations/003_more.sql applied",
        "variable CHANNEL set (plain)",
        "succeeded",
        "before",
    ):
        assert each in said, said
    assert said.index("release 1 taken in") < said.index("003_more.sql applied")


def test_blame_shows_what_others_did_when_the_ledger_has_their_events(two: Shop) -> None:
    two.terminal("lock", "acquire", "app", "--target", "staging", "--reason", "a fair is on")
    rows = two.terminal("blame", "app", "staging", "--at", "0m", "--json").json[-1]["rows"]
    assert any(r["what"] == "ledger: freeze" and r["about"] == "a fair is on" for r in rows)


def test_blame_says_so_when_the_time_is_quiet_or_the_ledger_cannot_be_read(two: Shop) -> None:
    assert (
        "no change is recorded" in two.terminal("blame", "app", "staging", "--at", "2020-01-01").out
    )
    two.terminal(
        "env",
        "set",
        "app",
        "DATABASE_URL",
        "postgresql://127.0.0.1:1/x",
        "--target",
        "staging",
        "--plain",
    )
    said = two.terminal("blame", "app", "staging", "--at", "0m").out
    assert "note: the target's ledger could not be read" in said
    assert "succeeded" in said


@pytest.mark.usefixtures("two")
def test_blame_is_a_table_when_run_in_a_notebook(kernel: Kernel) -> None:
    kernel.run("told = %templedb blame app staging --at 0m")
    assert kernel.value("list(told.columns)") == "['at', 'what', 'by', 'about']"


def test_blame_tells_the_failed_run_when_it_began_before_the_window(two: Shop) -> None:
    two.config(MIGRATIONS | {"build_command": "sleep 3; exit 3"})
    two.run(code=None)
    ended = two.terminal("deploy", "history", "app", "--json").json[-1]["rows"][0]["finished_at"]
    said = two.terminal("blame", "app", "staging", "--at", ended, "--window", "1s").out
    assert "failed" in said
    assert "began" not in said
