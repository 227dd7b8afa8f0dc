"""A migration that cannot run in one transaction: step by step, each of them counted.

No transaction of ours is open around a statement that forbids one. A step that may run in a
transaction commits together with its count; for one that may not, the catalog is asked before it
runs, so that a crash at any instant leaves a place to go on from.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial

import psycopg
from psycopg import generators
from psycopg.pq.abc import PGresult

from templedb_nb.core.migrations.script import read_script
from templedb_nb.core.run.ledger_guard import RESTORE, damage, touched_by
from templedb_nb.core.sql.execution_units import StepMode, lost_with_session, session_statements
from templedb_nb.core.sql.probes import Reindexed, Unprovable
from templedb_nb.core.sql.tokens import Statement
from templedb_nb.errors import Busy, StatementFailed, Unresolved
from templedb_nb.failpoints import reach
from templedb_nb.model.ledger import State
from templedb_nb.model.step import Mode
from templedb_nb.model.trace import APPLIED
from templedb_nb.targets.postgres.apply.attempt import Attempt
from templedb_nb.targets.postgres.apply.failed_step import failed, may_have_begun, name_taken
from templedb_nb.targets.postgres.apply.invalid_indexes import leftovers
from templedb_nb.targets.postgres.apply.outcome_probe import (
    ABSENT,
    UNSEEN,
    EffectStanding,
    ProbeVerdict,
    ask,
    nothing_there,
)
from templedb_nb.targets.postgres.apply.refusals import failed_at_commit
from templedb_nb.targets.postgres.apply.resume import (
    BeginMark,
    ResumePoint,
    enter,
    impatient,
    in_doubt,
    left_of,
    patient,
    repair,
)
from templedb_nb.targets.postgres.apply.step_rows import (
    count,
    mark_in_doubt,
    record,
    which,
    writing,
)
from templedb_nb.targets.postgres.apply.transactional import (
    again,
    committed,
    counted,
    opened,
    sent,
    shadowed,
    timeouts,
    verify,
)
from templedb_nb.targets.postgres.connection.connect import run
from templedb_nb.targets.postgres.connection.lock import AdvisoryLock
from templedb_nb.targets.postgres.connection.wire import Link, failure
from templedb_nb.targets.postgres.ledger import guard
from templedb_nb.targets.postgres.ledger import migration_rows as rows
from templedb_nb.targets.postgres.ledger.change_marks import CounterBaseline
from templedb_nb.targets.postgres.ledger.guard import AS_OURSELVES


def apply_stepwise(link: Link, lock: AdvisoryLock, attempt: Attempt) -> None:
    """Go on from the first step that is not proven, to the end."""
    attempt = _by_steps(attempt)
    try:
        place = enter(link, attempt)
        attempt.told.recorded()
        reach("stepwise.entered", link.cut)
        _restore(link, attempt, place.done)
        for number in range(place.done, len(attempt.script.units)):
            _step(link, lock, attempt, number, place if number == place.done else ResumePoint())
        reach("stepwise.before-end", link.cut)
        _finish(link, attempt)
        reach("stepwise.ended", link.cut)
    finally:
        link.roll_back()
        link.clean()


def _by_steps(attempt: Attempt) -> Attempt:
    """Read a script step by step that one transaction could hold: some steps took effect."""
    if attempt.script.mode is Mode.STATEMENTS:
        return attempt
    reading = attempt.step.reading
    return replace(attempt, script=read_script(attempt.script.text.encode(), reading, apart=True))


def _restore(link: Link, attempt: Attempt, done: int) -> None:
    """Give a new session what the file's earlier statements had given the old one."""
    earlier = attempt.script.units[:done]
    if gone := lost_with_session(earlier):
        message = f"line {gone.line} made something that ended with its session"
        mark_in_doubt(link, attempt, message)
        file = attempt.step.file
        hint = f"do the rest of it by hand, then: templedb migration mark-applied {file}"
        raise Unresolved(f"{file}: {message}", hint=f"{hint} --reason WHAT-YOU-DID")
    for statement in session_statements(earlier):
        run(link.connection, statement.text)


