"""A ledger that was wiped after a process died proves nothing: the open step is in doubt.

Where its own history was spared, that tells which attempts took effect.
"""

from __future__ import annotations

import re

import duckdb
import pytest

from tests.conftest import MIGRATIONS, Shop, Terminal

WIPES = {
    "rows": "DELETE FROM templedb.migration",
    "all tables": "TRUNCATE templedb.migration, templedb.run, templedb.meta, templedb.event",
    "schema": "DROP SCHEMA templedb CASCADE",
    "table": "DROP TABLE templedb.migration",
}
ONE = "INSERT INTO users VALUES (7);\n"
STEPS = f"{ONE}VACUUM users;\nCREATE INDEX CONCURRENTLY users_id ON users (id);\n"
KILLED = {
    "committed": (ONE, "apply.committed"),
    "recorded": (ONE, "step.done"),
    "first of three steps": (STEPS, "stepwise.committed"),
    "all steps": (STEPS, "step.done"),
}
WHY = ("--reason", "looked at the rows")


def killed_and_wiped(shop: Shop, killed: str, wipe: str) -> None:
    shop.run()
    sql, place = KILLED[killed]
    shop.migration("003.sql", sql)
    dies(shop, place)
    shop.pg.query(WIPES[wipe])


def dies(shop: Shop, place: str) -> None:
    shop.terminal.set(TEMPLEDB_FAILPOINT=f"{place}:kill9")
    process = shop.terminal.process("deploy", "run", "app")
    said = process.communicate(timeout=60)
    shop.terminal.set(TEMPLEDB_FAILPOINT="")
    assert process.returncode == -9, said


def users(shop: Shop) -> list[tuple[object, ...]]:
    return shop.pg.query("SELECT id FROM users")


@pytest.mark.parametrize("wipe", WIPES)
@pytest.mark.parametrize("killed", KILLED)
def test_migration_is_in_doubt_when_ledger_is_wiped_after_a_kill(
    shop: Shop, killed: str, wipe: str
) -> None:
    killed_and_wiped(shop, killed, wipe)
    said = shop.run(code=78).text
    noted = wipe == "rows" and killed != "first of three steps"
    assert f"migrations/003.sql: its {'row is gone' if noted else 'process died'}" in said
    assert "templedb migration restore-ledger --target staging" in said
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    if noted:
        assert "no migration was pending" in shop.run().text
        assert users(shop) == [(7,)]
        return
    said = shop.run(code=13).text
    assert "003.sql" in said
    assert "templedb migration resolve migrations/003.sql --applied|--not-applied" in said
    assert users(shop) == [(7,)]
    shop.terminal("migration", "resolve", "app", "003.sql", "--applied", *WHY)
    shop.run()
    assert users(shop) == [(7,)]
    assert [row[0] for row in shop.pg.query("SELECT DISTINCT state FROM templedb.migration")] == [
        "applied"
    ]


