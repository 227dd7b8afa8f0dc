"""What other projects of the same databases mean for a plan."""

from __future__ import annotations

from collections.abc import Iterable

from templedb_nb.core.approval.policy_changes import adds
from templedb_nb.core.migrations.status import Ledgers
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.ledger import Neighbour
from templedb_nb.model.plan import Plan
from templedb_nb.model.target import Policy


def on_neighbours(ledgers: Ledgers, own: Policy, plan: Plan) -> Iterable[Finding]:
    """Tell whose policy a run obeys beside *own*, and from whose the project is exempt."""
    for database, ledger in sorted(ledgers.items()):
        where = f"target {plan.target} ({database})"
        for each in ledger.neighbours:
            if more := adds(own, each):
                yield _obeyed(each, more, where, plan)
            elif each.exemption is not None and each.policy is not None:
                yield _exempt(each, where)
            if each.frozen is not None and each.binding is None:
                message = f"project {each.project} is frozen there by {each.frozen.by}"
                yield _found(Severity.WARNING, f"{message}: {each.frozen.reason}", where)


def _obeyed(each: Neighbour, more: tuple[str, ...], where: str, plan: Plan) -> Finding:
    has = f"project {each.project} has a policy in this database, which other projects' runs obey"
    again = ", which became stricter after the exemption" if each.exemption else ""
    mend = f"templedb target exempt {plan.project} {plan.target} --from {each.project} --reason WHY"
    told = f"{has}{again}: {'; '.join(more)}"
    return _found(
        Severity.WARNING,
        told,
        where,
        f"accept this, or request an exemption, approved by its rules: {mend}",
    )


def _exempt(each: Neighbour, where: str) -> Finding:
    assert each.exemption is not None  # noqa: S101 - the caller asked
    given = each.exemption
    by = ", ".join(given.approved_by) or given.by
    message = f"exempt from the policy of project {each.project}, approved by {by}: {given.reason}"
    return _found(Severity.NOTE, message, where)


def _found(severity: Severity, message: str, where: str, mend: str = "") -> Finding:
    return Finding(severity=severity, topic=Topic.APPROVAL, message=message, where=where, mend=mend)
