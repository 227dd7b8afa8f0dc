"""What a statement was seen to do, and the ways of seeing that several commands share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from templedb_nb.core.sql.cursor import NOWHERE, Cursor, Name, word, words
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.effect import LockMode

ALL, ROWS, SCHEMA = (
    LockMode.ACCESS_EXCLUSIVE,
    LockMode.SHARE_ROW_EXCLUSIVE,
    LockMode.SHARE_UPDATE_EXCLUSIVE,
)
SCANS = "reads the whole table to check it"
REWRITES = "rewrites the table and its indexes"
BUILDS = "builds an index: reads the whole table"
WAITS = "waits for older transactions"


class Kin(StrEnum):
    """How relations that no text names hang together with one that it names."""

    PARENT = "the table that it is a partition of"
    ABOVE = "every table that it is a partition or child of"
    PARTS = "its partitions and children"
    DEFAULT = "its default partition"
    DEFAULT_BESIDE = "the default partition beside it"
    REFERENCED = "tables that its foreign keys reference"
    REFERENCING = "tables whose foreign keys reference it"
    DEPENDENTS = (
        "views, foreign keys, policies and defaults that depend on it, with all their tables"
    )
    INDEXES = "indexes that are replaced or removed, at the end"
    SHORTENED = "the table itself for a moment, if its file can be shortened"
    READ = "what it reads, if it is a view"


@dataclass(frozen=True, slots=True)
class Also:
    """Relations that a statement locks beside `name`, if there are any.

    Of foreign keys, only those of the column or the constraint `part` count, if it says one.
    """

    name: Name
    lock: LockMode
    kin: Kin
    part: str = ""


@dataclass(frozen=True, slots=True)
class ObservedEffect:
    """What a statement was seen to do; `made` are tables that did not exist before it."""

    what: str
    locked: tuple[tuple[Name, LockMode], ...] = ()
    note: str = ""
    made: tuple[Name, ...] = ()
    private: bool = False
    beside: str = ""
    renamed: Name = NOWHERE
    also: tuple[Also, ...] = ()


def related(found: Iterable[Also]) -> str:
    """Return in words what is locked beside what the text names."""
    by_lock: dict[str, dict[str, None]] = {}
    for each in found:
        by_lock.setdefault(each.lock.value, {})[each.kin.value] = None
    return "; ".join(
        f"also locked, if there are any: {', '.join(kin)} ({lock})" for lock, kin in by_lock.items()
    )


UNKNOWN = ((NOWHERE, LockMode.UNKNOWN),)
"""Locks that no text tells."""


def on(what: str, at: Cursor, lock: LockMode, place: str = "ON") -> ObservedEffect:
    """See a command whose table stands behind the word *place*."""
    if not at.skip_to(place):
        return ObservedEffect(what, UNKNOWN)
    at.at += 1
    at.take("ONLY")
    return ObservedEffect(what, ((at.name(), lock),))


def cascading(found: ObservedEffect, at: Cursor) -> ObservedEffect:
    """Add what CASCADE means, if that comes next."""
    if not at.take("CASCADE"):
        return found
    note = f"{found.note}; " if found.note else ""
    also = tuple(
        Also(name, ALL, Kin.DEPENDENTS) for name, lock in found.locked if name.key and lock is ALL
    )
    return replace(
        found, note=f"{note}CASCADE takes what depends on it along", also=(*found.also, *also)
    )


def elsewhere(verb: str, at: Cursor) -> ObservedEffect:
    """See a command about something that is not a table."""
    kind = next((" ".join(each) for each in _KINDS if at.take(*each)), "")
    what = f"{verb} {kind.lower() or at.word.lower()}".strip()
    if not kind or kind == "EXTENSION" or (verb, kind) == ("drop", "STATISTICS"):
        return ObservedEffect(what, UNKNOWN)
    if (verb, kind) == ("create", "SCHEMA") and at.holds(_CREATE):
        return ObservedEffect(what, UNKNOWN, "what it creates in the schema is not analysed")
    if verb == "create" and kind in _BODIES:
        return ObservedEffect(what, note="its body is not analysed")
    spreads = _SPREADING.get((verb, kind), _CASCADE if verb == "drop" else frozenset())
    return ObservedEffect(what, UNKNOWN if spreads & {word(each) for each in at.rest} else ())


_CASCADE = words("CASCADE")
_CREATE = words("CREATE")
_SPREADING = {
    ("alter", "DOMAIN"): words("ADD NOT VALIDATE"),
    ("alter", "TYPE"): words("ATTRIBUTE"),
}
"""Words that make an ALTER go on to the tables that use the type."""
_BODIES = words("FUNCTION PROCEDURE")
_KINDS = tuple(tuple(each.split()) for each in (
    "FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "TYPE", "DOMAIN", "SCHEMA", "EXTENSION",
    "ROLE", "USER MAPPING", "USER", "GROUP", "OPERATOR", "CAST", "COLLATION", "DEFAULT CONVERSION",
    "CONVERSION", "DEFAULT PRIVILEGES", "TRUSTED LANGUAGE", "PROCEDURAL LANGUAGE", "LANGUAGE",
    "DATABASE", "TABLESPACE", "SERVER", "FOREIGN DATA WRAPPER", "TEXT SEARCH", "ACCESS METHOD",
    "EVENT TRIGGER", "TRANSFORM", "SYSTEM", "LARGE OBJECT", "STATISTICS",
))  # fmt: skip
