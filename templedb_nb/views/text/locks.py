"""Locks, as plain text."""

from __future__ import annotations

from templedb_nb.model.listings import BlockerList, LockList, LockRow
from templedb_nb.views import blockers
from templedb_nb.views.format import duration, moment
from templedb_nb.views.text.base import INDENT, text


@text.register
def _(value: LockList) -> str:
    return "\n".join(line for row in value.rows for line in _lines(value, row))


@text.register
def _(value: BlockerList) -> str:
    if not value.rows:
        return f"no run on {value.target} waits for another session"
    how = "templedb run unblock PID --reason WHY (with --terminate to end the session)"
    head = f"the run on {value.target} waits for"
    return "\n".join([head, *blockers.lines(value.rows, value.at), f"hint: {how}"])


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
