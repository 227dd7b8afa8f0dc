"""The board as cards: every target with what is going on there, and what to do next."""

from __future__ import annotations

from templedb_nb.model.board import Board, RunningNow, TargetNow, next_command, without_command
from templedb_nb.model.serialization import short
from templedb_nb.model.status import StatusTable, TargetStatus
from templedb_nb.views.format import many
from templedb_nb.views.html.card import (
    Column,
    Tone,
    body,
    card,
    code,
    listed,
    marked,
    table,
    title,
    toned,
)
from templedb_nb.views.html.markup import Child, Html, join, tag
from templedb_nb.views.html.parts.slots import recorded_part
from templedb_nb.views.html.status import count, last_outcome, status_card
from templedb_nb.views.messages import ago, drift_told, running_told

COLUMNS = (
    Column("Target"),
    Column("Pending", number=True),
    Column("Waits for", named=True),
    Column("Running now", named=True),
    Column("Last outcome", named=True),
    Column("Drift", named=True),
)


def board_card(value: Board) -> Html:
    """Return projects side by side, as a card each."""
    tables = [_project(value, each) for each in value.tables]
    none = card(Tone.PLAIN, tag("p", "No target matches."))
    return join(tables or none, _receivers(value))


def _project(board: Board, value: StatusTable) -> Html:
    if not value.rows:
        return status_card(value)
    next_steps = [_next(board, row) for row in value.rows]
    rows = body(COLUMNS, [_target(board, row) for row in value.rows], None, next_steps)
    head = title(f"{value.slug}, release {value.rows[0].release}")
    pictures = [recorded_part(row.target, row.slots) for row in value.rows if row.slots]
    asked = tag("p", toned(Tone.QUIET, f"as of {board.at:%H:%M:%SZ}")) if board.at else None
    shown = table("Targets", COLUMNS, rows)
    return card(Tone.PLAIN, head, shown, pictures, asked)


def _target(board: Board, row: TargetStatus) -> list[Child]:
    now = board.now(row)
    guard = join(" ", toned(Tone.LOUD, "▲ protected")) if row.protected else None
    pending = tag("strong", count(row.pending)) if row.pending else count(row.pending)
    return [
        join(tag("strong", row.target), guard),
        pending,
        _waiting(now),
        listed([_running(each, board) for each in now.running]) or toned(Tone.QUIET, "nothing"),
        _ended(board, row),
        _drift(board, now),
    ]


def _next(board: Board, row: TargetStatus) -> Html:
    """Return what a person does there next, and why where the columns do not say it."""
    now = board.now(row)
    how = next_command(row, now)
    if not how:
        return toned(Tone.GOOD, "✓ nothing to do")
    needs = many(row.attention, "migration") + " to look at" if row.attention else ""
    why = "" if now.running else without_command(row.note) or needs
    return join("Next: ", code(f"%{how}"), toned(Tone.QUIET, f" ({why})") if why else None)


def _waiting(now: TargetNow) -> Child:
    if not now.waiting:
        return toned(Tone.QUIET, "nothing")
    rows: list[Child] = [
        join(marked(Tone.LOUD, "◷", each.waits_for), ": ", code(short(each.plan), each.plan))
        for each in now.waiting
    ]
    return listed(rows)


def _running(each: RunningNow, board: Board) -> Html:
    mark = tag("span", "▸ ", aria_hidden="true")
    return toned(Tone.LOUD, mark, running_told(each, board.at))


def _ended(board: Board, row: TargetStatus) -> Child:
    told = last_outcome(row)
    if row.last_at is None or board.at is None:
        return told
    exact = tag("span", ago(row.last_at, board.at), title=f"{row.last_at:%Y-%m-%d %H:%M:%SZ}")
    return join(told, " ", toned(Tone.QUIET, exact))


def _drift(board: Board, now: TargetNow) -> Child:
    told = drift_told(now.drift, board.at)
    if now.drift is None or not now.drift.changes:
        return toned(Tone.QUIET, told)
    return toned(Tone.LOUD, "! ", told)


def _receivers(value: Board) -> Html | None:
    """Return which receivers of notifications something is owed to."""
    if not value.receivers:
        return None
    rows: list[Child] = [f"{each.name}: {each.stands}" for each in value.receivers]
    see = join("See ", code("%templedb notify list"), ".")
    return card(Tone.LOUD, title("Notifications"), tag("p", listed(rows)), tag("p", see))
