"""A run as a card: how it ended, why it failed if it did, and every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from templedb_nb.views.plans import SHOWN, chosen
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
WAITS = Tone.LOUD, "◷"
"""A run that a person sends on has not failed, although nothing of it goes on by itself."""
OUTCOMES = {
    Outcome.SUCCEEDED: (Tone.GOOD, "✓"),
    Outcome.FAILED: (Tone.BAD, "✗"),
    Outcome.CANCELLED: (Tone.BAD, "■"),
    Outcome.TIMED_OUT: (Tone.BAD, "✗"),
    Outcome.UNKNOWN: (Tone.BAD, "?"),
}
EXPLAINED = frozenset({StepState.SKIPPED, StepState.WARNED, StepState.UNKNOWN, StepState.RUNNING})
ORDINARY = frozenset({StepState.DONE, StepState.PENDING})
LONGEST = 40
TAIL = 20
WARNINGS = 10


def run_card(value: Result) -> Html:
    """Return a run as a card, over or still going on."""
    tone, mark = OUTCOMES[value.outcome] if value.outcome else (Tone.PLAIN, "▸")
    if value.waiting:
        tone, mark = WAITS
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
    ended = "waits for a person" if event.waits else "failed"
    place = f"Step {event.step + 1} of {len(value.steps)} {ended}: "
    parts: list[Child] = [
        tag("p", tag("strong", place), code(step.label.title)),
        block(_without_title(event.message, step.label.title)),
        _excerpt(event),
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
                ("All of its output", _logs(value, event)),
                ("Target", _left(value)),
                ("What to do", None if value.rollback else with_commands(event.hint)),
            ]
        ),
    ]
    return tag("div", parts, class_=f"tdb-band tdb-on-{'loud' if event.waits else 'bad'}")


def _without_title(message: str, title: str) -> str:
    """Return what happened to a step whose title stands above."""
    rest = message.removeprefix(title).lstrip(": ")
    return rest or message


def _excerpt(event: StepFailed) -> Html | None:
    """Return the line of the file where the server refused it, with a caret below the place.

    It scrolls where it is too long: a line that is broken has its caret in the wrong place.
    """
    if event.excerpt is None:
        return None
    lines = "\n".join(messages.excerpt_lines(event.excerpt))
    return tag("div", block(lines), class_="tdb-excerpt")


def _logs(value: Result, event: StepFailed) -> Html | None:
    if not event.tail or event.log is None:
        return None
    return code(f"%templedb deploy logs {value.run[:13]} --step {event.step + 1}")


def _left(value: Result) -> Html:
    told = tag("strong", "changed before that") if value.changed else tag("strong", "unchanged")
    told = tag("strong", "may have changed") if value.in_doubt else told
    code_ = value.exit_code if value.rollback is None else None
    return join(told, f" (exit {code_})" if code_ is not None else None)


def run_steps(value: Result, usual: Callable[[int], str] = lambda _: "") -> Html | None:
    """Return the steps in order; of many, those alone that run now, or folded.

    *usual* says of a step that runs how long it takes usually.
    """
    if not value.steps:
        return None
    shown = chosen([step.state not in ORDINARY for step in value.steps])
    steps = [(n, step) for n, step in enumerate(value.steps) if n in shown]
    shared = groupby(steps, key=lambda numbered: numbered[1].label.group)
    counts = [f"{n} {state.value}" for state in StepState if (n := value.count(state))]
    if len(value.steps) > LONGEST and value.outcome is None:  # it is drawn anew every moment
        running = [
            body(COLUMNS, [_step(value, step, usual(n))])
            for n, step in enumerate(value.steps)
            if step.state is StepState.RUNNING
        ]
        return table(f"{many(len(value.steps), 'step')}: {', '.join(counts)}", COLUMNS, running)
    bodies = [
        body(COLUMNS, [_step(value, step, usual(n)) for n, step in them], group)
        for group, them in shared
    ]
    whole = table("Steps, in order", COLUMNS, bodies)
    if len(value.steps) <= LONGEST:
        return whole
    return folded(f"{many(len(value.steps), 'step')}: {', '.join(counts)}", whole, _left_out(value))


def _left_out(value: Result) -> Html | None:
    """Return how many steps are not in the table, and what shows all."""
    if (rest := len(value.steps) - SHOWN) <= 0:
        return None
    more = toned(Tone.LOUD, f"… and {many(rest, 'more step')}")
    how = join("All of them: ", code("frame(result)"), " in Python, or ")
    return tag("p", more, "; ", how, code(f"%templedb deploy show {value.run[:13]} --json"), ".")


def _step(value: Result, step: StepResult, usual: str) -> list[Child]:
    (tone, mark), word = STATES[step.state], step.state.value
    if step is value.waiting:
        (tone, mark), word = WAITS, "waits"
    again = f", {step.attempts} attempts" if step.attempts > 1 else ""
    why = tag("br"), toned(Tone.QUIET, step.message)
    rows = None if step.rows is None else f" {many(step.rows, 'row')} returned"
    if step.tries:
        rows = f" {messages.tries(step)}"
    return [
        marked(tone, mark, f"{word}{again}"),
        toned(Tone.QUIET, step.label.phase),
        join(
            code(step.label.title),
            toned(Tone.QUIET, rows) if rows else None,
            join(tag("br"), toned(Tone.QUIET, usual)) if usual else None,
            _switching(step),
            why if step.state in EXPLAINED and step.message else None,
            said(step),
        ),
        unbroken(duration(_took_ms(value, step))),
    ]


def _took_ms(value: Result, step: StepResult) -> int | None:
    """Return what a step took, or takes so far."""
    if step.state is StepState.RUNNING and value.outcome is None and step.started_ms is not None:
        return value.elapsed_ms - step.started_ms
    return step.duration_ms


def _switching(step: StepResult) -> Html | None:
    """Return what was intended with traffic, and what the router answered."""
    told = [toned(Tone.QUIET, messages.switched(each)) for each in step.switching]
    return join([(tag("br"), each) for each in told]) if told else None


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
