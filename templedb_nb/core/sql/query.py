"""Read a question: one statement, and its named parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from templedb_nb.core.sql.lexer import split
from templedb_nb.core.sql.tokens import Token, TokenKind
from templedb_nb.core.values.schema import nearest
from templedb_nb.errors import QueryRefused, UsageProblem
from templedb_nb.model.query import Question

READING = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "("})
"""What a statement that asks begins with, in PostgreSQL."""

HINT = "a change of the database is a migration: templedb migration new NAME"
_EXAMPLE = 'templedb query "SELECT count(*) FROM orders" --target staging'


def question(text: str, values: Mapping[str, str]) -> Question:
    """Return the one statement of *text*, its ``%(name)s`` bound to *values* by ``$1`` and so on.

    Without values nothing is a parameter, and ``%`` is itself.
    """
    lexed = split(text)
    if lexed.problems:
        raise QueryRefused(f"line {lexed.problems[0].line}: {lexed.problems[0].message}")
    if lexed.metas:
        meta = lexed.metas[0]
        message = f"line {meta.line}: {meta.text.split()[0]} is a psql command"
        raise QueryRefused(message, hint="use SQL: the catalogs are in pg_catalog")
    if not lexed.statements:
        raise QueryRefused("there is no query", hint=_EXAMPLE)
    if len(lexed.statements) > 1:
        line = lexed.statements[1].line
        message = f"a query is one statement; another one begins on line {line}"
        raise QueryRefused(message, hint="run one query at a time")
    (statement,) = lexed.statements
    if statement.data is not None:
        raise refused("COPY")
    sql, bound = _bound(statement.text, statement.tokens, statement.start, values)
    return Question(sql=sql, values=bound, text=text, start=statement.start)


def refuse_writing(asked: Question) -> None:
    """Refuse a statement that PostgreSQL does not begin with a word of asking."""
    word = re.match(r"\(|[A-Za-z]+", asked.sql)
    first = word[0].upper() if word else asked.sql[:1]
    if first not in READING:
        raise refused(first)


def refused(what: str) -> QueryRefused:
    """Return the error for a statement that would do more than ask."""
    return QueryRefused(f"queries are read-only, but {what} does more than read", hint=HINT)


def _bound(
    sql: str, tokens: Sequence[Token], start: int, values: Mapping[str, str]
) -> tuple[str, tuple[str, ...]]:
    if not values:
        return sql, ()
    names: dict[str, None] = {}
    pieces, at = [], 0
    for place, token in enumerate(tokens):
        name = _parameter(tokens[place : place + 5])
        if name is None:
            continue
        if name not in values:
            raise UsageProblem(f"%({name})s has no value{nearest(name, [*values])}",
                               hint=f"--param {name}=VALUE")  # fmt: skip
        names[name] = None
        pieces += [sql[at : token.start - start], f"${[*names].index(name) + 1}"]
        last = tokens[place + 4]
        at = last.start - start + len(last.text)
    if unused := [name for name in values if name not in names]:
        hint = f"write %({unused[0]})s in place of the value, without quotes"
        raise UsageProblem(f"the query has no parameter {unused[0]}", hint=hint)
    return "".join([*pieces, sql[at:]]), tuple(values[name] for name in names)


def _parameter(five: Sequence[Token]) -> str | None:
    """Return the name, if the tokens are ``%(name)s`` without a space."""
    texts = [token.text for token in five]
    if len(five) < 5 or texts[:2] != ["%", "("] or texts[3:] != [")", "s"]:  # noqa: PLR2004 - as many pieces
        return None
    close = all(a.start + len(a.text) == b.start for a, b in pairwise(five))
    return texts[2] if close and five[2].kind is TokenKind.WORD else None
