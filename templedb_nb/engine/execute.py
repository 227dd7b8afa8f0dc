"""Carry out an approved plan: the only module that changes a target."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from templedb_nb.core.approval.policy import Approved, kept
from templedb_nb.core.plan.rollback import inherited, unfinished
from templedb_nb.core.plan.staleness import Done
from templedb_nb.engine.guard import Guard
from templedb_nb.engine.step_events import Ended
from templedb_nb.engine.steps import StepRunner
from templedb_nb.engine.tools import Tools
from templedb_nb.errors import Held, JournalFailed, TargetError, TempleError
from templedb_nb.exit_code import ExitCode
from templedb_nb.failpoints import reach
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.drift import CatalogMark
from templedb_nb.model.event import (
    Blocker,
    LockAwaited,
    Outcome,
    RunFinished,
    RunStarted,
    StatementBlocked,
    StepLabel,
    StepSkipped,
)
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.plan import Plan, PlannedGroup
from templedb_nb.model.rollback import PendingRollback, RollbackMark
from templedb_nb.model.step import RunCommand, Step, failure_hook, label
from templedb_nb.model.switch_step import SwitchSlot
from templedb_nb.model.target import DatabaseName, FindingLevel
from templedb_nb.ports.claim import Claim
from templedb_nb.ports.run import Emit
from templedb_nb.ports.target import CatalogReader, LockCallbacks

Check = Callable[[Mapping[DatabaseName, Ledger]], Done]
"""Raises, under the lock, if the plan may not run on the target as it stands; else returns which
migrations an earlier attempt of this very plan brought into effect."""

log = logging.getLogger(__name__)
Marks = Mapping[DatabaseName, CatalogMark]
_CODES = {Outcome.TIMED_OUT: ExitCode.TIMED_OUT, Outcome.UNKNOWN: ExitCode.UNRESOLVED}
_UNDECIDED = (ExitCode.INCONCLUSIVE, ExitCode.APPROVAL_MISSING)
"""Ends of groups that wait for a person, and are no failures."""
_GRAVEST = (Outcome.UNKNOWN, Outcome.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the run's first event says beside its plan."""

    slug: str
    release: int


def execute(
    approved: Approved, claim: Claim, origin: Origin, tools: Tools, check: Check, emit: Emit
) -> None:
    """Run the plan's steps in order, group after group.

    A failed step is an event; a broken machine is an exception. Either way the locks are let go,
    and the last event says how it ended; where the machine broke within a step, none does.
    """
    plan, steps = approved.plan, None
    recorded: RunFinished | None = None
    emit(_started(plan, claim, origin, tools))
    try:
        reach("run.before-lock")
        with ExitStack() as held:
            hear = LockCallbacks(
                waiting=_tell(emit),
                asked=tools.interrupts.asked,
                blocked=lambda found: emit(_blocked(found)),
            )
            with tools.interrupts.cancellable():
                # In the order of their names, as every run does: taken crosswise, two runs would
                # wait for each other. The ledgers are read behind all locks: nothing moves then.
                for name in plan.databases:
                    held.enter_context(tools.sessions[name].lock(claim, hear))
                reach("run.locked")
                now = {name: tools.sessions[name].ledger(claim.project) for name in plan.databases}
                done = check(now)
                passed = tools.admit(now)  # windows last of all: the lock may have taken long
                claim = replace(claim, pending=inherited(claim.pending, now), passed=passed)
            if not plan.databases:
                tools.decide(())
            # Every ledger knows of the run before the first step: if we die, the next run sees it.
            policy = kept(tools.policy, now.values())
            for name in plan.databases:
                tools.sessions[name].begin_run(claim, policy, tools.decide)
            _tell_windows(claim, emit)
            reach("run.begun")
            marks = _marks(plan, claim, tools.sessions)
            guard = Guard(claim, tools.sessions, tools.script)
            guard.begin(plan)
            steps = _runner(plan, StepRunner(claim, tools, emit, guard, done), held)
            finished = _run(plan, steps, emit)
            reach("run.before-end")
            finished = _owing(plan, guard.end(plan, finished), claim, tools)
            if not guard.damaged:
                _keep_catalogs(marks, claim, tools.sessions, changed=steps.changed)
            # Under the locks, and before the journal: a run that its journal calls ended while the
            # ledger lets it go on would be closed there as dead by the next one.
            recorded = finished = _recorded(finished, claim, tools)
            reach("run.ended")
    except KeyboardInterrupt as error:
        code = getattr(error, "exit_code", ExitCode.INTERRUPTED)
        message = "cancelled before the first step"
        finished = RunFinished(outcome=Outcome.CANCELLED, exit_code=code, message=message)
    except JournalFailed:
        raise  # an end without what came before it would be a lie; the ledger is asked instead
    except TempleError as error:
        if steps is not None and steps.open:
            raise  # it may have done what it does: the ledger is asked, as of a run that died
        failed = RunFinished(
            outcome=Outcome.FAILED, exit_code=error.exit_code, message=error.message
        )
        emit(recorded or failed)  # what breaks behind its end does not change how the run ended
        raise
    except Exception as error:
        message = f"internal error: {type(error).__name__}: {error}"
        emit(RunFinished(outcome=Outcome.UNKNOWN, exit_code=ExitCode.INTERNAL, message=message))
        raise
    emit(finished)


