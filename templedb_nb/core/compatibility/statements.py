"""One statement, by its first words: what it means for older code."""

from __future__ import annotations

from collections.abc import Sequence

from templedb_nb.core.compatibility.alters import alters
from templedb_nb.core.compatibility.creates import creates
from templedb_nb.core.compatibility.drops import drops
from templedb_nb.core.compatibility.judgement import EXPAND, Judgement, contract, data, unknown
from templedb_nb.core.compatibility.known import Known
from templedb_nb.core.lint.effects import seen
from templedb_nb.core.lint.locks import table_access
from templedb_nb.core.sql.cursor import Cursor, Name, calls, word, words
from templedb_nb.core.sql.tokens import Token
from templedb_nb.model.effect import LockMode

_NOTHING = words(
    "SHOW BEGIN START END SAVEPOINT RELEASE LISTEN UNLISTEN NOTIFY DEALLOCATE "
    "CHECKPOINT CLOSE COMMENT ANALYZE ANALYSE VACUUM CLUSTER REINDEX LOCK PREPARE DECLARE FETCH "
    "MOVE ATTACH DETACH INSTALL LOAD PRAGMA DESCRIBE SUMMARIZE EXPORT FORCE"
)
_BACK = words("ROLLBACK ABORT")
_UNSEEN = {
    "DO": "its body is not analysed",
    "CALL": "the procedure's body is not analysed",
    "EXECUTE": "what was prepared is not analysed",
    "REASSIGN": "the former owner loses its rights",
}
_ROWS = "rows of old code change, its statements do not"


def judged(tokens: Sequence[Token], known: Known) -> Judgement:
    """Return what a statement means for older code, and take in what it makes."""
    at = Cursor(tokens)
    first = at.word
    if first == "(" or first in table_access.VERBS:
        return _query(tokens, known)
    at.at += 1
    if (judge := _VERBS.get(first)) is not None:
        return judge(at, known)
    if first in _BACK:
        known.forget()
        return EXPAND
    if first in _NOTHING:
        return EXPAND
    return unknown(first, _UNSEEN.get(first, "what it does for old code is not known"))


def _query(tokens: Sequence[Token], known: Known) -> Judgement:
    found = seen(tokens)
    written = [name for name, lock in found.locked if lock is LockMode.ROW_EXCLUSIVE]
    for name in found.made:
        known.add(name)
    called = calls(tokens)
    if "SET_CONFIG" in called and any("search_path" in each.text for each in tokens):
        known.forget_places()
    if written:
        return _written(found.what.upper(), written, known)
    if "SETVAL" in called:
        return data("SELECT setval()", "old inserts get other numbers")
    if found.note or (called and found.what == "values"):
        return unknown("SELECT", "the functions that it calls are not analysed")
    return known.fill() if found.made else EXPAND


def _written(what: str, names: Sequence[Name], known: Known) -> Judgement:
    old = [name for name in names if not known.new(name)]
    if any(name.key[:-1][-1:] == ("pg_catalog",) or name.text.startswith("pg_") for name in old):
        return unknown(what, "what changes in a catalog is not analysed")
    return data(what, _ROWS) if old else known.fill()


def _copies(at: Cursor, known: Known) -> Judgement:
    if at.word == "(":
        return judged(at.group(), known)
    name = at.name()
    at.group()
    return EXPAND if at.word == "TO" else _written("COPY", [name], known)


def _truncates(at: Cursor, known: Known) -> Judgement:
    at.take("TABLE")
    names = at.names()
    spreads = "CASCADE" in (word(each) for each in at.rest)
    if not spreads and all(known.new(each) for each in names):
        return EXPAND
    return data("TRUNCATE", "old rows are lost, old statements are not")


def _refreshes(at: Cursor, known: Known) -> Judgement:
    at.take("MATERIALIZED", "VIEW")
    at.take("CONCURRENTLY")
    name = at.name()
    if at.take("WITH", "NO", "DATA") and not known.new(name):
        return contract(f"REFRESH {name.text} WITH NO DATA", "old code cannot read it")
    return EXPAND


def _sets(at: Cursor, known: Known) -> Judgement:
    if any(each.text.lower().strip('"') in _PLACES for each in at.rest) or at.take("ALL"):
        known.forget_places()
    return EXPAND


_PLACES = frozenset({"search_path", "schema", "role", "authorization"})


def _discards(at: Cursor, known: Known) -> Judgement:
    known.drop_temporary()
    if at.word == "ALL":
        known.forget_places()
    return EXPAND


def _commits(at: Cursor, _known: Known) -> Judgement:
    if at.word == "PREPARED":
        return unknown("COMMIT PREPARED", "what was prepared is not analysed")
    return EXPAND


def _uses(_at: Cursor, known: Known) -> Judgement:
    known.forget_places()
    return EXPAND


def _grants(_at: Cursor, _known: Known) -> Judgement:
    return EXPAND


def _revokes(at: Cursor, known: Known) -> Judgement:
    """Judge a REVOKE: what is taken from something new was never used."""
    what = contract("REVOKE", "old code that needs the right fails")
    if not at.skip_to("ON"):
        return what
    at.at += 1
    return EXPAND if _all_new(at, known) else what


def _all_new(at: Cursor, known: Known) -> bool:
    if at.take("ALL"):
        at.skip_to("SCHEMA")
        at.take("SCHEMA")
        return _new_schemas(at.names(), known)
    if at.take("SCHEMA"):
        return _new_schemas(at.names(), known)
    if at.word in {"FUNCTION", "PROCEDURE", "ROUTINE"}:
        at.at += 1
        name = at.name()
        arguments = at.group() if at.word == "(" else None
        return at.word == "FROM" and known.new_function(name, arguments)
    if at.take("TYPE") or at.take("DOMAIN"):
        return all(known.new_type(each) for each in at.names())
    at.take("TABLE")
    at.take("SEQUENCE")
    return all(known.new(each) for each in at.names())


def _new_schemas(names: Sequence[Name], known: Known) -> bool:
    return bool(names) and all(each.key[-1] in known.schemas for each in names)


_VERBS = {
    "CREATE": creates, "DROP": drops, "ALTER": alters, "COPY": _copies, "TRUNCATE": _truncates,
    "REFRESH": _refreshes, "SET": _sets, "RESET": _sets, "USE": _uses, "GRANT": _grants,
    "REVOKE": _revokes, "DISCARD": _discards, "COMMIT": _commits,
}  # fmt: skip
