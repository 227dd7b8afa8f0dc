"""What hangs together with relations of PostgreSQL that migrations name, read in one query."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from templedb_nb.model.relatives import ForeignKey, NamedRelation, Pair, Relatives
from templedb_nb.targets.postgres.connection.connect import Connection, catalog_rows

MOST = 5000
"""At most so many rows are read; a database that has more around these names is told by text."""
_RELATIVES = """
WITH RECURSIVE named AS (
  SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relname = ANY (%(names)s) AND c.relkind IN ('r', 'p', 'm', 'i', 'I', 'v', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'templedb')
    AND n.nspname NOT LIKE 'pg\\_toast%%' AND n.nspname NOT LIKE 'pg\\_temp%%'
), owned AS (
  SELECT i.indexrelid AS a, i.indrelid AS b
  FROM pg_catalog.pg_index i JOIN named ON named.oid = i.indexrelid
), base AS (
  SELECT oid FROM named UNION SELECT b FROM owned
), up AS (
  SELECT oid FROM base
  UNION SELECT h.inhparent FROM up JOIN pg_catalog.pg_inherits h ON h.inhrelid = up.oid
), defaults AS (
  SELECT p.partrelid AS a, p.partdefid AS b
  FROM up JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = up.oid WHERE p.partdefid <> 0
), viewed AS (
  SELECT oid FROM base
  UNION SELECT r.ev_class FROM viewed
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass
    AND d.refobjid = viewed.oid AND d.classid = 'pg_catalog.pg_rewrite'::regclass
  JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
), below AS (
  SELECT oid FROM base
  UNION SELECT d.refobjid FROM below
  JOIN pg_catalog.pg_rewrite r ON r.ev_class = below.oid
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass
    AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
), reads AS (
  SELECT DISTINCT r.ev_class AS a, d.refobjid AS b
  FROM (SELECT oid FROM viewed UNION SELECT oid FROM below) v
  JOIN pg_catalog.pg_rewrite r ON r.ev_class = v.oid
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass
    AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
  WHERE d.refobjid <> r.ev_class
), down AS (
  SELECT oid FROM base UNION SELECT b FROM defaults UNION SELECT a FROM reads
  UNION SELECT b FROM reads
  UNION SELECT h.inhrelid FROM down JOIN pg_catalog.pg_inherits h ON h.inhparent = down.oid
), hanging AS (  -- pg_depend has an index for this, pg_constraint and pg_trigger have none
  SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
  WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = ANY (ARRAY(
      SELECT oid FROM down UNION SELECT oid FROM up))
    AND d.classid IN ('pg_catalog.pg_constraint'::regclass, 'pg_catalog.pg_trigger'::regclass)
), keys AS (
  SELECT k.conrelid AS a, k.confrelid AS b, k.conname, k.conkey, k.confkey, k.conparentid <> 0 AS of
  FROM pg_catalog.pg_constraint k
  WHERE k.contype = 'f' AND k.oid = ANY (ARRAY(
      SELECT objid FROM hanging WHERE classid = 'pg_catalog.pg_constraint'::regclass))
    AND (k.conrelid IN (SELECT oid FROM down) OR k.confrelid IN (
      SELECT oid FROM down UNION SELECT oid FROM up))
  UNION ALL  -- a constraint trigger that looks at another table goes with that one
  SELECT t.tgrelid, t.tgconstrrelid, t.tgname, '{}', '{}', false FROM pg_catalog.pg_trigger t
  WHERE t.oid = ANY (ARRAY(
      SELECT objid FROM hanging WHERE classid = 'pg_catalog.pg_trigger'::regclass))
    AND NOT t.tgisinternal AND t.tgconstrrelid IN (SELECT oid FROM down)
), ends AS (
  SELECT oid FROM down UNION SELECT a FROM keys UNION SELECT b FROM keys
  UNION SELECT h.inhrelid FROM ends JOIN pg_catalog.pg_inherits h ON h.inhparent = ends.oid
), leaning AS (  -- policies, defaults that call an owned sequence, columns of a row's type
  SELECT p.polrelid AS a, d.refobjid AS b
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_policy p ON p.oid = d.objid
  WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = ANY (ARRAY(
      SELECT oid FROM down)) AND d.classid = 'pg_catalog.pg_policy'::regclass
  UNION SELECT f.adrelid, s.refobjid FROM pg_catalog.pg_depend s
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass
    AND d.refobjid = s.objid AND d.classid = 'pg_catalog.pg_attrdef'::regclass
  JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
  WHERE s.refclassid = 'pg_catalog.pg_class'::regclass AND s.refobjid = ANY (ARRAY(
      SELECT oid FROM down)) AND s.classid = 'pg_catalog.pg_class'::regclass
    AND s.deptype IN ('a', 'i')
  UNION SELECT d.objid, c.oid FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_type t ON t.oid = c.reltype
  JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_type'::regclass
    AND d.refobjid IN (t.oid, t.typarray) AND d.classid = 'pg_catalog.pg_class'::regclass
    AND d.objsubid > 0
  WHERE c.oid = ANY (ARRAY(SELECT oid FROM down))
), fired AS (
  SELECT t.tgrelid, t.tgname, t.tgtype FROM pg_catalog.pg_trigger t
  JOIN base ON base.oid = t.tgrelid WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
)
SELECT 'named' AS word, nspname AS a, relname AS b, oid::regclass::text AS title,
       pg_catalog.pg_table_is_visible(oid) AS seen, '{}'::text[] AS own, '{}'::text[] AS theirs
