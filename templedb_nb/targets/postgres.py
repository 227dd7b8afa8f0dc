"""PostgreSQL as a target: a migration and its ledger row are true together, or neither is."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg

from templedb_nb.core.lexer import Statement, position
from templedb_nb.core.script import Script
from templedb_nb.errors import Busy, LedgerRefused, StatementFailed, UnfitServer, Unresolved
from templedb_nb.model.approval import Approval
from templedb_nb.model.event import Outcome
from templedb_nb.model.ledger import Ledger, State
from templedb_nb.model.plain import Digest
from templedb_nb.model.plan import Amend, Apply
from templedb_nb.model.secret import Secret
from templedb_nb.model.target import DatabaseName, Policy, Probe, TargetName
from templedb_nb.ports import Claim
from templedb_nb.targets import postgres_ledger as ledger_sql
from templedb_nb.targets.explain import explained
from templedb_nb.targets.postgres_connection import (
    Connection,
    address,
    first_line,
    in_transaction,
    lost,
    open_connection,
    run,
    translated,
)
from templedb_nb.targets.postgres_fitness import fitness, unfit

CREATE_LOCK = int.from_bytes(b"templedb")
ATTEMPTS = 5
RECONNECT_S = 30.0
_AGAIN = {"55P03", "40P01", "40001"}
_CLEAN = (
    b"RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; CLOSE ALL; UNLISTEN *; DEALLOCATE ALL;"
    b" DISCARD TEMP; DISCARD SEQUENCES"
)


class PostgresSession:
    """One connection that both holds the lock and does the work: losing one loses the other."""

    def __init__(self, url: Secret, target: TargetName, database: DatabaseName, name: str) -> None:
        """Connect to *url*, under *name* in pg_stat_activity."""
        self._url = url
        self._target = target
        self._database = database
        self._name = name
        self._connection = open_connection(url, name)

    @property
    def where(self) -> str:
        """Return the target and its database, as messages name them."""
        return f"target {self._target} ({address(self._url)})"

    def close(self) -> None:
        """End the session; the server frees its locks."""
        self._connection.close()

    def ledger(self, project: str) -> Ledger:
        """Return what the database says of *project* now; create nothing."""
        with translated(self.where):
            return ledger_sql.read_ledger(self._connection, project, _halves(lock_key(project)))

    def applied_sql(self, project: str, keys: Sequence[str]) -> dict[str, str]:
        """Return the text that ran for each of *keys*."""
        with translated(self.where):
            return ledger_sql.applied_sql(self._connection, project, keys)

    @contextmanager
    def lock(self, claim: Claim, waiting: Callable[[str], None]) -> Iterator[None]:
        """Hold the project's lock, after creating the ledger if it is not there."""
        with translated(self.where):
            if reasons := unfit(self._connection, self._url):
                raise UnfitServer(f"{self.where} is not fit for deployments", problems=reasons)
            self._take(claim, waiting)
            self._create_ledger(claim.wait_s)
            self._write_lock_row(claim)
        try:
            yield
        finally:
            with suppress(psycopg.Error):
                self._release(claim)

    def begin_run(self, claim: Claim, policy: Policy) -> None:
        """Record the run, and keep the policy."""
        with translated(self.where):
            ledger_sql.begin_run(self._connection, claim, policy)

    def end_run(self, run_id: str, outcome: Outcome, exit_code: int, message: str) -> None:
        """Record how the run ended."""
        with translated(self.where):
            ledger_sql.end_run(self._connection, run_id, outcome, exit_code, message)

    def apply(
        self, step: Apply, script: Script, attempt: str, claim: Claim, ran: Callable[[int], None]
    ) -> None:
        """Make the migration and its ledger row true together, or neither.

        A wait for a lock that lasted too long, a deadlock and a serialization failure roll
        everything back and are tried again, a bounded number of times.
        """
        for left in reversed(range(ATTEMPTS)):
            try:
                self._transaction(step, script, attempt, claim, ran)
            except StatementFailed as error:
                if error.sqlstate not in _AGAIN or not left:
                    raise
                time.sleep(random.uniform(0.1, 0.5) * (ATTEMPTS - left))  # noqa: S311 - jitter
            else:
                break
            finally:
                self._clean()

    def failed(self, step: Apply, script: Script, attempt: str, claim: Claim, error: str) -> None:
        """Record, as well as can be, that the migration failed and left nothing."""
        with suppress(psycopg.Error):
            ledger_sql.failed_row(
                self._connection, step, script, attempt, claim, State.FAILED, error
            )

    def applied(self, step: Apply, attempt: str, claim: Claim) -> bool:
        """Return whether the ledger has that attempt, as done."""
        with translated(self.where):
            row = self._connection.execute(
                "SELECT 1 FROM templedb.migration"
                " WHERE project = %s AND key = %s AND attempt_id = %s AND state = 'applied'",
                [claim.project, step.key, attempt],
            ).fetchone()
        return row is not None

    def amend(self, step: Amend, claim: Claim, attempt: str) -> None:
        """Change the ledger on a person's word."""
        with translated(self.where):
            ledger_sql.amend(self._connection, step, claim, attempt)

    def command_started(self, claim: Claim, attempt: str, step: str) -> None:
        """Record a command before it starts."""
        with translated(self.where):
            ledger_sql.command_started(self._connection, claim, attempt, step)

    def command_finished(self, attempt: str, state: str, exit_status: int | None) -> None:
        """Record how a command ended."""
        with translated(self.where):
            ledger_sql.command_finished(self._connection, attempt, state, exit_status)

    def resolve(self, project: str, run_id: str, by: str, reason: str) -> int:
        """Close what nobody saw end, on a person's word."""
        with translated(self.where):
            if not ledger_sql.present(self._connection):
                return 0
            return ledger_sql.resolve(self._connection, project, run_id, by, reason)

    def approve(self, approvals: Sequence[Approval]) -> bool:
        """Record approvals, if there is a ledger; say whether."""
        with translated(self.where):
            if not ledger_sql.present(self._connection):
                return False
            ledger_sql.keep_approvals(self._connection, approvals)
            return True

    def approvals(self, project: str, content_hash: Digest) -> tuple[Approval, ...]:
        """Return every approval of that content."""
        with translated(self.where):
            if not ledger_sql.present(self._connection):
                return ()
            return ledger_sql.read_approvals(self._connection, project, content_hash)

    def set_policy(self, project: str, policy: Policy, by: str, reason: str) -> bool:
        """Set the kept policy, with an event that says who and why; say whether there is one."""
        with translated(self.where):
            if not ledger_sql.present(self._connection):
                return False
            with self._connection.transaction():
                ledger_sql.keep_policy(self._connection, project, policy)
                ledger_sql.record_policy(self._connection, project, policy, by, reason)
            return True

    def probe(self) -> Probe:
        """Report what the server is and what the role may do; write nothing."""
        with translated(self.where):
            return fitness(self._connection, self._url, self._target, self._database)

    # --- the lock -------------------------------------------------------------------------------

    def _take(self, claim: Claim, waiting: Callable[[str], None]) -> None:
        """Poll for the lock: a session that blocks in pg_advisory_lock deadlocks with others."""
        key, told = lock_key(claim.project), False
        end = time.monotonic() + claim.wait_s
        while not self._try("pg_try_advisory_lock", key):
            holder = self._holder(claim.project)
            if time.monotonic() > end:
                hint = "wait for it to end, then try again"
                raise Busy(f"{self.where} is locked by {holder}", hint=hint)
            if not told:
                waiting(holder)
                told = True
            time.sleep(random.uniform(0.05, 0.3))  # noqa: S311 - jitter

    def _try(self, function: str, key: int) -> bool:
        row = self._connection.execute(f"SELECT pg_catalog.{function}(%s)".encode(), [key])
        return row.fetchone() == (True,)

    def _holder(self, project: str) -> str:
        if ledger_sql.present(self._connection):
            halves = _halves(lock_key(project))
            if holder := ledger_sql.read_holder(self._connection, project, halves):
                return str(holder)
        return "another session that has not said its name yet"

    def _create_ledger(self, wait_s: float) -> None:
        """Create the ledger under a lock of its own: other projects may be doing so right now."""
        if ledger_sql.present(self._connection):
            return
        end = time.monotonic() + max(wait_s, 5.0)
        with self._connection.transaction():
            while not self._try("pg_try_advisory_xact_lock", CREATE_LOCK):
                if time.monotonic() > end:
                    raise Busy(f"another session is creating the ledger of {self.where}")
                time.sleep(random.uniform(0.02, 0.1))  # noqa: S311 - jitter
            if not ledger_sql.present(self._connection):
                ledger_sql.create(self._connection)

    def _write_lock_row(self, claim: Claim) -> None:
        try:
            self._connection.execute(
                "INSERT INTO templedb.lock (project, run, owner, host, pid, backend_pid, reason)"
                " VALUES (%s, %s, %s, %s, %s, pg_catalog.pg_backend_pid(), %s)"
                " ON CONFLICT (project) DO UPDATE SET run = excluded.run, owner = excluded.owner,"
                " host = excluded.host, pid = excluded.pid, backend_pid = excluded.backend_pid,"
                " reason = excluded.reason, since = excluded.since, heartbeat = excluded.heartbeat",
                [claim.project, claim.run, claim.owner, claim.host, claim.pid, claim.reason],
            )
        except psycopg.errors.InsufficientPrivilege as error:
            message = f"role {self._connection.info.user!r} may not write the ledger"
            hint = "templedb target ledger-sql prints the GRANTs for its owner"
            raise LedgerRefused(f"{message}: {first_line(error)}", hint=hint) from None

    def _release(self, claim: Claim) -> None:
        if lost(self._connection):
            return
        if self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self._connection.rollback()
        self._connection.execute(
            "DELETE FROM templedb.lock WHERE project = %s AND run = %s", [claim.project, claim.run]
        )
        self._connection.execute(
            "SELECT pg_catalog.pg_advisory_unlock(%s)", [lock_key(claim.project)]
        )

    # --- one migration --------------------------------------------------------------------------

    def _transaction(
        self, step: Apply, script: Script, attempt: str, claim: Claim, ran: Callable[[int], None]
    ) -> None:
        index = -1
        try:
            xid = self._begin(step, script, attempt, claim)
            for index, statement in enumerate(script.statements):
                self._statement(statement)
                ran(index)
            self._still_ours(step, script, attempt, claim, xid)
        except psycopg.Error as error:
            self._roll_back()
            raise self._statement_failed(step, script, index, error) from None
        except BaseException:
            self._roll_back()
            raise
        self._commit(step, attempt, claim)

    def _begin(self, step: Apply, script: Script, attempt: str, claim: Claim) -> str:
        self._connection.execute("BEGIN")
        if not self._try("pg_try_advisory_xact_lock", lock_key(claim.project)):
            raise Busy(f"{self.where}: this session lost its lock before {step.file}")
        xid = ledger_sql.claim_row(self._connection, step, script, attempt, claim)
        if xid is None:
            raise Busy(f"{step.file} is in the ledger of {self.where} already, by somebody else")
        return xid

    def _statement(self, statement: Statement) -> None:
        if statement.data is None:
            run(self._connection, statement.text)
            return
        with self._connection.cursor() as cursor, cursor.copy(statement.text.encode()) as copy:
            copy.write(statement.data)

    def _still_ours(
        self, step: Apply, script: Script, attempt: str, claim: Claim, xid: str
    ) -> None:
        """Find out a script that ended our transaction, even if it began another one."""
        if in_transaction(self._connection):
            row = self._connection.execute(
                "SELECT pg_catalog.pg_current_xact_id_if_assigned()::text"
            ).fetchone()
            if row == (xid,):
                return
        self._roll_back()
        error = "the script ended the transaction that it was given"
        ledger_sql.failed_row(self._connection, step, script, attempt, claim, State.IN_DOUBT, error)
        hint = f"look at what it did; templedb migration show {step.file}"
        raise Unresolved(f"{step.file}: {error}; part of it may stand", hint=hint)

    def _commit(self, step: Apply, attempt: str, claim: Claim) -> None:
        try:
            self._connection.execute("COMMIT")
        except psycopg.Error as error:
            if not lost(self._connection):
                self._roll_back()
                raise self._statement_failed_at_commit(step, error) from None
            self._settle(step, attempt, claim)

    def _statement_failed_at_commit(self, step: Apply, error: psycopg.Error) -> StatementFailed:
        return StatementFailed(
            f"{first_line(error)} (at COMMIT)",
            statement=-1,
            line=0,
            column=0,
            sqlstate=error.sqlstate,
            detail=error.diag.message_detail or "",
            hint=explained(error.sqlstate, step.file),
        )

    def _settle(self, step: Apply, attempt: str, claim: Claim) -> None:
        """Find out what became of a COMMIT whose answer was lost: the ledger row tells."""
        self._connection = self._again(step)
        self._take(claim, lambda _: None)
        if not self.applied(step, attempt, claim):
            message = "the connection was lost at COMMIT, and the server rolled it back"
            raise StatementFailed(message, statement=-1, line=0, column=0)
        self._write_lock_row(claim)

    def _again(self, step: Apply) -> Connection:
        from templedb_nb.errors import Unreachable

        end = time.monotonic() + RECONNECT_S
        while True:
            try:
                return open_connection(self._url, self._name)
            except Unreachable:
                if time.monotonic() > end:
                    hint = "the ledger knows: templedb migration status, once the server answers"
                    message = f"{step.file}: the connection was lost at COMMIT for good"
                    raise Unresolved(message, hint=hint) from None
                time.sleep(random.uniform(0.2, 1.0))  # noqa: S311 - jitter

    def _roll_back(self) -> None:
        with suppress(psycopg.Error):
            if not lost(self._connection):
                self._connection.rollback()

    def _clean(self) -> None:
        """Take back what a script leaves in the session: roles, settings, temporary tables."""
        with suppress(psycopg.Error):
            if not lost(self._connection):
                self._connection.execute(_CLEAN)

    def _statement_failed(
        self, step: Apply, script: Script, index: int, error: psycopg.Error
    ) -> StatementFailed:
        statement = script.statements[index] if index >= 0 else None
        offset = _offset(statement, error)
        line, column = position(script.text, offset) if statement else (0, 0)
        diag = error.diag
        message = first_line(error)
        if index < 0:
            message = f"the ledger refused its row: {message}"
        if lost(self._connection):
            message = f"the connection was lost, and the server rolled back: {message}"
        told = explained(error.sqlstate, step.file)
        return StatementFailed(
            message,
            statement=index,
            line=line,
            column=column,
            sqlstate=error.sqlstate,
            detail="\n".join(each for each in (diag.message_detail, diag.context) if each),
            hint=" ".join(each for each in (diag.message_hint, told) if each),
        )


def lock_key(project: str) -> int:
    """Return the advisory lock's key: constant for a project, whatever its alias."""
    return int.from_bytes(hashlib.sha256(f"templedb:{project}".encode()).digest()[:8], signed=True)


def _halves(key: int) -> tuple[int, int]:
    """Return the key as pg_locks shows it: two unsigned halves."""
    whole = key % (1 << 64)
    return whole >> 32, whole & 0xFFFFFFFF


def _offset(statement: Statement | None, error: psycopg.Error) -> int:
    if statement is None:
        return 0
    found = error.diag.statement_position
    return statement.start + (int(found) - 1 if found else 0)
