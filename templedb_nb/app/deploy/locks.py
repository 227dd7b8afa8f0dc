"""Locks as people see them: who holds a target, freezes, takes over, or asks for an end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import Runs
from templedb_nb.app.environment import Environment
from templedb_nb.errors import Ambiguous, Busy, TempleError, UsageProblem
from templedb_nb.model.cancel_request import CancelRequest
from templedb_nb.model.ledger import Freeze
from templedb_nb.model.listings import BlockerList, CommandOutcome, LockList, LockRow
from templedb_nb.model.project import Project
from templedb_nb.model.target import Target
from templedb_nb.ports.records import LedgerCopyStore
from templedb_nb.ports.target import Server, Session
from templedb_nb.store import cancel_requests
from templedb_nb.store.journal import going_on

_NO_LEDGER = "the target has no ledger yet: nothing was ever deployed there"


class Locks:
    """Use cases around locks."""

    def __init__(
        self, plans: Plans, runs: Runs, records: LedgerCopyStore, system: Environment
    ) -> None:
        """Open targets by *plans*."""
        self._plans = plans
        self._records = records
        self._runs = runs
        self._system = system

    @contextmanager
    def _opened(self, project: Project, target: Target) -> Iterator[OpenTarget]:
        case = self._plans.case(project, target, sync=False)
        with self._plans.opened(case, name="lock") as opened:
            if not opened.sessions:
                message = f"target {target.name} has no database, and therefore no lock"
                raise UsageProblem(message)
            yield opened

    def show(self, project: Project, target: Target) -> LockList:
        """Return who holds each database of a target, and who froze it."""
        with self._opened(project, target) as opened:
            rows = tuple(
                LockRow(
                    database=name,
                    held=session.held(project.known_as),
                    frozen=opened.ledgers[name].frozen,
                )
                for name, session in opened.sessions.items()
            )
        return LockList(slug=project.slug, target=target.name, rows=rows)

    def freeze(self, project: Project, target: Target, reason: str) -> CommandOutcome:
        """Keep every run away from a target until somebody lifts that."""
        wanted = Freeze(by=self._system.user(), reason=reason, since=self._system.clock.now())
        with self._opened(project, target) as opened:
            done = [each.freeze(project.known_as, wanted) for each in opened.sessions.values()]
        if not any(done):
            raise UsageProblem(_NO_LEDGER, hint="deploy once, then freeze it")
        lift = f"templedb lock release {project.slug} --target {target.name} --reason WHY"
        return CommandOutcome(
            text=f"{target.name} is frozen: no run starts there", also=(f"lift it: {lift}",)
        )

    def thaw(self, project: Project, target: Target, reason: str) -> CommandOutcome:
        """Lift a freeze."""
        with self._opened(project, target) as opened:
            user = self._system.user()
            done = [e.thaw(project.known_as, user, reason) for e in opened.sessions.values()]
        if not any(done):
            hint = "a run's lock ends with the run: templedb run cancel, or templedb lock steal"
            raise UsageProblem(f"{target.name} is not frozen", hint=hint)
        return CommandOutcome(text=f"{target.name} is no longer frozen")

    def steal(
        self, project: Project, target: Target, expect: str, reason: str, *, terminate: bool
    ) -> CommandOutcome:
        """Take the lock from a holder that is gone."""
        user, taken = self._system.user(), 0
        with self._opened(project, target) as opened:
            for session in opened.sessions.values():
                if session.held(project.known_as) is not None:
                    server = session.server or _refuse_theft(session, project.known_as)
                    server.steal(project.known_as, expect, user, reason, terminate=terminate)
                    taken += 1
            if taken:
                self._plans.look_again(opened)
        if not taken:
            raise UsageProblem("nobody holds the lock: there is nothing to steal")
        return CommandOutcome(
            text=f"the lock of {target.name} is free",
            also=("the next run checks what its holder left",),
        )

    def rebind(self, project: Project, target: Target, reason: str) -> CommandOutcome:
        """Say that a target's database is the right one, though it is not what it was."""
        user = self._system.user()
        with self._opened(project, target) as opened:
            copies = [s.rebind(project.known_as, user, reason) for s in _servers(opened)]
        self._records.forget_ledger(project.slug, target.name, self._system.clock.now())
        also = ("the database has a new identity now; its migrations stay recorded",)
        return CommandOutcome(
            text=f"{target.name} is bound to its database", also=also if any(copies) else ()
        )

    def blockers(self, project: Project, target: Target) -> BlockerList:
        """Return who is in the way of the run that holds the target now."""
        with self._opened(project, target) as opened:
            found = [s.blockers(project.known_as) for s in _servers(opened)]
        now = self._system.clock.now()
        rows = tuple(each for some in found for each in some)
        return BlockerList(slug=project.slug, target=target.name, rows=rows, at=now)

    def unblock(
        self, project: Project, target: Target, pid: int, reason: str, *, terminate: bool
    ) -> CommandOutcome:
        """Cancel the statement of a session that a run waits for, or end that session."""
        user = self._system.user()
        with self._opened(project, target) as opened:
            waiting = [
                server
                for server in _servers(opened)
                if pid in {each.pid for each in server.blockers(project.known_as)}
            ]
            for server in waiting or [_first_server(opened, pid)]:
                server.unblock(project.known_as, pid, user, reason, terminate=terminate)
        does = "is ended" if terminate else "was asked to cancel its statement"
        return CommandOutcome(text=f"session {pid} of {target.name} {does}")

    def cancel(
        self,
        named: str,
        found: tuple[Project, Target] | None,
        reason: str = "",
        *,
        drain: bool = False,
        back: bool = False,
    ) -> CommandOutcome:
        """Ask a run to end, wherever it runs: at once, or with *drain* after its step.

        With *back* it is rolled back, if its plan names a rollback.

        A run of this state file hears it whatever its target is; any other by its ledger.
        """
        live = [each for each in going_on(self._runs.journals) if each.run.startswith(named)]
        if len(live) > 1:
            raise Ambiguous(f"{named!r} matches more than one run", problems=[e.run for e in live])
        by = f"{self._system.user()} on {self._system.host}"
        wanted = CancelRequest(wish=f"{by}: {reason or 'no reason given'}", drain=drain, back=back)
        here = bool(live) and cancel_requests.ask(self._runs.journals, live[0].run, wanted)
        if not here and not (found and self._asked(*found, named, wanted)):
            hint = "what runs: templedb deploy status; who holds the target: templedb lock show"
            raise UsageProblem(
                f"no run whose id begins with {named} is running on this machine", hint=hint
            )
        does = (
            "finishes its step, unless it measures health, and starts no other"
            if drain
            else "cancels its step"
        )
        return CommandOutcome(
            text=f"run {named} was asked to end",
            also=(f"it {does}, within seconds", *(["then it is rolled back"] if back else [])),
        )

    def _asked(self, project: Project, target: Target, run: str, wanted: CancelRequest) -> bool:
        try:
            with self._opened(project, target) as opened:
                held = {name: s.held(project.known_as) for name, s in opened.sessions.items()}
                return any(
                    server.ask_to_end(project.known_as, each.run, wanted)
                    for name, each in held.items()
                    if each
                    and each.run.startswith(run)
                    and (server := opened.sessions[name].server)
                )
        except TempleError:
            return False


def _servers(opened: OpenTarget) -> Iterator[Server]:
    """Yield those databases of a target that have other sessions."""
    return (each.server for each in opened.sessions.values() if each.server)


def _first_server(opened: OpenTarget, pid: int) -> Server:
    """Return the database that says why nobody waits for *pid* there."""
    first = next(iter(opened.sessions.values()))
    if first.server is None:
        raise UsageProblem(f"{first.where} has no sessions: no run waits for pid {pid} there")
    return first.server


def _refuse_theft(session: Session, project: str) -> NoReturn:
    """Refuse: the lock is a file's, and is free as soon as its process is gone."""
    holder = session.ledger(project).holder or "another process that has the file open"
    message = f"{session.where} is locked by {holder}, which is alive"
    raise Busy(message, hint="end that process: this frees the lock")
