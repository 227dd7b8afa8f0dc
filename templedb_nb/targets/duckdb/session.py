"""A DuckDB file as a target: the same ledger and contract, where a file can keep it.

The lock is a file beside the database. The database itself is open only while a migration or a
row is written, so that a command of the project can open it in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from templedb_nb.core.migrations.script import Script
from templedb_nb.errors import (
    Busy,
    TargetError,
    swallowed,
)
from templedb_nb.model.approval import Approval
from templedb_nb.model.decided_health import DecidedHealth
from templedb_nb.model.drift import CatalogMark, Drift
from templedb_nb.model.event import Outcome
from templedb_nb.model.foreign_history import ForeignHistory
from templedb_nb.model.ledger import Freeze, Ledger, LedgerEvent, LockHolder, Within
from templedb_nb.model.rollback import RollbackMark
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Amendment, Migration, Restore, Revert
from templedb_nb.model.target import Policy, Probe
from templedb_nb.model.trace import Lookup, Trace
from templedb_nb.model.witness import Witness
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.target import NOBODY_TOLD, Decide, LockCallbacks, StatementCallbacks
from templedb_nb.targets import approvals as approval_rows
from templedb_nb.targets.duckdb import (
    catalog,
    guard,
    ledger_tables,
    records,
    restore,
    trace,
)
from templedb_nb.targets.duckdb import ledger as ledger_sql
from templedb_nb.targets.duckdb import lock_admin as hold
from templedb_nb.targets.duckdb.slots import DuckdbSlots
from templedb_nb.targets.duckdb.statements import commit_failed, run_statements

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection


class DuckdbSession(DuckdbSlots):
    """One DuckDB file; it is closed before any command."""

    @property
    def server(self) -> None:
        """Return nothing: a file has no other sessions, whom one could ask or end."""

    def ledger(self, project: str) -> Ledger:
        """Return what the file says of *project* now; create nothing."""
        if not self._path.exists():
            return Ledger(stepwise=False, table_locks=False)
        with self._work() as connection:
            return ledger_sql.read_ledger(connection, project, locked=self._locked(project))

    def witness(self, run: str) -> Witness:
        """Return what the ledger holds now, of all projects; raise nothing for what is gone."""
        if not self._path.exists():
            return Witness()
        with self._work() as connection:
            return guard.witness(connection, guard.home(connection), run)

    def applied_sql(self, project: str, keys: Sequence[str]) -> dict[str, str]:
        """Return the text that ran for each of *keys*."""
        query = (
            "SELECT key, sql FROM templedb.migration"
            " WHERE project = ? AND scope = '' AND list_contains(?::VARCHAR[], key)"
        )
        with self._work() as connection:
            rows = connection.execute(
                ledger_sql.fitted(connection, query), [project, list(keys)]
            ).fetchall()
        return dict(rows)

    @contextmanager
    def lock(self, claim: Claim, hear: LockCallbacks) -> Iterator[None]:
        """Hold the lock file, after creating the database and the ledger if they are not there."""
        from filelock import FileLock, Timeout

        self._refuse_folder()
        held = FileLock(self._lock_file(claim.project), poll_interval=0.1)
        try:
            held.acquire(timeout=0)
        except Timeout:
            hear.waiting(self._holder(claim.project))
            try:
                held.acquire(timeout=claim.wait_s)
            except Timeout:
                message = f"{self.where} is locked by {self._holder(claim.project)}"
                hint = "wait for it to end, then try again"
                raise Busy(message, hint=hint) from None
        try:
            self._begin(claim)
            yield
        finally:
            # The lock file last: who waits for it opens the database at once, and DuckDB lets one
            # process in.
            with suppress(TargetError), self._work() as connection:
                connection.execute(
                    "DELETE FROM templedb.lock WHERE scope = '' AND run = ?", [claim.run]
                )
            self.close()
            held.release()

    def hold_until(self, claim: Claim, until: datetime | None) -> None:
        """Say in the lock row until when the run means to keep its lock."""
        moment = until.astimezone(UTC).replace(tzinfo=None) if until else None
        with self._work() as connection:
            connection.execute(
                "UPDATE templedb.lock SET until = ? WHERE project = ? AND scope = '' AND run = ?",
                [moment, claim.project, claim.run],
            )

    def held(self, project: str) -> LockHolder | None:
        """Return who holds the lock, if anybody does."""
        return hold.held(self.ledger(project))

    def freeze(self, project: str, wanted: Freeze) -> bool:
        """Keep every run away; say whether there is a ledger that can."""
        if not self.ledger(project).exists:
            return False
        with self._work() as connection:
            hold.freeze(connection, project, wanted)
        return True

    def thaw(self, project: str, by: str, reason: str) -> bool:
        """Lift a freeze; say whether there was one."""
        if not self.ledger(project).exists:
            return False
        with self._work() as connection:
            return hold.thaw(connection, project, by, reason)

    def events(self, project: str, within: Within) -> tuple[LedgerEvent, ...]:
        """Return the ledger's own history of that time."""
        if not self._path.exists():
            return ()
        with self._work() as connection:
            if not ledger_sql.present(connection):
                return ()
            return records.events(connection, project, within)

    def applied_attempts(self, project: str) -> frozenset[str]:
        """Return the attempts of which the ledger's own history says that they took effect."""
        if not self._path.exists():
            return frozenset()
        with self._work() as connection:
            return trace.applied_attempts(connection, project)

    def trace(self, lookup: Lookup) -> Trace:
        """Return what the ledger holds of one attempt of a run."""
        if not self._path.exists():
            return Trace()
        with self._work() as connection:
            return trace.trace(connection, lookup)

    def begin_run(self, claim: Claim, policy: Policy, decide: Decide = lambda _: ()) -> None:
        """Record the run, unless *decide* refuses it, and keep the policy."""
        with self._work() as connection:
            records.begin_run(connection, claim, policy, decide)

    def end_run(
        self,
        run: str,
        outcome: Outcome,
        exit_code: int,
        message: str,
        mark: RollbackMark | None = None,
        manifest: str = "",
    ) -> None:
        """Record how the run ended."""
        with self._work() as connection:
            records.end_run(connection, run, outcome, exit_code, message, mark, manifest)

    def apply(
        self,
        step: Migration,
        script: Script,
        attempt: str,
        claim: Claim,
        ran: Callable[[int], None],
        told: StatementCallbacks = NOBODY_TOLD,
    ) -> None:
        """Make the migration and its ledger row true together, or neither."""
        import duckdb

        self._hold()
        with self._work() as opened:
            # A result that is not fetched to its end keeps its transaction open, and an ALTER is
            # refused behind an UPDATE that an older transaction may still have to see.
            opened.execute("SELECT 1").fetchall()
            connection = opened.cursor()  # a session of its own: what the script sets ends with it
            try:
                connection.execute("BEGIN")
                if not ledger_sql.claim_row(connection, step, script, attempt, claim):
                    now = "not applied any more" if isinstance(step, Revert) else "there already"
                    raise Busy(f"{step.key}: in the ledger of {self.where} it is {now}")
                home = guard.home(connection)
                # Behind our own row, which is then in both; compared last, since nothing of the
                # file runs behind it, and COMMIT cannot be rolled back.
                before = guard.witness(connection, home, claim.run)
                run_statements(connection, script, ran, told)
                guard.refuse(connection, home, claim.run, before, step.file)
                connection.execute("COMMIT")
            except duckdb.Error as error:
                raise commit_failed(error) from None
            except RuntimeError as error:
                raise swallowed(error) or error from None
            finally:
                with suppress(duckdb.Error):  # after COMMIT there is none, and DuckDB says so
                    connection.execute("ROLLBACK")
                connection.close()

    def failed(
        self, step: Migration, script: Script, attempt: str, claim: Claim, error: str
    ) -> None:
        """Record, as well as can be, that the migration failed and left nothing."""
        with suppress(TargetError), self._work(keep=True) as connection:
            ledger_sql.failed_row(connection, step, script, attempt, claim, error)

    def applied(self, step: Migration, attempt: str, claim: Claim) -> bool:
        """Return whether the attempt is in the ledger, as done."""
        with self._work(keep=True) as connection:
            row = connection.execute(
                "SELECT 1 FROM templedb.migration WHERE project = ? AND scope = '' AND key = ?"
                " AND attempt_id = ? AND state IN ('applied', 'reverted')",
                [claim.project, step.key, attempt],
            ).fetchone()
        return row is not None

    def amend(self, step: Amendment, claim: Claim, attempt: str, text: str = "") -> None:  # noqa: ARG002 - as Session has it
        """Change the ledger on a person's word."""
        with self._work() as connection:
            ledger_sql.amend(connection, step, claim, attempt)

    def restore(self, step: Restore, claim: Claim, attempt: str, text: str) -> None:
        """Write a row again as the ledger had it."""
        with self._work() as connection:
            restore.restore(connection, step, claim, attempt, text)

    def catalog(self) -> dict[str, str]:
        """Return the SQL of each object of the file, by its kind and name."""
        if not self._path.exists():
            return {}
        with self._work() as connection:
            return catalog.catalog(connection)

    def histories(self) -> tuple[ForeignHistory, ...]:
        """Return the tables of other tools that are there, as of one moment."""
        if not self._path.exists():
            return ()
        with self._work() as connection:
            return catalog.histories(connection)

    def drift(self) -> Drift:
        """Return how the objects differ from what runs left."""
        if not self._path.exists():
            return Drift()
        with self._work() as connection:
            if not ledger_sql.present(connection):
                return Drift()
            return catalog.drift(connection, self._locked)

    def catalog_mark(self, claim: Claim) -> CatalogMark:
        """Return what the objects are before a run; the ledger is there."""
        with self._work() as connection:
            return catalog.mark(connection, claim, self._locked)

    def keep_catalog(self, before: CatalogMark, claim: Claim, *, changed: bool) -> None:
        """Keep what changed since *before*, if the run *changed* anything."""
        with self._work() as connection:
            catalog.keep(connection, before, claim, self._locked, changed=changed)

    def accept_catalog(self, project: str, by: str, reason: str) -> bool:
        """Keep all objects as they are, with an event that says who and why."""
        if not self.ledger(project).exists:
            return False
        with self._work() as connection:
            catalog.accept(connection, project, by, reason, self._locked)
        return True

    def command_started(self, claim: Claim, attempt: str, step: str) -> None:
        """Record a command before it starts, and close the file: the command may open it."""
        with self._work() as connection:
            records.command_started(connection, claim, attempt, step)
        self.close()

    def command_finished(self, attempt: str, state: str, exit_status: int | None) -> None:
        """Record how a command ended."""
        with self._work() as connection:
            records.command_finished(connection, attempt, state, exit_status)

    def resolve(self, project: str, run: str, by: str, reason: str) -> int:
        """Close what nobody saw end, on a person's word."""
        if not self._path.exists():
            return 0
        with self._work() as connection:
            if not ledger_sql.present(connection):
                return 0
            return records.resolve(connection, project, run, by, reason)

    def decide_health(self, project: str, decided: DecidedHealth) -> None:
        """Record what a person said of the health that a run could not measure."""
        if not self._path.exists():
            return
        with self._work() as connection:
            if ledger_sql.present(connection):
                records.decide_health(connection, project, decided)

    def approve(self, approvals: Sequence[Approval]) -> bool:
        """Record approvals, if there is a ledger; say whether."""
        if not self._path.exists():
            return False
        with self._work() as connection:
            if not ledger_sql.present(connection):
                return False
            if ledger_tables.version(connection) < approval_rows.format_for(approvals):
                ledger_tables.upgrade(connection, self._locked)
            records.keep_approvals(connection, approvals)
        return True

    def approvals(self, project: str, content_hash: Digest) -> tuple[Approval, ...]:
        """Return every approval of that content."""
        if not self._path.exists():
            return ()
        with self._work() as connection:
            if not ledger_sql.present(connection):
                return ()
            return records.read_approvals(connection, project, content_hash)

    def set_policy(self, project: str, policy: Policy, by: str, reason: str) -> bool:
        """Set the kept policy, with an event that says who and why; say whether there is one."""
        if not self._path.exists():
            return False
        with self._work() as connection:
            if not ledger_sql.present(connection):
                return False
            records.set_policy(connection, project, policy, by, reason)
        return True

    def probe(self) -> Probe:
        """Report what the file is; write nothing."""
        import duckdb

        there = self._path.exists()
        began = time.perf_counter_ns()
        ledger = "absent"
        if there:
            with self._work() as connection:
                ledger = "present" if ledger_sql.present(connection) else "absent"
        return Probe(
            target=self._target,
            database=self._database,
            address=str(self._path),
            server=f"DuckDB {duckdb.__version__}",
            role="",
            latency_us=(time.perf_counter_ns() - began) // 1000,
            ledger=ledger,
            may_create_ledger=self._path.parent.is_dir(),
            findings=() if there else ("the file does not exist yet: the first run creates it",),
        )

    # --- the file -------------------------------------------------------------------------------

    def _holder(self, project: str) -> str:
        with suppress(TargetError):
            if holder := self.ledger(project).holder:
                return str(holder)
        return "another process that has the file open"

    def _begin(self, claim: Claim) -> None:
        self._hold()
        with self._work() as connection:
            if claim.repair or not ledger_sql.present(connection):
                own = (claim.project, claim.restores) if claim.repair else None
                ledger_tables.make(connection, repair_for=own)
            ledger_tables.upgrade(connection, self._locked, claim.project)
            connection.execute(
                "INSERT OR REPLACE INTO templedb.lock (project, run, owner, host, pid, reason,"
                f" since) VALUES (?, ?, ?, ?, ?, ?, {ledger_sql.NOW})",
                [claim.project, claim.run, claim.owner, claim.host, claim.pid, claim.reason],
            )
