"""Whether a plan still fits a target that moved, and what moved."""

from __future__ import annotations

from collections.abc import Mapping

from templedb_nb.core.approval.policy_changes import changes
from templedb_nb.core.plan.rollback import not_answered
from templedb_nb.core.plan.slots.steps import switches
from templedb_nb.model.ledger import Ledger, State
from templedb_nb.model.plan import Plan, base
from templedb_nb.model.step import Migration, Step
from templedb_nb.model.target import DatabaseName

Ledgers = Mapping[DatabaseName, Ledger]
Done = frozenset[tuple[DatabaseName, str]]
"""Databases and keys of the migrations that need not be applied again."""


def same_base(plan: Plan, ledgers: Ledgers) -> bool:
    """Return whether the target stands where it stood when the plan was made.

    Its policy does, too, but for the windows.
    """
    now = plan.policy.planned
    policies = [now.stricter(ledger.demands).planned for ledger in ledgers.values()]
    return base(ledgers, switches(plan.steps)) == plan.base and all(
        each == now for each in policies
    )


def moved_by_itself(plan: Plan, ledgers: Ledgers) -> bool:
    """Return whether nothing but this plan's own attempts moved the target since it was made."""
    before = {name: ledger.without(plan.id) for name, ledger in ledgers.items()}
    return same_base(plan, before)


def done(plan: Plan, ledgers: Ledgers) -> Done:
    """Return which migrations an earlier attempt of this very plan applied, or rolled back."""
    return frozenset(
        (name, entry.key)
        for name, ledger in ledgers.items()
        for entry in ledger.entries
        if entry.plan == plan.id and entry.state in {State.APPLIED, State.REVERTED}
    )


def differences(planned: Plan, fresh: Plan) -> tuple[str, ...]:
    """Return, step by step, how a new plan differs from the one that was made."""
    old, new = _steps(planned), _steps(fresh)
    gone = [f"no longer to do: {what}" for what in old if what not in new]
    more = [f"now to do as well: {what}" for what in new if what not in old]
    other = [f"changed: {what}" for what in old if what in new and old[what] != new[what]]
    if planned.policy != fresh.policy:
        told = "; ".join(changes(planned.policy, fresh.policy))
        other.append(f"what the target requires: {told}")
    if planned.tree != fresh.tree:
        other.append("files of the release that commands may see")
    if planned.overlay != fresh.overlay:
        other.append("the overlay of the config")
    if planned.variables != fresh.variables:
        names = sorted(set(planned.variables) ^ set(fresh.variables))
        other.append(f"variables: {', '.join(names)}")
    return (*gone, *more, *other)


def _steps(plan: Plan) -> dict[str, Step]:
    found: dict[str, Step] = {}
    for step in plan.steps:
        kind = "migration" if isinstance(step, Migration) else step.phase
        found[f"{step.group}: {kind} {step.title}"] = step
    return found


def unmoved(plan: Plan, ledgers: Mapping[DatabaseName, Ledger]) -> bool:
    """Return whether the target is where the plan begins, and nobody keeps runs away from it.

    A command that nobody saw end does, a freeze, and a rollback that is owed or did not succeed.
    """
    held = any(
        ledger.unresolved or ledger.freezes or not_answered(ledger.rollback, plan)
        for ledger in ledgers.values()
    )
    return same_base(plan, ledgers) and not held
