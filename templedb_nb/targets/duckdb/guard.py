"""The ledger in a DuckDB file, guarded: one process writes it, so all of it is compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from templedb_nb.core.run.ledger_guard import HINT, TABLES, damage, reshaped, touched_by
from templedb_nb.errors import StatementFailed
from templedb_nb.model.trace import ATTEMPTED
from templedb_nb.model.witness import Witness

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection

_ROWS = "rows/"
"""Before the name of a table: a digest of all its rows, among the facts."""
_SHAPES = """
SELECT table_name, string_agg(line, chr(10) ORDER BY line) FROM (
    SELECT table_name, concat_ws(' ', 'columns', column_name, data_type, is_nullable,
           column_default) AS line
    FROM duckdb_columns()
    WHERE schema_name = 'templedb' AND database_name = $1
    UNION ALL
    SELECT table_name, 'keys ' || constraint_text FROM duckdb_constraints()
    WHERE schema_name = 'templedb' AND database_name = $1 AND constraint_type <> 'NOT NULL'
    UNION ALL
    SELECT table_name, 'indexes ' || sql FROM duckdb_indexes()
    WHERE schema_name = 'templedb' AND database_name = $1
)
WHERE table_name IN (SELECT table_name FROM duckdb_tables()
    WHERE schema_name = 'templedb' AND database_name = $1)
  AND list_contains($2::VARCHAR[], table_name)
GROUP BY table_name
"""
_OURS = tuple(name for name in TABLES if name != "object")


def home(connection: Connection) -> str:
    """Return the name under which the file itself is open."""
    row = connection.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else ""


def witness(connection: Connection, database: str, run: str) -> Witness:
    """Return what the ledger of *database* holds now; raise nothing for what is gone of it."""
    shapes = _shapes(connection, database)
    if set(shapes) != set(_OURS):
        return Witness(shapes=shapes)
    at = '"' + database.replace('"', '""') + '".templedb'
    counts = _each(connection, at, _OURS, "count(*)")
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


def _shapes(connection: Connection, database: str) -> dict[str, str]:
    """Return what each table of the ledger is made of."""
    return dict(connection.execute(_SHAPES, [database, list(_OURS)]).fetchall())


def refuse(connection: Connection, database: str, run: str, before: Witness, file: str) -> None:
    """Raise if the open transaction changed the ledger since *before*, its own row included."""
    shaped = Witness(shapes=_shapes(connection, database))
    found = tuple(reshaped(before, shaped))  # first: rows of other tables may not be readable
    if not found:
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