# --- one step ---------------------------------------------------------------------------------


def _step(
    link: Link, lock: AdvisoryLock, attempt: Attempt, number: int, place: ResumePoint
) -> None:
    unit = attempt.script.units[number]
    if unit.way is StepMode.ALONE:
        _alone(link, lock, attempt, number, place)
    else:
        _again(link, lock, attempt, number)
    attempt.ran(unit.first + max(len(unit.statements) - 1, 0))


def _again(link: Link, lock: AdvisoryLock, attempt: Attempt, number: int) -> None:
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
        record(link, attempt, State.FAILED, error.message)
        raise


def _together(link: Link, lock: AdvisoryLock, attempt: Attempt, number: int) -> None:
    unit, index = attempt.script.units[number], -1
    try:
        before = _begin(link, lock, attempt, number)
        for place, statement in enumerate(unit.statements):
            index = unit.first + place
            if place not in unit.leading:
                sent(link, attempt, index, statement)
        reach("stepwise.ran", link.cut)
    except psycopg.Error as error:
        raise failed(link, attempt, number, index, error) from None
    if not link.in_transaction:
        told = f"step {number + 1} ended its transaction"
        mark_in_doubt(link, attempt, told)
        raise in_doubt(attempt, number, told)
    _count_and_commit(link, lock, attempt, number, before)


def _begin(link: Link, lock: AdvisoryLock, attempt: Attempt, number: int) -> CounterBaseline:
    """Begin the transaction of a step, as the file wants it, and take its lock.

    Return what the session had counted of the ledger's rows by then.
    """
    unit, marks = attempt.script.units[number], link.books.known(link.connection)
    begin = f"{unit.begin}; {timeouts(attempt.script)}"
    if unit.leading:
        places = [unit.first + place for place in unit.leading]
        opened(link, attempt, begin, places, partial(failed, link, attempt, number))
        begin = ""
    results = link.batch(f"{begin} SELECT {_TRY}({lock.key}); {marks.begin}")
    if error := failure(results):
        raise error
    if results[-2].get_value(0, 0) != b"t":
        raise Busy(f"{link.where}: this session lost its lock in {attempt.step.file}")
    return marks.before(results[-1])


def _count_and_commit(
    link: Link, lock: AdvisoryLock, attempt: Attempt, number: int, before: CounterBaseline
) -> None:
    """Commit a step with its count, unless it touched the ledger."""
    undone = attempt.script.units[number].way is StepMode.UNDONE
    check = guard.check(link.books.known(link.connection), before)
    first = "ROLLBACK; BEGIN" if undone else check
    results = _sent(link, lock, attempt, number, f"{first}; ")
    if not undone and guard.suspicious(results, failure(results), behind=0):
        _refuse_touched(link, attempt, number, before)
        results = _sent(link, lock, attempt, number, "")
    if results and not committed(results):
        raise failed_at_commit(attempt, failure(results))
    reach("stepwise.committed", link.cut)


def _sent(
    link: Link, lock: AdvisoryLock, attempt: Attempt, number: int, first: str
) -> list[PGresult]:
    """Send what ends a step; nothing comes back where a lost COMMIT turned out done."""
    # The count commits with its step. Counted before, a crash would leave the step out; counted
    # behind, it would run twice. As ourselves, since the step may have taken another role.
    unit = attempt.script.units[number]
    counted = f"{first}{AS_OURSELVES} {rows.step_statement()}; COMMIT"
    values = [number + 1, number + 1, *which(attempt)]
    try:
        with link.hearing(attempt.ear(unit.first + max(len(unit.statements) - 1, 0))):
            return link.batch(counted, values, sent="stepwise.commit-sent")
    except psycopg.Error as error:
        if not link.lost:
            raise failed_at_commit(attempt, error) from None
        _settle(link, lock, attempt, number)
        return []


