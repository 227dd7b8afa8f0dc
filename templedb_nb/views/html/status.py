"""Where a project stands on its targets, and each migration on one of them, as cards."""

from __future__ import annotations

from templedb_nb.model.status import (
    Choices,
    FileState,
    MigrationStatus,
    Picked,
    StatusTable,
    TargetStatus,
    Tracked,
)
from templedb_nb.views.format import many
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
    toned,
    when,
    with_commands,
)
from templedb_nb.views.html.markup import Child, Html, join, tag
from templedb_nb.views.html.parts.slots import recorded_part
from templedb_nb.views.html.run import OUTCOMES
from templedb_nb.views.messages import last_run

TARGETS = (
    Column("Target"),
    Column("Applied", number=True),
    Column("Pending", number=True),
    Column("Attention", number=True),
    Column("Last run"),
    Column("When"),
    Column("Note", wide=True),
)
MIGRATIONS = (Column("State"), Column("File", wide=True), Column("When"))
STATES = {
    FileState.APPLIED: (Tone.GOOD, "✓"),
    FileState.COSMETIC: (Tone.GOOD, "✓"),
    FileState.PENDING: (Tone.PLAIN, "·"),
    FileState.OUT_OF_ORDER: (Tone.LOUD, "!"),
    FileState.FAILED: (Tone.BAD, "✗"),
    FileState.PARTIAL: (Tone.BAD, "!"),
    FileState.CHANGED: (Tone.BAD, "✗"),
    FileState.MOVED: (Tone.LOUD, "!"),
    FileState.MISSING: (Tone.LOUD, "!"),
    FileState.OPAQUE: (Tone.LOUD, "!"),
    FileState.IN_DOUBT: (Tone.BAD, "?"),
}


def status_card(value: StatusTable) -> Html:
    """Return a project on its targets as a card."""
    if not value.rows:
        none = join("No target yet: ", code(f"%templedb target add {value.slug} NAME"))
        return card(Tone.PLAIN, title(value.slug), tag("p", none))
    noted = any(row.note for row in value.rows)
    columns = TARGETS if noted else TARGETS[:-1]
    rows = body(columns, [_target(row)[: len(columns)] for row in value.rows])
    head = title(f"{value.slug}, release {value.rows[0].release}")
    pictures = [recorded_part(row.target, row.slots) for row in value.rows if row.slots]
    return card(Tone.PLAIN, head, table("Targets", columns, rows), pictures)


def choices_card(value: Choices) -> Html:
    """Return what a deployment may be made of, and the command that makes a plan of it."""
    releases: list[Child] = [f"{number}: {told}" for number, told in value.releases]
    how = f"%templedb deploy plan {value.slug} --target T --release N --skip-group G"
    return card(
        Tone.PLAIN,
        title(f"Choices for a deployment of {value.slug}"),
        facts([("Targets", listed(value.targets)), ("Releases", listed(releases)),
               ("Groups", listed(value.groups)), ("Next", code(how))]),
    )  # fmt: skip


def picked_card(value: Picked) -> Html:
    """Return the command that deploys what is picked."""
    if not value.target:
        return choices_card(value.choices)
    return card(Tone.PLAIN, tag("p", "To deploy it: ", code(f"%{value.command}")))


def _target(row: TargetStatus) -> list[Child]:
    guard = join(" ", toned(Tone.LOUD, "▲ protected")) if row.protected else None
    waits = tag("strong", count(row.pending)) if row.pending else count(row.pending)
    needs = (
        tag("strong", toned(Tone.BAD, count(row.attention)))
        if row.attention
        else count(row.attention)
    )
    name = join(tag("strong", row.target), guard)
    return [name, count(row.applied), waits, needs, last_outcome(row), when(row.last_at), row.note]


def last_outcome(row: TargetStatus) -> Child:
    """Return how the last run ended, with its sign."""
    if row.last_outcome:
        return marked(
            *OUTCOMES[row.last_outcome], last_run(row.last_outcome, row.last_health, row.last_kind)
        )
    return toned(Tone.QUIET, "running" if row.last_run else "never")


def count(number: int | None) -> str:
    """Return a number, or a question mark where nobody could count."""
    return "?" if number is None else str(number)


def migrations_card(value: MigrationStatus) -> Html:
    """Return where each migration stands as a card."""
    head = title(f"Migrations: {value.slug} on {value.target}")
    told = f", {value.pending} pending" if value.pending else "; none pending"
    counted = tag("p", tag("strong", f"{many(value.applied, 'migration')} applied"), f"{told}.")
    rows = body(MIGRATIONS, [_migration(row) for row in value.shown])
    shown = table("In execution order", MIGRATIONS, rows) if value.shown else None
    return card(Tone.PLAIN, head, counted, shown)


def _migration(row: Tracked) -> list[Child]:
    state = marked(*STATES[row.state], row.state.value)
    note = join(tag("br"), toned(Tone.QUIET, row.note)) if row.note else None
    mend = join(tag("br"), with_commands(row.mend)) if row.mend else None
    return [
        state,
        join(code(row.file), note, mend),
        when(row.entry.finished_at if row.entry else None),
    ]
