"""A migration in one transaction with its ledger row: both are true, or neither is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from functools import partial

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from templedb_nb.core.migrations.script import Script
from templedb_nb.core.sql.lexer import split
from templedb_nb.core.sql.tokens import Statement
from templedb_nb.errors import Busy, StatementFailed, Unresolved
from templedb_nb.failpoints import reach
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.ledger import State
from templedb_nb.model.step import Revert
from templedb_nb.targets.postgres.apply.attempt import Attempt
from templedb_nb.targets.postgres.apply.refusals import failed_at_commit, statement_failed
from templedb_nb.targets.postgres.connection.connect import run
from templedb_nb.targets.postgres.connection.lock import AdvisoryLock
from templedb_nb.targets.postgres.connection.wire import CLEAN, Link, failure
from templedb_nb.targets.postgres.ledger import dual_write, guard
from templedb_nb.targets.postgres.ledger import migration_rows as rows
from templedb_nb.targets.postgres.ledger.change_marks import CounterBaseline

ATTEMPTS = 5

_OURS = (
    "SELECT 1 OPERATOR(pg_catalog./) (coalesce(pg_catalog.pg_current_xact_id_if_assigned()"
    "::pg_catalog.text OPERATOR(pg_catalog.=) '{xid}', false))::pg_catalog.int4"
)
"""Divides by zero where the transaction is not the one that we began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """The transaction that we began, and what it had to do with the ledger up to there."""

    xid: str
    before: CounterBaseline


def apply(link: Link, lock: AdvisoryLock, attempt: Attempt) -> None:
    """Make the migration and its ledger row true together, or neither.

    Where other sessions alone were in the way, everything is rolled back and tried again, a bounded
    number of times.
    """
    again(lambda: _transaction(link, lock, attempt), link, attempt)


def again(work: Callable[[], None], link: Link, attempt: Attempt, first: int = 0) -> None:
    """Do *work*, and again where others were in its way; it leaves nothing where it fails.

    It begins with the statement *first*.
    """
    for left in reversed(range(ATTEMPTS)):
        try:
            work()
        except StatementFailed as error:
            # Before the next try: a role or search_path of the file would meet the ledger's row.
            link.clean()
            if not error.passing or not left:
                raise
            attempt.told.again(first, error.message, error.sqlstate)
            time.sleep(random.uniform(0.1, 0.5) * (ATTEMPTS - left))  # noqa: S311 - jitter
        except BaseException:
            link.clean()
            raise
        else:
            return


def _transaction(link: Link, lock: AdvisoryLock, attempt: Attempt) -> None:
    index = -1
    try:
        begun = _begin_on_a_whole_connection(link, lock, attempt)
        reach("apply.begun", link.cut)
        # Before the file's statements, which may take a role that may not write that table.
        shadowed(link, attempt)
        leading = attempt.script.leading
        for index, statement in enumerate(attempt.script.statements):
            if index not in leading:
                sent(link, attempt, index, statement)
            attempt.ran(index)
        verify(link, attempt)
        _refuse_ended(link, attempt)
        reach("apply.ran", link.cut)
    except psycopg.Error as error:
        link.roll_back()
        raise statement_failed(link, attempt, index, error) from None
    except BaseException:
        link.roll_back()
        raise
    # Outside of the block above: what fails from here on may have committed all the same, and must
    # not be reported as rolled back.
    _commit(link, lock, attempt, begun)
    link.books.keys.add((attempt.claim.project, attempt.step.key))
    reach("apply.committed", link.cut)


def _begin_on_a_whole_connection(
    link: Link, lock: AdvisoryLock, attempt: Attempt
) -> OpenTransaction:
    """Begin; where the connection was lost since the last migration, connect again, once.

    Nothing of this one was sent before, and holding the lock proves that the old session is over.
    """
    try:
        return _begin(link, lock, attempt)
    except psycopg.OperationalError:
        if not link.lost:
            raise
        link.reopen(attempt.step.file)
        lock.take(attempt.claim, lambda _: None)
        lock.write_row(attempt.claim)
        return _begin(link, lock, attempt)


