"""The invalid indexes that a REINDEX CONCURRENTLY leaves when it is cut off.

It builds each index anew as ``NAME_ccnew``, swaps the two, and drops the old one, ``NAME_ccold``.
Whatever ends it on the way leaves one of them invalid, on the table and on its TOAST table. The
next REINDEX skips invalid ones with a warning; only DROP INDEX removes them.
"""

from __future__ import annotations

from collections.abc import Collection

from psycopg import sql

from templedb_nb.core.sql.probes import Reindexed
from templedb_nb.model.dataclass import dataclass
from templedb_nb.targets.postgres.connection.connect import Connection

TOAST = "pg_toast"
_NAME_SIZE = 63
_TABLES = {
    "INDEX": """
SELECT i.indrelid, i.indexrelid FROM pg_catalog.pg_index i
WHERE i.indexrelid = pg_catalog.to_regclass(%(name)s) OR i.indexrelid IN
  (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%(name)s)))
""",
    "TABLE": """
SELECT t.relid, NULL::oid FROM (
  SELECT pg_catalog.to_regclass(%(name)s)::oid UNION
  SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%(name)s))) t (relid)
""",
    "SCHEMA": """
SELECT c.oid, NULL::oid FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname = (pg_catalog.parse_ident(%(name)s))[1]
""",
    "DATABASE": """
SELECT c.oid, NULL::oid FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
""",
}
"""Which tables a REINDEX works on, and which index of each, if only one."""
_INVALID = f"""
WITH reached (relid, own) AS ({{tables}}),
whole (relid, own) AS (
  SELECT relid, own FROM reached UNION
  SELECT c.reltoastrelid, NULL::oid FROM reached r JOIN pg_catalog.pg_class c ON c.oid = r.relid
  WHERE r.own IS NULL AND c.reltoastrelid <> 0)
SELECT DISTINCT i.indexrelid::bigint, n.nspname, c.relname
FROM whole w
JOIN pg_catalog.pg_index i ON i.indrelid = w.relid AND NOT i.indisvalid
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relname ~ '_cc(new|old)[0-9]*$'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_index b ON b.indrelid = i.indrelid AND b.indexrelid <> i.indexrelid
  AND (w.own IS NULL OR b.indexrelid = w.own)
JOIN pg_catalog.pg_class o ON o.oid = b.indexrelid AND o.relam = c.relam
CROSS JOIN LATERAL pg_catalog.regexp_replace(c.relname, '_cc(new|old)[0-9]*$', '') AS base
WHERE (o.relname = base
  OR pg_catalog.octet_length(c.relname::text) > {_NAME_SIZE - 4}
    AND pg_catalog.starts_with(o.relname::text, base))
  AND (b.indkey, b.indclass, b.indcollation, b.indoption, b.indisunique)
    = (i.indkey, i.indclass, i.indcollation, i.indoption, i.indisunique)
  AND pg_catalog.pg_get_expr(b.indexprs, b.indrelid) IS NOT DISTINCT FROM
    pg_catalog.pg_get_expr(i.indexprs, i.indrelid)
  AND pg_catalog.pg_get_expr(b.indpred, b.indrelid) IS NOT DISTINCT FROM
    pg_catalog.pg_get_expr(i.indpred, i.indrelid)
ORDER BY 2, 3
"""  # noqa: S608 - constants
"""Invalid ones that are called after another index of the same table, and defined as that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidIndex:
    """One invalid index."""

    oid: int
    schema: str
    name: str

    @property
    def title(self) -> str:
        """Name it as people read it."""
        return f"{self.schema}.{self.name}"

    @property
    def drop(self) -> str:
        """Return what drops it."""
        return (
            sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}")
            .format(sql.Identifier(self.schema, self.name))
            .as_string()
        )


def leftovers(
    connection: Connection, probe: Reindexed, spared: Collection[int] = ()
) -> tuple[InvalidIndex, ...]:
    """Return what such a REINDEX can have left, but for those of the oids that are *spared*."""
    if not probe.concurrently or probe.kind not in _TABLES:
        return ()
    query = _INVALID.format(tables=_TABLES[probe.kind])
    found = connection.execute(query.encode(), {"name": probe.name or "x"}).fetchall()
    every = [InvalidIndex(oid=oid, schema=schema, name=name) for oid, schema, name in found]
    return tuple(each for each in every if each.oid not in spared)
