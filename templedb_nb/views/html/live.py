"""A run that goes on, drawn anew: how far, how long, what it writes, who is in its way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from textwrap import dedent
from typing import Any

from templedb_nb.model.estimate import Expected
from templedb_nb.model.event import Blocker
from templedb_nb.model.result import Result
from templedb_nb.model.step_result import StepResult, StepState
from templedb_nb.views import ansi, blockers
from templedb_nb.views.format import duration, many
from templedb_nb.views.html.card import Tone, badge, band, card, code, facts, folded, title, toned
from templedb_nb.views.html.markup import Html, block, join, tag
from templedb_nb.views.html.run import run_steps
from templedb_nb.views.html.terminal import terminal_line
from templedb_nb.views.messages import trying
from templedb_nb.views.plans import in_all

LAST = 8
"""So many lines are seen of a run that goes on, in a frame that keeps its height."""
KEPT, KEPT_CHARACTERS, WIDEST, FEW = 200, 20_000, 400, 4
"""What a run that has ended keeps of its output; a few lines say no more than the steps do."""

WAITING = {StepState.PENDING, StepState.RUNNING}
_SHORT_OF_ITS_END = 0.95
"""A step that runs longer than expected does not fill its part of the bar."""
_ASKS = "%templedb deploy show {} shows its state now"
SECOND = 1000
"""What is expected to be shorter needs no comparison."""


def live_bundle(
    value: Result,
    written: Sequence[str],
    found: Sequence[Blocker] = (),
    expected: Expected = Expected(),
    note: str = "",
) -> dict[str, Any]:
    """Return the pictures of *value*, whose ``elapsed_ms`` is now; *written* are its last lines."""
    lines = [ansi.plain(each) for each in written[-LAST:]]
    dated = [f"{at}; {_ASKS.format(value.run[:13])}"] if (at := _as_of(value)) else []
    return {
        "text/plain": "\n".join([*lines, *([note] if note else []), *dated]),
        "text/html": live_card(value, written, found, expected, note),
    }


def live_card(
    value: Result,
    written: Sequence[str],
    found: Sequence[Blocker],
    expected: Expected,
    note: str,
) -> Html:
    """Return the card."""
    name = code(value.run[:13], value.run)
    head = title(
        "Run ", name, f": {value.slug} to {value.target}", badge(Tone.PLAIN, "▸", "running")
    )
    return card(
        Tone.PLAIN,
        head,
        _progress(value, expected),
        band(Tone.LOUD, note[:1].upper() + note[1:]) if note else None,
        _waits(value, found),
        _health(value),
        _log(written[-LAST:]),
        run_steps(value, lambda number: _usual(value, expected, number)),
        _dated(value),
    )


def _log(written: Sequence[str]) -> Html:
    """Return the last lines in a frame that keeps its height, so that nothing below it moves."""
    shown = block(dedent("\n".join(written)), terminal_line)
    return tag("div", shown, class_="tdb-log")


def ended_bundle(last: str, run: str, written: Sequence[str], count: int) -> dict[str, Any]:
    """Return what a run leaves that has ended: *last* says how; its output is folded in.

    *written* are the last of its *count* lines.
    """
    kept = written[-KEPT:]
    while len(kept) > LAST and sum(map(len, kept)) > KEPT_CHARACTERS:
        kept = kept[len(kept) // 4 :]
    if len(kept) <= FEW:
        return {"text/plain": last}
    cut = f"the last {len(kept)} of {count} lines" if count > len(kept) else f"{count} lines"
    where = tag("p", toned(Tone.QUIET, "All output: ", code(f"%templedb deploy logs {run[:13]}")))
    lines = [each if len(each) <= WIDEST else f"{each[:WIDEST]} …" for each in kept]
    shown = block(dedent("\n".join(lines)), terminal_line)
    body = card(Tone.PLAIN, tag("p", last), folded(f"Output: {cut}", shown, where))
    return {"text/plain": last, "text/html": body}


def _as_of(value: Result) -> str:
    """Return when the picture was drawn; a page that lost its kernel goes on showing it."""
    if value.started_at is None:
        return ""
    now = value.started_at + timedelta(milliseconds=value.elapsed_ms)
    return f"as of {now:%H:%M:%SZ}"


def _dated(value: Result) -> Html | None:
    if not (at := _as_of(value)):
        return None
    return tag("p", toned(Tone.QUIET, f"{at}; {_ASKS.format(value.run[:13])}"))


def _progress(value: Result, expected: Expected) -> Html | None:
    if not value.steps:
        return tag("p", value.message or "planning")
    over = sum(step.state not in WAITING for step in value.steps)
    count = len(value.steps)
    share, told = over / count, "steps that are over"
    total = expected.total_ms
    if total and len(expected.steps) == count:
        share, told = _share(value, expected, total), "expected time that is over"
    bar = tag(
        "progress", f"{over}/{count}", value=f"{share:.3f}", max="1", aria_label=told
    )  # fmt: skip
    about = f" of about {in_all(expected)}" if total and total >= SECOND else ""
    words = f" {over} of {many(count, 'step')}, {duration(value.elapsed_ms)}{about}"
    return tag("p", bar, words)


def _share(value: Result, expected: Expected, total: int) -> float:
    """Return how much of the expected time is over; a step that takes longer stops the bar."""
    spent = 0.0
    for step, usual in zip(value.steps, expected.steps, strict=True):
        if step.state is StepState.RUNNING:
            spent += min(_running_ms(value, step), _SHORT_OF_ITS_END * (usual or 0))
        elif step.state is not StepState.PENDING:
            spent += usual or 0
    return min(spent / total, 1.0)


def _running_ms(value: Result, step: StepResult) -> int:
    return value.elapsed_ms - (step.started_ms or 0)


def _waits(value: Result, found: Sequence[Blocker]) -> Html | None:
    if found and value.started_at:
        now = value.started_at + timedelta(milliseconds=value.elapsed_ms)
        head = tag("strong", "It waits for other sessions on the server:")
        lines = "\n".join(blockers.lines(found, now))
        return tag("div", head, block(lines), class_="tdb-band tdb-on-loud")
    return band(Tone.LOUD, value.message) if value.message else None


def _health(value: Result) -> Html | None:
    """Return what was measured of the check that goes on."""
    running = [step for step in value.steps if step.state is StepState.RUNNING and step.tries]
    return facts([("Health", join(trying(running[0])))]) if running else None


def _usual(value: Result, expected: Expected, number: int) -> str:
    """Return what a step that runs took before; it is not a limit."""
    step = value.steps[number]
    former = expected.steps[number] if number < len(expected.steps) else None
    if step.state is not StepState.RUNNING or not former or former < SECOND:
        return ""
    if others := expected.others[number] if number < len(expected.others) else 0:
        return f"about {duration(former)} is the median of {others} other migrations"
    if _running_ms(value, step) > former:
        return f"longer than the usual {duration(former)}"
    return f"usually about {duration(former)}"
