"""Who holds locks of PostgreSQL that a plan's statements would wait for, if they ran now."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter

from templedb_nb.core.sql.outline import outline
from templedb_nb.model.effect import LockMode
from templedb_nb.model.event import Blocker
from templedb_nb.model.foreseen_wait import ForeseenWait, WantedLock
from templedb_nb.targets.postgres.connection.connect import Connection, catalog_rows

OLD_S = 2.0
"""A younger transaction ends by itself, mostly."""
OLD_FOR_ALL_S = 60.0
MOST = 20
_LOCKS = """
WITH RECURSIVE wanted AS (
  SELECT w.number, w.lock, w.deep, coalesce(i.indrelid, t.oid) AS oid
  FROM ROWS FROM (pg_catalog.unnest(%(numbers)s::int[]), pg_catalog.unnest(%(titles)s::text[]),
                  pg_catalog.unnest(%(locks)s::text[]), pg_catalog.unnest(%(deep)s::bool[]))
    AS w (number, title, lock, deep)
  CROSS JOIN LATERAL (SELECT pg_catalog.to_regclass(w.title)::oid AS oid OFFSET 0) own
  CROSS JOIN LATERAL (  -- the file may set a search_path of its own: then the only one of that name
    SELECT coalesce(own.oid, (
      SELECT pg_catalog.min(c.oid::text)::oid FROM pg_catalog.pg_class c
      WHERE own.oid IS NULL AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 'v', 'f')
        AND c.relname = CASE WHEN w.title !~ '[.&]' THEN (pg_catalog.parse_ident(w.title))[1] END
      HAVING pg_catalog.count(*) = 1)) AS oid OFFSET 0) t
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = t.oid
), tree AS (
  SELECT number, lock, deep, oid FROM wanted
  UNION SELECT tree.number, tree.lock, true, h.inhrelid
  FROM tree JOIN pg_catalog.pg_inherits h ON h.inhparent = tree.oid WHERE tree.deep
), prepared AS (  -- their locks have no process
  SELECT x.virtualtransaction, p.gid, p.owner, p.prepared
  FROM pg_catalog.pg_prepared_xacts p JOIN pg_catalog.pg_locks x
    ON x.locktype = 'transactionid' AND x.pid IS NULL AND x.transactionid = p.transaction
), excludes AS (
  SELECT * FROM ROWS FROM (pg_catalog.unnest(%(wanted)s::text[]),
                           pg_catalog.unnest(%(held)s::text[])) AS e (lock, mode)
)
SELECT tree.number, l.relation::regclass::text, l.mode, l.granted, coalesce(p.gid, ''),
       coalesce(a.pid, 0), coalesce(a.usename, p.owner, ''), coalesce(a.application_name, ''),
       coalesce(a.state, ''), coalesce(a.query, ''), coalesce(a.xact_start, p.prepared),
       extract(epoch FROM pg_catalog.clock_timestamp()
               - coalesce(a.xact_start, p.prepared))::float8 AS age,
       a.backend_type = 'autovacuum worker' AS vacuums
FROM tree
JOIN excludes e ON e.lock = tree.lock
JOIN pg_catalog.pg_locks l ON l.relation = tree.oid AND l.mode = e.mode
  AND l.locktype = 'relation'
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                    WHERE d.datname = pg_catalog.current_database())
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
LEFT JOIN prepared p ON l.pid IS NULL AND p.virtualtransaction = l.virtualtransaction
WHERE a.pid <> pg_catalog.pg_backend_pid() OR p.gid IS NOT NULL
"""
_EVERYBODY = """
UNION ALL
SELECT -1, '', '', true, '', a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''),
       coalesce(a.state, ''), coalesce(a.query, ''), a.xact_start,
       extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::float8, false
FROM pg_catalog.pg_stat_activity a
WHERE a.datname = pg_catalog.current_database() AND a.backend_xmin IS NOT NULL
  AND a.pid <> pg_catalog.pg_backend_pid() AND a.backend_type = 'client backend'
"""
_NAMES = (
    "AccessShare RowShare RowExclusive ShareUpdateExclusive Share ShareRowExclusive Exclusive"
    " AccessExclusive"
)
_STRENGTH = tuple(f"{each}Lock" for each in _NAMES.split())
_EXCLUDES = {
    LockMode.ACCESS_SHARE: _STRENGTH[7:],
    LockMode.ROW_SHARE: _STRENGTH[6:],
    LockMode.ROW_EXCLUSIVE: _STRENGTH[4:],
    LockMode.SHARE_UPDATE_EXCLUSIVE: _STRENGTH[3:],
    LockMode.SHARE: (*_STRENGTH[2:4], *_STRENGTH[5:]),
    LockMode.SHARE_ROW_EXCLUSIVE: _STRENGTH[2:],
    LockMode.EXCLUSIVE: _STRENGTH[1:],
    LockMode.ACCESS_EXCLUSIVE: _STRENGTH,
}
"""Which locks exclude each other; PostgreSQL's documentation, Explicit Locking."""


def foreseen_waits(
    connection: Connection, wanted: Sequence[WantedLock], *, everybody: bool
) -> tuple[ForeseenWait, ...]:
    """Return who is in the way of the *wanted* locks now, the oldest transaction first."""
    here = connection.info.dbname
    wanted = [each for each in wanted if _asked(each.relation, here)]
    rows = [(n, each) for n, each in enumerate(wanted) if each.lock in _EXCLUDES]
    if not rows and not everybody:
        return ()
    pairs = [(lock, mode) for lock, modes in _EXCLUDES.items() for mode in modes]
    about = {
        "numbers": [number for number, _ in rows],
        "titles": [each.relation for _, each in rows],
        "locks": [each.lock for _, each in rows],
        "deep": [each.deep for _, each in rows],
        "wanted": [lock for lock, _ in pairs],
        "held": [mode for _, mode in pairs],
    }
    query = _LOCKS + (_EVERYBODY if everybody else "")
    found: dict[tuple[str, int, str], ForeseenWait] = {}
    for row in sorted(catalog_rows(connection, query, about), key=itemgetter(0)):
        number, relation, mode, granted, gid, pid, role, app, state, text, since, age, vacuums = row
        if relation and wanted[number].awaited and not granted:  # those who wait are not awaited
            continue
        wraparound = bool(vacuums) and "to prevent wraparound" in str(text)
        old = age is not None and age >= (OLD_S if relation else OLD_FOR_ALL_S)
        if not wraparound and (vacuums or not old):  # an autovacuum gives way
            continue
        blocker = Blocker(
            pid=pid, role=role, application=app, state=state, query=outline(text), since=since
        )
        one = ForeseenWait(
            blocker=blocker,
            age_s=age or 0.0,
            wanted=wanted[number] if relation else None,
            relation=relation,
            held=mode,
            granted=granted,
            prepared=gid,
            wraparound=wraparound,
        )
        found.setdefault((relation, pid, gid), one)
    named = {each.blocker.pid for each in found.values() if each.relation}
    once = [each for each in found.values() if each.relation or each.blocker.pid not in named]
    return tuple(sorted(once, key=lambda each: -each.age_s)[:MOST])


def _asked(relation: str, database: str) -> bool:
    """Return whether a server looks a name up: one of another database, it refuses with an error.

    One odd name must not hide the waits for all others.
    """
    dots = "".join(relation.split('"')[::2]).count(".")
    first, _, _ = relation.partition(".")
    own = first[1:-1] if first.startswith('"') else first.lower()
    return dots < 2 or (dots == 2 and own == database)  # noqa: PLR2004 - database, schema and name
