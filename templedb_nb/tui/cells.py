"""What the lists show of each row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.text import Text

from templedb_nb.model.history import RunRow
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.run_kind import RunKind
from templedb_nb.model.serialization import short
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.model.waiting import WaitingPlan
from templedb_nb.tui.looks import (
    PROTECTED,
    RUNNING,
    WAITING,
    ended,
    marked,
    step_state,
    toned,
)
from templedb_nb.tui.values import TargetLine
from templedb_nb.views.format import duration, many, moment
from templedb_nb.views.html.card import Tone
from templedb_nb.views.messages import last_run
from templedb_nb.views.plans import RUN_DIGITS, nature

Mask = Callable[[str], str]
BLOCKS = "▏▎▍▌▋▊▉█"
BAR = 8


def where(slug: str, target: str) -> str:
    """Return a project and a target of it."""
    return f"{slug} → {target}"


def minute(at: datetime | None) -> str:
    """Return a time of day in UTC, to the minute."""
    return f"{at:%Y-%m-%d %H:%M}Z" if at else ""


# --- targets --------------------------------------------------------------------------------------


def target_name(line: TargetLine) -> Text:
    """Return which target it is, and that it is protected."""
    name = where(line.slug, line.target.name)
    return Text.assemble(name, (f" {PROTECTED}", "yellow")) if line.target.protected else Text(name)


def applied(line: TargetLine) -> Text:
    """Return how many migrations are in effect."""
    return _number(line, line.asked.status.applied if line.asked else None)


def pending(line: TargetLine) -> Text:
    """Return how many migrations wait to be applied."""
    found = _number(line, count := line.asked.status.pending if line.asked else None)
    found.stylize("bold" if count else "")
    return found


def attention(line: TargetLine) -> Text:
    """Return how many files need somebody."""
    count = line.asked.status.attention if line.asked else None
    return marked(Tone.BAD, "!", str(count)) if count else _number(line, count)


def _number(line: TargetLine, count: int | None) -> Text:
    if count is None:
        return toned(Tone.QUIET, "?" if line.asked else "…")
    return Text(str(count))


def approvals(line: TargetLine) -> Text:
    """Return how many plans wait for approvals."""
    return marked(*WAITING, str(len(line.waiting))) if line.waiting else Text()


def now_or_last(line: TargetLine) -> Text:
    """Return the step that runs now, or how the last run ended."""
    if line.live:
        return marked(*RUNNING, progress(line.live))
    if row := line.last:
        return run_ended(row)
    if (found := line.asked.status if line.asked else None) and found.last_run:
        words = last_run(found.last_outcome, found.last_health, found.last_kind)
        return ended(found.last_outcome, words)
    return toned(Tone.QUIET, "never" if line.asked else "…")


def last_at(line: TargetLine) -> str:
    """Return when the run that goes on began, or the last one."""
    if line.live:
        return minute(line.live.started_at)
    if line.last:
        return minute(line.last.started_at)
    return minute(line.asked.status.last_at if line.asked else None)


def noted(line: TargetLine) -> str:
    """Return what is to be said of a target."""
    return line.asked.status.note if line.asked else ""


# --- runs -----------------------------------------------------------------------------------------


def progress(value: Result) -> str:
    """Return which step runs, of how many."""
    if value.waiting:
        return "waits for a person"
    done = sum(step.state not in {StepState.PENDING, StepState.RUNNING} for step in value.steps)
    name = next((s.label.title for s in value.steps if s.state is StepState.RUNNING), "")
    return f"{min(done + 1, len(value.steps))}/{len(value.steps)} {name}".rstrip()


def run_ended(row: RunRow) -> Text:
    """Return how a run ended, with what it was for."""
    if row.rolled_back_by:
        return marked(Tone.BAD, "↩", f"{last_run(row.outcome, None, row.run_kind)}, rolled back")
    return ended(row.outcome, last_run(row.outcome, row.health, row.run_kind))


def what(row: RunRow) -> str:
    """Return what a run was for."""
    kind = row.run_kind or RunKind.DEPLOY
    told = f"release {row.release}" if row.release else ""
    return " ".join(filter(None, ("" if kind is RunKind.DEPLOY and told else kind, told)))


def bar(row: RunRow, longest_ms: int) -> Text:
    """Return how long a run took as a bar: full for the longest of those that are listed."""
    if not longest_ms:
        return Text()
    eighths = max(round(row.elapsed_ms / longest_ms * BAR * 8), 1)
    full, rest = divmod(eighths, 8)
    return Text("█" * full + (BLOCKS[rest - 1] if rest else ""), "dim")


def took(row: RunRow) -> str:
    """Return how long a run took."""
    return duration(row.elapsed_ms) if row.outcome else ""


def run_id(run: str) -> str:
    """Return so much of a run's id as commands take."""
    return run[:RUN_DIGITS]


