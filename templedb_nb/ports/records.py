"""What use cases ask of the state about plans, approvals, runs and runbooks; a protocol a role."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from templedb_nb.model.approval import Approval
from templedb_nb.model.estimate import StepEstimate
from templedb_nb.model.event import RunId, Stamped
from templedb_nb.model.history import Filter, RunRow, StatsRow
from templedb_nb.model.ledger import Entry, Ledger, LedgerHead
from templedb_nb.model.past_run import PastRun
from templedb_nb.model.plan import Plan, PlanId, Preview
from templedb_nb.model.project import Slug
from templedb_nb.model.result import Result
from templedb_nb.model.runbook import Done, Execution, ExecutionEnd
from templedb_nb.model.serialization import Digest
from templedb_nb.model.target import DatabaseName, TargetName
from templedb_nb.model.waiting import KeptPlan
from templedb_nb.ports.store import Transactions


class PlanStore(Protocol):
    """Plans, for good; by id, and by the hash of what they would do."""

    def keep_plan(self, preview: Preview) -> None:
        """Keep a plan under its id; keeping it again changes when it was last made, and no more."""
        ...

    def plan(self, start: str) -> Preview:
        """Return the one plan whose id begins with *start*; raise `UnknownName` or `Ambiguous`."""
        ...

    def plan_with(self, content_hash: Digest) -> Preview:
        """Return the newest plan of that content, or raise `UnknownName`."""
        ...

    def recent_plans(self, last: int) -> tuple[tuple[str, str, str, datetime], ...]:
        """Return id, project, target and moment of the newest plans."""
        ...

    def planner(self, content_hash: Digest) -> str:
        """Return who made the first plan of that content, or nothing."""
        ...

    def newer_plan(self, preview: Preview) -> PlanId | None:
        """Return a plan of a newer release for the same target, made after this one, if any."""
        ...

    def succeeded(self, plan: PlanId) -> str:
        """Return the run that succeeded with that plan, or nothing."""
        ...


class ApprovalStore(Protocol):
    """People's words on plans, for good; they count for everything of the same content."""

    def keep_approval(self, approval: Approval) -> None:
        """Record an approval; recording it again changes nothing."""
        ...

    def approvals(self, content_hash: Digest) -> tuple[Approval, ...]:
        """Return every approval of that content, used up or not, oldest first."""
        ...

    def use_approvals(self, content_hash: Digest, run: RunId) -> None:
        """Record that the run succeeded under every open approval of that content."""
        ...

    def recent_approvals(self, slug: str | None, last: int) -> tuple[Approval, ...]:
        """Return the newest words on plans, of a project by its first name or of all."""
        ...

    def approvals_within(
        self, slug: str, target: str, begin: datetime, end: datetime
    ) -> tuple[Approval, ...]:
        """Return the words on plans for a target that were said between two moments."""
        ...


class RunStore(Protocol):
    """The events of runs, taken from their journals as often as one likes."""

    def fold(self, entries: Sequence[Stamped], result: Result) -> None:
        """Add a run's events that are not there yet; *result* is what all of them come to."""
        ...

    def settle(self, entries: Sequence[Stamped], result: Result, after: int) -> None:
        """Let *entries* say how a run ended that died; what was taken for its end goes.

        Its own journal had the events up to the number *after*.
        """
        ...

    def fold_live(self, folder: Path) -> None:
        """Add what the runs that go on have written to their journals in *folder* so far."""
        ...

    def events(self, run: RunId) -> tuple[Stamped, ...]:
        """Return a run's events, in order; none of a run that is not known."""
        ...


class RunHistory(Protocol):
    """Questions about the runs that are kept."""

    def run(self, start: str) -> RunId:
        """Return the one run whose id begins with *start*; raise `UnknownName` or `Ambiguous`."""
        ...

    def runs(
        self, slug: Slug | None, target: TargetName | None, wanted: Filter
    ) -> tuple[RunRow, ...]:
        """Return runs of a project, or of all, newest first."""
        ...

    def stats(
        self, slug: Slug, target: TargetName | None, by: str, since: datetime | None, now: datetime
    ) -> tuple[StatsRow, ...]:
        """Return what the runs that ended come to, by target and span of time up to *now*."""
        ...

    def last_deployment(
        self, slug: Slug, target: TargetName
    ) -> tuple[str, int, datetime, str] | None:
        """Return run, release, end and tree of the last success that brought a release to bear."""
        ...

    def past_runs(self, slug: Slug, target: TargetName) -> tuple[PastRun, ...]:
        """Return the runs on a target, newest first, with what they deployed."""
        ...

    def took(self, slug: Slug, target: TargetName) -> dict[tuple[str, str, str, str], StepEstimate]:
        """Return what steps took in the target's former runs, by group, phase, kind and title."""
        ...


