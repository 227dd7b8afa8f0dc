"""Promotions, and releases by targets, as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from templedb_nb.model.health import Measured
from templedb_nb.model.promotion import GateResult, PromotionSummary, ReleasePlace, ReleaseTable
from templedb_nb.views.format import moment, shown, table
from templedb_nb.views.text.base import INDENT, text


@text.register
def _(value: ReleaseTable) -> str:
    if not value.rows:
        return f"{value.slug} has no release yet"
    head = ("release", "made", *(shown(each) for each in value.targets))
    lines = [table(head, [_row(own, value) for own in by_release(value)])]
    lines += [next_told(each) for each in value.rows if each.next_to]
    lines += [f"{shown(each)}" for each in value.notes]
    return "\n".join(lines)


def by_release(value: ReleaseTable) -> list[list[ReleasePlace]]:
    """Return the rows of each release, in their order."""
    found: dict[tuple[int, str], list[ReleasePlace]] = {}
    for each in value.rows:
        found.setdefault((each.release, each.tree), []).append(each)
    return list(found.values())


def _row(own: list[ReleasePlace], value: ReleaseTable) -> list[str]:
    first = own[0]
    made = moment(first.made_at) if first.made_at else ""
    cells = {each.target: place_told(each) for each in own}
    return [numbered(first), made, *(cells.get(name, "") for name in value.targets)]


def numbered(place: ReleasePlace) -> str:
    """Return how people name the release: by its number, else by its hash."""
    return str(place.release) if place.release else place.tree[:12] or "?"


def place_told(place: ReleasePlace) -> str:
    """Return what is true of a release on a target, on one line."""
    since = moment(place.since) if place.since else "?"
    head = "in place since" if place.in_place else "was here from"
    by = f" by {place.started_by}" if place.started_by else ""
    measured = place.health if place.health is not Measured.NO_GATE else None
    health = f", {measured}" if measured else ""
    note = f" ({place.note})" if place.note else ""
    return shown(f"{head} {since}{by}{health}{note}")


def next_told(place: ReleasePlace) -> str:
    """Return to where a release can go from its target."""
    told = f"{place.target}: release {numbered(place)} can be promoted to"
    return f"{told} {', '.join(place.next_to)}"


def promoted(value: PromotionSummary) -> str:
    """Return what a promotion brings, on one line."""
    release = f"release {value.release} of run" if value.release else "run"
    since = f", deployed there at {moment(value.since)}" if value.since else ""
    return f"promotion of {release} {value.run[:13]} from {value.source}{since}"


def promotion_told(value: PromotionSummary, gates: Sequence[GateResult]) -> list[str]:
    """Return the gates, what is accepted, and how the recipes differ."""
    lines = [f"{INDENT}its files come from: {value.origin}"] if value.origin else []
    if value.downgrade:
        lines.append(f"{INDENT}DOWNGRADE: a newer release is in place: {value.downgrade}")
    lines += ["", "gates", *(f"{INDENT}{gate_told(each)}" for each in gates)]
    if value.accepted:
        lines += ["", "accepted, although only the target has it"]
        lines += [f"{INDENT}{shown(each)}" for each in value.accepted]
    if value.recipe:
        used = f": the plan follows {value.used}" if value.used else ""
        lines += ["", f"the recipe has changed since that run{used}"]
        lines += [f"{INDENT}{shown(each)}" for each in value.recipe]
    return lines


def gate_told(gate: GateResult) -> str:
    """Return a gate with its reason, on one line."""
    return shown(f"{'passed' if gate.passed else 'NOT PASSED'}  {gate.name}: {gate.reason}")
