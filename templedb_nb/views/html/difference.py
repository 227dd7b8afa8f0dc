"""Two runs side by side, as a card."""

from __future__ import annotations

from templedb_nb.model.difference import Difference
from templedb_nb.model.result import Result
from templedb_nb.views.format import duration
from templedb_nb.views.html.card import (
    Column,
    Tone,
    badge,
    body,
    card,
    code,
    facts,
    listed,
    table,
    title,
    when,
)
from templedb_nb.views.html.markup import Child, Html, join, tag
from templedb_nb.views.html.run import OUTCOMES
from templedb_nb.views.text.difference import sections, than

COLUMNS = (
    Column("Step", wide=True),
    Column("First", number=True),
    Column("Second", number=True),
    Column("The second was"),
)


def difference_card(value: Difference) -> Html:
    """Return what differs between two runs."""
    head = title(f"{value.after.slug}: what differs between two runs")
    runs = facts([("First", _run(value.before)), ("Second", _run(value.after))])
    parts = facts(
        [(name.capitalize(), listed([code(e) for e in items])) for name, items in sections(value)]
    )
    rows: list[list[Child]] = [
        [
            join(code(each.title), f" of {each.group}"),
            duration(each.before_ms),
            duration(each.after_ms),
            than(each),
        ]
        for each in value.steps
    ]
    same = None if parts else tag("p", "Release, config, variables and approvals are the same.")
    steps = table("How long each step took", COLUMNS, body(COLUMNS, rows)) if rows else None
    return card(Tone.PLAIN, head, runs, parts, same, steps)


def _run(result: Result) -> Html:
    tone, mark = OUTCOMES[result.outcome] if result.outcome else (Tone.PLAIN, "▸")
    words = result.outcome.value.replace("_", " ") if result.outcome else "running"
    told = f" to {result.target}, release {result.release}, by {result.started_by}, "
    took = f" in {duration(result.elapsed_ms)}"
    return join(
        code(result.run[:13], result.run),
        told,
        when(result.started_at),
        badge(tone, mark, words),
        took,
    )
