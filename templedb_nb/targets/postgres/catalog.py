"""The objects of a PostgreSQL database, and those that runs left, kept in its ledger.

Whoever may log in may read all of this. The base belongs to the database, not to a project: it
says what stood of each project when it was kept, so that a run which broke off is told apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache, partial
from importlib import resources

from templedb_nb.core.catalog.drift import Row, behind, other_words, outdated, seen, told
from templedb_nb.model.drift import CatalogMark, Drift, KeptBase, LedgerStanding, Printer
from templedb_nb.ports.claim import Claim
from templedb_nb.targets import drift_base
from templedb_nb.targets.postgres.connection.connect import Connection
from templedb_nb.targets.postgres.ledger.snapshot import snapshot

LIMIT = 1 << 16
"""So many characters of a definition are kept; its digest is of all of them."""
_BARE = """
SELECT pg_catalog.set_config('search_path', '', true), pg_catalog.set_config('jit', 'off', true)
"""
_VERSIONED = re.compile(r"(?m)^ *--(\d+)([+-]) (.*)$")
_STANDING = """
SELECT project, encode(pg_catalog.sha256(pg_catalog.convert_to(
  string_agg(fact, '; ' ORDER BY fact COLLATE "C"), 'UTF8')), 'hex')
FROM (
  SELECT project, key || CASE WHEN state = 'applied' THEN ' by ' || attempt_id
                              ELSE ' ' || step_done || ' of ' || step_started END
  FROM templedb.migration WHERE state = 'applied' OR step_done > 0 OR step_started > 0
  UNION ALL SELECT project, 'commands: ' || count(*) FROM templedb.command GROUP BY project
) AS standing (project, fact) GROUP BY project
"""
_GOING = """
SELECT r.project FROM templedb.run r JOIN templedb.lock l ON l.run = r.id
JOIN pg_catalog.pg_stat_activity a ON a.pid = l.backend_pid
WHERE r.state = 'running' AND r.id <> %s AND a.pid <> pg_catalog.pg_backend_pid()
"""
_COUNTS = """
SELECT coalesce((SELECT max(run_seq) FROM templedb.migration), 0),
       (SELECT count(*) FROM templedb.command)
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
FROM ({catalog}) AS here WHERE name = ANY (%s)
ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, definition = excluded.definition
"""
_EVENT = "INSERT INTO templedb.event (project, what, detail) VALUES (%s, %s, %s::jsonb)"


def catalog(connection: Connection) -> dict[str, str]:
    """Return the definition of each object, by its name."""
    with snapshot(connection):
        connection.execute(_BARE)
        return dict(connection.execute(_query(connection, "{catalog}")).fetchall())


def drift(connection: Connection) -> Drift:
    """Return how the objects differ from those that the last run left; the ledger is there."""
    with snapshot(connection):
        kept = _kept(connection)
        if kept is None:
            return Drift()
        now = _standing(connection)
        connection.execute(_BARE)
        ask = partial(_changed, connection)
        return seen(kept, _printer(connection), now, ask)


def mark(connection: Connection, claim: Claim) -> CatalogMark:
    """Return what the objects are before a run, with a base that the run's end can go on from.

    It is taken anew where there is none or where nothing could be told apart, and so are the
    definitions that somebody else worded: what others do from now on is told against that.
    """
    with snapshot(connection):
        kept = _kept(connection)
        usable = kept is not None and kept.printer == _printer(connection)
        if usable and not outdated(kept, _standing(connection, claim.run)):
            return CatalogMark(digests=_digests(connection))
    with _writing(connection):
        kept, now = _kept(connection), _standing(connection, claim.run)
        if kept is None:
            _keep_all(connection, now, claim.run, claim.client)
        elif outdated(kept, now):
            found = _compared(connection, kept)
            names = [*(each.name for each in found.changes), *found.reprinted]
            _keep_all(connection, now, claim.run, claim.client)
            _rebased(connection, claim, behind(kept, now), names)
        else:
            _reword(connection, kept, now, claim)
        return CatalogMark(digests=_digests(connection))


def keep(connection: Connection, before: CatalogMark, claim: Claim, *, changed: bool) -> None:
    """Keep what changed since *before* as what the run left, if it *changed* anything.

    What others had changed before it, or while a run changed nothing, stays a change that no run
    made, until somebody accepts it.
    """
    with _writing(connection):
        kept, now = _kept(connection), _standing(connection)
        if kept is None or kept.projects is None:
            return
        if changed:
            here = _digests(connection)
            names = [name for name in here if here[name] != before.digests.get(name)]
            _keep_some(connection, names, sorted(before.digests.keys() - here.keys()))
        after = drift_base.after(kept, now, claim, _clock(connection) if changed else None)
        if after != kept:
            _write(connection, after)


def accept(connection: Connection, project: str, by: str, reason: str) -> None:
    """Keep all that is there now as what it is compared with, with an event that says why."""
    with _writing(connection):
        _keep_all(connection, _standing(connection), "", by)
        detail = json.dumps({"by": by, "reason": reason})
        connection.execute(_EVENT, [project, "accept-drift", detail])


# --- the base -----------------------------------------------------------------------------------


@contextmanager
def _writing(connection: Connection) -> Iterator[None]:
    """Read and write as of one moment, alone; the snapshot comes after the lock."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE")
    try:
        connection.execute("LOCK TABLE templedb.object IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(_BARE)
        yield
    except BaseException:
        if not connection.closed:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _kept(connection: Connection) -> KeptBase | None:
    row = connection.execute("SELECT v FROM templedb.meta WHERE k = %s", [drift_base.KEY])
    found = row.fetchone()
    return drift_base.read(found[0]) if found else None


def _write(connection: Connection, kept: KeptBase) -> None:
    connection.execute(
        "INSERT INTO templedb.meta (k, v) VALUES (%s, %s)"
        " ON CONFLICT (k, scope) DO UPDATE SET v = excluded.v",
        [drift_base.KEY, drift_base.written(kept)],
    )


def _standing(connection: Connection, own: str = "") -> LedgerStanding:
    """Return what the ledger says that runs did; the run *own* counts as none that goes on."""
    counts = connection.execute(_COUNTS).fetchone()
    assert counts is not None  # noqa: S101 - a query without a table gives one row
    return LedgerStanding(
        projects=dict(connection.execute(_STANDING.encode()).fetchall()),
        going=frozenset(name for (name,) in connection.execute(_GOING, [own]).fetchall()),
        counts=counts,
    )


def _compared(connection: Connection, kept: KeptBase) -> Drift:
    connection.execute(_BARE)
    return told(kept, _printer(connection), _changed(connection))


def _changed(connection: Connection) -> list[Row]:
    return connection.execute(_query(connection, _CHANGED)).fetchall()


def _digests(connection: Connection) -> dict[str, str]:
    connection.execute(_BARE)
    return dict(connection.execute(_query(connection, _DIGESTS)).fetchall())


def _keep_all(connection: Connection, now: LedgerStanding, run: str, by: str) -> None:
    here = list(_digests(connection))
    connection.execute(_query(connection, _KEEP), [here])
    connection.execute("DELETE FROM templedb.object WHERE name <> ALL (%s::text[])", [here])
    at = _clock(connection)
    _write(connection, drift_base.whole(now, _printer(connection), run, by, at))


def _keep_some(connection: Connection, names: Sequence[str], gone: Sequence[str]) -> None:
    connection.execute(_query(connection, _KEEP), [list(names)])
    connection.execute("DELETE FROM templedb.object WHERE name = ANY (%s)", [list(gone)])


def _reword(connection: Connection, kept: KeptBase, now: LedgerStanding, claim: Claim) -> None:
    """Take over how this server, or this templedb, words definitions; the rest stays."""
    found, printer = _compared(connection, kept), _printer(connection)
    _keep_some(connection, found.reprinted, [])
    base = drift_base.whole(now, printer, claim.run, claim.client, _clock(connection))
    known = now.projects if kept.projects is None else kept.projects
    _write(connection, KeptBase(base=base.base, printer=printer, projects=known))
    if kept.printer != printer:
        _rebased(connection, claim, other_words(kept.printer, printer), list(found.reprinted))


def _rebased(connection: Connection, claim: Claim, reason: str, names: list[str]) -> None:
    detail = json.dumps(drift_base.rebased(claim, reason, names))
    connection.execute(_EVENT, [claim.project, drift_base.EVENT, detail])


def _clock(connection: Connection) -> datetime:
    row = connection.execute("SELECT pg_catalog.clock_timestamp()").fetchone()
    assert row is not None  # noqa: S101 - a query without a table gives one row
    at: datetime = row[0]
    return at


# --- the question -------------------------------------------------------------------------------


@cache
def _catalog() -> str:
    return (resources.files("templedb_nb.targets.postgres") / "sql" / "catalog.sql").read_text()


def question(version: int) -> str:
    """Return the query as a server of that major version understands it."""

    def line(found: re.Match[str]) -> str:
        since = int(found[1])
        fits = version >= since if found[2] == "+" else version <= since
        return found[3] if fits else ""

    return _VERSIONED.sub(line, _catalog())


def _printer(connection: Connection) -> Printer:
    asked = hashlib.sha256(_catalog().encode()).hexdigest()[:12]
    return Printer(server=f"PostgreSQL {_version(connection)}", question=asked)


def _version(connection: Connection) -> int:
    return connection.info.server_version // 10_000


def _query(connection: Connection, text: str) -> bytes:
    body = question(_version(connection))
    body = body.replace("%", "%%") if "%s" in text else body
    return text.replace("{limit}", str(LIMIT)).replace("{catalog}", body).encode()
