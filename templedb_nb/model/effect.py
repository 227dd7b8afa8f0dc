"""What a statement does to tables, as far as its text tells: its class, its locks, whom they block.

Locks are those of PostgreSQL, held until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from templedb_nb.model.dataclass import dataclass


class LockMode(StrEnum):
    """A lock on a table, the weakest first; of UNKNOWN nobody can tell without running it."""

    NONE = "none"
    ACCESS_SHARE = "ACCESS SHARE"
    ROW_SHARE = "ROW SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"
    UNKNOWN = "unknown"

    @property
    def blocks(self) -> Blocks:
        """Return whom it keeps waiting among those who read and write the table."""
        return _BLOCKS.get(self, Blocks.NOTHING)


class Blocks(StrEnum):
    """Whom a lock keeps waiting, the least first."""

    NOTHING = "nothing"
    UNKNOWN = "unknown"
    WRITES = "writes"
    ALL = "reads and writes"


_BLOCKS = {
    LockMode.SHARE: Blocks.WRITES,
    LockMode.SHARE_ROW_EXCLUSIVE: Blocks.WRITES,
    LockMode.EXCLUSIVE: Blocks.WRITES,
    LockMode.ACCESS_EXCLUSIVE: Blocks.ALL,
    LockMode.UNKNOWN: Blocks.UNKNOWN,
}
_STRENGTH = {lock: place for place, lock in enumerate(LockMode)}
_GRAVITY = {blocks: place for place, blocks in enumerate(Blocks)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLock:
    """Something that a statement locks; `name` as it is written, empty where nobody can tell.

    `beside` says what is meant where the name is of something else: the *table of* an index; or how
    it hangs together with what is written: a *default partition*. What the same transaction made is
    `new`: nobody else sees it, so nobody waits. One may stand for `count` relations.
    """

    name: str
    lock: LockMode
    beside: str = ""
    new: bool = False
    count: int = 1

    @property
    def title(self) -> str:
        """Name it as people do."""
        if self.count > 1:
            return f"{self.name} {self.beside}s"
        return f"{self.beside} {self.name}" if self.beside else self.name

    @property
    def blocks(self) -> Blocks:
        """Return whom the lock keeps waiting."""
        return Blocks.NOTHING if self.new else self.lock.blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementEffect:
    """What one statement does, or `count` of them in a row that do the same.

    `what` is its class; `note` is what it costs beside its locks, such as a rewrite of the table.
    """

    line: int
    what: str
    touched: tuple[TableLock, ...] = ()
    note: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What a script does: its first effects, how many `more` it has, and its strongest locks.

    `locks` has every object once, the gravest first; a database without table locks has none.
    `named` is whether the target was asked for the names of what is locked beside what it names.
    """

    effects: tuple[StatementEffect, ...] = ()
    more: int = 0
    locks: tuple[TableLock, ...] = ()
    named: bool = False


NO_IMPACT = Impact()


def strongest(touched: Iterable[TableLock]) -> LockMode:
    """Return the strongest lock."""
    return max((each.lock for each in touched), key=_STRENGTH.__getitem__, default=LockMode.NONE)


def ranked(touched: Iterable[TableLock]) -> tuple[TableLock, ...]:
    """Return them with the gravest first: by whom they block, then by their strength."""
    return tuple(sorted(touched, key=lambda t: (-_GRAVITY[t.blocks], -_STRENGTH[t.lock], t.title)))


def stronger(one: TableLock, other: TableLock) -> TableLock:
    """Return the graver of two locks on one object."""
    return ranked((one, other))[0]
