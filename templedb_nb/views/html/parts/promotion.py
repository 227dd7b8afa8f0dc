"""A promotion on a plan's card, and releases by targets as a card."""

from __future__ import annotations

from collections.abc import Sequence

from templedb_nb.model.health import Measured
from templedb_nb.model.promotion import GateResult, PromotionSummary, ReleasePlace, ReleaseTable
from templedb_nb.views.html.card import (
    Column,
    Tone,
    body,
    card,
    code,
    facts,
    folded,
    listed,
    marked,
    table,
    title,
    toned,
    when,
)
from templedb_nb.views.html.markup import Child, Html, block, join, tag
from templedb_nb.views.text.promotion import by_release, next_told, numbered, promoted

GATES = (Column("Gate"), Column("Passed"), Column("Reason", wide=True))
HEALTH = {
    Measured.HEALTHY: (Tone.GOOD, "✓"),
    Measured.UNHEALTHY: (Tone.BAD, "✗"),
    Measured.INCONCLUSIVE: (Tone.LOUD, "?"),
    Measured.NOT_MEASURED: (Tone.LOUD, "?"),
}


def promotion_part(value: PromotionSummary, gates: Sequence[GateResult]) -> Html:
    """Return what a promotion brings: its run, its gates, and what differs."""
    whole = promoted(value)
    rows = [_gate(each) for each in gates]
    down = (
        marked(Tone.LOUD, "!", f"DOWNGRADE: a newer release is in place: {value.downgrade}")
        if value.downgrade
        else None
    )
    return join(
        tag("p", tag("strong", whole[:1].upper() + whole[1:])),
        tag("p", down) if down else None,
        table("Gates", GATES, [body(GATES, rows)]),
        facts(
            [
                ("Its files come from", value.origin),
                ("Accepted, only on this target", listed([code(e) for e in value.accepted])),
            ]
        ),
        _recipe(value),
    )


def _gate(each: GateResult) -> list[Child]:
    tone, mark = (Tone.GOOD, "✓") if each.passed else (Tone.BAD, "✗")
    return [each.name, marked(tone, mark, "passed" if each.passed else "not passed"), each.reason]


def _recipe(value: PromotionSummary) -> Html | None:
    if not value.recipe:
        return None
    used = f": the plan follows {value.used}" if value.used else ""
    summary = f"The recipe has changed since that run{used}"
    return folded(summary, block("\n".join(value.recipe), _line), opened=True)


def _line(line: str) -> Html:
    tone = {"+": Tone.GOOD, "-": Tone.BAD}.get(line[:1])
    return toned(tone, line) if tone else join(line)


def releases_card(value: ReleaseTable) -> Html:
    """Return releases by targets as a card."""
    if not value.rows:
        return card(Tone.PLAIN, title(value.slug), tag("p", "No release yet."))
    columns = (Column("Release"), Column("Made"), *(Column(each) for each in value.targets))
    rows = [_row(own, value) for own in by_release(value)]
    going = [next_told(each) for each in value.rows if each.next_to]
    return card(
        Tone.PLAIN,
        title(f"{value.slug}: releases"),
        table("Releases by targets", columns, [body(columns, rows)]),
        facts([("Next", listed(going)), ("Not asked", listed(list(value.notes)))]),
    )


def _row(own: list[ReleasePlace], value: ReleaseTable) -> list[Child]:
    first, cells = own[0], {each.target: _place(each) for each in own}
    made = when(first.made_at) if first.made_at else None
    return [numbered(first), made, *(cells.get(name) for name in value.targets)]


def _place(each: ReleasePlace) -> Html:
    since = when(each.since) if each.since else None
    head: Child = marked(Tone.GOOD, "●", "in place") if each.in_place else toned(Tone.QUIET, "was")
    look = HEALTH.get(each.health) if each.health else None
    parts: list[Child] = [head, " ", since]
    if each.started_by:
        parts += [tag("br"), toned(Tone.QUIET, f"by {each.started_by}")]
    if look and each.health:
        parts += [tag("br"), marked(*look, each.health.value)]
    if each.note:
        parts += [tag("br"), toned(Tone.LOUD, each.note)]
    return join(*parts)
