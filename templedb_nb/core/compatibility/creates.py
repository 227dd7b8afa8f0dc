"""CREATE: what is new breaks nobody, but for what older statements run into or look up."""

from __future__ import annotations

from collections.abc import Sequence

from templedb_nb.core.compatibility.constraints import unique_on
from templedb_nb.core.compatibility.expressions import harmless
from templedb_nb.core.compatibility.judgement import (
    EXPAND,
    Judgement,
    contract,
    strongest,
    unknown,
)
from templedb_nb.core.compatibility.known import Known
from templedb_nb.core.sql.cursor import Cursor, Name, calls, parts, word, words
from templedb_nb.core.sql.tokens import Token

_TEMPORARY = words("TEMP TEMPORARY")
_MODIFIERS = words("GLOBAL LOCAL UNLOGGED TRUSTED PROCEDURAL") | _TEMPORARY
_EXTENSIONS = words(
    "pgcrypto uuid-ossp pg_trgm unaccent btree_gin btree_gist pg_stat_statements citext hstore "
    "fuzzystrmatch vector postgis ltree tablefunc pgrowlocks pgstattuple pg_buffercache plpgsql"
)
"""Extensions whose functions and operators take the place of none that PostgreSQL has."""
_QUIET = words(
    "STATISTICS COLLATION SERVER ROLE USER GROUP TABLESPACE DATABASE LANGUAGE CONVERSION TRANSFORM "
    "SECRET"
)
_QUIET_PAIRS = (("FOREIGN", "DATA"), ("TEXT", "SEARCH"), ("ACCESS", "METHOD"))
_ROUTINES = words("FUNCTION PROCEDURE AGGREGATE MACRO")


def creates(at: Cursor, known: Known) -> Judgement:
    """Judge a CREATE, behind that word."""
    replaces = at.take("OR", "REPLACE")
    start = at.at
    at.take_any(_MODIFIERS)
    private = not _TEMPORARY.isdisjoint(map(word, at.tokens[start : at.at]))
    if at.word in _ROUTINES:
        return _routine(at, known, replaces=replaces)
    for said, judge in _JUDGES:
        if at.take(*said):
            return judge(at, known, replaces, private)
    if at.word in _QUIET or (at.word, at.ahead(1)) in _QUIET_PAIRS:
        return EXPAND
    what = f"CREATE {at.word}".strip()
    return unknown(what, "which of old code's statements it changes is not known")


def _table(at: Cursor, known: Known, replaces: bool, private: bool) -> Judgement:  # noqa: FBT001
    maybe = at.take("IF", "NOT", "EXISTS")
    name = at.name()
    before = known.new(name)
    said = [word(each) for each in at.rest]
    if not maybe and not (private and "DROP" in said) and not _within_older(at, known):
        known.add(name, temporary=private)
    if replaces and not private and not before:
        return contract(f"CREATE OR REPLACE TABLE {name.text}", "its rows and columns are lost")
    if at.take("PARTITION", "OF"):
        return _partition(name, at.name(), at, known)
    if "REFERENCES" in said:
        return known.refer()
    return known.fill() if "AS" in said else EXPAND


def _within_older(at: Cursor, known: Known) -> bool:
    """Return whether older code reaches the table through another: its partition, or its child."""
    look = Cursor(at.rest)
    if look.take("PARTITION", "OF"):
        return not known.new(look.name())
    if not look.skip_to("INHERITS"):
        return False
    look.at += 1
    return any(not known.new(each) for each in Cursor(look.group()).names())


def _partition(name: Name, parent: Name, at: Cursor, known: Known) -> Judgement:
    """Judge a new partition: older inserts that its bounds take go into it from now on."""
    restricts = at.word == "(" or at.skip_to("PARTITION", "SERVER")
    if known.new(parent) or not restricts:
        return EXPAND
    why = f"old inserts into {parent.text} that its bounds take may be refused"
    return unknown(f"CREATE TABLE {name.text}", why)


def _view(at: Cursor, known: Known, replaces: bool, private: bool) -> Judgement:  # noqa: FBT001
    maybe = at.take("IF", "NOT", "EXISTS")
    name = at.name()
    if replaces and not private and not known.new(name):
        why = "it may return other rows, and no longer take old writes"
        return unknown(f"CREATE OR REPLACE VIEW {name.text}", why)
    if not maybe:
        known.add(name, temporary=private)
    return EXPAND


def _index(at: Cursor, known: Known, *, unique: bool) -> Judgement:
    at.take("CONCURRENTLY")
    maybe = at.take("IF", "NOT", "EXISTS")
    name = at.name() if at.word != "ON" else Name("", ())
    at.take("ON")
    at.take("ONLY")
    table = at.name()
    if name.key and not maybe:
        known.add(Name(name.text, (*table.key[:-1], *name.key)))
    if known.new(table):
        return EXPAND
    if at.take("USING"):
        at.name()
    return _indexed(name, table, at, known, unique=unique)


