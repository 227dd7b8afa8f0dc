"""Whether a database's answer is what a check expects, and what its refusal says."""

from __future__ import annotations

from templedb_nb.core.values.query_expectation import (
    Expectation,
    evidence,
    expectation,
    unmet,
    written,
)
from templedb_nb.errors import Held, QueryRefused, QueryTimedOut, TargetError, Unreachable
from templedb_nb.model.health import Cause
from templedb_nb.model.history import Answer

_NO_PRIVILEGE = "(42501)"


def wanted(expect: str) -> Expectation | None:
    """Return what is expected; None for one row whose first value is true."""
    return expectation(expect) if expect else None


def judged(answer: Answer, expect: str) -> tuple[Cause, str, str]:
    """Return the cause, a sentence, and the first rows as text."""
    asked = wanted(expect)
    came = unmet(asked, answer) if asked else _untrue(answer)
    shown = "\n".join(evidence(answer))
    said = asked.said if asked else "one row that begins with true"
    if came:
        return Cause.QUERY_ANSWER, f"expected {said}, but got {came}", shown
    return Cause.MET, f"the answer is {said}", shown


def _untrue(answer: Answer) -> str:
    """Return what came in place of one row whose first value is true."""
    if len(answer.rows) != 1 or answer.more:
        many = f"{'more than ' if answer.more else ''}{len(answer.rows)}"
        return f"{many} rows" if answer.rows else "no row"
    first = answer.rows[0][0] if answer.rows[0] else None
    return "" if first is True else written(first)


def refused(error: TargetError | QueryRefused | QueryTimedOut) -> tuple[Cause, str]:
    """Return what the error of a question says of the target's health."""
    match error:
        case QueryTimedOut() | Held():
            return Cause.QUERY_TIMEOUT, error.message
        case Unreachable() if error.message.startswith("lost the connection"):
            return Cause.RESET, error.message
        case Unreachable():
            return Cause.DATABASE, error.message
        case TargetError() if _NO_PRIVILEGE in error.message:
            return Cause.DATABASE, error.message
        case _:
            return Cause.QUERY_FAILED, error.message
