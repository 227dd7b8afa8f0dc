"""What tells, without reading a row, that a transaction had to do with the ledger's tables.

The catalog knows which tables they are, in which files, with which columns and indexes; the session
itself counts the rows that it writes. Their oids are looked up once in a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from psycopg.pq.abc import PGresult

from templedb_nb.core.run.ledger_guard import TABLES
from templedb_nb.model.dataclass import dataclass
from templedb_nb.targets.postgres.connection.connect import Connection

SEQUENCES = ("migration_seq", "event_id_seq")
_RELATIONS = """
SELECT c.relname, c.oid::text, coalesce(pg_catalog.pg_relation_filenode(c.oid)::text, ''),
       c.relkind::text, n.oid::text,
       ARRAY(SELECT i.indexrelid::text FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid)
FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
WHERE n.nspname = 'templedb' AND c.relkind IN ('r', 'S') AND c.relname = ANY (%s)
ORDER BY c.oid
"""
_CATALOG = """
(SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', c.relname, c.oid, c.xmin, c.relnamespace,
        pg_catalog.pg_relation_filenode(c.oid)), ',' ORDER BY c.oid)
 FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) ANY ('{{{all}}}'::pg_catalog.oid[]))
"""
_UNCHANGED = """
pg_catalog.current_setting('track_counts') OPERATOR(pg_catalog.=) 'on'
AND pg_catalog.to_regnamespace('templedb')::pg_catalog.oid OPERATOR(pg_catalog.=) {namespace}
AND pg_catalog.has_schema_privilege(session_user, {namespace}::pg_catalog.oid, 'USAGE')
AND {counters} OPERATOR(pg_catalog.=) '{counted}'
AND {numbered}
AND {catalog} OPERATOR(pg_catalog.=) '{known}'
AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
  WHERE a.attrelid OPERATOR(pg_catalog.=) ANY ('{{{tables}}}'::pg_catalog.oid[])
    AND pg_catalog.age(a.xmin) OPERATOR(pg_catalog.<=) 0)
"""
_COUNTS = ("inserted", "updated", "deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRelations:
    """The ledger's relations as the session found them: oid and file of each, by name."""

    namespace: str
    tables: Mapping[str, tuple[str, str]]
    sequences: Mapping[str, str]
    indexes: tuple[str, ...]
    catalog: str

    @property
    def begin(self) -> str:
        """Return the query that says what the session has counted when a transaction begins."""
        numbers = ", ".join(f"{_number(oid)}" for oid in self.sequences.values())
        return f"SELECT {self._counters}{f', {numbers}' if numbers else ''}"

    def unchanged(self, before: CounterBaseline) -> str:
        """Return the condition that nothing moved since *before*, in the transaction that is open.

        It reads no row, and wants no right but those that everybody has.
        """
        numbered = [
            f"{_number(self.sequences[name])} OPERATOR(pg_catalog.>=) {last}"
            for name, last in before.numbers.items()
        ]
        return _UNCHANGED.format(
            namespace=self.namespace,
            counters=self._counters,
            counted=before.counted,
            numbered=" AND ".join(numbered) or "true",
            catalog=_CATALOG.format(all=self.oids),
            known=self.catalog,
            tables=",".join(oid for oid, _ in self.tables.values()),
        )

    @property
    def oids(self) -> str:
        """Return the oids of tables, sequences and indexes, between commas."""
        tables = [oid for oid, _ in self.tables.values()]
        return ",".join([*tables, *self.sequences.values(), *self.indexes])

    @property
    def _counters(self) -> str:
        each = [
            f"pg_catalog.pg_stat_get_xact_tuples_{what}({oid})"
            for oid, _ in self.tables.values()
            for what in _COUNTS
        ]
        return f"pg_catalog.concat_ws(' ', {', '.join(each)})"

    def before(self, result: PGresult) -> CounterBaseline:
        """Return what `begin` answered."""
        counted = result.get_value(0, 0) or b""
        numbers = {
            name: int(result.get_value(0, place) or 0)
            for place, name in enumerate(self.sequences, start=1)
        }
        return CounterBaseline(counted=counted.decode(), numbers=numbers)

    def deleted(self, counted: str) -> dict[str, int]:
        """Return how many rows the session has taken away from each table."""
        found = counted.split()[2::3]
        return {name: int(each) for name, each in zip(self.tables, found, strict=False)}


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterBaseline:
    """What the session had counted when a transaction began, and the last numbers of sequences."""

    counted: str
    numbers: Mapping[str, int]


def _number(oid: str) -> str:
    """Return the last number of a sequence; -1 where a role that a file took may not know it."""
    return (
        f"CASE WHEN pg_catalog.has_sequence_privilege({oid}::pg_catalog.oid, 'USAGE, SELECT')"
        f" THEN coalesce(pg_catalog.pg_sequence_last_value({oid}), 0) ELSE -1 END"
    )


def relations(connection: Connection) -> Sequence[tuple[str, str, str, str, str, list[str]]]:
    """Return the ledger's relations: name, oid, file, kind, schema's oid, oids of indexes."""
    return connection.execute(_RELATIONS, [[*TABLES, *SEQUENCES]]).fetchall()


def learn(connection: Connection) -> LedgerRelations:
    """Look the ledger's relations up."""
    found = relations(connection)
    marks = LedgerRelations(
        namespace=found[0][4] if found else "0",
        tables={name: (oid, file) for name, oid, file, kind, *_ in found if kind == "r"},
        sequences={name: oid for name, oid, _, kind, *_ in found if kind == "S"},
        indexes=tuple(index for *_, indexes in found for index in indexes),
        catalog="",
    )
    row = connection.execute(f"SELECT {_CATALOG.format(all=marks.oids)}".encode()).fetchone()
    return replace(marks, catalog=str(row[0]) if row else "")
