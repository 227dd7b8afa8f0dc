"""Whether a plan may run: the only way to an `Approved`."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta

from templedb_nb.errors import ApprovalMissing, Rejected
from templedb_nb.model.approval import (
    UNVERIFIED,
    Approval,
    Decision,
    Proofs,
    Verdict,
    signed_by,
)
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.ledger import Ledger
from templedb_nb.model.person import folded
from templedb_nb.model.plan import Plan
from templedb_nb.model.serialization import short
from templedb_nb.model.target import Policy

RUN_DIGITS = 13
"""So much of a run's id tells it from others; commands take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A plan that may run: the only thing that the engine accepts."""

    plan: Plan
    approvals: tuple[Approval, ...] = ()
    planner: str = ""
    now: datetime | None = None
    proofs: Proofs = Proofs()
    covered: bool = False
    """Whether the approvals of the run that it rolls back count for it, by the target's policy."""

    def __post_init__(self) -> None:
        """Refuse a plan that somebody rejected, or that has not the approvals that it needs."""
        plan, about = self.plan, f"plan {short(self.plan.id)} for {self.plan.target}"
        found = self._decision
        if found.veto is not None:
            veto = found.veto
            message = f"{about} was rejected by {veto.given_by}: {veto.reason}"
            hint = f"fix the problem and plan again; or {veto.given_by} may still approve the plan"
            raise Rejected(message, hint=hint)
        if found.missing and not (self.covered and plan.policy.pre_approve_rollback):
            has = f"{len(found.counted)} of {plan.policy.needed} approvals"
            message = f"{about} has {has if found.counted else 'no approval'}"
            sign = " --sign" if plan.policy.signed else ""
            hint = f"templedb approve {short(plan.id)} --reason WHY{sign}, then run it again"
            raise ApprovalMissing(message, hint=hint, problems=found.problems)

    @property
    def counted(self) -> tuple[str, ...]:
        """Return whose approvals count."""
        return tuple(each.given_by for each in self._decision.counted)

    @property
    def _decision(self) -> Decision:
        return decision(self.plan, self.approvals, self.planner, self.now, self.proofs)


def kept(own: Policy, ledgers: Iterable[Ledger]) -> Policy:
    """Return what the ledgers are to keep as the project's own policy: never a neighbour's."""
    for ledger in ledgers:
        own = own.stricter(ledger.policy)
    return own


def demanded(own: Policy, ledgers: Iterable[Ledger]) -> Policy:
    """Return what a run must satisfy: *own*, and what the ledgers hold for all projects."""
    for ledger in ledgers:
        own = own.stricter(ledger.demands)
    return own


def decision(
    plan: Plan,
    approvals: Iterable[Approval],
    planner: str,
    now: datetime | None,
    proofs: Proofs = Proofs(),
) -> Decision:
    """Return what *approvals* come to for *plan*, made by *planner*, at *now*.

    Of each person the last word counts; names that nobody verified are compared as `folded` has
    them. A rejection by somebody who may approve forbids the run,
    whether approvals are needed or not. A plan that does nothing, or only measures health without a
    command and without a variable's value, needs none, and nobody forbids it.
    Where signatures are demanded, an approval without one that *proofs* has as good is not heard at
    all, so that it withdraws no rejection; a rejection is heard with or without.
    """
    policy = plan.policy
    if plan.harmless:
        return Decision()
    last, left_out = _last_words(plan, approvals, proofs)
    counted = []
    for each in last:
        if each.verdict is Verdict.REJECTED:
            if _may(each, policy, proofs):
                return Decision(needed=policy.needed, wants=policy.wanted, veto=each)
            continue
        if not policy.needed:
            continue
        if why := _objection(each, policy, planner, now, proofs):
            left_out.append(_left_out(each, why))
        else:
            counted.append(each)
    return Decision(
        needed=policy.needed,
        wants=policy.wanted,
        counted=tuple(counted),
        left_out=tuple(left_out),
    )


def uncounted(
    plan: Plan, approval: Approval, planner: str, now: datetime | None, proofs: Proofs = Proofs()
) -> str:
    """Return why *approval* alone would not count for *plan*; nothing if it would, or need not."""
    policy = plan.policy
    if plan.harmless or not policy.needed or approval.verdict is not Verdict.APPROVED:
        return ""
    doubt = doubted(approval, policy, proofs) if policy.signed else ""
    return doubt or _objection(approval, policy, planner, now, proofs)


