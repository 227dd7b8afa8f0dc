"""What a statement was seen to do, and the ways of seeing that several commands share."""

from __future__ import annotations

from dataclasses import dataclass, replace

from templedb_nb.core.sql.cursor import NOWHERE, Cursor, Name, word, words
from templedb_nb.model.effect import LockMode

ALL, ROWS, SCHEMA = (
    LockMode.ACCESS_EXCLUSIVE,
    LockMode.SHARE_ROW_EXCLUSIVE,
    LockMode.SHARE_UPDATE_EXCLUSIVE,
)
SCANS = "reads the whole table to check it"
REWRITES = "rewrites the table and its indexes"
BUILDS = "builds an index: reads the whole table"


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
    return replace(found, note=f"{note}CASCADE takes what depends on it along")


def elsewhere(verb: str, at: Cursor) -> ObservedEffect:
    """See a command about something that is not a table."""
    kind = next((" ".join(each) for each in _KINDS if at.take(*each)), "")
    what = f"{verb} {kind.lower() or at.word.lower()}".strip()
    if not kind or kind == "EXTENSION":
        return ObservedEffect(what, UNKNOWN)
    if verb == "create" and kind in _BODIES:
        return ObservedEffect(what, note="its body is not analysed")
    spreads = _SPREADING.get((verb, kind), _CASCADE if verb == "drop" else frozenset())
    return ObservedEffect(what, UNKNOWN if spreads & {word(each) for each in at.rest} else ())


_CASCADE = words("CASCADE")
_SPREADING = {
    ("alter", "DOMAIN"): words("ADD SET VALIDATE"),
    ("alter", "TYPE"): words("ATTRIBUTE"),
}
"""Words that make an ALTER go on to the tables that use the type."""
_BODIES = words("FUNCTION PROCEDURE")
_KINDS = tuple(tuple(each.split()) for each in (
    "FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE", "TYPE", "DOMAIN", "SCHEMA", "EXTENSION",
    "ROLE", "USER MAPPING", "USER", "GROUP", "OPERATOR", "CAST", "COLLATION", "DEFAULT CONVERSION",
    "CONVERSION", "DEFAULT PRIVILEGES", "TRUSTED LANGUAGE", "PROCEDURAL LANGUAGE", "LANGUAGE",
    "DATABASE", "TABLESPACE", "SERVER", "FOREIGN DATA WRAPPER", "TEXT SEARCH", "ACCESS METHOD",
    "EVENT TRIGGER", "TRANSFORM", "SYSTEM", "LARGE OBJECT",
))  # fmt: skip
