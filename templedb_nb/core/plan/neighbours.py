"""What other projects of the same databases mean for a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from templedb_nb.core.approval.policy_changes import adds
from templedb_nb.core.config.document import problem
from templedb_nb.core.migrations.status import Ledgers
from templedb_nb.model.finding import Finding, Severity, Topic
from templedb_nb.model.ledger import Neighbour
from templedb_nb.model.plan import Plan
from templedb_nb.model.status import Tracked
from templedb_nb.model.target import Policy


def on_one_database(ledgers: Ledgers, rows: Sequence[Tracked]) -> Iterable[Finding]:
    """Tell of two variables that lead to one database: a file of one would count for the other."""
    names = {name: ledger.uuid for name, ledger in ledgers.items() if ledger.uuid}
    first: dict[tuple[str, str], Tracked] = {}
    for row in rows:
        if row.blob is None or row.database not in names:
            continue
        other = first.setdefault((names[row.database], row.key), row)
        if other.database != row.database and other.file != row.file:
            message = (
                f"has the key {row.key}; so has {other.file}, and {row.database} is the same"
                f" database as {other.database}"
            )
            mend = f"give {row.database} another address, or import its folder as a project"
            yield problem(row.file, message, mend, topic=Topic.MIGRATION)


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
