"""What the engine asks of a database with a ledger: one protocol a role."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from templedb_nb.core.migrations.script import Script
from templedb_nb.model.approval import Approval
from templedb_nb.model.cancel_request import CancelRequest
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.decided_health import DecidedHealth
from templedb_nb.model.drift import CatalogMark, Drift
from templedb_nb.model.event import Blocker, Outcome
from templedb_nb.model.foreign_history import ForeignHistory
from templedb_nb.model.ledger import Freeze, Ledger, LedgerEvent, LockHolder, Within
from templedb_nb.model.rollback import RollbackMark
from templedb_nb.model.serialization import Digest
from templedb_nb.model.server_message import MessageLevel, ServerMessage
from templedb_nb.model.step import Amendment, Migration, Restore
from templedb_nb.model.target import Policy, Probe
from templedb_nb.model.trace import Lookup, Trace
from templedb_nb.model.witness import Witness
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.server_facts import ServerFacts
from templedb_nb.ports.slots import SlotRecords


def _nothing(what: object) -> None:
    del what


@dataclass(frozen=True, slots=True, kw_only=True)
class LockCallbacks:
    """Called with what happens around a lock; the last two from a thread of their own.

    `waiting` hears once of the holder, if there is one to wait for; `asked` that somebody wants the
    run to end; `blocked` whom the running statement waits for, and of nobody when no longer.
    """

    waiting: Callable[[str], None] = _nothing
    asked: Callable[[CancelRequest], None] = _nothing
    blocked: Callable[[tuple[Blocker, ...]], None] = _nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementCallbacks:
    """Called at once with what comes with the statements of a migration; statements from 0.

    `said` hears each message of the server, `gave` how many rows a query gave, and `again` that
    everything from a statement on was rolled back and is tried once more, and why. `recorded` hears
    that the ledger has the row, committed before anything of the migration runs.
    """

    said: Callable[[ServerMessage], None] = _nothing
    gave: Callable[[int, int], None] = lambda _statement, _rows: None
    again: Callable[[int, str, str | None], None] = lambda _first, _message, _sqlstate: None
    recorded: Callable[[], None] = lambda: None


NOBODY_TOLD = StatementCallbacks()


Decide = Callable[[Sequence[Approval]], Sequence[Approval]]
"""Raises where a database's approvals, with those that are known already, let no run begin; else
returns all of them, for the database to keep."""


class Reached(Protocol):
    """What a session has reached, and its end."""

    @property
    def where(self) -> str:
        """Return the target and its database, as messages name them."""
        ...

    @property
    def server(self) -> Server | None:
        """Return what only a server can do; None of a file, which has no other sessions."""
        ...

    def probe(self) -> Probe:
        """Report what the server is and what the role may do; write nothing."""
        ...

    def close(self) -> None:
        """End the session; a server frees its locks then."""
        ...


class LedgerReader(Protocol):
    """What the ledger says now."""

    def ledger(self, project: str) -> Ledger:
        """Return what the database says of *project* now; create nothing."""
        ...

    def witness(self, run: str) -> Witness:
        """Return what the ledger holds now, of all projects; raise nothing for what is gone of it.

        *run* is the run that holds the lock. What it applies from then on is held against this.
        """
        ...

    def applied_sql(self, project: str, keys: Sequence[str]) -> dict[str, str]:
        """Return the text that ran for each of *keys*."""
        ...


class HistoryReader(Protocol):
    """What the ledger and the tables of other tools say of the past."""

    def histories(self) -> tuple[ForeignHistory, ...]:
        """Return the tables of other tools that are there, as of one moment."""
        ...

    def events(self, project: str, within: Within) -> tuple[LedgerEvent, ...]:
        """Return what the ledger's own history notes of a time, in order."""
        ...

    def applied_attempts(self, project: str) -> frozenset[str]:
        """Return the attempts of which the ledger's own history says that they took effect."""
        ...

    def trace(self, lookup: Lookup) -> Trace:
        """Return what the ledger holds of one attempt of a run, as of one moment."""
        ...


class ProjectLock(Protocol):
    """Who may work on a project's database."""

    def lock(self, claim: Claim, hear: LockCallbacks) -> AbstractContextManager[None]:
        """Hold the project's lock, after creating the ledger if it is not there, or raise `Busy`.

        *hear* is told what happens around it.
        """
        ...

    def hold_until(self, claim: Claim, until: datetime | None) -> None:
        """Say until when the run that holds the lock means to keep it; None for no such moment."""
        ...

    def held(self, project: str) -> LockHolder | None:
        """Return who holds the lock, if anybody does."""
        ...


class LockAdmin(Protocol):
    """How people keep every run away."""

    def freeze(self, project: str, wanted: Freeze) -> bool:
        """Keep every run away; say whether there is a ledger that can."""
        ...

    def thaw(self, project: str, by: str, reason: str) -> bool:
        """Lift a freeze; say whether there was one."""
        ...


class RunRecords(Protocol):
    """What the database keeps of a run and of its commands."""

    def begin_run(self, claim: Claim, policy: Policy, decide: Decide = ...) -> None:
        """Record the run, and keep *policy*; runs that died are closed.

        *decide* gets every approval of the run's content while none can be added: if it raises,
        there is no run. What it returns stands in the ledger from then on.
        """
        ...

    def end_run(
        self,
        run: str,
        outcome: Outcome,
        exit_code: int,
        message: str,
        mark: RollbackMark | None = None,
        manifest: str = "",
    ) -> None:
        """Record how the run ended; a success uses up the approvals of its content.

        With *mark*, the project's mark of a rollback becomes that in the same transaction.
        *manifest* addresses the record of the artifacts that the run has kept or placed.
        """
        ...

    def command_started(self, claim: Claim, attempt: str, step: str) -> None:
        """Record, before it starts, a command whose outcome nothing else can prove."""
        ...

    def command_finished(self, attempt: str, state: str, exit_status: int | None) -> None:
        """Record how the command ended."""
        ...

    def resolve(self, project: str, run: str, by: str, reason: str) -> int:
        """Close the commands of *run* that nobody saw end, on a person's word; say how many."""
        ...

    def decide_health(self, project: str, decided: DecidedHealth) -> None:
        """Record what a person said of the health that a run could not measure, and its end.

        A success uses up the approvals of its content.
        """
        ...


