"""A run as a card: how it ended, why it failed if it did, and every step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from templedb_nb.model.event import Outcome, StepFailed
from templedb_nb.model.health import Measured
from templedb_nb.model.result import Result
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.views import messages
from templedb_nb.views.format import duration, many
from templedb_nb.views.html.card import (
    Column,
    Tone,
    badge,
    band,
    body,
    card,
    code,
    facts,
    folded,
    marked,
    table,
    title,
    toned,
    when,
    with_commands,
)
from templedb_nb.views.html.markup import Child, Html, block, join, prose, tag, unbroken
from templedb_nb.views.html.terminal import terminal_line
from templedb_nb.views.text import after, came_to, next_steps

COLUMNS = (Column("State"), Column("Phase"), Column("Step", wide=True), Column("Took", number=True))
STATES = {
    StepState.DONE: (Tone.GOOD, "✓"),
    StepState.FAILED: (Tone.BAD, "✗"),
    StepState.WARNED: (Tone.LOUD, "!"),
    StepState.UNKNOWN: (Tone.BAD, "?"),
    StepState.SKIPPED: (Tone.QUIET, "»"),
    StepState.RUNNING: (Tone.LOUD, "▸"),
    StepState.PENDING: (Tone.QUIET, "·"),
}
OUTCOMES = {
    Outcome.SUCCEEDED: (Tone.GOOD, "✓"),
    Outcome.FAILED: (Tone.BAD, "✗"),
    Outcome.CANCELLED: (Tone.BAD, "■"),
    Outcome.TIMED_OUT: (Tone.BAD, "✗"),
    Outcome.UNKNOWN: (Tone.BAD, "?"),
}
EXPLAINED = frozenset({StepState.SKIPPED, StepState.WARNED, StepState.UNKNOWN, StepState.RUNNING})
LONGEST = 40
TAIL = 20
WARNINGS = 10


def run_card(value: Result) -> Html:
    """Return a run as a card, over or still going on."""
    tone, mark = OUTCOMES[value.outcome] if value.outcome else (Tone.PLAIN, "▸")
    words = messages.outcome(value)
    name = code(value.run[:13], value.run)
    head = title("Run ", name, f": {value.slug} to {value.target}", badge(tone, mark, words))
    return card(
        tone, head, _sum(value), _why(value), _passed(value), _after(value), run_steps(value),
        _facts(value),
    )  # fmt: skip


def _passed(value: Result) -> Html | None:
    """Return which closed windows the run has passed, and why."""
    told = [part for each in value.passed for part in (tag("br"), str(each))][1:]
    return band(Tone.LOUD, *told) if told else None


def _sum(value: Result) -> Html:
    took = f" in {duration(value.elapsed_ms)}" if value.elapsed_ms else ""
    warned = value.count(StepState.WARNED)
    tail = f"; {many(warned, 'step')} warned" if warned else ""
    told = came_to(value)
    done = f"; {value.count(StepState.DONE)} of {many(len(value.steps), 'step')} done"
    so_far = done if value.outcome is None and value.steps else ""
    return tag("p", tag("strong", told[:1].upper() + told[1:]), f"{took}{so_far}{tail}.")


def _why(value: Result) -> Html | None:
    if value.failure:
        return _failure(value, value.failure)
    if not value.message:
        return None
    return band(
        Tone.PLAIN if value.outcome in {None, Outcome.SUCCEEDED} else Tone.BAD, prose(value.message)
    )


def _after(value: Result) -> Html | None:
    """Return what became of the rollback of a run that failed, with its own card if it failed."""
    lines = after(value)
    if not lines:
        return None
    back = value.rollback
    if back is None or back.outcome is None:
        return band(Tone.LOUD, tag("strong", lines[1]), *_more(lines[2:]))
    if back.outcome is Outcome.SUCCEEDED:
        return band(Tone.GOOD, marked(Tone.GOOD, "↩", lines[1]), f" (exit {value.final_exit_code})")
    what = next_steps(back)
    told = tag("strong", lines[1])
    return tag("div", [tag("p", told), run_card(back), tag("p", with_commands(what))],
               class_="tdb-band tdb-on-bad")  # fmt: skip


def _more(lines: Sequence[str]) -> list[Child]:
    return [part for each in lines for part in (tag("br"), with_commands(each))]


def _failure(value: Result, event: StepFailed) -> Html:
    step = value.steps[event.step]
    place = f"Step {event.step + 1} of {len(value.steps)} failed: "
    parts: list[Child] = [
        tag("p", tag("strong", place), code(step.label.title)),
        block(event.message),
        facts(
            [
                ("Statement", str(event.statement) if event.statement is not None else None),
                ("SQLSTATE", code(event.sqlstate) if event.sqlstate else None),
                ("Detail", prose(event.detail)),
                (
                    "Last answer" if step.health else "Last output",
                    block("\n".join(event.tail.splitlines()[-TAIL:]), terminal_line)
                    if event.tail
                    else None,
                ),
                ("Target", _left(value)),
                ("What to do", None if value.rollback else with_commands(event.hint)),
            ]
        ),
    ]
    return tag("div", parts, class_="tdb-band tdb-on-bad")


def _left(value: Result) -> Html:
    told = tag("strong", "changed before that") if value.changed else tag("strong", "unchanged")
    code_ = value.exit_code if value.rollback is None else None
    return join(told, f" (exit {code_})" if code_ is not None else None)


def run_steps(value: Result) -> Html | None:
    """Return the steps in order; of many, those alone that run now, or folded."""
    if not value.steps:
        return None
    shared = groupby(value.steps, key=lambda step: step.label.group)
    counts = [f"{n} {state.value}" for state in StepState if (n := value.count(state))]
    if len(value.steps) > LONGEST and value.outcome is None:  # it is drawn anew every moment
        running = [body(COLUMNS, [_step(s)]) for s in value.steps if s.state is StepState.RUNNING]
        return table(f"{many(len(value.steps), 'step')}: {', '.join(counts)}", COLUMNS, running)
    bodies = [body(COLUMNS, [_step(step) for step in steps], group) for group, steps in shared]
    whole = table("Steps, in order", COLUMNS, bodies)
    if len(value.steps) <= LONGEST:
        return whole
    return folded(f"{many(len(value.steps), 'step')}: {', '.join(counts)}", whole)


def _step(step: StepResult) -> list[Child]:
    tone, mark = STATES[step.state]
    again = f", {step.attempts} attempts" if step.attempts > 1 else ""
    why = tag("br"), toned(Tone.QUIET, step.message)
    rows = None if step.rows is None else f" {many(step.rows, 'row')} returned"
    if step.tries:
        rows = f" {messages.tries(step)}"
    return [
        marked(tone, mark, f"{step.state.value}{again}"),
        toned(Tone.QUIET, step.label.phase),
        join(
            code(step.label.title),
            toned(Tone.QUIET, rows) if rows else None,
            why if step.state in EXPLAINED and step.message else None,
            said(step),
        ),
        unbroken(duration(step.duration_ms)),
    ]


def said(step: StepResult) -> Html | None:
    """Return what the server said while a step ran: warnings in sight, the rest folded."""
    if not step.messages:
        return None
    found, others = messages.warnings(step), messages.others(step)
    lines: list[Child] = []
    for each in found[:WARNINGS]:
        lines += [tag("br"), toned(Tone.LOUD, messages.told(each))]
    if more := len(found[WARNINGS:]) + step.more_warnings:
        lines += [tag("br"), toned(Tone.LOUD, f"… and {many(more, 'more warning')}")]
    rest = [messages.told(each) for each in others]
    if step.more_messages:
        rest.append(f"… and {many(step.more_messages, 'more notice')}")
    if rest:
        lines.append(folded(many(step.notices, "notice"), block("\n".join(rest))))
    return join(*lines)


def _facts(value: Result) -> Html | None:
    if value.started_at is None:
        return None
    return facts(
        [
            ("Started", join(when(value.started_at), f" by {value.started_by}")),
            ("Last sign of life", when(value.finished_at)) if value.found_at else ("", None),
            ("Found dead", when(value.found_at)) if value.found_at else ("", None),
            ("Health", value.health.value if value.health is not Measured.NO_GATE else None),
            ("Release", str(value.release) if value.release else None),
            ("Plan", code(value.plan[:12], value.plan) if value.plan else None),
        ]
    )
