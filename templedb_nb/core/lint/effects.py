"""What statements do to tables: classes, locks and costs, by their tokens; nothing is guessed.

Locks follow PostgreSQL's documentation (Explicit Locking, and each command's own page); the tests
ask servers. What functions, procedures, ``DO`` blocks, triggers and rules do is in no statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from templedb_nb.core.lint.create_drop import alters, creates, drops
from templedb_nb.core.lint.locks import table_access
from templedb_nb.core.lint.locks.named_locks import Neighbours, beside
from templedb_nb.core.lint.locks.observed_effect import (
    ALL,
    REWRITES,
    SCHEMA,
    UNKNOWN,
    Also,
    Kin,
    ObservedEffect,
    cascading,
    related,
)
from templedb_nb.core.lint.relations import set_by
from templedb_nb.core.sql.cursor import NOWHERE, Cursor, Name, calls, each_name, word, words
from templedb_nb.core.sql.tokens import Statement, Token
from templedb_nb.model.effect import Impact, LockMode, StatementEffect, TableLock, ranked, stronger

MOST = 100
"""At most this many effects of one script are listed."""


def impact(
    statements: Iterable[Statement],
    *,
    together: bool,
    locking: bool,
    near: Neighbours | None = None,
) -> Impact:
    """Return what *statements* do to a database.

    Only *together*, in one transaction, does nobody else see a table that they made. Where the
    database has no table locks (*locking* is false), only their classes are told. What is locked
    beside what they name is told by name with *near*, and else by words.
    """
    effects: list[StatementEffect] = []
    strong: dict[tuple[str, ...], TableLock] = {}
    made: set[tuple[str, ...]] = set()
    more, by_path = 0, True
    for statement in statements:
        found = seen(statement.tokens)
        by_path = by_path and not set_by(statement)
        named = near and beside(found, statement.tokens, near, made, by_path=by_path)
        others, left, fired = named or ((), found.also, ())
        touched = _touched(found, made, strong) if locking else ()
        if locking and others:
            touched = (*touched, *others)
            for each in others:
                key = (each.name, each.beside)
                strong[key] = stronger(strong[key], each) if key in strong else each
        if together or found.private:
            _remember(found, made)
        effect = StatementEffect(
            line=statement.line,
            what=found.what,
            touched=touched,
            note="; ".join(filter(None, (found.note, related(left), _fires(fired))))
            if locking
            else "",
        )
        if effects and not more and _same(effects[-1], effect):
            effects[-1] = replace(effects[-1], count=effects[-1].count + 1)
        elif len(effects) < MOST:
            effects.append(effect)
        else:
            more += 1
    return Impact(
        effects=tuple(effects), more=more, locks=ranked(strong.values()), named=near is not None
    )


def about(statements: Iterable[Statement]) -> frozenset[str]:
    """Return the names, without schemas, of the relations whose relatives *statements* may lock."""
    return frozenset(
        name.key[-1]
        for statement in statements
        for found in (seen(statement.tokens),)
        for name in (*(each for each, _ in found.locked), *(each.name for each in found.also))
        if name.key
    )


def _fires(triggers: Sequence[str]) -> str:
    told = ", ".join(triggers)
    return f"fires {told}: what a trigger's function locks is not known" if told else ""


def _same(one: StatementEffect, other: StatementEffect) -> bool:
    return (one.what, one.touched, one.note) == (other.what, other.touched, other.note)


def _touched(
    found: ObservedEffect, made: set[tuple[str, ...]], strong: dict[tuple[str, ...], TableLock]
) -> tuple[TableLock, ...]:
    """Return what a statement touches, each once, and keep the strongest of all in *strong*."""
    own: dict[tuple[str, ...], TableLock] = {}
    for name, lock in found.locked:
        key = (*name.key, found.beside)
        new = name.key in made and not found.beside
        each = TableLock(name=name.text, lock=lock, beside=found.beside, new=new)
        own[key] = stronger(own[key], each) if key in own else each
    for key, each in own.items():
        if not each.new:
            strong[key] = stronger(strong[key], each) if key in strong else each
    told = [TableLock(name=name.text, lock=LockMode.NONE, new=True) for name in found.made]
    return (*told, *own.values())


def _remember(found: ObservedEffect, made: set[tuple[str, ...]]) -> None:
    made.update(name.key for name in found.made)
    if found.renamed.text and found.locked[0][0].key in made:
        made.discard(found.locked[0][0].key)
        made.add(found.renamed.key)


def seen(tokens: Sequence[Token]) -> ObservedEffect:
    """Return what one statement does."""
    short = isinstance(tokens, tuple) and len(tokens) <= _SHORT
    return _seen_before(_SameTokens(tokens)) if short else _seen(tokens)


_SHORT = 100
"""What longer statements do is looked up every time: they would fill the memory."""


class _SameTokens:
    """The very tokens of a statement: a plan asks several times what it does."""

    __slots__ = ("tokens",)

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _SameTokens) and self.tokens is other.tokens

    def __hash__(self) -> int:
        return id(self.tokens)


@lru_cache(maxsize=4096)
def _seen_before(known: _SameTokens) -> ObservedEffect:
    return _seen(known.tokens)


def _seen(tokens: Sequence[Token]) -> ObservedEffect:
    at = Cursor(tokens)
    first = at.word
    if first == "(" or first in table_access.VERBS:
        return _query(at.tokens)  # whose words are read: a statement may be long
    at.at += 1
    tell = _VERBS.get(first)
    if tell is not None:
        return tell(at)
    if first in _SESSION:
        return ObservedEffect(first.lower())
    return ObservedEffect(
        _OPAQUE.get(first, first.lower() or "unknown"), UNKNOWN, _NOTES.get(first, "")
    )


_SESSION = words(
    "SET RESET SHOW BEGIN START COMMIT END ROLLBACK ABORT SAVEPOINT RELEASE GRANT REVOKE LISTEN "
    "UNLISTEN NOTIFY DISCARD DEALLOCATE CHECKPOINT CLOSE"
)
_OPAQUE = {"DO": "do block", "CALL": "call"}
_NOTES = {
    "DO": "its body is not analysed",
    "CALL": "the procedure's body is not analysed",
    "EXECUTE": "what was prepared is not analysed",
}


def _query(tokens: Sequence[Token]) -> ObservedEffect:
    verb = table_access.verb(tokens)
    found = tuple(table_access.locked(tokens))
    target = _into(tokens) if verb == "SELECT" else NOWHERE
    if target.text:
        return ObservedEffect("select into", found, made=(target,))
    if verb == "SELECT":
        opaque = calls(tokens) - _HARMLESS
        return ObservedEffect(
            "select", found or (UNKNOWN if opaque else ()), _CALLS if opaque else ""
        )
    bare = verb in {"UPDATE", "DELETE"} and not _filtered(tokens)
    note = f"{_VERB_NOTES[verb]} every row" if bare else ""
    nothing = () if verb == "VALUES" else UNKNOWN
    return ObservedEffect(verb.lower() or "unknown", found or nothing, note)


_HARMLESS = words(
    "SET_CONFIG SETVAL CURRVAL NOW PG_NOTIFY COUNT MAX MIN SUM PG_SLEEP VERSION AND OR NOT IN "
    "EXISTS PG_ADVISORY_LOCK PG_ADVISORY_XACT_LOCK PG_ADVISORY_UNLOCK FROM WHERE ON USING AS"
)
_CALLS = "the functions that it calls are not analysed"
_VERB_NOTES = {"UPDATE": "changes", "DELETE": "removes"}


def _filtered(tokens: Sequence[Token]) -> bool:
    return Cursor(tokens).skip_to("WHERE")


def _into(tokens: Sequence[Token]) -> Name:
    at = Cursor(tokens)
    if not at.skip_to("INTO"):
        return NOWHERE
    at.at += 1
    at.take_any(words("TEMP TEMPORARY UNLOGGED TABLE"))
    return at.name()


def _copies(at: Cursor) -> ObservedEffect:
    if at.word == "(":
        return ObservedEffect("copy out", tuple(table_access.locked(at.group())))
    name = at.name()
    at.group()
    out = at.word == "TO"
    lock = LockMode.ACCESS_SHARE if out else LockMode.ROW_EXCLUSIVE
    return ObservedEffect("copy out" if out else "copy", ((name, lock),))


def _truncates(at: Cursor) -> ObservedEffect:
    at.take("TABLE")
    found = tuple((name, ALL) for name in at.names())
    at.take_any(words("RESTART CONTINUE IDENTITY RESTRICT"))
    return cascading(ObservedEffect("truncate", found, "removes every row"), at)


def _locks(at: Cursor) -> ObservedEffect:
    at.take("TABLE")
    names = at.names()
    at.take("IN")
    end = next((n for n, each in enumerate(at.rest) if word(each) == "MODE"), 0)
    mode = " ".join(word(each) for each in at.rest[:end])
    lock = LockMode(mode) if mode in set(LockMode) else LockMode.UNKNOWN if mode else ALL
    also = tuple(Also(name, lock, Kin.READ) for name in names)
    return ObservedEffect("lock table", tuple((name, lock) for name in names), also=also)


def _comments(at: Cursor) -> ObservedEffect:
    at.take("ON")
    if at.take("COLUMN"):
        return ObservedEffect(
            "comment", ((Cursor(at.tokens[at.at : _last_dot(at)]).name(), SCHEMA),)
        )
    if at.take("INDEX"):
        return ObservedEffect("comment", ((at.name(), SCHEMA),), beside="index")
    for kind in ("TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"):
        if at.take(*kind.split()):
            return ObservedEffect("comment", ((at.name(), SCHEMA),))
    return ObservedEffect("comment")


def _last_dot(at: Cursor) -> int:
    return max((n for n, each in enumerate(at.tokens) if word(each) == "."), default=at.at)


def _vacuums(at: Cursor) -> ObservedEffect:
    options = {word(each) for each in at.group()}
    start = at.at
    at.take_any(words("FULL FREEZE VERBOSE ANALYZE ANALYSE"))
    options |= {word(each) for each in at.tokens[start : at.at]}
    full = "FULL" in options
    names = tuple(each_name(at))
    lock = ALL if full else SCHEMA
    found = tuple((name, lock) for name in names) or UNKNOWN
    also = tuple(
        Also(name, ALL, Kin.SHORTENED) for name in names if not full | ("TRUNCATE" in options)
    )
    what = "vacuum full" if full else "vacuum"
    return ObservedEffect(what, found, REWRITES if full else "", also=also)


def _analyzes(at: Cursor) -> ObservedEffect:
    at.group()
    at.take_any(words("VERBOSE"))
    return ObservedEffect("analyze", tuple((name, SCHEMA) for name in each_name(at)) or UNKNOWN)


def _clusters(at: Cursor) -> ObservedEffect:
    at.group()
    at.take("VERBOSE")
    name = at.name()
    return ObservedEffect("cluster", ((name, ALL),) if name.text else UNKNOWN, REWRITES)


def _reindexes(at: Cursor) -> ObservedEffect:
    options = [word(each) for each in at.group()]
    kind = at.word
    at.at += 1
    gently = at.take("CONCURRENTLY") or "CONCURRENTLY" in options
    what = "reindex concurrently" if gently else "reindex"
    if kind not in {"INDEX", "TABLE"}:
        return ObservedEffect(what, UNKNOWN)
    beside = "the table of" if kind == "INDEX" else ""
    name = at.name()
    if gently:
        note = "builds an index, and waits for older transactions"
        also = (Also(name, LockMode.SHARE, Kin.PARTS), Also(name, ALL, Kin.INDEXES))
        return ObservedEffect(what, ((name, SCHEMA),), note, beside=beside, also=also)
    note = "while an index is built, most reads of the table also wait"
    return ObservedEffect(what, ((name, LockMode.SHARE),), note, beside=beside)


def _refreshes(at: Cursor) -> ObservedEffect:
    at.take("MATERIALIZED", "VIEW")
    gently = at.take("CONCURRENTLY")
    what = f"refresh materialized view{' concurrently' if gently else ''}"
    return ObservedEffect(
        what, ((at.name(), LockMode.EXCLUSIVE if gently else ALL),), "runs the view's query"
    )


_VERBS = {
    "CREATE": creates, "DROP": drops, "ALTER": alters, "COPY": _copies, "TRUNCATE": _truncates,
    "LOCK": _locks, "COMMENT": _comments, "VACUUM": _vacuums, "ANALYZE": _analyzes,
    "ANALYSE": _analyzes, "CLUSTER": _clusters, "REINDEX": _reindexes, "REFRESH": _refreshes,
}  # fmt: skip
