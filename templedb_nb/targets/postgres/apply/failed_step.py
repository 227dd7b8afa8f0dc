"""What is said of a step that the server refused: what stands, what is left of it, how to go on."""

from __future__ import annotations

from contextlib import suppress

import psycopg

from templedb_nb.core.sql.probes import Detached
from templedb_nb.errors import StatementFailed
from templedb_nb.targets.error_hints import meaning
from templedb_nb.targets.postgres.apply.attempt import Attempt
from templedb_nb.targets.postgres.apply.detach import stuck
from templedb_nb.targets.postgres.apply.outcome_probe import (
    ABSENT,
    EffectStanding,
    ProbeVerdict,
    named_before,
)
from templedb_nb.targets.postgres.apply.refusals import statement_failed
from templedb_nb.targets.postgres.connection.connect import first_line
from templedb_nb.targets.postgres.connection.wire import Link

_UNFINISHABLE = frozenset({"42804", "XX000"})
"""What FINALIZE answers where the parent was changed meanwhile."""


def failed(
    link: Link,
    attempt: Attempt,
    number: int,
    index: int,
    error: psycopg.Error,
    left: ProbeVerdict = ABSENT,
) -> StatementFailed:
    """Return the error for the statement of that index in step *number*; *left* is what stands."""
    file, stands = attempt.step.file, f"{number} of {len(attempt.script.units)} steps took effect"
    match left.standing:
        case EffectStanding.ABSENT if not number:
            stands = ""
        case EffectStanding.BROKEN:
            stands = f"{stands}; {_way_out(link, attempt, number, error, left)}"
        case _:
            told = meaning(error.sqlstate, first_line(error), error.diag.schema_name)
            right = link.lost or told
            on = "" if right else f"fix {file} and "
            stands = f"{stands}; {on}run again: it continues at step {number + 1}"
    return statement_failed(link, attempt, index, error, stands=stands)


def name_taken(link: Link, attempt: Attempt, number: int) -> bool:
    """Return whether another object has the name of an index before its step ran at all.

    That is nobody's doubt: the server says what it makes of the name, and IF NOT EXISTS keeps the
    other one, which is reported.
    """
    unit = attempt.script.units[number]
    other = named_before(link.connection, unit.probe) if unit.probe else None
    if other is not None:
        told = f"before {' '.join(unit.title.split()[:3])} ran, {other.evidence}"
        attempt.warn(f"{attempt.step.file}:{unit.line}: {told}")
    return other is not None


def may_have_begun(error: psycopg.Error) -> bool:
    """Return whether a CALL or a DO that the server refused may have run a part of itself.

    An error of the statement's own text, with a position in it, comes before anything runs; one
    of a body has its context.
    """
    return error.diag.statement_position is None or error.diag.context is not None


def _way_out(
    link: Link, attempt: Attempt, number: int, error: psycopg.Error, left: ProbeVerdict
) -> str:
    probe = attempt.script.units[number].probe
    if isinstance(probe, Detached) and error.sqlstate in _UNFINISHABLE:
        with suppress(psycopg.Error):
            if told := stuck(link.connection, probe):
                return told
    file = attempt.step.file
    return f"{left.evidence}. Fix {file} if necessary and run again: the run first resolves that"