def _begin(link: Link, lock: AdvisoryLock, attempt: Attempt) -> OpenTransaction:
    """Begin, take the lock of the transaction, and write the row: one message, one answer.

    What the file asks of its transaction goes before the row, which is a query.
    """
    step, script = attempt.step, attempt.script
    marks = link.books.known(link.connection)
    values = rows.claim_values(step, script, attempt.id, attempt.claim, lock.key)
    # The row before the file's work: who lost the lock, or comes second, is refused while nothing
    # has run, and no role or search_path of the file meets the row.
    begin = f"BEGIN; {timeouts(script)}"
    if script.leading:
        opened(link, attempt, begin, script.leading, partial(statement_failed, link, attempt))
        begin = ""
    claimed = f"{begin} {rows.claim_statement(step)}; {marks.begin}"
    results = link.batch(claimed, values)
    if error := failure(results):
        raise error
    *_, last, counted = results
    if last.ntuples == 1:
        return OpenTransaction(xid=value(last), before=marks.before(counted))
    if not lock.try_transaction():
        raise Busy(f"{link.where}: this session lost its lock before {step.file}")
    now = "not applied any more" if isinstance(step, Revert) else "there already"
    raise Busy(f"{step.key}: in the ledger of {link.where} it is {now}, because of another run")


def opened(
    link: Link,
    attempt: Attempt,
    begin: str,
    leading: Iterable[int],
    failed: Callable[[int, psycopg.Error], StatementFailed],
) -> None:
    """Begin a transaction, and send what leads it; *leading* are places in the script."""
    if error := failure(link.batch(begin)):
        raise error
    for index in leading:
        try:
            sent(link, attempt, index, attempt.script.statements[index])
        except psycopg.Error as error:
            if link.lost:
                raise
            raise failed(index, error) from None


def shadowed(link: Link, attempt: Attempt) -> None:
    """Write another tool's table along, in the transaction that is open."""
    step, project = attempt.step, attempt.claim.project
    if isinstance(step, Revert):
        dual_write.reverted(link.connection, step.shadow, project)
    else:
        texts = _statements(attempt.script) if step.shadow else []
        dual_write.applied(link.connection, step.shadow, project, texts)


def _statements(script: Script) -> list[str]:
    """Return what stands in the file, its own BEGIN and COMMIT with it."""
    found = split(script.up).statements
    return [e.text if e.data is None else f"{e.text};\n{e.data}\\." for e in found]


def timeouts(script: Script) -> str:
    """Return the settings that a file asks for, for the transaction that is open."""
    asked = script.asked
    wanted = (
        ("lock_timeout", asked.lock_timeout_ms),
        ("statement_timeout", asked.statement_timeout_ms),
    )
    return " ".join(f"SET LOCAL {name} = {ms};" for name, ms in wanted if ms is not None)


def sent(link: Link, attempt: Attempt, index: int, statement: Statement) -> None:
    """Run the statement of that index, and tell what the server says, and how many rows it gives.

    It goes by the extended protocol; its COPY data by the copy protocol.
    """
    with link.hearing(attempt.ear(index)):
        if statement.data is None:
            counted(attempt, index, run(link.connection, statement.text))
            return
        with link.connection.cursor() as cursor, cursor.copy(statement.text.encode()) as copy:
            copy.write(statement.data)


def counted(attempt: Attempt, index: int, results: Iterable[PGresult]) -> None:
    """Tell how many rows a query gave; nobody reads them."""
    tables = [each.ntuples for each in results if each.status == ExecStatus.TUPLES_OK]
    if tables:
        attempt.told.gave(index, sum(tables))


def verify(link: Link, attempt: Attempt) -> None:
    """Ask what the file says must be true after it; one answer that is not true is a failure."""
    for query in attempt.script.asked.verify:
        with link.hearing(attempt.ear(-1)):
            results = run(link.connection, query)
        last = results[-1]
        if last.ntuples != 1 or value(last) != "t":
            told = value(last) if last.ntuples == 1 else f"{last.ntuples} rows"
            message = f"templedb:verify is not true but {told or 'null'}: {query}"
            raise StatementFailed(message, statement=-1, line=0, column=0)


def value(result: PGresult) -> str:
    """Return the first value of a result as text; null is nothing."""
    return (result.get_value(0, 0) or b"").decode()


def _refuse_ended(link: Link, attempt: Attempt) -> None:
    if not link.in_transaction:
        raise _ended(link, attempt)


