"""What CREATE, DROP and ALTER do to tables."""

from __future__ import annotations

from dataclasses import replace

from templedb_nb.core.lint import alter
from templedb_nb.core.lint.alter import references
from templedb_nb.core.lint.locks import table_access
from templedb_nb.core.lint.locks.observed_effect import (
    ALL,
    BUILDS,
    ROWS,
    SCHEMA,
    UNKNOWN,
    Also,
    Kin,
    ObservedEffect,
    cascading,
    elsewhere,
    on,
)
from templedb_nb.core.sql.cursor import NOWHERE, Cursor, Name, each_name, word, words
from templedb_nb.model.effect import LockMode, TableLock, strongest


def creates(at: Cursor) -> ObservedEffect:
    """See a CREATE, behind that word."""
    at.take("OR", "REPLACE")
    replaces = at.at > 1
    start = at.at
    at.take_any(_MODIFIERS)
    private = not words("TEMP TEMPORARY").isdisjoint(map(word, at.tokens[start : at.at]))
    if at.take("TABLE") or at.take("FOREIGN", "TABLE"):
        return replace(_table(at), private=private)
    if at.take("UNIQUE", "INDEX") or at.take("INDEX"):
        return _index(at)
    if at.take("MATERIALIZED", "VIEW") or at.take("RECURSIVE", "VIEW") or at.take("VIEW"):
        return replace(_view(at, replaces=replaces), private=private)
    if at.take("CONSTRAINT", "TRIGGER") or at.take("TRIGGER"):
        return on("create trigger", at, ROWS)
    if at.take("POLICY"):
        return on("create policy", at, ALL)
    if at.take("RULE"):
        at.skip_to("TO")
        return _rule(at)
    if at.take("STATISTICS"):
        return on("create statistics", at, SCHEMA, "FROM")
    if at.take("SEQUENCE"):
        at.take("IF", "NOT", "EXISTS")
        return ObservedEffect("create sequence", made=(at.name(),))
    if at.take("PUBLICATION"):
        return _publication("create publication", at)
    return elsewhere("create", at)


_NAMED = LockMode.ACCESS_SHARE
_MODIFIERS = words("GLOBAL LOCAL TEMP TEMPORARY UNLOGGED")


def _rule(at: Cursor) -> ObservedEffect:
    found = on("create rule", at, ALL, "TO")
    at.skip_to("DO")
    at.at += 1
    at.take_any(words("ALSO INSTEAD"))
    body = at.group() if at.word == "(" else at.rest
    return replace(found, locked=(*found.locked, *table_access.locked(body)))


def _table(at: Cursor) -> ObservedEffect:
    maybe = at.take("IF", "NOT", "EXISTS")
    name = at.name()
    others: list[tuple[Name, LockMode]] = []
    also: tuple[Also, ...] = ()
    notes = ["does nothing if it exists already"] if maybe else []
    if at.take("PARTITION", "OF"):
        parent = at.name()
        others.append((parent, ALL))
        keys = ((Kin.DEFAULT, ALL), (Kin.REFERENCED, ROWS), (Kin.REFERENCING, ROWS))
        also = tuple(Also(parent, lock, kin) for kin, lock in keys)
        notes.append(
            "reads the default partition, unless a constraint proves that none of its rows fits"
        )
    if at.word == "(":
        body = at.group()
        others += references(body)
        inner = Cursor(body)
        while inner.skip_to("LIKE"):
            inner.at += 1
            others.append((inner.name(), LockMode.ACCESS_SHARE))
        others = [each for each in others if each[0].text]
    if at.take("INHERITS"):
        others += [(each, SCHEMA) for each in Cursor(at.group()).names()]
    if at.skip_to("AS"):
        at.at += 1
        body = at.group() if at.word == "(" else at.rest
        others += table_access.locked(body) if Cursor(body).word in table_access.VERBS else UNKNOWN
    others = [(each, lock) for each, lock in others if each.key != name.key or not each.text]
    return ObservedEffect(
        "create table", tuple(others), "; ".join(notes), made=() if maybe else (name,), also=also
    )


def _index(at: Cursor) -> ObservedEffect:
    gently = at.take("CONCURRENTLY")
    maybe = at.take("IF", "NOT", "EXISTS")
    if not at.skip_to("ON"):
        return ObservedEffect("create index", UNKNOWN)
    at.at += 1
    only = at.take("ONLY")
    if gently:
        note = "reads the table twice, and waits for older transactions"
        return ObservedEffect("create index concurrently", ((at.name(), SCHEMA),), note)
    unless = ", unless the table is partitioned" if only else ", unless it exists" if maybe else ""
    return ObservedEffect("create index", ((at.name(), LockMode.SHARE),), f"{BUILDS}{unless}")


def _view(at: Cursor, *, replaces: bool) -> ObservedEffect:
    at.take("IF", "NOT", "EXISTS")
    materialized = "MATERIALIZED" in map(word, at.tokens[:4])
    name = at.name()
    what = "create materialized view" if materialized else "create view"
    own = ((name, ALL),) if replaces else ()
    at.skip_to("AS")
    at.at += 1
    read = tuple(table_access.locked(at.rest))
    note = "if it exists already, it is replaced" if replaces else ""
    return ObservedEffect(what, (*own, *read), note, made=() if replaces else (name,))


