"""The contract of a target: PostgreSQL and DuckDB keep the same ledger in the same way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pytest

from templedb_nb.core.migrations.script import Script, read_script
from templedb_nb.errors import Busy, LedgerRefused, StatementFailed, UnfitServer, Unresolved
from templedb_nb.model.event import Outcome, RunId
from templedb_nb.model.ledger import Checksums, EntryKind, State
from templedb_nb.model.route import ALONE
from templedb_nb.model.secret import Secret
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Amend, Apply, Mode, Verb
from templedb_nb.model.target import DATABASE_URL, OrderPolicy, Policy, TargetName
from templedb_nb.ports.target import Claim, LockCallbacks, Session
from templedb_nb.targets.duckdb.session import DuckdbSession
from templedb_nb.targets.postgres.connection.route import route
from templedb_nb.targets.postgres.session import PostgresSession
from tests.conftest import Database, Shop


def a_claim(project: str = "app", run: str = "run-1", wait_s: float = 0.3) -> Claim:
    return Claim(
        run=RunId(run), project=project, target="t", owner="rosa", host="here", pid=1, reason="test",
        client="rosa on here", version="0", plan=f"plan-{run}", content_hash=f"content-{run}", wait_s=wait_s,
    )  # fmt: skip


def a_step(sql: str, key: str = "m/1.sql") -> tuple[Apply, Script]:
    script = read_script(sql.encode())
    blob = Digest(hashlib.sha256(sql.encode()).hexdigest())
    return Apply(
        group="m",
        database=DATABASE_URL,
        key=key,
        file=key,
        blob=blob,
        checksums=script.checksums,
        mode=script.mode,
    ), script


def postgres_session(pg: Database) -> PostgresSession:
    return PostgresSession(
        route(Secret("DATABASE_URL", pg.dsn), ALONE), TargetName("t"), DATABASE_URL, "templedb:test"
    )


@pytest.fixture(params=["postgres", "duckdb"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    if request.param == "postgres":
        opened: Session = postgres_session(request.getfixturevalue("pg"))
    else:
        opened = DuckdbSession(tmp_path / "target.duckdb", TargetName("t"), DATABASE_URL)
    yield opened
    opened.close()


def apply(
    session: Session, sql: str, key: str = "m/1.sql", attempt: str = "a1", run: str = "run-1"
) -> None:
    claim = a_claim(run=run)
    step, script = a_step(sql, key)
    with session.lock(claim, LockCallbacks()):
        session.begin_run(claim, Policy())
        session.apply(step, script, attempt, claim, lambda _: None)
        session.end_run(claim.run, Outcome.SUCCEEDED, 0, "")


def test_before_anything_there_is_no_ledger_and_none_is_made(session: Session) -> None:
    assert not session.ledger("app").exists
    assert not session.ledger("app").exists


def test_a_migration_and_its_row_come_together(session: Session) -> None:
    apply(session, "CREATE TABLE t (id int); INSERT INTO t VALUES (1);")
    (entry,) = session.ledger("app").entries
    assert (entry.key, entry.state, entry.kind) == ("m/1.sql", State.APPLIED, EntryKind.RUN)
    assert entry.client == "rosa on here"
    assert entry.finished_at is not None
    assert entry.finished_at.tzinfo is not None
    assert session.applied_sql("app", ["m/1.sql"])["m/1.sql"].startswith("CREATE TABLE t")


def test_a_failing_statement_leaves_neither(session: Session) -> None:
    claim = a_claim()
    step, script = a_step("CREATE TABLE t (id int);\n\nSELECT id,\n  nope FROM t;")
    seen: list[int] = []
    with session.lock(claim, LockCallbacks()):
        with pytest.raises(StatementFailed) as failed:
            session.apply(step, script, "a1", claim, seen.append)
        session.failed(step, script, "a1", claim, "no such table")
    assert seen == [0]
    assert failed.value.statement == 1
    assert (failed.value.line, failed.value.column) == (4, 3)
    (entry,) = session.ledger("app").entries
    assert (entry.state, entry.error) == (State.FAILED, "no such table")
    apply(session, "CREATE TABLE t (id int);", attempt="a2", run="run-2")
    assert session.ledger("app").entries[0].state is State.APPLIED


def test_a_migration_that_is_applied_is_not_applied_again(session: Session) -> None:
    apply(session, "CREATE TABLE t (id int);")
    with pytest.raises(Busy):
        apply(session, "CREATE TABLE u (id int);", attempt="a2", run="run-2")


def test_an_attempt_can_be_asked_after(session: Session) -> None:
    apply(session, "CREATE TABLE t (id int);")
    step, _ = a_step("CREATE TABLE t (id int);")
    with session.lock(a_claim(), LockCallbacks()):
        assert session.applied(step, "a1", a_claim())
        assert not session.applied(step, "a2", a_claim())


def test_an_empty_file_is_recorded(session: Session) -> None:
    apply(session, "-- nothing to do\n")
    assert [entry.state for entry in session.ledger("app").entries] == [State.APPLIED]


def test_words_of_a_person_change_the_ledger_with_an_event(session: Session) -> None:
    claim, sums = a_claim(), Checksums(text=Digest("1"), tokens=Digest("2"))
    said = {
        "group": "m",
        "database": DATABASE_URL,
        "key": "k",
        "file": "k",
        "checksums": sums,
        "reason": "why",
    }
    with session.lock(claim, LockCallbacks()):
        session.amend(Amend(verb=Verb.MARK_APPLIED, **said), claim, "a1")
        other = said | {"checksums": Checksums(text=Digest("3"), tokens=Digest("4"))}
        session.amend(Amend(verb=Verb.ACCEPT_CHECKSUM, old_checksum="1", **other), claim, "a2")
        session.amend(
            Amend(verb=Verb.RENAME, old_key="k", **(said | {"key": "n", "file": "n"})), claim, "a3"
        )
    (entry,) = session.ledger("app").entries
    assert (entry.key, entry.kind, entry.checksums.text) == ("n", EntryKind.MARKED, "3")


def test_a_command_without_an_end_is_unresolved_until_a_person_looked(session: Session) -> None:
    claim = a_claim()
    with session.lock(claim, LockCallbacks()):
        session.begin_run(claim, Policy())
        session.command_started(claim, "a1", "deploy it")
        assert session.ledger("app").unresolved == ()
    (found,) = session.ledger("app").unresolved
    assert (found.run, found.step) == ("run-1", "deploy it")
    assert session.resolve("app", "run-1", "rosa", "looked") == 1
    assert session.ledger("app").unresolved == ()


def test_a_command_that_ended_is_settled(session: Session) -> None:
    claim = a_claim()
    with session.lock(claim, LockCallbacks()):
        session.begin_run(claim, Policy())
        session.command_started(claim, "a1", "deploy it")
        session.command_finished("a1", "finished", 0)
        session.end_run(claim.run, Outcome.SUCCEEDED, 0, "")
    assert session.ledger("app").unresolved == ()
    assert session.ledger("app").last_run == "run-1"


def test_the_policy_is_kept_and_can_be_lowered_with_a_reason(session: Session) -> None:
    claim, policy = a_claim(), Policy(protected=True, order_policy=OrderPolicy.LINEAR)
    assert not session.set_policy("app", policy, "rosa", "before there is a ledger")
    with session.lock(claim, LockCallbacks()):
        session.begin_run(claim, policy)
    assert session.ledger("app").policy == policy
    assert session.set_policy("app", Policy(), "rosa", "a drill")
    assert session.ledger("app").policy is None


def test_the_lock_excludes_and_names_its_holder(
    session: Session, request: pytest.FixtureRequest
) -> None:
    if isinstance(session, PostgresSession):
        rival: Session = postgres_session(request.getfixturevalue("pg"))
    else:
        rival = DuckdbSession(session._path, TargetName("t"), DATABASE_URL)  # type: ignore[attr-defined]
    told: list[str] = []
    with session.lock(a_claim(), LockCallbacks()):
        holder = rival.ledger("app").holder
        assert holder is not None
        assert holder.live
        with (
            pytest.raises(Busy, match="rosa"),
            rival.lock(a_claim(run="run-2"), LockCallbacks(waiting=told.append)),
        ):
            pass
    assert len(told) == 1
    with rival.lock(a_claim(run="run-2"), LockCallbacks(waiting=told.append)):
        pass
    rival.close()


def test_other_projects_are_seen_only_where_ours_is_empty(session: Session) -> None:
    apply(session, "CREATE TABLE t (id int);")
    (known,) = session.ledger("other").elsewhere
    assert (known.project, known.key) == ("app", "m/1.sql")
    assert session.ledger("app").elsewhere == ()


# --- PostgreSQL alone -----------------------------------------------------------------------------

LEAKS = """
SET search_path = ''; SET TimeZone = 'Asia/Tokyo'; SET statement_timeout = '1s'; SET lock_timeout = '1ms';
SET ROLE pg_monitor; CREATE TEMP TABLE users (x int); PREPARE q AS SELECT 1; LISTEN news;
"""


def test_nothing_of_a_script_leaks_into_the_next(pg: Database) -> None:
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


def test_a_role_that_is_set_does_not_lock_us_out_of_the_ledger(pg: Database) -> None:
    pg.query(f"CREATE ROLE nobody_{pg.role}; GRANT nobody_{pg.role} TO {pg.role}")
    try:
        session = postgres_session(pg)
        apply(session, f"SET ROLE nobody_{pg.role};")
        apply(session, "CREATE TABLE plain (id int);", key="m/2.sql", attempt="a2", run="run-2")
        session.close()
        assert pg.applied() == ["m/1.sql", "m/2.sql"]
    finally:
        pg.query(f"DROP ROLE nobody_{pg.role}")


def test_a_script_that_ends_our_transaction_is_found_out(pg: Database) -> None:
    """The planner refuses such a script; here it reaches the server all the same."""
    session = postgres_session(pg)
    claim = a_claim()
    step, script = a_step("CREATE TABLE t (id int); COMMIT; CREATE TABLE u (id int); BEGIN;")
    step = replace(step, mode=Mode.TRANSACTION)
    with (
        session.lock(claim, LockCallbacks()),
        pytest.raises(Unresolved, match="ended the transaction"),
    ):
        session.apply(step, script, "a1", claim, lambda _: None)
    assert [e.state for e in session.ledger("app").entries] == [State.IN_DOUBT]
    session.close()


def test_a_do_block_that_commits_is_refused_by_the_server(pg: Database) -> None:
    session = postgres_session(pg)
    with pytest.raises(StatementFailed) as failed:
        apply(session, "CREATE TABLE t (id int); DO $$ BEGIN EXECUTE 'COM' || 'MIT'; END $$;")
    assert "t" not in pg.tables()
    assert failed.value.statement == 1
    session.close()


def test_a_percent_sign_means_nothing(pg: Database) -> None:
    session = postgres_session(pg)
    apply(session, "CREATE TABLE t (x text DEFAULT '100%'); INSERT INTO t VALUES ('%s %(a)s %%');")
    assert pg.query("SELECT x FROM t") == [("%s %(a)s %%",)]
    session.close()


def test_a_copy_with_data_goes_through(pg: Database) -> None:
    session = postgres_session(pg)
    rows = "".join(f"{n}\tüñí;'{n}\n" for n in range(5000))
    apply(
        session,
        f"CREATE TABLE t (id int, x text);\nCOPY t FROM stdin;\n{rows}\\.\nUPDATE t SET id = id + 1;",
    )
    assert pg.query("SELECT count(*), min(id), max(x) FROM t") == [(5000, 1, "üñí;'999")]
    session.close()


def test_a_bad_copy_fails_cleanly(pg: Database) -> None:
    session = postgres_session(pg)
    with pytest.raises(StatementFailed):
        apply(session, "CREATE TABLE t (id int);\nCOPY t FROM stdin;\nnot a number\n\\.\n")
    assert pg.tables() == []
    assert session.ledger("app").exists
    session.close()


def test_a_constraint_that_is_deferred_fails_at_the_commit(pg: Database) -> None:
    session = postgres_session(pg)
    with pytest.raises(StatementFailed, match="at COMMIT"):
        apply(
            session,
            "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a DEFERRABLE INITIALLY DEFERRED);"
            "INSERT INTO b VALUES (1);",
        )
    assert pg.tables() == []
    session.close()


def test_a_lock_that_somebody_holds_for_a_moment_is_waited_for(pg: Database) -> None:
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


def test_a_read_only_database_is_refused_before_anything_runs(pg: Database) -> None:
    pg.query(f"ALTER DATABASE {pg.name} SET default_transaction_read_only = on")
    session = postgres_session(pg)
    with pytest.raises(UnfitServer) as refused, session.lock(a_claim(), LockCallbacks()):
        pass
    assert "read_only" in str(refused.value.problems)
    assert "read_only" in str(session.probe().findings)
    session.close()


def test_a_role_without_the_right_to_create_is_told_how(pg: Database) -> None:
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


def test_a_ledger_that_may_not_be_read_is_never_empty(pg: Database) -> None:
    pg.query("CREATE SCHEMA templedb; CREATE TABLE templedb.migration (x int)")
    session = postgres_session(pg)
    with pytest.raises(LedgerRefused, match="may not read the ledger"):
        session.ledger("app")
    session.close()


def test_the_printed_sql_lets_a_poor_role_deploy(shop: Shop) -> None:
    pg = shop.pg
    pg.query(
        f"ALTER DATABASE {pg.name} OWNER TO CURRENT_USER; GRANT CREATE ON SCHEMA public TO {pg.role}"
    )
    assert "may not create the ledger" in shop.run(code=69).err
    pg.query(shop.terminal("target", "ledger-sql", "--role", pg.role).out)
    assert "2 migrations applied" in shop.run().out


def test_every_table_and_column_of_the_ledger_is_explained(shop: Shop) -> None:
    shop.run()
    bare = shop.pg.query(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'templedb' AND c.relkind = 'r' AND obj_description(c.oid) IS NULL"
    )
    assert bare == []


def test_the_time_zone_of_the_database_is_its_own(pg: Database) -> None:
    pg.query(f"ALTER DATABASE {pg.name} SET TimeZone = 'Asia/Tokyo'")
    session = postgres_session(pg)
    apply(session, "CREATE TABLE t (at timestamptz); INSERT INTO t VALUES ('2024-01-01 00:00');")
    assert pg.query("SELECT at = '2023-12-31 15:00+00' FROM t") == [(True,)]
    session.close()


def test_the_error_says_what_the_server_said(shop: Shop) -> None:
    shop.migration(
        "003_bad.sql",
        "ALTER TABLE users ADD COLUMN a int;\nINSERT INTO users (id) VALUES (1), (1);\n",
    )
    said = shop.run(code=12).out
    assert "duplicate key value violates unique constraint" in said
    assert "Key (id)=(1) already exists." in said
    assert "migrations/003_bad.sql:2:1" in said


# --- DuckDB alone ---------------------------------------------------------------------------------


def test_a_duckdb_file_is_a_target(shop: Shop, tmp_path: Path) -> None:
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
    assert "the file is not there yet" in shop.terminal("target", "test").out
    assert "2 migrations applied" in shop.run().out
    assert "nothing applied" in shop.run().out
    with duckdb.connect(f"duckdb:{tmp_path}/shop.duckdb") as seen:
        assert seen.execute("SELECT count(*) FROM orders").fetchall() == [(1,)]
        assert seen.execute("SELECT count(*) FROM templedb.migration").fetchall() == [(2,)]


def test_a_command_may_open_the_duckdb_file_in_the_middle_of_a_run(
    shop: Shop, tmp_path: Path
) -> None:
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


def test_the_state_itself_is_no_target(shop: Shop) -> None:
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
    assert "which is no target" in shop.run(code=78).err


@pytest.mark.parametrize("address", ["duckdb://", "duckdb:", "duckdb:///:memory:"])
def test_an_address_without_a_file_is_refused(shop: Shop, address: str) -> None:
    shop.terminal("env", "unset", "app", "DATABASE_URL", "--target", "staging")
    shop.terminal.set(DATABASE_URL=address)
    assert "names no file" in shop.run(code=78).err
    shop.terminal.unset("DATABASE_URL")


def test_a_duckdb_file_that_somebody_has_open_is_busy(
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
