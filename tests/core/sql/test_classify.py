"""What statements need, told by their tokens; the server is asked whether that is so."""

from __future__ import annotations

import psycopg
import pytest

from templedb_nb.core.sql.classify import (
    Controls,
    CopiesOut,
    InsideTransaction,
    OutsideTransaction,
    TransactionBegin,
    TransactionCommit,
    need,
)
from templedb_nb.core.sql.lexer import split
from tests.conftest import Database

OUTSIDE = [
    "CREATE INDEX CONCURRENTLY i ON t (a)",
    "create unique index concurrently i on t (a)",
    "DROP INDEX CONCURRENTLY j",
    "REINDEX INDEX CONCURRENTLY j",
    "REINDEX (CONCURRENTLY) INDEX j",
    "REINDEX (VERBOSE, CONCURRENTLY true) TABLE t",
    "REINDEX SCHEMA public",
    "VACUUM",
    "VACUUM (ANALYZE) t",
    "ALTER SYSTEM SET work_mem = '4MB'",
    "CREATE DATABASE d",
    "DROP DATABASE d",
    "ALTER DATABASE postgres SET TABLESPACE x",
    "CREATE TABLESPACE s LOCATION '/nowhere'",
    "DROP TABLESPACE s",
    "DISCARD ALL",
    "CLUSTER",
    "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
    "CREATE SUBSCRIPTION s CONNECTION 'host=nowhere' PUBLICATION p",
]
INSIDE = [
    "CREATE INDEX concurrently_not ON t (a)",
    'CREATE INDEX "CONCURRENTLY" ON t (a)',
    "REINDEX INDEX j",
    "REINDEX (CONCURRENTLY false) INDEX j",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY mv",
    "SELECT 'VACUUM'",
    "COMMENT ON TABLE t IS 'CREATE INDEX CONCURRENTLY'",
    "CLUSTER t USING j",
    "DISCARD TEMP",
    "ANALYZE t",
    "SAVEPOINT s",
    "ALTER TYPE mood ADD VALUE 'new'",
    "CREATE SUBSCRIPTION s CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false)",
    "DO $$ BEGIN RAISE NOTICE 'COMMIT;'; END $$",
    "DO $$ BEGIN /* COMMIT; */ NULL; END $$",
]


def one(sql: str) -> object:
    (statement,) = split(sql).statements
    return need(statement)


@pytest.mark.parametrize("sql", OUTSIDE)
def test_statement_is_classified_as_outside_when_the_server_refuses_it_in_a_transaction(
    sql: str, stage: psycopg.Connection
) -> None:
    assert isinstance(one(sql), OutsideTransaction)
    with pytest.raises(psycopg.errors.ActiveSqlTransaction):
        stage.execute(sql.encode())


@pytest.mark.parametrize("sql", INSIDE)
def test_statement_is_classified_as_inside_when_the_server_takes_it_in_a_transaction(
    sql: str, stage: psycopg.Connection
) -> None:
    assert one(sql) == InsideTransaction()
    stage.execute(sql.encode())


@pytest.fixture
def stage(pg: Database) -> object:
    with psycopg.connect(pg.server.database(pg.name), autocommit=True) as connection:
        connection.execute(
            b"CREATE TABLE t (a int); CREATE INDEX j ON t (a); CREATE TYPE mood AS ENUM ('old');"
            b"CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);"
            b"CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a; CREATE UNIQUE INDEX ON mv (a)"
        )
        connection.execute("BEGIN")
        yield connection
        connection.rollback()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("BEGIN", TransactionBegin()),
        ("BEGIN WORK", TransactionBegin()),
        ("START TRANSACTION", TransactionBegin()),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", TransactionBegin("ISOLATION LEVEL SERIALIZABLE")),
        ("START TRANSACTION READ ONLY", TransactionBegin("READ ONLY")),
        ("COMMIT", TransactionCommit()),
        ("END TRANSACTION", TransactionCommit()),
        ("COMMIT AND NO CHAIN", TransactionCommit()),
        ("COMMIT AND CHAIN", Controls("COMMIT AND CHAIN")),
        ("COMMIT PREPARED 'x'", Controls("COMMIT PREPARED")),
        ("ROLLBACK", Controls("ROLLBACK")),
        ("ROLLBACK TO SAVEPOINT s", InsideTransaction()),
        ("ROLLBACK WORK TO s", InsideTransaction()),
        ("ABORT", Controls("ABORT")),
        ("PREPARE TRANSACTION 'x'", Controls("PREPARE TRANSACTION")),
        ("PREPARE q AS SELECT 1", InsideTransaction()),
        ("COPY t TO STDOUT", CopiesOut()),
        ("CALL p()", OutsideTransaction("CALL, whose procedure may commit")),
        (
            "DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; END $$",
            OutsideTransaction("DO with a COMMIT or ROLLBACK"),
        ),
        (
            "DO LANGUAGE plpgsql 'BEGIN ROLLBACK; END'",
            OutsideTransaction("DO with a COMMIT or ROLLBACK"),
        ),
    ],
)
def test_statement_is_classified_apart_when_it_controls_a_transaction(
    sql: str, expected: object
) -> None:
    assert one(sql) == expected
