"""What an answer must be: a number of rows, or one value."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any  # Any: a cell of an answer

from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.history import Answer
from templedb_nb.model.query import Question
from templedb_nb.model.span import Interval

_COUNT = re.compile(r"rows\s*(<=|>=|!=|=|<|>)\s*(\d+)")
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What an answer must be: so many rows, or one value."""

    said: str
    compare: str = ""
    rows: int = 0
    value: str | None = None

    @property
    def needs(self) -> int:
        """Return how many rows must be read to decide."""
        return self.rows + 1 if self.compare else 2


def expectation(said: str) -> Expectation:
    """Return what the word means.

    ``empty`` and ``rows`` are no row and any; ``rows=3``, ``rows>=1`` count them. Anything else is
    the one value of the one row, as text; in ``'quotes'`` it is no word of these.
    """
    if said == "empty":
        return Expectation(said=said, compare="=", rows=0)
    if said == "rows":
        return Expectation(said=said, compare=">", rows=0)
    if found := _COUNT.fullmatch(said):
        return Expectation(said=said, compare=found[1], rows=int(found[2]))
    quoted = len(said) > 1 and said[0] == said[-1] == "'"
    return Expectation(said=said, value=said[1:-1] if quoted else said)


def asking_for(asked: Question, wanted: Expectation) -> Question:
    """Return the question, with as many rows as the expectation must see."""
    return replace(asked, limit=max(asked.limit, wanted.needs))


def unmet(wanted: Expectation, answer: Answer) -> str:
    """Return what came in place of what was expected; nothing, if it is that."""
    count = len(answer.rows)
    many = f"{'more than ' if answer.more else ''}{_rows(count)}"
    if wanted.value is None:
        return "" if _counted(count, wanted.compare, wanted.rows) else many
    if count != 1:
        return many
    if len(answer.columns) != 1:
        return f"a row of {len(answer.columns)} columns"
    ((value,),) = answer.rows
    return "" if _same(value, wanted.value, wanted.said) else written(value)


def evidence(answer: Answer) -> list[str]:
    """Return the first rows, a line each."""
    rows = [
        ", ".join(f"{n}={written(v)}" for n, v in zip(answer.columns, row, strict=True))
        for row in answer.rows[:_SHOWN]
    ]
    left = len(answer.rows) - _SHOWN
    return [*rows, "… and more"] if left > 0 or answer.more else rows


def written(value: Any) -> str:
    """Return a value of a database as SQL's text, times in ISO 8601."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(sep=" ")
        case timedelta():
            return str(Interval.of(value))
        case bytes():
            return f"\\x{value.hex()}"
        case Decimal():
            return f"{value:f}"
        case _:
            return str(value)


def _rows(count: int) -> str:
    return "no row" if not count else f"{count} row{'s' if count > 1 else ''}"


def _counted(count: int, compare: str, rows: int) -> bool:
    return {
        "=": count == rows,
        "!=": count != rows,
        "<": count < rows,
        ">": count > rows,
        "<=": count <= rows,
        ">=": count >= rows,
    }[compare]


def _same(value: Any, wanted: str, said: str) -> bool:
    if value is None:
        return said.upper() == "NULL"
    if written(value) == wanted:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    try:
        return Decimal(wanted) == Decimal(str(value))
    except InvalidOperation:
        return False
