"""Ledgers of earlier formats, as the SQL of that time made them, with the rows of a present one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from tests.conftest import Database, Terminal

Query = Callable[[str], list[tuple[Any, ...]]]
Rows = dict[str, list[tuple[Any, ...]]]

FORMATS = (1, 2, 3)
KEPT = ("meta", "migration", "event", "run", "command", "approval")
TABLES = ("migration", "event", "run", "command", "approval", "lock", "object")
_LEDGERS = Path(__file__).parent / "ledgers"
_OBJECT = """
CREATE TABLE templedb.object (
    name VARCHAR PRIMARY KEY, digest VARCHAR NOT NULL, definition VARCHAR NOT NULL
)
"""
"""What a DuckDB ledger gets with the first look at objects."""
_COLUMNS = """
SELECT c.relname, array_agg(quote_ident(a.attname) ORDER BY a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND c.relnamespace = 'templedb'::regnamespace GROUP BY 1
"""


def sql(kind: str, number: int) -> str:
    """Return what made a ledger of that format."""
    return (_LEDGERS / f"{kind}-{number}.sql").read_text()


def demote(pg: Database, number: int, *, owner: str = "") -> None:
    """Turn the ledger into one of an earlier format, with its rows; *owner* is whose it is."""
    with psycopg.connect(pg.server.database(pg.name)) as connection:
        if owner:
            connection.execute(f"SET ROLE {owner}".encode())
        connection.execute("ALTER SCHEMA templedb RENAME TO present")
        connection.execute(sql("postgres", number).encode())
        columns: dict[str, list[str]] = dict(connection.execute(_COLUMNS.encode()).fetchall())
        for table, names in columns.items():
            listed = ", ".join(names)
            what = "WHERE k <> 'format'" if table == "meta" else ""
            if table == "meta":
                connection.execute(b"DELETE FROM templedb.meta WHERE k <> 'format'")
            connection.execute(
                f"INSERT INTO templedb.{table} ({listed}) OVERRIDING SYSTEM VALUE"
                f" SELECT {listed} FROM present.{table} {what}".encode()
            )
        connection.execute(
            b"SELECT setval('templedb.migration_seq', (SELECT last_value FROM present.migration_seq)),"
            b" setval('templedb.event_id_seq', (SELECT last_value FROM present.event_id_seq))"
        )
        connection.execute(b"DROP SCHEMA present CASCADE")


def demote_file(path: Path, number: int) -> None:
    """Turn the ledger of a DuckDB file into one of an earlier format, with its rows."""
    with duckdb.connect(f"duckdb:{path}") as file:
        rows: dict[str, Any] = {}
        file.execute("BEGIN")
        for name in ("meta", *TABLES):
            if file.execute(
                "FROM duckdb_tables() WHERE schema_name = 'templedb' AND table_name = ?", [name]
            ).fetchone():
                file.execute(f"CREATE TEMP TABLE present_{name} AS FROM templedb.{name}")
                rows[name] = name
        file.execute("DROP SCHEMA templedb CASCADE")
        file.execute(sql("duckdb", number))
        file.execute("DELETE FROM templedb.meta WHERE k <> 'format'")
        for name in rows:
            columns = file.execute(
                "SELECT string_agg('\"' || column_name || '\"', ', ') FROM duckdb_columns()"
                " WHERE schema_name = 'templedb' AND table_name = ?",
                [name],
            ).fetchone()
            if columns is None or columns[0] is None:
                file.execute(_OBJECT)
                file.execute(f"INSERT INTO templedb.{name} FROM present_{name}")
                continue
            what = "WHERE k <> 'format'" if name == "meta" else ""
            file.execute(
                f"INSERT INTO templedb.{name} ({columns[0]}) SELECT {columns[0]}"
                f" FROM present_{name} {what}"
            )
        for sequence, table, column in (
            ("migration_seq", "migration", "run_seq"),
            ("event_seq", "event", "id"),
        ):
            used = file.execute(
                f"SELECT coalesce(max({column}), 0) FROM templedb.{table}"
            ).fetchone()
            for _ in range(used[0] if used else 0):
                file.execute(f"SELECT nextval('templedb.{sequence}')")
        file.execute("COMMIT")


def deployed(terminal: Terminal, *words: str) -> None:
    """Run a command that wants an approval, and gets it."""
    words = words or ("deploy", "run", "app")
    plan = terminal(*words, code=20).err.split("templedb approve ")[1].split()[0]
    approved(terminal, plan)
    terminal(*words)


def approved(terminal: Terminal, plan: str) -> None:
    """Approve a plan as somebody else."""
    terminal.set(TEMPLEDB_USER="emil")
    terminal("approve", plan, "--reason", "read it")
    terminal.set(TEMPLEDB_USER="rosa")


def kept(query: Query) -> Rows:
    """Return the rows of a former ledger that later runs leave alone, by table."""
    found = {}
    for table in KEPT:
        names = query(
            "SELECT string_agg('\"' || column_name || '\"', ', ' ORDER BY ordinal_position)"
            " FROM information_schema.columns"
            f" WHERE table_schema = 'templedb' AND table_name = '{table}'"
        )
        what = "WHERE k NOT IN ('format', 'objects')" if table == "meta" else ""
        found[table] = query(f"SELECT {names[0][0]} FROM templedb.{table} {what}")
        assert found[table], f"{table} has rows"
    return found


def still_there(query: Query, before: Rows) -> None:
    """Expect every row of *before*, with whatever columns came behind."""
    for table, rows in before.items():
        width = len(rows[0])
        now = [row[:width] for row in query(f"SELECT * FROM templedb.{table}")]
        assert [row for row in rows if row not in now] == [], table
