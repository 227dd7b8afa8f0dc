"""What a deployment does to a real PostgreSQL, and what it says of it."""

from __future__ import annotations

from tests.conftest import MIGRATIONS, Shop


def test_migrations_are_applied_in_order_and_recorded_when_they_are_pending(shop: Shop) -> None:
    said = shop.run()
    assert "2 migrations applied" in said.out
    assert shop.pg.tables() == ["orders", "users"]
    assert shop.pg.applied() == ["migrations/001_users.sql", "migrations/002_orders.sql"]


def test_run_applies_nothing_and_says_so_when_nothing_is_pending(shop: Shop) -> None:
    shop.run()
    said = shop.run()
    assert "nothing applied" in said.out
    assert shop.pg.query("SELECT count(*) FROM orders") == [(1,)]


def test_run_changes_nothing_when_it_is_dry(shop: Shop) -> None:
    said = shop.run("--dry-run")
    assert said.out.index("001_users.sql") < said.out.index("002_orders.sql")
    assert "nothing is executed" in said.out
    assert shop.pg.tables() == []
    assert shop.pg.query("SELECT 1 FROM pg_namespace WHERE nspname = 'templedb'") == []


def test_migration_leaves_nothing_and_says_the_place_when_a_statement_fails(shop: Shop) -> None:
    shop.migration(
        "003_bad.sql", "CREATE TABLE half (id int);\n\nSELECT 1,\n       nope FROM users;\n"
    )
    said = shop.run(code=12)
    assert 'migrations/003_bad.sql:4:8: column "nope" does not exist' in said.out
    assert "    4 |        nope FROM users;\n      |        ^\n" in said.out
    assert "statement: 2" in said.out
    assert "42703" in said.out
    assert shop.pg.tables() == ["orders", "users"]
    assert ("migrations/003_bad.sql", "failed") in shop.pg.query(
        "SELECT key, state FROM templedb.migration"
    )


def test_run_exits_with_10_when_it_fails_before_it_changed_anything(shop: Shop) -> None:
    shop.run()
    shop.migration("003_bad.sql", "SELECT 1/0;")
    shop.run(code=10)


def test_later_groups_are_skipped_when_an_earlier_group_fails(shop: Shop) -> None:
    shop.migration("003_bad.sql", "SELECT 1/0;")
    shop.config(MIGRATIONS, {"name": "after", "deploy_command": "touch ran"})
    said = shop.run(code=12)
    run = said.out.split("run ")[1].split(":")[0]
    shown = shop.terminal("deploy", "show", run).out
    assert "skipped" in shown
    assert "upstream failed: migrations" in shown
    assert "failed" in shop.terminal("deploy", "history", "app").out


def test_next_run_goes_on_from_the_failed_migration_when_its_file_was_mended(shop: Shop) -> None:
    shop.migration("003_bad.sql", "SELECT 1/0;")
    shop.run(code=12)
    shop.migration("003_bad.sql", "CREATE TABLE good (id int);")
    said = shop.run()
    assert "1 migration applied" in said.out
    assert shop.pg.applied()[-1] == "migrations/003_bad.sql"
    assert shop.pg.query("SELECT count(*) FROM orders") == [(1,)]


def test_many_skipped_steps_are_one_line_and_the_cause_is_last_when_a_run_fails(shop: Shop) -> None:
    shop.migration("003_bad.sql", "SELECT 1/0;")
    for number in range(10, 30):
        shop.migration(f"0{number}.sql", "SELECT 1;")
    said = shop.run(code=12)
    live, _, ended = said.out.partition("failed in")
    assert live.count("skip ") == 1
    assert "skip   20 steps  (upstream failed: migrations)" in live
    assert "migrations migrations" not in said.out
    assert ended.count("division by zero") == 1
    assert ended.rstrip().split("\n")[-1].startswith(("hint:", "  exit"))
    shown = shop.terminal("deploy", "show", "last").out
    assert "4–23  skipped" in shown
    assert shown.index("20 steps") < shown.index("failed: migrations/003_bad.sql")


def test_failed_build_shows_its_first_error_and_its_end_and_names_its_logs(shop: Shop) -> None:
    build = "echo start; echo 'a.ts(3,5): error TS2322: bad'; seq 100 199; echo 'Found 1 error.'; exit 2"
    shop.config({"name": "web", "build_command": build, "deploy_command": "true"})
    ended = shop.run(code=10).out.partition("failed in")[2]
    assert ended.index("first error:\n    | a.ts(3,5): error TS2322: bad") < ended.index("| 199")
    assert "| 150" not in ended
    assert "--step 1" in ended.partition("templedb deploy logs ")[2]


def test_first_error_is_not_told_twice_when_it_is_in_the_end_of_the_output(shop: Shop) -> None:
    shop.config({"name": "web", "build_command": "echo 'error: no'; false", "deploy_command": ":"})
    ended = shop.run(code=10).out.partition("failed in")[2]
    assert ended.count("error: no") == 2  # the command's own text, and what it wrote
    assert "first error" not in ended


def test_last_means_the_newest_run_of_what_is_meant_when_a_run_is_named(shop: Shop) -> None:
    shop.config({"name": "web", "deploy_command": "echo first"})
    shop.run()
    shop.config({"name": "web", "deploy_command": "echo second"})
    shop.run()
    for words in (("logs",), ("logs", "last"), ("logs", "app"), ("logs", "app", "last")):
        said = shop.terminal("deploy", *words).out
        assert "second" in said
        assert "first" not in said
    assert "to staging: succeeded" in shop.terminal("deploy", "show").out
    assert "echo first" in shop.terminal("diff", "last").out
    assert "has no target" in shop.terminal("deploy", "logs", "last", "--target", "x", code=64).err


def test_last_is_refused_with_the_command_that_makes_one_when_there_is_no_run(shop: Shop) -> None:
    for words in (("deploy", "logs"), ("deploy", "show", "last"), ("run", "cancel", "last")):
        said = shop.terminal(*words, code=64).err
        assert "there is no run" in said
        assert "templedb deploy run" in said
