"""A plan that breaks older code and deploys newer code: one of the two comes too early."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from templedb_nb.core.compatibility.known import Known, before
from templedb_nb.core.compatibility.migrations import compatibility
from templedb_nb.core.migrations.script import Script
from templedb_nb.core.migrations.status import Scripts
from templedb_nb.core.sql.directives import WHOLE
from templedb_nb.model.compatibility import Compat, Compatibility
from templedb_nb.model.lint import CONTRACT_WITH_DEPLOY, Complaint
from templedb_nb.model.phase import Phase
from templedb_nb.model.plan import Plan
from templedb_nb.model.step import Apply, RunCommand, RunScript, Step
from templedb_nb.model.target import DatabaseName

SPLIT = (
    "split it: a release that only expands, then the deployment of code that needs no more of "
    "this, then a release with this file and no deploy step"
)


def deploys_code(step: Step) -> bool:
    """Return whether a step brings code into effect: a deploy command, or deploy.sh."""
    command = isinstance(step, RunCommand) and step.phase is Phase.DEPLOY and step.mutates
    return command or isinstance(step, RunScript)


def contracts_with_code(
    plan: Plan, scripts: Scripts, empty: AbstractSet[DatabaseName] = frozenset()
) -> Iterator[Complaint]:
    """Yield each migration after which older code breaks, where the plan also deploys code.

    Older code uses nothing of databases that are *empty*.
    """
    deploys = [place for place, step in enumerate(plan.steps) if deploys_code(step)]
    known: dict[str, Known] = {}
    for place, step in enumerate(plan.steps if deploys else ()):
        if not isinstance(step, Apply) or step.source not in scripts:
            continue
        script = scripts[step.source]
        found = compatibility(script, known.setdefault(step.database, before(step.database, empty)))
        if found.word is Compat.CONTRACT and not _meant(script, found):
            yield _complaint(step, found, before=place < deploys[-1])


def _complaint(step: Apply, found: Compatibility, *, before: bool) -> Complaint:
    if before:
        when = "older code keeps running until this plan has deployed newer code"
    else:
        when = "code older than this plan's can no longer be deployed"
    why = f"stated on line {found.line}" if found.stated else found.reason
    return Complaint(
        rule=CONTRACT_WITH_DEPLOY,
        file=step.file,
        line=found.line or 1,
        column=1,
        message=f"breaks older code ({why}): {when}",
        mend=SPLIT,
    )


def _meant(script: Script, found: Compatibility) -> bool:
    """Return whether the file, or a comment right before the statement, says that it is meant."""
    asked = script.asked.nolint
    places = [each.start for each in script.statements if each.line == found.line]
    return any(CONTRACT_WITH_DEPLOY in asked.get(each, ()) for each in (WHOLE, *places))
