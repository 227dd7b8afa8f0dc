"""Relations and functions of triggers that are not there, or not on the search_path.

Each migration begins with the search_path of the session. What an earlier file has set is gone.
A function is known by its name with ``()`` behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from templedb_nb.core.lint.column_types import table_of
from templedb_nb.core.lint.opaque_statements import OpaqueStatements
from templedb_nb.core.sql.cursor import NAMING, Cursor, Name, words
from templedb_nb.core.sql.tokens import Statement, Token, TokenKind

Relation = tuple[str, str]
"""A schema and a name."""

CALL = "()"
"""Stands behind the name of a function."""
_UNREAD = ("?",)
"""Stands for a search_path of which nothing is known."""
_MODIFIERS = words("GLOBAL LOCAL UNLOGGED RECURSIVE MATERIALIZED FOREIGN")
_PRIVATE = words("TEMP TEMPORARY")
_RELATIONS = words("TABLE VIEW SEQUENCE")
_ENDS = words("ROLLBACK COMMIT END ABORT")
_OWN = frozenset({"pg_catalog", "information_schema", "templedb", "pg_temp"})
_IMPLICIT = ("_seq", "_pkey", "_key", "_idx", "_fkey", "_excl", "_check")
"""How names end that a server gives by itself."""
_ON_TABLE = words("TRIGGER POLICY")


class Relations:
    """What is found by its name when statements run, one after the other."""

    def __init__(
        self, path: Sequence[str], relations: Iterable[Relation], schemas: Iterable[str]
    ) -> None:
        """Begin with the session's *path*, and with what the database has."""
        self._path = tuple(path)
        self._schemas = set(schemas)
        self._visible: set[str] = set()
        self._elsewhere: dict[str, str] = {}
        self._seen: set[str] = set()
        self._opaque = OpaqueStatements(types=False)
        self._now: tuple[str, ...] | None = None
        self._anything = False
        self.unsure: set[str] = set()
        """Names that are known elsewhere, and may be here too, if a call has created them."""
        for schema, name in relations:
            self._add(schema, name)

    def begin(self) -> None:
        """Begin another file: the session's own path holds again."""
        self._now = None

    def take_all(self) -> None:
        """Take in what nobody has read."""
        self._opaque.take_all()
        self._anything = True

    def missing(self, statement: Statement) -> list[Relation]:
        """Return what a statement names and does not find, with the schema where it is, if any."""
        lost: dict[str, str] = {}
        reads = self._path and not self._has(table_of(statement))  # else IF NOT EXISTS ends it
        for key in used(statement) if reads else ():
            name = key[-1]
            there = name in self._visible or name in self._elsewhere
            hidden = len(key) == 1 and name not in self._visible and self._now is None
            nowhere = not there and name.removesuffix(CALL) not in self._seen
            nowhere = nowhere and not name.endswith(_IMPLICIT)
            found = not nowhere and not (there and hidden)
            if found or (self._may_be(name) and not (there and self._only_by_a_call(name))):
                continue
            if self._may_be(name):
                self.unsure.add(name)
            lost[name] = self._elsewhere.get(name, "")
        self._visible |= set(lost)
        self._opaque.take(statement)
        self._seen |= {_plain(each) for each in statement.tokens if each.kind in NAMING}
        self._take(Cursor(statement.tokens))
        return [(schema, name) for name, schema in lost.items()]

    def _has(self, table: str) -> bool:
        return bool(table) and (table in self._visible or table in self._elsewhere)

    def _may_be(self, name: str) -> bool:
        of_extension = self._opaque.extended and name.endswith(CALL)
        return of_extension or self._opaque.may_create(name)

    def _only_by_a_call(self, name: str) -> bool:
        """Return whether nothing but a call that says no names may have made it."""
        return not self._anything and not name.endswith(CALL) and not self._opaque.names(name)

    def _take(self, at: Cursor) -> None:
        first = at.word
        if first in {"SET", "RESET", "DISCARD", "SELECT"}:
            self._now = _path(at, self._now)
        elif first in _ENDS and self._now is not None:
            self._now = _UNREAD
        elif at.take("ALTER"):  # a path of ALTER ROLE or ALTER DATABASE is for later sessions
            if at.skip_to("RENAME", "SET") and at.ahead(1) in {"TO", "SCHEMA"}:
                self._visible |= {f"{each}{end}" for each in _names(at) for end in ("", CALL)}
        elif at.take("CREATE"):
            self._created(at)

    def _created(self, at: Cursor) -> None:
        at.take("OR", "REPLACE")
        if at.take("SCHEMA"):
            at.take("IF", "NOT", "EXISTS")
            self._schemas |= set(at.name().key[-1:])
            return
        at.take_any(_MODIFIERS)
        private = at.word in _PRIVATE
        at.take_any(_PRIVATE)
        at.take_any(_MODIFIERS)
        suffix = CALL if at.word == "FUNCTION" else ""
        if not suffix and at.word not in _RELATIONS:
            return
        at.at += 1
        at.take("IF", "NOT", "EXISTS")
        key = at.name().key
        self._place((*key[:-1], *(f"{each}{suffix}" for each in key[-1:])), private=private)

    def _place(self, key: tuple[str, ...], *, private: bool) -> None:
        if len(key) > 1:
            self._add(key[-2], key[-1])
        elif private or not self._now or self._now[0] not in self._schemas:
            self._visible |= set(key)
        else:
            self._add(self._now[0], key[0])

    def _add(self, schema: str, name: str) -> None:
        if schema in self._path:
            self._visible.add(name)
        else:
            self._elsewhere.setdefault(name, schema)


