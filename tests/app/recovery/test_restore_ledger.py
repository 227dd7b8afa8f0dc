"""A ledger that lost rows is written again; a database that is an earlier one is bound anew."""

from __future__ import annotations

import pytest

from templedb_nb.core.catalog.created_objects import standing
from templedb_nb.core.run.ledger_guard import reshaped
from templedb_nb.core.sql.lexer import split
from templedb_nb.model.witness import Witness
from tests import former
from tests.conftest import MIGRATIONS, Shop, Terminal

ENTRIES = (
    "SELECT key, kind, state, checksum, token_checksum, sql, attempt_id, plan, run_seq, layout"
)
ENTRIES += ", started_at, finished_at FROM templedb.migration ORDER BY run_seq"


@pytest.fixture
def kept(shop: Shop) -> Shop:
    """Two migrations are applied, and a customer has a row."""
    shop.run()
    shop.pg.query("INSERT INTO users VALUES (1)")
    return shop


def restore(shop: Shop, *words: str, code: int = 0) -> str:
    return shop.terminal(
        "migration", "restore-ledger", "app", *words, "--reason", "somebody wiped it", code=code
    ).text


DAMAGES = {
    "rows are gone": "DELETE FROM templedb.migration",
    "one row is gone": "DELETE FROM templedb.migration WHERE key LIKE '%001%'",
    "tables are empty": "TRUNCATE templedb.migration, templedb.run, templedb.meta, templedb.event",
    "a checksum was edited": "UPDATE templedb.migration SET checksum = 'x'",
    "a state was edited": "UPDATE templedb.migration SET state = 'failed', step_done = 0",
    "a table is gone": "DROP TABLE templedb.migration",
    "the schema is gone": "DROP SCHEMA templedb CASCADE",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_ledger_rows_are_restored_when_the_ledger_lost_them(kept: Shop, damage: str) -> None:
    before = kept.pg.query(ENTRIES)
    kept.pg.query(DAMAGES[damage])
    kept.migration("003.sql", "CREATE TABLE three (id int);")
    said = kept.run(code=78)
    assert "templedb migration restore-ledger --target staging" in said.text
    assert "migrations/001_users.sql: its row" in said.text
    assert "the objects that it made exist: table users" in said.text
    kept.run(code=78)
    assert "three" not in kept.pg.tables()
    assert "rows restored; no SQL ran" in restore(kept)
    assert kept.pg.query(ENTRIES) == before
    assert kept.pg.query("SELECT v FROM templedb.meta WHERE k = 'format'") == [("4",)]
    events = kept.pg.query("SELECT DISTINCT what, detail->>'reason' FROM templedb.event")
    assert ("restore-ledger", "somebody wiped it") in events
    assert "1 migration applied" in kept.run().out
    assert kept.pg.query("SELECT count(*) FROM users") == [(1,)]
    assert "has every row" in restore(kept, code=64)


@pytest.mark.parametrize(
    "lost", ["migration", "migration, templedb.lock, templedb.meta, templedb.run"]
)
def test_ledger_is_restored_in_the_current_format_when_a_former_ledger_lost_a_table(
    kept: Shop, lost: str
) -> None:
    before = kept.pg.query(ENTRIES)
    former.demote(kept.pg, 3, owner=kept.pg.role)
    kept.pg.query(f"DROP TABLE templedb.{lost}")
    assert "restored; no SQL ran" in restore(kept)
    kept.migration("003.sql", "SELECT 1;")
    assert "1 migration applied" in kept.run().out
    assert kept.pg.query(ENTRIES)[:2] == before
    assert kept.pg.query("SELECT v FROM templedb.meta WHERE k = 'format'") == [("4",)]


def test_slot_table_is_made_again_when_the_ledger_lost_the_table(kept: Shop) -> None:
    kept.pg.query("DROP TABLE templedb.slot")
    kept.migration("003.sql", "SELECT 1;")
    assert "1 migration applied" in kept.run().out
    assert kept.pg.query("SELECT count(*) FROM templedb.slot") == [(0,)]


def test_restore_shows_rows_and_writes_nothing_when_it_is_a_dry_run(kept: Shop) -> None:
    kept.pg.query("DELETE FROM templedb.migration")
    words = ("migration", "restore-ledger", "app", "--dry-run")
    said = kept.terminal(*words).text
    assert "restore migrations/001_users.sql: applied" in said
    assert kept.pg.applied() == []


def test_ledger_is_not_restored_when_the_objects_of_the_database_are_gone(kept: Shop) -> None:
    kept.pg.query("DROP SCHEMA templedb CASCADE; DROP TABLE users, orders")
    said = kept.run(code=78)
    assert "the objects that it made are gone: table users" in said.text
    assert "restore-ledger" not in said.text
    assert "templedb target rebind staging" in said.text
    refused = restore(kept, code=64)
    assert "the database does not confirm it" in refused
    assert "templedb target rebind" in refused


def test_restore_takes_only_files_in_effect_when_a_table_is_gone(kept: Shop) -> None:
    kept.pg.query("DELETE FROM templedb.migration; DROP TABLE orders")
    assert "restore-ledger --target" not in kept.run(code=78).text
    assert "migrations/002_orders.sql" in restore(kept, code=64)
    assert "1 of the ledger's rows restored" in restore(kept, "001_users.sql")
    assert kept.pg.applied() == ["migrations/001_users.sql"]
    assert "migrations/002_orders.sql: its row is gone" in kept.run(code=78).text
    kept.terminal("target", "rebind", "app", "staging", "--reason", "orders was dropped")
    assert "1 migration applied" in kept.run().out


def test_ledger_is_restored_whole_when_files_are_restored_one_after_another(kept: Shop) -> None:
    before = kept.pg.query(ENTRIES)
    kept.pg.query("DELETE FROM templedb.migration")
    restore(kept, "001_users.sql")
    kept.run(code=78)
    restore(kept, "002_orders.sql")
    assert kept.pg.query(ENTRIES) == before
    assert "no migration was pending" in kept.run().out


def test_object_is_not_missed_when_a_later_migration_dropped_the_object(shop: Shop) -> None:
    shop.migration("003.sql", "ALTER TABLE orders RENAME TO purchases; DROP TABLE users;")
    shop.migration(
        "004.sql", "CREATE TYPE mood AS ENUM ('good'); CREATE INDEX i ON purchases (id);"
    )
    shop.migration("005.sql", "ALTER TABLE purchases ADD COLUMN note text, ADD CHECK (id > 0);")
    shop.run()
    shop.pg.query("DROP SCHEMA templedb CASCADE")
    said = shop.run(code=78).text
    assert "migrations/001_users.sql: its row is gone; its text does not tell" in said
    assert (
        "migrations/004.sql: its row is gone; the objects that it made exist: index i, type mood"
        in said
    )
    assert (
        "migrations/005.sql: its row is gone; the objects that it made exist: column purchases.note"
        in said
    )
    assert "5 of the ledger's rows restored" in restore(shop)
    assert "no migration was pending" in shop.run().text


def test_restore_needs_an_approval_when_the_target_is_protected(kept: Shop) -> None:
    kept.terminal("target", "update", "app", "staging", "--protected")
    kept.pg.query("DELETE FROM templedb.migration")
    restore(kept, code=20)
    assert kept.pg.applied() == []
    plan = kept.terminal("sql", "SELECT id FROM plans ORDER BY made_at DESC", "--json")
    kept.approve(plan.json[-1]["rows"][0][0])
    restore(kept)
    assert len(kept.pg.applied()) == 2


@pytest.mark.parametrize("place", ["run.begun", "step.done", "step.done@2", "run.before-end"])
def test_restore_succeeds_when_repeated_after_a_killed_restore(kept: Shop, place: str) -> None:
    before = kept.pg.query(ENTRIES)
    kept.pg.query("DROP SCHEMA templedb CASCADE")
    kept.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    words = ("migration", "restore-ledger", "app", "--reason", "wiped")
    kept.terminal.process(*words).communicate(timeout=60)
    kept.terminal.unset("TEMPLEDB_FAILPOINT")
    kept.migration("003.sql", "CREATE TABLE three (id int);")
    if len(kept.pg.applied()) < 2:
        assert "restore-ledger" in kept.run(code=78).text
        restore(kept)
    assert kept.pg.query(ENTRIES) == before
    assert "1 migration applied" in kept.run().out


WIPE = 'psql "$DATABASE_URL" -qc "TRUNCATE templedb.migration, templedb.run"'
WIPING = (
    MIGRATIONS | {"order": 1},
    {"name": "last", "kind": "commands", "order": 2, "deploy_command": WIPE},
)


@pytest.mark.parametrize("place", ["", "command.ran", "command.closed"])
def test_migrations_of_a_run_are_restored_when_that_run_damaged_the_ledger(
    shop: Shop, place: str
) -> None:
    """The copy had nothing: the run's own events tell, even those of a dead one."""
    shop.config(*WIPING)
    if place:
        shop.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
        shop.terminal.process("deploy", "run", "app").communicate(timeout=60)
        shop.terminal.unset("TEMPLEDB_FAILPOINT")
    else:
        shop.run(code=13)
    assert shop.pg.applied() == []
    shop.config(MIGRATIONS)
    assert "restore-ledger" in shop.run(code=13 if place == "command.ran" else 78).text
    shop.terminal("deploy", "resume", "app", code=None)
    assert shop.pg.query("SELECT count(*) FROM orders") == [(1,)]
    restore(shop)
    assert shop.pg.applied() == ["migrations/001_users.sql", "migrations/002_orders.sql"]
    texts = shop.pg.query("SELECT sql FROM templedb.migration ORDER BY key")
    assert texts[0] == ("CREATE TABLE users (id int PRIMARY KEY);\n",)
    shop.terminal("migration", "status", "app")
    assert shop.pg.query("SELECT count(*) FROM orders") == [(1,)]


def test_ledger_is_not_taken_as_damaged_when_commands_change_the_ledger_on_purpose(
    kept: Shop,
) -> None:
    migration = ("migration",)
    kept.migration("001_users.sql", "CREATE TABLE users (id int PRIMARY KEY) ;\n-- one\n")
    kept.migration("002_orders.sql", "CREATE TABLE orders (id bigint);\n")
    kept.terminal(*migration, "accept-checksum", "app", "002_orders", "--reason", "known")
    kept.terminal(*migration, "mark-reverted", "app", "001_users", "--reason", "by hand")
    kept.terminal(*migration, "mark-applied", "app", "001_users", "--reason", "again")
    kept.terminal("migration", "status", "app")
    assert "no migration was pending" in kept.run().text


def test_ledger_is_not_taken_as_damaged_when_another_state_changed_the_ledger(kept: Shop) -> None:
    mine = kept.terminal.environ["TEMPLEDB_STATE"]
    kept.terminal.set(TEMPLEDB_STATE=str(kept.terminal.home / "theirs" / "state.duckdb"))
    kept.terminal("project", "import", "app")
    kept.terminal.config(MIGRATIONS)
    kept.terminal("target", "add", "app", "staging")
    kept.terminal("env", "set", "app", "DATABASE_URL", kept.pg.dsn, "--target", "staging")
    kept.migration("002_orders.sql", "CREATE TABLE orders (id bigint);\n")
    kept.terminal("migration", "accept-checksum", "app", "002_orders", "--reason", "known")
    kept.terminal("migration", "mark-reverted", "app", "001_users", "--reason", "by hand")
    kept.terminal.set(TEMPLEDB_STATE=mine)
    said = kept.terminal("migration", "status", "app").text
    assert "Pending: 1" in said
    assert "restore-ledger" not in kept.terminal("deploy", "plan", "app").text


# --- DuckDB -----------------------------------------------------------------------------------


@pytest.fixture
def file(terminal: Terminal) -> Terminal:
    """A project with a DuckDB file, and two migrations in it."""
    terminal.file("app/migrations/001.sql", "CREATE TABLE users (id int);\n")
    terminal.file(
        "app/migrations/002.sql", "CREATE TABLE orders (id int);\nINSERT INTO orders VALUES (1);\n"
    )
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "local")
    address = f"duckdb://{terminal.home}/shop.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", address, "--target", "local")
    terminal("deploy", "run", "app")
    return terminal