def _refuse_touched(link: Link, attempt: Attempt, number: int, before: CounterBaseline) -> None:
    project, step = attempt.claim.project, attempt.step
    own = guard.OwnRow(project=project, key=step.key, attempt=attempt.id, states=("running",))
    stands = f"{number} of {len(attempt.script.units)} steps took effect" if number else ""
    found = guard.touched(link.connection, link.books, before, own)
    reach("guard.looked", link.cut)
    if found:
        link.roll_back()
        with suppress(psycopg.Error), link.connection.transaction():
            link.connection.execute(AS_OURSELVES.encode())
            guard.number_again(link.connection, before)
        raise guard.refusal(step.file, found, stands)


def _settle(link: Link, lock: AdvisoryLock, attempt: Attempt, number: int) -> None:
    """Find out whether the step counts: the COMMIT's answer was lost."""
    # As in `transactional`: only the lock proves that the old session cannot commit any more.
    link.reopen(attempt.step.file)
    lock.take(attempt.claim, lambda _: None)
    lock.write_row(attempt.claim)
    guard.refuse_lost(link.connection, link.books, attempt.claim.project, attempt.step)
    known = rows.attempted(link.connection, attempt.claim.project, attempt.step.key)
    if known is None:  # its row was committed before its first step
        told = "the connection was lost at COMMIT, and the ledger lost the row of this file"
        raise Unresolved(f"{attempt.step.file}: {told}", hint=RESTORE)
    if known.step_done <= number:
        message = "the connection was lost at COMMIT, and the server rolled the step back"
        raise StatementFailed(message, statement=-1, line=0, column=0, changed=number > 0)
    _restore(link, attempt, number + 1)


def _alone(
    link: Link, lock: AdvisoryLock, attempt: Attempt, number: int, place: ResumePoint
) -> None:
    """Run a step that no transaction proves, unless the catalog says that it is done."""
    unit = attempt.script.units[number]
    assert unit.probe is not None  # noqa: S101 - a step that runs alone has one
    # Begun is counted before the statement runs: after a crash behind it, an index that is there
    # would else be taken for somebody else's. Done is counted last: a crash before that asks the
    # catalog again, and the catalog knows.
    mark = BeginMark(started=False, spared=place.spared)
    try:
        mark = _mark(link, attempt, number, place)
        reach("alone.started", link.cut)
        verdict = _verdict(link, attempt, number, mark, begun=place.begun)
        reach("alone.asked", link.cut)
        if verdict.standing is not EffectStanding.DONE:
            _guarded(link, attempt, number, verdict)
        reach("alone.ran", link.cut)
        _retake(link, lock, attempt)
        count(link, attempt, done=number + 1, started=number + 1)
    except psycopg.Error as error:
        raise _broken(link, attempt, number, error, mark) from None
    reach("alone.counted", link.cut)


def _mark(link: Link, attempt: Attempt, number: int, place: ResumePoint) -> BeginMark:
    """Count a step as begun. One that takes away what is not there has nothing to begin."""
    probe = attempt.script.units[number].probe
    if place.begun:
        return BeginMark(started=True, spared=place.spared)
    assert probe is not None  # noqa: S101 - a step that runs alone has one
    if nothing_there(link.connection, probe) or name_taken(link, attempt, number):
        return BeginMark(started=False, spared=frozenset())
    spared: frozenset[int] = frozenset()
    if isinstance(probe, Reindexed):
        spared = frozenset(each.oid for each in leftovers(link.connection, probe))
    count(link, attempt, done=number, started=number + 1, spared=spared)
    return BeginMark(started=True, spared=spared)


def _verdict(
    link: Link, attempt: Attempt, number: int, mark: BeginMark, *, begun: bool
) -> ProbeVerdict:
    """Return what the catalog says of a step before it runs."""
    unit = attempt.script.units[number]
    assert unit.probe is not None  # noqa: S101 - a step that runs alone has one
    if not mark.started or (isinstance(unit.probe, Unprovable) and not begun):
        return ABSENT
    verdict = ask(link.connection, unit.probe, mark.spared)
    if verdict.standing is EffectStanding.UNKNOWN:
        told = f"line {unit.line}: {verdict.evidence}"
        mark_in_doubt(link, attempt, told)
        raise in_doubt(attempt, number, told)
    return verdict


