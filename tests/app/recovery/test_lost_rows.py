"""A row that somebody takes away while its run died is missed: the step is not done once more."""

from __future__ import annotations

import re

import psycopg
import pytest

from tests.app.recovery.test_lost_after_death import ONE, STEPS, WHY, dies, duck, in_duck, users
from tests.conftest import MIGRATIONS, Shop, Terminal
from tests.proxy import Proxy

__all__ = ["duck"]
ROW = "DELETE FROM templedb.migration WHERE key LIKE '%003%'"
RESTORE = ("migration", "restore-ledger", "app")
APPLIED = {
    "committed": (ONE, "apply.committed"),
    "recorded": (ONE, "step.done"),
    "all steps": (STEPS, "stepwise.ended"),
    "all of the run": (STEPS, "run.told"),
    "all of the run, in a transaction": (ONE, "run.told"),
}


@pytest.mark.parametrize("killed", APPLIED)
def test_migration_is_not_applied_twice_when_its_row_is_deleted_after_a_kill(
    shop: Shop, killed: str
) -> None:
    shop.run()
    shop.migration("003.sql", APPLIED[killed][0])
    dies(shop, APPLIED[killed][1])
    shop.pg.query(ROW)
    said = shop.run(code=78).text
    assert "migrations/003.sql: its row is gone" in said
    assert "templedb migration restore-ledger --target staging" in said
    shop.terminal(*RESTORE, *WHY)
    assert "no migration was pending" in shop.run().text
    assert users(shop) == [(7,)]


def test_migration_by_psql_is_not_applied_twice_when_its_row_is_deleted_after_a_kill(
    shop: Shop,
) -> None:
    shop.run()
    shop.config(MIGRATIONS | {"executor": "psql"})
    shop.migration("003.sql", ONE)
    dies(shop, "step.done")
    shop.pg.query(ROW)
    assert "the ledger's own history has it as applied" in shop.run(code=78).text
    shop.terminal(*RESTORE, *WHY)
    shop.run()
    assert users(shop) == [(7,)]


def test_deleted_row_is_missed_when_the_database_is_a_duckdb_file(duck: Terminal) -> None:
    duck.file("app/migrations/003.sql", ONE)
    duck.set(TEMPLEDB_FAILPOINT="step.done:kill9")
    process = duck.process("deploy", "run", "app")
    process.communicate(timeout=60)
    duck.set(TEMPLEDB_FAILPOINT="")
    assert process.returncode == -9
    in_duck(duck, ROW)
    duck("deploy", "run", "app", code=78)
    duck(*RESTORE, *WHY)
    duck("deploy", "run", "app")
    assert in_duck(duck, "SELECT id FROM users") == [(7,)]


@pytest.mark.parametrize("place", ["stepwise.committed", "alone.counted"])
def test_half_run_migration_is_in_doubt_when_only_its_row_is_deleted(
    shop: Shop, place: str
) -> None:
    shop.run()
    shop.migration("003.sql", STEPS)
    dies(shop, place)
    shop.pg.query(ROW)
    shop.pg.query("DELETE FROM templedb.event WHERE key LIKE '%003%'")
    said = shop.run(code=13).text
    assert "templedb migration resolve migrations/003.sql --applied|--not-applied" in said
    assert users(shop) == [(7,)]
    shop.pg.query("DELETE FROM users")
    shop.terminal("migration", "resolve", "app", "003.sql", "--not-applied", *WHY)
    shop.run()
    assert users(shop) == [(7,)]


def test_half_run_migration_is_missed_when_its_connection_was_lost_with_it(shop: Shop) -> None:
    """No look at the ledger was possible behind the failure: what the run saw must be enough."""
    shop.run()
    shop.migration("003.sql", STEPS)
    shop.terminal.set(TEMPLEDB_FAILPOINT="alone.asked:drop")
    process = shop.terminal.process("deploy", "run", "app", "--target", "staging")
    out, err = process.communicate(timeout=60)
    shop.terminal.unset("TEMPLEDB_FAILPOINT")
    assert process.returncode == 12, out + err
    assert users(shop) == [(7,)]
    shop.pg.query(ROW)
    said = shop.run(code=13).text
    assert "templedb migration resolve migrations/003.sql --applied|--not-applied" in said
    assert users(shop) == [(7,)], "what stood is not done once more"


