"""DROP: older code that uses what is gone fails."""

from __future__ import annotations

from templedb_nb.core.compatibility.judgement import EXPAND, Judgement, contract, strongest, unknown
from templedb_nb.core.compatibility.known import Known
from templedb_nb.core.sql.cursor import Cursor, Name, parts, words

_RELATIONS = (
    ("MATERIALIZED", "VIEW"), ("FOREIGN", "TABLE"), ("TABLE",), ("VIEW",), ("SEQUENCE",),
    ("INDEX",),
)  # fmt: skip
_ON_TABLES = words("TRIGGER POLICY RULE")
_ROUTINES = words("FUNCTION PROCEDURE ROUTINE AGGREGATE MACRO")
_FAILS = "old code that uses it fails"


def drops(at: Cursor, known: Known) -> Judgement:
    """Judge a DROP, behind that word."""
    for said in _RELATIONS:
        if at.take(*said):
            return _relations(" ".join(said), at, known)
    kind = at.word
    at.at += 1
    if kind in _ON_TABLES:
        return _on_table(kind, at, known)
    if kind in _ROUTINES:
        return _routines(kind, at, known)
    if kind in {"TYPE", "DOMAIN", "SCHEMA"}:
        return _named(kind, at, known)
    if kind == "STATISTICS":
        return EXPAND
    if kind in {"PUBLICATION", "SUBSCRIPTION", "EVENT"}:
        return unknown(f"DROP {kind}", "what it did for others is no longer done")
    at.take("IF", "EXISTS")
    return contract(f"DROP {kind} {at.name().text}".strip(), _FAILS)


def _relations(kind: str, at: Cursor, known: Known) -> Judgement:
    at.take("CONCURRENTLY")
    at.take("IF", "EXISTS")
    names = at.names()
    found = strongest(_relation(kind, each) for each in names if not known.new(each))
    for each in names:
        known.drop(each)
    return found


def _relation(kind: str, name: Name) -> Judgement:
    what = f"DROP {kind} {name.text}"
    if kind == "INDEX":
        return unknown(what, "if it is unique, ON CONFLICT of old code fails")
    return contract(what, _FAILS)


def _on_table(kind: str, at: Cursor, known: Known) -> Judgement:
    at.take("IF", "EXISTS")
    name = at.name()
    at.take("ON")
    if known.new(at.name()):
        return EXPAND
    what = f"DROP {kind} {name.text}"
    if kind == "POLICY":
        return contract(what, "old code no longer finds or writes rows that it allowed")
    return unknown(what, "what it did in old statements is no longer done")


def _routines(kind: str, at: Cursor, known: Known) -> Judgement:
    at.take("IF", "EXISTS")
    at.take("TABLE")
    found = []
    for each in parts(at.rest):
        one = Cursor(each)
        name = one.name()
        arguments = one.group() if one.word == "(" else None
        if not known.new_function(name, arguments):
            found.append(contract(f"DROP {kind} {name.text}", "old code that calls it fails"))
    return strongest(found)


def _named(kind: str, at: Cursor, known: Known) -> Judgement:
    at.take("IF", "EXISTS")
    found = []
    for name in at.names():
        new = known.new_schema(name) if kind == "SCHEMA" else known.new_type(name)
        if not new:
            found.append(contract(f"DROP {kind} {name.text}", _FAILS))
        known.types.pop(name.key, None)
        if kind == "SCHEMA":
            known.schemas.discard(name.key[-1])
    return strongest(found)
