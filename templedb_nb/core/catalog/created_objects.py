"""What migrations create in a database, by their text, and whether it exists.

What a later migration drops or renames tells nothing of the earlier one. What functions, ``DO``
blocks and statements on rows do is in no catalog: of those nothing can be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from templedb_nb.core.sql.cursor import Cursor, parts, words
from templedb_nb.core.sql.tokens import Statement
from templedb_nb.model.lost import ObjectPresence

_KINDS = (
    ("MATERIALIZED", "VIEW"), ("FOREIGN", "TABLE"), ("TABLE",), ("VIEW",), ("SEQUENCE",), ("TYPE",),
    ("DOMAIN",), ("FUNCTION",), ("PROCEDURE",), ("SCHEMA",), ("EXTENSION",), ("INDEX",),
)  # fmt: skip
_MODIFIERS = words("GLOBAL LOCAL UNLOGGED UNIQUE RECURSIVE")
_PRIVATE = words("TEMP TEMPORARY")
_FURTHER = words("CONSTRAINT PRIMARY UNIQUE CHECK FOREIGN EXCLUDE LIKE GENERATED TABLE")
_HOLD_ROWS = frozenset({"table", "foreign table", "materialized view", "index", "sequence"})
MOST = 3
"""So many objects are named."""


class CreatedObject(NamedTuple):
    """Something that a catalog shows: its kind, its schema where it is said, its name."""

    kind: str
    schema: str
    name: str
    column: str = ""

    @property
    def title(self) -> str:
        """Return it as people read it."""
        whole = ".".join(each for each in (self.schema, self.name, self.column) if each)
        return f"{'column' if self.column else self.kind} {whole}"


_OF_ALL = ("schema ", "extension ", "comment on ")


def code_uses(catalog: Iterable[str]) -> bool:
    """Return whether a catalog has objects that code can use: more than schemas and extensions."""
    return not all(each.startswith(_OF_ALL) for each in catalog)


def presences(
    scripts: Sequence[tuple[str, Sequence[Statement]]], catalog: Mapping[str, str]
) -> dict[str, tuple[ObjectPresence, tuple[str, ...]]]:
    """Return, by key, whether what each migration made is there, and what tells it.

    *scripts* are all migrations in the order in which they came into effect.
    """
    there = _there(catalog)
    return {key: _presence(things, there) for key, things in _made(scripts).items()}


def standing(
    scripts: Sequence[tuple[str, Sequence[Statement]]], catalog: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Return, by key, what tells that a migration which waits ran before: all it makes is there.

    A schema, an extension or code that a file only provides for (``IF NOT EXISTS``,
    ``OR REPLACE``) tells nothing, and a name with a schema means that schema alone.
    """
    there = _there(catalog)
    provided = {thing for _key, statements in scripts for thing in _provided(statements)}
    found = {}
    for key, things in _made(scripts).items():
        telling = things - provided
        if telling and things <= there:
            found[key] = tuple(sorted(each.title for each in telling)[:MOST])
    return found


def _provided(statements: Sequence[Statement]) -> Iterable[CreatedObject]:
    """Yield what holds no rows and is made only where it is not there, or made anew."""
    for statement in statements:
        at = Cursor(statement.tokens)
        if at.take("CREATE"):
            thing, whatever = _created(at)
            if thing and whatever and thing.kind not in _HOLD_ROWS:
                yield thing


def _presence(
    things: set[CreatedObject], there: set[CreatedObject]
) -> tuple[ObjectPresence, tuple[str, ...]]:
    if not things:
        return ObjectPresence.UNKNOWN, ()
    found = {each for each in things if each in there or each._replace(schema="") in there}
    gone = things - found
    shown = sorted(each.title for each in (gone or found))
    return ObjectPresence.GONE if gone else ObjectPresence.STANDS, tuple(shown[:MOST])


def _made(scripts: Sequence[tuple[str, Sequence[Statement]]]) -> dict[str, set[CreatedObject]]:
    """Return what each migration made that no later statement took away again."""
    found: dict[str, set[CreatedObject]] = {}
    for key, statements in scripts:
        own = found.setdefault(key, set())
        for statement in statements:
            at = Cursor(statement.tokens)
            if at.take("CREATE"):
                thing, _whatever = _created(at)
                own.update([thing] if thing else [])
            elif at.take("DROP"):
                _take(found, *_drops(at))
            elif at.take("ALTER"):
                _alters(at, own, found)
    return found


