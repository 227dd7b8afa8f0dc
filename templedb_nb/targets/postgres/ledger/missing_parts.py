"""What the tables of the ledger are made of, and which parts somebody took away or changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from templedb_nb.core.run.ledger_guard import TABLES
from templedb_nb.model.ledger_part import MissingPart, PartKind
from templedb_nb.targets.ledger_ddl import ColumnThere, LedgerParts, TableParts, of_columns
from templedb_nb.targets.postgres.connection.connect import Connection

_IDENTITIES = ("event_id_seq",)
_MADE_QUIETLY = "slot"
"""This table is made again whenever it is gone: it holds nothing that the router does not know."""
_THERE = """
WITH ours AS (
    SELECT c.* FROM pg_catalog.pg_class c WHERE c.relnamespace =
        (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'templedb')
)
SELECT 'relation', relname::text, '', relkind::text, relpersistence = 'u', '' FROM ours
UNION ALL
SELECT 'hidden', relname, '', '', true, '' FROM ours
WHERE relkind = 'r' AND pg_catalog.row_security_active(oid)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy y WHERE y.polrelid = ours.oid
    AND y.polpermissive AND y.polcmd IN ('r', '*')
    AND pg_catalog.pg_get_expr(y.polqual, y.polrelid) = 'true')
UNION ALL
SELECT 'column', c.relname, a.attname,
    CASE WHEN a.attgenerated <> '' THEN 'generated'
         ELSE pg_catalog.format_type(a.atttypid, a.atttypmod) END,
    a.attnotnull,
    CASE WHEN a.attidentity <> '' THEN 'GENERATED'
         ELSE coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') END
FROM ours c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'key', c.relname,
    CASE k.contype WHEN 'p' THEN pg_catalog.pg_get_constraintdef(k.oid) ELSE k.conname END,
    k.contype::text, false, coalesce((SELECT a.attname FROM pg_catalog.pg_attribute a
        WHERE k.contype = 'c' AND a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum]), '')
FROM ours c JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid
WHERE k.contype IN ('p', 'c', 'u', 'f', 'x')
UNION ALL
SELECT 'unique', c.relname, x.relname, '', true, '' FROM ours c
JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisunique
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid)
UNION ALL
SELECT 'sequence', c.relname, '', '',
    q.seqincrement = 1 AND q.seqmax = 9223372036854775807 AND NOT q.seqcycle, ''
FROM ours c JOIN pg_catalog.pg_sequence q ON q.seqrelid = c.oid
"""
"""Our own grants have policies; one that shows every row hides none.

What, in which table, with which name, of which kind; whether it must
have a value, is not logged, or counts as it should; its default."""
_KINDS = {
    "v": "a view", "m": "a materialized view", "p": "a partitioned table", "f": "a foreign table",
    "S": "a sequence", "c": "a type", "i": "an index", "I": "an index",
}  # fmt: skip


def missing(connection: Connection, parts: LedgerParts) -> tuple[MissingPart, ...]:
    """Return the parts of a ledger of this format that are gone, or are other ones."""
    there = _Parts(connection)
    found = list(there.sequences(parts))
    for table in TABLES:
        if table in there.tables:
            found += there.of_table(table, parts.tables[table])
        elif table in there.kinds:
            found.append(_replaced(table, there.kinds[table]))
        elif table != _MADE_QUIETLY:
            found.append(MissingPart(kind=PartKind.TABLE, table=table))
    for name, table in parts.indexes.items():
        if there.kinds.get(name) != "i" and table in there.tables:
            found.append(MissingPart(kind=PartKind.INDEX, table=table, name=name))
    return tuple(found)


def replaced(connection: Connection) -> tuple[MissingPart, ...]:
    """Return the tables of the ledger that are something else, such as a view."""
    there = _Parts(connection)
    others = (name for name in TABLES if name in there.kinds and name not in there.tables)
    return tuple(_replaced(name, there.kinds[name]) for name in others)


def _replaced(table: str, kind: str) -> MissingPart:
    return MissingPart(kind=PartKind.REPLACED, table=table, told=_KINDS.get(kind, "another object"))


class _Parts:
    """What is in schema templedb."""

    def __init__(self, connection: Connection) -> None:
        found = connection.execute(_THERE.encode()).fetchall()
        self._found = found
        self.kinds = {table: kind for what, table, _, kind, _, _ in found if what == "relation"}
        self.tables = {name for name, kind in self.kinds.items() if kind == "r"}

    def sequences(self, parts: LedgerParts) -> Iterator[MissingPart]:
        """Yield the sequences that are gone, or give other numbers than the next one."""
        for name in parts.sequences:
            if self.kinds.get(name) != "S":
                yield MissingPart(kind=PartKind.SEQUENCE, table=name)
        for what, name, _, _, counts, _ in self._found:
            if what == "sequence" and name in (*parts.sequences, *_IDENTITIES) and not counts:
                yield MissingPart(kind=PartKind.COUNTING, table=name)

    def of_table(self, table: str, parts: TableParts) -> Iterator[MissingPart]:
        """Yield what is gone of a table, and what is another one."""
        own = [each for each in self._found if each[1] == table]
        columns = {
            name: ColumnThere(kind=kind, needed=needed, default=default)
            for what, _, name, kind, needed, default in own
            if what == "column"
        }
        yield from of_columns(table, parts, columns)
        yield from _constraints(table, parts, own)
        for what, _, name, _, flag, _ in own:
            if what == "unique":
                yield MissingPart(kind=PartKind.UNIQUE, table=table, name=name)
            elif what == "hidden":
                yield MissingPart(kind=PartKind.HIDDEN, table=table)
            elif what == "relation" and flag:
                yield MissingPart(kind=PartKind.UNLOGGED, table=table)


def _constraints(
    table: str, parts: TableParts, own: Sequence[tuple[Any, ...]]
) -> Iterator[MissingPart]:
    keys = [(name, kind, column) for what, _, name, kind, _, column in own if what == "key"]
    if not any(name == parts.key for name, kind, _ in keys if kind == "p"):
        yield MissingPart(kind=PartKind.KEY, table=table, name=parts.key)
    checked = {name for name, _ in parts.checked}
    for name in checked - {column for _, kind, column in keys if kind == "c"}:
        yield MissingPart(kind=PartKind.CHECK, table=table, name=name)
    for name, kind, column in keys:
        if kind != "p" and column not in checked:
            yield MissingPart(kind=PartKind.CONSTRAINT, table=table, name=name)
