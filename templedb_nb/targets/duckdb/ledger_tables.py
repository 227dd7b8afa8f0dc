"""The tables of the ledger in a DuckDB file: made, made whole, and brought to this format."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING

from templedb_nb.errors import Busy
from templedb_nb.failpoints import reach
from templedb_nb.model.ledger import FORMAT
from templedb_nb.targets.duckdb.ledger import version

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

_IF_MISSING = re.compile(r"^CREATE (TABLE|SEQUENCE|SCHEMA|INDEX) ", re.MULTILINE)
_FORMER = """
SELECT t.table_name FROM duckdb_tables() t
WHERE t.schema_name = 'templedb' AND t.database_name = current_database()
  AND t.table_name IN ('meta', 'migration', 'event', 'run', 'command', 'approval', 'lock')
  AND NOT EXISTS (FROM duckdb_columns() c
                  WHERE c.table_oid = t.table_oid AND c.database_oid = t.database_oid
                    AND c.column_name = 'scope')
ORDER BY 1
"""


def make(connection: Connection) -> None:
    """Make the tables that are not there, and bring those of an earlier format to this one.

    All of it is one transaction. DuckDB changes no primary key: a table of an earlier format is
    made again, with its rows.
    """
    connection.execute("BEGIN")
    former = [name for (name,) in connection.execute(_FORMER).fetchall()]
    for name in former:
        connection.execute(f"CREATE TEMP TABLE former_{name} AS FROM templedb.{name}")
        connection.execute(f"DROP TABLE templedb.{name}")
    text = _IF_MISSING.sub(r"CREATE \1 IF NOT EXISTS ", _sql("ledger.sql"))
    tables, insert, facts = text.rpartition("INSERT INTO templedb.meta")
    connection.execute(tables)
    for name in former:
        connection.execute(f"INSERT INTO templedb.{name} BY NAME FROM former_{name}")
        connection.execute(f"DROP TABLE former_{name}")
    connection.execute(f"{insert}{facts.rstrip().rstrip(';')} ON CONFLICT DO NOTHING")
    if former:
        connection.execute(_sql("upgrade.sql"))
    reach("ledger.made")
    connection.execute("COMMIT")


def upgrade(connection: Connection, locked: Callable[[str], bool], own: str = "") -> None:
    """Bring a ledger that an earlier templedb made to this format.

    Raises `Busy` while a run of another project than *own* goes on: an earlier templedb would take
    it for damage.
    """
    if version(connection) >= FORMAT:
        return
    rows = connection.execute("SELECT project, owner, reason FROM templedb.lock").fetchall()
    for project, owner, reason in rows:
        if project != own and locked(project):
            message = "the ledger is of an earlier format, and cannot change now: it is in use by"
            hint = "wait for that run to end, then run this again"
            raise Busy(f"{message} {owner}: {reason}", hint=hint)
    make(connection)


def _sql(name: str) -> str:
    return (resources.files("templedb_nb.targets.duckdb") / "sql" / name).read_text("utf-8")
