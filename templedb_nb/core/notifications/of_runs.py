"""What the events of a run tell: its begin, what went wrong, its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from templedb_nb.core.notifications.kinds import KINDS, event_id
from templedb_nb.exit_code import ExitCode
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.event import (
    HealthDecided,
    Outcome,
    RunFinished,
    RunStarted,
    Stamped,
    StepFailed,
)
from templedb_nb.model.health_step import CheckHealth
from templedb_nb.model.notification import Notification
from templedb_nb.model.notification import NotificationKind as Kind
from templedb_nb.model.notified_record import RunRecord
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.switch_event import SwitchDone, SwitchIntended
from templedb_nb.model.window import PassReason, WindowPassed

DIGITS = 13
"""So many characters of a run's id people read."""
END = 0
"""The number of a run's end: a ledger does not know how many events came before it."""
ENDS: Mapping[Outcome, tuple[Kind, str]] = {
    Outcome.SUCCEEDED: (Kind.RUN_SUCCEEDED, "succeeded"),
    Outcome.FAILED: (Kind.RUN_FAILED, "failed"),
    Outcome.CANCELLED: (Kind.RUN_CANCELLED, "was cancelled"),
    Outcome.TIMED_OUT: (Kind.RUN_TIMED_OUT, "timed out"),
    Outcome.UNKNOWN: (Kind.RUN_UNKNOWN, "died, and nothing proves how it ended"),
}
_NOUNS = {
    RunKind.DEPLOY: "",
    RunKind.PROMOTE: " (promotion)",
    RunKind.ROLLBACK: " (rollback)",
    RunKind.DOWN: " (migration down)",
    RunKind.AMEND: " (change of the ledger)",
    RunKind.IMPORT: " (import of a history)",
    RunKind.HEALTH: " (health check)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunFact:
    """One fact of a run before it has its run's names."""

    kind: Kind
    what: str
    number: int
    message: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    command: str = ""


Reader = Callable[[Stamped, Result, RunRecord], _RunFact | None]


def of_run(record: RunRecord) -> Iterator[Notification]:
    """Yield what people may be notified of, in the order in which it happened."""
    if not record.entries or not isinstance(record.entries[0].event, RunStarted):
        return
    result = Result.of(record.entries)
    for entry in record.entries:
        read = READERS.get(entry.event.kind)
        told = read(entry, result, record) if read else None
        if told:
            yield _named(told, entry, result)


def _named(told: _RunFact, entry: Stamped, result: Result) -> Notification:
    found = entry.event.found_at if isinstance(entry.event, RunFinished) else None
    by = (("run", result.run[:DIGITS]), ("started by", result.started_by))
    release = (("release", str(result.release)),) if result.release else ()
    return Notification(
        id=event_id(result.run, told.number, told.kind),
        kind=told.kind,
        urgency=KINDS[told.kind].urgency,
        at=found or entry.at,
        record=f"run:{result.run}",
        stream=result.run,
        place=entry.seq,
        what=told.what,
        project=result.slug,
        target=result.target,
        run=result.run,
        plan=result.plan,
        thread=result.parent_run or result.run,
        message=told.message,
        facts=(*by, *release, *told.facts),
        command=told.command or f"templedb deploy show {result.run[:DIGITS]}",
    )


def _started(entry: Stamped, result: Result, record: RunRecord) -> _RunFact:
    del record
    back = result.run_kind is RunKind.ROLLBACK
    kind = Kind.ROLLBACK_STARTED if back else Kind.RUN_STARTED
    of = f"run {result.parent_run[:DIGITS]}" if back and result.parent_run else ""
    return _RunFact(
        kind=kind,
        what="is being rolled back" if back else f"started{_NOUNS[result.run_kind]}",
        number=entry.seq,
        message=f"it undoes {of}" if of else "",
        facts=(("steps", str(len(result.steps))),),
    )


def _step_failed(entry: Stamped, result: Result, record: RunRecord) -> _RunFact | None:
    del record
    event = entry.event
    assert isinstance(event, StepFailed)  # noqa: S101 - the table says so
    if event.waits:
        return None  # the end of the run says for what
    label = result.steps[event.step].label
    asked = label.kind == CheckHealth.kind
    if asked:
        what = "health gave no result" if event.inconclusive else "is unhealthy"
    else:
        what = "had a step that failed"
    return _RunFact(
        kind=Kind.HEALTH_FAILED if asked else Kind.STEP_FAILED,
        what=what,
        number=entry.seq,
        message=event.message,
        facts=(("step", f"{label.group}: {label.title}"),),
    )


def _window_passed(entry: Stamped, result: Result, record: RunRecord) -> _RunFact | None:
    del result, record
    event = entry.event
    assert isinstance(event, WindowPassed)  # noqa: S101 - the table says so
    if event.because is not PassReason.OVERRIDE:
        return None
    return _RunFact(
        kind=Kind.WINDOW_OVERRIDDEN,
        what="was deployed although its deployment windows were closed",
        number=entry.seq,
        message=event.reason,
        facts=(("windows", ", ".join(event.windows)),),
    )


def _finished(entry: Stamped, result: Result, record: RunRecord) -> _RunFact:
    event = entry.event
    assert isinstance(event, RunFinished)  # noqa: S101 - the table says so
    # A person's later decision has changed what the fold says: this is how the run ended then.
    then = replace(result, outcome=event.outcome, exit_code=event.exit_code)
    kind, what = _end(then, record)
    failure = result.failure
    if failure is not None and failure.waits:
        kind, what = Kind.APPROVAL_REQUESTED, "waits for a person before it switches traffic"
    elif event.outcome is Outcome.UNKNOWN and event.found_at is None:
        what = "ended unresolved: a person must look"
    elif event.exit_code == ExitCode.ROLLED_BACK:
        what = f"{what} (traffic is back)"
    codes = (("exit code", str(int(event.exit_code))),)
    found = (("found dead", "its process died"),) if event.found_at else ()
    owed = "; a rollback follows" if event.owes else ""
    stays = f"; it is not rolled back: {event.stays}" if event.stays else ""
    message = event.message
    if event.outcome is not Outcome.SUCCEEDED:
        changed = "the target changed" if then.changed else "the target is unchanged"
        message = "; ".join(each for each in (event.message, changed) if each)
    return _RunFact(
        kind=kind,
        what=what,
        number=END,
        message=f"{message}{owed}{stays}",
        facts=(*codes, *found),
        command=failure.hint if failure is not None and failure.waits else _help(kind, result),
    )


def _end(result: Result, record: RunRecord) -> tuple[Kind, str]:
    """Return what the end of a run is, and how it is said."""
    outcome = result.outcome or Outcome.UNKNOWN
    kind, what = ENDS[outcome]
    if result.run_kind is not RunKind.ROLLBACK or outcome is Outcome.UNKNOWN:
        return kind, f"{what}{_NOUNS[result.run_kind]}"
    after_failure = record.parent_outcome not in {None, Outcome.SUCCEEDED}
    if outcome is Outcome.SUCCEEDED:
        back = "failed (rolled back)" if after_failure else "was rolled back"
        return Kind.ROLLBACK_SUCCEEDED, back
    if result.half_back or result.exit_code == ExitCode.UNRESOLVED:
        return Kind.TARGET_DEGRADED, "is degraded: a rollback failed halfway"
    return Kind.ROLLBACK_FAILED, f"was not rolled back: the rollback {what}"


def _help(kind: Kind, result: Result) -> str:
    if kind is Kind.RUN_UNKNOWN:
        return f"templedb run resolve {result.slug} {result.run[:DIGITS]} --reason WHAT-YOU-SAW"
    if kind is Kind.TARGET_DEGRADED:
        return f"templedb deploy resume {result.slug} {result.run[:DIGITS]}"
    return ""


def _decided(entry: Stamped, result: Result, record: RunRecord) -> _RunFact:
    del result, record
    event = entry.event
    assert isinstance(event, HealthDecided)  # noqa: S101 - the table says so
    kind, what = ENDS[event.outcome]
    return _RunFact(
        kind=kind,
        what=f"{what}: {event.by} says that it is {event.health}",
        number=entry.seq,
        message=event.reason,
        facts=(("exit code", str(int(event.exit_code))),),
    )


def _switch_intended(entry: Stamped, result: Result, record: RunRecord) -> _RunFact:
    del result, record
    event = entry.event
    assert isinstance(event, SwitchIntended)  # noqa: S101 - the table says so
    return _RunFact(
        kind=Kind.SWITCH_INTENDED,
        what=f"is about to switch traffic of {event.group} to {event.to}",
        number=entry.seq,
        message=f"{event.by}: {event.reason}" if event.by else "",
        facts=(("group", event.group), ("from", event.live), ("to", event.to)),
    )


def _switch_done(entry: Stamped, result: Result, record: RunRecord) -> _RunFact:
    del result, record
    event = entry.event
    assert isinstance(event, SwitchDone)  # noqa: S101 - the table says so
    return _RunFact(
        kind=Kind.SWITCH_DONE,
        what=f"has its traffic of {event.group} on {event.to}",
        number=entry.seq,
        facts=(("group", event.group), ("to", event.to)),
    )


READERS: Mapping[str, Reader] = {
    RunStarted.kind: _started,
    StepFailed.kind: _step_failed,
    WindowPassed.kind: _window_passed,
    RunFinished.kind: _finished,
    HealthDecided.kind: _decided,
    SwitchIntended.kind: _switch_intended,
    SwitchDone.kind: _switch_done,
}
"""What reads each kind of event; the others are told to nobody."""

NEEDED = (*READERS, "step_started", "step_finished", "step_skipped", "step_warned")
"""Events that are read for that: the last ones say whether a run had begun, and changed."""