# --- plans ----------------------------------------------------------------------------------------


def plan_id(row: WaitingPlan) -> str:
    """Return so much of a plan's id as commands take."""
    return short(row.plan)


def waits_for(row: WaitingPlan) -> Text:
    """Return whose approvals are missing; a plan that is replaced waits in vain."""
    if row.superseded_by:
        return marked(Tone.QUIET, "»", f"replaced by {short(row.superseded_by)}")
    return marked(*WAITING, row.waits_for)


# --- steps ----------------------------------------------------------------------------------------


class StepLine:
    """A step of a run or of a plan, or with the number 0 all of them."""

    def __init__(
        self, number: int, state: Text, names: tuple[str, str, str], took: str = ""
    ) -> None:
        """Say where it stands, and what it is: group, phase, title."""
        self.number = number
        self.state = state
        self.group, self.phase, self.title = names
        self.took = took


def of_run(value: Result, now_ms: int) -> list[StepLine]:
    """Return the lines of a run, which goes on for *now_ms* milliseconds if it does."""
    words = last_run(value.outcome, value.health, value.run_kind)
    state = marked(*WAITING, "waits") if value.waiting else ended(value.outcome, words)
    took = duration(value.elapsed_ms if value.outcome else now_ms)
    lines = [StepLine(0, state, ("", "", "the whole run"), took)]
    for number, step in enumerate(value.steps, start=1):
        label = step.label
        again = f" ({step.attempts} attempts)" if step.attempts > 1 else ""
        names = (label.group, label.phase, f"{label.title}{again}")
        state = step_state(step.state, waits=step is value.waiting)
        lines.append(StepLine(number, state, names, _took(step, now_ms)))
    return lines


def _took(step: StepResult, now_ms: int) -> str:
    if step.state is StepState.RUNNING and step.started_ms is not None:
        return duration(max(now_ms - step.started_ms, 0))
    return duration(step.duration_ms)


def of_plan(value: Preview) -> list[StepLine]:
    """Return the lines of a plan."""
    head = marked(Tone.PLAIN, "·", many(len(value.plan.steps), "step"))
    lines = [StepLine(0, head, ("", "", "the whole plan"))]
    for number, step in enumerate(value.plan.steps, start=1):
        told = marked(Tone.LOUD if step.opaque else Tone.PLAIN, "·", nature(step))
        lines.append(StepLine(number, told, (step.group, step.phase, step.title)))
    return lines


def about_run(value: Result, now_ms: int) -> Text:
    """Return the head of a run's page."""
    words = last_run(value.outcome, value.health, value.run_kind)
    state = marked(*WAITING, "waits for a person") if value.waiting else ended(value.outcome, words)
    took = duration(value.elapsed_ms if value.outcome else now_ms)
    name = Text.assemble(
        ("Run ", "bold"), run_id(value.run), f": {where(value.slug, value.target)}  "
    )
    release = f"release {value.release or '?'}"
    began = f"{value.run_kind}, {release}, by {value.started_by}, began {moment(value.started_at)}"
    return Text.assemble(name, state, f", {took}\n", (began, "dim"))