class ResolutionStore(Protocol):
    """Runs that nobody saw end, and what people said of them."""

    def unresolved(self, slug: Slug) -> frozenset[str]:
        """Return the runs that nobody saw end, and of which nobody said what they did."""
        ...

    def unseen(self, slug: Slug, target: TargetName) -> tuple[RunId, ...]:
        """Return the runs of a target that nobody saw end, and of which nobody said what they did.

        Those from before the target was bound to another database are left out.
        """
        ...

    def ledger(self, slug: Slug, target: TargetName) -> Ledger:
        """Return what is known of the runs of a target that keeps no ledger of its own."""
        ...

    def resolve(self, run: RunId, at: datetime, by: str, reason: str) -> None:
        """Record what a person said of a run that nobody saw end."""
        ...

    def resolution(self, run: RunId) -> str:
        """Return who said what the run did, or nothing."""
        ...


class LedgerCopyStore(Protocol):
    """What targets' ledgers said when they were last whole."""

    def copy_ledger(
        self,
        slug: Slug,
        target: TargetName,
        database: DatabaseName,
        ledger: Ledger,
        at: datetime,
    ) -> None:
        """Bring the copy of a ledger up to what the ledger said at *at*."""
        ...

    def ledger_heads(self, slug: Slug, target: TargetName) -> dict[DatabaseName, LedgerHead]:
        """Return which ledgers a target had when they were last read."""
        ...

    def ledger_copy(
        self, slug: Slug, target: TargetName, database: DatabaseName
    ) -> tuple[Entry, ...]:
        """Return what a ledger said when it was last whole, in the order of its migrations."""
        ...

    def ledger_moved(
        self, slug: Slug, target: TargetName, database: DatabaseName, ledger: Ledger
    ) -> bool:
        """Return whether a ledger says anything that its copy does not."""
        ...

    def forget_ledger(self, slug: Slug, target: TargetName, at: datetime) -> None:
        """Forget which ledgers a target had: the next one that is read is the right one."""
        ...

    def applied_elsewhere(
        self, slug: Slug, target: TargetName, keys: Iterable[str]
    ) -> frozenset[tuple[str, Digest]]:
        """Return which of *keys* other targets have applied, with their token checksums."""
        ...


class ArtifactRecords(Protocol):
    """Who may want artifacts again."""

    def artifact_targets(self) -> tuple[tuple[Slug, TargetName], ...]:
        """Return the projects and targets of runs that have kept or placed artifacts."""
        ...

    def placing_plans(self, since: datetime) -> tuple[Plan, ...]:
        """Return the plans made after a moment that place artifacts."""
        ...


class WaitingStore(Protocol):
    """Questions about the plans that may still run."""

    def waiting_plans(self, slug: Slug | None) -> tuple[tuple[KeptPlan, ...], int]:
        """Return the plans that need approvals and that no success overtook, oldest first.

        Of each target the newest are looked at; the number says how many were not.
        """
        ...

    def overtaken_by(self, preview: Preview) -> str:
        """Return the run that succeeded with that plan, or with a newer one for its target."""
        ...

    def plans_asked(self, plans: Iterable[str]) -> dict[str, datetime]:
        """Return when those of *plans* were last made that the state has."""
        ...


class RecordStore(
    Transactions,
    PlanStore,
    WaitingStore,
    ApprovalStore,
    RunStore,
    RunHistory,
    ResolutionStore,
    LedgerCopyStore,
    ArtifactRecords,
    Protocol,
):
    """Everything that was planned, approved and done. Who needs less takes a role."""


class RunbookStore(Protocol):
    """Executions of runbooks, and what each has proven done."""

    def begin(self, execution: Execution) -> None:
        """Record that a runbook began; it is live until `end` or the end of this process."""
        ...

    def end(self, named: str, ended: ExecutionEnd) -> None:
        """Record how it ended."""
        ...

    def live(self, named: str) -> bool:
        """Return whether the process that runs it is there."""
        ...

    def add(self, done: Done) -> None:
        """Record that a command was carried out, or that the run of one has begun."""
        ...


class ExecutionHistory(Protocol):
    """Questions about the executions of runbooks."""

    def done(self, key: Digest, among: Sequence[str]) -> Done | None:
        """Return what was last recorded under *key* by one of the runbooks *among*."""
        ...

    def broken_off(self, name: str, given: Digest) -> tuple[str, ...]:
        """Return the newest executions of that name and those parameters that came to no good end.

        They reach back to the last one that did; newest first.
        """
        ...

    def executions(
        self, name: str | None, last: int
    ) -> tuple[tuple[Execution, ExecutionEnd | None], ...]:
        """Return the newest executions, of one runbook or of all, newest first."""
        ...

    def steps(self, named: str) -> tuple[Done, ...]:
        """Return what an execution recorded, in order."""
        ...


class RunbookRecords(RunbookStore, ExecutionHistory, Protocol):
    """Everything that is kept of runbooks."""