def _objection(
    each: Approval, policy: Policy, planner: str, now: datetime | None, proofs: Proofs
) -> str:
    """Return what the policy has against an approval, other than its signature."""
    if folded(each.given_by) == folded(planner) and not policy.self_approval:
        return "they made the plan (--self-approval allows that)"
    if _expired(each, policy, now):
        return f"it expired after {timedelta(seconds=policy.approval_expires_s)}"
    return (
        ""
        if _may(each, policy, proofs)
        else f"only these may approve: {', '.join(policy.approvers)}"
    )


def _may(each: Approval, policy: Policy, proofs: Proofs) -> bool:
    """Return whether who gave the word is among the approvers: by letter if their key proves it."""
    if not policy.approvers or each.given_by in policy.approvers:
        return True
    proven = not doubted(each, policy, proofs)
    return not proven and folded(each.given_by) in {folded(name) for name in policy.approvers}


def _last_words(
    plan: Plan, approvals: Iterable[Approval], proofs: Proofs
) -> tuple[list[Approval], list[str]]:
    """Return the last word of each person that is heard, and whose is not, and why."""
    policy = plan.policy
    last: dict[str, Approval] = {}
    unheard: dict[str, str] = {}
    own = sorted(
        (each for each in approvals if each.content_hash == plan.content_hash),
        key=lambda each: each.given_at,
    )
    for word in own:
        each, doubt = identified(word, policy, proofs), doubted(word, policy, proofs)
        who = folded(each.given_by)
        approves = each.verdict is Verdict.APPROVED
        if word.used_by and approves:
            # It withdrew a rejection, and counts no more. A rejection is used up by no run: whoever
            # may mark approvals in the ledger would else silence it.
            known = last.get(who)
            if known and known.verdict is Verdict.REJECTED and not (policy.signed and doubt):
                del last[who]
        elif policy.signed and doubt and approves:
            unheard[who] = _left_out(each, doubt)
        else:
            last[who] = each
            unheard.pop(who, None)
    used = _used_up(own, last.keys() | unheard.keys()) if policy.needed else []
    return list(last.values()), [*unheard.values(), *used]


def _used_up(own: Iterable[Approval], heard: AbstractSet[str]) -> list[str]:
    """Say of each person without another word which run used up the approval that they gave."""
    used = {folded(a.given_by): a for a in own if a.used_by and a.verdict is Verdict.APPROVED}
    return [
        _left_out(each, f"run {each.used_by[:RUN_DIGITS]} has used it up")
        for who, each in used.items()
        if who not in heard
    ]


def doubted(each: Approval, policy: Policy, proofs: Proofs) -> str:
    """Return why nobody can say that who *each* names has signed it; nothing if they have."""
    if not each.signature:
        return "it is not signed"
    if each.bundle and not each.bundle.holds(each.id, each.content_hash):
        return "its plan does not belong to the bundle that was signed"
    if not policy.signers:
        return "the target names nobody who may sign"
    if proofs.signers != policy.signers:
        return NOT_CHECKED
    return proofs.found.get(each.proof, NOT_CHECKED)


NOT_CHECKED = "its signature was not checked yet; try again"


def identified(each: Approval, policy: Policy, proofs: Proofs) -> Approval:
    """Return *each* with what can be said of who gave it."""
    doubt = doubted(each, policy, proofs)
    if not doubt:
        return replace(each, identity=signed_by(each))
    told = each.signature and policy.signers
    return replace(each, identity=f"{UNVERIFIED}: {doubt}" if told else UNVERIFIED)


def merged(*sources: Iterable[Approval]) -> tuple[Approval, ...]:
    """Return the words of all *sources*, oldest first: of two copies the one that came first.

    What any of them knows as used up is used up.
    """
    found: dict[str, Approval] = {}
    for each in (each for source in sources for each in source):
        known = found.setdefault(each.id, each)
        known = replace(known, bundle=known.bundle or each.bundle)
        found[each.id] = replace(known, used_by=known.used_by or each.used_by)
    return tuple(sorted(found.values(), key=lambda each: each.given_at))


def _left_out(each: Approval, why: str) -> str:
    return f"the approval of {each.given_by} does not count: {why}"


def _expired(each: Approval, policy: Policy, now: datetime | None) -> bool:
    if not policy.approval_expires_s or now is None:
        return False
    return now - each.given_at > timedelta(seconds=policy.approval_expires_s)
