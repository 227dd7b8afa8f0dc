"""What a project is made of: the use cases that stand below all others."""

from __future__ import annotations

from functools import cached_property

from templedb_nb.app.fleet.target_imports import TargetImports
from templedb_nb.app.project.addresses import Addresses
from templedb_nb.app.project.configs import Configs
from templedb_nb.app.project.new_migration import NewMigrations
from templedb_nb.app.project.next_steps import NextSteps
from templedb_nb.app.project.projects import Projects
from templedb_nb.app.project.targets import Targets
from templedb_nb.app.project.variables import Variables
from templedb_nb.app.stores import Stores
from templedb_nb.model.dataclass import dataclass


@dataclass
class Foundation(Stores):
    """Projects, configs, targets and variables, over one state file."""

    @cached_property
    def projects(self) -> Projects:
        """Return the use cases around projects."""
        return Projects(self.state, self.settings, self.content, self.system, self.reserved)

    @cached_property
    def configs(self) -> Configs:
        """Return the use cases around configs."""
        return Configs(self.settings, self.content, self.system)

    @cached_property
    def targets(self) -> Targets:
        """Return the use cases around targets."""
        return Targets(self.settings, self.content, self.projects, self.configs)

    @cached_property
    def target_imports(self) -> TargetImports:
        """Return the use case that takes targets from files."""
        return TargetImports(settings=self.settings, targets=self.targets, system=self.system)

    @cached_property
    def variables(self) -> Variables:
        """Return the use cases around variables."""
        return Variables(self.settings, self.seal, self.masker, self.system)

    @cached_property
    def addresses(self) -> Addresses:
        """Return the use cases around addresses of databases."""
        return Addresses(targets=self.targets, variables=self.variables, system=self.system)

    @cached_property
    def next_steps(self) -> NextSteps:
        """Return what says what a project needs next."""
        return NextSteps(
            targets=self.targets,
            variables=self.variables,
            content=self.content,
            system=self.system,
        )

    @cached_property
    def new_migrations(self) -> NewMigrations:
        """Return the use cases that write files of a project."""
        return NewMigrations(self.projects, self.configs, self.reader, self.system)
