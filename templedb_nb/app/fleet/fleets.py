"""Fleets by name: defined, listed, forgotten; and what the words of a command mean by one."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from templedb_nb.app.environment import Environment
from templedb_nb.app.project.targets import Targets
from templedb_nb.core.fleet.labels import key_fault
from templedb_nb.core.fleet.selector import selected, selector
from templedb_nb.core.fleet.waves import checked
from templedb_nb.core.values.schema import nearest
from templedb_nb.errors import UnknownName, UsageProblem
from templedb_nb.model.dataclass import dataclass
from templedb_nb.model.fleet import Fleet, FleetList, RolloutRules
from templedb_nb.model.project import Project
from templedb_nb.model.target import Target
from templedb_nb.ports.fleets import FleetStore


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChoice:
    """Which targets are meant, and by which rules they are rolled out."""

    fleet: str
    where: str
    rules: RolloutRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleets:
    """Use cases around fleets by name."""

    store: FleetStore
    targets: Targets
    system: Environment

    def define(self, project: Project, name: str, where: str, rules: dict[str, Any]) -> Fleet:
        """Keep a fleet under *name*, with what *rules* sets; what it does not set is as before."""
        if fault := key_fault(name):
            raise UsageProblem(f"{name!r} cannot be the name of a fleet: {fault}")
        known = self._named(project, name)
        if not where and known is None:
            hint = f"templedb fleet define {project.slug} {name} --where region=eu"
            raise UsageProblem("--where is missing: it says which targets it has", hint=hint)
        where = where or (known.where if known else "")
        selected(selector(where), self.targets.all(project))
        fleet = Fleet(
            slug=project.slug,
            name=name,
            where=where,
            rules=checked(over(known.rules if known else RolloutRules(), rules)),
            defined_at=self.system.clock.now(),
            defined_by=self.system.user(),
        )
        self.store.keep_fleet(fleet)
        return fleet

    def list(self, project: Project) -> FleetList:
        """Return the fleets of a project."""
        return FleetList(slug=project.slug, rows=self.store.fleets(project.slug))

    def remove(self, project: Project, name: str) -> None:
        """Forget a fleet; its plans and rollouts stay."""
        if not self.store.remove_fleet(project.slug, name):
            raise self._unknown(project, name)

    def chosen(
        self, project: Project, name: str | None, where: str | None, rules: dict[str, Any]
    ) -> FleetChoice:
        """Return what a fleet's name, a selector and the rules of a command mean together."""
        if name is None and where is None:
            fleets = self.store.fleets(project.slug)
            if len(fleets) != 1:
                hint = f"templedb fleet plan {project.slug} --where region=eu"
                message = "no fleet is named" if fleets else f"{project.slug} has no fleet yet"
                names = [f"fleet {each.name}: {each.where}" for each in fleets]
                raise UsageProblem(message, problems=names, hint=hint)
            name = fleets[0].name
        if name is None:
            return FleetChoice(
                fleet="", where=where or "", rules=checked(over(RolloutRules(), rules))
            )
        known = self._named(project, name)
        if known is None:
            raise self._unknown(project, name)
        both = f"({known.where}) and ({where})" if where else known.where
        return FleetChoice(fleet=name, where=both, rules=checked(over(known.rules, rules)))

    def members(self, project: Project, choice: FleetChoice) -> tuple[Target, ...]:
        """Return the targets that are meant now; none is an error."""
        found = selected(selector(choice.where), self.targets.all(project))
        if not found:
            hint = f"templedb target list {project.slug}"
            raise UnknownName(f"{choice.where} selects no target of {project.slug}", hint=hint)
        return found

    def is_fleet(self, project: Project, name: str) -> bool:
        """Return whether a fleet of the project has that name."""
        return self._named(project, name) is not None

    def _named(self, project: Project, name: str) -> Fleet | None:
        return next((e for e in self.store.fleets(project.slug) if e.name == name), None)

    def _unknown(self, project: Project, name: str) -> UnknownName:
        names = [each.name for each in self.store.fleets(project.slug)]
        message = f"project {project.slug} has no fleet {name!r}{nearest(name, names)}"
        hint = f"templedb fleet define {project.slug} {name} --where region=eu"
        return UnknownName(message, problems=names, hint=hint)


def over(rules: RolloutRules, given: dict[str, Any]) -> RolloutRules:
    """Return *rules* with those of *given* that say something."""
    known = {each.name for each in fields(RolloutRules)}
    said = {k: v for k, v in given.items() if k in known and v is not None and v != ()}
    return replace(rules, **said)
