"""One step at a time: tell that it begins, do it, tell what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace

from templedb_nb.core.migrations.down import down_script
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.plan.staleness import Done
from templedb_nb.engine.artifacts import keep_or_place
from templedb_nb.engine.guard import Guard
from templedb_nb.engine.measure import measure
from templedb_nb.engine.messages import Messages
from templedb_nb.engine.step_events import (
    INTERRUPTED,
    Ended,
    broken,
    cancelled,
    changes,
    ended,
    exited,
    how,
    may_fail,
    not_started,
    psql_failed,
    statement_failed,
)
from templedb_nb.engine.switching import Switcher
from templedb_nb.engine.tools import Tools
from templedb_nb.errors import NotStarted, StatementFailed, StoreError, TempleError, Unresolved
from templedb_nb.exit_code import ExitCode
from templedb_nb.failpoints import reach
from templedb_nb.model.artifact_step import KeepArtifacts, PlaceArtifacts
from templedb_nb.model.command import CommandExit
from templedb_nb.model.config import Executor
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import (
    Event,
    Outcome,
    OutputWritten,
    StatementRan,
    StepFailed,
    StepFinished,
    StepRecorded,
    StepRetried,
    StepSkipped,
    StepStarted,
    StepWarned,
)
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.ledger import State
from templedb_nb.model.result import APPLIED_BEFORE
from templedb_nb.model.step import (
    Amend,
    Amendment,
    Apply,
    ArtifactStep,
    Command,
    ImportEntry,
    Migration,
    Mode,
    Restore,
    Revert,
    RunCommand,
    RunScript,
    Step,
    done_anew,
)
from templedb_nb.model.switch_step import SlotUse, SwitchSlot
from templedb_nb.model.target import DATABASE_URL
from templedb_nb.model.trace import CommandState, Lookup
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.run import Emit, StepLog
from templedb_nb.ports.target import RunRecords

_SLOTS = "templedb deploy slots shows what the router answers and what is recorded"


@dataclass(slots=True)
class StepRunner:
    """Runs steps; `changed` is true once the target changed, or may have.

    `open` is true while a step began and no event says how it ended.
    """

    claim: Claim
    tools: Tools
    emit: Emit
    guard: Guard
    done: Done = frozenset()
    changed: bool = field(default=False, init=False)
    open: bool = field(default=False, init=False)
    interrupt: int | None = field(default=None, init=False)
    switcher: Switcher = field(init=False)

    def __post_init__(self) -> None:
        """Prepare for steps that switch traffic."""
        self.switcher = Switcher(self.claim, self.tools, self.emit, self._interrupted)

    def run(self, number: int, step: Step) -> Ended | None:
        """Do one step, over its attempts; return why the run must end, or None."""
        if self.tools.interrupts.draining:
            self.emit(StepSkipped(step=number, reason="cancelled before it began"))
            return self._cancelled(f"cancelled before {step.group}: {step.title}")
        if reason := self._needless(number, step):
            self.emit(StepSkipped(step=number, reason=reason))
            return None
        attempts = step.attempts if isinstance(step, RunCommand) else 1
        changed = False
        for attempt in range(1, attempts + 1):
            event = self._attempt(number, step, attempt)
            if isinstance(event, StepFailed):
                changed = changed or event.changed  # by this attempt, or by one before it
                event = replace(event, changed=changed)
            if not isinstance(event, StepFailed) or event.cancelled or event.unknown:
                break
            if attempt == attempts:
                break
            if cancelled := self._retry(event, step, attempt):
                event = cancelled
                break
        self.changed |= changes(step, event)
        reach("step.done")
        # Open until the journal has it: where the journal fails, the ledger is asked what was done.
        self.emit(event)
        self.open = False
        if self.interrupt is not None and not getattr(event, "unknown", False):
            return self._cancelled(f"cancelled at {step.group}: {step.title}")
        return ended(step, event)

    def _needless(self, number: int, step: Step) -> str:
        """Return why a step has nothing to do, or nothing."""
        if self.tools.before(number) and not done_anew(step):
            how = "settled" if isinstance(step, CheckHealth) else "did"
            return f"the resumed run already {how} it"
        if isinstance(step, Migration) and (step.database, step.key) in self.done:
            return APPLIED_BEFORE
        use: SlotUse | None = getattr(step, "slot", None)
        return f"nothing runs in {use.slot}" if use and self.switcher.idle(use) else ""

    def _cancelled(self, message: str) -> Ended:
        by = f", by {self.tools.interrupts.wish}" if self.tools.interrupts.wish else ""
        code = ExitCode.INTERRUPTED if self.interrupt is None else self.interrupt
        return Ended(outcome=Outcome.CANCELLED, message=f"{message}{by}", exit_code=code)

    def _attempt(self, number: int, step: Step, attempt: int) -> Event:
        attempt_id = self.tools.new_id()
        # Before anything is done: of a command, the journal alone may know that it began.
        self.open = True
        self.emit(StepStarted(step=number, attempt=attempt, attempt_id=attempt_id))
        reach("step.started")
        self.guard.before(step)
        return self.guard.after(step, self._done(number, step, attempt_id))

    def _done(self, number: int, step: Step, attempt_id: str) -> Event:
        try:
            match step:
                case RunCommand() | RunScript():
                    return self._at_slot(number, step, attempt_id)
                case KeepArtifacts() | PlaceArtifacts():
                    return keep_or_place(number, step, self.tools, self.emit, self._interrupted)
                case CheckHealth():
                    return self._health(number, step)
                case SwitchSlot():
                    return self.switcher.run(number, step, attempt_id)
                case Apply() | Revert():
                    by_psql = step.executor is Executor.PSQL
                    apply = self._psql if by_psql else self._apply
                    return apply(number, step, attempt_id)
                case Amend() | ImportEntry():
                    return self._amend(number, step, attempt_id)
                case Restore(text=source):
                    text = self.tools.text(source)
                    self.tools.sessions[step.database].restore(step, self.claim, attempt_id, text)
                    return StepFinished(step=number)
        except StoreError:
            raise
        except TempleError as error:
            return self._broken(number, step, attempt_id, error)

    def _broken(self, number: int, step: Step, attempt_id: str, error: TempleError) -> Event:
        """Return how a step ended that broke; raise where it is done, or where nobody can tell.

        Then the run breaks off, and its end is what the ledger says, now or once it answers. A
        ledger that does not answer does not say that nothing changed.
        """
        try:
            done, changed = self._is_recorded(step, attempt_id), self._took_effect(step)
        except TempleError:
            if isinstance(error, Unresolved):
                return broken(number, error, changed=True)
            raise error from None
        if done:
            raise error
        failed = broken(number, error, changed=changed)
        return replace(failed, inconclusive=isinstance(step, CheckHealth))

    def _is_recorded(self, step: Step, attempt_id: str) -> bool:
        """Return whether the ledger has a step as done that broke all the same."""
        if isinstance(step, Command | CheckHealth | ArtifactStep):
            return False
        if isinstance(step, SwitchSlot):
            return self.tools.route.read(step.routed).slot == step.to
        session = self.tools.sessions[step.database]
        if isinstance(step, Migration):
            return session.applied(step, attempt_id, self.claim)
        about = Lookup(project=self.claim.project, run=self.claim.run, attempt=attempt_id)
        return session.trace(about).done

    def _took_effect(self, step: Step) -> bool:
        """Return whether a step that broke may have changed the target all the same."""
        if isinstance(step, Command):
            return step.mutates
        if isinstance(step, SwitchSlot):
            return step.group in self.switcher.touched
        return isinstance(step, Migration) and bool(self._stands(step))

    def _amend(self, number: int, step: Amendment, attempt_id: str) -> Event:
        text = self.tools.text(step.text, step.ran) if isinstance(step, ImportEntry) else ""
        self.tools.sessions[step.database].amend(step, self.claim, attempt_id, text)
        return StepFinished(step=number)

    def _apply(self, number: int, step: Migration, attempt_id: str) -> Event:
        session, script = self.tools.sessions[step.database], self.tools.script(step.source)
        if isinstance(step, Revert):
            script = down_script(script)
        messages = Messages(number, self.emit, step.database)
        try:
            with self.tools.interrupts.cancellable():
                session.apply(
                    step,
                    script,
                    attempt_id,
                    self.claim,
                    lambda index: self.emit(StatementRan(step=number, statement=index)),
                    messages.told,
                )
        except StatementFailed as error:
            if step.mode is Mode.TRANSACTION:
                told = self.tools.mask(error.message)
                session.failed(step, script, attempt_id, self.claim, told)
            return statement_failed(number, step, error, script, self.tools.mask)
        except KeyboardInterrupt as error:
            self._interrupted(error)
            if not session.applied(step, attempt_id, self.claim):
                return self._stopped(number, step, script)
        finally:
            messages.close()
        return StepFinished(step=number, statements=len(script.statements), rows=messages.rows)

    def _stopped(self, number: int, step: Migration, script: Script) -> Event:
        if step.mode is Mode.TRANSACTION:
            return cancelled(number, f"nothing of it was {step.past}")
        stands = f"{self._stands(step)} of {script.steps} steps took effect"
        what = f"{stands}; the next run continues there"
        return cancelled(number, what, changed=True)

    def _stands(self, step: Migration) -> int:
        """Return how many steps of a migration count as done; a file takes all or none."""
        server = self.tools.sessions[step.database].server
        return server.stands(step, self.claim) if server else 0

    def _psql(self, number: int, step: Migration, attempt_id: str) -> Event:
        session, script = self.tools.sessions[step.database], self.tools.script(step.source)
        log, messages = self.tools.log(number), Messages(number, self.emit, step.database)
        ended: CommandExit | None = None
        try:
            with self.tools.interrupts.cancellable():
                sink, ranks = (
                    self._sink(number, log),
                    session.server.ranks() if session.server else {},
                )
                ended = self.tools.psql.apply(
                    step, script, self.claim, attempt_id, sink, messages.told, ranks
                )
        except KeyboardInterrupt as error:
            self._interrupted(error)
        finally:
            messages.close()
        kept, tail = log.close()
        reach("psql.ran")
        # Before the question: what the server still does for it may be committed behind the answer.
        if session.server and not (ended and ended.ok):
            session.server.end_psql(self.claim.project)
        if session.applied(step, attempt_id, self.claim):
            return StepFinished(step=number, exit_status=0, log=kept, tail=tail)
        about = Lookup(project=self.claim.project, run=self.claim.run, attempt=attempt_id)
        in_part = session.trace(about).state is State.IN_DOUBT
        if ended is None and not in_part:
            return cancelled(number, "nothing of it was applied")
        ended = ended or INTERRUPTED
        failed = psql_failed(number, step.file, ended, kept, tail, in_part=in_part)
        told = self.tools.mask(f"{failed.message}\n{tail}")
        if not in_part:
            session.failed(step, script, attempt_id, self.claim, told)
        elif session.server:
            session.server.doubt(step, attempt_id, self.claim, told)
        return failed

    def _at_slot(self, number: int, step: Command, attempt_id: str) -> Event:
        """Run a command; one that works on a slot does so only while that serves nobody."""
        use: SlotUse | None = getattr(step, "slot", None)
        if use and (why := self.switcher.refused(use)):
            return StepFailed(step=number, message=why, changed=False, hint=_SLOTS)
        event = self._command(number, step, attempt_id)
        return self.switcher.worked(number, use, event) if use else event

    def _command(self, number: int, step: Command, attempt_id: str) -> Event:
        books = self._books(step)
        try:
            invocation = self.tools.invocation(step, attempt_id)
            if books:  # before it starts: one that ran unrecorded would be run again
                books.command_started(self.claim, attempt_id, step.title)
                self.emit(StepRecorded(step=number))
            self.tools.leave_files()
        except StoreError:
            raise
        except TempleError as error:
            return not_started(number, step, error)
        log = self.tools.log(number)
        try:
            reach("command.recorded")
            with self.tools.interrupts.cancellable():
                ended = self.tools.shell.run(invocation, self._sink(number, log))
            reach("command.ran")
        except KeyboardInterrupt as error:
            self._interrupted(error)
            self._close_books(books, attempt_id, None)
            log.close()
            return cancelled(number, "its processes are ended", changed=step.mutates)
        except NotStarted as error:
            if books:
                books.command_finished(attempt_id, CommandState.NOT_STARTED, None)
            log.close()
            return not_started(number, step, error)
        except TempleError:
            self._close_books(books, attempt_id, None)
            raise
        kept, tail = log.close()
        self._close_books(books, attempt_id, ended)
        reach("command.closed")
        if ended.ok:
            return StepFinished(step=number, exit_status=0, log=kept, tail=tail)
        if may_fail(step):
            message = f"{step.title} {how(ended)}; the hook is not critical"
            return StepWarned(
                step=number, message=message, exit_status=ended.status, log=kept, tail=tail
            )
        message = f"{step.title} {how(ended)}"
        return exited(number, ended, message, changed=step.mutates, log=kept, tail=tail)

    def _health(self, number: int, step: CheckHealth) -> Event:
        event = measure(number, step, self.claim, self.tools, self.emit, self._interrupted)
        return self.switcher.measured(number, step, event)

    def _books(self, step: Command) -> RunRecords | None:
        """Return the ledger that must know of a command which may change the target."""
        sessions = self.tools.sessions
        if not sessions or not step.mutates or getattr(step, "slot", None):
            return None
        return sessions.get(DATABASE_URL) or next(iter(sessions.values()))

    def _close_books(
        self, books: RunRecords | None, attempt_id: str, ended: CommandExit | None
    ) -> None:
        if books:
            state = CommandState.FINISHED if ended and ended.ok else CommandState.FAILED
            books.command_finished(attempt_id, state, ended.status if ended else None)

    def _sink(self, number: int, log: StepLog) -> Callable[[str], None]:
        def write(text: str) -> None:
            log.write(text)
            self.emit(OutputWritten(step=number, text=text))

        return write

    def _interrupted(self, error: KeyboardInterrupt) -> None:
        self.interrupt = getattr(error, "exit_code", ExitCode.INTERRUPTED)

    def _retry(self, event: StepFailed, step: Step, attempt: int) -> StepFailed | None:
        """Tell that another attempt follows, and wait for it; return why there will be none."""
        why, status = event.message, event.exit_status
        self.emit(StepRetried(step=event.step, attempt=attempt, message=why, exit_status=status))
        if isinstance(step, RunCommand) and step.retry_delay_s:
            try:
                with self.tools.interrupts.cancellable():
                    self.tools.clock.sleep(step.retry_delay_s)
            except KeyboardInterrupt as error:
                self._interrupted(error)
                return cancelled(event.step, f"after {event.message}", changed=event.changed)
        return None
