"""What targets demand of a run: changed here and in their ledgers, and who is exempt from it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from templedb_nb.app.deploy.case import OpenTarget
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.deploy.runs import RunOptions, Runs
from templedb_nb.app.environment import Environment
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.targets import Targets, coherent
from templedb_nb.core.approval.policy import kept
from templedb_nb.core.approval.policy_changes import (
    NAMES,
    adds,
    changes,
    could_lower,
    lowers,
    updated,
)
from templedb_nb.core.config import target_checks
from templedb_nb.core.health.reading import names
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.errors import LedgerRefused, TempleError, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.ledger import Checksums, Ledger, Neighbour
from templedb_nb.model.project import Project
from templedb_nb.model.result import Result
from templedb_nb.model.selection import Selection
from templedb_nb.model.serialization import Digest
from templedb_nb.model.step import Amend, Verb
from templedb_nb.model.target import DatabaseName, Policy, Target
from templedb_nb.ports.store import Transactions

_NO_SUMS = Checksums(text=Digest(""), tokens=Digest(""))


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """A target as it is now, and what became of its policy in the ledgers, a line each."""

    target: Target
    also: tuple[str, ...] = ()


class TargetPolicies:
    """Use cases around policies."""

    def __init__(
        self,
        state: Transactions,
        projects: Projects,
        targets: Targets,
        plans: Plans,
        runs: Runs,
        system: Environment,
    ) -> None:
        """Keep targets by *targets*, and open their ledgers by *plans*."""
        self._state = state
        self._projects = projects
        self._targets = targets
        self._plans = plans
        self._runs = runs
        self._system = system

    def update(self, choice: Selection, fields: Mapping[str, Any], reason: str) -> PolicyChange:
        """Change a target, and its policy in the ledgers that know it; lowering it wants a reason.

        That of a checked-in target changes in the ledgers alone: the fields say what its file says
        already.
        """
        with self._state.transaction():
            project = self._projects.pick(choice.project)
            target = self._targets.pick(project, None, choice.target)
        changed = coherent(replace(target, **fields))
        if target.from_file and (changed != target or not reason):
            self._targets.refuse_file(target)
        lost = set(names(target_checks.read(target.health))) if target.protected else set()
        if lost - set(names(target_checks.read(changed.health))) and not reason:
            message = f"this takes health checks from {target.name}, which is protected"
            raise UsageProblem(message, hint="say why, with --reason", problems=sorted(lost))
        also = self._told_ledgers(project, target, changed, fields.keys(), reason)
        if target.from_file:
            return PolicyChange(target=target, also=also)
        return PolicyChange(target=self._targets.update(project, target, fields), also=also)

    def _told_ledgers(
        self, project: Project, target: Target, changed: Target, named: Collection[str], reason: str
    ) -> tuple[str, ...]:
        """Set the policy in every ledger; one that cannot be asked keeps what it demands."""
        if not NAMES & set(named):
            return ()
        here = Policy.of(target)
        try:
            with self._opened(project, target) as opened:
                return self._set(opened, here, changed, named, reason)
        except TempleError as error:
            local = updated(here, changed, named)
            asks = lowers(local, here) or could_lower(changed, named) or reason
            if asks or isinstance(error, UsageProblem):
                raise
            if isinstance(error, LedgerRefused):
                return (f"its ledger was not changed: {error.message}", error.hint)
            why = f"the ledger could not be read: {error.message}"
            return (why, "the next run reads it; a stricter policy there applies")

    @contextmanager
    def _opened(self, project: Project, target: Target) -> Iterator[OpenTarget | None]:
        case = self._plans.case(project, target, sync=False)
        if not self._plans.databases(case):
            yield None
            return
        with self._plans.opened(case, name="policy") as opened:
            yield opened

    def _set(
        self,
        opened: OpenTarget | None,
        here: Policy,
        changed: Target,
        named: Collection[str],
        reason: str,
    ) -> tuple[str, ...]:
        ledgers = opened.ledgers if opened else {}
        there = kept(here, ledgers.values())
        policy = updated(there, changed, named)
        if lowers(policy, there) and not reason:
            message = f"this lowers what {changed.name} requires of a run"
            told = changes(there, policy)
            raise UsageProblem(message, hint="give the reason: --reason WHY", problems=told)
        if opened is None:
            return ()
        if not (reason or _differs(policy, ledgers)):
            return tuple(_neighbours_told(policy, ledgers))
        user, known_as = self._system.user(), opened.case.project.known_as
        done = [s.set_policy(known_as, policy, user, reason) for s in opened.sessions.values()]
        if not any(done):
            return tuple(_neighbours_told(policy, ledgers))
        said = "its ledger has this policy now" + (", with your reason" if reason else "")
        return (said, *_neighbours_told(policy, ledgers))

    def exempt(
        self,
        opened: OpenTarget,
        others: Collection[str],
        reason: str,
        wish: RunOptions,
        *,
        ends: bool,
    ) -> Result:
        """Let the project off the policy of others in its databases, or with *ends* no longer.

        It is a plan that obeys their policy, and is approved as they demand.
        """
        steps = tuple(_steps(opened, others, reason, ends=ends))
        if not steps:
            raise _nothing(opened, others, ends=ends)
        databases = tuple(sorted({each.database for each in steps}))
        narrow = replace(
            opened,
            sessions={name: opened.sessions[name] for name in databases},
            ledgers={name: opened.ledgers[name] for name in databases},
            databases=databases,
        )
        wish = replace(wish, options=PlanOptions(amend=steps), reason=steps[0].verb.value)
        preview = self._plans.preview(narrow, wish.options)
        return self._runs.run(narrow, preview, wish)


def _differs(policy: Policy, ledgers: Mapping[DatabaseName, Ledger]) -> bool:
    known = [each.policy or Policy() for each in ledgers.values() if each.exists]
    return any(each != policy for each in known)


def _neighbours_told(policy: Policy, ledgers: Mapping[DatabaseName, Ledger]) -> Iterator[str]:
    for ledger in ledgers.values():
        for each in ledger.neighbours:
            if more := adds(policy, each):
                yield f"runs obey the policy of project {each.project}, too: {'; '.join(more)}"


def _steps(
    opened: OpenTarget, others: Collection[str], reason: str, *, ends: bool
) -> Iterator[Amend]:
    for database, ledger in sorted(opened.ledgers.items()):
        for each in ledger.neighbours:
            if others and each.project not in others:
                continue
            if _applies(each, ends=ends):
                yield Amend(
                    group="ledger",
                    database=database,
                    verb=Verb.NO_EXEMPT if ends else Verb.EXEMPT,
                    key=each.project,
                    file=f"the policy of {each.project}",
                    checksums=_NO_SUMS,
                    reason=reason,
                    exempts=None if ends else each.binding,
                )


def _applies(each: Neighbour, *, ends: bool) -> bool:
    return each.exemption is not None if ends else each.binding is not None


def _nothing(opened: OpenTarget, others: Collection[str], *, ends: bool) -> UsageProblem:
    project, target = opened.case.project.slug, opened.case.target.name
    of = f"of {', '.join(sorted(others))}" if others else "of another project"
    if ends:
        return UsageProblem(f"{project} has no exemption from the policy {of} on {target}")
    message = f"{project} obeys no policy {of} on {target}: no exemption is needed"
    known = {n.project for ledger in opened.ledgers.values() for n in ledger.neighbours}
    hint = f"projects that have one there: {', '.join(sorted(known))}" if known else ""
    return UsageProblem(message, hint=hint)