def _indexed(name: Name, table: Name, at: Cursor, known: Known, *, unique: bool) -> Judgement:
    body = at.group()
    what = f"CREATE {'UNIQUE ' if unique else ''}INDEX {name.text}".strip()
    alike = False
    while not at.done and at.word != "WHERE":
        alike = at.take("NULLS", "NOT", "DISTINCT") or alike
        at.skip()
    found = EXPAND
    if unique:
        columns = [Cursor(each).name() for each in parts(body)]
        found = unique_on(what, table, columns, known, nulls_alike=alike)
    if _expressive(body) or (at.take("WHERE") and not harmless(at.rest)):
        return strongest([found, unknown(what, "old inserts fail where its expression does")])
    return found


def _expressive(body: Sequence[Token]) -> bool:
    """Return whether an index computes something that may fail."""
    return any(
        (calls(each) or word(each[0]) == "(") and not harmless(each) for each in parts(body) if each
    )


def _any_index(at: Cursor, known: Known, _replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    return _index(at, known, unique=False)


def _unique_index(at: Cursor, known: Known, _replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    return _index(at, known, unique=True)


def _routine(at: Cursor, known: Known, *, replaces: bool) -> Judgement:
    kind = at.word
    at.at += 1
    name = at.name()
    arguments = at.group()
    before = known.new_function(name, arguments)
    returns = [word(each) for each in at.rest[:2]]
    if not replaces:
        known.add_function(name, arguments)
    if before or (not replaces and returns == ["RETURNS", "TRIGGER"]):
        return EXPAND
    if replaces:
        why = "what it does for old code is not analysed"
        return unknown(f"CREATE OR REPLACE {kind} {name.text}", why)
    why = "where others have its name, old calls may mean it, or become ambiguous"
    return unknown(f"CREATE {kind} {name.text}", why)


def _trigger(at: Cursor, known: Known, _replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    name = at.name()
    at.skip_to("ON")
    at.take("ON")
    if known.new(at.name()):
        return EXPAND
    return unknown(f"CREATE TRIGGER {name.text}", "what it does in old writes is not analysed")


def _policy(at: Cursor, known: Known, _replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    name = at.name()
    at.take("ON")
    if known.new(at.name()):
        return EXPAND
    what = f"CREATE POLICY {name.text}"
    if at.take("AS", "RESTRICTIVE"):
        return contract(what, "old code no longer finds or writes rows that it refuses")
    return unknown(what, "old code may find and write other rows")


def _rule(at: Cursor, known: Known, _replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    name = at.name()
    at.skip_to("TO")
    at.take("TO")
    if known.new(at.name()):
        return EXPAND
    what = f"CREATE RULE {name.text}"
    if "INSTEAD" in [word(each) for each in at.rest]:
        return contract(what, "old statements do something else")
    return unknown(what, "what it does beside old statements is not analysed")


def _extension(at: Cursor, _known: Known, _replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    at.take("IF", "NOT", "EXISTS")
    name = at.name()
    if name.key[-1:] and name.key[-1] in _EXTENSIONS:
        return EXPAND
    why = "its functions and operators may take the place of others"
    return unknown(f"CREATE EXTENSION {name.text}", why)


def _schema(at: Cursor, known: Known, _replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    maybe = at.take("IF", "NOT", "EXISTS")
    name = at.name()
    if not maybe and name.key and name.key != ("authorization",):
        known.schemas.add(name.key[-1])
    return EXPAND


def _type(at: Cursor, known: Known, replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    maybe = at.take("IF", "NOT", "EXISTS")
    name = at.name()
    if replaces and not known.new_type(name):
        return contract(f"CREATE OR REPLACE TYPE {name.text}", "old code that uses it fails")
    if not maybe:
        known.add_type(name, refuses=False)
    return EXPAND


def _domain(at: Cursor, known: Known, _replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    name = at.name()
    said = {word(each) for each in at.rest}
    known.add_type(name, refuses=not said.isdisjoint({"NOT", "CHECK"}))
    known.domains.add(name.key)
    return EXPAND


def _sequence(at: Cursor, known: Known, replaces: bool, private: bool) -> Judgement:  # noqa: FBT001
    maybe = at.take("IF", "NOT", "EXISTS")
    name = at.name()
    if replaces and not private and not known.new(name):
        return contract(f"CREATE OR REPLACE SEQUENCE {name.text}", "old inserts get used numbers")
    if not maybe:
        known.add(name, temporary=private)
    return EXPAND


def _mapping(_at: Cursor, _known: Known, _replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    return unknown("CREATE USER MAPPING", "old code may reach the other server as somebody else")


def _published(_at: Cursor, _known: Known, _replaces: bool, _private: bool) -> Judgement:  # noqa: FBT001
    why = "old updates and deletes fail on a published table without a primary key"
    return unknown("CREATE PUBLICATION", why)


_JUDGES = (
    (("TABLE",), _table), (("FOREIGN", "TABLE"), _table), (("MATERIALIZED", "VIEW"), _view),
    (("RECURSIVE", "VIEW"), _view), (("VIEW",), _view), (("UNIQUE", "INDEX"), _unique_index),
    (("INDEX",), _any_index), (("CONSTRAINT", "TRIGGER"), _trigger), (("TRIGGER",), _trigger),
    (("POLICY",), _policy), (("RULE",), _rule), (("EXTENSION",), _extension),
    (("SCHEMA",), _schema), (("TYPE",), _type), (("DOMAIN",), _domain),
    (("SEQUENCE",), _sequence), (("USER", "MAPPING"), _mapping), (("PUBLICATION",), _published),
)  # fmt: skip
