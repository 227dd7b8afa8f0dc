"""What a plan's reader must know of the databases themselves: drift, routes, risky statements."""

from __future__ import annotations

from collections.abc import Mapping

from templedb_nb.app.findings.lint import of_steps
from templedb_nb.core.catalog.drift import on_drift
from templedb_nb.core.lint.linter import on_lint
from templedb_nb.core.plan.older_code import contracts_with_code
from templedb_nb.core.plan.situation import Situation
from templedb_nb.engine.observe import ReadCache
from templedb_nb.errors import Held
from templedb_nb.model.drift import Drift
from templedb_nb.model.finding import Finding
from templedb_nb.model.plan import Plan
from templedb_nb.model.route import Route
from templedb_nb.model.target import DatabaseName, FindingLevel, Policy
from templedb_nb.ports.target import CatalogReader, Reached


def on_changes(plan: Plan, sessions: Mapping[DatabaseName, CatalogReader]) -> list[Finding]:
    """Tell of drift where something is to run: what does nothing asks for nothing."""
    if not plan.steps:
        return []
    return list(on_drift(drifts(sessions, plan.policy), plan.target, plan.policy.drift))


def routes(sessions: Mapping[DatabaseName, Reached]) -> dict[str, Route]:
    """Return the server that each session has reached, by its database's name."""
    return {name: each.server.here for name, each in sessions.items() if each.server}


def drifts(
    sessions: Mapping[DatabaseName, CatalogReader], policy: Policy
) -> dict[DatabaseName, Drift]:
    """Return how each database differs from what runs left, unless the target does not care."""
    if policy.drift is FindingLevel.OFF:
        return {}
    return {name: _drift(session, policy) for name, session in sessions.items()}


def _drift(session: CatalogReader, policy: Policy) -> Drift:
    """Look at one database; who must not be in the way of a run, is not by a lock either."""
    try:
        return session.drift()
    except Held as error:
        if policy.drift is FindingLevel.BLOCK:
            raise
        return Drift(behind=f"the objects could not be read ({error.message})")


def linted(
    plan: Plan, situation: Situation, sessions: Mapping[DatabaseName, Reached], cache: ReadCache
) -> list[Finding]:
    """Return what lint says of the plan's statements, as grave as the target's policy has it."""
    level = plan.policy.lint
    if level is FindingLevel.OFF:
        return []
    found = of_steps(plan.steps, situation.scripts, sessions, cache)
    early = contracts_with_code(plan, situation.scripts)
    return list(on_lint((*found, *early), level))


def unified(ran: str, now: str, file: str) -> str:
    """Return how a file differs from what ran, as a unified diff."""
    import difflib

    if ran.startswith("sha256:") and "\n" not in ran:
        return f"the SQL that ran was too long to be stored; its hash is {ran}"
    lines = difflib.unified_diff(
        ran.splitlines(), now.splitlines(), f"{file} (as applied)", f"{file} (now)", lineterm=""
    )
    return "\n".join(lines)
