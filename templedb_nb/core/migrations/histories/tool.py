"""What is known of a tool's table: its columns, its lock, what its rows say, what proves them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.foreign_history import ForeignRow, ImportConfidence, Row
from templedb_nb.model.layout import Layout

Tell = Callable[[Sequence[Row], Sequence[str]], list[ForeignRow]]
"""Returns what rows say, given the keys of the files that are here, in their order."""


def _unproven(
    told: ForeignRow, body: bytes, values: tuple[tuple[str, str], ...]
) -> ImportConfidence:
    del told, body, values
    return ImportConfidence.ASSUMED


def _no_lock(schema: str, table: str, database: str) -> tuple[int, ...]:
    del schema, table, database
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool.

    `columns` must all be there, with `exact` no others; `more` are columns that only some versions
    have. A table that is called neither of `tables` counts only where `anywhere` says that no other
    tool has such columns. `key` is of a path; with `by_row` a file's own key in the ledger is the
    tool's, too. `sums` gives the checksum of each key from all files at once, by their paths, where
    one file is not enough for it. `lock_table` is a table beside it and its column that is true
    while the tool is at work. Where the table holds no more than the last of a graph, `parents`
    reads that from the files, and `graph` tells by it.
    """

    layout: Layout
    tables: tuple[str, ...]
    columns: tuple[str, ...]
    tell: Tell
    key: Callable[[str], str | None]
    exact: bool = False
    anywhere: bool = False
    schema: str = ""
    verify: Callable[[ForeignRow, bytes, tuple[tuple[str, str], ...]], ImportConfidence] = _unproven
    sums: Callable[[Mapping[str, bytes]], Mapping[str, str]] | None = None
    locks: Callable[[str, str, str], tuple[int, ...]] = _no_lock
    unless: str = ""
    name: str = ""
    more: tuple[str, ...] = ()
    by_row: bool = False
    lock_table: tuple[str, str] | None = None
    parents: Callable[[Mapping[str, bytes]], Mapping[str, tuple[str, ...]]] | None = None
    graph: Callable[[Sequence[Row], Mapping[str, tuple[str, ...]]], list[ForeignRow]] | None = None

    @property
    def title(self) -> str:
        """Return what people call it."""
        return self.name or str(self.layout)

    def fits(self, schema: str, table: str, columns: Iterable[str]) -> bool:
        """Return whether a table may be this tool's."""
        there = frozenset(columns)
        wanted = frozenset(self.columns)
        if not (there == wanted if self.exact else there >= wanted):
            return False
        if self.schema and schema != self.schema:
            return False
        return table in self.tables or self.anywhere


def text(row: Row, column: str) -> str:
    """Return a value as text; null is nothing."""
    found = row.get(column)
    return "" if found is None else str(found)


def newest(rows: Iterable[ForeignRow]) -> list[ForeignRow]:
    """Return the last one of each key, in the order in which those came."""
    found: dict[str, ForeignRow] = {}
    for each in rows:
        found.pop(each.key, None)
        found[each.key] = each
    return list(found.values())


def below(key: str, local: Sequence[str], told: ForeignRow) -> list[ForeignRow]:
    """Return *told* for every local key up to and with *key*, by number."""
    number = int(key)
    keys = sorted({each for each in local if each.isdigit() and int(each) <= number}, key=int)
    if key not in keys:
        keys.append(key)
    return [replace(told, key=each) for each in keys]
