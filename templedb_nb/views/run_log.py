"""A run as it happens, a line for each thing, for terminals and for logs."""

from __future__ import annotations

from collections.abc import Callable

from templedb_nb.model.artifact import ArtifactsKept
from templedb_nb.model.event import (
    Evidence,
    HealthMeasured,
    LockAwaited,
    MessageReceived,
    OutputWritten,
    RunStarted,
    Stamped,
    StatementBlocked,
    StepFailed,
    StepFinished,
    StepRetried,
    StepSkipped,
    StepStarted,
    StepWarned,
    TransactionRetried,
)
from templedb_nb.model.health import Health
from templedb_nb.model.result import Progress, Result
from templedb_nb.model.server_message import MessageLevel
from templedb_nb.model.switch_event import SwitchDone, SwitchIntended
from templedb_nb.model.window import WindowPassed
from templedb_nb.views import ansi, blockers
from templedb_nb.views.format import duration, many, shown
from templedb_nb.views.messages import NAMED, beside, kept, place, switched, told, trying

LONGEST = 16_384
"""A line that is longer is written in parts."""


class RunLog:
    """An observer that writes lines; it keeps the run's state to name what each is about."""

    def __init__(self, write: Callable[[str], None], *, blockers: bool = True) -> None:
        """Write each line with *write*; without *blockers*, not who is in the way."""
        self._write = write
        self._blockers = blockers
        self._progress = Progress()
        self._partial = ""
        self._skipped: list[StepSkipped] = []

    @property
    def result(self) -> Result:
        """Return the state of the run so far."""
        return self._progress.result

    @property
    def now(self) -> str:
        """Return the step that runs, or nothing between steps."""
        running = self._progress.running
        return "" if running is None else self._name(running)

    def __call__(self, entry: Stamped) -> None:
        """Write what *entry* says, if people want to read it."""
        self._progress.add(entry)
        event = entry.event
        if isinstance(event, StepSkipped):
            self._skip(event)
            return
        self._tell_skipped()
        match event:
            case RunStarted():
                steps = many(len(event.steps), "step")
                self._write(f"run {entry.run[:13]}: {event.slug} to {event.target}, {steps}")
            case StepStarted(step=step, attempt=1) if self._opaque(step):
                self._write(f"  {self._name(step)} …")
            case OutputWritten(text=text):
                self._output(text)
            case StepRetried(message=message, attempt=attempt):
                self._flush()
                self._write(f"  attempt {attempt} failed: {shown(message)}; trying again")
            case StepFinished() | StepWarned() | StepFailed():
                self._flush()
                self._ended(event)
            case _:
                self._meanwhile(entry)

    def _skip(self, event: StepSkipped) -> None:
        """Keep it: many steps that are skipped for one reason are one line."""
        if self._skipped and self._skipped[-1].reason != event.reason:
            self._tell_skipped()
        self._skipped.append(event)

    def _tell_skipped(self) -> None:
        found, self._skipped = self._skipped, []
        if len(found) > NAMED:
            self._write(f"  skip   {many(len(found), 'step')}  ({shown(found[0].reason)})")
            return
        for each in found:
            self._write(f"  skip   {self._name(each.step)}  ({shown(each.reason)})")

    def _meanwhile(self, entry: Stamped) -> None:
        """Write what servers say while a step goes on."""
        match event := entry.event:
            case LockAwaited(holder=holder):
                self._write(f"  waits for the lock of {holder}")
            case WindowPassed():
                self._write(f"  {shown(str(event))}")
            case StatementBlocked(by=by, blockers=found) if by and self._blockers:
                self._write("    waits for")
                for line in blockers.lines(found, entry.at) or [shown(by)]:
                    self._write(f"    {line}")
            case HealthMeasured(step=step) if self._telling(step):
                self._write(f"    {trying(self._progress.steps[step])}")
            case MessageReceived(level=MessageLevel.WARNING, in_output=False):
                self._write(f"    {told(event, self._progress.steps[event.step].label.key)}")
            case SwitchIntended() | SwitchDone():
                self._write(f"    {switched(event)}")
            case ArtifactsKept():
                self._write(f"    {kept(event)}")
            case TransactionRetried(message=message):
                self._write(f"    another session was in the way: {shown(message)}; trying again")
            case _:
                pass

    def _telling(self, step: int) -> bool:
        """Return whether the last try of a check is new to who reads: bad, or good again."""
        tries = self._progress.steps[step].tries
        last, before = tries[-1], [each for each in tries[:-1] if each.check == tries[-1].check]
        good = Health.HEALTHY
        return last.outcome is not good or (bool(before) and before[-1].outcome is not good)

    def _ended(self, event: StepFinished | StepWarned | StepFailed) -> None:
        words = {StepFinished: "done", StepWarned: "warned", StepFailed: "FAILED"}
        word = words[type(event)]
        if isinstance(event, StepFailed) and event.waits:
            word = "waits"
        step = self._progress.steps[event.step]
        facts = ", ".join([duration(step.duration_ms), *beside(step)])
        self._write(f"  {word:<6} {self._name(event.step)}  ({facts})")
        if isinstance(event, StepWarned) and event.exit_status is None:  # no output says it
            self._write(f"    {shown(event.message)}")

    def _opaque(self, step: int) -> bool:
        proofs = {Evidence.JOURNAL, Evidence.ROUTER}
        return self._progress.steps[step].label.evidence in proofs

    def _name(self, step: int) -> str:
        label = self._progress.steps[step].label
        return f"{place(label)}: {shown(label.title)}"

    def _output(self, text: str) -> None:
        *whole, self._partial = (self._partial + text).split("\n")
        for line in whole:
            self._line(line)
        if len(self._partial) > LONGEST:  # a progress bar, or no text: only its end counts
            self._partial = ansi.overwritten(self._partial)[-LONGEST:]
            self._flush()

    def _line(self, line: str) -> None:
        self._write(f"    | {ansi.safe(ansi.overwritten(line))}")

    def _flush(self) -> None:
        if self._partial:
            self._line(self._partial)
        self._partial = ""
