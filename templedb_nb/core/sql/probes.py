"""What the catalog must be asked after a crash, for statements that no transaction can prove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from templedb_nb.core.sql.tokens import Statement, Token, TokenKind
from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexBuilt:
    """CREATE INDEX CONCURRENTLY: the index is there, valid, and defined as the statement says.

    `name` is empty where the server chooses it. `twin` is the statement that builds the same index
    without CONCURRENTLY: ``{name}`` and ``{table}`` stand for other names, and every brace of the
    text is doubled, as `str.format` wants it.
    """

    name: str
    table: str
    twin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexGone:
    """DROP INDEX CONCURRENTLY: no relation of that name is there."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reindexed:
    """REINDEX: it runs again, once what an earlier one left is dropped.

    Only one that is `concurrently` leaves anything.
    """

    kind: str
    name: str
    concurrently: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Detached:
    """DETACH PARTITION CONCURRENTLY: no row of pg_inherits, and none that waits for FINALIZE."""

    parent: str
    partition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A statement that does no harm if it runs again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogQuestion:
    """The file itself says how to tell: a query that gives one true or false."""

    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unprovable:
    """Nobody can tell; `partial` if a failure that the server reports may leave a part of it."""

    partial: bool = False


Probe: TypeAlias = (
    IndexBuilt | IndexGone | Reindexed | Detached | Repeated | CatalogQuestion | Unprovable
)


def probe_of(statement: Statement) -> Probe:
    """Return how to tell whether a statement that runs alone took effect."""
    words = [token.upper for token in statement.tokens]
    match words[0]:
        case "CREATE" if "CONCURRENTLY" in words:
            return _built(statement, words)
        case "DROP" if words[1:3] == ["INDEX", "CONCURRENTLY"]:
            behind = 5 if words[3:5] == ["IF", "EXISTS"] else 3
            names = _name(statement.tokens, behind)
            return IndexGone(name=names[0]) if names[0] else Unprovable()
        case "REINDEX":
            return _reindexed(statement, words)
        case "ALTER" if "DETACH" in words:
            return _detached(statement, words)
        case "VACUUM" | "CLUSTER" | "DISCARD":
            return Repeated()
        case "ALTER" if words[1] == "SYSTEM":
            return Repeated()
        case "CALL" | "DO":
            return Unprovable(partial=True)
        case _:
            return Unprovable()


def _name(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """Return the possibly qualified name that begins at a token, and what follows it."""
    parts: list[str] = []
    while at < len(tokens) and tokens[at].kind in {TokenKind.WORD, TokenKind.QUOTED}:
        parts.append(tokens[at].text)
        if at + 1 >= len(tokens) or tokens[at + 1].text != ".":
            return ".".join(parts), at + 1
        at += 2
    return "", at


def _built(statement: Statement, words: Sequence[str]) -> Probe:
    tokens = statement.tokens
    at = words.index("CONCURRENTLY") + 1
    if at == len(words):
        return Unprovable()
    if words[at : at + 3] == ["IF", "NOT", "EXISTS"]:
        at += 3
    name = ""
    if words[at : at + 1] != ["ON"]:
        name, at = _name(tokens, at)
    on = at
    if words[on : on + 1] != ["ON"]:
        return Unprovable()
    at = on + 2 if words[on + 1 : on + 2] == ["ONLY"] else on + 1
    table, behind = _name(tokens, at)
    if not table:
        return Unprovable()
    end = tokens[-1].start + len(tokens[-1].text) - statement.start
    rest = (
        statement.text[tokens[behind].start - statement.start : end] if behind < len(tokens) else ""
    )
    unique = "UNIQUE " if "UNIQUE" in words[: words.index("CONCURRENTLY")] else ""
    rest = rest.replace("{", "{{").replace("}", "}}")
    twin = f"CREATE {unique}INDEX {{name}} ON {{table}} {rest}"
    return IndexBuilt(name=name, table=table, twin=twin)


def _reindexed(statement: Statement, words: Sequence[str]) -> Probe:
    texts = [token.text for token in statement.tokens]
    at = 1
    if texts[1:2] == ["("]:
        at = texts.index(")") + 1 if ")" in texts else len(texts)
    kind = words[at] if at < len(words) else ""
    at += 2 if words[at + 1 : at + 2] == ["CONCURRENTLY"] else 1
    name = _name(statement.tokens, at)[0]
    return Reindexed(kind=kind, name=name, concurrently=_concurrently(words, at))


def _concurrently(words: Sequence[str], end: int) -> bool:
    """Return whether a REINDEX says so among its options or behind its kind."""
    head = words[:end]
    if "CONCURRENTLY" not in head:
        return False
    behind = head[head.index("CONCURRENTLY") + 1 : head.index("CONCURRENTLY") + 2]
    return behind not in (["FALSE"], ["OFF"])


def _detached(statement: Statement, words: Sequence[str]) -> Probe:
    at = 2
    at += 2 if words[at : at + 2] == ["IF", "EXISTS"] else 0
    at += 1 if words[at : at + 1] == ["ONLY"] else 0
    parent, _ = _name(statement.tokens, at)
    at = words.index("PARTITION") + 1 if "PARTITION" in words else len(words)
    partition, _ = _name(statement.tokens, at)
    if not parent or not partition:
        return Unprovable()
    return Detached(parent=parent, partition=partition)
