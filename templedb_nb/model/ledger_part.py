"""The parts of a ledger's own tables that are gone, or are not as templedb made them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum

from templedb_nb.model.dataclass import dataclass


class PartKind(StrEnum):
    """What kind of part of a ledger is gone, or is another one."""

    TABLE = "table"
    COLUMN = "column"
    DEFAULT = "default"
    KEY = "key"
    SEQUENCE = "sequence"
    INDEX = "index"
    CHECK = "check"
    REPLACED = "replaced"
    TYPE = "type"
    REQUIRED = "required"
    NULLABLE = "nullable"
    CONSTRAINT = "constraint"
    UNIQUE = "unique"
    HIDDEN = "hidden"
    UNLOGGED = "unlogged"
    COUNTING = "counting"
    ROW = "row"


_SPOILS = frozenset(
    {PartKind.TABLE, PartKind.COLUMN, PartKind.TYPE, PartKind.REPLACED, PartKind.HIDDEN}
)
_WORDS = {
    PartKind.TABLE: "table {table} is gone",
    PartKind.SEQUENCE: "sequence {table} is gone",
    PartKind.COLUMN: "{column} is gone",
    PartKind.DEFAULT: "{column} has {told}",
    PartKind.KEY: "{table} has no {name}",
    PartKind.INDEX: "index templedb.{name} is gone",
    PartKind.CHECK: "{column} has no CHECK",
    PartKind.REPLACED: "{table} is {told}, not a table",
    PartKind.TYPE: "{column} is {told}",
    PartKind.REQUIRED: "{column} may not be empty, but runs leave it empty",
    PartKind.NULLABLE: "{column} may be empty",
    PartKind.CONSTRAINT: "{table} has a constraint that is not templedb's: {name}",
    PartKind.UNIQUE: "{table} has a unique index that is not templedb's: {name}",
    PartKind.HIDDEN: "row security hides rows of {table}",
    PartKind.UNLOGGED: "{table} is unlogged: a crash of the server would empty it",
    PartKind.COUNTING: "sequence {table} no longer counts up by one without a limit",
    PartKind.ROW: "the row of {name} in {table} cannot be read: {told}",
}
_SPARED = frozenset({PartKind.INDEX, PartKind.CHECK, PartKind.NULLABLE, PartKind.UNLOGGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPart:
    """A part of the ledger's own tables that somebody took away, changed or added.

    `name` is which part of a table, `told` what is there instead.
    """

    kind: PartKind
    table: str
    name: str = ""
    told: str = ""

    @property
    def needed(self) -> bool:
        """Return whether no run can do without its repair."""
        return self.kind not in _SPARED

    def spoils(self, tables: Collection[str]) -> bool:
        """Return whether one of *tables* cannot be read because of it."""
        return self.kind in _SPOILS and self.table in tables

    def __str__(self) -> str:
        """Say what is gone, or what is there instead."""
        table = f"templedb.{self.table}"
        return _WORDS[self.kind].format(
            table=table, name=self.name, told=self.told, column=f"column {self.name} of {table}"
        )


FEW = 3
"""So many columns of a table that have the same fault are named one by one."""


def summary(parts: Iterable[MissingPart]) -> str:
    """Say what is gone or changed, in one line; many columns with the same fault are counted."""
    same: dict[tuple[PartKind, str, str], list[MissingPart]] = {}
    for part in parts:
        same.setdefault((part.kind, part.table, part.told), []).append(part)
    told: list[str] = []
    for found in same.values():
        told += map(str, found[: FEW if len(found) > FEW else None])
        if len(found) > FEW:
            told[-1] = f"{told[-1]} (and {len(found) - FEW} more like it)"
    return "; ".join(told)
