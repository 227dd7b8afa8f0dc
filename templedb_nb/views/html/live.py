"""A run that goes on, drawn anew: how far, how long, what it writes, who is in its way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from textwrap import dedent
from typing import Any

from templedb_nb.model.estimate import Expected
from templedb_nb.model.event import Blocker
from templedb_nb.model.result import Result
from templedb_nb.model.step_result import StepState
from templedb_nb.views import ansi, blockers
from templedb_nb.views.format import duration, many
from templedb_nb.views.html.card import Tone, badge, band, card, code, facts, title, toned
from templedb_nb.views.html.markup import Child, Html, block, join, tag
from templedb_nb.views.html.run import run_steps
from templedb_nb.views.html.terminal import terminal_line
from templedb_nb.views.messages import trying

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
    lines = [ansi.plain(each) for each in written]
    return {
        "text/plain": "\n".join([*lines, *([note] if note else [])]),
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
        _waits(value, found),
        _now(value, expected),
        block(dedent("\n".join(written)), terminal_line) if written else None,
        run_steps(value),
        tag("p", toned(Tone.QUIET, note)) if note else None,
    )


def _progress(value: Result, expected: Expected) -> Html | None:
    if not value.steps:
        return tag("p", value.message or "planning")
    over = sum(step.state not in {StepState.PENDING, StepState.RUNNING} for step in value.steps)
    bar = tag(
        "progress", f"{over}/{len(value.steps)}", value=str(over), max=str(len(value.steps)),
        aria_label="steps that are over",
    )  # fmt: skip
    total = expected.total_ms
    former = many(expected.runs, "former run")
    about = f" of about {duration(total)}, by {former}" if total and total >= SECOND else ""
    told = f" {over} of {many(len(value.steps), 'step')}, {duration(value.elapsed_ms)}{about}"
    return tag("p", bar, told)


def _waits(value: Result, found: Sequence[Blocker]) -> Html | None:
    if found and value.started_at:
        now = value.started_at + timedelta(milliseconds=value.elapsed_ms)
        head = tag("strong", "It waits for other sessions on the server:")
        lines = "\n".join(blockers.lines(found, now))
        return tag("div", head, block(lines), class_="tdb-band tdb-on-loud")
    return band(Tone.LOUD, value.message) if value.message else None


def _now(value: Result, expected: Expected) -> Html | None:
    running = [n for n, step in enumerate(value.steps) if step.state is StepState.RUNNING]
    if not running:
        return None
    step, former = value.steps[running[0]], None
    if running[0] < len(expected.steps):
        former = expected.steps[running[0]]
    took = duration(value.elapsed_ms - (step.started_ms or 0))
    about = f" of about {duration(former)}" if former and former >= SECOND else ""
    what: list[Child] = [code(step.label.title), f", {took}{about}"]
    told = [("Now", join(what))]
    if step.tries:
        told.append(("Health", join(trying(step))))
    return facts(told)
