"""What a REINDEX CONCURRENTLY or a DETACH CONCURRENTLY leaves that was cut off, and how it goes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.conftest import Said, Shop

FILE = "migrations/003_steps.sql"
TABLES = """
CREATE TABLE t (id int PRIMARY KEY, v text);
CREATE INDEX t_long_name_of_an_index_that_fills_all_of_the_sixty_three_bytes ON t (lower(v), id) WHERE id > 7;
CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
CREATE MATERIALIZED VIEW mv AS SELECT * FROM t; CREATE UNIQUE INDEX mv_id ON mv (id);
CREATE SCHEMA s; CREATE TABLE s.w (id int PRIMARY KEY, v text);
"""  # fmt: skip


@pytest.fixture
def table(shop: Shop) -> Shop:
    """A shop whose role owns tables, partitions, a view and a schema."""
    shop.pg.query(f"SET ROLE {shop.pg.role}; RESET ROLE; GRANT CREATE ON DATABASE {shop.pg.name} TO {shop.pg.role}")  # fmt: skip
    shop.migration("002_orders.sql", TABLES)
    shop.run()
    return shop


def connected(shop: Shop) -> psycopg.Connection:
    """Return a session as the superuser."""
    return psycopg.connect(shop.pg.server.database(shop.pg.name))


def superuser(shop: Shop) -> None:
    """Let the role of the target be one, for this test."""
    shop.pg.query(f"ALTER ROLE {shop.pg.role} SUPERUSER")


def invalid(shop: Shop) -> list[str]:
    return [
        name
        for (name,) in shop.pg.query(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid ORDER BY 1"
        )
    ]


@contextmanager
def waiting(shop: Shop) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run, and yield once the server waits for another session in the run's statement."""
    process = shop.terminal.process("deploy", "run", "app")
    query = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'templedb:%' AND wait_event_type = 'Lock'"
    )
    end = time.monotonic() + 60
    while not (found := shop.pg.query(query)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    yield process, found[0][0]
    process.communicate(timeout=60)


def cut_off(shop: Shop, sql: str, reads: str, level: str = "READ COMMITTED") -> None:
    """Run *sql* beside an open transaction, and end its session while it waits for that."""
    shop.migration("003_steps.sql", sql)
    with connected(shop) as reader:
        reader.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        reader.execute(f"SELECT count(*) FROM {reads}")
        with waiting(shop) as (process, pid):
            shop.pg.query(f"SELECT pg_terminate_backend({pid})")
    assert process.returncode in {10, 12}


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("REINDEX TABLE CONCURRENTLY t", "t"),
        ("REINDEX INDEX CONCURRENTLY t_pkey", "t"),
        ("REINDEX (CONCURRENTLY, VERBOSE) TABLE public.t", "t"),
        ("REINDEX TABLE CONCURRENTLY p", "p2"),
        ("REINDEX INDEX CONCURRENTLY p_pkey", "p2"),
        ("REINDEX SCHEMA CONCURRENTLY s", "s.w"),
        ("REINDEX TABLE CONCURRENTLY mv", "mv"),
    ],
)
def test_next_run_leaves_no_invalid_index_when_a_reindex_was_cut_off(
    table: Shop, sql: str, reads: str, level: str
) -> None:
    superuser(table)
    if "(" in sql or reads == "p2":
        table.needs_14()
    cut_off(table, f"{sql};\n", reads, level)
    assert invalid(table)
    said = table.run()
    assert invalid(table) == []
    assert "succeeded" in said.text


def test_next_run_leaves_no_invalid_index_when_a_reindex_of_the_database_was_cut_off(
    table: Shop,
) -> None:
    superuser(table)
    cut_off(table, f"REINDEX DATABASE CONCURRENTLY {table.pg.name};\n", "t")
    assert any("pg_toast" in name for name in invalid(table))
    table.run()
    assert invalid(table) == []


@pytest.mark.parametrize("edited", ["SELECT 1;\n", "", "REINDEX TABLE CONCURRENTLY p;\n"])
def test_invalid_index_is_dropped_when_the_statement_was_edited_after_the_cut_off(
    table: Shop, edited: str
) -> None:
    superuser(table)
    cut_off(table, "REINDEX TABLE CONCURRENTLY t;\n", "t")
    assert invalid(table)
    table.migration("003_steps.sql", edited)
    table.run()
    assert invalid(table) == []


