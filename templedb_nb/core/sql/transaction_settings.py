"""What a script asks of its transaction before anything else: ``SET TRANSACTION`` and its like.

A server takes most of it only before the first query of a transaction. The ledger's row is such a
query, so that these statements are sent before it, right behind our BEGIN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from templedb_nb.core.sql.tokens import Statement, Token, TokenKind
from templedb_nb.model.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A statement about the transaction itself.

    With `once`, the server refuses to hear it again behind a query: DEFERRABLE and SNAPSHOT. An
    isolation level may be repeated.
    """

    read_only: bool = False
    once: bool = False


_SETTINGS = frozenset({"transaction_isolation", "transaction_read_only", "transaction_deferrable"})
_OFF = frozenset({"off", "false", "no", "0", "f", "n", "of", "fa", "fal", "fals", "default"})
_BEFORE = frozenset({"SET", "RESET", "SHOW", "LOCK", "LISTEN", "UNLISTEN", "NOTIFY"})
"""Statements that take no snapshot, so that a SET TRANSACTION may stand behind them."""


def opening(statement: Statement) -> Opening | None:
    """Return what a statement asks of its transaction, or None for any other statement."""
    words = [_plain(token) for token in statement.tokens]
    if words[0] != "set":
        return None
    rest = words[2:] if words[1:2] in (["local"], ["session"]) else words[1:]
    if rest[:1] == ["transaction"]:
        return _modes(rest[1:])
    if rest[:1] and rest[0] in _SETTINGS and rest[1:2] in (["="], ["to"]):
        on = bool(rest[2:]) and rest[2] not in _OFF
        return Opening(
            read_only=on and rest[0] == "transaction_read_only",
            once=rest[0] == "transaction_deferrable",
        )
    return None


def closes_session(statement: Statement) -> bool:
    """Return whether a statement makes every later transaction of its session read-only."""
    words = [_plain(token) for token in statement.tokens]
    if words[:4] == ["set", "session", "characteristics", "as"]:
        return words[4:5] == ["transaction"] and _modes(words[5:]).read_only
    rest = words[2:] if words[1:2] == ["session"] else words[1:]
    named = words[0] == "set" and rest[:1] == ["default_transaction_read_only"]
    if named and rest[1:2] in (["="], ["to"]) and bool(rest[2:]) and rest[2] not in _OFF:
        return True
    return any(
        name == "default_transaction_read_only" and value not in _OFF and local in _OFF
        for name, value, local in configured(statement)
    )


def configured(statement: Statement) -> Iterator[tuple[str, str, str]]:
    """Yield what a query sets by set_config: a name, a value, and whether for its transaction.

    Only what is written as literals; in a body or behind a condition, the server alone knows.
    """
    tokens = statement.tokens
    for at, token in enumerate(tokens):
        call = tokens[at + 1 : at + 7]
        if token.text.lower() != "set_config" or len(call) < len(_CALL):
            continue
        literal = call[1].kind is call[3].kind is TokenKind.STRING
        if literal and tuple(each.text for each in call[0::2]) == _CALL[0::2]:
            yield _plain(call[1]), _plain(call[3]), _plain(call[5])


_CALL = ("(", "name", ",", "value", ",", "local")


def for_later(statement: Statement) -> str:
    """Return the SET TRANSACTION that a statement for the transactions behind its own stands for.

    Nothing, where it is no such statement, or where it asks what transactions give anyway.
    """
    words = [_plain(token) for token in statement.tokens]
    if words[:4] == ["set", "session", "characteristics", "as"] and words[4:5] == ["transaction"]:
        modes = _spelt(statement.tokens[5:])
        return "" if words[5:] == ["read", "write"] else f"SET TRANSACTION {modes}"
    for name, value, _ in configured(statement):
        if mode := _mode_for_later(name, [value]):
            return mode
    rest = words[2:] if words[1:2] in (["local"], ["session"]) else words[1:]
    if words[0] != "set" or rest[1:2] not in (["="], ["to"]) or not rest[2:]:
        return ""
    return _mode_for_later(rest[0], rest[2:])


def _mode_for_later(name: str, value: Sequence[str]) -> str:
    on = value[0] not in _OFF
    match name:
        case "default_transaction_isolation" if value[0] != "default":
            return f"SET TRANSACTION ISOLATION LEVEL {' '.join(value).upper()}"
        case "default_transaction_read_only" if on:
            return "SET TRANSACTION READ ONLY"
        case "default_transaction_deferrable" if on:
            return "SET TRANSACTION DEFERRABLE"
        case _:
            return ""


def _spelt(tokens: Sequence[Token]) -> str:
    return " ".join(token.text.upper() for token in tokens).replace(" ,", ",")


def for_its_transaction(statement: Statement) -> bool:
    """Return whether a statement means nothing outside of a BEGIN: SET TRANSACTION, SET LOCAL."""
    words = [token.upper for token in statement.tokens[:2]]
    return words == ["SET", "LOCAL"] or opening(statement) is not None


def openings(statements: Sequence[Statement]) -> tuple[int, ...]:
    """Return which statements of a transaction can go into its BEGIN: they lead it."""
    return tuple(_leading(statements))


def _leading(statements: Sequence[Statement]) -> Iterator[int]:
    for index, statement in enumerate(statements):
        if opening(statement) is not None:
            yield index
        elif not goes_before(statement):
            return


def goes_before(statement: Statement) -> bool:
    """Return whether a SET TRANSACTION may stand behind a statement: it takes no snapshot."""
    return statement.tokens[0].upper in _BEFORE


def _modes(words: Sequence[str]) -> Opening:
    asks = " ".join(words)
    return Opening(
        read_only="read only" in asks, once="deferrable" in asks or words[:1] == ["snapshot"]
    )


def _plain(token: Token) -> str:
    """Return a word or a literal in small letters, without its quotes."""
    if token.kind in {TokenKind.STRING, TokenKind.QUOTED}:
        return token.text.strip("'\"").lower()
    return token.text.lower()