FROM named
UNION ALL
SELECT CASE WHEN c.relispartition THEN 'partitions' ELSE 'children' END,
       h.inhrelid::regclass::text, h.inhparent::regclass::text, '', false, '{}', '{}'
FROM pg_catalog.pg_inherits h JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
WHERE h.inhparent IN (SELECT oid FROM ends) OR h.inhrelid IN (SELECT oid FROM up)
UNION ALL
SELECT 'keys', a::regclass::text, b::regclass::text, conname, of,
       ARRAY(SELECT f.attname::text FROM pg_catalog.pg_attribute f
             WHERE f.attrelid = a AND f.attnum = ANY (conkey)),
       ARRAY(SELECT f.attname::text FROM pg_catalog.pg_attribute f
             WHERE f.attrelid = b AND f.attnum = ANY (confkey))
FROM keys
UNION ALL
SELECT word, a::regclass::text, b::regclass::text, '', false, '{}', '{}'
FROM (SELECT 'defaults' AS word, a, b FROM defaults UNION ALL SELECT 'tables', a, b FROM owned
      UNION ALL SELECT 'reads', a, b FROM reads
      UNION ALL SELECT 'leaning', a, b FROM leaning WHERE a <> b) pairs
UNION ALL
SELECT 'triggers', tgrelid::regclass::text, tgname, tgtype::text, false, '{}', '{}' FROM fired
LIMIT %(most)s
"""
_EVENTS = {4: "INSERT", 8: "DELETE", 16: "UPDATE", 32: "TRUNCATE"}


def relatives(connection: Connection, names: Collection[str]) -> Relatives:
    """Return what hangs together with what bears one of *names*, in any schema."""
    if not names:
        return Relatives()
    about = {"names": sorted(names), "most": MOST + 1}
    rows = catalog_rows(connection, _RELATIVES, about)
    if len(rows) > MOST:
        return Relatives(cut=True)
    found: dict[str, list[Any]] = {}
    for word, *values in rows:
        found.setdefault(word, []).append(values)

    def pairs(word: str) -> tuple[Pair, ...]:
        return tuple((a, b) for a, b, *_ in found.get(word, ()))

    return Relatives(
        named=tuple(
            NamedRelation(schema=schema, name=name, title=title, visible=visible)
            for schema, name, title, visible, *_ in found.get("named", ())
        ),
        keys=tuple(
            ForeignKey(
                table=table,
                referenced=referenced,
                name=name,
                columns=tuple(columns),
                referenced_columns=tuple(others),
                inherited=inherited,
            )
            for table, referenced, name, inherited, columns, others in found.get("keys", ())
        ),
        triggers=tuple(
            (table, trigger, event)
            for table, trigger, kind, *_ in found.get("triggers", ())
            for bit, event in _EVENTS.items()
            if int(kind) & bit
        ),
        partitions=pairs("partitions"),
        children=pairs("children"),
        defaults=pairs("defaults"),
        tables=pairs("tables"),
        reads=pairs("reads"),
        leaning=pairs("leaning"),
    )