def test_owner_is_told_the_drop_statement_when_the_toast_index_may_not_be_dropped(
    table: Shop,
) -> None:
    cut_off(table, "REINDEX TABLE CONCURRENTLY t;\n", "t")
    (toast,) = [name for name in invalid(table) if "pg_toast" in name]
    said = table.run()
    assert invalid(table) == [toast]
    drop = f'DROP INDEX CONCURRENTLY IF EXISTS "pg_toast"."{toast.removeprefix("pg_toast.")}"'
    assert f"role {table.pg.role} may not drop it" in said.text
    assert drop in said.text
    assert "succeeded" in said.text
    with connected(table) as dba:
        dba.autocommit = True
        dba.execute(drop.encode())
    assert invalid(table) == []


def test_owner_drops_the_toast_index_when_the_role_may_use_the_schema(table: Shop) -> None:
    cut_off(table, "REINDEX TABLE CONCURRENTLY t;\n", "t")
    table.pg.query(f"GRANT USAGE ON SCHEMA pg_toast TO {table.pg.role}")
    table.run()
    assert invalid(table) == []


def test_role_is_told_of_every_index_when_it_may_reindex_and_not_drop(table: Shop) -> None:
    """MAINTAIN came with PostgreSQL 17; a role that has it owns nothing."""
    role = table.pg.role
    if table.version < 170000:
        with pytest.raises(psycopg.errors.SyntaxError):
            table.pg.query(f"GRANT MAINTAIN ON t TO {role}")
        return
    table.pg.query("CREATE SCHEMA theirs; CREATE TABLE theirs.w (id int PRIMARY KEY, v text)")
    table.pg.query(f"GRANT USAGE ON SCHEMA theirs TO {role}; GRANT MAINTAIN ON theirs.w TO {role}")
    cut_off(table, "REINDEX TABLE CONCURRENTLY theirs.w;\n", "theirs.w")
    left = invalid(table)
    said = table.run()
    assert "succeeded" in said.text
    assert invalid(table) == left
    assert said.text.count("may not drop it") == len(left)


