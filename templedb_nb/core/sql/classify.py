"""What a statement needs from the session that runs it, by its tokens and never by its text.

The classes follow PostgreSQL's ``PreventInTransactionBlock`` calls (src/backend/commands); the
tests ask a server, which refuses each statement of `OutsideTransaction` inside ``BEGIN`` (25001).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TypeAlias

from templedb_nb.core.sql.lexer import split, tokens
from templedb_nb.core.sql.tokens import Blank, Meta, Piece, Statement, Token, TokenKind
from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class InsideTransaction:
    """Runs inside a transaction like any other."""


@dataclass(frozen=True, slots=True)
class TransactionBegin:
    """Opens a transaction; `modes` is what else it asks of it."""

    modes: str = ""


@dataclass(frozen=True, slots=True)
class TransactionCommit:
    """Ends a transaction well."""


@dataclass(frozen=True, slots=True)
class Controls:
    """Controls transactions in another way."""

    what: str


@dataclass(frozen=True, slots=True)
class OutsideTransaction:
    """Cannot run inside a transaction, or the file has *asked* that it stands alone."""

    what: str
    asked: bool = False


@dataclass(frozen=True, slots=True)
class CopiesOut:
    """Sends rows to the client, where nobody takes them."""


Need: TypeAlias = (
    InsideTransaction
    | TransactionBegin
    | TransactionCommit
    | Controls
    | OutsideTransaction
    | CopiesOut
)

_LITERAL_TAG = 3


def need(statement: Statement) -> Need:
    """Return what *statement* needs."""
    words = [_word(token) for token in statement.tokens]
    return (
        _control(statement, words)
        or _outside(statement, words)
        or _copies_out(words)
        or InsideTransaction()
    )


def added_labels(statement: Statement) -> tuple[str, ...]:
    """Return the enum labels that an ``ALTER TYPE … ADD VALUE`` adds, as they are quoted."""
    words = [_word(token) for token in statement.tokens]
    if words[:2] != ["ALTER", "TYPE"] or "ADD" not in words:
        return ()
    place = words.index("ADD")
    if words[place + 1 : place + 2] != ["VALUE"]:
        return ()
    literals = (t.text for t in statement.tokens[place:] if t.kind is TokenKind.STRING)
    return tuple(literals)[:1]


def makes_temporary(statement: Statement) -> bool:
    """Return whether a statement makes something that its session alone has."""
    words = [_word(token) for token in statement.tokens[:6]]
    before = [word for word in words[1:] if word not in {"OR", "REPLACE", "LOCAL", "GLOBAL"}]
    return words[:1] == ["CREATE"] and before[:1] in (["TEMP"], ["TEMPORARY"])


def type_name(statement: Statement) -> str:
    """Return the type that an ``ALTER TYPE`` or ``CREATE TYPE … AS ENUM`` is about."""
    words = [_word(token) for token in statement.tokens]
    if words[:1] not in (["ALTER"], ["CREATE"]) or words[1:2] != ["TYPE"]:
        return ""
    stop = next((n for n, w in enumerate(words[2:], 2) if w in {"ADD", "AS"}), len(words))
    return "".join(token.text for token in statement.tokens[2:stop]).lower()


def canonical_tokens(pieces: Iterable[Piece]) -> Iterator[str]:
    """Yield a form that two texts share if they differ in comments and white space alone."""
    for part in _parts(pieces):
        yield f"{len(part)}:"
        yield part


def _parts(pieces: Iterable[Piece]) -> Iterator[str]:
    for piece in pieces:
        match piece:
            case Statement(tokens=found, data=data):
                yield from (token.text for token in found)
                yield ";"
                if data is not None:
                    yield data
            case Meta(text=text):
                yield text
            case Blank():
                pass


def _word(token: Token) -> str:
    return token.upper or (token.text if token.kind is TokenKind.SYMBOL else "'")


def _control(statement: Statement, words: Sequence[str]) -> Need | None:
    rest = words[1:]
    match words[0]:
        case "BEGIN":
            return TransactionBegin(
                _modes(statement, 1 + (rest[:1] in (["WORK"], ["TRANSACTION"])))
            )
        case "START" if rest[:1] == ["TRANSACTION"]:
            return TransactionBegin(_modes(statement, 2))
        case "COMMIT" | "END":
            plain = rest in ([], ["WORK"], ["TRANSACTION"])
            plain = plain or rest[-3:] == ["AND", "NO", "CHAIN"]
            return TransactionCommit() if plain else Controls(_said(words))
        case "ROLLBACK" | "ABORT":
            back = rest[1:] if rest[:1] in (["WORK"], ["TRANSACTION"]) else rest
            plain = back in ([], ["AND", "NO", "CHAIN"])
            return None if back[:1] == ["TO"] else Controls(words[0] if plain else _said(words))
        case "PREPARE" if rest[:1] == ["TRANSACTION"]:
            return Controls("PREPARE TRANSACTION")
        case _:
            return None


def _modes(statement: Statement, first: int) -> str:
    return " ".join(token.text for token in statement.tokens[first:])


def _said(words: Sequence[str]) -> str:
    return " ".join(word for word in words[:3] if word.isalpha())


def _outside(statement: Statement, words: Sequence[str]) -> OutsideTransaction | None:
    verb, rest = words[0], words[1:]
    match verb:
        case "CREATE":
            return _creates(rest, words)
        case "DROP":
            return _drops(rest)
        case "REINDEX":
            return _reindexes(rest)
        case "ALTER":
            return _alters(rest)
        case "VACUUM":
            return OutsideTransaction("VACUUM")
        case "CLUSTER" if not [w for w in _behind_options(rest) if w != "VERBOSE"]:
            return OutsideTransaction("CLUSTER of every table")
        case "DISCARD" if rest[:1] == ["ALL"]:
            return OutsideTransaction("DISCARD ALL")
        case "CALL":
            return OutsideTransaction("CALL, whose procedure may commit")
        case "DO" if _commits_inside(statement):
            return OutsideTransaction("DO with a COMMIT or ROLLBACK")
        case _:
            return None


def _creates(rest: Sequence[str], words: Sequence[str]) -> OutsideTransaction | None:
    unique = rest[1:] if rest[:1] == ["UNIQUE"] else rest
    if unique[:2] == ["INDEX", "CONCURRENTLY"]:
        return OutsideTransaction("CREATE INDEX CONCURRENTLY")
    if rest[:1] in (["DATABASE"], ["TABLESPACE"]):
        return OutsideTransaction(f"CREATE {rest[0]}")
    if rest[:1] == ["SUBSCRIPTION"] and not _without_slot(words):
        return OutsideTransaction("CREATE SUBSCRIPTION with a slot")
    return None


def _without_slot(words: Sequence[str]) -> bool:
    """Return whether an option says that nothing is made on the publisher."""
    told = (
        "".join(words[n : n + 3]) for n, w in enumerate(words) if w in {"CONNECT", "CREATE_SLOT"}
    )
    return any(each.endswith("=FALSE") for each in told)


def _drops(rest: Sequence[str]) -> OutsideTransaction | None:
    if rest[:2] == ["INDEX", "CONCURRENTLY"]:
        return OutsideTransaction("DROP INDEX CONCURRENTLY")
    if rest[:1] in (["DATABASE"], ["TABLESPACE"], ["SUBSCRIPTION"]):
        return OutsideTransaction(f"DROP {rest[0]}")
    return None


def _reindexes(rest: Sequence[str]) -> OutsideTransaction | None:
    options = _options(rest)
    if "CONCURRENTLY" in options:
        place = options.index("CONCURRENTLY")
        if options[place + 1 : place + 2] not in (["FALSE"], ["OFF"], ["0"]):
            return OutsideTransaction("REINDEX CONCURRENTLY")
    what = _behind_options(rest)
    if what[1:2] == ["CONCURRENTLY"]:
        return OutsideTransaction("REINDEX CONCURRENTLY")
    if what[:1] in (["SCHEMA"], ["DATABASE"], ["SYSTEM"]):
        return OutsideTransaction(f"REINDEX {what[0]}")
    return None


def _alters(rest: Sequence[str]) -> OutsideTransaction | None:
    match list(rest[:1]):
        case ["SYSTEM"]:
            return OutsideTransaction("ALTER SYSTEM")
        case ["DATABASE"] if _follows(rest, "SET", "TABLESPACE"):
            return OutsideTransaction("ALTER DATABASE SET TABLESPACE")
        case ["TABLE"] if _follows(rest, "DETACH", "PARTITION") and rest[-1] == "CONCURRENTLY":
            return OutsideTransaction("DETACH PARTITION CONCURRENTLY")
        case ["SUBSCRIPTION"] if _follows(rest, "REFRESH", "PUBLICATION"):
            return OutsideTransaction("ALTER SUBSCRIPTION REFRESH PUBLICATION")
        case _:
            return None


def _follows(words: Sequence[str], first: str, second: str) -> bool:
    return any(pair == (first, second) for pair in pairwise(words))


def _options(rest: Sequence[str]) -> list[str]:
    """Return the words inside the parentheses that may follow a verb."""
    if rest[:1] != ["("]:
        return []
    return list(rest[1 : list(rest).index(")") if ")" in rest else len(rest)])


def _behind_options(rest: Sequence[str]) -> list[str]:
    return list(rest[len(_options(rest)) + 2 :]) if rest[:1] == ["("] else list(rest)


def _copies_out(words: Sequence[str]) -> CopiesOut | None:
    return CopiesOut() if words[0] == "COPY" and _follows(words, "TO", "STDOUT") else None


def _commits_inside(statement: Statement) -> bool:
    """Return whether the body of a DO has COMMIT or ROLLBACK where a statement begins."""
    bodies = (_body(t.text) for t in statement.tokens if t.kind is TokenKind.STRING)
    return any(_ends_transaction(body) for body in bodies)


def _body(literal: str) -> str:
    if literal.startswith("$"):
        tag = literal[: literal.index("$", 1) + 1]
        return literal[len(tag) : -len(tag)]
    return literal[literal.index("'") + 1 : -1].replace("''", "'")


def _ends_transaction(body: str) -> bool:
    found = [t for t in tokens(body) if t.kind not in {TokenKind.SPACE, TokenKind.COMMENT}]
    for before, token, after in zip([None, *found], found, [*found[1:], None], strict=False):
        begins = before is None or before.text == ";" or before.upper in _OPENERS
        if begins and token.upper in {"COMMIT", "ROLLBACK"} and (not after or after.upper != "TO"):
            return True
    return False


_OPENERS = frozenset({"BEGIN", "THEN", "ELSE", "LOOP"})

__all__ = [
    "Controls",
    "CopiesOut",
    "InsideTransaction",
    "Need",
    "OutsideTransaction",
    "TransactionBegin",
    "TransactionCommit",
    "added_labels",
    "canonical_tokens",
    "need",
    "split",
    "type_name",
]  # fmt: skip
