"""The objects of a PostgreSQL database, and those that runs left, kept in its ledger.

Whoever may log in may read all of this. The base belongs to the database, not to a project: it
says up to which migration and command it knows, so that a run which broke off is told apart.
"""

from __future__ import annotations

import json
from datetime import datetime
from importlib import resources

from templedb_nb.core.drift import change
from templedb_nb.model.drift import Base, Drift, Mark
from templedb_nb.targets.postgres_connection import Connection
from templedb_nb.targets.postgres_ledger import snapshot

LIMIT = 1 << 16
"""So many characters of a definition are kept; its digest is of all of them."""
KEY = "objects"
_BARE = "SELECT pg_catalog.set_config('search_path', '', true)"
_UP_TO = """
SELECT coalesce((SELECT max(run_seq) FROM templedb.migration ), 0),
       (SELECT count(*) FROM templedb.command),
       (SELECT string_agg(DISTINCT r.project, ', ') FROM templedb.run r
        JOIN templedb.lock l ON l.run = r.id
        JOIN pg_catalog.pg_stat_activity a ON a.pid = l.backend_pid WHERE r.state = 'running')
"""
_DIGESTS = """
SELECT name, encode(pg_catalog.sha256(pg_catalog.convert_to(definition, 'UTF8')), 'hex')
FROM ({catalog}) AS here
"""
_CHANGED = """
SELECT coalesce(h.name, o.name), o.definition, h.definition
FROM ({catalog}) AS h FULL JOIN templedb.object o ON o.name = h.name
WHERE o.name IS NULL OR h.name IS NULL
   OR o.digest <> encode(pg_catalog.sha256(pg_catalog.convert_to(h.definition, 'UTF8')), 'hex')
ORDER BY 1
"""
_KEEP = """
INSERT INTO templedb.object (name, digest, definition)
SELECT name, encode(pg_catalog.sha256(pg_catalog.convert_to(definition, 'UTF8')), 'hex'),
       left(definition, {limit})
FROM ({catalog}) AS here WHERE %s OR name = ANY (%s)
ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, definition = excluded.definition
"""


def catalog(connection: Connection) -> dict[str, str]:
    """Return the definition of each object, by its name."""
    with snapshot(connection):
        connection.execute(_BARE)
        return dict(connection.execute(_query("{catalog}")).fetchall())


def drift(connection: Connection) -> Drift:
    """Return how the objects differ from those that the last run left; the ledger is there."""
    with snapshot(connection):
        found = _base(connection)
        if found is None:
            return Drift()
        base, up_to = found
        if behind := _behind(connection, up_to):
            return Drift(base=base, behind=behind)
        connection.execute(_BARE)
        rows = connection.execute(_query(_CHANGED)).fetchall()
        return Drift(base=base, changes=tuple(change(*row) for row in rows))


def mark(connection: Connection) -> Mark:
    """Return what the objects are now, before a run."""
    with snapshot(connection):
        found = _base(connection)
        whole = found is None or bool(_behind(connection, found[1]))
        connection.execute(_BARE)
        digests: dict[str, str] = dict(connection.execute(_query(_DIGESTS)).fetchall())
    return Mark(digests=digests, whole=whole)


def keep(connection: Connection, before: Mark, run: str, by: str) -> None:
    """Keep what changed since *before* as what a run left.

    What others had changed before it stays a change that no run made, until somebody accepts it.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE templedb.object IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(_BARE)
        now: dict[str, str] = dict(connection.execute(_query(_DIGESTS)).fetchall())
        changed = [name for name in now if now[name] != before.digests.get(name)]
        connection.execute(_query(_KEEP, limit=LIMIT), [before.whole, changed])
        gone = sorted(before.digests.keys() - now.keys())
        there = sorted(now) if before.whole else None
        connection.execute(
            "DELETE FROM templedb.object WHERE name = ANY (%s)"
            " OR (%s::text[] IS NOT NULL AND name <> ALL (%s::text[]))",
            [gone, there, there],
        )
        _keep_base(connection, run, by)


def accept(connection: Connection, by: str) -> None:
    """Keep all that is there now as what it is compared with, on a person's word."""
    keep(connection, Mark(digests={}, whole=True), "", by)


def _query(text: str, **more: object) -> bytes:
    body = (resources.files("templedb_nb.targets") / "sql" / "postgres_catalog.sql").read_text()
    body = body.replace("%", "%%") if "%s" in text else body
    for name, value in more.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text.replace("{catalog}", body).encode()


def _keep_base(connection: Connection, run: str, by: str) -> None:
    row = connection.execute(_UP_TO.encode()).fetchone()
    assert row is not None  # noqa: S101 - a query without a table gives one row
    now = connection.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
    assert now is not None  # noqa: S101 - so does this
    fact = {
        "run": run,
        "by": by,
        "at": now[0].isoformat(),
        "migrations": row[0],
        "commands": row[1],
    }
    connection.execute(
        "INSERT INTO templedb.meta (k, v) VALUES (%s, %s)"
        " ON CONFLICT (k) DO UPDATE SET v = excluded.v",
        [KEY, json.dumps(fact)],
    )


def _base(connection: Connection) -> tuple[Base, tuple[int, int]] | None:
    row = connection.execute("SELECT v FROM templedb.meta WHERE k = %s", [KEY]).fetchone()
    if row is None:
        return None
    fact = json.loads(row[0])
    base = Base(run=fact["run"], by=fact["by"], at=datetime.fromisoformat(fact["at"]))
    return base, (fact["migrations"], fact["commands"])


def _behind(connection: Connection, up_to: tuple[int, int]) -> str:
    """Return why the base does not know all that runs did, or nothing."""
    row = connection.execute(_UP_TO.encode()).fetchone()
    assert row is not None  # noqa: S101 - a query without a table gives one row
    if row[:2] == up_to:
        return ""
    return f"a run of {row[2]} goes on" if row[2] else "a run broke off before it told its end"
