"""What a server does not know yet is found on the plan, and what it knows is let be."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from templedb_nb.core.lint.server_versions import FORMS, UNNAMED, enum_used_early, unknown
from templedb_nb.core.migrations.script import read_script
from tests import postgres
from tests.conftest import Shop

SAMPLES = (
    "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
    "ALTER TABLE t DETACH PARTITION p FINALIZE",
    "CREATE OR REPLACE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "REINDEX (TABLESPACE pg_default, CONCURRENTLY) TABLE t",
    "VACUUM (PROCESS_TOAST off) t",
    "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DO NOTHING",
    "CREATE UNIQUE INDEX CONCURRENTLY i ON t (id) NULLS NOT DISTINCT",
    "ALTER DATABASE nope REFRESH COLLATION VERSION",
    "REINDEX (VERBOSE) DATABASE",
    "VACUUM (SKIP_DATABASE_STATS) t",
    "GRANT a TO b WITH INHERIT TRUE",
    "CREATE TABLE v (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL)",
    "ALTER TABLE t ADD CHECK (id > 0) NOT ENFORCED",
    "CREATE TABLE w (a int4range, b int, PRIMARY KEY (b, a WITHOUT OVERLAPS))",
)
NAMELESS = (
    "SELECT * FROM (SELECT 1)",
    "INSERT INTO t (id) SELECT x FROM (SELECT 1 AS x) ON CONFLICT DO NOTHING",
    "CREATE VIEW s AS SELECT * FROM t, LATERAL (SELECT t.id AS x) WHERE x > 0",
    "CREATE VIEW s AS SELECT 1 FROM t CROSS JOIN (VALUES (1)) ORDER BY 1",
    "UPDATE t SET id = x FROM t AS u, (SELECT 1 AS x)",
    "DELETE FROM t USING (SELECT 1 AS x) WHERE id = x",
    "SELECT (SELECT x FROM (WITH w AS (SELECT 1 AS x) SELECT x FROM w))",
    "WITH w AS (SELECT 1 FROM (SELECT 1)) SELECT * FROM w",
    "SELECT 1 FROM (t JOIN (SELECT 1 AS id) USING (id))",
    "SELECT 1 FROM (SELECT 1 AS a) AS a JOIN (SELECT 1 AS b) ON a = b",
)
OLD = (
    'SELECT * FROM (SELECT 1) x, (VALUES (1)) AS y (a), LATERAL (SELECT a) "where"',
    "SELECT extract(year FROM (SELECT now())), (SELECT 1), trim(FROM (SELECT 'a'))",
    "SELECT 1 FROM t WHERE id IS DISTINCT FROM (SELECT 1) AND id IN (SELECT 2)",
    "SELECT 1 IS DISTINCT FROM 2, (SELECT 1) FROM t",
    "SELECT 1 FROM ((SELECT 1 AS id) AS x JOIN t USING (id))",
    "SELECT id, (SELECT 1) FROM t GROUP BY id, (SELECT 1) ORDER BY id, (SELECT 1) LIMIT (SELECT 1)",
    "CREATE TABLE o AS SELECT * FROM (SELECT 1 AS a) set",
    "DELETE FROM t USING (SELECT 1 AS x) u WHERE id = x RETURNING (SELECT 1)",
    "(SELECT 1 FROM t) UNION (SELECT 2)",
    'ALTER TABLE t DETACH PARTITION "CONCURRENTLY"',
    "ALTER TABLE t DETACH PARTITION p",
    "CREATE TABLE v (virtual int, b numeric(3), merge int)",
    "SELECT 'MERGE INTO t', 'NULLS NOT DISTINCT'",
    "REINDEX TABLE t",
    "GRANT SELECT ON t TO u WITH GRANT OPTION",
    "GRANT a TO b WITH ADMIN OPTION",
    "VACUUM (ANALYZE) t",
    "DO $$ BEGIN MERGE INTO t; END $$",
    "SELECT 1 WHERE 1 IS NOT DISTINCT FROM 1",
)


@pytest.fixture(scope="session", params=postgres.every(), ids=postgres.version)
def server(request: pytest.FixtureRequest) -> Iterator[postgres.Server]:
    with (
        tempfile.TemporaryDirectory(prefix="tdb-", dir="/tmp") as place,
        postgres.started(request.param, Path(place)) as it,
    ):
        yield it


def test_each_form_has_its_sample() -> None:
    matched = [unknown(read_script(sql.encode()).statements[0], 0) for sql in SAMPLES]
    assert matched == list(FORMS)


def test_statement_is_accepted_when_every_server_knows_it() -> None:
    for sql in OLD:
        assert unknown(read_script(sql.encode()).statements[0], 0) is None, sql


def test_version_rule_agrees_with_the_server_when_a_statement_is_too_new(
    server: postgres.Server,
) -> None:
    """A statement is no syntax to a server exactly where we say that it is too new."""
    with psycopg.connect(server.admin, autocommit=True) as connection:
        version = connection.info.server_version // 10_000
        for sql in SAMPLES:
            refused = ""
            try:
                connection.execute(sql.encode())
            except psycopg.Error as error:
                refused = error.sqlstate or ""
            ours = unknown(read_script(sql.encode()).statements[0], version)
            assert (refused == "42601") == (ours is not None), (sql, refused)


def test_subquery_is_too_new_exactly_where_the_server_wants_a_name(
    server: postgres.Server,
) -> None:
    with psycopg.connect(server.admin) as connection:
        version = connection.info.server_version // 10_000
        connection.execute("CREATE TEMP TABLE t (id int PRIMARY KEY)")
        for sql in (*NAMELESS, *(each for each in OLD if "(SELECT" in each)):
            refused = False
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute(sql.encode())
            except psycopg.errors.SyntaxError:
                refused = True
            ours = unknown(read_script(sql.encode()).statements[0], version)
            assert refused == (ours is UNNAMED), sql


def test_subquery_without_a_name_is_known_to_need_version_16() -> None:
    for sql in NAMELESS:
        statement = read_script(sql.encode()).statements[0]
        assert (unknown(statement, 15), unknown(statement, 16)) == (UNNAMED, None), sql


ENUMS = {
    "CREATE TYPE m AS ENUM ('a'); ALTER TYPE m ADD VALUE 'b'; SELECT 'b'::m;": True,
    "CREATE TYPE m AS ENUM ('a'); ALTER TYPE m ADD VALUE IF NOT EXISTS 'b' AFTER 'a';"
    " CREATE TABLE e (x m DEFAULT 'b');": True,
    "CREATE TYPE m AS ENUM ('a'); ALTER TYPE m ADD VALUE 'b'; SELECT 'a'::m;": False,
    "CREATE TYPE m AS ENUM ('a', 'b'); SELECT 'b'::m;": False,
}


@pytest.mark.parametrize("sql", ENUMS)
def test_enum_value_is_used_too_early_exactly_where_the_server_refuses_it(
    sql: str, server: postgres.Server
) -> None:
    with psycopg.connect(server.admin) as connection:
        version, refused = connection.info.server_version // 10_000, False
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(sql.encode())
        except psycopg.errors.UnsafeNewEnumValueUsage:
            refused = True
    script = read_script(sql.encode())
    assert bool(list(enum_used_early(script, "001.sql", version))) is refused
    assert bool(list(enum_used_early(script, "001.sql", 16))) is ENUMS[sql]
    assert list(enum_used_early(script, "001.sql", 17)) == []


def test_enum_value_that_is_used_early_is_a_warning_that_a_file_may_silence(shop: Shop) -> None:
    sql = next(iter(ENUMS))
    shop.migration("003.sql", sql)
    told = "the new enum value 'b' looks used in the transaction that adds it to a new type"
    old = shop.version < 170_000
    assert (told in shop.terminal("deploy", "plan", "app").text) is old
    shop.migration("003.sql", f"-- templedb:nolint enum-value-used\n{sql}")
    assert told not in shop.terminal("deploy", "plan", "app").text


def test_run_does_not_begin_when_a_file_would_stop_in_its_middle(shop: Shop) -> None:
    ((text,),) = shop.pg.query("SHOW server_version_num")
    shop.migration(
        "003.sql",
        "CREATE TABLE parts (id int) PARTITION BY RANGE (id);\n"
        "CREATE TABLE part PARTITION OF parts FOR VALUES FROM (1) TO (2);\n"
        "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY;\n",
    )
    if int(text) >= 140_000:
        assert "3 migrations applied" in shop.run().out
        return
    refused = shop.run(code=78).err
    assert "003.sql:3: DETACH PARTITION … CONCURRENTLY needs PostgreSQL 14" in refused
    assert "this server is PostgreSQL 13" in refused
    assert shop.pg.tables() == []
