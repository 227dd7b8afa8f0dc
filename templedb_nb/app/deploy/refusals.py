"""Why a plan may not run, as the error that says so."""

from __future__ import annotations

from collections.abc import Iterable

from templedb_nb.core.plan import staleness
from templedb_nb.errors import Frozen, PlanRefused, Stale, Unresolved
from templedb_nb.model.finding import Finding, Topic, errors
from templedb_nb.model.plan import Plan
from templedb_nb.model.serialization import short


def refuse(findings: Iterable[Finding], plan: Plan) -> None:
    """Raise, with every finding that forbids a run, if there is one."""
    found = errors(tuple(findings))
    if not found:
        return
    problems = [str(each) for each in found]
    message = f"the plan for {plan.target} may not run; nothing was executed"
    if any(each.topic is Topic.UNRESOLVED for each in found):
        raise Unresolved(message, problems=problems)
    if any(each.topic is Topic.FROZEN for each in found):
        raise Frozen(message, problems=problems)
    raise PlanRefused(message, problems=problems)


def stale(plan: Plan, fresh: Plan) -> Stale:
    """Return the error for a target that moved, with every difference."""
    message = f"{plan.target} changed since plan {short(plan.id)} was made; nothing was executed"
    hint = "make a new plan: templedb deploy plan; then approve it, if required"
    return Stale(message, hint=hint, problems=staleness.differences(plan, fresh))
