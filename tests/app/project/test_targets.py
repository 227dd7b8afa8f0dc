"""What is peculiar to one kind of target; what all have in common is in test_target_contract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pytest

from templedb_nb.errors import LedgerRefused, StatementFailed, UnfitServer, Unresolved
from templedb_nb.model.ledger import State
from templedb_nb.model.step import Mode
from templedb_nb.ports.target import LockCallbacks
from tests.conftest import Database, Shop
from tests.ledger_targets import a_claim, a_step, apply, postgres_session

# --- PostgreSQL alone -----------------------------------------------------------------------------

LEAKS = """
SET search_path = ''; SET TimeZone = 'Asia/Tokyo'; SET statement_timeout = '1s'; SET lock_timeout = '1ms';
SET ROLE pg_monitor; CREATE TEMP TABLE users (x int); PREPARE q AS SELECT 1; LISTEN news;
"""


def test_session_settings_are_reset_when_a_script_changed_them(pg: Database) -> None:
    pg.query(f"GRANT pg_monitor TO {pg.role}")
    session = postgres_session(pg)
    apply(session, LEAKS.replace("CREATE TEMP TABLE users (x int); ", ""), key="m/1.sql")
    connection = session._link.connection
    asked = (
        "SELECT current_user, current_setting('search_path'), current_setting('statement_timeout'),"
        " current_setting('lock_timeout'), (SELECT count(*) FROM pg_prepared_statements)"
    )
    assert connection.execute(asked).fetchone() == (pg.role, '"$user", public', "0", "5s", 0)
    apply(session, "CREATE TABLE plain (id int);", key="m/2.sql", attempt="a2", run="run-2")
    assert "plain" in pg.tables()
    session.close()


def test_ledger_stays_writable_when_a_script_sets_another_role(pg: Database) -> None:
    pg.query(f"CREATE ROLE nobody_{pg.role}; GRANT nobody_{pg.role} TO {pg.role}")
    try:
        session = postgres_session(pg)
        apply(session, f"SET ROLE nobody_{pg.role};")
        apply(session, "CREATE TABLE plain (id int);", key="m/2.sql", attempt="a2", run="run-2")
        session.close()
        assert pg.applied() == ["m/1.sql", "m/2.sql"]
    finally:
        pg.query(f"DROP ROLE nobody_{pg.role}")


def test_migration_is_in_doubt_when_its_script_ends_the_transaction(pg: Database) -> None:
    """The planner refuses such a script; here it reaches the server all the same."""
    session = postgres_session(pg)
    claim = a_claim()
    step, script = a_step("CREATE TABLE t (id int); COMMIT; CREATE TABLE u (id int); BEGIN;")
    step = replace(step, mode=Mode.TRANSACTION)
    with (
        session.lock(claim, LockCallbacks()),
        pytest.raises(Unresolved, match="ended its transaction"),
    ):
        session.apply(step, script, "a1", claim, lambda _: None)
    assert [e.state for e in session.ledger("app").entries] == [State.IN_DOUBT]
    session.close()


def test_do_block_is_refused_by_the_server_when_it_commits(pg: Database) -> None:
    session = postgres_session(pg)
    with pytest.raises(StatementFailed) as failed:
        apply(session, "CREATE TABLE t (id int); DO $$ BEGIN EXECUTE 'COM' || 'MIT'; END $$;")
    assert "t" not in pg.tables()
    assert failed.value.statement == 1
    session.close()


def test_percent_sign_is_kept_as_text_when_a_script_contains_it(pg: Database) -> None:
    session = postgres_session(pg)
    apply(session, "CREATE TABLE t (x text DEFAULT '100%'); INSERT INTO t VALUES ('%s %(a)s %%');")
    assert pg.query("SELECT x FROM t") == [("%s %(a)s %%",)]
    session.close()


def test_copy_with_data_is_applied_when_a_script_contains_it(pg: Database) -> None:
    session = postgres_session(pg)
    rows = "".join(f"{n}\tüñí;'{n}\n" for n in range(5000))
    apply(
        session,
        f"CREATE TABLE t (id int, x text);\nCOPY t FROM stdin;\n{rows}\\.\nUPDATE t SET id = id + 1;",
    )
    assert pg.query("SELECT count(*), min(id), max(x) FROM t") == [(5000, 1, "üñí;'999")]
    session.close()


def test_migration_fails_and_leaves_nothing_when_its_copy_data_is_wrong(pg: Database) -> None:
    session = postgres_session(pg)
    with pytest.raises(StatementFailed):
        apply(session, "CREATE TABLE t (id int);\nCOPY t FROM stdin;\nnot a number\n\\.\n")
    assert pg.tables() == []
    assert session.ledger("app").exists
    session.close()


def test_migration_fails_at_the_commit_when_a_deferred_constraint_is_violated(pg: Database) -> None:
    session = postgres_session(pg)
    with pytest.raises(StatementFailed, match="at COMMIT"):
        apply(
            session,
            "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a DEFERRABLE INITIALLY DEFERRED);"
            "INSERT INTO b VALUES (1);",
        )
    assert pg.tables() == []
    session.close()


def test_migration_waits_for_the_lock_when_another_session_holds_it_briefly(pg: Database) -> None:
    import threading

    pg.query("CREATE TABLE busy (id int)")
    pg.query(f"ALTER TABLE busy OWNER TO {pg.role}")
    session = postgres_session(pg)
    session._link.connection.execute("ALTER ROLE CURRENT_USER SET lock_timeout = '100ms'")
    holder = psycopg.connect(pg.server.database(pg.name))
    holder.execute("LOCK TABLE busy IN ACCESS EXCLUSIVE MODE")
    threading.Timer(6, holder.commit).start()
    apply(session, "ALTER TABLE busy ADD COLUMN more int;")
    assert pg.applied() == ["m/1.sql"]
    holder.close()
    session.close()


def test_read_only_database_is_refused_when_the_lock_is_taken(pg: Database) -> None:
    pg.query(f"ALTER DATABASE {pg.name} SET default_transaction_read_only = on")
    session = postgres_session(pg)
    with pytest.raises(UnfitServer) as refused, session.lock(a_claim(), LockCallbacks()):
        pass
    assert "read_only" in str(refused.value.problems)
    assert "read_only" in str(session.probe().findings)
    session.close()


def test_role_is_told_how_to_get_a_ledger_when_it_may_not_create_the_schema(pg: Database) -> None:
    pg.query(
        f"ALTER DATABASE {pg.name} OWNER TO CURRENT_USER; REVOKE CREATE ON DATABASE {pg.name} FROM PUBLIC, {pg.role}"
    )
    session = postgres_session(pg)
    assert not session.probe().may_create_ledger
    with (
        pytest.raises(LedgerRefused, match="may not create the ledger") as refused,
        session.lock(a_claim(), LockCallbacks()),
    ):
        pass
    assert "ledger-sql" in refused.value.hint
    session.close()


def test_ledger_is_not_taken_for_empty_when_it_may_not_be_read(pg: Database) -> None:
    pg.query("CREATE SCHEMA templedb; CREATE TABLE templedb.migration (x int)")
    session = postgres_session(pg)
    with pytest.raises(LedgerRefused, match="may not read the ledger"):
        session.ledger("app")
    session.close()


def test_role_without_create_deploys_when_the_printed_ledger_sql_was_executed(shop: Shop) -> None:
    pg = shop.pg
    pg.query(
        f"ALTER DATABASE {pg.name} OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO {pg.role}"
    )
    assert "may not create the ledger" in shop.run(code=69).err
    pg.query(shop.terminal("target", "ledger-sql", "--role", pg.role).out)
    assert "2 migrations applied" in shop.run().out


def test_ledger_tables_all_have_a_comment(shop: Shop) -> None:
    shop.run()
    bare = shop.pg.query(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'templedb' AND c.relkind = 'r' AND obj_description(c.oid) IS NULL"
    )
    assert bare == []


def test_database_time_zone_holds_when_a_migration_writes_times(pg: Database) -> None:
    pg.query(f"ALTER DATABASE {pg.name} SET TimeZone = 'Asia/Tokyo'")
    session = postgres_session(pg)
    apply(session, "CREATE TABLE t (at timestamptz); INSERT INTO t VALUES ('2024-01-01 00:00');")
    assert pg.query("SELECT at = '2023-12-31 15:00+00' FROM t") == [(True,)]
    session.close()


def test_error_repeats_the_server_message_and_place_when_a_statement_fails(shop: Shop) -> None:
    shop.migration(
        "003_bad.sql",
        "ALTER TABLE users ADD COLUMN a int;\nINSERT INTO users (id) VALUES (1), (1);\n",
    )
    said = shop.run(code=12).out
    assert "duplicate key value violates unique constraint" in said
    assert "Key (id)=(1) already exists." in said
    assert "migrations/003_bad.sql:2:1" in said


# --- DuckDB alone ---------------------------------------------------------------------------------


def test_duckdb_file_is_deployed_to_when_the_target_names_it(shop: Shop, tmp_path: Path) -> None:
    shop.terminal(
        "env",
        "set",
        "app",
        "DATABASE_URL",
        f"duckdb://{tmp_path}/shop.duckdb",
        "--target",
        "staging",
        "--plain",
    )
    assert "the file does not exist yet" in shop.terminal("target", "test").out
    assert "2 migrations applied" in shop.run().out
    assert "nothing applied" in shop.run().out
    with duckdb.connect(f"duckdb:{tmp_path}/shop.duckdb") as seen:
        assert seen.execute("SELECT count(*) FROM orders").fetchall() == [(1,)]
        assert seen.execute("SELECT count(*) FROM templedb.migration").fetchall() == [(2,)]


def test_command_opens_the_duckdb_file_when_a_run_is_under_way(shop: Shop, tmp_path: Path) -> None:
    import sys

    path = tmp_path / "shop.duckdb"
    shop.terminal(
        "env", "set", "app", "DATABASE_URL", f"duckdb://{path}", "--target", "staging", "--plain"
    )
    look = f"{sys.executable} -c \"import duckdb; print(duckdb.connect('duckdb:{path}').sql('SELECT count(*) AS n FROM orders').fetchall())\""
    shop.config(
        {
            "name": "migrations",
            "file_patterns": ["migrations/*.sql"],
            "post_deploy": [{"command": look, "critical": True}],
        }
    )
    assert "| [(1,)]" in shop.run().out


def test_state_file_is_refused_when_named_as_a_target(shop: Shop) -> None:
    shop.terminal(
        "env",
        "set",
        "app",
        "DATABASE_URL",
        f"duckdb://{shop.terminal.state}",
        "--target",
        "staging",
        "--plain",
    )
    assert "which is not a target" in shop.run(code=78).err


@pytest.mark.parametrize("address", ["duckdb://", "duckdb:", "duckdb:///:memory:"])
def test_duckdb_address_is_refused_when_it_names_no_file(shop: Shop, address: str) -> None:
    shop.terminal("env", "unset", "app", "DATABASE_URL", "--target", "staging")
    shop.terminal.set(DATABASE_URL=address)
    assert "names no file" in shop.run(code=78).err
    shop.terminal.unset("DATABASE_URL")


def test_duckdb_file_is_in_use_when_another_process_has_it_open(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess
    import sys

    monkeypatch.setattr("templedb_nb.targets.duckdb.file.OPEN_WAIT_S", 0.5)
    path = tmp_path / "shop.duckdb"
    shop.terminal(
        "env", "set", "app", "DATABASE_URL", f"duckdb://{path}", "--target", "staging", "--plain"
    )
    shop.run()
    code = f"import duckdb; c = duckdb.connect('duckdb:{path}'); print('open', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    try:
        assert "is in use" in shop.run(code=24).err
    finally:
        other.communicate("\n")
