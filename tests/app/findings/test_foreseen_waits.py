"""Who is in the way right now is told on the plan, and asked again when a stored plan runs."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.conftest import Database, Shop


@contextmanager
def reader(pg: Database, sql: str) -> Iterator[int]:
    """Hold a transaction open that is old enough to be told of."""
    with psycopg.connect(pg.dsn, application_name="report") as connection:
        connection.execute(sql.encode())
        yield connection.info.backend_pid


def old(pg: Database, pid: int, seconds: int = 2) -> None:
    """Wait until the server calls the transaction that old."""
    query = f"SELECT clock_timestamp() - xact_start > '{seconds} s' FROM pg_stat_activity WHERE pid = {pid}"
    while pg.query(query) != [(True,)]:
        time.sleep(0.05)


def waits(shop: Shop) -> list[str]:
    plan = shop.terminal("deploy", "plan", "app", "--json").json[-1]
    found = plan["draft"]["findings"]
    return [each["message"] for each in found if each["topic"] == "lock"]


def test_session_that_reads_the_table_is_told_with_what_would_queue(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", "ALTER TABLE users ADD note text;\n")
    assert waits(shop) == []
    with reader(shop.pg, "SELECT * FROM users") as pid:
        old(shop.pg, pid)
        (told,) = waits(shop)
        assert told.startswith(f"would wait now for pid {pid}, ")
        assert "report, idle in transaction, whose transaction has lasted " in told
        assert told.endswith(
            "holds AccessShare on users; new reads and writes of users would queue behind it"
        )
        assert "templedb run blockers app staging" in shop.terminal("deploy", "plan", "app").text
    assert waits(shop) == []


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("CREATE INDEX users_more ON users (id);", False),
        ("INSERT INTO users VALUES (9);", False),
        ("DROP TABLE users;", True),
        ("DROP INDEX users_again;", True),
        ("CREATE TABLE fresh (id int); ALTER TABLE fresh ADD x int;", False),
    ],
)
def test_session_is_told_only_where_its_lock_excludes_that_of_the_migration(
    shop: Shop, sql: str, *, told: bool
) -> None:
    shop.run()
    shop.pg.query("CREATE INDEX users_again ON users (id)")
    shop.migration("003.sql", f"{sql}\n")
    with reader(shop.pg, "SELECT * FROM users") as pid:
        old(shop.pg, pid)
        assert bool(waits(shop)) is told


@pytest.mark.parametrize(
    ("held", "sql"),
    [
        ("INSERT INTO users VALUES (7)", "CREATE INDEX CONCURRENTLY users_more ON users (id);"),
        ("INSERT INTO users VALUES (7)", "REINDEX TABLE CONCURRENTLY users;"),
        ("SELECT * FROM users", "REINDEX INDEX CONCURRENTLY users_again;"),
        ("SELECT * FROM users", "DROP INDEX CONCURRENTLY users_again;"),
    ],
)
def test_session_is_told_that_a_concurrent_statement_waits_for(
    shop: Shop, held: str, sql: str
) -> None:
    """Such a session is in no way of the statement's own lock, and may have no snapshot."""
    shop.run()
    shop.pg.query("CREATE INDEX users_again ON users (id)")
    shop.migration("003.sql", f"{sql}\n")
    with reader(shop.pg, held) as pid:
        old(shop.pg, pid)
        (told,) = waits(shop)
    assert told.startswith(f"would wait now for pid {pid}, ")
    assert told.endswith(" on users: a concurrent statement waits for it")


def test_reader_of_another_partition_is_told_where_one_is_detached_concurrently(
    shop: Shop,
) -> None:
    shop.run()
    shop.pg.query("CREATE TABLE days (day int) PARTITION BY LIST (day)")
    for day in (1, 2):
        shop.pg.query(f"CREATE TABLE days_{day} PARTITION OF days FOR VALUES IN ({day})")
    shop.pg.query("GRANT SELECT ON days TO PUBLIC")
    shop.migration("003.sql", "ALTER TABLE days DETACH PARTITION days_1 CONCURRENTLY;\n")
    with reader(shop.pg, "SELECT * FROM days WHERE day = 2") as pid:
        old(shop.pg, pid)
        (told,) = waits(shop)
    assert told.endswith("holds AccessShare on days: a concurrent statement waits for it")


def test_session_that_waits_for_a_lock_itself_is_in_the_way(shop: Shop) -> None:
    """A reader leaves an index alone, but not with somebody between them who wants the table."""
    shop.run()
    shop.migration("003.sql", "CREATE INDEX users_more ON users (id);\n")

    def add() -> None:
        with psycopg.connect(shop.pg.dsn) as connection:
            connection.execute("ALTER TABLE users ADD COLUMN IF NOT EXISTS late int")

    alter = threading.Thread(target=add)
    with reader(shop.pg, "SELECT * FROM users"):
        alter.start()
        query = "SELECT pid FROM pg_locks WHERE relation = 'users'::regclass AND NOT granted"
        while not (waiting := shop.pg.query(query)):
            time.sleep(0.05)
        ((pid,),) = waiting
        old(shop.pg, pid)
        (told,) = waits(shop)
    alter.join()
    assert told.startswith(f"would wait now for pid {pid}, ")
    assert "and waits for AccessExclusive on users; new writes of users would queue" in told


