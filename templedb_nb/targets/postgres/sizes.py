"""How large relations of PostgreSQL are, as its statistics have it."""

from __future__ import annotations

from collections.abc import Collection

from psycopg.errors import LockNotAvailable

from templedb_nb.model.lint import NullCheck, Size
from templedb_nb.targets.postgres.connection.connect import Connection, catalog_rows

_SIZES = """
WITH RECURSIVE named AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind IN ('p', 'I') AS partitioned
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relname = ANY (%(names)s) AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 'v', 'f', 'S')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'templedb')
    AND n.nspname NOT LIKE 'pg\\_toast%%' AND n.nspname NOT LIKE 'pg\\_temp%%'
), below AS (
  SELECT oid AS top, oid, partitioned FROM named
  UNION SELECT below.top, i.inhrelid, true
  FROM below JOIN pg_catalog.pg_inherits i ON i.inhparent = below.oid WHERE below.partitioned
), parts AS (
  SELECT below.top, below.partitioned, l.reltuples,
         coalesce(pg_catalog.pg_relation_size(l.oid), 0) AS bytes,
         coalesce(pg_catalog.pg_relation_size(o.oid), 0) AS toast
  FROM below
  JOIN pg_catalog.pg_class l ON l.oid = below.oid
  LEFT JOIN pg_catalog.pg_class o ON o.oid = l.reltoastrelid
  WHERE NOT below.partitioned OR l.relkind IN ('r', 'i')
), summed AS (
  SELECT top, CASE WHEN pg_catalog.bool_or(reltuples < 0 AND NOT (partitioned AND bytes = 0))
                   THEN NULL ELSE pg_catalog.sum(greatest(reltuples, 0)) END AS rows,
         pg_catalog.sum(bytes) AS bytes, pg_catalog.sum(toast) AS toast
  FROM parts GROUP BY top
)
SELECT c.nspname, c.relname, s.rows::bigint, coalesce(s.bytes, 0)::bigint,
       coalesce(s.toast, 0)::bigint, c.partitioned,
       EXISTS (SELECT FROM pg_catalog.pg_partitioned_table p
               WHERE p.partrelid = c.oid AND p.partdefid <> 0), CHECKS
FROM named c LEFT JOIN summed s ON s.top = c.oid
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
    about = {"names": sorted(names)}
    try:
        rows = catalog_rows(connection, _SIZES.replace("CHECKS", _CHECKS), about)
    except LockNotAvailable:
        rows = catalog_rows(connection, _REMEMBERED, about)
    return {
        (schema, name): Size(
            rows=count,
            bytes=size,
            toast=toast,
            partitioned=partitioned,
            has_default=has_default,
            checks=tuple(NullCheck(*each) for each in checks),
        )
        for schema, name, count, size, toast, partitioned, has_default, checks in rows
    }
