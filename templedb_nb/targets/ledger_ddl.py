"""What our own text says that the tables of a ledger are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cache

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.ledger_part import MissingPart, PartKind

_TABLE = "\nCREATE TABLE templedb."
_SEQUENCE = re.compile(r"^CREATE SEQUENCE templedb\.(\w+);", re.MULTILINE)
_INDEX = re.compile(r"^CREATE INDEX (\w+) ON templedb\.(\w+)", re.MULTILINE)
_KEY = "PRIMARY KEY"
_TYPES = {"timestamptz": "timestamp with time zone"}
DECISIVE = {
    "event": frozenset({"project"}),
    "run": frozenset({"id", "project"}),
    "command": frozenset({"attempt_id", "project"}),
}
"""The tables whose rows are copied back although columns are lost, and those that may not be."""
NAMING = frozenset({"project", "key"})
"""The columns without which nobody can tell whose row of a migration it is."""
PROVING = frozenset({
    "kind", "checksum", "checksum_alg", "token_checksum", "token_alg", "state", "mode", "steps",
    "step_done", "step_started", "attempt_id", "run_seq",
})  # fmt: skip
"""The columns without one of which a row of a migration proves nothing: it is in doubt."""


def stands_for(
    gaps: AbstractSet[str], stand_ins: Mapping[str, str], columns: Mapping[str, str]
) -> dict[str, str]:
    """Return, by column of a migration's row, what is written where it lost those *gaps*.

    A column that is not named takes its default. *stand_ins* has a value for each type.
    """
    values = {name: name for name in columns if name not in gaps}
    for name in gaps - {"run_seq", "scope", "layout"}:
        if "NOT NULL" in columns[name]:
            values[name] = stand_ins[column_type(columns[name])]
    if "file" in gaps:
        values["file"] = "key"
    if gaps & PROVING:
        told = "a part of its row was lost: nobody knows whether it took effect"
        values |= {"kind": "'run'", "state": "'in_doubt'", "mode": "'transaction'"}
        values |= {"steps": "0", "step_done": "0", "step_started": "0", "error": f"'{told}'"}
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class TableParts:
    """What our own text says of one table: its columns, as they are written there, and its key."""

    columns: Mapping[str, str]
    key: str

    @property
    def checked(self) -> Iterator[tuple[str, str]]:
        """Yield the columns that have a CHECK, and that CHECK."""
        for name, text in self.columns.items():
            if "CHECK " in text:
                yield name, text[text.index("CHECK ") :]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerParts:
    """What our own text says of the whole ledger; an index has its table."""

    tables: Mapping[str, TableParts]
    sequences: tuple[str, ...]
    indexes: Mapping[str, str]


@cache
def declared(ddl: str) -> LedgerParts:
    """Read *ddl*, the text that creates the ledger; it has one column a line."""
    texts = (each.partition("\n);")[0].partition(" (\n") for each in ddl.split(_TABLE)[1:])
    return LedgerParts(
        tables={name: _table(body) for name, _, body in texts},
        sequences=tuple(_SEQUENCE.findall(ddl)),
        indexes=dict(_INDEX.findall(ddl)),
    )


def filled(definition: str) -> bool:
    """Return whether the server fills a column of that *definition*, where nothing is given."""
    return "DEFAULT " in definition or "GENERATED " in definition


def column_type(definition: str) -> str:
    """Return the type of a column of that *definition*, as the server writes it."""
    word = definition.split(maxsplit=1)[0]
    return _TYPES.get(word, word)


def default_of(definition: str) -> str:
    """Return the default of a column of that *definition*; of an identity, that it is one."""
    if "GENERATED " in definition:
        return "GENERATED"
    return definition.partition("DEFAULT ")[2].partition(" CHECK ")[0]


def _table(body: str) -> TableParts:
    columns, key = {}, ""
    for line in body.strip().splitlines():
        name, _, definition = line.strip().removesuffix(",").partition(" ")
        definition = definition.strip()
        if name == "PRIMARY":
            key = f"{name} {definition}"
        elif _KEY in definition:
            key = f"{_KEY} ({name})"
            definition = definition.replace(_KEY, "").replace("  ", " ").strip()
            columns[name] = definition if filled(definition) else f"{definition} NOT NULL"
        else:
            columns[name] = definition
    return TableParts(columns=columns, key=key)


_NOISE = re.compile(r"::[a-z ]+|templedb\.|pg_catalog\.|[()\"]|\s")
"""What tells one default's text from another's, and means nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnThere:
    """A column as it is there: its type, whether it must have a value, its default or nothing."""

    kind: str
    needed: bool
    default: str


def of_columns(
    table: str, parts: TableParts, there: Mapping[str, ColumnThere]
) -> Iterator[MissingPart]:
    """Yield the columns of *table* that are gone, are other ones, or stand in the way of rows."""
    for name, definition in parts.columns.items():
        if name not in there:
            yield MissingPart(kind=PartKind.COLUMN, table=table, name=name)
        else:
            yield from _of_column(table, name, definition, there[name])
    for name, column in there.items():
        unfilled = column.needed and not column.default and column.kind != GENERATED
        if name not in parts.columns and unfilled:
            yield MissingPart(kind=PartKind.REQUIRED, table=table, name=name)


GENERATED = "generated"
"""The kind of a column that the database computes."""


def _of_column(table: str, name: str, definition: str, there: ColumnThere) -> Iterator[MissingPart]:
    wanted = column_type(definition)
    if there.kind != wanted:
        told = there.kind if there.kind == GENERATED else f"of type {there.kind}, not {wanted}"
        yield MissingPart(kind=PartKind.TYPE, table=table, name=name, told=told)
    elif filled(definition) and _meaning(there.default) != _meaning(default_of(definition)):
        told = "another default than templedb's" if there.default else "no default"
        yield MissingPart(kind=PartKind.DEFAULT, table=table, name=name, told=told)
    if there.needed and "NOT NULL" not in definition and not filled(definition):
        yield MissingPart(kind=PartKind.REQUIRED, table=table, name=name)
    elif not there.needed and "NOT NULL" in definition:
        yield MissingPart(kind=PartKind.NULLABLE, table=table, name=name)


def _meaning(default: str) -> str:
    return _NOISE.sub("", default).upper()
