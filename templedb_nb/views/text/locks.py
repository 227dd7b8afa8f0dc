"""Locks, as plain text."""

from __future__ import annotations

from templedb_nb.model.shown import LockList, LockRow
from templedb_nb.views.text.base import INDENT, text
from templedb_nb.views.words import duration, moment


@text.register
def _(value: LockList) -> str:
    return "\n".join(line for row in value.rows for line in _lines(value, row))


def _lines(value: LockList, row: LockRow) -> list[str]:
    head = f"{value.target} ({row.database})"
    lines = []
    if row.frozen:
        since = moment(row.frozen.since)
        lines.append(f"{head}: frozen by {row.frozen.by} since {since}: {row.frozen.reason}")
    if row.held is None:
        return [*lines, f"{head}: nobody holds the lock"]
    held = row.held
    session = "gone" if held.backend is None else f"{held.backend}, {held.doing or 'idle'}"
    facts = {
        "run": held.run,
        "since": moment(held.since),
        "heartbeat": f"{duration(held.heartbeat_s * 1000)} ago",
        "session": session,
    }
    lines.append(f"{head}: held by {held}")
    return [*lines, *(f"{INDENT}{name:<10} {fact}" for name, fact in facts.items())]
