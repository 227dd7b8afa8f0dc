"""Rolling migrations back: by their down parts, with their rows, and proven on a copy before."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import psycopg
import pytest

from tests.conftest import MIGRATIONS, Database, Said, Shop, Terminal

MORE = "CREATE TABLE more (id int);\nCREATE INDEX more_id ON more (id);\n"
BACK = "-- templedb:down\nDROP TABLE more;\n"


@pytest.fixture
def deployed(shop: Shop) -> Shop:
    shop.migration("002_orders.down.sql", "DROP TABLE orders;")
    shop.migration("003_more.sql", MORE + BACK)
    shop.run()
    return shop


def down(shop: Shop, *words: str, code: int | None = 0) -> Said:
    return shop.terminal("migration", "down", "app", *words, code=code)


def test_migration_is_rolled_back_when_its_file_has_a_down_part(deployed: Shop) -> None:
    said = down(deployed, "003_more", "--reason", "not needed")
    assert "1 migration rolled back" in said.out
    assert "more" not in deployed.pg.tables()
    ((state, done),) = deployed.pg.query(
        "SELECT state, step_done FROM templedb.migration WHERE key LIKE '%003%'"
    )
    assert (state, done) == ("reverted", 0)
    ((what, detail),) = deployed.pg.query(
        "SELECT what, detail FROM templedb.event WHERE what <> 'applied'"
    )
    assert what == "reverted"
    assert detail["reason"] == "not needed"
    assert detail["applied_attempt"]
    history = deployed.terminal("migration", "history", "app", "--status", "reverted").out
    assert "003_more.sql" in history


def test_migration_is_pending_and_applied_again_when_it_was_rolled_back(deployed: Shop) -> None:
    down(deployed, "--steps", "1")
    assert "was applied before and reverted" in deployed.terminal("migration", "list").out
    assert "1 migration applied" in deployed.run().out
    assert "more" in deployed.pg.tables()


def test_migrations_are_rolled_back_newest_first_when_a_file_to_keep_is_named(
    deployed: Shop,
) -> None:
    planned = down(deployed, "--to", "001_users", "--dry-run").out
    assert planned.index("roll back migrations/003_more.sql") < planned.index(
        "roll back migrations/002_orders.sql (by migrations/002_orders.down.sql)"
    )
    assert "migrations: 2 to roll back" in planned
    assert set(deployed.pg.tables()) == {"users", "orders", "more"}
    assert "2 migrations rolled back" in down(deployed, "--to", "001_users").out
    assert deployed.pg.tables() == ["users"]


def test_rollback_is_refused_and_changes_nothing_when_a_migration_has_no_down_part(
    deployed: Shop,
) -> None:
    said = down(deployed, "--steps", "3", code=64)
    assert "migrations/001_users.sql has no down part" in said.err
    assert "mark-reverted" in said.err
    assert set(deployed.pg.tables()) == {"users", "orders", "more"}


def test_rollback_names_every_reason_at_once_when_several_forbid_the_rollback(
    deployed: Shop,
) -> None:
    deployed.migration(
        "004_view.sql", "-- templedb:requires 002_orders\nCREATE VIEW v AS SELECT * FROM orders;"
    )
    deployed.run()
    deployed.migration("003_more.sql", MORE.replace("int", "bigint") + BACK)
    said = down(deployed, "--to", "001_users", code=64).err
    assert "003_more.sql was edited after it was applied" in said
    assert "004_view.sql has no down part" in said
    alone = down(deployed, "002_orders", code=64).err
    assert "004_view.sql requires migrations/002_orders.sql, and would stay" in alone


def test_rollback_names_the_later_migration_when_a_later_migration_would_stay(
    deployed: Shop,
) -> None:
    planned = down(deployed, "002_orders", "--dry-run").out
    assert "migrations/003_more.sql was applied later, and would stay" in planned


def test_rollback_changes_nothing_when_the_down_part_fails(deployed: Shop) -> None:
    deployed.migration(
        "004_bad.sql",
        "CREATE TABLE bad (id int);\n-- templedb:down\nDROP TABLE bad;\nDROP TABLE nope;\n",
    )
    deployed.run()
    said = down(deployed, "004_bad", code=10)
    assert "004_bad.sql:4" in said.text
    assert "nope" in said.text
    assert "bad" in deployed.pg.tables()
    ((state,),) = deployed.pg.query("SELECT state FROM templedb.migration WHERE key LIKE '%004%'")
    assert state == "applied"
    assert deployed.pg.query("SELECT what FROM templedb.event WHERE what <> 'applied'") == [
        ("revert-failed",)
    ]


def test_down_part_is_refused_when_a_statement_cannot_run_in_a_transaction(shop: Shop) -> None:
    shop.migration(
        "003_index.sql",
        "CREATE INDEX orders_id ON orders (id);\n-- templedb:down\nDROP INDEX CONCURRENTLY orders_id;\n",
    )
    shop.run()
    said = down(shop, "003_index", code=78)
    assert "a down part runs in one transaction" in said.err
    assert "mark-reverted migrations/003_index.sql" in said.err


def test_migration_is_pending_when_marked_as_reverted_by_hand(deployed: Shop) -> None:
    deployed.pg.query("DROP TABLE more")
    deployed.terminal("migration", "mark-reverted", "003_more", "--reason", "dropped by hand")
    assert "Pending: 1" in deployed.terminal("migration", "status", "app").out
    assert deployed.pg.query("SELECT what FROM templedb.event WHERE what <> 'applied'") == [
        ("mark-reverted",)
    ]
    again = deployed.terminal("migration", "mark-reverted", "003_more", "--reason", "x", code=64)
    assert "not applied" in again.err


def test_rollback_needs_an_approval_when_the_target_is_protected(deployed: Shop) -> None:
    deployed.terminal("target", "update", "app", "staging", "--protected")
    waiting = down(deployed, "003_more", code=20).err
    plan = waiting.split("templedb approve ")[1].split()[0]
    deployed.approve(plan, reason="rollback of release 7")
    assert "1 migration rolled back" in deployed.terminal("deploy", "run", "--plan", plan).out
    assert "more" not in deployed.pg.tables()


def test_rollback_is_not_taken_for_a_restored_database_when_another_state_runs_next(
    deployed: Shop, tmp_path: Path
) -> None:
    import shutil

    copy = tmp_path / "other.duckdb"
    shutil.copyfile(deployed.terminal.state, copy)
    down(deployed, "003_more")
    deployed.terminal.set(TEMPLEDB_STATE=str(copy))
    assert "1 migration applied" in deployed.run().out


@pytest.mark.parametrize(
    "place", ["apply.begun", "apply.ran", "apply.commit-sent", "apply.committed"]
)
@pytest.mark.parametrize("action", ["kill9", "drop", "error"])
def test_ledger_row_tells_what_is_true_when_a_rollback_breaks_at_any_place(
    deployed: Shop, place: str, action: str
) -> None:
    deployed.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:{action}")
    process = deployed.terminal.process("migration", "down", "app", "003_more")
    process.communicate(timeout=60)
    assert (process.returncode == -signal.SIGKILL) == (action == "kill9")
    deployed.terminal.unset("TEMPLEDB_FAILPOINT")
    deployed.terminal("status", "app")
    ((state,),) = deployed.pg.query("SELECT state FROM templedb.migration WHERE key LIKE '%003%'")
    assert ("more" in deployed.pg.tables()) == (state == "applied")
    assert state in {"applied", "reverted"}
    if state == "applied":
        down(deployed, "003_more")
    assert "more" not in deployed.pg.tables()
    assert "1 migration applied" in deployed.run().out


# --- proven on a copy ---------------------------------------------------------------------------


@pytest.fixture
def may_create(deployed: Shop) -> Shop:
    deployed.pg.query(f"ALTER ROLE {deployed.pg.role} CREATEDB")
    return deployed


def databases(pg: Database) -> int:
    ((count,),) = pg.query("SELECT count(*) FROM pg_database WHERE datname LIKE 'templedb_check%'")
    return int(count)


def test_down_check_proves_the_down_part_on_a_copy_when_the_role_may_create_databases(
    may_create: Shop,
) -> None:
    said = down(may_create, "--to", "001_users", "--check").out
    assert said.count("holds") == 2
    assert set(may_create.pg.tables()) == {"users", "orders", "more"}
    assert databases(may_create.pg) == 0


def test_down_check_shows_the_difference_when_the_down_part_leaves_something(
    may_create: Shop,
) -> None:
    may_create.migration(
        "004_email.sql",
        "ALTER TABLE users ADD email text; CREATE TYPE mood AS ENUM ('ok');\n"
        "-- templedb:down\nALTER TABLE users DROP email; ALTER TABLE users ADD left_over int; DROP TYPE mood;\n",
    )
    may_create.run()
    said = down(may_create, "--steps", "2", "--check", code=10).out
    assert "differs" in said
    assert "+    left_over integer" in said
    assert "not tried" in said
    assert databases(may_create.pg) == 0


def test_down_check_names_the_place_when_the_down_part_fails(may_create: Shop) -> None:
    may_create.migration("004_x.sql", "CREATE TABLE x (id int);\n-- templedb:down\nDROP TABLE y;\n")
    may_create.run()
    said = down(may_create, "004_x", "--check", code=10).out
    assert "failed" in said
    assert '004_x.sql:3: table "y" does not exist' in said


def test_down_check_names_the_missing_right_when_the_role_may_not_create_a_copy(
    deployed: Shop,
) -> None:
    said = down(deployed, "003_more", "--check", code=None)
    assert "may not create the copy" in said.err
    assert "CREATEDB" in said.err


def test_down_check_shows_no_password_when_the_address_holds_a_password(may_create: Shop) -> None:
    said = down(may_create, "003_more", "--check").text
    assert "p@ss" not in said
    assert "p%40ss" not in said


def test_down_check_writes_no_password_file_when_pg_dump_runs(may_create: Shop) -> None:
    terminal, real = may_create.terminal, shutil.which("pg_dump")
    lists = f'#!/bin/sh\nls -A "$TMPDIR" >> "$TMPDIR.listed"\nexec {real} "$@"\n'
    terminal.file("bin/pg_dump", lists).chmod(0o700)
    folder = terminal.home / "temporary"
    folder.mkdir()
    terminal.set(PATH=f"{terminal.home}/bin:{os.environ['PATH']}", TMPDIR=str(folder))
    process = terminal.process("migration", "down", "app", "003_more", "--check")
    out, err = process.communicate(timeout=120)
    assert "holds" in out, err
    assert (terminal.home / "temporary.listed").read_text() == ""


FUNCTION = """
CREATE OR REPLACE FUNCTION mark() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE orders
{line}
END $$;
"""


@pytest.mark.parametrize(
    ("line", "other"),
    [
        ("SET id = 1;", "SET id = 2;"),
        ("-- first\nSET id = 1;", "-- second\nSET id = 1;"),
        ("\nSET id = 1;", "SET id = 1;"),
        ("SET id = 1;\n/*\n\\restrict a\n*/", "SET id = 1;\n/*\n\\restrict b\n*/"),
    ],
)
def test_down_check_shows_the_difference_when_it_looks_like_a_setting_of_the_dump(
    may_create: Shop, line: str, other: str
) -> None:
    may_create.migration("004_mark.sql", FUNCTION.format(line=line))
    back = f"SELECT 1;\n-- templedb:down\n{FUNCTION.format(line=other)}"
    may_create.migration("005_back.sql", back)
    may_create.run()
    said = down(may_create, "005_back", "--check", code=10).out
    assert "differs" in said


def test_down_check_holds_when_the_database_has_another_encoding(may_create: Shop) -> None:
    pg = may_create.pg
    name = f"{pg.name}_latin1"
    with psycopg.connect(pg.server.admin, autocommit=True) as admin:
        like = "TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
        admin.execute(f"CREATE DATABASE {name} OWNER {pg.role} {like}".encode())
        url = pg.dsn.replace(f"/{pg.name}", f"/{name}")
        may_create.terminal("target", "add", "app", "latin")
        may_create.terminal("env", "set", "app", "DATABASE_URL", url, "--target", "latin")
        may_create.migration("004_cafe.sql", "COMMENT ON TABLE users IS 'café';\n")
        try:
            may_create.run("--target", "latin")
            said = down(may_create, "003_more", "--check", "--target", "latin").out
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
    assert "holds" in said


def test_down_check_uses_the_settings_of_the_database(may_create: Shop) -> None:
    """A search_path that stands at the database, or at the role in it, decides what names mean."""
    pg = may_create.pg
    pg.query('CREATE SCHEMA "shop, old"')
    pg.query(f'ALTER SCHEMA "shop, old" OWNER TO {pg.role}')
    pg.query(f'ALTER DATABASE {pg.name} SET search_path = "shop, old", public')
    pg.query(f"ALTER ROLE {pg.role} IN DATABASE {pg.name} SET shop.tenant = 'one'")
    pg.query(f"ALTER DATABASE {pg.name} SET log_min_duration_statement = 1000")
    may_create.migration(
        "004_x.sql",
        "CREATE TABLE x AS SELECT current_setting('shop.tenant') AS tenant;\n"
        '-- templedb:down\nDROP TABLE "shop, old".x;\n',
    )
    may_create.run()
    assert "holds" in down(may_create, "004_x", "--check").out


def test_down_check_cleans_the_session_between_files(may_create: Shop) -> None:
    """As a rollback does: what one file set is not there for the next one."""
    may_create.pg.query("CREATE SCHEMA elsewhere")
    may_create.pg.query(f"ALTER SCHEMA elsewhere OWNER TO {may_create.pg.role}")
    path = "SET search_path = elsewhere;\n"
    may_create.migration(
        "004_x.sql",
        f"{path}CREATE TABLE x (id int);\n-- templedb:down\n{path}DROP TABLE x;\n",
    )
    may_create.run()
    assert down(may_create, "--steps", "2", "--check").out.count("holds") == 2


def test_migration_is_rolled_back_when_the_target_is_a_duckdb_file(terminal: Terminal) -> None:
    terminal.file(
        "app/migrations/001_a.sql",
        "CREATE TABLE a (id INTEGER);\n-- templedb:down\nDROP TABLE a;\n",
    )
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "dev")
    terminal(
        "env", "set", "app", "DATABASE_URL", f"duckdb:///{terminal.home}/dev.duckdb", "-t", "dev"
    )
    terminal("deploy", "run", "app")
    assert "holds" in terminal("migration", "down", "app", "001_a", "--check").out
    assert "1 migration rolled back" in terminal("migration", "down", "app", "001_a").out
    assert "Pending: 1" in terminal("migration", "status", "app").out
    assert "1 migration applied" in terminal("deploy", "run", "app").out
