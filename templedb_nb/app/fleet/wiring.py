"""The wiring of fleets: beside the container, because their workers make containers."""

from __future__ import annotations

from functools import cached_property

from templedb_nb.app.container import Container
from templedb_nb.app.fleet.drift import FleetDriftChecks
from templedb_nb.app.fleet.fleets import Fleets
from templedb_nb.app.fleet.planning import FleetPlanning
from templedb_nb.app.fleet.rollouts import Rollouts
from templedb_nb.app.fleet.workers import Workers
from templedb_nb.errors import UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.fleet import FleetPlan
from templedb_nb.model.project import Project
from templedb_nb.ports.fleets import FleetStore
from templedb_nb.store.fleets import StateFleets


@dataclass
class FleetCases:
    """The use cases around fleets, over one application."""

    app: Container

    @cached_property
    def store(self) -> FleetStore:
        """Return fleets, their plans and their rollouts."""
        return StateFleets(file=self.app.state)

    @cached_property
    def workers(self) -> Workers:
        """Return what makes applications for single targets."""
        return Workers(app=self.app, user=self.app.system.user())

    @cached_property
    def fleets(self) -> Fleets:
        """Return the use cases around fleets by name."""
        return Fleets(store=self.store, targets=self.app.targets, system=self.app.system)

    @cached_property
    def planning(self) -> FleetPlanning:
        """Return the use case that plans for many targets."""
        return FleetPlanning(workers=self.workers, fleets=self.fleets, store=self.store)

    @cached_property
    def rollouts(self) -> Rollouts:
        """Return the use cases that carry plans of fleets out."""
        return Rollouts(workers=self.workers, store=self.store)

    @cached_property
    def drift(self) -> FleetDriftChecks:
        """Return the use case that asks many targets for their drift."""
        return FleetDriftChecks(workers=self.workers, fleets=self.fleets)

    def plan_named(self, project: Project, name: str | None) -> FleetPlan:
        """Return the plan of that id, or the newest one: of the fleet of that name, or of all."""
        if name is not None and not self.fleets.is_fleet(project, name):
            return self.store.fleet_plan(project.slug, name)
        found = self.store.newest_fleet_plan(project.slug, name)
        if found is None:
            hint = f"templedb fleet plan {project.slug} {name or '--where region=eu'}"
            raise UsageProblem(f"no fleet of {project.slug} has a plan yet", hint=hint)
        return found
