"""What the chosen row of a list is about, in a few lines; the last says what to do."""

from __future__ import annotations

import textwrap
from datetime import datetime

from templedb_nb.model.board import next_command
from templedb_nb.model.history import RunRow
from templedb_nb.model.result import Result
from templedb_nb.model.serialization import short
from templedb_nb.model.waiting import WaitingPlan
from templedb_nb.tui import cells
from templedb_nb.tui.values import Overlook, TargetLine
from templedb_nb.views.format import cut, duration, many, moment, shown
from templedb_nb.views.messages import drift_told, last_run

APPROVE = "templedb approve "
"""How the board's command begins where a plan waits, which can be approved here."""


def fitted(text: str, room: int, lines: int) -> list[str]:
    """Return a text on so many lines at most, cut where that is too few."""
    found = textwrap.wrap(shown(text), room, break_on_hyphens=False) or [""]
    return (
        found
        if len(found) <= lines
        else [*found[: lines - 1], cut(" ".join(found[lines - 1 :]), room)]
    )


def of(row: TargetLine | WaitingPlan | Result | RunRow, found: Overlook) -> list[str]:
    """Return lines about *row*; the one before the last may be a long text."""
    match row:
        case TargetLine():
            return _target(row, found.looked_at)
        case WaitingPlan():
            return _plan(row)
        case Result():
            return _live(row)
        case RunRow():
            return _run(row, found)


def _target(line: TargetLine, now: datetime | None) -> list[str]:
    about = ["protected"] if line.target.protected else []
    seen = []
    if asked := line.asked:
        status = asked.status
        counts = (
            ("applied", status.applied),
            ("pending", status.pending),
            ("need attention", status.attention),
        )
        about += [f"{'?' if n is None else n} {word}" for word, n in counts]
        about.append(f"release {status.release}")
        seen = [f"asked at {asked.at:%H:%M:%S}Z", f"drift: {drift_told(line.drift, now)}"]
    note = line.asked.status.note if line.asked else ""
    if not note and line.last:
        note = (
            line.last.message
            or f"last run {cells.run_id(line.last.run)}, {moment(line.last.started_at)}"
        )
    return [", ".join(about), "; ".join(seen), note, _next(line)]


def _next(line: TargetLine) -> str:
    """Say what Enter opens, or which command comes next: the one that the board names."""
    if line.live:
        return f"Enter: run {cells.run_id(line.live.run)}, which goes on"
    command = next_command(line.asked.status, line.now) if line.asked else ""
    if line.waiting and (not command or command.startswith(APPROVE)):
        last = line.waiting[-1]
        return f"Enter: plan {short(last.plan)}, which waits for {last.waits_for}"
    if command:
        return f"next: {command}"
    return f"Enter: run {cells.run_id(line.last.run)}" if line.last else ""


def _plan(row: WaitingPlan) -> list[str]:
    about = f"plan {short(row.plan)}: {row.run_kind}, release {row.release}, by {row.planned_by}"
    told = [f"{row.needed - row.missing} of {many(row.needed, 'approval')}"]
    told += [f"approved by {', '.join(row.approved_by)}"] if row.approved_by else []
    told += [f"the approval expires at {moment(row.expires_at)}"] if row.expires_at else []
    told += [*row.left_out, *([str(row.alert)] if row.alert else [])]
    if row.superseded_by:
        return [
            about,
            "; ".join(told),
            f"plan {short(row.superseded_by)} of a newer release replaces it",
        ]
    return [about, "; ".join(told), "Enter: read it; there, a approves and x rejects"]


def _live(row: Result) -> list[str]:
    who = f"by {row.started_by}, process {row.pid}"
    about = f"{row.run_kind}, release {row.release or '?'}, {who}"
    return [about, f"began {moment(row.started_at)}", "Enter: its steps and its output"]


def _run(row: RunRow, found: Overlook) -> list[str]:
    ended = last_run(row.outcome, row.health, row.run_kind)
    took = f" in {duration(row.elapsed_ms)}" if row.outcome else ""
    done = f"{row.done} of {many(row.steps, 'step')}, {many(row.applied, 'migration')} applied"
    about = f"run {cells.run_id(row.run)}: {ended}{took}, {done}"
    back = f"rolled back by run {cells.run_id(row.rolled_back_by)}" if row.rolled_back_by else ""
    message = "; ".join(filter(None, (back, row.message)))
    more = "" if not found.remembered.more else "; older runs are read at the end of the list"
    return [about, message, f"Enter: its steps, its output and its SQL{more}"]
