"""What statements do to tables, told by their tokens; the server is asked which locks it took."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from templedb_nb.core.lint.effects import MOST, impact
from templedb_nb.core.sql.lexer import split
from templedb_nb.model.effect import Blocks, Impact, LockMode
from tests import postgres
from tests.conftest import Database

STAGE = """
CREATE SCHEMA app;
CREATE TABLE c (id int PRIMARY KEY, name text, born date, a int);
CREATE TABLE o (id int PRIMARY KEY, c int REFERENCES c, n int CHECK (n > 0), s text, d date DEFAULT now());
CREATE TABLE "Odd Name" (a int);
CREATE TABLE k (a int NOT NULL UNIQUE, b int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE child () INHERITS (k);
CREATE TABLE loose (a int NOT NULL, b int GENERATED ALWAYS AS IDENTITY);
CREATE INDEX o_n ON o (n);
CREATE VIEW v AS SELECT id FROM c;
CREATE MATERIALIZED VIEW m AS SELECT id FROM c;
CREATE UNIQUE INDEX ON m (id);
CREATE TABLE p (a int) PARTITION BY LIST (a);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE TABLE p2 (a int);
CREATE SEQUENCE seq;
CREATE TYPE mood AS ENUM ('old');
CREATE TYPE pair AS (a int, b int);
CREATE DOMAIN positive AS int;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER t BEFORE INSERT ON o FOR EACH ROW EXECUTE FUNCTION f();
CREATE POLICY own ON o USING (true);
CREATE RULE r AS ON INSERT TO loose DO ALSO NOTHING;
ALTER TABLE o ADD CONSTRAINT short CHECK (length(s) < 9) NOT VALID;
CREATE PUBLICATION news FOR TABLE c;
"""
TABLES = {"c", "o", '"Odd Name"', "k", "child", "loose", "v", "m", "p", "p1", "p2"}
KNOWN = [
    "CREATE TABLE x (id int)",
    "CREATE TABLE x (id int, c int REFERENCES c (id), FOREIGN KEY (id) REFERENCES public.o)",
    "CREATE TABLE x (up int REFERENCES x, id int PRIMARY KEY)",
    "CREATE TABLE x (LIKE o INCLUDING ALL, extra int)",
    "CREATE TABLE x () INHERITS (c)",
    "CREATE TABLE x PARTITION OF p FOR VALUES IN (2)",
    "CREATE TABLE x AS SELECT o.* FROM o JOIN c USING (id)",
    "CREATE TEMP TABLE x AS (SELECT 1 FROM o)",
    "SELECT id INTO x FROM c",
    "CREATE UNLOGGED TABLE IF NOT EXISTS x (id int)",
    "CREATE INDEX ON o (s)",
    'CREATE UNIQUE INDEX IF NOT EXISTS "On" ON ONLY public.o USING btree (s, n) WHERE n > 3',
    "CREATE VIEW x AS SELECT o.* FROM o, c",
    "CREATE OR REPLACE VIEW v AS SELECT id FROM c",
    "CREATE MATERIALIZED VIEW x AS SELECT * FROM o",
    "CREATE SEQUENCE x",
    "CREATE TRIGGER x AFTER UPDATE OF n ON o FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE CONSTRAINT TRIGGER x AFTER INSERT ON o DEFERRABLE FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE POLICY x ON o FOR SELECT USING (true)",
    "CREATE RULE x AS ON DELETE TO loose DO ALSO NOTHING",
    "CREATE STATISTICS x ON n, c FROM o",
    "CREATE TYPE x AS ENUM ('a')",
    "CREATE FUNCTION x() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM o; END $$",
    "CREATE DOMAIN x AS text",
    "CREATE SCHEMA x",
    "DROP TABLE loose",
    'DROP TABLE IF EXISTS loose, "Odd Name"',
    "DROP VIEW v",
    "DROP MATERIALIZED VIEW m",
    "DROP SEQUENCE seq",
    "DROP TRIGGER t ON o",
    "DROP POLICY own ON o",
    "DROP RULE r ON loose",
    "DROP TYPE mood",
    "DROP SCHEMA IF EXISTS nothing",
    "ALTER TABLE o ADD COLUMN x int",
    "ALTER TABLE IF EXISTS o ADD x int REFERENCES c, DROP s",
    "ALTER TABLE o ADD CONSTRAINT x FOREIGN KEY (n) REFERENCES c (id) NOT VALID",
    "ALTER TABLE o ADD FOREIGN KEY (n) REFERENCES c",
    "ALTER TABLE o ADD CHECK (n < 9)",
    "ALTER TABLE o ADD CONSTRAINT x UNIQUE (s, n)",
    "ALTER TABLE o VALIDATE CONSTRAINT short",
    "ALTER TABLE o DROP CONSTRAINT short",
    "ALTER TABLE o ALTER COLUMN n TYPE bigint",
    "ALTER TABLE o ALTER n SET NOT NULL, ALTER s DROP NOT NULL",
    "ALTER TABLE o ALTER n SET DEFAULT 1",
    "ALTER TABLE o ALTER n SET STATISTICS 100",
    "ALTER TABLE o ALTER n SET (n_distinct = 5)",
    "ALTER TABLE o ALTER s SET STORAGE external",
    "ALTER TABLE o ALTER CONSTRAINT o_c_fkey DEFERRABLE",
    "ALTER TABLE loose ALTER b DROP IDENTITY",
    "ALTER TABLE o RENAME TO x",
    "ALTER TABLE o RENAME COLUMN n TO x",
    "ALTER TABLE o RENAME CONSTRAINT short TO x",
    "ALTER TABLE o SET SCHEMA app",
    "ALTER TABLE o OWNER TO CURRENT_USER",
    "ALTER TABLE o DISABLE TRIGGER t",
    "ALTER TABLE o ENABLE ALWAYS TRIGGER t",
    "ALTER TABLE o ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE o FORCE ROW LEVEL SECURITY",
    "ALTER TABLE o NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE o REPLICA IDENTITY FULL",
    "ALTER TABLE o CLUSTER ON o_n",
    "ALTER TABLE o SET WITHOUT CLUSTER",
    "ALTER TABLE o SET (fillfactor = 70, autovacuum_enabled = false)",
    "ALTER TABLE o RESET (fillfactor)",
    "ALTER TABLE loose SET UNLOGGED",
    "ALTER TABLE loose INHERIT k",
    "ALTER TABLE child NO INHERIT k",
    "ALTER TABLE p ATTACH PARTITION p2 FOR VALUES IN (2)",
    "ALTER TABLE p DETACH PARTITION p1",
    "ALTER INDEX o_n RENAME TO x",
    "ALTER INDEX o_n SET (fillfactor = 70)",
    "ALTER VIEW v RENAME TO x",
    "ALTER SEQUENCE seq RESTART WITH 5",
    "ALTER SEQUENCE seq RENAME TO x",
    "ALTER TYPE mood ADD VALUE 'new'",
    "ALTER TYPE mood RENAME TO x",
    "ALTER TRIGGER t ON o RENAME TO x",
    "ALTER POLICY own ON o USING (false)",
    "ALTER FUNCTION f() COST 5",
    "INSERT INTO o (id, n) SELECT id, 1 FROM c",
    "INSERT INTO o VALUES (1, NULL, (SELECT max(a) FROM loose)) ON CONFLICT (id) DO UPDATE SET n = 2",
    "UPDATE o SET n = c.id FROM c WHERE o.c = c.id AND o.n IS DISTINCT FROM c.id",
    "UPDATE ONLY public.o AS x SET n = 1 WHERE EXISTS (SELECT FROM c, LATERAL (SELECT a FROM loose) AS l)",
    "DELETE FROM o USING c JOIN loose USING (a) WHERE o.c = c.id",
    "WITH gone AS (DELETE FROM loose RETURNING a) INSERT INTO c (id) SELECT a FROM gone WHERE a > 1",
    "WITH RECURSIVE up AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM up WHERE n < 3) SELECT * FROM up, c",
    "WITH c AS MATERIALIZED (SELECT * FROM c) UPDATE o SET n = c.id FROM c WHERE false",
    "MERGE INTO o USING c ON o.id = c.id WHEN MATCHED THEN UPDATE SET s = c.name",
    "SELECT extract(year FROM born), substring(name FROM 1 FOR 2), trim(BOTH FROM name) FROM c",
    "SELECT * FROM o FOR UPDATE",
    "SELECT * FROM o AS x JOIN c AS y ON y.id = x.c ORDER BY x.id FOR NO KEY UPDATE OF x",
    "SELECT * FROM (o JOIN c ON o.c = c.id), generate_series(1, 3) AS g",
    "(SELECT id FROM o) UNION ALL (SELECT id FROM c)",
    "TABLE o",
    "SELECT 1",
    "VALUES (1), (2)",
    'TRUNCATE loose, "Odd Name"',
    "TRUNCATE TABLE ONLY k",
    "LOCK o",
    "LOCK TABLE o, c IN SHARE ROW EXCLUSIVE MODE",
    "COMMENT ON TABLE o IS 'x'",
    "COMMENT ON COLUMN public.o.n IS 'x'",
    "COMMENT ON VIEW v IS 'x'",
    "COMMENT ON FUNCTION f() IS 'x'",
    "ANALYZE o (n), c",
    "REINDEX TABLE o",
    "CLUSTER o USING o_n",
    "CREATE PUBLICATION x FOR TABLE o",
    "ALTER PUBLICATION news ADD TABLE o",
    "ALTER PUBLICATION news DROP TABLE c",
    "CREATE PUBLICATION x FOR ALL TABLES",
    "SET LOCAL lock_timeout = '1s'",
]  # fmt: skip
ALONE = [
    ("CREATE INDEX CONCURRENTLY x ON o (s)", "o"),
    ("DROP INDEX CONCURRENTLY o_n", "o"),
    ("REINDEX TABLE CONCURRENTLY o", "o"),
    ("REINDEX (CONCURRENTLY) INDEX o_n", "o"),
    ("VACUUM o", "o"),
    ("VACUUM (FULL, ANALYZE) o", "o"),
    ("VACUUM FULL o, c", "o"),
    ("ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY", "p"),
]
BEYOND = [
    ("GRANT SELECT ON o TO PUBLIC", {"o": LockMode.ACCESS_SHARE}),
    ("REFRESH MATERIALIZED VIEW m", {"c": LockMode.ACCESS_SHARE}),
    ("REFRESH MATERIALIZED VIEW CONCURRENTLY m WITH DATA", {"c": LockMode.ACCESS_SHARE}),
    ("INSERT INTO o (id, c) SELECT 1, 1 WHERE false", {"c": LockMode.ROW_SHARE}),
    ("SELECT * FROM v", {"c": LockMode.ACCESS_SHARE}),
    ("ALTER TABLE k ADD x int", {"child": LockMode.ACCESS_EXCLUSIVE}),
    ("DROP TABLE o", {"c": LockMode.ACCESS_EXCLUSIVE}),
    ("DROP INDEX o_n", {"o": LockMode.ACCESS_EXCLUSIVE}),
    ("REINDEX INDEX o_n", {"o": LockMode.SHARE}),
]
"""Statements that lock more than their text tells."""
TAKEN = "SELECT relation, mode FROM pg_locks WHERE pid = %s AND relation = ANY (%s)"
THERE = """
SELECT oid, oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
"""
MODES = {f"{each.replace(' ', '')}lock".lower(): each for each in LockMode}


def told(sql: str, *, together: bool = True, locking: bool = True) -> Impact:
    return impact(split(sql).statements, together=together, locking=locking)


def locks(sql: str) -> dict[str, LockMode]:
    """Return the locks that are told, by the names that a server gives the tables."""
    return {each.title.removeprefix("public."): each.lock for each in told(sql).locks}


@pytest.fixture(scope="module")
def stage(server: postgres.Server) -> Iterator[psycopg.Connection[Any]]:
    name = f"effects_{os.getpid()}"
    with psycopg.connect(server.admin, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
        with psycopg.connect(server.database(name), autocommit=True) as connection:
            connection.execute(STAGE.encode())
            yield connection
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def taken(connection: psycopg.Connection[Any], sql: str) -> dict[str, LockMode]:
    """Return the strongest lock that a statement takes on what was there before; undo it."""
    names = dict(connection.execute(THERE).fetchall())
    found: dict[str, LockMode] = {}
    with connection.transaction(force_rollback=True):
        connection.execute(sql.encode())
        rows = connection.execute(TAKEN, [connection.info.backend_pid, list(names)])
        for oid, mode in rows.fetchall():
            held = found.get(names[oid], LockMode.NONE)
            found[names[oid]] = max(held, MODES[mode.lower()], key=list(LockMode).index)
    return found


@pytest.mark.parametrize("sql", KNOWN)
def test_predicted_locks_equal_those_of_the_server_when_the_statement_is_known(
    sql: str, stage: psycopg.Connection[Any]
) -> None:
    ours = {name.removeprefix("index "): lock for name, lock in locks(sql).items()}
    real = taken(stage, sql)
    assert ours == {name: lock for name, lock in real.items() if name in ours or name in TABLES}


@pytest.mark.parametrize(("sql", "more"), BEYOND)
def test_extra_server_locks_are_the_expected_ones_when_the_text_does_not_show_them(
    sql: str, more: dict[str, LockMode], stage: psycopg.Connection[Any]
) -> None:
    real = {name: lock for name, lock in taken(stage, sql).items() if name in TABLES}
    told_of = {name: lock for name, lock in locks(sql).items() if not name.startswith("the table")}
    assert told_of.items() <= real.items()
    assert (real.items() - told_of.items()) <= more.items()


@pytest.mark.parametrize(("sql", "table"), ALONE)
def test_predicted_lock_is_what_the_statement_waits_for_when_it_runs_outside_a_transaction(
    sql: str, table: str, pg: Database
) -> None:
    dsn = pg.server.database(pg.name)
    with psycopg.connect(dsn, autocommit=True) as setup, psycopg.connect(dsn) as holder:
        setup.execute(STAGE.encode())
        holder.execute(f"LOCK {table} IN SHARE UPDATE EXCLUSIVE MODE".encode())
        with psycopg.connect(dsn, autocommit=True) as waiter:
            thread = threading.Thread(target=waiter.execute, args=[sql.encode()], daemon=True)
            thread.start()
            asked = awaited(setup, waiter.info.backend_pid)
            holder.rollback()
            thread.join(30)
        assert not thread.is_alive()
    (ours,) = [each.lock for each in told(sql).locks if each.name in {table, "o_n"}]
    assert asked == ours


def awaited(connection: psycopg.Connection[Any], pid: int) -> LockMode:
    """Return the lock on a table for which a session waits."""
    asking = "SELECT mode FROM pg_locks WHERE pid = %s AND NOT granted AND locktype = 'relation'"
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if row := connection.execute(asking, [pid]).fetchone():
            return MODES[row[0].lower()]
    raise AssertionError("the statement never waited")


REWRITING = [
    ("ALTER TABLE loose ADD x uuid DEFAULT gen_random_uuid()", True),
    ("ALTER TABLE loose ADD COLUMN x bigserial", True),
    ("ALTER TABLE loose ADD x int GENERATED ALWAYS AS (a + 1) STORED", True),
    ("ALTER TABLE loose ADD x int GENERATED BY DEFAULT AS IDENTITY", True),
    ("ALTER TABLE loose ADD x timestamptz NOT NULL DEFAULT clock_timestamp()", True),
    ("ALTER TABLE loose ADD x timestamptz NOT NULL DEFAULT now()", False),
    ("ALTER TABLE loose ADD x varchar(9) DEFAULT 'random()' CHECK (x <> '')", False),
    ("ALTER TABLE loose ALTER a TYPE bigint", True),
    ("ALTER TABLE loose SET UNLOGGED", True),
    ("CLUSTER k USING k_a_key", True),
    ("ALTER TABLE loose ALTER a SET DEFAULT random()", False),
    ("ALTER TABLE loose ADD CONSTRAINT x CHECK (a > 0)", False),
]


@pytest.mark.parametrize(("sql", "rewrites"), REWRITING)
def test_table_is_rewritten_exactly_when_the_note_says_so(
    sql: str, rewrites: object, stage: psycopg.Connection[Any]
) -> None:
    nodes = "SELECT oid, relfilenode FROM pg_class WHERE oid IN ('loose'::regclass, 'k'::regclass)"
    before = stage.execute(nodes).fetchall()
    with stage.transaction(force_rollback=True):
        stage.execute(sql.encode())
        after = stage.execute(nodes).fetchall()
    (effect,) = told(sql).effects
    assert (sorted(before) != sorted(after)) == rewrites == ("rewrites" in effect.note)


@pytest.mark.parametrize(
    ("sql", "note"),
    [
        ("ALTER TABLE o ADD x int DEFAULT app.next_one()", "if its default is volatile"),
        ("ALTER TABLE o ALTER n SET NOT NULL", "unless a valid constraint proves it"),
        ("ALTER TABLE o ADD CHECK (n > 0)", "reads the whole table"),
        ("ALTER TABLE o ADD CHECK (n > 0) NOT VALID", "only new rows are checked"),
        ("ALTER TABLE o ADD CONSTRAINT u UNIQUE (n)", "builds an index"),
        ("ALTER TABLE o ADD CONSTRAINT u UNIQUE USING INDEX i", ""),
        ("ALTER TABLE o DROP COLUMN n", "values are lost"),
        ("DELETE FROM o", "removes every row"),
        ("UPDATE o SET n = (SELECT 1 WHERE true)", "changes every row"),
        ("UPDATE o SET n = 1 WHERE id = 1", ""),
        ("DROP TABLE o CASCADE", "CASCADE takes what depends on it along"),
        ("SELECT app.grow(id) FROM o", "functions that it calls are not analysed"),
        ("ALTER TABLE k ALTER CONSTRAINT k_nn INHERIT", "reads the tables that inherit"),
        ("ALTER TABLE k ALTER CONSTRAINT k_nn NO INHERIT", ""),
        ("ALTER TABLE k ALTER CONSTRAINT k_fk ENFORCED DEFERRABLE", "unless it is enforced"),
        ("ALTER TABLE k ALTER CONSTRAINT enforced DEFERRABLE", ""),
        ("ALTER TABLE p DETACH PARTITION p1", "if a foreign key references the table"),
    ],
)
def test_effect_note_names_the_cost_when_the_statement_has_a_known_cost(
    sql: str, note: str
) -> None:
    (effect,) = told(sql).effects
    assert note in effect.note
    assert bool(note) == bool(effect.note)


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("DO $$ BEGIN DROP TABLE o; END $$", "do block"),
        ("CALL app.work()", "call"),
        ("SELECT create_hypertable('o', 'at')", "select"),
        ("CREATE EXTENSION postgis", "create extension"),
        ("CREATE SCHEMA x CREATE TABLE y (c int REFERENCES c)", "create schema"),
        ("DROP TYPE mood CASCADE", "drop type"),
        ("ALTER TYPE pair ADD ATTRIBUTE c int CASCADE", "alter type"),
        ("ALTER DOMAIN positive ADD CHECK (VALUE > 0)", "alter domain"),
        ("ALTER TABLE o FROBNICATE", "alter table"),
        ("ALTER TABLE o SET (frobs = 3)", "set parameters"),
        ("FROBNICATE o", "frobnicate"),
        ("CREATE FROB o", "create frob"),
        ("EXECUTE prepared", "execute"),
        ("VACUUM", "vacuum"),
        ("'", "unknown"),
        ("CREATE", "create"),
        ("ALTER TABLE", "alter table"),
        ("WITH", "unknown"),
    ],
)
def test_effect_and_lock_are_unknown_when_the_statement_is_not_understood(
    sql: str, what: str
) -> None:
    found = told(sql)
    assert found.effects[0].what == what
    assert [each.lock for each in found.locks] == [LockMode.UNKNOWN]
    assert found.locks[0].blocks is Blocks.UNKNOWN


@pytest.mark.parametrize(
    ("lock", "blocks"),
    [
        (LockMode.ACCESS_EXCLUSIVE, {"SELECT": True, "UPDATE": True}),
        (LockMode.EXCLUSIVE, {"SELECT": False, "UPDATE": True}),
        (LockMode.SHARE_ROW_EXCLUSIVE, {"SELECT": False, "UPDATE": True}),
        (LockMode.SHARE, {"SELECT": False, "UPDATE": True}),
        (LockMode.SHARE_UPDATE_EXCLUSIVE, {"SELECT": False, "UPDATE": False}),
        (LockMode.ROW_EXCLUSIVE, {"SELECT": False, "UPDATE": False}),
        (LockMode.ROW_SHARE, {"SELECT": False, "UPDATE": False}),
        (LockMode.ACCESS_SHARE, {"SELECT": False, "UPDATE": False}),
    ],
)
def test_lock_blocks_the_same_statements_as_on_the_server_when_another_session_asks(
    lock: LockMode, blocks: dict[str, bool], stage: psycopg.Connection[Any]
) -> None:
    asked = {"SELECT": "SELECT FROM o", "UPDATE": "UPDATE o SET n = 1 WHERE false"}
    said = {
        "SELECT": lock.blocks is Blocks.ALL,
        "UPDATE": lock.blocks in {Blocks.ALL, Blocks.WRITES},
    }
    with (
        stage.transaction(force_rollback=True),
        psycopg.connect(stage.info.dsn, password=postgres.PASSWORD) as other,
    ):
        stage.execute(f"LOCK o IN {lock} MODE".encode())
        for what, sql in asked.items():
            other.execute("SET lock_timeout = '50ms'")
            try:
                other.execute(sql.encode())
                waited = False
            except psycopg.errors.LockNotAvailable:
                waited = True
            other.rollback()
            assert waited == blocks[what] == said[what]


def test_objects_of_a_script_block_nobody_when_the_same_script_made_them() -> None:
    found = told(
        "CREATE TABLE n (id int REFERENCES c); CREATE INDEX ON n (id); ALTER TABLE n RENAME TO z;"
        'ALTER TABLE z ADD x int; INSERT INTO "z" SELECT id FROM o;'
    )
    assert {each.name: str(each.lock) for each in found.locks} == {
        "c": "SHARE ROW EXCLUSIVE",
        "o": "ACCESS SHARE",
    }
    assert [each.touched[0].new for each in found.effects] == [True] * 5


def test_table_of_an_earlier_step_counts_as_existing_when_each_step_commits_alone() -> None:
    sql = "CREATE TABLE n (id int); ALTER TABLE n ADD x int; CREATE TEMP TABLE t (a int); DROP TABLE t"
    assert [each.name for each in told(sql, together=False).locks] == ["n"]
    assert told(sql).locks == ()


def test_table_is_not_counted_as_new_when_created_if_not_exists() -> None:
    found = told("CREATE TABLE IF NOT EXISTS o (n int); CREATE INDEX ON o (n)")
    assert [(each.name, each.blocks) for each in found.locks] == [("o", Blocks.WRITES)]


def test_locks_show_the_strongest_per_table_gravest_first_when_a_script_takes_several() -> None:
    found = told(
        "INSERT INTO c VALUES (1); CREATE INDEX ON o (n); SELECT 1 FROM o; ALTER TABLE O ADD x int"
    )
    assert [(each.name, str(each.lock)) for each in found.locks] == [
        ("O", "ACCESS EXCLUSIVE"),
        ("c", "ROW EXCLUSIVE"),
    ]


def test_effects_are_counted_together_when_statements_do_the_same() -> None:
    rows = "".join(f"INSERT INTO o VALUES ({n});\n" for n in range(1000))
    found = told(f"{rows}DELETE FROM o WHERE id = 3;")
    assert [(each.line, each.what, each.count) for each in found.effects] == [
        (1, "insert", 1000),
        (1001, "delete", 1),
    ]
    many = told("".join(f"DROP TABLE t{n};" for n in range(MOST + 20)))
    assert (len(many.effects), many.more, len(many.locks)) == (MOST, 20, MOST + 20)


def test_effects_name_statement_classes_only_when_the_database_has_no_table_locks() -> None:
    (effect,) = told("ALTER TABLE o ADD CHECK (n > 0)", locking=False).effects
    assert (effect.what, effect.touched, effect.note) == ("add constraint", (), "")
    assert told("DROP TABLE o", locking=False).locks == ()


@example(";", 36, 23)  # ALTER TABLE of nothing
@given(
    st.text(alphabet=st.sampled_from(list("ax(),.;'\"$ \n")), max_size=20),
    st.integers(0, len(KNOWN) - 1),
    st.integers(0, 200),
)
def test_effect_reader_never_fails_when_noise_is_inserted_into_a_statement(
    noise: str, which: int, place: int
) -> None:
    text = KNOWN[which]
    found = told(text[:place] + noise + text[place:])
    assert all(each.what for each in found.effects)