def ask(file: Terminal, query: str) -> list[tuple[object, ...]]:
    import duckdb

    with duckdb.connect(f"{file.home}/shop.duckdb") as connection:
        found = connection.execute(query)
        return found.fetchall() if found.description else []


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM templedb.migration;",
        "DELETE FROM templedb.migration WHERE key LIKE '%001%';",
        "TRUNCATE templedb.run;",
        "UPDATE templedb.migration SET checksum = 'x';",
        "UPDATE templedb.meta SET v = 'x' WHERE k = 'target_uuid';",
        "DROP SCHEMA templedb CASCADE;",
        "DROP TABLE templedb.event;",
        "ALTER TABLE templedb.lock RENAME TO old_lock;",
        "INSERT INTO templedb.event (happened_at, project, what, detail) VALUES (now(), '', '', '{}');",
    ],
)
def test_migration_is_refused_when_it_touches_the_ledger_of_a_duckdb_file(
    file: Terminal, change: str
) -> None:
    file.file("app/migrations/003.sql", f"CREATE TABLE plans (id int);\n{change}\n")
    said = file("deploy", "run", "app", code=10)
    assert "migrations/003.sql touched templedb's own ledger" in said.text
    assert ask(file, "SELECT count(*) FROM templedb.migration WHERE state = 'applied'") == [(2,)]
    assert ask(file, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'plans'") == [(0,)]
    file.file(
        "app/migrations/003.sql", "CREATE TABLE plans (id int); CREATE TABLE templedb.mine (a int);"
    )
    assert "1 migration applied" in file("deploy", "run", "app").out


@pytest.mark.parametrize(
    "damage", ["DELETE FROM templedb.migration", "DROP SCHEMA templedb CASCADE"]
)
def test_duckdb_ledger_is_restored_when_damaged(file: Terminal, damage: str) -> None:
    before = ask(file, ENTRIES)
    ask(file, damage)
    file.file("app/migrations/003.sql", "CREATE TABLE three (id int);")
    assert "restore-ledger" in file("deploy", "run", "app", code=78).text
    file("migration", "restore-ledger", "app", "--reason", "wiped")
    assert ask(file, ENTRIES) == before
    assert "1 migration applied" in file("deploy", "run", "app").out
    assert ask(file, "SELECT count(*) FROM orders") == [(1,)]


def test_run_is_ended_when_a_command_wipes_the_duckdb_ledger(file: Terminal) -> None:
    file.file(
        "app/wipe.py",
        "import duckdb, os\nduckdb.connect(os.environ['DATABASE_URL'].removeprefix('duckdb:/'))"
        ".execute('DELETE FROM templedb.migration')\n",
    )
    import sys

    group = {"name": "first", "kind": "commands", "order": 1,
             "deploy_command": f"{sys.executable} wipe.py"}  # fmt: skip
    file.config(group, MIGRATIONS | {"order": 2})
    file.file("app/migrations/003.sql", "CREATE TABLE later (id int);")
    said = file("deploy", "run", "app", code=13)
    assert "touched templedb's own ledger" in said.text
    assert "restore-ledger" in file("deploy", "run", "app", code=78).text


# --- a state that never saw the ledger ------------------------------------------------------------


def elsewhere(shop: Shop) -> None:
    """Go on from another laptop, with a state of its own."""
    shop.terminal.set(TEMPLEDB_STATE=str(shop.terminal.home / "theirs" / "state.duckdb"))
    shop.terminal("project", "import", "app")
    shop.terminal.config(MIGRATIONS)
    shop.terminal("target", "add", "app", "staging")
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")


def test_ledger_is_not_made_again_when_incomplete_and_met_by_another_state(kept: Shop) -> None:
    kept.pg.query("DROP TABLE templedb.migration")
    elsewhere(kept)
    said = kept.run(code=69)
    assert "is incomplete" in said.text
    assert "restore-ledger" in said.text
    assert kept.pg.query("SELECT count(*) FROM orders") == [(1,)]


def test_plan_warns_of_existing_objects_when_a_new_ledger_meets_them(kept: Shop) -> None:
    kept.pg.query("DROP SCHEMA templedb CASCADE")
    elsewhere(kept)
    said = kept.terminal("deploy", "plan", "app")
    assert "001_users.sql (and 1 more) creates what exists already: table users" in said.text
    assert "migration baseline" in said.text
    kept.terminal(
        "migration", "baseline", "app", "--through", "002_orders.sql", "--reason", "ran before"
    )
    assert "creates what exists" not in kept.terminal("deploy", "plan", "app").text


PREPARED = """CREATE SCHEMA IF NOT EXISTS app;
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE OR REPLACE FUNCTION app.one() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""
THERE = {
    "schema app": "schema app", "extension pgcrypto": "1.3", "function app.one()": "one",
    "table app.orders": "table", "table public.users": "table",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("CREATE TABLE users (id int);", ("table users",)),
        ("CREATE TABLE IF NOT EXISTS public.users (id int);", ("table public.users",)),
        ("CREATE TABLE app.users (id int);", ()),  # another schema's table has the name
        ("CREATE TABLE users (id int); CREATE TABLE other (id int);", ()),  # not the whole file
        ("CREATE TABLE orders (id int); DROP TABLE orders;", ()),
        (PREPARED, ()),
        (f"{PREPARED} CREATE TABLE app.other (id int);", ()),
        (f"{PREPARED} CREATE TABLE app.orders (id int);", ("table app.orders",)),
        ("CREATE SCHEMA app;", ("schema app",)),
        ("INSERT INTO users VALUES (1);", ()),
        ("CREATE TEMP TABLE users (id int);", ()),
    ],
)
def test_existing_objects_are_told_only_when_a_first_deployment_would_not_expect_them(
    text: str, told: tuple[str, ...]
) -> None:
    found = standing([("001.sql", split(text).statements)], THERE)
    assert found == ({"001.sql": told} if told else {})


def test_plan_does_not_warn_when_the_server_brings_the_objects_of_a_first_deployment(
    shop: Shop,
) -> None:
    shop.pg.query(f"CREATE SCHEMA app; ALTER SCHEMA app OWNER TO {shop.pg.role}")
    shop.migration("001.sql", f"{PREPARED.replace('pgcrypto', 'plpgsql')}\nCREATE TABLE app.t (id int);\n")  # fmt: skip
    assert "creates what exists" not in shop.terminal("deploy", "plan", "app").text
    shop.run()


def test_ledger_is_not_taken_as_damaged_when_a_right_is_added() -> None:
    before = Witness(shapes={"run": "kind rp\nrights SELECT"})
    more = Witness(shapes={"run": "kind rp\nrights DELETE\nrights SELECT"})
    assert list(reshaped(before, more)) == []
    assert list(reshaped(more, before)) == ["templedb.run has other rights than before"]