class ApprovalRecords(Protocol):
    """The approvals and the policy that a database keeps."""

    def approve(self, approvals: Sequence[Approval]) -> bool:
        """Record approvals, if there is a ledger; say whether."""
        ...

    def approvals(self, project: str, content_hash: Digest) -> tuple[Approval, ...]:
        """Return every approval of that content, used up or not."""
        ...

    def set_policy(self, project: str, policy: Policy, by: str, reason: str) -> bool:
        """Set the kept policy, with an event that says who and why; say whether there is one."""
        ...


class MigrationRunner(Protocol):
    """How a migration is applied, and what proves it."""

    def apply(
        self,
        step: Migration,
        script: Script,
        attempt: str,
        claim: Claim,
        ran: Callable[[int], None],
        told: StatementCallbacks = NOBODY_TOLD,
    ) -> None:
        """Make the migration and its ledger row true together, or neither.

        Call *ran* with each statement's index as it comes back; *told* hears what comes with it.
        """
        ...

    def applied(self, step: Migration, attempt: str, claim: Claim) -> bool:
        """Return whether the ledger has that attempt, as done."""
        ...

    def failed(
        self, step: Migration, script: Script, attempt: str, claim: Claim, error: str
    ) -> None:
        """Record, as well as can be, that the migration failed and left nothing."""
        ...


class LedgerWriter(Protocol):
    """Changes of the ledger that run no migration."""

    def amend(self, step: Amendment, claim: Claim, attempt: str, text: str = "") -> None:
        """Change the ledger on a person's word, with an event that says so.

        *text* is what is kept as what ran, where another tool's history is imported.
        """
        ...

    def restore(self, step: Restore, claim: Claim, attempt: str, text: str) -> None:
        """Write a row again as the ledger had it, with an event; *text* is what ran."""
        ...


class CatalogReader(Protocol):
    """What objects the database has, and what is kept of them."""

    def catalog(self) -> Mapping[str, str]:
        """Return the definition of each object of the database, by its kind and name."""
        ...

    def drift(self) -> Drift:
        """Return how the objects differ from what runs left, where that is kept."""
        ...

    def catalog_mark(self, claim: Claim) -> CatalogMark:
        """Return what the objects are before a run; where there is no usable base, keep one."""
        ...

    def keep_catalog(self, before: CatalogMark, claim: Claim, *, changed: bool) -> None:
        """Keep what changed since *before* as what the run left, if it *changed* anything.

        A run that changed nothing leaves the base as it is; the base knows then that it ended.
        """
        ...

    def accept_catalog(self, project: str, by: str, reason: str) -> bool:
        """Keep all objects as they are as what is compared with; say whether there is a ledger."""
        ...


class ServerMigrations(Protocol):
    """What a migration can be on a server alone: one of many steps, or one of psql's."""

    def stands(self, step: Migration, claim: Claim) -> int:
        """Return how many steps of the migration the ledger counts as done."""
        ...

    def doubt(self, step: Migration, attempt: str, claim: Claim, why: str) -> None:
        """Record that nobody can tell how much of an attempt took effect: its row stands."""
        ...

    def end_psql(self, project: str) -> None:
        """End what a server does for a psql that is gone; `Unresolved` if it may commit later."""
        ...

    def ranks(self) -> Mapping[str, MessageLevel]:
        """Return the words by which the server ranks its messages, in its language."""
        ...


class ServerAdmin(Protocol):
    """What people do about the session that holds a lock, and about whom it waits for."""

    def steal(self, project: str, expect: str, by: str, reason: str, *, terminate: bool) -> None:
        """Take the lock from a holder that is gone, or raise why that cannot be."""
        ...

    def rebind(self, project: str, by: str, reason: str) -> bool:
        """Give a copy of a database an identity of its own; say whether it is one."""
        ...

    def ask_to_end(self, project: str, run: str, wanted: CancelRequest) -> bool:
        """Ask the holder to end its run; say whether it holds the lock."""
        ...

    def blockers(self, project: str) -> tuple[Blocker, ...]:
        """Return whom the holder of the project's lock waits for, and whom those wait for."""
        ...

    def unblock(self, project: str, pid: int, by: str, reason: str, *, terminate: bool) -> None:
        """Cancel the statement of a session that the holder waits for, or end that session.

        Raises `UsageProblem` if the holder does not wait for it, `TargetError` if it may not.
        """
        ...


class Server(ServerFacts, ServerMigrations, ServerAdmin, Protocol):
    """What only a server can do, since others work on it at the same time."""


class Session(
    Reached,
    LedgerReader,
    HistoryReader,
    ProjectLock,
    LockAdmin,
    RunRecords,
    ApprovalRecords,
    MigrationRunner,
    LedgerWriter,
    CatalogReader,
    SlotRecords,
    Protocol,
):
    """One open session with one database that keeps a ledger: all roles together.

    Implementations translate every driver error into a `TargetError`. Who needs less takes a role.
    """
