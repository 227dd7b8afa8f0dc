"""DETACH PARTITION CONCURRENTLY: what stands half done, and what keeps it from being finished."""

from __future__ import annotations

from collections.abc import Iterator

from templedb_nb.core.sql.probes import Detached
from templedb_nb.targets.postgres.connection.connect import Connection

_PENDING_SINCE = 140000
_COLUMNS = """
SELECT pg_catalog.quote_ident(a.attname), a.attnum,
  pg_catalog.format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = pg_catalog.to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_ELSEWHERE = """
SELECT i.inhparent::pg_catalog.regclass::text, i.inhrelid::pg_catalog.regclass::text,
  i.inhdetachpending
FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhparent,
LATERAL (SELECT pg_catalog.to_regclass(%(parent)s) AS parent,
  pg_catalog.to_regclass(%(partition)s) AS partition) named
WHERE c.relkind = 'p' AND (
  named.parent IS NULL AND i.inhrelid = named.partition
  OR i.inhdetachpending AND named.partition IS NULL
    AND (named.parent IS NULL OR i.inhparent = named.parent))
LIMIT 1
"""
"""A partition of a parent that has another name, or a half detached one that has another name."""
_CONSTRAINTS = """
SELECT c.contype::text, pg_catalog.quote_ident(c.conname),
  (SELECT pg_catalog.quote_ident(attname) FROM pg_catalog.pg_attribute
   WHERE attrelid = c.conrelid AND attnum = c.conkey[1])
FROM pg_catalog.pg_constraint c
WHERE c.conrelid = pg_catalog.to_regclass(%s) AND c.contype IN ('c', 'n', 'p')
  AND (c.contype = 'p' OR NOT c.connoinherit)
ORDER BY pg_catalog.array_position(ARRAY['p', 'c', 'n'], c.contype::text), c.conname
"""


def pending(connection: Connection, probe: Detached) -> bool | None:
    """Return whether the detachment is half done; None if there is no such partition."""
    column = "false"
    if connection.info.server_version >= _PENDING_SINCE:
        column = "inhdetachpending"
    row = connection.execute(
        f"SELECT {column} FROM pg_catalog.pg_inherits"  # noqa: S608 - one of two constants
        " WHERE inhparent = pg_catalog.to_regclass(%s)"
        " AND inhrelid = pg_catalog.to_regclass(%s)".encode(),
        [probe.parent, probe.partition],
    ).fetchone()
    return bool(row[0]) if row else None


def elsewhere(connection: Connection, probe: Detached) -> str:
    """Say under which names the partition may still be one; nothing where it is none any more.

    A parent or a partition that was renamed meanwhile is not found by the names of the statement.
    """
    if connection.info.server_version < _PENDING_SINCE:
        return ""
    row = connection.execute(_ELSEWHERE.encode(), _names(probe)).fetchone()
    if row is None:
        return ""
    parent, partition, half = row
    told = f"{partition} is still a partition of {parent}, and its detachment is half done"
    if not half:
        told = f"{partition} is still a partition of {parent}"
    way = f"ALTER TABLE {parent} DETACH PARTITION {partition}{' FINALIZE' if half else ''}"
    return f"{probe.parent} or {probe.partition} was renamed: {told}. Detach it: {way}"


def _names(probe: Detached) -> dict[str, str]:
    return {"parent": probe.parent, "partition": probe.partition}


def finish(probe: Detached) -> str:
    """Return what finishes a half done detachment."""
    return f"ALTER TABLE {probe.parent} DETACH PARTITION {probe.partition} FINALIZE"


def stuck(connection: Connection, probe: Detached) -> str:
    """Say how the parent was changed behind a half done detachment, and both ways out.

    PostgreSQL 18 finishes none whose parent has columns or constraints that the partition has not;
    nor can the partition be altered, or the detachment be undone.
    """
    back = [*_columns(connection, probe), *_constraints(connection, probe)]
    if not back:
        return ""
    parent, partition = probe.parent, probe.partition
    copy = f"{partition}_kept".replace('"_kept', '_kept"')
    keep = f"CREATE TABLE {copy} AS TABLE {partition}; DROP TABLE {partition}"
    return (
        f"the detachment of {partition} is half done, and the server cannot finish it, because"
        f" {parent} was changed meanwhile. Undo that: {'; '.join(back)}."
        f" Or keep the rows apart, and drop the partition: {keep}. Then run again"
    )


def _columns(connection: Connection, probe: Detached) -> Iterator[str]:
    """Yield what gives the parent the partition's columns again."""
    of_parent = connection.execute(_COLUMNS.encode(), [probe.parent]).fetchall()
    of_partition = connection.execute(_COLUMNS.encode(), [probe.partition]).fetchall()
    types = {name: type_ for name, _, type_ in of_partition}
    names = {name for name, _, _ in of_parent}
    free = {(number, type_): name for name, number, type_ in of_partition if name not in names}
    for name, number, type_ in of_parent:
        if name not in types and (number, type_) in free:
            yield f"ALTER TABLE {probe.parent} RENAME COLUMN {name} TO {free[number, type_]}"
        elif name not in types:
            yield f"ALTER TABLE {probe.parent} DROP COLUMN {name} (its values are lost)"
        elif types[name] != type_:
            yield f"ALTER TABLE {probe.parent} ALTER COLUMN {name} TYPE {types[name]}"


def _constraints(connection: Connection, probe: Detached) -> Iterator[str]:
    """Yield what takes those constraints from the parent that the partition has not."""
    of_parent = connection.execute(_CONSTRAINTS.encode(), [probe.parent]).fetchall()
    of_partition = connection.execute(_CONSTRAINTS.encode(), [probe.partition]).fetchall()
    checks = {name for kind, name, _ in of_partition if kind == "c"}
    filled = {column for kind, _, column in of_partition if kind == "n"}
    keyed = any(kind == "p" for kind, _, _ in of_partition)
    there = {row[0] for row in connection.execute(_COLUMNS.encode(), [probe.partition]).fetchall()}
    for kind, name, column in of_parent:
        if (kind == "p" and not keyed) or (kind == "c" and name not in checks):
            yield f"ALTER TABLE {probe.parent} DROP CONSTRAINT {name}"
        elif kind == "n" and column not in filled and column in there:
            yield f"ALTER TABLE {probe.parent} ALTER COLUMN {column} DROP NOT NULL"