_WITH_A_TABLE = (Kin.PARENT, Kin.DEFAULT_BESIDE, Kin.REFERENCED)


def drops(at: Cursor) -> ObservedEffect:
    """See a DROP, behind that word."""
    for kind in ("TABLE", "FOREIGN TABLE", "MATERIALIZED VIEW", "VIEW", "SEQUENCE"):
        if at.take(*kind.split()):
            at.take("IF", "EXISTS")
            touched = tuple((name, ALL) for name in at.names())
            table = kind.endswith("TABLE")
            also = tuple(Also(name, ALL, kin) for name, _ in touched for kin in _WITH_A_TABLE)
            found = ObservedEffect(f"drop {kind.lower()}", touched)
            return cascading(
                replace(found, note="with its rows", also=also) if table else found, at
            )
    if at.take("INDEX"):
        gently = at.take("CONCURRENTLY")
        at.take("IF", "EXISTS")
        touched = tuple((name, SCHEMA if gently else ALL) for name in at.names())
        what = "drop index concurrently" if gently else "drop index"
        also = tuple(Also(name, ALL, Kin.INDEXES) for name, _ in touched if gently)
        return cascading(ObservedEffect(what, touched, beside="the table of", also=also), at)
    for kind in ("TRIGGER", "POLICY", "RULE"):
        if at.take(kind):
            return on(f"drop {kind.lower()}", at, ALL)
    if at.take("OWNED"):
        return ObservedEffect("drop owned", UNKNOWN)
    return elsewhere("drop", at)


def alters(at: Cursor) -> ObservedEffect:
    """See an ALTER, behind that word."""
    if at.take("TABLE") or at.take("FOREIGN", "TABLE"):
        return _alter_table(at)
    if at.take("MATERIALIZED", "VIEW"):
        return replace(_alter_table(at), what="alter view", renamed=NOWHERE)
    if at.take("VIEW"):
        at.take("IF", "EXISTS")
        return ObservedEffect("alter view", ((at.name(), ALL),))
    if at.take("SEQUENCE"):
        at.take("IF", "EXISTS")
        name = at.name()
        strong = at.word in {"RENAME", "OWNER"} or (at.word == "SET" and at.ahead(1) != "(")
        return ObservedEffect("alter sequence", ((name, ALL if strong else ROWS),))
    if at.take("INDEX"):
        at.take("IF", "EXISTS")
        name = at.name()
        strong = at.word in {"DEPENDS", "NO"} or (at.word, at.ahead(1)) == ("SET", "TABLESPACE")
        if at.take("ATTACH", "PARTITION"):
            both = ((name, SCHEMA), (at.name(), ALL))
            return ObservedEffect("alter index", both, beside="index")
        lock = LockMode.UNKNOWN if name.key == ("all",) else ALL if strong else SCHEMA
        return ObservedEffect("alter index", ((name, lock),), beside="index")
    if at.take("TRIGGER"):
        found = on("alter trigger", at, ALL)
        mild = at.word in {"DEPENDS", "NO"}
        return replace(found, locked=((found.locked[0][0], _NAMED),)) if mild else found
    if at.take("POLICY") or at.take("RULE"):
        return on("alter policy" if word(at.tokens[1]) == "POLICY" else "alter rule", at, ALL)
    if at.take("PUBLICATION"):
        return _publication("alter publication", at)
    return elsewhere("alter", at)


def _publication(what: str, at: Cursor) -> ObservedEffect:
    at.name()
    at.take_any(words("FOR ADD DROP"))
    if not at.take("TABLE"):
        quiet = at.done or at.word in {"ALL", "WITH", "RENAME", "OWNER"}
        return ObservedEffect(what, () if quiet else UNKNOWN)
    at.take("ONLY")
    return ObservedEffect(what, tuple((name, SCHEMA) for name in each_name(at)))


def _alter_table(at: Cursor) -> ObservedEffect:
    at.take("IF", "EXISTS")
    at.take("ONLY")
    name = at.name()
    at.take("*")
    if not name.text or name.key == ("all",):
        return ObservedEffect("alter table", UNKNOWN)
    renamed = NOWHERE
    if at.word == "RENAME" and at.ahead(1) == "TO":
        renamed = Cursor(at.tokens[at.at + 2 :]).name()
        renamed = Name(renamed.text, (*name.key[:-1], *renamed.key))
    found = alter.actions(at.rest)
    lock = strongest(TableLock(name="", lock=each.lock) for each in found)
    others = tuple(other for each in found for other in each.others)
    notes = dict.fromkeys(each.note for each in found if each.note)
    whats = ", ".join(dict.fromkeys(each.what for each in found))
    also = tuple(
        Also(name, lock, kin, "" if _by_key(each, kin) else each.part)
        for each in found
        for kin, lock in each.also
    )
    return ObservedEffect(
        whats, ((name, lock), *others), "; ".join(notes), renamed=renamed, also=also
    )


def _by_key(each: alter.Action, kin: Kin) -> bool:
    """Return whether what goes along references a key, which has not the name of the constraint."""
    return kin is Kin.DEPENDENTS and each.what == "drop constraint"
