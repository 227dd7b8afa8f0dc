"""A plan for many targets: each ledger is read, equal needs are told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from templedb_nb.app.deploy.case import DeployParts, OpenTarget, refuse_empty, refuse_unfit
from templedb_nb.app.fleet.fleets import FleetChoice, Fleets
from templedb_nb.app.fleet.workers import Workers
from templedb_nb.app.project.variables import GivenValues
from templedb_nb.core.fleet import cohorts
from templedb_nb.core.fleet.waves import split
from templedb_nb.core.plan.situation import PlanOptions
from templedb_nb.errors import TargetError, TempleError
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.fleet import FleetPlan, PlannedState, Wave
from templedb_nb.model.project import Project
from templedb_nb.model.target import Target, TargetName
from templedb_nb.ports.fleets import FleetStore

TELL_EVERY = 100
"""After so many targets it says how far it has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlanning:
    """Makes plans for fleets."""

    workers: Workers
    fleets: Fleets
    store: FleetStore

    def plan(
        self,
        project: Project,
        choice: FleetChoice,
        given: GivenValues,
        tell: Callable[[str], None] = lambda _: None,
    ) -> FleetPlan:
        """Read the ledger of every target that is meant, and keep what each of them needs."""
        app = self.workers.app
        targets = self.fleets.members(project, choice)
        waves = split(choice.rules, targets)  # a wrong label is told before a target is asked
        app.runs.reconcile(anew=True)
        parts = app.plans.parts(project, release=None, sync=True)
        found: dict[TargetName, cohorts.PlannedMember] = {}
        with ThreadPoolExecutor(min(choice.rules.parallel, len(targets))) as pool:
            waiting = [pool.submit(self._of, project, each, parts, given) for each in targets]
            try:
                for each in as_completed(waiting):
                    made = each.result()
                    found[made.member.target] = made
                    if len(found) % TELL_EVERY == 0:
                        tell(f"planned {len(found)} of {len(targets)} targets")
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        ordered = [found[each.name] for each in targets]
        return self._kept(project, choice, parts, ordered, waves)

    def _kept(
        self,
        project: Project,
        choice: FleetChoice,
        parts: DeployParts,
        ordered: Sequence[cohorts.PlannedMember],
        waves: tuple[Wave, ...],
    ) -> FleetPlan:
        members = tuple(each.member for each in ordered)
        names = {each.target for each in members}
        system = self.workers.app.system
        before = self.store.newest_fleet_plan(project.slug, choice.fleet) if choice.fleet else None
        old = {each.target for each in before.members} if before else names
        made = FleetPlan(
            id=cohorts.address(project.slug, parts.release.tree, choice.rules, members, waves),
            slug=project.slug,
            fleet=choice.fleet,
            where=choice.where,
            release=parts.release.number,
            tree=parts.release.tree,
            rules=choice.rules,
            members=members,
            cohorts=cohorts.cohorts(ordered),
            waves=waves,
            made_at=system.clock.now(),
            made_by=self.workers.user,
            came=tuple(sorted(names - old)),
            gone=tuple(sorted(old - names)),
        )
        self.store.keep_fleet_plan(made)
        return made

    def _of(
        self, project: Project, target: Target, parts: DeployParts, given: GivenValues
    ) -> cohorts.PlannedMember:
        """Return what one target needs, or why that cannot be said; in a thread of the pool."""
        app = self.workers.one()
        try:
            case = app.plans.around(project, target, replace(parts, read=app.reader), given)
            refuse_unfit(case)
            refuse_empty(case)
            with app.plans.opened(case, name="fleet") as opened:
                options = app.rollbacks.with_fallback(opened, PlanOptions())
                preview = app.plans.preview(opened, options)
                server = next(_servers(opened), "")
                return cohorts.planned(preview, server, app.masker.mask)
        except TempleError as error:
            reached = not isinstance(error, TargetError)
            state = PlannedState.REFUSED if reached else PlannedState.UNREACHABLE
            return cohorts.not_planned(target.name, state, app.masker.mask(error.message))


def _servers(opened: OpenTarget) -> Iterator[str]:
    for session in opened.sessions.values():
        if session.server:
            known = session.server.here.parameters
            yield f"{known.get('hostaddr') or known.get('host', '')}:{known.get('port', '')}"
