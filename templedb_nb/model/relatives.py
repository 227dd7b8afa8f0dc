"""Relations that hang together with those that migrations name, as a target's catalog has them."""

from __future__ import annotations

from templedb_nb.model.dataclass import dataclass

Pair = tuple[str, str]
"""Two relations, by the titles that the session's search_path gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRelation:
    """A relation that a migration may mean; `visible` if its name alone finds it."""

    schema: str
    name: str
    title: str
    visible: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key from `table` to `referenced`; where its columns are not known, it has none.

    One that is `inherited` belongs to a partition, and follows that of its table.
    """

    table: str
    referenced: str
    name: str = ""
    columns: tuple[str, ...] = ()
    referenced_columns: tuple[str, ...] = ()
    inherited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Relatives:
    """The relations of one database around those that migrations name, read at once.

    `partitions` are pairs of a partition and its table, `children` of a table that inherits and its
    parent; `defaults` of a partitioned table and its default partition; `tables` of an index and
    its table; `reads` of a view and what it reads; `leaning` of a table and what a policy, a
    default or the type of a column of it needs. `triggers` are a table, a trigger and the word
    of a statement that fires it. `cut` is whether there are more than were read: then nothing is
    told by name.
    """

    named: tuple[NamedRelation, ...] = ()
    partitions: tuple[Pair, ...] = ()
    children: tuple[Pair, ...] = ()
    defaults: tuple[Pair, ...] = ()
    keys: tuple[ForeignKey, ...] = ()
    tables: tuple[Pair, ...] = ()
    reads: tuple[Pair, ...] = ()
    leaning: tuple[Pair, ...] = ()
    triggers: tuple[tuple[str, str, str], ...] = ()
    cut: bool = False
