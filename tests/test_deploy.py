"""What a deployment does to a real PostgreSQL, and what it says of it."""

from __future__ import annotations

from tests.conftest import MIGRATIONS, Shop


def test_pending_migrations_are_applied_in_order_and_recorded(shop: Shop) -> None:
    said = shop.run()
    assert "2 migrations applied" in said.out
    assert shop.pg.tables() == ["orders", "users"]
    assert shop.pg.applied() == ["migrations/001_users.sql", "migrations/002_orders.sql"]


def test_a_second_run_applies_nothing_and_says_so(shop: Shop) -> None:
    shop.run()
    said = shop.run()
    assert "nothing applied" in said.out
    assert shop.pg.query("SELECT count(*) FROM orders") == [(1,)]


def test_a_dry_run_changes_nothing(shop: Shop) -> None:
    said = shop.run("--dry-run")
    assert said.out.index("001_users.sql") < said.out.index("002_orders.sql")
    assert "nothing is executed" in said.out
    assert shop.pg.tables() == []
    assert shop.pg.query("SELECT 1 FROM pg_namespace WHERE nspname = 'templedb'") == []


def test_a_failing_migration_leaves_nothing_and_says_where(shop: Shop) -> None:
    shop.migration(
        "003_bad.sql", "CREATE TABLE half (id int);\n\nSELECT 1,\n       nope FROM users;\n"
    )
    said = shop.run(code=12)
    assert 'migrations/003_bad.sql:4:8: column "nope" does not exist' in said.out
    assert "statement: 2" in said.out
    assert "42703" in said.out
    assert shop.pg.tables() == ["orders", "users"]
    assert ("migrations/003_bad.sql", "failed") in shop.pg.query(
        "SELECT key, state FROM templedb.migration"
    )


def test_a_run_that_changes_nothing_before_it_fails_exits_with_10(shop: Shop) -> None:
    shop.run()
    shop.migration("003_bad.sql", "SELECT 1/0;")
    shop.run(code=10)


def test_later_groups_of_a_failed_one_are_skipped(shop: Shop) -> None:
    shop.migration("003_bad.sql", "SELECT 1/0;")
    shop.config(MIGRATIONS, {"name": "after", "deploy_command": "touch ran"})
    said = shop.run(code=12)
    run = said.out.split("run ")[1].split(":")[0]
    shown = shop.terminal("deploy", "show", run).out
    assert "skipped" in shown
    assert "upstream failed: migrations" in shown
    assert "failed" in shop.terminal("deploy", "history", "app").out


def test_after_the_file_is_mended_the_next_run_goes_on_from_there(shop: Shop) -> None:
    shop.migration("003_bad.sql", "SELECT 1/0;")
    shop.run(code=12)
    shop.migration("003_bad.sql", "CREATE TABLE good (id int);")
    said = shop.run()
    assert "1 migration applied" in said.out
    assert shop.pg.applied()[-1] == "migrations/003_bad.sql"
    assert shop.pg.query("SELECT count(*) FROM orders") == [(1,)]