def _runner(plan: Plan, steps: StepRunner, held: ExitStack) -> StepRunner:
    """Write down how switches ended whose runs died, before anything works on a slot.

    The routers that the run takes are let go with the locks.
    """
    held.callback(steps.switcher.close)
    switches = {s.group: s for s in plan.steps if isinstance(s, SwitchSlot) and not s.back}
    for step in switches.values():
        steps.switcher.settle(step.routed, step.to)
    uses = (step.slot for step in plan.steps if isinstance(step, RunCommand) and step.slot)
    alone = {use.routed.group: use.routed for use in uses if use.routed.group not in switches}
    for routed in alone.values():
        steps.switcher.settle(routed)
    return steps


def _tell_windows(claim: Claim, emit: Emit) -> None:
    for each in claim.passed:
        emit(each)


def _tell(emit: Emit) -> Callable[[str], None]:
    return lambda holder: emit(LockAwaited(holder=holder))


def labels(steps: Sequence[Step]) -> tuple[StepLabel, ...]:
    """Return how every view names the steps."""
    return tuple(label(step) for step in steps)


def _started(plan: Plan, claim: Claim, origin: Origin, tools: Tools) -> RunStarted:
    return RunStarted(
        plan=plan.id,
        content_hash=plan.content_hash,
        project=plan.project,
        slug=origin.slug,
        target=plan.target,
        started_by=claim.client,
        host=claim.host,
        pid=claim.pid,
        release=origin.release,
        steps=labels(plan.steps),
        resumed=tools.resumed,
        finished=tuple(sorted(tools.finished)),
        run_kind=claim.kind,
        parent_run=claim.parent_run,
        tree=claim.tree,
        config_hash=claim.config_hash,
    )


def _run(plan: Plan, steps: StepRunner, emit: Emit) -> RunFinished:
    ends: list[Ended] = []
    stopped, number = "", 0
    for group in plan.groups:
        ended = _group(group, number, steps, emit, stopped)
        number += len(group.steps)
        if ended is None:
            continue
        ends.append(ended)
        if not group.continue_on_failure or ended.outcome in _GRAVEST:
            stopped = stopped or f"upstream failed: {group.name}"
    before = (s for n, s in enumerate(plan.steps) if steps.tools.before(n))
    changed = steps.changed or any(step.mutates for step in before)
    return _finished(_worst(ends), changed=changed)


def _worst(ends: Sequence[Ended]) -> Ended | None:
    """Return what the run is judged by: what a person must look at, else the first failure.

    What could not be measured weighs less than a failure that somebody saw.
    """
    grave = (each for outcome in _GRAVEST for each in ends if each.outcome is outcome)
    seen = (each for each in ends if each.exit_code not in _UNDECIDED)
    return next(grave, next(seen, ends[0] if ends else None))


def _group(
    group: PlannedGroup, first: int, steps: StepRunner, emit: Emit, stopped: str
) -> Ended | None:
    ended: Ended | None = None
    for number, step in enumerate(group.steps, start=first):
        if not stopped and failure_hook(step):
            ended = _after_failure(number, step, steps, emit, ended)
        elif stopped or ended:
            emit(StepSkipped(step=number, reason=stopped or f"upstream failed: {group.name}"))
        else:
            ended = steps.run(number, step)
    return None if stopped else ended


def _after_failure(
    number: int, step: Step, steps: StepRunner, emit: Emit, ended: Ended | None
) -> Ended | None:
    """Run a failure hook where a step of its group has failed; how the hook ends changes nothing.

    A switch back does, for it decides which release serves, and so does a hook that damaged a
    ledger: then a person must look.

    What somebody cancelled, what nobody could measure and what nobody knows is no failure.
    """
    failed = ended is not None and ended.outcome in {Outcome.FAILED, Outcome.TIMED_OUT}
    if ended is None:
        emit(StepSkipped(step=number, reason="no step of the group has failed"))
    elif not failed or ended.exit_code in _UNDECIDED:
        emit(StepSkipped(step=number, reason="the group did not end in a failure"))
    elif isinstance(step, SwitchSlot):
        return _switched_back(number, step, steps, emit, ended)
    else:
        sound = not steps.guard.damaged
        hook = steps.run(number, step)
        if hook and sound and steps.guard.damaged:
            message = f"{ended.message}; and then {hook.message}"
            return Ended(outcome=Outcome.UNKNOWN, message=message, exit_code=ExitCode.UNRESOLVED)
    return ended