def test_migration_is_not_missed_when_it_was_rolled_back_by_a_kill(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", ONE)
    dies(shop, "apply.ran")
    assert "1 migration applied" in shop.run().text
    assert users(shop) == [(7,)]


@pytest.mark.parametrize("place", ["command.recorded", "command.ran", "command.closed"])
def test_command_waits_for_a_person_when_its_row_is_deleted_after_a_kill(
    shop: Shop, place: str
) -> None:
    log = shop.terminal.home / "ran"
    shop.config({"name": "last", "kind": "commands", "deploy_command": f"echo x >> {log}"})
    dies(shop, place)
    ran = log.read_text() if log.exists() else ""
    shop.pg.query("DELETE FROM templedb.command")
    said = shop.run(code=13).text
    assert "its outcome is unknown" in said
    assert (log.read_text() if log.exists() else "") == ran
    found = re.search(r"templedb run resolve (\S+)", said)
    assert found
    shop.terminal("run", "resolve", found[1], *WHY)
    shop.run()
    assert log.read_text() == f"{ran}x\n"


def test_command_runs_when_it_died_before_it_was_recorded(shop: Shop) -> None:
    log = shop.terminal.home / "ran"
    shop.config({"name": "last", "kind": "commands", "deploy_command": f"echo x >> {log}"})
    dies(shop, "step.started")
    shop.pg.query("DELETE FROM templedb.command")
    shop.run()
    assert log.read_text() == "x\n"


# --- rows of what is not applied ----------------------------------------------------------------

INDEX = "INSERT INTO users VALUES (7);\nCREATE INDEX CONCURRENTLY users_id ON users (id);\n"
BROKEN = "DROP INDEX CONCURRENTLY users_id;\nVACUUM nowhere;\n"


@pytest.mark.parametrize("wipe", ["DROP SCHEMA templedb CASCADE", "DELETE FROM templedb.migration"])
def test_ledger_is_restored_when_a_half_run_file_dropped_what_another_made(
    shop: Shop, wipe: str
) -> None:
    shop.migration("003.sql", INDEX)
    shop.run()
    shop.migration("004.sql", BROKEN)
    shop.run(code=12)
    shop.pg.query(wipe)
    said = shop.run(code=78).text
    assert "templedb migration restore-ledger --target staging" in said
    assert "migrations/004.sql: its row is gone; 1 of 2 steps had taken effect" in said
    shop.terminal(*RESTORE, *WHY)
    shop.migration("004.sql", BROKEN.replace("nowhere", "users"))
    shop.run()
    assert users(shop) == [(7,)]


def test_row_is_not_missed_when_its_attempt_failed_and_left_nothing(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", "INSERT INTO nowhere VALUES (1);\n")
    shop.run(code=10)
    shop.pg.query(ROW)
    shop.migration("003.sql", ONE)
    assert "1 migration applied" in shop.run().text


def test_row_is_restored_alone_when_its_migration_was_rolled_back(shop: Shop) -> None:
    shop.migration("003.sql", f"{ONE}-- templedb:down\nDELETE FROM users;\n")
    shop.run()
    shop.terminal("migration", "down", "app", "003.sql", *WHY)
    shop.pg.query(ROW)
    said = shop.run(code=78).text
    assert "its row, which said that it was rolled back, is gone" in said
    shop.terminal(*RESTORE, *WHY)
    assert "1 migration applied" in shop.run().text


def test_row_of_a_half_run_file_is_restored_as_in_doubt_when_nothing_else_is_lost(
    shop: Shop,
) -> None:
    shop.run()
    shop.migration("003.sql", f"{ONE}VACUUM nowhere;\n")
    shop.run(code=12)
    shop.pg.query(ROW)
    said = shop.run(code=13).text
    assert "templedb target rebind staging" in said
    shop.terminal(*RESTORE, *WHY)
    shop.run(code=13)
    assert users(shop) == [(7,)]


def test_resume_makes_no_ledger_when_its_plan_is_refused(shop: Shop) -> None:
    dies(shop, "step.done")
    shop.pg.query("DROP SCHEMA templedb CASCADE")
    shop.terminal("deploy", "resume", "app", code=78)
    assert shop.pg.query("SELECT 1 FROM pg_namespace WHERE nspname = 'templedb'") == []


def test_restore_says_that_runs_of_other_states_may_be_missing_when_the_whole_ledger_is_gone(
    shop: Shop,
) -> None:
    shop.run()
    shop.pg.query("DROP SCHEMA templedb CASCADE")
    told = "the whole ledger is gone: what other states ran is not in this state's copy"
    assert told in shop.terminal(*RESTORE, "--dry-run").text
    assert told in shop.terminal(*RESTORE, *WHY).text
    shop.run()


IDLE = "SELECT 1 FROM pg_stat_activity WHERE usename = %s AND state = 'idle in transaction'"


@pytest.mark.parametrize("wipe", [ROW, "DROP SCHEMA templedb CASCADE"])
def test_commit_is_not_made_twice_when_its_answer_is_lost_and_the_ledger_is_wiped(
    shop: Shop, wipe: str
) -> None:
    shop.run()
    shop.migration("003.sql", ONE)
    about = psycopg.conninfo.conninfo_to_dict(shop.pg.dsn)
    with Proxy(int(about["port"])) as proxy:
        url = shop.pg.dsn.replace(f":{about['port']}/", f":{proxy.port}/")
        shop.terminal("env", "set", "app", "DATABASE_URL", url, "--target", "staging")
        shop.terminal.set(TEMPLEDB_FAILPOINT="apply.ran:sleep=5")
        process = shop.terminal.process("deploy", "run", "app")
        while not shop.pg.query(IDLE, shop.pg.role):
            assert process.poll() is None
        proxy.cut_at_commit(skip=0, sent=True, after=b"xact_id_if_assigned")
        shop.pg.query(f"ALTER ROLE {shop.pg.role} NOLOGIN")
        said = process.communicate(timeout=120)
        shop.pg.query(f"ALTER ROLE {shop.pg.role} LOGIN")
        proxy.heal()
        assert process.returncode in {13, 69}, said
        shop.terminal.set(TEMPLEDB_FAILPOINT="")
        shop.pg.query(wipe)
        assert "migrations/003.sql: its process" in shop.run(code=13 if wipe == ROW else 78).text
        if wipe != ROW:
            shop.terminal(*RESTORE, *WHY)
            shop.run(code=13)
        shop.terminal("migration", "resolve", "app", "003.sql", "--applied", *WHY)
        shop.run()
    assert users(shop) == [(7,)]
