"""Two runs side by side, and what changed around a moment, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from templedb_nb.model.difference import Blame, Difference, StepTimes
from templedb_nb.model.result import Result
from templedb_nb.views.format import duration, moment, table
from templedb_nb.views.text.base import INDENT, text

UP, DOWN, SAME = "slower", "quicker", "as long"
FIFTH = 5
"""A step is slower or quicker than it was by more than a part of so many."""


@text.register
def _(value: Difference) -> str:
    lines = [f"{head(value.before)}", f"{head(value.after)}"]
    for title, items in sections(value):
        lines += ["", title, *(f"{INDENT}{each}" for each in items)]
    rows = [
        [
            f"{each.group}: {each.title}",
            *(duration(ms) or "did not run" for ms in _both(each)),
            than(each),
        ]
        for each in value.steps
    ]
    if rows:
        lines += ["", table(["STEP", "BEFORE", "NOW", ""], rows)]
    return "\n".join(lines)


@text.register
def _(value: Blame) -> str:
    around = f"{moment(value.at)}, {duration(value.window_s * 1000)} before and after"
    head = f"{value.slug} on {value.target} around {around}"
    note = [f"note: {value.note}"] if value.note else []
    if not value.rows:
        return "\n".join([head, "no change is recorded", *note])
    rows = [
        [moment(each.at), distance(each.at - value.at), each.what, each.by, each.about]
        for each in value.rows
    ]
    return "\n".join([head, table(["WHEN", "FROM THEN", "WHAT", "BY", "ABOUT"], rows), *note])


def head(result: Result) -> str:
    """Name a run: which, where, when, by whom, how it ended, how long it took."""
    ended = result.outcome.value.replace("_", " ") if result.outcome else "running"
    where = f"{result.slug} to {result.target}, release {result.release}"
    when = f"{moment(result.started_at)} by {result.started_by}"
    return f"run {result.run[:13]}: {where}, {when}: {ended} in {duration(result.elapsed_ms)}"


def sections(value: Difference) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield a title and its lines for each part that has any."""
    files = value.files
    marked = [("+", files.added), ("~", files.changed), ("-", files.removed)]
    paths = [f"{mark} {path}" for mark, some in marked for path in some]
    names = [
        *(f"+ {n}" for n in value.variables_added),
        *(f"- {n}" for n in value.variables_removed),
    ]
    yield from (
        (title, items)
        for title, items in (
            ("files that differ between the releases", paths),
            ("config", value.config),
            ("variables", names),
            ("applied by the first", value.applied_before),
            ("applied by the second", value.applied_after),
            ("approved for the first", value.approved_before),
            ("approved for the second", value.approved_after),
        )
        if items
    )


def than(step: StepTimes) -> str:
    """Say whether a step was slower or quicker, where both ran; a fifth more or less is neither."""
    before, after = _both(step)
    if before is None or after is None:
        return ""
    if abs(after - before) * FIFTH <= before:
        return SAME
    return f"{duration(abs(after - before))} {UP if after > before else DOWN}"


def distance(apart: timedelta) -> str:
    """Say how long before or after the moment something was."""
    told = duration(round(abs(apart).total_seconds() * 1000))
    return f"{told} {'before' if apart < timedelta() else 'after'}"


def _both(step: StepTimes) -> tuple[int | None, int | None]:
    return step.before_ms, step.after_ms


def _took(milliseconds: int | None) -> str:
    return duration(milliseconds) or "did not run"
