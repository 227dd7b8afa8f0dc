"""The ledger in a DuckDB file, guarded: one process writes it, so all of it is compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from templedb_nb.core.run.ledger_guard import HINT, TABLES, damage, touched_by
from templedb_nb.errors import StatementFailed
from templedb_nb.model.trace import ATTEMPTED
from templedb_nb.model.witness import Witness

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

_ROWS = "rows/"
"""Before the name of a table: a digest of all its rows, among the facts."""
_SHAPES = """
SELECT t.table_name, t.sql || chr(10) || coalesce(string_agg(c.constraint_text, chr(10)
       ORDER BY c.constraint_text), '')
FROM duckdb_tables() t LEFT JOIN duckdb_constraints() c ON c.table_oid = t.table_oid
  AND c.database_oid = t.database_oid
WHERE t.schema_name = 'templedb' AND t.database_name = ?
  AND list_contains(?::VARCHAR[], t.table_name)
GROUP BY t.table_name, t.sql
"""


def home(connection: Connection) -> str:
    """Return the name under which the file itself is open."""
    row = connection.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else ""


def witness(connection: Connection, database: str, run: str) -> Witness:
    """Return what the ledger of *database* holds now; raise nothing for what is gone of it."""
    ours = [name for name in TABLES if name != "object"]
    shapes = dict(connection.execute(_SHAPES, [database, ours]).fetchall())
    if set(shapes) != set(ours):
        return Witness(shapes=shapes)
    at = '"' + database.replace('"', '""') + '".templedb'
    counts = _each(connection, at, ours, "count(*)")
    words = "SELECT count(*) FROM {at}.event WHERE NOT list_contains(?::VARCHAR[], what)"
    counts["event"] = _one(connection, words.format(at=at), list(ATTEMPTED))  # runs leave others
    rows = connection.execute(
        "SELECT CASE scope WHEN '' THEN project ELSE project || '/' || scope END, key,"
        f" hash(m)::VARCHAR FROM {at}.migration m"
    ).fetchall()
    approvals = connection.execute(
        "SELECT CASE scope WHEN '' THEN id ELSE id || '/' || scope END,"
        " hash(a.plan, a.content_hash, a.given_by, a.verdict, a.signature, a.proof)::VARCHAR"
        f" FROM {at}.approval a"
    ).fetchall()
    facts = dict(connection.execute(f"SELECT k, v FROM {at}.meta WHERE scope = ''").fetchall())
    names = ("run", "command", "event", "lock", "meta", "approval", "slot")
    digests = _each(connection, at, names, "bit_xor(hash(x))")
    others = {f"{_ROWS}{name}": str(digest) for name, digest in digests.items()}
    return Witness(
        migrations={(project, key): told for project, key, told in rows},
        approvals=dict(approvals),
        counts=counts,
        facts=facts | others,
        shapes=shapes,
        running=bool(_one(connection, f"SELECT 1 FROM {at}.run WHERE id = ?"
                          " AND scope = '' AND state = 'running'", run)),
        locked=bool(_one(connection, f"SELECT 1 FROM {at}.lock WHERE run = ? AND scope = ''", run)),
    )  # fmt: skip


def refuse(connection: Connection, database: str, run: str, before: Witness, file: str) -> None:
    """Raise if the open transaction changed the ledger since *before*, its own row included."""
    now = witness(connection, database, run)
    found = damage(before, now) or tuple(_written(before, now))
    if found:
        hint = f"{HINT}; nothing of it was applied"
        message = touched_by(file, found)
        raise StatementFailed(message, statement=-1, line=0, column=0, hint=hint)


def _written(before: Witness, now: Witness) -> Iterator[str]:
    """Yield the tables with other rows than before: nobody else can write the file meanwhile."""
    if before.migrations.keys() != now.migrations.keys():
        yield "rows of templedb.migration written"
    for name, told in before.facts.items():
        if name.startswith(_ROWS) and now.facts.get(name) != told:
            yield f"rows of templedb.{name.removeprefix(_ROWS)} written"


def _each(connection: Connection, at: str, names: Sequence[str], what: str) -> dict[str, int]:
    """Return *what* of the rows x of each table, in one question."""
    parts = (f"SELECT '{name}', {what} FROM {at}.{name} x" for name in names)
    found = connection.execute(" UNION ALL ".join(parts)).fetchall()
    return {str(name): int(value or 0) for name, value in found}


def _one(connection: Connection, query: str, *values: object) -> int:
    row = connection.execute(query, list(values)).fetchone()
    return int(row[0] or 0) if row else 0