def _guarded(link: Link, attempt: Attempt, number: int, verdict: ProbeVerdict) -> None:
    """Run a statement that commits by itself; raise where the ledger is not what it was."""
    run_, own = attempt.claim.run, (attempt.claim.project, attempt.step.key)
    before = guard.witness(link.connection, run_)
    _patiently(link, attempt, number, verdict)
    if found := damage(before, guard.witness(link.connection, run_), own=(own,)):
        at = f"{attempt.step.file}, line {attempt.script.units[number].line},"
        raise Unresolved(touched_by(at, found), hint=RESTORE)


def _patiently(link: Link, attempt: Attempt, number: int, verdict: ProbeVerdict) -> None:
    """Run a statement that waits for others by its nature: without a lock_timeout of ours."""
    ours = patient(link, attempt, number)
    repair(link, attempt, verdict)
    if not verdict.instead:
        first = attempt.script.units[number].first
        _send_alone(link, attempt, first, attempt.script.units[number].statements[0])
    if ours:
        impatient(link)


def _send_alone(link: Link, attempt: Attempt, index: int, statement: Statement) -> None:
    pgconn = link.connection.pgconn
    with link.hearing(attempt.ear(index)):
        pgconn.send_query_params(statement.text.encode(), None)
        link.connection.wait(generators.send(pgconn))
        try:
            reach("alone.sent", link.cut)
        except BaseException:
            with suppress(psycopg.Error):  # as an interrupt does: it may wait for a lock for hours
                link.connection.cancel()
            link.drain()
            raise
        results = link.connection.wait(generators.execute(pgconn))
    if error := failure(results):
        raise error
    counted(attempt, index, results)


def _retake(link: Link, lock: AdvisoryLock, attempt: Attempt) -> None:
    """See that the lock is ours still: a DISCARD ALL lets it go."""
    row = link.connection.execute(lock.again().encode()).fetchone()
    if row != (True,):
        raise Busy(f"{link.where}: another session took the lock in {attempt.step.file}")


# --- what the ledger is told --------------------------------------------------------------------

_TRY = "pg_catalog.pg_try_advisory_xact_lock"


def _finish(link: Link, attempt: Attempt) -> None:
    """Ask what must be true, and call the migration applied, in one transaction."""
    try:
        with writing(link):
            # In the role that the file left; what is written behind it, as ourselves.
            verify(link, attempt)
            link.connection.execute(AS_OURSELVES.encode())
            if not rows.ended_row(link.connection, which(attempt), State.APPLIED):
                raise Busy(f"{attempt.step.file}: another run has its row in {link.where}")
            rows.note(link.connection, which(attempt), APPLIED)
            shadowed(link, attempt)
    except psycopg.Error as error:
        raise failed(link, attempt, len(attempt.script.units), -1, error) from None
    except StatementFailed as error:
        error.changed = True
        record(link, attempt, State.FAILED, error.message)
        raise


def _broken(
    link: Link, attempt: Attempt, number: int, error: psycopg.Error, mark: BeginMark
) -> Exception:
    """Return what a failure outside of any transaction means, and record it.

    The catalog is asked again: a step of which nothing stands had not begun, and may be edited.
    """
    unit = attempt.script.units[number]
    unprovable = isinstance(unit.probe, Unprovable)
    partial = unit.probe == Unprovable(partial=True) and may_have_begun(error)
    if unprovable and (link.lost or partial):
        told = failed(link, attempt, number, unit.first, error).message
        mark_in_doubt(link, attempt, told)
        return in_doubt(attempt, number, told)
    left = UNSEEN
    if not link.lost:
        link.roll_back()
        # all or nothing is left of what nobody can prove, and the server says that it failed
        absent = unprovable or not mark.started
        left = ABSENT if absent else left_of(link, unit, mark.spared)
    refused = failed(link, attempt, number, unit.first, error, left)
    record(link, attempt, State.FAILED, refused.message)
    # Last: dying before it leaves the step counted as begun, and the catalog is asked once more.
    if left.standing is EffectStanding.ABSENT and mark.started:
        count(link, attempt, done=number, started=number)
    return refused
