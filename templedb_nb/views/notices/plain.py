"""A notification as plain text."""

from __future__ import annotations

from templedb_nb.model.notification import Notification
from templedb_nb.views.format import moment, shown


def plain(told: Notification) -> str:
    """Return it as a few lines: what happened, the facts, and what to do."""
    lines = [shown(told.title)]
    lines += [shown(line) for line in told.message.splitlines()]
    lines += [f"{name}: {shown(value)}" for name, value in told.facts if value]
    lines += [f"at: {moment(told.at)}"]
    lines += [f"report: {told.link}"] if told.link else []
    lines += [f"next: {told.command}"] if told.command else []
    return "\n".join(lines)
