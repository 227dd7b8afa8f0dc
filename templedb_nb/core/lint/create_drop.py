"""What CREATE, DROP and ALTER do to tables."""

from __future__ import annotations

from dataclasses import replace

from templedb_nb.core.lint import alter, table_access
from templedb_nb.core.lint.alter import references
from templedb_nb.core.lint.observed_effect import (
    ALL,
    BUILDS,
    ROWS,
    SCHEMA,
    UNKNOWN,
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
        return on("create rule", at, ALL, "TO")
    if at.take("STATISTICS"):
        return on("create statistics", at, SCHEMA, "FROM")
    if at.take("SEQUENCE"):
        at.take("IF", "NOT", "EXISTS")
        return ObservedEffect("create sequence", made=(at.name(),))
    if at.take("PUBLICATION"):
        return _publication("create publication", at)
    return elsewhere("create", at)


_MODIFIERS = words("GLOBAL LOCAL TEMP TEMPORARY UNLOGGED")


def _table(at: Cursor) -> ObservedEffect:
    maybe = at.take("IF", "NOT", "EXISTS")
    name = at.name()
    others: list[tuple[Name, LockMode]] = []
    if at.take("PARTITION", "OF"):
        others.append((at.name(), ALL))
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
    note = "does nothing if it exists already" if maybe else ""
    return ObservedEffect("create table", tuple(others), note, made=() if maybe else (name,))


def _index(at: Cursor) -> ObservedEffect:
    gently = at.take("CONCURRENTLY")
    if not at.skip_to("ON"):
        return ObservedEffect("create index", UNKNOWN)
    at.at += 1
    at.take("ONLY")
    if gently:
        note = "reads the table twice, and waits for older transactions"
        return ObservedEffect("create index concurrently", ((at.name(), SCHEMA),), note)
    return ObservedEffect("create index", ((at.name(), LockMode.SHARE),), BUILDS)


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


def drops(at: Cursor) -> ObservedEffect:
    """See a DROP, behind that word."""
    for kind in ("TABLE", "FOREIGN TABLE", "MATERIALIZED VIEW", "VIEW", "SEQUENCE"):
        if at.take(*kind.split()):
            at.take("IF", "EXISTS")
            touched = tuple((name, ALL) for name in at.names())
            table = kind.endswith("TABLE")
            note = (
                "with its rows; tables that its foreign keys reference are locked, too"
                if table
                else ""
            )
            return cascading(ObservedEffect(f"drop {kind.lower()}", touched, note), at)
    if at.take("INDEX"):
        gently = at.take("CONCURRENTLY")
        at.take("IF", "EXISTS")
        touched = tuple((name, SCHEMA if gently else ALL) for name in at.names())
        what = "drop index concurrently" if gently else "drop index"
        return cascading(ObservedEffect(what, touched, beside="the table of"), at)
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
    if at.take("MATERIALIZED", "VIEW") or at.take("VIEW"):
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
        strong = (at.word, at.ahead(1)) == ("SET", "TABLESPACE")
        partition = at.word in {"ATTACH", "ALL"}
        lock = LockMode.UNKNOWN if partition else ALL if strong else SCHEMA
        return ObservedEffect("alter index", ((name, lock),), beside="index")
    if at.take("TRIGGER"):
        return on("alter trigger", at, ALL)
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
    return ObservedEffect(whats, ((name, lock), *others), "; ".join(notes), renamed=renamed)
