"""How large relations of PostgreSQL are, as its statistics have it."""

from __future__ import annotations

from collections.abc import Collection

from psycopg.errors import LockNotAvailable

from templedb_nb.model.lint import NullCheck, Size
from templedb_nb.targets.postgres.connection.connect import Connection

_SIZES = """
SELECT n.nspname, c.relname, t.rows::bigint, t.bytes::bigint, t.toast::bigint,
       c.relkind IN ('p', 'I'), CHECKS
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  SELECT CASE WHEN pg_catalog.bool_or(p.reltuples < 0 AND NOT p.empty) THEN NULL
              ELSE pg_catalog.sum(greatest(p.reltuples, 0)) END AS rows,
         coalesce(pg_catalog.sum(p.bytes), 0) AS bytes,
         coalesce(pg_catalog.sum(p.toast), 0) AS toast
  FROM (
    SELECT l.reltuples,
           coalesce(pg_catalog.pg_relation_size(l.oid), 0) AS bytes,
           coalesce(pg_catalog.pg_relation_size(o.oid), 0) AS toast,
           c.relkind IN ('p', 'I') AND coalesce(pg_catalog.pg_relation_size(l.oid), 0) = 0 AS empty
    FROM pg_catalog.pg_class l
    LEFT JOIN pg_catalog.pg_class o ON o.oid = l.reltoastrelid
    WHERE l.oid = c.oid AND c.relkind NOT IN ('p', 'I')
       OR c.relkind IN ('p', 'I') AND l.relkind IN ('r', 'i')
          AND l.oid IN (
            WITH RECURSIVE below AS (
              SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid
              UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i
                    JOIN below b ON b.inhrelid = i.inhparent)
            SELECT b.inhrelid FROM below b)
  ) p
) t
WHERE c.relname = ANY (%s) AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 'v', 'f', 'S')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'templedb')
  AND n.nspname NOT LIKE 'pg\\_toast%%' AND n.nspname NOT LIKE 'pg\\_temp%%'
"""
_CHECKS = """ARRAY(
         SELECT pg_catalog.json_build_array(k.conname, a.attname, k.convalidated)
         FROM pg_catalog.pg_constraint k
         JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
         WHERE k.conrelid = c.oid AND k.contype = 'c' AND pg_catalog.cardinality(k.conkey) = 1
           AND pg_catalog.pg_get_expr(k.conbin, k.conrelid)
             = pg_catalog.format('(%%I IS NOT NULL)', a.attname))"""
_REMEMBERED = (
    _SIZES.replace("CHECKS", "ARRAY[]::json[]")
    .replace("pg_catalog.pg_relation_size(l.oid)", "l.{}")
    .replace("pg_catalog.pg_relation_size(o.oid)", "o.{}")
    .replace("{}", "relpages::bigint * pg_catalog.current_setting('block_size')::bigint")
)
"""Takes no lock: what VACUUM and ANALYZE last saw of a table that somebody holds."""


def sizes(connection: Connection, names: Collection[str]) -> dict[tuple[str, str], Size]:
    """Return what bears one of *names*, by schema and name.

    A partitioned table has the sum of its leaves. A file's size is asked under a lock that
    somebody's ALTER TABLE excludes; a plan that waits for that one must not fail.
    """
    if not names:
        return {}
    try:
        rows = connection.execute(_SIZES.replace("CHECKS", _CHECKS), [sorted(names)]).fetchall()
    except LockNotAvailable:
        rows = connection.execute(_REMEMBERED, [sorted(names)]).fetchall()
    return {
        (schema, name): Size(
            rows=count,
            bytes=size,
            toast=toast,
            partitioned=partitioned,
            checks=tuple(NullCheck(*each) for each in checks),
        )
        for schema, name, count, size, toast, partitioned, checks in rows
    }