def leave(shop: Shop, sql: str, reads: str) -> list[str]:
    """Cut off a REINDEX that is not ours; return what it left."""
    before = set(invalid(shop))
    with connected(shop) as reader, connected(shop) as other:
        other.autocommit = True
        reader.execute(f"SELECT count(*) FROM {reads}")
        other.execute("SET statement_timeout = '1s'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            other.execute(sql.encode())
    return sorted(set(invalid(shop)) - before)


def test_invalid_index_is_left_alone_when_it_was_invalid_before(table: Shop) -> None:
    """Somebody else's REINDEX left it: also where ours is cut off on the same table."""
    superuser(table)
    theirs = leave(table, "REINDEX TABLE CONCURRENTLY t", "t")
    assert len(theirs) == 3
    cut_off(table, "REINDEX TABLE CONCURRENTLY t;\n", "t")
    assert len(invalid(table)) > len(theirs)
    table.run()
    assert invalid(table) == theirs


def test_invalid_index_is_left_alone_when_the_reindex_of_another_index_left_it(table: Shop) -> None:
    superuser(table)
    cut_off(table, "REINDEX INDEX CONCURRENTLY t_pkey;\n", "t")
    theirs = leave(table, "REINDEX INDEX CONCURRENTLY s.w_pkey", "s.w")
    theirs += leave(table, "REINDEX INDEX CONCURRENTLY t_long_name_of_an_index_that_fills_all_of_the_sixty_three_bytes", "t")  # fmt: skip
    table.run()
    assert invalid(table) == sorted(theirs)


# --- detachments --------------------------------------------------------------------------------


def half_detached(shop: Shop) -> None:
    """Leave a detachment half done, by a run of ours."""
    shop.needs_14()
    shop.migration("003_steps.sql", "-- templedb:statement-timeout 1s\nALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;\n")  # fmt: skip
    with connected(shop) as reader:
        reader.execute("SELECT count(*) FROM p")
        said = shop.run(code=12)
    assert "the detachment of p1 is half done" in said.text


CHANGES = {
    "ALTER TABLE p ADD note text": "ALTER TABLE p DROP COLUMN note (its values are lost)",
    "ALTER TABLE p ALTER v TYPE varchar(9)": "ALTER TABLE p ALTER COLUMN v TYPE text",
    "ALTER TABLE p RENAME v TO w": "ALTER TABLE p RENAME COLUMN w TO v",
    "ALTER TABLE p ADD CONSTRAINT few CHECK (id < 99)": "ALTER TABLE p DROP CONSTRAINT few",
    "ALTER TABLE p ALTER v SET NOT NULL": "ALTER TABLE p ALTER COLUMN v DROP NOT NULL",
}


def refused(shop: Shop) -> Said | None:
    """Run; return what was said where the server cannot finish a detachment (18), else None."""
    stuck = shop.version >= 180000
    said = shop.run(code=12 if stuck else 0)
    return said if stuck else None


@pytest.mark.parametrize("change", CHANGES)
def test_run_says_the_way_out_when_a_detachment_cannot_be_finished(
    table: Shop, change: str
) -> None:
    half_detached(table)
    table.pg.query(change)
    if said := refused(table):
        assert f"Undo that: {CHANGES[change]}." in said.text
        assert "it continues at step 1" not in said.text
        table.pg.query(CHANGES[change].removesuffix(" (its values are lost)"))
        table.run()
    assert table.pg.query("SELECT count(*) FROM pg_inherits WHERE inhrelid = 'p1'::regclass") == [(0,)]  # fmt: skip


def test_partition_is_dropped_and_its_rows_kept_when_it_cannot_be_detached(table: Shop) -> None:
    table.pg.query("INSERT INTO p VALUES (1, 'mine')")
    half_detached(table)
    table.pg.query("ALTER TABLE p ADD note text")
    if said := refused(table):
        way = "CREATE TABLE p1_kept AS TABLE p1; DROP TABLE p1"
        assert way in said.text
        table.pg.query(way)
        table.run()
        assert table.pg.query("SELECT v FROM p1_kept") == [("mine",)]
    assert table.pg.query("SELECT state FROM templedb.migration WHERE key LIKE '%003%'") == [("applied",)]  # fmt: skip


RENAMED = {
    "parent": ("ALTER TABLE p RENAME TO q", "q", "p1"),
    "partition": ("ALTER TABLE p1 RENAME TO q1", "p", "q1"),
    "both": ("ALTER TABLE p RENAME TO q; ALTER TABLE p1 RENAME TO q1", "q", "q1"),
    "schema": ("ALTER TABLE p SET SCHEMA s", "s.p", "p1"),
}


@pytest.mark.parametrize("what", RENAMED)
def test_migration_is_in_doubt_when_a_half_detached_partition_or_its_parent_was_renamed(
    table: Shop, what: str
) -> None:
    """It is not found by the names of the statement: that is no proof that it is detached."""
    sql, parent, partition = RENAMED[what]
    half_detached(table)
    table.pg.query(sql)
    way = f"ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE"
    assert way in table.run(code=13).text
    with connected(table) as dba:
        dba.autocommit = True
        dba.execute(way.encode())
    words = ("--applied", "--reason", "finished it")
    table.terminal("migration", "resolve", "app", FILE, *words)
    assert "succeeded" in table.run().text  # its one step counts as done
    left = "SELECT count(*) FROM pg_inherits WHERE inhdetachpending"
    assert table.pg.query(left) == [(0,)]


def test_migration_is_in_doubt_when_the_parent_was_renamed_before_the_detachment_was_sent(
    table: Shop,
) -> None:
    table.needs_14()
    table.migration("003_steps.sql", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;\n")
    table.terminal.set(TEMPLEDB_FAILPOINT="alone.started:error")
    table.run(code=None)
    table.terminal.unset("TEMPLEDB_FAILPOINT")
    table.pg.query("ALTER TABLE p RENAME TO q")
    assert "p1 is still a partition of q" in table.run(code=13).text


def test_half_detached_partition_is_finished_when_the_statement_was_edited(
    table: Shop,
) -> None:
    half_detached(table)
    table.migration("003_steps.sql", "ALTER TABLE p DETACH PARTITION p2 CONCURRENTLY;\n")
    table.run()
    assert table.pg.query("SELECT count(*) FROM pg_inherits WHERE inhparent = 'p'::regclass") == [(0,)]  # fmt: skip
