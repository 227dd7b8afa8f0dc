"""What a plan does where its run fails: whether a rollback may follow by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from templedb_nb.core.compatibility.migrations import OrderedMigration, in_order
from templedb_nb.core.plan.situation import Situation
from templedb_nb.model.compatibility import breaks_old_code
from templedb_nb.model.finding import Finding, Severity, Topic, errors
from templedb_nb.model.plan import Plan, PlannedGroup
from templedb_nb.model.rollback import IfFails
from templedb_nb.model.step import Apply


def rule(situation: Situation) -> IfFails | None:
    """Return the rollback that was planned with the plan, and when it follows."""
    found = situation.options.fallback
    return found.if_fails if found else None


def blocked(planned: Sequence[PlannedGroup], situation: Situation) -> str:
    """Return the first migration of a plan after which the release before would fail; or nothing.

    It may be applied by the time at which a later step fails: then nobody can go back.
    """
    if rule(situation) is None:
        return ""
    applies = [step for group in planned for step in group.steps if isinstance(step, Apply)]
    words = in_order(
        OrderedMigration(step.key, step.database, situation.scripts[step.source])
        for step in applies
    )
    protected = situation.policy.protected
    return next(
        (
            f"{step.file} is {words[step.key].word}: {words[step.key].reason}"
            for step in applies
            if breaks_old_code(words[step.key], protected=protected)
        ),
        "",
    )


def on_fallback(
    made: Plan, situation: Situation, others: tuple[Finding, ...] = ()
) -> Iterator[Finding]:
    """Tell why no rollback follows a failure, where the config asks for one.

    Nothing is told again that stands among *others* as an error: then no run begins at all.
    """
    found = situation.options.fallback
    if found is None or not made.work or made.if_fails is not None:
        return
    why = found.why_not or blocked(made.groups, situation)
    if any(str(each) in why for each in errors(others)):
        return
    message = f"on_failure: rollback is not possible for this run: {why}"
    grave = Severity.NOTE if found.idle else Severity.WARNING
    mend = "" if found.why_not else "deploy the migration in a release of its own"
    yield Finding(severity=grave, topic=Topic.ROLLBACK, message=message,
                  where=made.target, mend=mend)  # fmt: skip
