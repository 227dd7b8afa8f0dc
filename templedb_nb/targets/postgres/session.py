"""PostgreSQL as a target: a migration and its ledger row are true together, or neither is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

import psycopg

from templedb_nb.core.migrations.script import Script
from templedb_nb.errors import UnfitServer
from templedb_nb.model.approval import Approval
from templedb_nb.model.cancel_request import CancelRequest
from templedb_nb.model.decided_health import DecidedHealth
from templedb_nb.model.drift import CatalogMark, Drift
from templedb_nb.model.event import Blocker, Outcome
from templedb_nb.model.foreign_history import ForeignHistory
from templedb_nb.model.ledger import Freeze, Ledger, LedgerEvent, LockHolder, State, Within
from templedb_nb.model.rollback import RollbackMark
from templedb_nb.model.route import Route
from templedb_nb.model.serialization import Digest
from templedb_nb.model.server_message import MessageLevel
from templedb_nb.model.step import Amendment, Migration, Mode, Restore
from templedb_nb.model.target import DatabaseName, Policy, Probe, TargetName
from templedb_nb.model.trace import Lookup, Trace
from templedb_nb.model.witness import Witness
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.target import NOBODY_TOLD, Decide, LockCallbacks, StatementCallbacks
from templedb_nb.targets import approvals as approval_rows
from templedb_nb.targets import ledger_rows
from templedb_nb.targets.postgres import catalog
from templedb_nb.targets.postgres.apply import transactional
from templedb_nb.targets.postgres.apply.attempt import Attempt
from templedb_nb.targets.postgres.apply.stepwise import apply_stepwise
from templedb_nb.targets.postgres.connection import lock_admin as hold
from templedb_nb.targets.postgres.connection.connect import translated
from templedb_nb.targets.postgres.connection.heartbeat import watched
from templedb_nb.targets.postgres.connection.lock import AdvisoryLock, places
from templedb_nb.targets.postgres.connection.preflight import fitness, unfit
from templedb_nb.targets.postgres.connection.wire import Link
from templedb_nb.targets.postgres.ledger import (
    foreign_histories,
    guard,
    migration_rows,
    records,
    restore,
    trace,
)
from templedb_nb.targets.postgres.ledger import snapshot as ledger_sql
from templedb_nb.targets.postgres.ledger.amend import amend
from templedb_nb.targets.postgres.ledger.slots import PostgresSlots
from templedb_nb.targets.postgres.server_facts import PostgresFacts


class PostgresSession(PostgresSlots, PostgresFacts):
    """One connection that both holds the lock and does the work: losing one loses the other."""

    def __init__(self, route: Route, target: TargetName, database: DatabaseName, name: str) -> None:
        """Connect by *route*, under *name* in pg_stat_activity."""
        self._link = Link(route, target, database, name)

    @property
    def server(self) -> PostgresSession:
        """Return itself: others work on the server at the same time."""
        return self

    @property
    def here(self) -> Route:
        """Return the server that the session has reached."""
        return self._link.here

    @property
    def where(self) -> str:
        """Return the target and its database, as messages name them."""
        return self._link.where

    def close(self) -> None:
        """End the session; the server frees its locks."""
        self._link.connection.close()

    def ledger(self, project: str) -> Ledger:
        """Return what the database says of *project* now; create nothing."""
        with translated(self.where):
            return ledger_sql.read_ledger(self._link.connection, project, places(project))

    def witness(self, run: str) -> Witness:
        """Return what the ledger holds now, and hold transactions against it from then on."""
        with translated(self.where):
            found = guard.witness(self._link.connection, run)
        self._link.books.read(found)
        return found

    def applied_sql(self, project: str, keys: Sequence[str]) -> dict[str, str]:
        """Return the text that ran for each of *keys*."""
        with translated(self.where):
            return ledger_sql.applied_sql(self._link.connection, project, keys)

    @contextmanager
    def lock(self, claim: Claim, hear: LockCallbacks) -> Iterator[None]:
        """Hold the project's lock, after creating the ledger if it is not there."""
        lock = AdvisoryLock(self._link, claim.project)
        with translated(self.where):
            if reasons := unfit(self._link.connection, self._link.here):
                raise UnfitServer(f"{self.where} cannot be used for deployments", problems=reasons)
            # The lock before the ledger: who waits in vain has made nothing. The database is
            # recognised under it, so that a connection opened again is compared with this one.
            lock.take(claim, hear.waiting)
            lock.create_ledger(claim.wait_s, repair=claim.repair, restores=claim.restores)
            lock.write_row(claim)
            self._link.recognise()
        try:
            with watched(self._link, claim, hear):
                yield
        finally:
            with suppress(psycopg.Error):
                lock.release(claim)

    def hold_until(self, claim: Claim, until: datetime | None) -> None:
        """Say in the lock row until when the run means to keep its lock."""
        with translated(self.where):
            AdvisoryLock(self._link, claim.project).hold_until(claim, until)

    def held(self, project: str) -> LockHolder | None:
        """Return who holds the lock, if anybody does."""
        with translated(self.where):
            if not ledger_sql.readable(self._link.connection):
                return None
            return hold.held(self._link.connection, project)

    def freeze(self, project: str, wanted: Freeze) -> bool:
        """Keep every run away; say whether there is a ledger that can."""
        with translated(self.where):
            if not ledger_sql.present(self._link.connection):
                return False
            hold.freeze(self._link.connection, project, wanted)
            return True

    def thaw(self, project: str, by: str, reason: str) -> bool:
        """Lift a freeze; say whether there was one."""
        with translated(self.where):
            there = ledger_sql.present(self._link.connection)
            return there and hold.thaw(self._link.connection, project, by, reason)

    def steal(self, project: str, expect: str, by: str, reason: str, *, terminate: bool) -> None:
        """Take the lock from a holder that is gone, or raise why that cannot be."""
        with translated(self.where):
            hold.steal(self._link.connection, project, expect, by, reason, terminate=terminate)

    def rebind(self, project: str, by: str, reason: str) -> bool:
        """Give a copy an identity of its own; say whether it is one."""
        with translated(self.where):
            if not self.ledger(project).cloned:
                return False
            hold.rebind(self._link.connection, project, by, reason)
            return True

    def ask_to_end(self, project: str, run: str, wanted: CancelRequest) -> bool:
        """Ask the holder to end its run; say whether it holds the lock."""
        with translated(self.where):
            there = ledger_sql.present(self._link.connection)
            return there and hold.ask_to_end(self._link.connection, project, run, wanted)

    def events(self, project: str, within: Within) -> tuple[LedgerEvent, ...]:
        """Return the ledger's own history of that time."""
        with translated(self.where):
            if not ledger_sql.readable(self._link.connection, "event"):
                return ()
            return records.events(self._link.connection, project, within)

    def applied_attempts(self, project: str) -> frozenset[str]:
        """Return the attempts of which the ledger's own history says that they took effect."""
        with translated(self.where):
            there = ledger_sql.readable(self._link.connection, "event")
            return trace.applied_attempts(self._link.connection, project) if there else frozenset()

    def trace(self, lookup: Lookup) -> Trace:
        """Return what the ledger holds of one attempt of a run."""
        with translated(self.where):
            return trace.trace(self._link.connection, lookup)

    def blockers(self, project: str) -> tuple[Blocker, ...]:
        """Return whom the holder of the project's lock waits for, and whom those wait for."""
        with translated(self.where):
            there = ledger_sql.present(self._link.connection)
            return hold.whom_it_waits_for(self._link.connection, project) if there else ()

    def unblock(self, project: str, pid: int, by: str, reason: str, *, terminate: bool) -> None:
        """Take a session out of the holder's way."""
        with translated(self.where):
            connection = self._link.connection
            hold.unblock(connection, project, pid, by, reason, terminate=terminate)

    def begin_run(self, claim: Claim, policy: Policy, decide: Decide = lambda _: ()) -> None:
        """Record the run, unless *decide* refuses it, and keep the policy."""
        with translated(self.where):
            records.begin_run(self._link.connection, claim, policy, decide)

    def end_run(
        self,
        run: str,
        outcome: Outcome,
        exit_code: int,
        message: str,
        mark: RollbackMark | None = None,
        manifest: str = "",
    ) -> None:
        """Record how the run ended; a success also where the connection was lost."""
        told = (run, outcome, exit_code, message, mark, manifest)
        with translated(self.where):
            try:
                records.end_run(self._link.connection, *told)
            except psycopg.Error:
                if not self._link.lost or outcome is not Outcome.SUCCEEDED:
                    raise
                self._link.reopen(f"the end of run {run}")
                records.end_run(self._link.connection, *told)
                # Without the lock, another run may have closed this one as dead: then it stays so.
                records.refuse_closed(self._link.connection, run, outcome)

    def apply(
        self,
        step: Migration,
        script: Script,
        attempt: str,
        claim: Claim,
        ran: Callable[[int], None],
        told: StatementCallbacks = NOBODY_TOLD,
    ) -> None:
        """Bring the migration into effect, in the mode that the step names."""
        work = Attempt(step=step, script=script, id=attempt, claim=claim, ran=ran, told=told)
        lock = AdvisoryLock(self._link, claim.project)
        with translated(self.where):
            if step.mode is Mode.STATEMENTS:
                apply_stepwise(self._link, lock, work)
            else:
                transactional.apply(self._link, lock, work)

    def failed(
        self, step: Migration, script: Script, attempt: str, claim: Claim, error: str
    ) -> None:
        """Record, as well as can be, that the migration failed and left nothing."""
        with suppress(psycopg.Error):
            migration_rows.failed(self._link.connection, step, script, attempt, claim, error)

    def applied(self, step: Migration, attempt: str, claim: Claim) -> bool:
        """Return whether the ledger has that attempt, as done."""
        with translated(self.where):
            return transactional.applied(self._link, claim.project, step.key, attempt)

    def doubt(self, step: Migration, attempt: str, claim: Claim, why: str) -> None:
        """Record that nobody can tell how much of an attempt took effect: its row stands."""
        which = [claim.project, step.key, attempt]
        with translated(self.where):
            migration_rows.ended_row(self._link.connection, which, State.IN_DOUBT, why)

    def end_psql(self, project: str) -> None:
        """End what the server still does for a psql that is gone."""
        with translated(self.where):
            hold.end_psql(self._link.connection, project)

    def ranks(self) -> dict[str, MessageLevel]:
        """Return the words by which the server ranks its messages, in its language."""
        with translated(self.where):
            return self._link.ranks()

    def stands(self, step: Migration, claim: Claim) -> int:
        """Return how many steps of the migration the ledger counts as done."""
        with translated(self.where):
            return migration_rows.stands(self._link.connection, claim.project, step.key)

    def amend(self, step: Amendment, claim: Claim, attempt: str, text: str = "") -> None:
        """Change the ledger on a person's word; a COMMIT whose answer is lost is looked up."""
        with translated(self.where):
            try:
                amend(self._link.connection, step, claim, attempt, text)
            except psycopg.OperationalError:
                if not self._link.lost:
                    raise
                self._settle_amendment(step.file, claim, attempt)
        self._link.books = guard.LedgerMemory()

    def restore(self, step: Restore, claim: Claim, attempt: str, text: str) -> None:
        """Write a row again as the ledger had it; a COMMIT whose answer is lost is looked up."""
        with translated(self.where):
            try:
                restore.restore(self._link.connection, step, claim, attempt, text)
            except psycopg.OperationalError:
                if not self._link.lost:
                    raise
                self._settle_amendment(step.file, claim, attempt)
        self._link.books = guard.LedgerMemory()

    def _settle_amendment(self, file: str, claim: Claim, attempt: str) -> None:
        """Raise again unless the ledger has the event of an amendment whose COMMIT was lost."""
        self._link.reopen(file)
        lock = AdvisoryLock(self._link, claim.project)
        lock.take(claim, lambda _: None)
        about = Lookup(project=claim.project, run=claim.run, attempt=attempt)
        if not trace.trace(self._link.connection, about).done:
            raise  # noqa: PLE0704 - called where the error is handled
        lock.write_row(claim)

    def histories(self) -> tuple[ForeignHistory, ...]:
        """Return the tables of other tools that are there, as of one moment."""
        with translated(self.where):
            return foreign_histories.read(self._link.connection)

    def command_started(self, claim: Claim, attempt: str, step: str) -> None:
        """Record a command before it starts."""
        with translated(self.where):
            records.command_started(self._link.connection, claim, attempt, step)

    def command_finished(self, attempt: str, state: str, exit_status: int | None) -> None:
        """Record how a command ended."""
        with translated(self.where):
            records.command_finished(self._link.connection, attempt, state, exit_status)

    def resolve(self, project: str, run: str, by: str, reason: str) -> int:
        """Close what nobody saw end, on a person's word."""
        with translated(self.where):
            if not ledger_sql.present(self._link.connection):
                return 0
            return records.resolve(self._link.connection, project, run, by, reason)

    def decide_health(self, project: str, decided: DecidedHealth) -> None:
        """Record what a person said of the health that a run could not measure."""
        with translated(self.where):
            if ledger_sql.present(self._link.connection):
                records.decide_health(self._link.connection, project, decided)

    def approve(self, approvals: Sequence[Approval]) -> bool:
        """Record approvals, if there is a ledger; say whether."""
        with translated(self.where):
            if not ledger_sql.readable(self._link.connection, "approval"):
                return False
            needed = approval_rows.format_for(approvals)
            if ledger_sql.version(self._link.connection) < needed:
                AdvisoryLock(self._link, approvals[0].project).create_ledger(5.0)
            records.keep_approvals(self._link.connection, approvals)
            return True

    def approvals(self, project: str, content_hash: Digest) -> tuple[Approval, ...]:
        """Return every approval of that content."""
        with translated(self.where):
            if not ledger_sql.readable(self._link.connection, "approval"):
                return ()
            return records.read_approvals(self._link.connection, project, content_hash)

    def set_policy(self, project: str, policy: Policy, by: str, reason: str) -> bool:
        """Set the kept policy, with an event that says who and why; say whether there is one."""
        with translated(self.where):
            if not ledger_sql.present(self._link.connection):
                return False
            records.set_policy(self._link.connection, project, policy, by, reason)
            return True

    def catalog(self) -> dict[str, str]:
        """Return the definition of each object, by its name."""
        with translated(self.where):
            return catalog.catalog(self._link.connection)

    def drift(self) -> Drift:
        """Return how the objects differ from what runs left."""
        with translated(self.where):
            connection = self._link.connection
            if not ledger_sql.readable(connection, "object", "event"):
                return Drift()
            if ledger_sql.version(connection) < ledger_rows.OBJECTS:
                return Drift()
            return catalog.drift(connection)

    def catalog_mark(self, claim: Claim) -> CatalogMark:
        """Return what the objects are before a run; the ledger is there."""
        with translated(self.where):
            return catalog.mark(self._link.connection, claim)

    def keep_catalog(self, before: CatalogMark, claim: Claim, *, changed: bool) -> None:
        """Keep what changed since *before*, if the run *changed* anything."""
        with translated(self.where):
            catalog.keep(self._link.connection, before, claim, changed=changed)

    def accept_catalog(self, project: str, by: str, reason: str) -> bool:
        """Keep all objects as they are, with an event that says who and why."""
        with translated(self.where):
            connection = self._link.connection
            if not ledger_sql.present(connection):
                return False
            AdvisoryLock(self._link, project).create_ledger(5.0)
            catalog.accept(connection, project, by, reason)
            return True

    def probe(self) -> Probe:
        """Report what the server is and what the role may do; write nothing."""
        with translated(self.where):
            link = self._link
            return fitness(link.connection, link.here, link.target, link.database)
