"""Ask a target how it is, at any time: nothing is changed, and no lock is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

from templedb_nb.app.deploy.case import DeployContext
from templedb_nb.app.deploy.plans import Plans
from templedb_nb.app.environment import Environment
from templedb_nb.app.health.surroundings import HealthSurroundings
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.variables import GivenValues
from templedb_nb.app.slots.routers import routers_of
from templedb_nb.core.config import groups
from templedb_nb.core.health import reading
from templedb_nb.core.health.variables import wanted
from templedb_nb.core.plan.slots import steps
from templedb_nb.core.slots.filling import check_of
from templedb_nb.core.slots.sentences import says
from templedb_nb.engine.health import Heard, ask
from templedb_nb.errors import ConfigError, InvalidConfig, RouterUnclear
from templedb_nb.health.libraries import refuse_unfit
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.finding import errors
from templedb_nb.model.health import Check, HealthReport
from templedb_nb.model.selection import Selection
from templedb_nb.model.serialization import short
from templedb_nb.model.slots import RouterState
from templedb_nb.ports.records import RunHistory
from templedb_nb.ports.store import Transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChecks:
    """Measures what the config of a project, and its target, want to hold."""

    state: Transactions
    projects: Projects
    plans: Plans
    records: RunHistory
    surroundings: HealthSurroundings
    system: Environment

    def check(
        self,
        choice: Selection,
        heard: Heard,
        *,
        given: GivenValues,
        release: int | None = None,
        once: bool = False,
    ) -> HealthReport:
        """Return how the target is; with *once*, after one try of each check."""
        with self.state.transaction():
            project = self.projects.pick(choice.project)
            case = self.plans.case(project, choice.target, sync=False, given=given)
            tree = self._tree(case, release)
        self._refuse_unfit(case)
        with ExitStack() as held:
            asked = [_paced(each, once=once) for each in self._checks(case, tree, held)]
            checkers = self.surroundings.checkers(case, tree, held)
            rows = [ask(each, checkers, self.system.clock, heard) for each in asked]
        if once:
            rows = [replace(row, message=row.tries[-1].message) for row in rows]
        return HealthReport(
            slug=project.slug, target=case.target.name, rows=tuple(rows), release=short(tree)
        )

    def _checks(self, case: DeployContext, tree: str, held: ExitStack) -> Iterator[Check]:
        """Yield what to ask; of a group with slots, the one that serves is asked."""
        routed = [group for group in reading.by_order(case.current.config) if group.blue_green]
        routers = routers_of(self.surroundings, case, tree, held) if routed else None
        for group in reading.by_order(case.current.config):
            found = reading.of_group(group)
            if group.blue_green and routers and found:
                told = routers.read(steps.routed(group))
                if told.state is not RouterState.NAMED:
                    message = f"nobody knows which slot of {group.name} to ask: {says(told)}"
                    look = f"templedb deploy slots {case.project.slug} --target {case.target.name}"
                    raise RouterUnclear(message, hint=look)
                slot = group.blue_green.slot(told.slot)
                found = tuple(check_of(each, slot, told.slot) for each in found)
            yield from found
        yield from reading.of_target(case.health)

    def _refuse_unfit(self, case: DeployContext) -> None:
        current = case.current
        found = errors((*current.findings, *groups.check(current.config)))
        if wrong := [str(each) for each in found if "health_check" in each.where]:
            hint = f"templedb deploy config {case.project.slug} --validate"
            raise InvalidConfig("health checks are wrong", problems=wrong, hint=hint)
        checks = reading.checks(current.config, case.health)
        if not checks:
            message = f"{case.project.slug} has no health check for {case.target.name}"
            hint = "add health_check to a group, or to the target in templedb.yaml"
            raise ConfigError(f"{message}: its health cannot be measured", hint=hint)
        refuse_unfit(checks)
        self._refuse_missing(case, checks)

    def _refuse_missing(self, case: DeployContext, checks: tuple[Check, ...]) -> None:
        named = {name: check.name for check in checks for name in wanted(check)}
        problems = list(_missing(case, named))
        if problems:
            name = problems[0][0]
            hint = f"templedb env set {case.project.slug} {name} --target {case.target.name}"
            message = "variables of health checks have no value"
            raise ConfigError(message, hint=hint, problems=[told for _, told in problems])

    def _tree(self, case: DeployContext, release: int | None) -> str:
        """Return the hash of the release that must answer: what was deployed here last."""
        if release is None:
            last = self.records.last_deployment(case.project.slug, case.target.name)
            if last and last[3]:  # what came in a bundle may have another number here, or none
                return last[3]
            release = last[1] if last else None
        return self.projects.release(case.project, release).tree if release is not None else ""


def _paced(check: Check, *, once: bool) -> Check:
    """Return a check without the wait for a deployment, and with one try alone if so asked."""
    timing = replace(check.timing, initial_delay_s=0)
    if once:
        within = timing.timeout_s
        timing = replace(
            timing, success_threshold=1, failure_threshold=1, interval_s=within, deadline_s=within
        )
    return replace(check, timing=timing)


def _missing(case: DeployContext, named: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, check in sorted(named.items()):
        if why := case.known.unreadable.get(name):
            yield name, f"{name} of {check}: {why}"
        elif case.known.source(name) is None:
            yield name, f"{name} of {check} has no value"
