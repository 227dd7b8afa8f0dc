"""Model values as plain text, for terminals and for the plain side of notebooks."""

from templedb_nb.views.text import (
    difference,
    drift,
    fleets,
    health,
    history,
    picture,
    plan,
    promotion,
    rollback,
    run,
    runbook,
    setting,
    state,
    status,
    target,
)
from templedb_nb.views.text.base import findings, text
from templedb_nb.views.text.plan import briefing
from templedb_nb.views.text.run import after, came_to, closing, failure, next_steps
from templedb_nb.views.text.setting import changed

__all__ = [
    "after", "briefing", "came_to", "changed", "closing", "difference", "drift",
    "failure",
    "findings", "fleets", "health", "history",
    "next_steps", "picture", "plan", "promotion", "rollback",
    "run", "runbook", "setting", "state", "status", "target", "text",
]  # fmt: skip
