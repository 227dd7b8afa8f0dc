"""A migration that cannot run in one transaction: step by step, each of them counted.

No transaction of ours is open around a statement that forbids one. A step that may run in a
transaction commits together with its count; for one that may not, the catalog is asked before it
runs, so that a crash at any instant leaves a place to go on from.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import generators

from templedb_nb.core.lexer import Statement
from templedb_nb.core.probes import Unprovable
from templedb_nb.core.script import read_script
from templedb_nb.core.units import Unit, Way, lost_with_session, session_statements
from templedb_nb.errors import Busy, StatementFailed, Unresolved
from templedb_nb.failpoints import reach
from templedb_nb.model.ledger import State
from templedb_nb.targets import postgres_rows as rows
from templedb_nb.targets.postgres_apply import (
    Attempt,
    again,
    committed,
    counted,
    failed_at_commit,
    sent,
    shadowed,
    statement_failed,
    timeouts,
    verify,
)
from templedb_nb.targets.postgres_connection import LOCK_TIMEOUT, run
from templedb_nb.targets.postgres_link import Link, failure
from templedb_nb.targets.postgres_lock import Lock
from templedb_nb.targets.postgres_probe import Standing, Verdict, ask

_AS_OURSELVES = "SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL ROLE NONE;"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where an attempt goes on: steps that are proven, and whether the next one had begun."""

    done: int
    begun: bool


def apply_stepwise(link: Link, lock: Lock, attempt: Attempt) -> None:
    """Go on from the first step that is not proven, to the end."""
    try:
        place = _enter(link, attempt)
        reach("stepwise.entered", link.cut)
        _restore(link, attempt, place.done)
        for number in range(place.done, len(attempt.script.units)):
            begun = place.begun and number == place.done
            _step(link, lock, attempt, number, begun=begun)
        reach("stepwise.before-end", link.cut)
        _finish(link, attempt)
        reach("stepwise.ended", link.cut)
    finally:
        link.roll_back()
        link.clean()


# --- where to go on ---------------------------------------------------------------------------


def _enter(link: Link, attempt: Attempt) -> _Place:
    """Write the row as running, committed before anything else, and return where to go on."""
    step, claim = attempt.step, attempt.claim
    with link.connection.transaction():
        known = rows.attempted(link.connection, claim.project, step.key)
        place = _place(link, attempt, known)
        rows.begun_row(link.connection, step, attempt.script, attempt.id, claim, place.done)
    return place


def _place(link: Link, attempt: Attempt, known: rows.Attempted | None) -> _Place:
    step = attempt.step
    if known is None or known.state is State.REVERTED:
        return _Place(done=0, begun=False)
    if known.state is State.APPLIED:
        raise Busy(f"{step.file} is in the ledger of {link.where} already, by somebody else")
    if known.state is State.IN_DOUBT:
        raise _in_doubt(attempt, known.step_done, "nobody has resolved it yet")
    if not known.step_started:
        return _Place(done=0, begun=False)
    if known.checksum != step.checksums.text and _edited(known, attempt):
        message = f"{step.file}: its first {known.step_started} steps ran already, and were edited"
        hint = "bring their text back; statements behind them may change"
        raise Unresolved(message, hint=hint)
    return _Place(done=known.step_done, begun=known.step_started > known.step_done)


def _edited(known: rows.Attempted, attempt: Attempt) -> bool:
    """Return whether any step that ran, or had begun, reads otherwise now."""
    reading = attempt.step.reading
    before = read_script(known.sql.encode(), reading).units[: known.step_started]
    now = attempt.script.units[: known.step_started]
    return [_tokens(unit) for unit in before] != [_tokens(unit) for unit in now]


def _tokens(unit: Unit) -> list[str]:
    return [token.text for each in unit.statements for token in each.tokens]


def _restore(link: Link, attempt: Attempt, done: int) -> None:
    """Give a new session what the file's earlier statements had given the old one."""
    earlier = attempt.script.units[:done]
    if gone := lost_with_session(earlier):
        message = f"line {gone.line} made something that ended with its session"
        _mark_in_doubt(link, attempt, message)
        file = attempt.step.file
        hint = f"do by hand what is left of it, then: templedb migration mark-applied {file}"
        raise Unresolved(f"{file}: {message}", hint=f"{hint} --reason WHAT-YOU-DID")
    for statement in session_statements(earlier):
        run(link.connection, statement.text)


# --- one step ---------------------------------------------------------------------------------


def _step(link: Link, lock: Lock, attempt: Attempt, number: int, *, begun: bool) -> None:
    unit = attempt.script.units[number]
    if unit.way is Way.ALONE:
        _alone(link, lock, attempt, number, begun=begun)
    else:
        _again(link, lock, attempt, number)
    attempt.ran(unit.first + max(len(unit.statements) - 1, 0))


