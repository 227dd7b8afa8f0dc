"""ALTER of anything but a table."""

from __future__ import annotations

from collections.abc import Callable

from templedb_nb.core.compatibility.judgement import EXPAND, Judgement, contract, unknown
from templedb_nb.core.compatibility.known import Known
from templedb_nb.core.compatibility.tables import alters_table
from templedb_nb.core.sql.cursor import Cursor, Name, word, words

_OWNER = "the former owner loses its rights"
_SAYS = "old code that uses {} fails"
_ROLES = words("ROLE USER GROUP")
_ROUTINES = words("FUNCTION PROCEDURE ROUTINE AGGREGATE")


def alters(at: Cursor, known: Known) -> Judgement:
    """Judge an ALTER, behind that word."""
    if at.take("TABLE") or at.take("FOREIGN", "TABLE"):
        return alters_table(at, known)
    for said, judge in _JUDGES:
        if at.take(*said):
            at.take("IF", "EXISTS")
            return judge(at, known)
    if at.word in _ROLES or at.word in {"DATABASE", "SYSTEM"}:
        return _settings(at)
    kind = at.word
    at.at += 1
    return _other(kind, at, known)


def _moved(kind: str, name: Name, at: Cursor) -> Judgement | None:
    """Judge what every object can have: another name, another schema, another owner."""
    if at.take("RENAME", "TO"):
        return contract(f"ALTER {kind} {name.text} RENAME", _SAYS.format(name.text))
    if at.take("SET", "SCHEMA"):
        return contract(f"ALTER {kind} {name.text} SET SCHEMA", _SAYS.format(name.text))
    if at.take("OWNER", "TO"):
        return unknown(f"ALTER {kind} {name.text} OWNER TO", _OWNER)
    return None


def _view(at: Cursor, known: Known) -> Judgement:
    name = at.name()
    if known.new(name):
        if at.take("RENAME", "TO"):
            known.rename(name, (*name.key[:-1], *at.name().key))
        return EXPAND
    if found := _moved("VIEW", name, at):
        return found
    if at.take("RENAME"):
        at.take("COLUMN")
        return contract(f"RENAME COLUMN {at.name().text}", "old code that uses it fails")
    return unknown(f"ALTER VIEW {name.text}", "old code may find or write other rows")


def _sequence(at: Cursor, known: Known) -> Judgement:
    name = at.name()
    if known.new(name):
        return EXPAND
    if found := _moved("SEQUENCE", name, at):
        return found
    if at.word == "OWNED" or (at.word == "SET" and at.ahead(1) != "SCHEMA"):
        return EXPAND
    return unknown(f"ALTER SEQUENCE {name.text}", "old inserts get other numbers")


def _index(at: Cursor, known: Known) -> Judgement:
    name = at.name()
    if known.new(name) or at.word != "RENAME":
        return EXPAND
    why = "old code that names it, as in ON CONFLICT ON CONSTRAINT, fails"
    return unknown(f"ALTER INDEX {name.text} RENAME", why)


def _type(at: Cursor, known: Known) -> Judgement:
    name = at.name()
    if known.new_type(name) or at.take("ADD", "VALUE"):
        return EXPAND
    if found := _moved("TYPE", name, at):
        return found
    if at.take("RENAME", "VALUE"):
        return contract(f"RENAME VALUE of {name.text}", "old code that uses the old value fails")
    if "ATTRIBUTE" in (word(each) for each in at.rest):
        return contract(f"ALTER TYPE {name.text}", "old code that makes such values fails")
    return unknown(f"ALTER TYPE {name.text}", "how its values are taken changes")


def _domain(at: Cursor, known: Known) -> Judgement:
    name = at.name()
    if name.key in known.domains:
        if at.word in {"ADD", "SET"} and at.ahead(1) != "DEFAULT":
            known.add_type(name, refuses=True)
        return EXPAND
    if found := _moved("DOMAIN", name, at):
        return found
    if at.word == "ADD" or at.take("SET", "NOT", "NULL"):
        return contract(
            f"ALTER DOMAIN {name.text}", "values of old code that violate it are refused"
        )
    if at.take("DROP", "DEFAULT"):
        return contract(f"ALTER DOMAIN {name.text} DROP DEFAULT", "old inserts rely on it")
    if at.take("SET", "DEFAULT"):
        return unknown(f"ALTER DOMAIN {name.text} SET DEFAULT", "old inserts take the new default")
    return EXPAND


def _schema(at: Cursor, known: Known) -> Judgement:
    name = at.name()
    if name.key[-1:] and name.key[-1] in known.schemas:
        if at.take("RENAME", "TO"):
            known.schemas.discard(name.key[-1])
        return EXPAND
    return _moved("SCHEMA", name, at) or unknown("ALTER SCHEMA", "what it changes is not known")


def _privileges(at: Cursor, _known: Known) -> Judgement:
    if "REVOKE" in (word(each) for each in at.rest):
        why = "what old code makes from then on may not be usable"
        return unknown("ALTER DEFAULT PRIVILEGES REVOKE", why)
    return EXPAND


def _policy(at: Cursor, known: Known) -> Judgement:
    name = at.name()
    at.take("ON")
    if known.new(at.name()) or at.word == "RENAME":
        return EXPAND
    return contract(f"ALTER POLICY {name.text}", "old code finds and writes other rows")


def _publication(_at: Cursor, _known: Known) -> Judgement:
    why = "old updates and deletes fail on a published table without a primary key"
    return unknown("ALTER PUBLICATION", why)


def _statistics(_at: Cursor, _known: Known) -> Judgement:
    return EXPAND


_JUDGES: tuple[tuple[tuple[str, ...], Callable[[Cursor, Known], Judgement]], ...] = (
    (("MATERIALIZED", "VIEW"), _view), (("VIEW",), _view), (("SEQUENCE",), _sequence),
    (("INDEX",), _index), (("TYPE",), _type), (("DOMAIN",), _domain), (("SCHEMA",), _schema),
    (("DEFAULT", "PRIVILEGES"), _privileges), (("POLICY",), _policy),
    (("PUBLICATION",), _publication), (("STATISTICS",), _statistics),
)  # fmt: skip


def _settings(at: Cursor) -> Judgement:
    kind = at.word
    at.at += 1
    name = at.name()
    said = [word(each) for each in at.rest]
    if kind != "SYSTEM" and "RENAME" in said:
        return contract(f"ALTER {kind} {name.text} RENAME", "old code cannot connect")
    if "SEARCH_PATH" in said or (kind == "SYSTEM" and name.key == ("search_path",)):
        why = "names without a schema mean other things to old code that connects again"
        return contract(f"ALTER {kind} SET search_path", why)
    if kind in _ROLES and not {"PASSWORD", "NOLOGIN"}.isdisjoint(said):
        return contract(f"ALTER {kind} {name.text}", "old code may not be able to connect")
    return unknown(f"ALTER {kind}", "old sessions that connect again work by other settings")


def _other(kind: str, at: Cursor, known: Known) -> Judgement:
    name = at.name()
    arguments = at.group() if at.word == "(" else None
    if kind in _ROUTINES:
        if known.new_function(name, arguments):
            return EXPAND
        return _moved(kind, name, at) or unknown(
            f"ALTER {kind} {name.text}", "what it does for old code changes"
        )
    found = _moved(kind, name, at)
    return found or unknown(f"ALTER {kind}".strip(), "what it changes for old code is not known")
