"""Locks of a plan's migrations by name: what the target has around the tables that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from templedb_nb.core.lint.effects import about
from templedb_nb.core.lint.locks.named_locks import Neighbours
from templedb_nb.core.plan.situation import Situation
from templedb_nb.core.plan.summaries import by_name
from templedb_nb.errors import TempleError
from templedb_nb.model.plan import Draft, ScriptSummary
from templedb_nb.model.step import Migration
from templedb_nb.model.target import DatabaseName
from templedb_nb.ports.target import Reached

MOST_STATEMENTS = 2000
"""A longer script is told from its text alone."""


def named_locks(
    draft: Draft, situation: Situation, sessions: Mapping[DatabaseName, Reached]
) -> tuple[ScriptSummary, ...]:
    """Return the summaries of a draft with locks by name, where a server can be asked for those.

    One query for each database reads the catalog.
    """
    steps = [
        step
        for step, told in zip(draft.plan.steps, draft.told, strict=True)
        if told is not None and isinstance(step, Migration)
    ]
    names: dict[DatabaseName, set[str]] = {}
    for step in steps:
        script = situation.scripts[step.source]
        if len(script.statements) <= MOST_STATEMENTS:
            names.setdefault(step.database, set()).update(about(script.statements))
    near = {name: _around(sessions.get(name), wanted) for name, wanted in names.items()}
    told = []
    for step, summary in zip(steps, draft.scripts, strict=True):
        script, found = situation.scripts[step.source], near.get(step.database)
        if found is None or not summary.impact.effects or len(script.statements) > MOST_STATEMENTS:
            told.append(summary)
        else:
            told.append(replace(summary, impact=by_name(step, script, found)))
    return tuple(told)


def _around(session: Reached | None, names: set[str]) -> Neighbours | None:
    if session is None or session.server is None or not names:
        return None
    try:
        found = session.server.relatives(names)
    except TempleError:
        return None  # told from the text alone, as before
    return None if found.cut else Neighbours(found)
