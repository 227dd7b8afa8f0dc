"""How large relations of PostgreSQL are, as its statistics have it."""

from __future__ import annotations

from collections.abc import Collection

from psycopg.errors import LockNotAvailable

from templedb_nb.model.lint import Size
from templedb_nb.targets.postgres.connection.connect import Connection

_SIZES = """
SELECT n.nspname, c.relname, t.rows::bigint, t.bytes::bigint
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  SELECT CASE WHEN pg_catalog.bool_or(p.reltuples < 0) THEN NULL
              ELSE pg_catalog.sum(p.reltuples) END AS rows,
         coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(p.oid)), 0) AS bytes
  FROM pg_catalog.pg_class p
  WHERE p.oid = c.oid
     OR c.relkind IN ('p', 'I') AND p.relkind IN ('r', 'i')
        AND p.oid IN (SELECT i.relid FROM pg_catalog.pg_partition_tree(c.oid) i)
) t
WHERE c.relname = ANY (%s) AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 'v', 'f', 'S')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'templedb')
  AND n.nspname NOT LIKE 'pg\\_toast%%' AND n.nspname NOT LIKE 'pg\\_temp%%'
"""
_REMEMBERED = _SIZES.replace(
    "pg_catalog.pg_relation_size(p.oid)",
    "p.relpages::bigint * pg_catalog.current_setting('block_size')::bigint",
)
"""Takes no lock: what VACUUM and ANALYZE last saw of a table that somebody holds."""


def sizes(connection: Connection, names: Collection[str]) -> dict[tuple[str, str], Size]:
    """Return what bears one of *names*, by schema and name; partitions count for their table.

    A file's size is asked under a lock that somebody's ALTER TABLE excludes; a plan that waits for
    that one must not fail.
    """
    if not names:
        return {}
    try:
        rows = connection.execute(_SIZES, [sorted(names)]).fetchall()
    except LockNotAvailable:
        rows = connection.execute(_REMEMBERED, [sorted(names)]).fetchall()
    return {(schema, name): Size(rows=count, bytes=size) for schema, name, count, size in rows}