def test_prepared_transaction_is_told_with_what_ends_it(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", "ALTER TABLE users ADD note text;\n")
    shop.pg.query("BEGIN; INSERT INTO users VALUES (7); PREPARE TRANSACTION 'left behind'")
    query = "SELECT clock_timestamp() - prepared > '2 s' FROM pg_prepared_xacts"
    while shop.pg.query(query) != [(True,)]:
        time.sleep(0.05)
    plan = shop.terminal("deploy", "plan", "app", "--json").json[-1]
    shop.pg.query("ROLLBACK PREPARED 'left behind'")
    (told,) = [each for each in plan["draft"]["findings"] if each["topic"] == "lock"]
    assert told["message"].startswith("would wait now for prepared transaction left behind (")
    assert "holds RowExclusive on users" in told["message"]
    assert "ROLLBACK PREPARED" in told["mend"]


def test_wait_is_told_for_a_table_that_only_the_search_path_of_the_file_finds(shop: Shop) -> None:
    shop.run()
    shop.pg.query("CREATE SCHEMA app; CREATE TABLE app.lines (id int)")
    shop.pg.query("GRANT ALL ON SCHEMA app TO PUBLIC; GRANT ALL ON app.lines TO PUBLIC")
    shop.migration("003.sql", "SET search_path TO app;\nALTER TABLE lines ADD note text;\n")
    with reader(shop.pg, "SELECT * FROM app.lines") as pid:
        old(shop.pg, pid)
        (told,) = waits(shop)
    assert told.endswith("; new reads and writes of app.lines would queue behind it")


def test_wait_is_told_beside_names_that_the_server_refuses_to_look_up(shop: Shop) -> None:
    shop.run()
    here = psycopg.conninfo.conninfo_to_dict(shop.pg.dsn)["dbname"]
    odd = 'DROP TABLE elsewhere.public.users; DROP TABLE a.b.c.d; DROP TABLE IF EXISTS "a.b".c;'
    shop.migration("003.sql", f"{odd}\nALTER TABLE {here}.public.users ADD note text;\n")
    with reader(shop.pg, "SELECT * FROM users") as pid:
        old(shop.pg, pid)
        (told,) = waits(shop)
    assert told.startswith(f"would wait now for pid {pid}, ")


def test_young_transaction_is_not_told(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", "ALTER TABLE users ADD note text;\n")
    with reader(shop.pg, "SELECT * FROM users"):
        shop.pg.query("SELECT 1")
        found = waits(shop)
    assert all(re.search("has lasted ([2-9]|[1-9][0-9]+) s", each) for each in found)


def test_partition_that_somebody_reads_is_told(shop: Shop) -> None:
    shop.run()
    shop.pg.query("CREATE TABLE days (day int) PARTITION BY LIST (day)")
    shop.pg.query("CREATE TABLE days_1 PARTITION OF days FOR VALUES IN (1)")
    shop.pg.query("GRANT SELECT ON days_1 TO PUBLIC")
    shop.migration("003.sql", "ALTER TABLE days ADD note text;\n")
    with reader(shop.pg, "SELECT * FROM days_1") as pid:
        old(shop.pg, pid)
        (told,) = waits(shop)
    assert "on days_1; new reads and writes of days_1" in told


def test_partition_that_the_plan_only_counts_is_looked_at_too(shop: Shop) -> None:
    shop.run()
    shop.pg.query("CREATE TABLE days (day int) PARTITION BY LIST (day)")
    for day in range(20, 40):
        shop.pg.query(f"CREATE TABLE days_{day} PARTITION OF days FOR VALUES IN ({day})")
    shop.pg.query("GRANT SELECT ON days_39 TO PUBLIC")
    shop.migration("003.sql", "ALTER TABLE days ADD note text;\n")
    with reader(shop.pg, "SELECT * FROM days_39") as pid:
        old(shop.pg, pid)
        (told,) = waits(shop)
    assert "on days_39; new reads and writes of days_39 would queue" in told


def test_stored_plan_tells_of_a_wait_that_came_after_it(shop: Shop) -> None:
    shop.run()
    shop.migration("003.sql", "ALTER TABLE users ADD note text;\n")
    plan = shop.terminal("deploy", "plan", "app", "--json").json[-1]
    identity = plan["plan_id"]
    with reader(shop.pg, "SELECT * FROM users") as pid:
        old(shop.pg, pid, seconds=11)
        said = shop.terminal("deploy", "run", "--plan", identity, code=None)
    assert f"003.sql: would wait now for pid {pid}" in said.text
