"""What waits for approvals, as a card."""

from __future__ import annotations

from templedb_nb.model.serialization import short
from templedb_nb.model.waiting import WaitingList, WaitingPlan
from templedb_nb.views.html.card import (
    Column,
    Tone,
    body,
    card,
    code,
    facts,
    listed,
    marked,
    table,
    title,
    when,
)
from templedb_nb.views.html.markup import Child, Html, join, tag
from templedb_nb.views.text.target import counts_told, waiting_told

COLUMNS = (
    Column("Plan"),
    Column("Project"),
    Column("Target"),
    Column("Release"),
    Column("Kind"),
    Column("Since"),
    Column("Planned by"),
    Column("Waits for", wide=True),
)


def waiting_card(value: WaitingList) -> Html:
    """Return the plans that wait for approvals as a card."""
    rows = [_row(each) for each in value.rows]
    tone = Tone.LOUD if rows else Tone.GOOD
    return card(
        tone,
        title("Waiting for approvals"),
        table("Plans that wait", COLUMNS, [body(COLUMNS, rows)])
        if rows
        else tag("p", "No plan waits for approvals."),
        facts(
            [
                ("Left out", listed(list(counts_told(value)))),
                ("Not asked", listed(list(value.notes))),
            ]
        ),
    )


def _row(each: WaitingPlan) -> list[Child]:
    lines: list[Child] = [marked(Tone.LOUD, "!", each.waits_for)]
    for told in waiting_told(each):
        lines += [tag("br"), told]
    return [
        code(short(each.plan)),
        each.slug,
        each.target,
        str(each.release),
        each.run_kind.value,
        when(each.since),
        each.planned_by,
        join(*lines),
    ]
