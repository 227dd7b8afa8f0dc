"""Markdown for the page of a job, or for a comment; it fits whatever it has to fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from templedb_nb.errors import shortened
from templedb_nb.model.event import Outcome
from templedb_nb.model.finding import Severity
from templedb_nb.model.fleet import FleetPlan, FleetStatus
from templedb_nb.model.health import Measured
from templedb_nb.model.plan import Preview
from templedb_nb.model.result import Result
from templedb_nb.model.runbook import CellResult, CellState, RunbookResult
from templedb_nb.model.serialization import short
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.views import ansi, messages
from templedb_nb.views.format import duration, many, shown
from templedb_nb.views.plans import compared, older_code
from templedb_nb.views.reports.fleet import markdown
from templedb_nb.views.text import after, next_steps

Reported: TypeAlias = Result | RunbookResult | Preview | FleetPlan | FleetStatus

FINDINGS = 50
COMMENT = 60_000
"""Characters: GitHub takes 65,536 for a comment, and GitLab a million."""

STEP = 1_000_000
"""Bytes: GitHub takes 1 MiB for the summary of a step, and nothing at all of a larger one."""

_ROWS = (2000, 300, 40, 10)
_TAIL = (4000, 2000, 500, 200)

MARKS = {
    StepState.DONE: "✔ done",
    StepState.WARNED: "▲ warned",
    StepState.FAILED: "✖ failed",
    StepState.SKIPPED: "○ skipped",
    StepState.UNKNOWN: "? unknown",
    StepState.RUNNING: "▶ running",
    StepState.PENDING: "· pending",
}
CELLS = {
    CellState.OK: "✔ ok",
    CellState.FAILED: "✖ failed",
    CellState.SKIPPED: "○ skipped",
    CellState.RUNNING: "▶ running",
    CellState.NOT_RUN: "· not run",
}


def summary(value: Reported, limit: int, *, done: bool = True) -> str:
    """Return Markdown of at most *limit* bytes; what is left out is counted."""
    text = ""
    for rows, tail in zip(_ROWS, _TAIL, strict=True):
        text = "\n".join(_parts(value, rows, tail, done=done)) + "\n"
        if len(text.encode()) <= limit:
            return text
    note = "\n\n… there is more; the log has it.\n"
    return text.encode()[: limit - len(note.encode())].decode(errors="ignore") + note


def _parts(value: Reported, rows: int, tail: int, *, done: bool) -> Iterator[str]:
    match value:
        case RunbookResult():
            yield from _runbook(value, rows, tail, done=done)
        case Result():
            yield from _run(value, rows, tail, "###")
            if value.rollback is not None:
                yield from ("", *_run(value.rollback, rows, tail, "####"))
        case FleetPlan() | FleetStatus():
            yield from markdown(value, rows, text)
        case _:
            yield from _plan(value, rows)


def _runbook(value: RunbookResult, rows: int, tail: int, *, done: bool) -> Iterator[str]:
    took = duration(value.took_ms)
    state = "▶ still running when this was written" if not done else "✔ ok"
    if value.exit_code:
        state = f"✖ exit {value.exit_code}"
    yield f"### Runbook {code(value.notebook)}: {state}, {took}"
    yield ""
    if value.reason:
        yield from (text(value.reason), "")
    given = ", ".join(code(f"{name}={item}") for name, item in value.parameters.items())
    if given:
        yield from (f"With {given}.", "")
    cells = [
        [str(c.number), _cell(c), duration(c.took_ms) if c.took_ms else "", code(c.title)]
        for c in value.cells
    ]
    yield from _table(("Cell", "State", "Took", "What"), cells, rows)
    for run in value.runs:
        yield from ("", *_run(run, rows, tail, "####"))


def _cell(cell: CellResult) -> str:
    left = cell.state is CellState.NOT_RUN and cell.message
    return f"{CELLS[cell.state]} ({text(cell.message)})" if left else CELLS[cell.state]


def _run(run: Result, rows: int, tail: int, level: str) -> Iterator[str]:
    good = run.outcome is Outcome.SUCCEEDED
    state = f"{'✔' if good else '✖'} {run.outcome}" if run.outcome else "▶ running"
    if run.outcome and run.health is not Measured.NO_GATE:
        state += f", health: {run.health}"
    state += f", {many(run.warnings, 'warning')}" if run.warnings else ""
    where = f"{text(run.slug)} to **{text(run.target)}**"
    yield f"{level} {where}: {state}, {duration(run.elapsed_ms)}"
    yield ""
    told = [f"run {code(run.run[:13])}", f"release {run.release}", f"plan {code(short(run.plan))}"]
    yield f"{many(run.applied(), 'migration')} applied; {', '.join(told)}."
    yield ""
    yield from _messages(run, rows)
    if run.failure is not None:
        failed = run.failure
        at = f", line {failed.line}" if failed.line else ""
        yield f"**{code(run.steps[failed.step].label.title)}{at}:**"
        yield from ("", *_block(failed.message, tail))
        yield from ([*_block(failed.tail, tail)] if failed.tail else [])
        yield from ([f"To fix it: {text(failed.hint)}", ""] if failed.hint else [])
    elif run.message and not good:
        yield from (*_block(run.message, tail),)
    for line in after(replace(run, rollback=None) if run.rollback else run)[1:]:
        yield from (f"**{text(line)}**", "")
    if run.rollback is not None and run.rollback.outcome is Outcome.SUCCEEDED:
        yield from (f"↩ **rolled back by run {code(run.rollback.run[:13])}**", "")
    elif run.rollback is not None:
        yield from ("✖ **the rollback did not succeed: the target may be half rolled back**", "")
        yield from (text(next_steps(run.rollback)), "")
    steps = [
        [
            MARKS[step.state],
            text(step.label.group),
            text(step.label.phase),
            code(step.label.title),
            duration(step.duration_ms) if step.duration_ms is not None else "",
        ]
        for step in _telling(run, rows)
    ]
    left = len(run.steps) - len(steps)
    yield from _table(("State", "Group", "Phase", "Step", "Took"), steps, rows)
    if left > 0:
        yield from ("", f"… and {many(left, 'step')} more.")


def _messages(run: Result, rows: int) -> Iterator[str]:
    """Yield what servers warned of, and how much else they said."""
    found = [(step, each) for step in run.steps for each in messages.warnings(step)]
    for step, each in found[:rows]:
        yield f"- ▲ {text(messages.told(each, step.label.key))}"
    if more := len(found[rows:]) + sum(step.more_warnings for step in run.steps):
        yield f"- ▲ … and {many(more, 'more warning')}"
    if run.notices:
        command = code(f"templedb deploy logs {run.run[:13]}")
        yield f"- {many(run.notices, 'notice')} of the server: {command}"
    if found or run.notices:
        yield ""


def _telling(run: Result, rows: int) -> Sequence[StepResult]:
    """Return the steps that are shown: those that went wrong first, if not all can be."""
    if len(run.steps) <= rows:
        return run.steps
    wrong = [s for s in run.steps if s.state in {StepState.FAILED, StepState.UNKNOWN}]
    rest = [s for s in run.steps if s not in wrong]
    return [*wrong, *rest][:rows]


def _plan(value: Preview, rows: int) -> Iterator[str]:
    plan = value.plan
    guard = ", ▲ **protected**" if plan.policy.protected else ""
    yield f"### Plan {code(short(plan.id))}: {text(value.slug)} to **{text(plan.target)}**{guard}"
    yield ""
    yield f"{many(len(plan.steps), 'step')}; release {value.release}. {text(compared(value))}"
    yield ""
    if wanted := plan.policy.wanted:
        yield from (f"It requires {text(wanted)}: {code(f'templedb approve {short(plan.id)}')}", "")
    for finding in value.findings[:FINDINGS]:
        mark = "✖" if finding.severity is Severity.ERROR else "▲"
        yield f"- {mark} {text(shortened(str(finding)))}"
    if (more := len(value.findings) - FINDINGS) > 0:
        yield f"- … and {more} more"
    if value.findings:
        yield ""
    found = [
        [text(step.group), text(step.phase), text(step.kind), code(step.title)]
        for step in plan.steps[:rows]
    ]
    yield from _table(("Group", "Phase", "Kind", "Step"), found, rows)
    if len(plan.steps) > rows:
        yield from ("", f"… and {many(len(plan.steps) - rows, 'step')} more.")
    for script in value.draft.scripts[: rows // 10]:
        older = f": {text(older_code(script.compatibility))}" if script.compatibility else ""
        yield from ("", f"<details><summary>{text(script.file)}{older}</summary>", "")
        yield from _block(script.text, 100 * rows, "sql")
        yield "</details>"


def code(said: str) -> str:
    """Return a code span of one line, whatever is in it."""
    line = shown(said).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest else ""
    return f"{fence}{pad}{line}{pad}{fence}" if line else ""


def text(said: str) -> str:
    """Return words that Markdown takes as they are."""
    return re.sub(r"([\\`*_\[\]<>|~#@])", r"\\\1", shown(said))


def _block(said: str, limit: int, language: str = "text") -> Iterable[str]:
    plain = ansi.plain(said).strip("\n")
    cut = plain if len(plain) <= limit else f"{plain[: limit // 2]}\n…\n{plain[-limit // 2 :]}"
    longest = max((len(run) for run in re.findall(r"`+", cut)), default=0)
    fence = "`" * max(3, longest + 1)
    return (f"{fence}{language}", cut, fence, "")


def _table(heads: Sequence[str], found: Sequence[Sequence[str]], rows: int) -> Iterator[str]:
    if not found:
        return
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in found[:rows]:
        yield f"| {' | '.join(row)} |"
