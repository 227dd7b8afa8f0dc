"""A file of psql's that is cut off: applied is what has run to its end, and nothing else."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.app.deploy.test_locks import until
from tests.conftest import MIGRATIONS, Shop

HIDES = {
    "gexec": "SELECT 'COMMIT' \\gexec\n",
    "gexec, and begins again": "SELECT 'COMMIT' \\gexec\nSELECT 'BEGIN' \\gexec\n",
    "included": "\\i parts/commits.sql\n",
    "a variable": "\\set ends COMMIT\n:ends;\n",
    "a procedure": "\\i parts/commits.sql\nDO $$ BEGIN PERFORM 1; END $$;\n",
}
DIES = {
    "psql is killed": "\\! kill -9 $PPID\n",
    "its connection is cut": "SELECT pg_terminate_backend(pg_backend_pid());\n",
    "an error": "SELECT nope;\n",
    "psql ends": "\\! kill -TERM $PPID; sleep 60\n",
}
FIRST, LATER = "CREATE TABLE one (id int);\n", "CREATE TABLE two (id int);\n"
KEY = "migrations/003_hidden.sql"
ROW = f"SELECT state FROM templedb.migration WHERE key = '{KEY}'"
WAITS = (
    "\\! trap '' INT TERM; echo $PPID > $HOME/here; while [ -e $HOME/here ]; do sleep 0.05; done\n"
)


@pytest.fixture
def by_psql(shop: Shop) -> Shop:
    shop.config({**MIGRATIONS, "executor": "psql"})
    shop.run()
    shop.terminal.file("app/parts/commits.sql", "COMMIT;\n")
    return shop


def tables(shop: Shop) -> set[str]:
    return {"one", "two"} & {*shop.pg.tables()}


def begun(shop: Shop) -> Any:
    """A run whose psql has come to where it waits."""
    shop.terminal.set(HOME=str(shop.terminal.home))
    process = shop.terminal.process("deploy", "run", "app", "--lock-wait", "60")
    until((shop.terminal.home / "here").exists)
    return process


@pytest.mark.parametrize("dies", DIES)
@pytest.mark.parametrize("hides", HIDES)
def test_migration_is_in_doubt_when_it_is_cut_off_behind_a_commit_that_it_hides(
    by_psql: Shop, hides: str, dies: str
) -> None:
    by_psql.migration("003_hidden.sql", f"{FIRST}{HIDES[hides]}{DIES[dies]}{LATER}")
    said = by_psql.run(code=13)
    assert "had committed before it reached its end" in said.text
    assert f"templedb migration resolve {KEY} --applied" in said.text
    assert tables(by_psql) == {"one"}
    assert by_psql.pg.query(ROW) == [("in_doubt",)]
    assert f"migration resolve {KEY}" in by_psql.run(code=13).text
    words = ("--not-applied", "--reason", "dropped the table")
    by_psql.pg.query("DROP TABLE one")
    by_psql.terminal("migration", "resolve", "app", KEY, *words)
    by_psql.migration("003_hidden.sql", f"{FIRST}{LATER}")
    by_psql.run()
    assert tables(by_psql) == {"one", "two"}


@pytest.mark.parametrize("hides", HIDES)
def test_migration_is_applied_when_a_file_that_hides_a_commit_reaches_its_end(
    by_psql: Shop, hides: str
) -> None:
    by_psql.migration("003_hidden.sql", f"{FIRST}{HIDES[hides]}{LATER}")
    by_psql.run()
    assert tables(by_psql) == {"one", "two"}
    query = f"SELECT state, steps = step_done, step_done = step_started, error, xid <> '' FROM templedb.migration WHERE key = '{KEY}'"  # fmt: skip
    assert by_psql.pg.query(query) == [("applied", True, True, "", True)]
    assert "no migration was pending" in by_psql.run().out


@pytest.mark.parametrize("dies", DIES)
def test_nothing_is_applied_when_psql_is_cut_off_in_its_one_transaction(
    by_psql: Shop, dies: str
) -> None:
    by_psql.migration("003_hidden.sql", f"{FIRST}{DIES[dies]}{LATER}")
    assert "nothing of migrations/003_hidden.sql was applied" in by_psql.run(code=10).text
    assert tables(by_psql) == set()
    by_psql.migration("003_hidden.sql", f"{FIRST}{LATER}")
    by_psql.run()
    assert tables(by_psql) == {"one", "two"}


@pytest.mark.parametrize("ends", ["SELECT 'ROLLBACK' \\gexec\n", "\\i parts/rolls_back.sql\n"])
def test_nothing_behind_a_hidden_rollback_is_committed_when_psql_is_cut_off(
    by_psql: Shop, ends: str
) -> None:
    """The ledger has nothing of it, so nothing may stand."""
    by_psql.terminal.file("app/parts/rolls_back.sql", "ROLLBACK;\n")
    dies = DIES["psql is killed"]
    by_psql.migration("003_hidden.sql", f"{FIRST}{ends}{LATER}{dies}")
    by_psql.run(code=10)
    assert tables(by_psql) == set()
    by_psql.migration("003_hidden.sql", f"{FIRST}{ends}{LATER}")
    assert "rolled back its transaction" in by_psql.run(code=13).text
    assert tables(by_psql) == set()


@pytest.mark.parametrize(
    ("hides", "text", "state", "code"),
    [
        ("", "the ledger does not have it", [], 10),
        (HIDES["included"], "the ledger has it as in doubt", [("in_doubt",)], 13),
    ],
    ids=["one transaction", "hidden commit"],
)
def test_history_says_what_the_ledger_says_when_our_process_is_killed_during_psql(
    by_psql: Shop, hides: str, text: str, state: list[tuple[str]], code: int
) -> None:
    by_psql.migration("003_hidden.sql", f"{FIRST}{hides}{WAITS}{LATER}")
    process = begun(by_psql)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    said = by_psql.terminal("deploy", "history", "app", "--last", "1", "--json")
    (history,) = said.json[-1]["rows"]
    assert text in history["message"]
    assert history["exit_code"] == code
    assert by_psql.pg.query(ROW) == state
    assert "two" not in by_psql.pg.tables()


@pytest.mark.parametrize("action", ["kill9", "drop", "error"])
@pytest.mark.parametrize("hides", ["", HIDES["included"]], ids=["one transaction", "hidden"])
def test_file_is_applied_once_when_a_run_breaks_behind_psql(
    by_psql: Shop, hides: str, action: str
) -> None:
    by_psql.migration("003_hidden.sql", f"{FIRST}{hides}{LATER}INSERT INTO two VALUES (1);\n")
    by_psql.terminal.set(TEMPLEDB_FAILPOINT=f"psql.ran:{action}")
    process = by_psql.terminal.process("deploy", "run", "app")
    process.communicate(timeout=60)
    assert process.returncode
    by_psql.terminal.unset("TEMPLEDB_FAILPOINT")
    by_psql.run()
    assert by_psql.pg.query("SELECT * FROM two") == [(1,)]
    assert by_psql.pg.query(ROW) == [("applied",)]


SLEEPS = "\\! echo $PPID > $HOME/here\nSELECT pg_sleep(20);\n"
WORKS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(20)%' AND state = 'active' AND datname = current_database()"  # fmt: skip


def working(shop: Shop) -> bool:
    return shop.pg.query(WORKS) == [(1,)]


def test_server_works_no_more_for_a_psql_that_was_killed_when_the_run_says_what_came_of_it(
    by_psql: Shop,
) -> None:
    """What it still did could be committed behind that."""
    by_psql.migration("003_hidden.sql", f"{FIRST}{SLEEPS}")
    process = begun(by_psql)
    until(lambda: working(by_psql))
    os.kill(int((by_psql.terminal.home / "here").read_text()), signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 10, out + err
    assert not working(by_psql)


def test_next_run_waits_when_the_server_still_works_for_the_psql_of_a_run_that_was_killed(
    by_psql: Shop,
) -> None:
    if by_psql.version >= 140000:  # before that, no server looks whether its client lives
        off = "SET client_connection_check_interval = 3600000"
        by_psql.pg.query(f"ALTER ROLE {by_psql.pg.role} {off}")
    by_psql.migration("003_hidden.sql", f"{FIRST}{SLEEPS}")
    process = begun(by_psql)
    until(lambda: working(by_psql))
    process.send_signal(signal.SIGSTOP)  # nobody of ours may cancel the statement
    os.kill(int((by_psql.terminal.home / "here").read_text()), signal.SIGKILL)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert working(by_psql)
    run = by_psql.pg.query("SELECT run FROM templedb.lock")[0][0]
    assert "is locked by" in by_psql.run("--lock-wait", "0", code=24).text
    by_psql.pg.query("UPDATE templedb.lock SET heartbeat = heartbeat - interval '1 hour'")
    words = ("steal", "app", "--target", "staging", "--expect", run, "--reason", "it is gone")
    by_psql.terminal("lock", *words, "--terminate")
    assert not working(by_psql)
    by_psql.migration("003_hidden.sql", FIRST)
    by_psql.run()
    assert tables(by_psql) == {"one"}