def _names(at: Cursor) -> set[str]:
    return {_plain(each) for each in at.tokens if each.kind in NAMING}


def _plain(token: Token) -> str:
    return "".join(Cursor((token,)).name().key)


def qualified(schema: str, name: str) -> str:
    """Return the name with its schema as SQL has it, without what stands behind a function's."""
    return ".".join(_quoted(each) for each in (schema, name.removesuffix(CALL)))


def _quoted(name: str) -> str:
    plain = name.replace("_", "a").isalnum() and name.lower() == name and not name[0].isdigit()
    return name if plain else '"' + name.replace('"', '""') + '"'


def set_by(statement: Statement) -> tuple[str, ...]:
    """Return the schemas that a statement puts on the search_path, if it does that."""
    return _path(Cursor(statement.tokens), None) or ()


def used(statement: Statement) -> list[tuple[str, ...]]:
    """Return the names that a statement needs, each maybe with its schema."""
    found = dict.fromkeys(each.key for each in _used(Cursor(statement.tokens)) if each.key)
    return [each for each in found if each[0] not in _OWN and not each[0].startswith("pg_")]


def _used(at: Cursor) -> Iterator[Name]:
    if at.take("ALTER", "TABLE"):
        if at.word not in {"IF", "ALL"}:
            at.take("ONLY")
            yield at.name()
            yield from _referenced(at)
    elif at.take("INSERT", "INTO") or at.take("DELETE", "FROM") or at.take("UPDATE"):
        at.take("ONLY")
        yield at.name()
    elif at.take("COPY") or at.take("TRUNCATE"):
        at.take("TABLE")
        at.take("ONLY")
        yield at.name()
    elif at.take("COMMENT", "ON", "TABLE"):
        yield at.name()
    elif at.take("CREATE"):
        yield from _created_on(at)


def _created_on(at: Cursor) -> Iterator[Name]:
    at.take("OR", "REPLACE")
    at.take("CONSTRAINT")
    at.take("UNIQUE")
    if at.take("INDEX"):
        if at.skip_to("ON"):
            at.at += 1
            at.take("ONLY")
            yield at.name()
    elif at.word in _ON_TABLE:
        at.at += 1
        at.name()
        if at.skip_to("ON"):
            at.at += 1
            yield at.name()
        if at.skip_to("EXECUTE"):
            at.at += 2
            name = at.name()
            yield Name(name.text, (*name.key[:-1], *(f"{each}{CALL}" for each in name.key[-1:])))
    at.take_any(_MODIFIERS | _PRIVATE)
    if at.take("TABLE"):
        at.take("IF", "NOT", "EXISTS")
        own = at.name().key[-1:]
        yield from (each for each in _referenced(at) if each.key[-1:] != own)


def _referenced(at: Cursor) -> Iterator[Name]:
    rest = Cursor(at.rest)
    while not rest.done:
        here = rest.take("REFERENCES")
        if here:
            yield rest.name()
        else:
            rest.at += 1


def _path(at: Cursor, now: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the search_path behind a statement; None for the session's own."""
    if at.take("DISCARD", "ALL") or at.take("RESET", "ALL") or at.take("RESET", "SEARCH_PATH"):
        return None
    if at.take("SELECT"):
        return _configured(at, now)
    if not at.take("SET"):
        return now
    at.take_any(words("SESSION LOCAL"))
    if at.word in {"ROLE", "AUTHORIZATION"}:
        return _UNREAD
    if at.take("SCHEMA"):
        return tuple(_listed(at.rest)) or _UNREAD
    if not at.take("SEARCH_PATH"):
        return now
    at.at += 1  # = or TO
    if at.word == "DEFAULT":
        return None
    return tuple(_listed(at.rest)) or _UNREAD


def _configured(at: Cursor, now: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the search_path behind a SELECT of set_config, if that sets it."""
    texts = [each.text.strip("'") for each in at.rest if each.kind is TokenKind.STRING]
    if not any(each.text.lower() == "set_config" for each in at.rest) or "search_path" not in texts:
        return now
    value = texts[texts.index("search_path") + 1 :][:1]
    return tuple(each.strip().strip('"') for each in "".join(value).split(",")) or _UNREAD


def _listed(tokens: Sequence[Token]) -> Iterator[str]:
    for each in tokens:
        if each.kind in NAMING:
            yield _plain(each)
        elif each.kind is TokenKind.STRING:
            yield each.text.strip("'")
