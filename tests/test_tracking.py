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


def test_an_edit_of_comments_is_cosmetic_and_forbids_nothing(deployed: Shop) -> None:
    deployed.migration(
        "001_users.sql", "-- who we know\nCREATE TABLE users (id int  PRIMARY KEY);\n"
    )
    assert "cosmetic" in status(deployed)
    deployed.run()


def test_an_edit_of_sql_is_an_error_that_shows_the_difference(deployed: Shop) -> None:
    deployed.migration("001_users.sql", "CREATE TABLE users (id bigint PRIMARY KEY);\n")
    assert "changed" in status(deployed)
    planned = deployed.run("--dry-run", code=78).out
    assert "-CREATE TABLE users (id int PRIMARY KEY);" in planned
    assert "+CREATE TABLE users (id bigint PRIMARY KEY);" in planned
    refused = deployed.run(code=78).err
    assert "accept-checksum migrations/001_users.sql" in refused
    shown = deployed.terminal("migration", "show", "001_users").out
    assert "+CREATE TABLE users (id bigint PRIMARY KEY);" in shown


def test_accept_checksum_mends_exactly_that_edit(deployed: Shop) -> None:
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


def test_line_ends_and_a_bom_are_no_edit(deployed: Shop) -> None:
    deployed.migration("001_users.sql", b"\xef\xbb\xbfCREATE TABLE users (id int PRIMARY KEY);\r\n")
    assert "Pending: 0" in status(deployed)
    assert "cosmetic" not in status(deployed)
    assert "changed" not in status(deployed)


def test_a_file_that_moved_is_renamed_and_not_applied_again(deployed: Shop) -> None:
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


def test_a_file_that_moved_and_changed_can_be_renamed_by_name(deployed: Shop) -> None:
    folder = deployed.terminal.home / "app" / "migrations"
    (folder / "002_orders.sql").unlink()
    deployed.migration("002_other.sql", "CREATE TABLE orders (id int);")
    deployed.terminal("migration", "rename", "002_orders", "002_other", "--reason", "tidied")
    assert deployed.pg.applied()[-1] == "migrations/002_other.sql"
    assert "was edited after it was applied" in status(deployed)


def test_a_file_that_is_gone_is_missing(deployed: Shop) -> None:
    (deployed.terminal.home / "app" / "migrations" / "002_orders.sql").unlink()
    assert "missing" in status(deployed)
    assert "is applied, and no group" in deployed.run().out


def test_mark_applied_runs_nothing_and_says_how_it_came(shop: Shop) -> None:
    shop.terminal("migration", "mark-applied", "app", "001_users", "--reason", "made by hand")
    assert shop.pg.tables() == []
    assert "marked" in shop.terminal("migration", "history").out
    assert (
        "is applied on staging already"
        in shop.terminal("migration", "mark-applied", "app", "001_users", code=64).err
    )


def test_a_migration_is_named_by_path_name_or_part(shop: Shop) -> None:
    for name in ("migrations/001_users.sql", "001_users.sql", "001_users", "users"):
        assert "CREATE TABLE users" in shop.terminal("migration", "show", name).out
    said = shop.terminal("migration", "show", "00", code=64)
    assert "fits 2 migrations" in said.err
    assert "migrations/002_orders.sql" in said.err
    assert "there is no migration" in shop.terminal("migration", "show", "nobody", code=64).err


def test_status_shows_applied_ones_when_asked(deployed: Shop) -> None:
    assert "001_users" not in status(deployed)
    assert "001_users" in status(deployed, "--show-applied")
    assert "001_users" in deployed.terminal("migration", "list").out


def test_history_can_be_limited(deployed: Shop) -> None:
    said = deployed.terminal("migration", "history", "--limit", "1").out
    assert "002_orders" in said
    assert "001_users" not in said


@pytest.mark.parametrize(
    ("policy", "code", "word"),
    [
        ("non-linear", 0, "is applied anyway"),
        ("linear", 78, "give the file a later name"),
        ("linear-skip", 0, "left out"),
    ],
)
def test_a_late_file_is_out_of_order(deployed: Shop, policy: str, code: int, word: str) -> None:
    deployed.terminal("target", "update", "app", "staging", "--order-policy", policy)
    deployed.migration("001_zz_late.sql", "CREATE TABLE late (id int);")
    assert "out of order" in status(deployed)
    assert word in deployed.run(code=code).all
    assert ("late" in deployed.pg.tables()) is (policy == "non-linear")


def test_what_a_person_marked_is_no_high_point(shop: Shop) -> None:
    shop.terminal("migration", "mark-applied", "002_orders")
    assert "out of order" not in status(shop)


def test_order_is_compared_within_one_folder(deployed: Shop) -> None:
    deployed.terminal.file("app/aaa/001_other.sql", "CREATE TABLE other (id int);")
    deployed.config(MIGRATIONS | {"file_patterns": ["aaa/*.sql", "migrations/*.sql"]})
    assert "out of order" not in status(deployed)


def test_letters_and_numbers_that_disagree_are_an_error(shop: Shop) -> None:
    shop.migration("10_b.sql", "SELECT 1;")
    shop.migration("9_a.sql", "SELECT 1;")
    assert "10_b.sql sorts before" in shop.run(code=78).err
    shop.config(
        MIGRATIONS
        | {"file_patterns": ["migrations/0*.sql", "migrations/9_*.sql", "migrations/1*.sql"]}
    )
    shop.run()
    assert shop.pg.applied()[-2:] == ["migrations/9_a.sql", "migrations/10_b.sql"]


def test_a_down_part_is_never_an_up_migration(shop: Shop) -> None:
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
def test_another_tools_file_among_plain_ones_is_refused_in_words(
    shop: Shop, name: str, text: str, tool: str
) -> None:
    shop.migration(name, text)
    assert tool in shop.run(code=78).err
    assert shop.pg.tables() == []


def test_a_fresh_state_under_another_slug_does_not_apply_everything_again(
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


def test_another_project_may_share_the_database(deployed: Shop, terminal: Terminal) -> None:
    terminal.file("second/migrations/001_own.sql", "CREATE TABLE own (id int);")
    terminal("project", "import", "second")
    terminal.config(MIGRATIONS, project="second")
    terminal("target", "add", "second", "staging")
    terminal("env", "set", "second", "DATABASE_URL", deployed.pg.dsn, "--target", "staging")
    assert "1 migration applied" in terminal("deploy", "run", "second").out
    assert deployed.pg.query("SELECT count(DISTINCT project) FROM templedb.migration") == [(2,)]


def test_two_databases_have_two_ledgers(shop: Shop, terminal: Terminal, server: object) -> None:
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


def test_a_baseline_marks_everything_up_to_a_file(shop: Shop) -> None:
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