def _kind(at: Cursor) -> str:
    for kind in _KINDS:
        if at.take(*kind):
            return " ".join(kind).lower()
    return ""


def _thing(at: Cursor, kind: str) -> CreatedObject | None:
    key = at.name().key
    if not key:
        return None
    return CreatedObject(kind, key[-2] if len(key) > 1 else "", key[-1])


def _created(at: Cursor) -> tuple[CreatedObject | None, bool]:
    """Return what a CREATE makes, and whether it does so whatever is there."""
    whatever = at.take("OR", "REPLACE")
    at.take_any(_MODIFIERS)
    if at.word in _PRIVATE or not (kind := _kind(at)):
        return None, whatever
    at.take("CONCURRENTLY")
    whatever = at.take("IF", "NOT", "EXISTS") or whatever
    found = _thing(at, kind)
    return (None if found is not None and found.name == "on" else found), whatever


def _drops(at: Cursor) -> tuple[CreatedObject, ...]:
    kind = _kind(at)
    at.take("CONCURRENTLY")
    at.take("IF", "EXISTS")
    found = []
    while thing := _thing(at, kind):
        found.append(thing)
        at.group()
        if not at.take(","):
            break
    return tuple(found)


def _alters(at: Cursor, own: set[CreatedObject], found: dict[str, set[CreatedObject]]) -> None:
    kind = _kind(at)
    at.take("IF", "EXISTS")
    at.take("ONLY")
    thing = _thing(at, kind)
    if thing is None:
        return
    if at.word in {"RENAME", "SET"}:
        if at.ahead(1) in {"TO", "SCHEMA"}:
            _take(found, thing)
        return
    for item in parts(at.rest):
        _action(Cursor(item), thing, own, found)


def _action(
    at: Cursor, table: CreatedObject, own: set[CreatedObject], found: dict[str, set[CreatedObject]]
) -> None:
    if at.take("ADD"):
        column = at.take("COLUMN")
        at.take("IF", "NOT", "EXISTS")
        if at.word not in _FURTHER or column:
            name = at.name().key
            if name and table.kind in {"table", "foreign table"}:
                own.add(table._replace(column=name[-1]))
    elif at.take("DROP") or at.take("RENAME"):
        at.take("COLUMN")
        at.take("IF", "EXISTS")
        if name := at.name().key:
            _take(found, table._replace(column=name[-1]))


def _take(found: dict[str, set[CreatedObject]], *things: CreatedObject) -> None:
    """Take away what is dropped or renamed, with the columns of a table, and all of a schema."""
    for thing in things:
        for made in found.values():
            made -= {each for each in made if _covers(thing, each)}


def _covers(thing: CreatedObject, made: CreatedObject) -> bool:
    if thing.kind == "schema":
        return made.schema == thing.name or (made.kind == "schema" and made.name == thing.name)
    if thing.name != made.name or (thing.schema and made.schema and thing.schema != made.schema):
        return False
    return not thing.column or thing.column == made.column


def _there(catalog: Mapping[str, str]) -> set[CreatedObject]:
    """Return what a catalog shows, each with and without its schema."""
    found: set[CreatedObject] = set()
    for title, definition in catalog.items():
        kind, name = _split(title)
        if not kind:
            continue
        things = {CreatedObject(kind, *name)}
        if kind in {"table", "foreign table"}:
            things |= {CreatedObject(kind, *name, column) for column in _columns(definition)}
        found |= things | {each._replace(schema="") for each in things}
    return found


def _split(title: str) -> tuple[str, tuple[str, str]]:
    for kind in _KINDS:
        lead = " ".join(kind).lower() + " "
        if title.startswith(lead):
            schema, _, name = _plain(title.removeprefix(lead).partition("(")[0]).rpartition(".")
            return lead.strip(), (schema, name)
    return "", ("", "")


def _plain(name: str) -> str:
    return name.replace('"', "").strip()


def _columns(definition: str) -> Iterable[str]:
    """Yield the columns: of PostgreSQL a line each, of DuckDB what the statement lists."""
    if definition.lower().lstrip().startswith("create"):
        body = definition.partition("(")[2]
        for item in body.split(","):
            yield _plain(item.strip().split(" ", 1)[0])
        return
    for line in definition.splitlines():
        if line.startswith("  "):
            yield _plain(line.strip().split(" ", 1)[0])