def _ended(link: Link, attempt: Attempt) -> Unresolved:
    """Record a script that ended our transaction, even if it began another one."""
    link.roll_back()
    link.clean()
    step, told = attempt.step, "the script ended its transaction"
    rows.failed_row(
        link.connection, step, attempt.script, attempt.id, attempt.claim, State.IN_DOUBT, told
    )
    hint = f"check what it did, then: templedb migration resolve {step.file} --reason WHY"
    return Unresolved(f"{step.file}: {told}; part of it may have taken effect", hint=hint)


def _commit(link: Link, lock: AdvisoryLock, attempt: Attempt, begun: OpenTransaction) -> None:
    """Commit if the transaction is still ours and left the ledger alone, and clean the session.

    The lock is taken once more; one that somebody else has meanwhile is found out by the next
    transaction.
    """
    # One message: the server stops at the first that fails, so COMMIT is reached only in the
    # transaction that we began, with the ledger untouched. The cleaning stands behind COMMIT: where
    # it fails, the migration stands.
    ours, end = _OURS.format(xid=begun.xid), f"COMMIT; {CLEAN}; {lock.again()}"
    check = guard.check(link.books.known(link.connection), begun.before)
    results = _sent(link, lock, attempt, f"{ours}; {check}; {end}")
    if guard.suspicious(results, failure(results), behind=1):
        _refuse_touched(link, attempt, begun)
        results = _sent(link, lock, attempt, f"{ours}; {end}")
    refused = failure(results)
    if not results or committed(results):
        if refused is not None:
            link.clean()
        return
    link.roll_back()
    if refused is not None and refused.sqlstate == "22012" and len(results) == 1:
        raise _ended(link, attempt)
    raise failed_at_commit(attempt, refused)


def _sent(link: Link, lock: AdvisoryLock, attempt: Attempt, batch: str) -> list[PGresult]:
    """Send what ends the transaction; nothing comes back where a lost COMMIT turned out done."""
    try:
        with link.hearing(attempt.ear(-1)):
            return link.batch(batch, sent="apply.commit-sent")
    except psycopg.Error as error:
        if not link.lost:
            link.roll_back()
            raise failed_at_commit(attempt, error) from None
        # No answer is not a rollback: tried again without asking, the file might run twice.
        _settle(link, lock, attempt)
        return []
    except BaseException:
        link.roll_back()
        raise


def _refuse_touched(link: Link, attempt: Attempt, begun: OpenTransaction) -> None:
    """Roll back, and raise, where the file changed the ledger beside its own row."""
    step, project = attempt.step, attempt.claim.project
    states = ("reverted",) if isinstance(step, Revert) else ("applied",)
    own = guard.OwnRow(project=project, key=step.key, attempt=attempt.id, states=states)
    try:
        found = guard.touched(link.connection, link.books, begun.before, own)
        reach("guard.looked", link.cut)
    except BaseException:
        link.roll_back()
        raise
    if found:
        link.roll_back()
        # No rollback takes a sequence back; it is set as ourselves, so behind the cleaning.
        link.clean()
        guard.number_again(link.connection, begun.before)
        raise guard.refusal(step.file, found)


def committed(results: Iterable[PGresult]) -> bool:
    """Return whether a batch's COMMIT was answered as one."""
    return any(each.command_status == b"COMMIT" for each in results)


def _settle(link: Link, lock: AdvisoryLock, attempt: Attempt) -> None:
    """Find out what became of a COMMIT whose answer was lost: the ledger row tells."""
    # The lock before the question: the old session holds it, and may commit, as long as it lives.
    link.reopen(attempt.step.file)
    lock.take(attempt.claim, lambda _: None)
    guard.refuse_lost(link.connection, link.books, attempt.claim.project, attempt.step)
    if not applied(link, attempt.claim.project, attempt.step.key, attempt.id):
        message = "the connection was lost at COMMIT, and the server rolled it back"
        raise StatementFailed(message, statement=-1, line=0, column=0)
    lock.write_row(attempt.claim)


def applied(link: Link, project: str, key: str, attempt: str) -> bool:
    """Return whether the ledger has that attempt, as done."""
    row = link.connection.execute(
        "SELECT 1 FROM templedb.migration"
        " WHERE project = %s AND scope = '' AND key = %s AND attempt_id = %s"
        " AND state IN ('applied', 'reverted')",
        [project, key, attempt],
    ).fetchone()
    return row is not None
