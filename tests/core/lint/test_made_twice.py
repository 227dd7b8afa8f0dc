"""Tables that two files of a plan create: told before the run stops half way."""

from __future__ import annotations

import pytest

from templedb_nb.core.lint.made_twice import on_tables_made_twice
from templedb_nb.core.lint.server_objects import PendingScript
from templedb_nb.core.migrations.script import read_script
from tests.conftest import MIGRATIONS, Shop

MADE = "CREATE TABLE t (a int);"


def said(*texts: str, **how: bool) -> list[str]:
    pending = [
        PendingScript(file=f"{n}.sql", script=read_script(text.encode()), **how)
        for n, text in enumerate(texts, start=1)
    ]
    return [
        f"{each.severity} {each.where} {each.message}" for each in on_tables_made_twice(pending)
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (MADE, MADE),
        ("CREATE UNLOGGED TABLE IF NOT EXISTS T (a int);", 'CREATE TABLE "t" (a int);'),
        ("CREATE TABLE s.t (a int);", "\nCREATE TABLE s.t AS SELECT 1;"),
        (f"{MADE} ALTER TABLE u ADD COLUMN t2 int; DROP VIEW v;", MADE),
    ],
)
def test_table_is_told_when_two_files_create_it(first: str, second: str) -> None:
    (found,) = said(first, "INSERT INTO t VALUES (1);", second)
    assert found.startswith("warning 3.sql")
    assert "as 1.sql does before" in found


@pytest.mark.parametrize(
    "between",
    [
        "DROP TABLE t;",
        "ALTER TABLE t RENAME TO u;",
        "ALTER TABLE t SET SCHEMA s;",
        "DROP SCHEMA public CASCADE;",
        "DROP OWNED BY app;",
        "DO $$ BEGIN DROP TABLE t; END $$;",
        "SELECT drop_it();",
        "SET search_path TO other;",
    ],
)
def test_nothing_is_told_when_the_first_table_may_be_gone_or_elsewhere(between: str) -> None:
    assert said(MADE, between, MADE) == []


def test_nothing_is_told_when_the_second_file_creates_another_or_none() -> None:
    assert said(MADE, "CREATE TABLE IF NOT EXISTS t (a int);") == []
    assert said(MADE, "CREATE TABLE s.t (a int);") == []
    assert said(MADE, "CREATE TEMP TABLE t (a int);") == []
    assert said(f"{MADE} {MADE}") == []
    assert said(MADE, MADE, native=False) == []


def test_plan_names_the_snapshot_when_its_increments_create_the_same(shop: Shop) -> None:
    shop.migration("000_baseline.sql", "CREATE TABLE orders (id int);\n")
    shop.config(MIGRATIONS)
    plan = " ".join(shop.terminal("deploy", "plan", "app").text.split())
    assert "creates table orders, as migrations/000_baseline.sql does before" in plan
    assert '"!migrations/000_baseline.sql" to file_patterns' in plan