def _again(link: Link, lock: Lock, attempt: Attempt, number: int) -> None:
    """Run a step that a transaction proves; others in its way make it try again."""

    def work() -> None:
        try:
            _together(link, lock, attempt, number)
        except BaseException:
            link.roll_back()
            raise

    try:
        again(work, link, attempt, attempt.script.units[number].first)
    except StatementFailed as error:
        _record(link, attempt, State.FAILED, error.message)
        raise


def _together(link: Link, lock: Lock, attempt: Attempt, number: int) -> None:
    unit, index = attempt.script.units[number], -1
    begin = f"{unit.begin}; {timeouts(attempt.script)} SELECT {_TRY}({lock.key})"
    try:
        results = link.batch(begin)
        if error := failure(results):
            raise error
        if results[-1].get_value(0, 0) != b"t":
            raise Busy(f"{link.where}: this session lost its lock in {attempt.step.file}")
        for statement in unit.statements:
            index = unit.first if index < 0 else index + 1
            sent(link, attempt, index, statement)
        reach("stepwise.ran", link.cut)
    except psycopg.Error as error:
        raise _failed(link, attempt, number, index, error) from None
    if not link.in_transaction:
        told = f"step {number + 1} ended the transaction that it was given"
        _mark_in_doubt(link, attempt, told)
        raise _in_doubt(attempt, number, told)
    _count_and_commit(link, lock, attempt, number)


def _count_and_commit(link: Link, lock: Lock, attempt: Attempt, number: int) -> None:
    unit = attempt.script.units[number]
    end = "ROLLBACK; BEGIN; " if unit.way is Way.UNDONE else ""
    values = [number + 1, number + 1, *_which(attempt)]
    try:
        count = f"{end}{_AS_OURSELVES} {rows.step_statement()}; COMMIT"
        with link.hearing(attempt.ear(unit.first + max(len(unit.statements) - 1, 0))):
            results = link.batch(count, values, sent="stepwise.commit-sent")
    except psycopg.Error as error:
        if not link.lost:
            raise failed_at_commit(attempt, error) from None
        _settle(link, lock, attempt, number)
        return
    if not committed(results):
        raise failed_at_commit(attempt, failure(results))
    reach("stepwise.committed", link.cut)


def _settle(link: Link, lock: Lock, attempt: Attempt, number: int) -> None:
    """Find out whether the step counts: the COMMIT's answer was lost."""
    link.reopen(attempt.step.file)
    lock.take(attempt.claim, lambda _: None)
    lock.write_row(attempt.claim)
    known = rows.attempted(link.connection, attempt.claim.project, attempt.step.key)
    if known is None or known.step_done <= number:
        message = "the connection was lost at COMMIT, and the server rolled the step back"
        raise StatementFailed(message, statement=-1, line=0, column=0, changed=number > 0)
    _restore(link, attempt, number + 1)


def _alone(link: Link, lock: Lock, attempt: Attempt, number: int, *, begun: bool) -> None:
    """Run a step that no transaction proves, unless the catalog says that it is done."""
    unit = attempt.script.units[number]
    assert unit.probe is not None  # noqa: S101 - a step that runs alone has one
    statement = unit.statements[0]
    _count(link, attempt, done=number, started=number + 1)
    reach("alone.started", link.cut)
    verdict = Verdict(standing=Standing.ABSENT)
    try:
        if begun or not isinstance(unit.probe, Unprovable):
            verdict = ask(link.connection, unit.probe)
        if verdict.standing is Standing.UNKNOWN:
            told = f"line {statement.line}: {verdict.evidence}"
            _mark_in_doubt(link, attempt, told)
            raise _in_doubt(attempt, number, told)
        reach("alone.asked", link.cut)
        if verdict.standing is not Standing.DONE:
            _patiently(link, attempt, number, statement, verdict)
        reach("alone.ran", link.cut)
        _retake(link, lock, attempt)
        _count(link, attempt, done=number + 1, started=number + 1)
    except psycopg.Error as error:
        raise _broken(link, attempt, number, error) from None
    reach("alone.counted", link.cut)