def _switched_back(
    number: int, step: SwitchSlot, steps: StepRunner, emit: Emit, ended: Ended
) -> Ended:
    """Send traffic back to the slot that served, if this run took it away; say how it ends then."""
    if step.group not in steps.switcher.touched:
        clean = f"{step.live} may not be clean: templedb deploy slots"
        reason = f"nothing to switch back: {steps.switcher.told(step)}; {clean}"
        emit(StepSkipped(step=number, reason=reason))
        return ended
    failed = steps.run(number, step)
    if failed is None:
        told = f"{ended.message}; traffic is back on {step.to}"
        return replace(ended, message=told, exit_code=ExitCode.ROLLED_BACK)
    message = f"{ended.message}; {failed.message}"
    if failed.outcome is Outcome.CANCELLED:
        return replace(failed, message=message)
    code = ExitCode.UNRESOLVED
    return Ended(outcome=Outcome.UNKNOWN, message=message, exit_code=code)


def _finished(worst: Ended | None, *, changed: bool) -> RunFinished:
    if worst is None:
        return RunFinished(outcome=Outcome.SUCCEEDED, exit_code=ExitCode.OK)
    if worst.outcome is Outcome.FAILED:
        code = worst.exit_code or (ExitCode.CHANGED if changed else ExitCode.UNCHANGED)
        return RunFinished(outcome=worst.outcome, exit_code=code, message=worst.message)
    ended = worst.exit_code or _CODES[worst.outcome]
    return RunFinished(outcome=worst.outcome, exit_code=ended, message=worst.message)


def _marks(plan: Plan, claim: Claim, sessions: Mapping[DatabaseName, CatalogReader]) -> Marks:
    """Return what the objects of each database that can be read are before the first step."""
    marks: dict[DatabaseName, CatalogMark] = {}
    if plan.policy.drift is FindingLevel.OFF or not plan.steps:
        return marks
    for name in plan.databases:
        try:
            marks[name] = sessions[name].catalog_mark(claim)
        except Held as error:
            if plan.policy.drift is FindingLevel.BLOCK:
                raise
            _not_kept(name, error)
    return marks


def _keep_catalogs(
    marks: Marks, claim: Claim, sessions: Mapping[DatabaseName, CatalogReader], *, changed: bool
) -> None:
    """Keep what the run made of the objects; where that fails, the next look says so."""
    for name, mark in marks.items():
        try:
            sessions[name].keep_catalog(mark, claim, changed=changed)
        except TargetError as error:
            _not_kept(name, error)


def _not_kept(name: DatabaseName, error: TargetError) -> None:
    log.warning("drift: the objects of %s could not be recorded: %s", name, error.message)


def _recorded(finished: RunFinished, claim: Claim, tools: Tools) -> RunFinished:
    """Write the end into every ledger; where that fails, nobody may call it a success."""
    outcome, code = finished.outcome, finished.exit_code
    try:
        mark, message = _mark(finished, claim), tools.mask(finished.message)
        manifest = tools.artifacts.manifest if tools.artifacts else ""
        for session in tools.sessions.values():
            session.end_run(claim.run, outcome, code, message, mark, manifest)
    except TargetError as error:
        if outcome is not Outcome.SUCCEEDED:
            return finished
        told = f"every step is done, but the ledger could not record the end: {error.message}"
        return RunFinished(outcome=Outcome.UNKNOWN, exit_code=ExitCode.UNRESOLVED, message=told)
    return finished


def _owing(plan: Plan, finished: RunFinished, claim: Claim, tools: Tools) -> RunFinished:
    """Return how the run ends, with the rollback that it owes; under the locks, as things stand."""
    back = tools.interrupts.back
    if finished.outcome is Outcome.SUCCEEDED:
        return finished
    if plan.if_fails is None:
        return replace(finished, stays="its plan names no rollback") if back else finished
    try:
        now = {name: tools.sessions[name].ledger(claim.project) for name in plan.databases}
    except TargetError as error:
        told = f"nobody can say which migrations are half done: {error.message}"
        return replace(finished, stays=told)
    return tools.settle(finished, unfinished(now), back=back)


def _mark(finished: RunFinished, claim: Claim) -> RollbackMark | None:
    """Return what becomes of the ledger's mark of a rollback; None where it stays as it is."""
    if finished.owes:
        owed = PendingRollback(parent=claim.run, content_hash=finished.owes, failed=True)
        return RollbackMark(pending=owed)
    if claim.pending is None:
        return None
    idle = finished.exit_code == ExitCode.UNCHANGED and not claim.pending.failed
    return RollbackMark() if finished.outcome is Outcome.SUCCEEDED or idle else None


def _blocked(found: tuple[Blocker, ...]) -> StatementBlocked:
    by = "; ".join(str(each) for each in found if each.direct)
    return StatementBlocked(by=by, blockers=found)