def test_migration_runs_when_it_is_resolved_as_not_applied(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", ONE)
    dies(shop, "apply.commit-sent")
    shop.pg.query(WIPES["schema"])
    shop.run(code=78)
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    stands = len(users(shop))
    verb = "--applied" if stands else "--not-applied"
    shop.terminal("migration", "resolve", "app", "003.sql", verb, *WHY)
    shop.run()
    assert users(shop) == [(7,)]


def test_first_run_is_in_doubt_when_schema_is_dropped_after_a_kill(shop: Shop) -> None:
    dies(shop, "step.done")
    shop.pg.query(WIPES["schema"])
    said = shop.run(code=78).text
    assert "has no ledger, and the process of a run that began there died" in said
    assert "templedb target rebind staging" in said
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    shop.terminal("migration", "resolve", "app", "001_users.sql", "--applied", *WHY)
    assert "1 migration applied" in shop.run().out
    assert sorted(shop.pg.tables()) == ["orders", "users"]


def test_ledger_counts_as_damaged_when_rows_of_the_killed_run_itself_are_wiped(shop: Shop) -> None:
    shop.migration("003.sql", ONE)
    dies(shop, "step.done@3")
    shop.pg.query(WIPES["rows"])
    shop.run(code=78)
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    shop.run()
    assert users(shop) == [(7,)]


def test_run_is_in_doubt_when_rows_are_wiped_after_another_command_saw_the_run(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", f"{ONE}VACUUM users;\nINSERT INTO users VALUES (8);\nVACUUM users;\n")
    dies(shop, "alone.counted")
    shop.terminal("migration", "status", "app")
    assert users(shop) == [(7,)]
    dies(shop, "stepwise.committed")
    shop.pg.query(WIPES["rows"])
    shop.run(code=78)
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    shop.run(code=13)
    assert users(shop) == [(7,), (8,)]


def test_migration_is_in_doubt_when_rows_are_wiped_after_its_rollback_was_killed(
    shop: Shop,
) -> None:
    shop.run()
    shop.migration("003.sql", f"{ONE}-- templedb:down\nDELETE FROM users;\n")
    shop.run()
    shop.terminal.set(TEMPLEDB_FAILPOINT="apply.committed:kill9")
    process = shop.terminal.process("migration", "down", "app", "003.sql", *WHY)
    process.communicate(timeout=60)
    shop.terminal.set(TEMPLEDB_FAILPOINT="")
    assert process.returncode == -9
    shop.pg.query(WIPES["all tables"])
    shop.run(code=78)
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    assert "to roll it back: it is applied, or it is not" in shop.run(code=13).text
    shop.terminal("migration", "resolve", "app", "003.sql", "--not-applied", *WHY)
    shop.run()
    assert users(shop) == [(7,)]


@pytest.fixture
def duck(terminal: Terminal) -> Terminal:
    """Return a project with two migrations, applied to a DuckDB file."""
    terminal.file("app/migrations/001_users.sql", "CREATE TABLE users (id int);\n")
    terminal.file("app/migrations/002_orders.sql", "CREATE TABLE orders (id int);\n")
    terminal("project", "import", "app")
    terminal.config(MIGRATIONS)
    terminal("target", "add", "app", "staging")
    url = f"duckdb://{terminal.home}/shop.duckdb"
    terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging", "--plain")
    terminal("deploy", "run", "app")
    return terminal


def in_duck(terminal: Terminal, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(f"{terminal.home}/shop.duckdb") as connection:
        return [row for each in sql.split(";") for row in connection.execute(each).fetchall()]


DUCK_WIPES = {
    "rows": "DELETE FROM templedb.migration; DELETE FROM templedb.event",
    "all tables": "DELETE FROM templedb.migration; DELETE FROM templedb.run;"
    " DELETE FROM templedb.event",
    "schema": "DROP SCHEMA templedb CASCADE",
}


@pytest.mark.parametrize("wipe", DUCK_WIPES)
def test_migration_of_a_duckdb_file_is_in_doubt_when_ledger_is_wiped_after_a_kill(
    duck: Terminal, wipe: str
) -> None:
    duck.file("app/migrations/003.sql", ONE)
    duck.set(TEMPLEDB_FAILPOINT="step.done:kill9")
    process = duck.process("deploy", "run", "app")
    process.communicate(timeout=60)
    duck.set(TEMPLEDB_FAILPOINT="")
    assert process.returncode == -9
    in_duck(duck, DUCK_WIPES[wipe])
    said = duck("deploy", "run", "app", code=78).text
    assert "migrations/003.sql: its process died" in said
    duck("migration", "restore-ledger", "app", *WHY)
    said = duck("deploy", "run", "app", code=13).text
    assert "all of it is applied, or nothing" in said
    duck("migration", "resolve", "app", "003.sql", "--applied", *WHY)
    duck("deploy", "run", "app")
    assert in_duck(duck, "SELECT id FROM users") == [(7,)]
    assert in_duck(duck, "SELECT DISTINCT state FROM templedb.migration") == [("applied",)]


def test_migration_of_a_duckdb_file_runs_when_it_is_resolved_as_not_applied(duck: Terminal) -> None:
    duck.file("app/migrations/003.sql", ONE)
    duck.set(TEMPLEDB_FAILPOINT="step.started:kill9")
    process = duck.process("deploy", "run", "app")
    process.communicate(timeout=60)
    duck.set(TEMPLEDB_FAILPOINT="")
    assert process.returncode == -9
    in_duck(duck, DUCK_WIPES["schema"])
    duck("deploy", "run", "app", code=78)
    duck("migration", "restore-ledger", "app", *WHY)
    duck("migration", "resolve", "app", "003.sql", "--not-applied", *WHY)
    duck("deploy", "run", "app")
    assert in_duck(duck, "SELECT id FROM users") == [(7,)]


@pytest.mark.parametrize("wipe", ["all tables", "schema"])
def test_command_is_not_run_again_when_ledger_is_wiped_after_a_kill(shop: Shop, wipe: str) -> None:
    shop.run()
    log = shop.terminal.home / "ran"
    shop.terminal.config(
        MIGRATIONS,
        {"name": "last", "kind": "commands", "order": 9, "deploy_command": f"echo x >> {log}"},
    )
    dies(shop, "command.ran")
    shop.pg.query(WIPES[wipe])
    shop.run(code=13)
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    found = re.search(r"templedb run resolve (\S+)", shop.run(code=13).text)
    assert found
    shop.terminal("run", "resolve", found[1], *WHY)
    assert log.read_text() == "x\n"
    shop.run()
    assert log.read_text() == "x\nx\n"


def other_laptop(shop: Shop, name: str) -> None:
    """Go on at another machine: same files, same database, a state of its own."""
    shop.terminal.set(TEMPLEDB_STATE=str(shop.terminal.home / name / "state.duckdb"))


def set_up(shop: Shop) -> None:
    shop.terminal("project", "import", "app")
    shop.config(MIGRATIONS)
    shop.terminal("target", "add", "app", "staging")
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    shop.run()


def test_ledger_row_proves_nothing_when_another_state_did_not_restore_it(shop: Shop) -> None:
    shop.run()
    other_laptop(shop, "other")
    set_up(shop)
    other_laptop(shop, "state")
    shop.migration("003.sql", ONE)
    dies(shop, "apply.committed")
    shop.pg.query(WIPES["rows"])
    other_laptop(shop, "other")
    shop.run(code=78)
    restore = ("migration", "restore-ledger", "app")
    said = shop.terminal(*restore, *WHY, code=64).text
    assert "died, and this state did not see what it applied" in said
    shop.terminal(*restore, "001_users.sql", "002_orders.sql", *WHY)
    other_laptop(shop, "state")
    assert "the ledger's own history has it as applied" in shop.run(code=78).text
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    shop.run()
    assert users(shop) == [(7,)]


@pytest.mark.parametrize("name", ["003.sql", "004.sql"])
def test_ledger_is_not_damaged_when_another_state_accepts_an_edit_or_a_rename(
    shop: Shop, name: str
) -> None:
    shop.run()
    other_laptop(shop, "other")
    set_up(shop)
    other_laptop(shop, "state")
    shop.migration("003.sql", "INSERT INTO users VALUES (1);\n")
    shop.migration("005.sql", ONE)
    dies(shop, "apply.begun@2")
    other_laptop(shop, "other")
    if name != "003.sql":
        folder = shop.terminal.home / "app" / "migrations"
        (folder / "003.sql").rename(folder / name)
        shop.terminal("migration", "rename", "app", "003.sql", name, *WHY)
    shop.migration(name, "-- known\nINSERT INTO users VALUES (1);\n")
    shop.terminal("migration", "accept-checksum", "app", name, *WHY)
    other_laptop(shop, "state")
    shop.run()
    assert users(shop) == [(1,), (7,)]


def test_rebind_forgets_what_a_dead_run_may_have_done_when_the_database_is_new(shop: Shop) -> None:
    killed_and_wiped(shop, "committed", "schema")
    shop.pg.query("DROP TABLE users, orders")
    shop.terminal("target", "rebind", "app", "staging", *WHY)
    assert "3 migrations applied" in shop.run().out


@pytest.mark.parametrize("words", [("deploy", "resume", "app"), ("deploy", "run", "--plan")])
def test_plan_does_not_run_its_command_again_when_the_ledger_row_is_lost(
    shop: Shop, words: tuple[str, ...]
) -> None:
    log = shop.terminal.home / "ran"
    shop.config({"name": "last", "kind": "commands", "deploy_command": f"echo x >> {log}"})
    dies(shop, "command.ran")
    shop.pg.query(WIPES["schema"])
    shown = shop.terminal("deploy", "history", "app", "--json").json
    plan = [] if "resume" in words else [shown[-1]["rows"][0]["plan"]]
    said = shop.terminal(*words, *plan, code=13).text
    assert "its outcome is unknown" in said
    assert log.read_text() == "x\n"
    found = re.search(r"templedb run resolve (\S+)", said)
    assert found
    shop.terminal("run", "resolve", found[1], *WHY)
    shop.terminal(*words, *plan)
    assert log.read_text() == "x\nx\n"


def test_ledger_does_not_look_older_when_a_run_died_after_marking_a_migration(shop: Shop) -> None:
    shop.run()
    shop.terminal("migration", "mark-reverted", "app", "002_orders.sql", *WHY)
    shop.terminal.set(TEMPLEDB_FAILPOINT="run.before-end:kill9")
    words = ("migration", "mark-applied", "app", "002_orders.sql", *WHY)
    process = shop.terminal.process(*words)
    process.communicate(timeout=60)
    shop.terminal.set(TEMPLEDB_FAILPOINT="")
    assert process.returncode == -9
    shop.terminal("deploy", "history", "app")
    shop.pg.query("UPDATE templedb.migration SET checksum = 'x' WHERE key LIKE '%001%'")
    shop.run(code=78)
    shop.terminal("migration", "restore-ledger", "app", *WHY)
    assert "no migration was pending" in shop.run().text