def _patiently(
    link: Link, attempt: Attempt, number: int, statement: Statement, verdict: Verdict
) -> None:
    """Run a statement that waits for others by its nature: without a lock_timeout of ours."""
    earlier = session_statements(attempt.script.units[:number])
    own = any(token.upper == "LOCK_TIMEOUT" for each in earlier for token in each.tokens)
    asked = attempt.script.asked
    if not own:
        wanted = 0 if asked.lock_timeout_ms is None else asked.lock_timeout_ms
        run(link.connection, f"SET lock_timeout = {wanted}")
    if asked.statement_timeout_ms is not None:
        run(link.connection, f"SET statement_timeout = {asked.statement_timeout_ms}")
    for each in verdict.repair:
        run(link.connection, each)
    if not verdict.instead:
        _send_alone(link, attempt, attempt.script.units[number].first, statement)
    if not own:
        run(link.connection, f"SET lock_timeout = '{LOCK_TIMEOUT}'")


def _send_alone(link: Link, attempt: Attempt, index: int, statement: Statement) -> None:
    pgconn = link.connection.pgconn
    with link.hearing(attempt.ear(index)):
        pgconn.send_query_params(statement.text.encode(), None)
        link.connection.wait(generators.send(pgconn))
        reach("alone.sent", link.cut)
        results = link.connection.wait(generators.execute(pgconn))
    if error := failure(results):
        raise error
    counted(attempt, index, results)


def _retake(link: Link, lock: Lock, attempt: Attempt) -> None:
    """See that the lock is ours still: a DISCARD ALL lets it go."""
    row = link.connection.execute(lock.again().encode()).fetchone()
    if row != (True,):
        raise Busy(f"{link.where}: another session took the lock in {attempt.step.file}")


# --- what the ledger is told --------------------------------------------------------------------

_TRY = "pg_catalog.pg_try_advisory_xact_lock"


def _which(attempt: Attempt) -> list[str]:
    return [attempt.claim.project, attempt.step.key, attempt.id]


def _count(link: Link, attempt: Attempt, *, done: int, started: int) -> None:
    """Count steps, as ourselves whatever role the file has taken."""
    statement = rows.step_statement()
    results = link.batch(
        f"BEGIN READ WRITE; {_AS_OURSELVES} {statement}; COMMIT", [done, started, *_which(attempt)]
    )
    if error := failure(results):
        raise error


def _finish(link: Link, attempt: Attempt) -> None:
    """Ask what must be true, and call the migration applied, in one transaction."""
    try:
        with link.connection.transaction():
            verify(link, attempt)
            link.connection.execute(_AS_OURSELVES.encode())
            if not rows.ended_row(link.connection, _which(attempt), State.APPLIED):
                raise Busy(f"{attempt.step.file}: its row in {link.where} is somebody else's now")
            shadowed(link, attempt)
    except psycopg.Error as error:
        raise _failed(link, attempt, len(attempt.script.units), -1, error) from None
    except StatementFailed as error:
        error.changed = True
        _record(link, attempt, State.FAILED, error.message)
        raise


def _record(link: Link, attempt: Attempt, state: State, told: str) -> None:
    """Write how the attempt ended, as well as can be: the counts are what decides later."""
    if link.lost:
        return
    link.roll_back()
    with link.connection.transaction():
        link.connection.execute(_AS_OURSELVES.encode())
        rows.ended_row(link.connection, _which(attempt), state, told)


def _mark_in_doubt(link: Link, attempt: Attempt, told: str) -> None:
    _record(link, attempt, State.IN_DOUBT, told)


def _in_doubt(attempt: Attempt, done: int, told: str) -> Unresolved:
    step, total = attempt.step, len(attempt.script.units)
    message = f"{step.file}: step {done + 1} of {total} is in doubt: {told}"
    hint = f"look, then: templedb migration resolve {step.file} --applied (or --not-applied)"
    return Unresolved(message, hint=f"{hint} --reason WHAT-YOU-SAW")


def _broken(link: Link, attempt: Attempt, number: int, error: psycopg.Error) -> Exception:
    """Return what a failure outside of any transaction means, and record it."""
    unit = attempt.script.units[number]
    failed = _failed(link, attempt, number, unit.first, error, alone=True)
    unprovable = isinstance(unit.probe, Unprovable)
    if unprovable and (link.lost or unit.probe == Unprovable(partial=True)):
        _mark_in_doubt(link, attempt, failed.message)
        return _in_doubt(attempt, number, failed.message)
    _record(link, attempt, State.FAILED, failed.message)
    if unprovable:  # all or nothing, and the server says that it failed
        _count(link, attempt, done=number, started=number)
    return failed


def _failed(
    link: Link,
    attempt: Attempt,
    number: int,
    index: int,
    error: psycopg.Error,
    *,
    alone: bool = False,
) -> StatementFailed:
    total = len(attempt.script.units)
    stands = ""
    if number or alone:
        stands = f"{number} of {total} steps stand; mend {attempt.step.file} and run again:"
        stands = f"{stands} it goes on at step {number + 1}"
    return statement_failed(link, attempt, index, error, stands=stands)
