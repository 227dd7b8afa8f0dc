"""Whether a plan may run: the only way to an `Approved`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from templedb_nb.errors import ApprovalMissing, Rejected
from templedb_nb.model.approval import Approval, Decision, Verdict
from templedb_nb.model.plain import short
from templedb_nb.model.plan import Plan
from templedb_nb.model.target import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A plan that may run: the only thing that the engine accepts."""

    plan: Plan
    approvals: tuple[Approval, ...] = ()
    planner: str = ""
    now: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a plan that somebody rejected, or that has not the approvals that it needs."""
        plan, about = self.plan, f"plan {short(self.plan.id)} for {self.plan.target}"
        found = decision(plan, self.approvals, self.planner, self.now)
        if found.veto is not None:
            veto = found.veto
            message = f"{about} was rejected by {veto.given_by}: {veto.reason}"
            hint = f"mend it and plan again; or {veto.given_by} approves it after all"
            raise Rejected(message, hint=hint)
        if found.missing:
            has = f"{len(found.counted)} of {plan.policy.needed} approvals"
            message = f"{about} has {has if found.counted else 'no approval'}"
            hint = f"templedb approve {short(plan.id)} --reason WHY, then run it again"
            raise ApprovalMissing(message, hint=hint, problems=found.problems)


def decision(
    plan: Plan, approvals: Iterable[Approval], planner: str, now: datetime | None
) -> Decision:
    """Return what *approvals* come to for *plan*, made by *planner*, at *now*.

    Of each person the last word counts. A rejection by somebody who may approve forbids the run,
    whether approvals are needed or not. A plan that does nothing needs none, and nobody forbids it.
    """
    policy = plan.policy
    if not plan.steps:
        return Decision()
    valid = [a for a in approvals if a.content_hash == plan.content_hash and not a.used_by]
    last = {each.given_by: each for each in sorted(valid, key=lambda each: each.given_at)}
    counted, left_out = [], []
    for each in last.values():
        may = not policy.approvers or each.given_by in policy.approvers
        if each.verdict is Verdict.REJECTED:
            if may:
                return Decision(needed=policy.needed, wants=policy.wanted, veto=each)
            continue
        if not policy.needed:
            continue
        why = "" if may else f"it wants {', '.join(policy.approvers)}"
        if each.given_by == planner and not policy.self_approval:
            why = "they made the plan (--self-approval allows that)"
        elif _expired(each, policy, now):
            why = f"it expired after {timedelta(seconds=policy.approval_expires_s)}"
        if why:
            left_out.append(f"the approval of {each.given_by} does not count: {why}")
        else:
            counted.append(each)
    return Decision(
        needed=policy.needed,
        wants=policy.wanted,
        counted=tuple(counted),
        left_out=tuple(left_out),
    )


def _expired(each: Approval, policy: Policy, now: datetime | None) -> bool:
    if not policy.approval_expires_s or now is None:
        return False
    return now - each.given_at > timedelta(seconds=policy.approval_expires_s)
