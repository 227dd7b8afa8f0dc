"""Where each migration stands, and the command that mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import MIGRATIONS, Database, Shop, Terminal


@pytest.fixture
def deployed(shop: Shop) -> Shop:
    shop.run()
    return shop


def status(shop: Shop, *words: str) -> str:
    return shop.terminal("migration", "status", "app", *words).out


def test_edit_is_cosmetic_and_forbids_nothing_when_only_comments_change(deployed: Shop) -> None:
    deployed.migration(
        "001_users.sql", "-- who we know\nCREATE TABLE users (id int  PRIMARY KEY);\n"
    )
    assert "cosmetic" in status(deployed)
    deployed.run()


def test_edit_is_an_error_that_shows_the_difference_when_the_sql_changes(deployed: Shop) -> None:
    deployed.migration("001_users.sql", "CREATE TABLE users (id bigint PRIMARY KEY);\n")
    assert "changed" in status(deployed)
    planned = deployed.run("--dry-run", code=78).out
    assert "-CREATE TABLE users (id int PRIMARY KEY);" in planned
    assert "+CREATE TABLE users (id bigint PRIMARY KEY);" in planned
    refused = deployed.run(code=78).err
    assert "accept-checksum migrations/001_users.sql" in refused
    shown = deployed.terminal("migration", "show", "001_users").out
    assert "+CREATE TABLE users (id bigint PRIMARY KEY);" in shown


def test_accept_checksum_accepts_exactly_that_edit_when_a_reason_is_given(deployed: Shop) -> None:
    deployed.migration("001_users.sql", "CREATE TABLE users (id bigint PRIMARY KEY);\n")
    deployed.terminal("migration", "accept-checksum", "001_users", code=64)
    deployed.terminal("migration", "accept-checksum", "001_users", "--reason", "widened by hand")
    deployed.run()
    deployed.migration("001_users.sql", "CREATE TABLE users (id text PRIMARY KEY);\n")
    deployed.run(code=78)
    ((detail,),) = deployed.pg.query(
        "SELECT detail FROM templedb.event WHERE what = 'accept-checksum'"
    )
    assert detail["reason"] == "widened by hand"


def test_file_counts_as_unchanged_when_only_line_ends_and_a_bom_differ(deployed: Shop) -> None:
    deployed.migration("001_users.sql", b"\xef\xbb\xbfCREATE TABLE users (id int PRIMARY KEY);\r\n")
    assert "Pending: 0" in status(deployed)
    assert "cosmetic" not in status(deployed)
    assert "changed" not in status(deployed)


def test_file_is_renamed_and_not_applied_again_when_it_moved(deployed: Shop) -> None:
    old = deployed.terminal.home / "app" / "migrations" / "002_orders.sql"
    old.rename(old.with_name("002_all_orders.sql"))
    said = status(deployed)
    assert "moved" in said
    assert "migration rename migrations/002_orders.sql migrations/002_all_orders.sql" in said
    deployed.run(code=78)
    deployed.terminal("migration", "rename", "002_orders", "002_all_orders")
    assert "Pending: 0" in status(deployed)
    assert "moved" not in status(deployed)
    assert deployed.pg.query("SELECT count(*) FROM orders") == [(1,)]


def test_file_can_be_renamed_by_name_when_it_moved_and_changed(deployed: Shop) -> None:
    folder = deployed.terminal.home / "app" / "migrations"
    (folder / "002_orders.sql").unlink()
    deployed.migration("002_other.sql", "CREATE TABLE orders (id int);")
    deployed.terminal("migration", "rename", "002_orders", "002_other", "--reason", "tidied")
    assert deployed.pg.applied()[-1] == "migrations/002_other.sql"
    assert "was edited after it was applied" in status(deployed)


def test_file_is_missing_when_it_was_applied_and_is_gone(deployed: Shop) -> None:
    (deployed.terminal.home / "app" / "migrations" / "002_orders.sql").unlink()
    assert "missing" in status(deployed)
    assert "is applied, and no group" in deployed.run().out


def test_mark_applied_runs_nothing_and_records_the_mark_when_a_reason_is_given(shop: Shop) -> None:
    shop.terminal("migration", "mark-applied", "app", "001_users", "--reason", "made by hand")
    assert shop.pg.tables() == []
    assert "marked" in shop.terminal("migration", "history").out
    assert (
        "is applied on staging already"
        in shop.terminal("migration", "mark-applied", "app", "001_users", code=64).err
    )


def test_migration_is_found_when_named_by_path_name_or_part(shop: Shop) -> None:
    for name in ("migrations/001_users.sql", "001_users.sql", "001_users", "users"):
        assert "CREATE TABLE users" in shop.terminal("migration", "show", name).out
    said = shop.terminal("migration", "show", "00", code=64)
    assert "fits 2 migrations" in said.err
    assert "migrations/002_orders.sql" in said.err
    assert "there is no migration" in shop.terminal("migration", "show", "nobody", code=64).err


def test_status_shows_applied_migrations_when_asked(deployed: Shop) -> None:
    assert "001_users" not in status(deployed)
    assert "001_users" in status(deployed, "--show-applied")
    assert "001_users" in deployed.terminal("migration", "list").out


def test_history_shows_fewer_rows_when_a_limit_is_given(deployed: Shop) -> None:
    said = deployed.terminal("migration", "history", "--limit", "1").out
    assert "002_orders" in said
    assert "001_users" not in said


def test_duration_is_told_of_migrations_whose_row_knows_two_moments(deployed: Shop) -> None:
    deployed.migration("003_index.sql", "CREATE INDEX CONCURRENTLY users_id ON users (id);\n")
    deployed.run()
    rows = deployed.terminal(
        "sql", "SELECT file FROM migrations WHERE took > INTERVAL 0 SECONDS", "--json"
    ).json
    assert "003_index" in str(rows)
    none = "SELECT count(*) FROM migrations WHERE file LIKE '%users%' AND took IS NULL"
    assert "1" in deployed.terminal("sql", none).out


def test_row_says_when_the_last_attempt_began_when_a_migration_failed_twice(shop: Shop) -> None:
    shop.migration("001_users.sql", "SELECT nothing_at_all;\n")
    asked = "SELECT started_at, finished_at FROM templedb.migration"
    shop.run(code=10)
    ((_, first_end),) = shop.pg.query(asked)
    shop.run(code=10)
    ((began, ended),) = shop.pg.query(asked)
    assert first_end < began <= ended


@pytest.mark.parametrize(
    ("policy", "code", "word"),
    [
        ("non-linear", 0, "is applied anyway"),
        ("linear", 78, "give the file a later name"),
        ("linear-skip", 0, "left out"),
    ],
)
def test_file_is_out_of_order_when_it_sorts_before_an_applied_file(
    deployed: Shop, policy: str, code: int, word: str
) -> None:
    deployed.terminal("target", "update", "app", "staging", "--order-policy", policy)
    deployed.migration("001_zz_late.sql", "CREATE TABLE late (id int);")
    assert "out of order" in status(deployed)
    assert word in deployed.run(code=code).all
    assert ("late" in deployed.pg.tables()) is (policy == "non-linear")


def test_file_is_in_order_when_a_later_file_was_only_marked_as_applied(shop: Shop) -> None:
    shop.terminal("migration", "mark-applied", "002_orders")
    assert "out of order" not in status(shop)


def test_file_is_in_order_when_the_applied_files_are_in_another_folder(deployed: Shop) -> None:
    deployed.terminal.file("app/aaa/001_other.sql", "CREATE TABLE other (id int);")
    deployed.config(MIGRATIONS | {"file_patterns": ["aaa/*.sql", "migrations/*.sql"]})
    assert "out of order" not in status(deployed)


def test_order_is_an_error_when_letters_and_numbers_disagree(shop: Shop) -> None:
    shop.migration("10_b.sql", "SELECT 1;")
    shop.migration("9_a.sql", "SELECT 1;")
    assert "10_b.sql sorts before" in shop.run(code=78).err
    shop.config(
        MIGRATIONS
        | {"file_patterns": ["migrations/0*.sql", "migrations/9_*.sql", "migrations/1*.sql"]}
    )
    shop.run()
    assert shop.pg.applied()[-2:] == ["migrations/9_a.sql", "migrations/10_b.sql"]


def test_down_file_is_not_applied_when_a_run_goes_up(shop: Shop) -> None:
    shop.migration("002_orders.down.sql", "DROP TABLE orders;")
    shop.migration("003_x.up.sql", "CREATE TABLE x (id int);")
    shop.migration("003_x.down.sql", "DROP TABLE x;")
    said = shop.run("--dry-run").out
    assert "2 down parts left out" in said
    assert "3 migrations applied" in shop.run().out
    assert shop.pg.tables() == ["orders", "users", "x"]


@pytest.mark.parametrize(
    ("name", "text", "tool"),
    [
        ("V3__x.sql", "SELECT 1;", "Flyway"),
        ("003_x.sql", "-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;", "dbmate"),
        ("003_x.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;", "goose"),
        ("003_x.sql", "--liquibase formatted sql\n--changeset a:1\nSELECT 1;", "Liquibase"),
        ("003_x.sql", "-- depends: 002_orders\nSELECT 1;", "yoyo"),
    ],
)
def test_file_of_another_tool_is_refused_and_its_tool_named_when_among_plain_files(
    shop: Shop, name: str, text: str, tool: str
) -> None:
    shop.migration(name, text)
    assert tool in shop.run(code=78).err
    assert shop.pg.tables() == []


def test_run_applies_nothing_again_when_a_fresh_state_has_another_slug(
    deployed: Shop, tmp_path: Path
) -> None:
    fresh = deployed.terminal
    fresh.set(TEMPLEDB_STATE=str(tmp_path / "ci" / "state.duckdb"))
    fresh("project", "import", "app", "--slug", "guessed")
    fresh.config(MIGRATIONS, project="guessed")
    fresh("target", "add", "guessed", "staging")
    fresh("env", "set", "guessed", "DATABASE_URL", deployed.pg.dsn, "--target", "staging")
    said = fresh("deploy", "run", "guessed", code=78)
    assert "this database knows these files as project 'app'" in said.err
    fresh("project", "sync", "guessed", "--known-as", "app")
    assert "nothing applied" in fresh("deploy", "run", "guessed").out


def test_database_is_shared_when_another_project_deploys_to_it(
    deployed: Shop, terminal: Terminal
) -> None:
    terminal.file("second/migrations/001_own.sql", "CREATE TABLE own (id int);")
    terminal("project", "import", "second")
    terminal.config(MIGRATIONS, project="second")
    terminal("target", "add", "second", "staging")
    terminal("env", "set", "second", "DATABASE_URL", deployed.pg.dsn, "--target", "staging")
    assert "1 migration applied" in terminal("deploy", "run", "second").out
    assert deployed.pg.query("SELECT count(DISTINCT project) FROM templedb.migration") == [(2,)]


def test_databases_have_their_own_ledgers_when_a_target_has_two(
    shop: Shop, terminal: Terminal, server: object
) -> None:
    other = f"{shop.pg.name}_b"
    shop.pg.query("SELECT 1")
    import psycopg

    with psycopg.connect(shop.pg.server.admin, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {other} OWNER {shop.pg.role}".encode())
    try:
        second = Database(server=shop.pg.server, name=other, role=shop.pg.role)
        terminal.file("app/warehouse/001_facts.sql", "CREATE TABLE facts (id int);")
        terminal("env", "set", "app", "WAREHOUSE_URL", second.dsn, "--target", "staging")
        shop.config(
            MIGRATIONS,
            {
                "name": "warehouse",
                "file_patterns": ["warehouse/*.sql"],
                "database": "WAREHOUSE_URL",
            },
        )
        assert "3 migrations applied" in shop.run().out
        assert second.tables() == ["facts"]
        assert second.applied() == ["warehouse/001_facts.sql"]
        assert shop.pg.applied() == ["migrations/001_users.sql", "migrations/002_orders.sql"]
        assert "nothing applied" in shop.run().out
    finally:
        with psycopg.connect(shop.pg.server.admin, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {other} WITH (FORCE)".encode())
    del server


def test_baseline_marks_everything_up_to_a_file_when_through_is_given(shop: Shop) -> None:
    shop.migration("003_more.sql", "CREATE TABLE more (id int);")
    said = shop.terminal("migration", "baseline", "app", "--through", "002_orders", "--reason", "was there")  # fmt: skip
    assert "succeeded" in said.out
    assert "1 migration applied" in shop.run().out
    kinds = shop.pg.query("SELECT kind FROM templedb.migration ORDER BY key")
    assert kinds == [("marked",), ("marked",), ("run",)]
    assert set(shop.pg.tables()) & {"users", "orders", "more"} == {"more"}
    events = shop.pg.query(
        "SELECT what, detail->>'reason' FROM templedb.event WHERE what <> 'applied' ORDER BY id"
    )
    assert events == [("mark-applied", "was there")] * 2
    again = shop.terminal("migration", "baseline", "app", "--through", "002_orders", "--reason", "x", code=64)  # fmt: skip
    assert "nothing up to" in again.err
