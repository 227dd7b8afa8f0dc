"""Databases that are not what they were: restored, cloned, exchanged, emptied."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.conftest import MIGRATIONS, Shop


def test_cloned_database_is_refused_until_rebound_when_a_target_names_it(shop: Shop) -> None:
    shop.run()
    server, name = shop.pg.server, shop.pg.name
    clone = f"{name}_clone"
    with psycopg.connect(server.database("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {clone} TEMPLATE {name} OWNER {shop.pg.role}")
    try:
        dsn = shop.pg.dsn.replace(f"/{name}", f"/{clone}")
        shop.terminal("target", "add", "app", "copy")
        shop.terminal("env", "set", "app", "DATABASE_URL", dsn, "--target", "copy")
        shop.migration("003.sql", "CREATE TABLE three (id int);")
        said = shop.run("--target", "copy", code=78)
        assert "is a copy of another database" in said.err
        assert "target rebind copy" in said.err
        shop.terminal("target", "rebind", "app", "copy", "--reason", "restored from production")
        assert "1 migration applied" in shop.run("--target", "copy").out
        with psycopg.connect(server.database(clone)) as there:
            kinds = there.execute("SELECT kind FROM templedb.migration ORDER BY key").fetchall()
            events = there.execute(
                "SELECT what FROM templedb.event WHERE what <> 'applied'"
            ).fetchall()
        assert kinds == [("inherited",), ("inherited",), ("run",)]
        assert events == [("rebind",)]
        shop.run("--target", "staging")
    finally:
        with psycopg.connect(server.database("postgres"), autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {clone} WITH (FORCE)")


def test_run_is_refused_when_the_database_lost_its_ledger(shop: Shop) -> None:
    shop.run()
    shop.pg.query("DROP SCHEMA templedb CASCADE")
    said = shop.run(code=78)
    assert "has no ledger, and 2 migrations were applied there before" in said.err
    assert "is not" not in shop.terminal("migration", "status").err
    shop.pg.query("DROP TABLE users, orders")
    shop.terminal("target", "rebind", "app", "staging", "--reason", "a new database")
    assert "2 migrations applied" in shop.run().out


def test_run_is_refused_when_the_database_was_restored_to_an_earlier_state(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    shop.run()
    shop.pg.query("DELETE FROM templedb.migration WHERE key = 'migrations/003.sql'")
    assert "has a ledger that lost rows" in shop.run(code=78).err
    shop.pg.query("DROP TABLE three")
    assert "restored to an earlier state" in shop.run(code=78).err
    shop.terminal("target", "rebind", "app", "staging", "--reason", "restored to yesterday")
    assert "1 migration applied" in shop.run().out


def test_run_is_refused_and_names_the_trigger_when_the_ledger_has_a_trigger(shop: Shop) -> None:
    shop.run()
    shop.pg.query(
        "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER quiet BEFORE INSERT ON templedb.migration FOR EACH ROW"
        " EXECUTE FUNCTION swallow()"
    )
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    assert "trigger quiet on templedb.migration" in shop.run(code=69).text
    assert "three" not in shop.pg.tables()


def test_store_learns_the_runs_of_another_state_when_it_next_reads_the_target(shop: Shop) -> None:
    """A colleague deploys; our copy of the ledger is caught up by the next look at the target."""
    shop.run()
    mine = shop.terminal.environ["TEMPLEDB_STATE"]
    shop.terminal.set(TEMPLEDB_STATE=str(shop.terminal.home / "theirs" / "state.duckdb"))
    shop.migration("003.sql", "CREATE TABLE three (id int);")
    shop.terminal("project", "import", "app")
    shop.terminal.config(MIGRATIONS)
    shop.terminal("target", "add", "app", "staging")
    shop.terminal("env", "set", "app", "DATABASE_URL", shop.pg.dsn, "--target", "staging")
    shop.run()
    shop.terminal.set(TEMPLEDB_STATE=mine)
    shop.terminal("status", "app")
    answer = shop.terminal("sql", "SELECT file FROM migrations ORDER BY run_seq", "--json")
    assert [row[0] for row in answer.json[-1]["rows"]][-1] == "migrations/003.sql"


@pytest.mark.parametrize("place", ["apply.ran", "apply.committed"])
def test_history_agrees_with_the_ledger_when_a_run_was_killed(shop: Shop, place: str) -> None:
    shop.terminal.set(TEMPLEDB_FAILPOINT=f"{place}@2:kill9")
    process = shop.terminal.process("deploy", "run", "app")
    process.communicate(timeout=60)
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    row = shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"][0]
    assert row["outcome"] == "failed"
    done = place == "apply.committed"
    assert ("which is applied: the ledger has it" in row["message"]) == done
    assert ("nothing of it is applied" in row["message"]) == (not done)
    steps = shop.terminal("sql", "SELECT state FROM steps ORDER BY step", "--json").json[-1]["rows"]
    assert steps == [["done"], ["done" if done else "failed"]]


def test_killed_run_is_left_alone_when_its_statement_still_runs(shop: Shop) -> None:
    shop.run()
    shop.migration("003_slow.sql", "CREATE TABLE three (id int);\nSELECT pg_sleep(4);\n")
    shop.terminal.set(TEMPLEDB_FAILPOINT="")
    process = shop.terminal.process("deploy", "run", "app")
    asked = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(4)%' AND state = 'active' AND pid <> pg_backend_pid()"  # fmt: skip
    while shop.pg.query(asked) != [(1,)]:
        assert process.poll() is None
    # a server that does not look whether its client lives works on: what PostgreSQL 13 does
    process.kill()
    process.communicate()
    said = shop.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    assert said[0]["outcome"] in {"succeeded", "failed"}
    shop.run("--lock-wait", "60")
    assert shop.pg.applied()[-1] == "migrations/003_slow.sql"
    journals = Path(shop.terminal.environ["TEMPLEDB_STATE"]).with_name("state.duckdb.d") / "journal"
    shop.terminal("deploy", "history", "app")
    assert not list(journals.glob("*.jsonl"))


# --- resume -----------------------------------------------------------------------------------


@pytest.fixture
def broken(shop: Shop) -> Shop:
    """A run that did its build and a migration, and died in the second one."""
    shop.config(
        {"name": "build", "kind": "commands", "order": 1, "build_command": "echo built >> ../built",
         "workdir": "project"},
        MIGRATIONS | {"order": 2},
        {"name": "announce", "kind": "commands", "order": 3, "workdir": "project",
         "deploy_command": "echo told >> ../told"},
    )  # fmt: skip
    shop.terminal.set(TEMPLEDB_FAILPOINT="apply.ran@2:kill9")
    process = shop.terminal.process("deploy", "run", "app")
    process.communicate(timeout=60)
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    return shop


def lines(shop: Shop, name: str) -> int:
    path = shop.terminal.home / name
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_resumed_run_continues_at_the_break_when_the_old_run_broke_off(broken: Shop) -> None:
    said = broken.terminal("deploy", "resume", "app").out
    assert "the resumed run already did it" in said
    assert (lines(broken, "built"), lines(broken, "told")) == (1, 1)
    assert len(broken.pg.applied()) == 2
    rows = broken.terminal("deploy", "history", "app", "--json").json[-1]["rows"]
    assert [row["outcome"] for row in rows] == ["succeeded", "failed"]
    assert rows[0]["plan"] == rows[1]["plan"]
    assert "nothing to resume" in broken.terminal("deploy", "resume", "app", code=64).err


def test_resumed_run_repeats_nothing_when_an_earlier_resume_was_killed(broken: Shop) -> None:
    broken.terminal.set(TEMPLEDB_FAILPOINT="apply.ran:kill9")
    broken.terminal.process("deploy", "resume", "app").communicate(timeout=60)
    broken.terminal.unset("TEMPLEDB_FAILPOINT")
    broken.terminal("deploy", "resume", "app")
    assert (lines(broken, "built"), lines(broken, "told")) == (1, 1)
    assert len(broken.pg.applied()) == 2


def test_resume_needs_an_approval_when_the_target_was_protected_meanwhile(broken: Shop) -> None:
    broken.terminal("target", "update", "app", "staging", "--protected")
    broken.terminal("deploy", "resume", "app", code=22)
    assert lines(broken, "told") == 0
    plan = broken.terminal("deploy", "plan", "app", "--json").json[-1]["plan_id"]
    broken.approve(plan)
    broken.terminal("deploy", "run", "--plan", plan)
    assert lines(broken, "told") == 1


def test_resume_is_refused_when_nobody_saw_a_command_end(broken: Shop) -> None:
    broken.terminal("deploy", "resume", "app")
    broken.terminal.set(TEMPLEDB_FAILPOINT="command.ran:kill9")
    process = broken.terminal.process("deploy", "run", "app", "--skip-group", "build")
    process.communicate(timeout=60)
    broken.terminal.unset("TEMPLEDB_FAILPOINT")
    assert "run resolve" in broken.terminal("deploy", "resume", "app", code=13).err
