"""Whether a plan may run: the only way to an `Approved`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from templedb_nb.errors import ApprovalMissing
from templedb_nb.model.approval import Approval
from templedb_nb.model.plain import short
from templedb_nb.model.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A plan that may run: the only thing that the engine accepts."""

    plan: Plan
    approvals: tuple[Approval, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a plan whose target wants an approval that is not there."""
        if wanting(self.plan, self.approvals):
            message = f"plan {short(self.plan.id)} for {self.plan.target} has no approval"
            hint = f"templedb approve {short(self.plan.id)} --reason WHY, then run it again"
            raise ApprovalMissing(message, hint=hint)


def wanting(plan: Plan, approvals: Iterable[Approval]) -> bool:
    """Return whether the plan still needs an approval; one that does nothing needs none."""
    if not plan.policy.protected or not plan.steps:
        return False
    return not any(valid(each, plan) for each in approvals)


def valid(approval: Approval, plan: Plan) -> bool:
    """Return whether an approval is for this content and not used up."""
    return approval.content_hash == plan.content_hash and not approval.used_by
