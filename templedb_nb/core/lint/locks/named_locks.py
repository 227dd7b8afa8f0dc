"""Locks on relations that no text names, by what the target's catalog has around those it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from templedb_nb.core.lint.locks.observed_effect import ALL, ROWS, Also, Kin, ObservedEffect
from templedb_nb.core.sql.cursor import Name, word
from templedb_nb.core.sql.tokens import Token
from templedb_nb.model.effect import LockMode, TableLock, stronger, strongest
from templedb_nb.model.relatives import ForeignKey, NamedRelation, Pair, Relatives

MOST = 8
"""So many relations of one sort are named; the others are counted."""
_TITLES = {
    Kin.PARENT: "parent",
    Kin.ABOVE: "parent",
    Kin.PARTS: "partition",
    Kin.DEFAULT: "default partition",
    Kin.DEFAULT_BESIDE: "default partition",
    Kin.REFERENCED: "referenced table",
    Kin.REFERENCING: "referencing table",
    Kin.DEPENDENTS: "dependent",
    Kin.READ: "underlying relation",
}
_CHILD = "child table"
"""What stands before a relation that is named; the kinds left out are told by words alone."""
_FIRING = {"insert": "INSERT", "copy": "INSERT", "update": "UPDATE", "delete": "DELETE",
           "truncate": "TRUNCATE"}  # fmt: skip
_APART = frozenset({
    "alter index", "alter policy", "attach partition", "change owner", "cluster on", "comment",
    "create policy", "create rule", "create statistics", "create view", "detach partition",
    "disable row", "drop policy", "enable row", "force row security", "inherit",
    "no force row security", "no inherit", "replica identity", "set access method",
    "set column options", "set logged", "set parameters", "set schema", "set tablespace",
    "set unlogged", "without cluster", "without oids",
})  # fmt: skip
"""What leaves partitions and children alone, by measurement; see tests/effects."""
_NOT_CHILDREN = frozenset({
    "alter trigger", "cluster", "create index", "create trigger",
    "disable trigger", "drop index", "drop trigger", "enable trigger", "insert", "reindex",
})  # fmt: skip
"""What goes on to partitions, and not to tables that inherit from it."""
OF_INDEX = "the table of"
"""Stands before an index that a statement names and whose table it locks."""
_MOVING = frozenset({"attach partition", "detach partition"})
"""What takes a partition, the second that it names, with all partitions of that."""
_NOT_PARTITIONS = frozenset({"alter publication", "create publication"})
_TYING = frozenset({"add column", "add foreign key", "attach partition", "inherit", "rename"})
"""What may leave more around a table than the catalog had when it was read."""


class Neighbours:
    """Looks up what hangs together with a relation."""

    def __init__(self, found: Relatives) -> None:
        """Look in *found*."""
        self.changed: set[str] = set()
        """Titles of what statements of the plan have tied to others since, or put in its place."""
        self._named: dict[str, list[NamedRelation]] = {}
        for each in found.named:
            self._named.setdefault(each.name, []).append(each)
        pairs = (*found.partitions, *found.children)
        self._above = _by_first(pairs)
        self._below = _by_first((b, a) for a, b in pairs)
        self._partitions = _by_first((b, a) for a, b in found.partitions)
        self._children = _by_first((b, a) for a, b in found.children)
        self._inheriting = {child for child, _ in found.children}
        self._whole = _by_first(found.partitions)
        self._default = _by_first(found.defaults)
        self._keys: dict[str, list[ForeignKey]] = {}
        for key in found.keys:
            for title in {key.table, key.referenced}:
                self._keys.setdefault(title, []).append(key)
        self._table = dict(found.tables)
        self._reads = _by_first(found.reads)
        self._read_by = _by_first((b, a) for a, b in found.reads)
        self._leaning = _by_first((b, a) for a, b in found.leaning)
        self._triggers: dict[tuple[str, str], list[str]] = {}
        for table, trigger, event in found.triggers:
            self._triggers.setdefault((table, event), []).append(trigger)

    def title(self, name: Name, *, by_path: bool = True) -> str:
        """Return what the target calls *name*; nothing where it has none, or several to choose.

        With *by_path*, the session's search_path chooses.
        """
        if not name.key:
            return ""
        there = self._named.get(name.key[-1], [])
        if len(name.key) > 1:
            there = [each for each in there if each.schema == name.key[-2]]
        elif by_path and any(each.visible for each in there):
            there = [each for each in there if each.visible]
        return there[0].title if len(there) == 1 else ""

    def table(self, title: str) -> str:
        """Return the table of an index, and anything else as it is."""
        return self._table.get(title, title)

    def parts(self, title: str) -> list[str]:
        """Return the partitions and children of a table, and those of these."""
        return _reached(self._below, [title])

    def sorted_parts(self, titles: Iterable[str]) -> list[tuple[str, list[str]]]:
        """Return partitions and tables that inherit apart, each with what people call them."""
        sorts: dict[str, list[str]] = {_TITLES[Kin.PARTS]: [], _CHILD: []}
        for title in titles:
            sorts[_CHILD if title in self._inheriting else _TITLES[Kin.PARTS]].append(title)
        return list(sorts.items())

    def reached(self, found: ObservedEffect, title: str, lock: LockMode) -> list[str]:
        """Return the partitions and children to which a statement goes on by itself."""
        actions = found.what.split(", ")
        if found.renamed.text:
            actions.remove("rename")
        if actions == ["create table"] and lock is not ROWS:  # only its foreign keys go on
            return []
        lead: list[str] = []
        for each in (one for one in actions if one not in _APART):
            if each not in _NOT_CHILDREN | _NOT_PARTITIONS:
                return self.parts(title)
            lead += _reached(
                self._children if each in _NOT_PARTITIONS else self._partitions, [title]
            )
        return lead

    def fired(self, what: str, title: str) -> list[str]:
        """Return the triggers that a statement of the class *what* fires on a table."""
        return self._triggers.get((title, _FIRING.get(what, "")), [])

    def of(self, title: str, kin: Kin, part: str = "", *, alone: bool = False) -> list[str]:
        """Return the relations of that kin, with the partitions of each.

        A partition that goes *alone* takes its keys along, and leaves those of its table.
        """
        whole = [title, *self.parts(title)]
        match kin:
            case Kin.PARENT:  # what a table inherits from stays as it is
                return self._whole.get(title, [])
            case Kin.ABOVE:
                return _reached(self._above, [title])
            case Kin.PARTS:
                return self.parts(title)
            case Kin.DEFAULT:
                found = self._default.get(title, [])
            case Kin.DEFAULT_BESIDE:
                above = self._above.get(title, [])
                found = [one for each in above for one in self._default.get(each, [])]
            case Kin.REFERENCED:
                keys = [key for key in self._of(whole, part) if key.table in whole]
                found = [key.referenced for key in keys if not (alone and key.inherited)]
            case Kin.REFERENCING:
                found = self._referencing(whole, part)
            case Kin.DEPENDENTS:
                views = _reached(self._read_by, whole)
                keyed = self._referencing(whole, part)
                # a key that references a partition goes with the one that references its table
                above = _reached(self._above, [title])
                cloned = [k.referenced for k in self._of(keyed, "") if k.referenced in above]
                leaning = [one for each in (*whole, *views) for one in self._leaning.get(each, ())]
                found = [*self.parts(title), *views, *keyed, *cloned, *leaning]
            case _:
                found = _reached(self._reads, whole)
        return [*found, *(below for each in found for below in self.parts(each))]

    def _of(self, whole: Sequence[str], part: str) -> list[ForeignKey]:
        """Return the foreign keys of tables, or only those of the column or constraint *part*."""
        keys = [key for each in whole for key in self._keys.get(each, ())]
        return [
            key for key in keys if not (part and key.columns) or part in (key.name, *key.columns)
        ]

    def _referencing(self, whole: Sequence[str], part: str) -> list[str]:
        keys = [
            key for each in whole for key in self._keys.get(each, ()) if key.referenced in whole
        ]
        return [
            key.table
            for key in keys
            if not (part and key.columns) or part in (key.name, *key.referenced_columns)
        ]


def _by_first(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for first, second in pairs:
        found.setdefault(first, []).append(second)
    return {first: sorted(others) for first, others in found.items()}


def _reached(lead: dict[str, list[str]], start: Sequence[str]) -> list[str]:
    """Return what *lead* leads to from *start*, over any number of steps."""
    found: dict[str, None] = {}
    more = list(start)
    for one in more:  # it grows meanwhile
        fresh = [each for each in lead.get(one, ()) if each not in found and each not in start]
        found |= dict.fromkeys(fresh)
        more += fresh
    return list(found)


def beside(
    found: ObservedEffect,
    tokens: Sequence[Token],
    near: Neighbours,
    made: Iterable[tuple[str, ...]],
    *,
    by_path: bool = True,
) -> tuple[list[TableLock], list[Also], list[str]]:
    """Return what a statement locks beside what it names, what no catalog tells, and triggers.

    Of a table that the same script *made*, the catalog knows nothing yet. Where the script has set
    its search_path, that of the session does not choose (*by_path*).
    """
    made = set(made)

    def called(name: Name) -> str:
        return near.title(name, by_path=by_path) if name.key not in made else ""

    own: dict[str, TableLock] = {}
    for name, lock in found.locked:
        one, title = TableLock(name=name.text, lock=lock), called(name)
        own[title] = stronger(own[title], one) if title in own else one
    locks: dict[str, TableLock] = {}
    left = [
        each for each in found.also if not _along(found, near, each, called(each.name), own, locks)
    ]
    fired = []
    for place, (name, lock) in enumerate(found.locked):
        title = called(name)
        title = near.table(title) if found.beside == OF_INDEX else title
        if title:
            fired += near.fired(found.what, title)
            moved = place > 0 and found.what in _MOVING
            parts = near.parts(title) if moved else near.reached(found, title, lock)
            if parts and (moved or not _only(tokens)):
                for sort, titles in near.sorted_parts(parts):
                    _take(locks, own, titles, lock, sort)
    if len(own) > 1 or found.renamed.text:
        near.changed |= _tied(found, near, own)
    return list(_shortened(locks.values())), left, list(dict.fromkeys(fired))


def _along(
    found: ObservedEffect,
    near: Neighbours,
    each: Also,
    title: str,
    own: Mapping[str, TableLock],
    locks: dict[str, TableLock],
) -> bool:
    """Take what hangs together with *title*; say whether the catalog tells all of it."""
    if not title or each.kin not in _TITLES:
        return False
    at = near.table(title) if found.beside == OF_INDEX else title
    if found.what == "truncate":  # it goes on from key to key, and leaves views alone
        _take(locks, own, near.of(at, Kin.REFERENCING), ALL, _TITLES[Kin.REFERENCING])
        return False
    others = near.of(at, each.kin, each.part, alone=found.what == "drop table")
    sorts = near.sorted_parts(others) if each.kin is Kin.PARTS else [(_TITLES[each.kin], others)]
    for sort, titles in sorts:
        _take(locks, own, titles, each.lock, sort)
    return title not in near.changed


def _tied(found: ObservedEffect, near: Neighbours, own: Iterable[str]) -> set[str]:
    """Return what a statement ties to other relations, or puts in the place of another."""
    ties = not _TYING.isdisjoint(found.what.split(", "))
    return {*own, near.title(found.renamed)} - {""} if ties else set()


def _only(tokens: Sequence[Token]) -> bool:
    return any(word(each) == "ONLY" for each in tokens)


def _take(
    locks: dict[str, TableLock],
    own: Mapping[str, TableLock],
    titles: Iterable[str],
    lock: LockMode,
    kin: str,
) -> None:
    for title in titles:
        each = TableLock(name=title, lock=lock, beside=kin)
        if title not in own or strongest((own[title], each)) is not own[title].lock:
            locks[title] = stronger(locks[title], each) if title in locks else each


def _shortened(locks: Iterable[TableLock]) -> Iterator[TableLock]:
    """Yield the first few of each sort, and how many more there are."""
    sorts: dict[tuple[str, LockMode], list[TableLock]] = {}
    for each in locks:
        sorts.setdefault((each.beside, each.lock), []).append(each)
    for (kin, lock), alike in sorts.items():
        if len(alike) == MOST + 1:  # the last one has a name, too
            yield from alike
            continue
        yield from alike[:MOST]
        if (more := len(alike) - MOST) > 0:
            yield TableLock(name=f"{more} more", lock=lock, beside=kin, count=more)
